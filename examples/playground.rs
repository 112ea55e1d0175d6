//! An interactive playground that needs no AWS account: `cargo run --example playground`.
//!
//! It serves a stand-in for AWS on a loopback port, with a filled table and a web ACL that refers to nothing yet. It
//! prints `export` lines for a second terminal, with which wafsync uses the stand-in, and so does the AWS CLI: also to
//! create tables, items and web ACLs as in the README. Commands typed here change the table and WAF; `help` lists them.

use std::error::Error;
use std::io::{self, BufRead as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};
use wafsync_test_aws::{Aws, Config, Fault, FaultKind, When};

const REGION: &str = "eu-central-1";
const TABLE: &str = "clusters";
const WEB_ACL: &str = "rancher";

/// Clusters in the table at the start, with one address each.
const CLUSTERS: u32 = 40;

/// The additional duration of each call after `slow`.
const SLOW: Duration = Duration::from_secs(3);

/// The operations that the stand-in knows.
const AWS_CLI: &str = "  dynamodb  create-table describe-table put-item get-item delete-item scan
  wafv2     create-web-acl associate-web-acl, and get-, list-, create- and
            update- of ip-set(s) and rule-group(s), get- and list- of web-acl(s)
  sts       get-caller-identity
";

const USAGE: &str = "\
usage: cargo run --example playground [-- --port N]

Keeps a stand-in for AWS up on a loopback port, until `quit` or the end of its
input.
";

const HELP: &str = "  put KEY CIDR…    write an item of the table: put edge-1 198.51.100.7
  delete KEY       delete an item
  lose half        delete every second item of the table
  hand-edit        add an unwanted address to an IP set, like a manual edit
  attach           make the web ACL refer to the rule groups
  count            make the web ACL only count matches of the first rule group
  slow, fast       make every call take 3 s longer, or no longer
  show             show the contents of the IP sets
  help, quit
";

fn main() -> ExitCode {
    let port = match port(std::env::args().skip(1)) {
        Ok(Some(port)) => port,
        Ok(None) => return say(USAGE).map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS),
        Err(problem) => {
            let _ = write!(io::stderr(), "playground: {problem}\n{USAGE}");
            return ExitCode::from(64);
        }
    };
    match tokio::runtime::Runtime::new().map_err(Into::into).and_then(|runtime| runtime.block_on(play(port))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "playground: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The port in the arguments, 0 for any. `None` asks for help.
fn port(mut arguments: impl Iterator<Item = String>) -> Result<Option<u16>, String> {
    let mut port = 0;
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "-h" | "--help" => return Ok(None),
            "--port" => {
                let value = arguments.next().ok_or("--port needs a number")?;
                port = value.parse().map_err(|_| format!("--port {value}: not a port"))?;
            }
            _ => return Err(format!("unknown argument {argument}")),
        }
    }
    Ok(Some(port))
}

/// Prints a text. An error means that the output is closed.
fn say(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

async fn play(port: u16) -> Result<(), Box<dyn Error>> {
    let aws = Aws::new(Config { for_people: true, ..Config::default() });
    aws.create_table(REGION, TABLE);
    for number in 1..=CLUSTERS {
        put(&aws, &format!("cluster-{number:02}"), &[&format!("203.0.113.{number}/32")]);
    }
    aws.put_web_acl("REGIONAL", WEB_ACL, "Block", json!([]));
    let server = aws.serve_on(port).await?;
    let welcome = format!(
        "A stand-in for AWS with {CLUSTERS} clusters in its table. In a second terminal:\n\n\
         export AWS_ENDPOINT_URL={} AWS_EC2_METADATA_DISABLED=true\n\
         export AWS_REGION={REGION} AWS_DEFAULT_REGION={REGION}\n\
         export AWS_ACCESS_KEY_ID=AKIDEXAMPLE AWS_SECRET_ACCESS_KEY=example\n\
         export WAFSYNC_TABLE={TABLE} WAFSYNC_WEB_ACL={WEB_ACL} WAFSYNC_SETTLE=5s\n\n\
         cargo run -- plan\n\
         aws dynamodb get-item --table-name {TABLE} --key '{{\"id\": {{\"S\": \"cluster-01\"}}}}'\n\
         aws wafv2 list-ip-sets --scope REGIONAL\n\n\
         Commands here (`help aws`: what it knows of the AWS CLI):\n{HELP}",
        server.url()
    );
    if say(&welcome).is_err() {
        return Ok(());
    }
    let (sender, mut lines) = tokio::sync::mpsc::unbounded_channel();
    // Not a task: at its end, the runtime would wait for the task, which waits for input.
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    loop {
        if say("> ").is_err() {
            return Ok(());
        }
        let Some(line) = lines.recv().await else { return Ok(()) };
        let words: Vec<&str> = line.split_whitespace().collect();
        if words == ["quit"] || words == ["exit"] {
            return Ok(());
        }
        let answer = act(&aws, &words).unwrap_or_else(|problem| format!("{problem}; `help` lists the commands\n"));
        if say(&answer).is_err() {
            return Ok(());
        }
    }
}

/// Runs a command and returns its output.
fn act(aws: &Aws, words: &[&str]) -> Result<String, String> {
    match words {
        [] => Ok(String::new()),
        ["help"] => Ok(HELP.to_owned()),
        ["help", "aws"] => Ok(AWS_CLI.to_owned()),
        ["put", key, cidrs @ ..] if !cidrs.is_empty() => {
            put(aws, key, cidrs);
            Ok(format!("{key} asks for {}\n", cidrs.join(" ")))
        }
        ["delete", key] => {
            aws.delete_item(TABLE, key);
            Ok(format!("{key} is deleted\n"))
        }
        ["lose", "half"] => {
            for number in (1..=CLUSTERS).step_by(2) {
                aws.delete_item(TABLE, &format!("cluster-{number:02}"));
            }
            Ok("every second cluster is deleted from the table\n".to_owned())
        }
        ["hand-edit"] => {
            let set = aws
                .ip_sets()
                .into_iter()
                .find(|set| set.version == "IPV4")
                .ok_or("there is no IPv4 set yet: apply first")?;
            aws.edit_ip_set(&set.name, |addresses| addresses.push("192.0.2.66/32".to_owned()));
            Ok(format!("192.0.2.66/32 is in {}\n", set.name))
        }
        ["attach"] => refer(aws, &json!({ "None": {} })),
        ["count"] => refer(aws, &json!({ "Count": {} })),
        ["slow"] => {
            aws.clear_faults();
            aws.fail(Fault {
                operation: None,
                target: None,
                skip: 0,
                times: usize::MAX,
                when: When::Before,
                kind: FaultKind::Slow(SLOW),
            });
            Ok("every call takes 3 s longer\n".to_owned())
        }
        ["fast"] => {
            aws.clear_faults();
            Ok("calls are fast again\n".to_owned())
        }
        ["show"] => {
            let sets = aws.ip_sets();
            let line = |set: &wafsync_test_aws::IpSetView| {
                format!("{} {} {}\n", set.name, set.addresses.len(), set.addresses.join(" "))
            };
            Ok(if sets.is_empty() { "no IP set yet\n".to_owned() } else { sets.iter().map(line).collect() })
        }
        _ => Err(format!("unknown command: {}", words.join(" "))),
    }
}

/// Makes the web ACL refer to all rule groups, and to the first with this override.
fn refer(aws: &Aws, first: &Value) -> Result<String, String> {
    let groups = aws.rule_groups();
    if groups.is_empty() {
        return Err("there is no rule group yet: apply first".to_owned());
    }
    let none = json!({ "None": {} });
    let reference = |(number, arn): (usize, &str)| {
        let action = if number == 0 { first } else { &none };
        json!({
            "Name": format!("wafsync-{number}"),
            "Priority": number,
            "Statement": { "RuleGroupReferenceStatement": { "ARN": arn } },
            "OverrideAction": action,
            "VisibilityConfig": {
                "SampledRequestsEnabled": true, "CloudWatchMetricsEnabled": true, "MetricName": format!("wafsync-{number}"),
            },
        })
    };
    let references: Value = groups.iter().map(|group| group.arn.as_str()).enumerate().map(reference).collect();
    aws.edit_web_acl(WEB_ACL, |rules| *rules = references);
    Ok(format!("web ACL {WEB_ACL} refers to {} rule groups\n", groups.len()))
}

/// Puts an item as Crossplane writes it: the addresses are a JSON array in a string.
fn put(aws: &Aws, key: &str, cidrs: &[&str]) {
    aws.put_item(TABLE, key, json!({ "id": { "S": key }, "ips": { "S": json!(cidrs).to_string() } }));
}

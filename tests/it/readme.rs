//! The README and the pages in `docs` agree with the program.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use wafsync::cli::{self, Invocation};
use wafsync::metrics::METRICS;
use wafsync::preflight::iam_policy;
use wafsync::report::{Approving, Command, Document, text};
use wafsync::run::outcome::Outcome;

use crate::world::{TABLE, World, context, reference_to};

const README: &str = include_str!("../../README.md");
const SETTINGS: &str = include_str!("../../docs/settings.md");
const TABLES: &str = include_str!("../../docs/table.md");
const WEB_ACL: &str = include_str!("../../docs/web-acl.md");
const PERMISSIONS: &str = include_str!("../../docs/permissions.md");
const HOSTS: &str = include_str!("../../docs/hosts.md");
const OPERATIONS: &str = include_str!("../../docs/operations.md");
const CRONJOB: &str = include_str!("../../cronjob.yaml");

/// The fenced blocks of this language on a page.
fn blocks(page: &'static str, language: &str) -> Vec<&'static str> {
    let fence = format!("\n```{language}\n");
    page.split(fence.as_str()).skip(1).map(|rest| rest.split_once("\n```\n").unwrap().0).collect()
}

/// The cells of each table row on the settings page that begins with this text.
fn rows(start: &str) -> Vec<Vec<&'static str>> {
    let cells = |line: &'static str| line.trim_matches('|').split('|').map(str::trim).collect();
    SETTINGS.lines().filter(|line| line.starts_with(start)).map(cells).collect()
}

/// Every page that contains commands.
fn pages() -> Vec<(String, &'static str)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let all = docs.chain(["README.md", "SECURITY.md", "CONTRIBUTING.md"].map(|page| root.join(page)));
    let mut pages: Vec<_> = all.filter(|page| page.extension().is_some_and(|extension| extension == "md")).collect();
    pages.sort();
    let read = |page: &Path| fs::read_to_string(page).unwrap().leak() as &'static str;
    pages.iter().map(|page| (page.file_name().unwrap().to_str().unwrap().to_owned(), read(page))).collect()
}

#[tokio::test(start_paused = true)]
async fn the_transcript_is_the_output_of_plan() {
    let world = World::new(&["--web-acl=rancher"]);
    for number in 0..2_140_u32 {
        let [.., high, low] = (2 * number).to_be_bytes();
        let ips = [format!("198.18.{high}.{low}/32"), format!("198.18.{high}.{}/32", low + 1)];
        world.item(&format!("edge-{number:04}"), &[&ips[0], &ips[1]]);
    }
    world.aws.put_web_acl("REGIONAL", "rancher", "Block", json!([]));
    world.apply().await;
    let groups = ["wafsync-1", "wafsync-2"].map(|name| world.aws.rule_group(name).unwrap().arn);
    world.aws.edit_web_acl("rancher", |rules| {
        *rules = groups.iter().zip(0..).map(|(group, priority)| reference_to(group, priority)).collect();
    });
    world.later().await;
    world.item("edge-0042", &["198.18.0.84/32", "203.0.113.42/32"]);
    world.item("edge-2140", &["198.51.100.7/32"]);

    let run = world.run(Command::Plan).await;
    let line = format!("wafsync plan --table={TABLE} --web-acl=rancher");
    let approve = cli::parse(line.split(' ').map(OsString::from), []).unwrap().approve;
    let approving = Approving::Command(approve);
    let plan = text::render(&Document::new(&run, &world.settings), context(Command::Plan, &run, &approving));
    let transcript = format!("$ {line}\n{plan}");
    assert_eq!(blocks(README, "text"), [transcript.trim_end()], "\n{transcript}");
}

/// Each flag with its value name, and its default, from the help.
fn help_of(command: &str) -> BTreeMap<String, String> {
    let usage = cli::parse(["wafsync", command, "--help"].map(OsString::from), []).unwrap_err();
    // Groups of settings are not indented, and descriptions are indented most.
    let mut texts: Vec<(String, Vec<&str>)> = Vec::new();
    for line in usage.text.lines() {
        if line.trim_start().starts_with("--") {
            texts.push((line.trim().replace(['<', '>'], ""), Vec::new()));
        } else if let (Some((_, text)), "          ") = (texts.last_mut(), line.get(..10).unwrap_or_default()) {
            text.push(line.trim());
        }
    }
    let default = |text: &str| match text.split_once("[default: ").and_then(|(_, rest)| rest.split_once(']')) {
        Some((default, _)) => default.to_owned(),
        None if text.contains("; required") => "required".to_owned(),
        None => "none".to_owned(),
    };
    texts.into_iter().map(|(flag, text)| (flag, default(&text.join(" ")))).collect()
}

#[test]
fn the_settings_are_those_of_the_program_with_their_defaults() {
    let mut settings = help_of("plan");
    settings.extend(help_of("apply"));
    settings.extend(help_of("watch"));
    let written = rows("| `--").into_iter().map(|row| (row[0].replace('`', ""), row[1].replace('`', "")));
    assert_eq!(written.collect::<BTreeMap<_, _>>(), settings);
}

#[test]
fn the_outcomes_have_the_exit_codes_of_the_program() {
    use Outcome::{Blocked, Changed, Converged, Failed, Held, Partial, Planned, Unenforced};
    let outcomes = [Converged, Changed, Planned, Blocked, Held, Unenforced, Partial, Failed];
    let written: Vec<_> = rows("| `").into_iter().filter(|row| row.len() == 3 && !row[0].starts_with("`--")).collect();
    let written: Vec<_> = written.iter().map(|row| (row[0].to_owned(), row[2].to_owned())).collect();
    assert_eq!(written, outcomes.map(|outcome| (format!("`{outcome}`"), outcome.exit_code().to_string())));
}

#[tokio::test(start_paused = true)]
async fn the_item_of_the_readme_is_wanted_and_the_invalid_sample_is_rejected() {
    let item: Value = serde_saphyr::from_str(blocks(TABLES, "yaml")[0]).unwrap();
    let item: Value = serde_json::from_str(item["spec"]["forProvider"]["item"].as_str().unwrap()).unwrap();
    let (_, put) = README.split_once("--item '").unwrap();
    assert_eq!(serde_json::from_str::<Value>(put.split('\'').next().unwrap()).unwrap(), item);
    let world = World::new(&[]);
    world.aws.put_item(TABLE, "edge-0042", item);
    world.item("sample", &["54.123.456.78/32"]);
    let document = world.apply().await;
    assert_eq!(world.in_force(), ["203.0.113.42/32", "203.0.113.43/32"]);
    let [rejection] = document.table.rejections.as_slice() else { panic!("{:?}", document.table.rejections) };
    assert_eq!((&*rejection.value, rejection.reason.to_string().as_str()), ("54.123.456.78/32", "not an IP address"));
}

#[test]
fn the_snippets_are_valid_and_agree() {
    let yaml = blocks(WEB_ACL, "yaml");
    let yaml: Vec<Value> = yaml.into_iter().map(|block| serde_saphyr::from_str(block).unwrap()).collect();
    let [stack, label_rule, crossplane] = yaml.as_slice() else { panic!("{} blocks", yaml.len()) };
    let rules = crossplane["spec"]["forProvider"]["ruleJson"].as_str().unwrap();
    // Only CloudFormation writes `Arn`.
    let rules: Value = serde_json::from_str(&rules.replace("\"ARN\"", "\"Arn\"")).unwrap();
    assert_eq!(stack["Resources"]["WebACL"]["Properties"]["Rules"], rules);
    let [json] = blocks(WEB_ACL, "json").try_into().unwrap();
    assert_eq!(label_rule[0], serde_json::from_str::<Value>(json).unwrap());
    for group in ["wafsync-1", "wafsync-2"] {
        assert!(label_rule[0].to_string().contains(&format!("awswaf:111122223333:rulegroup:{group}:wafsync")));
    }
}

#[test]
fn the_policy_is_the_output_of_the_command_above_it() {
    let commands = blocks(PERMISSIONS, "sh").join("\n").replace("\\\n", " ");
    let command = commands.lines().find(|line| line.starts_with("wafsync iam-policy ")).unwrap();
    let words = command.split_whitespace().map(OsString::from);
    let Invocation::IamPolicy { scope, access } = cli::parse(words, []).unwrap().invocation else {
        panic!("no policy")
    };
    let [policy] = blocks(PERMISSIONS, "json").try_into().unwrap();
    assert_eq!(serde_json::from_str::<Value>(policy).unwrap(), iam_policy::policy(access, &scope));
}

#[test]
fn the_commands_parse() {
    let mut understood = 0;
    for (name, page) in pages() {
        for block in blocks(page, "sh") {
            for line in block.replace("\\\n", " ").lines().filter(|line| line.starts_with("wafsync ")) {
                let words = line.split_whitespace().take_while(|word| !["#", ">", "|", "&&"].contains(word));
                let env = [("WAFSYNC_TABLE", TABLE)].map(|(name, value)| (name.into(), value.into()));
                if let Err(usage) = cli::parse(words.map(OsString::from), env) {
                    panic!("{name}: {line}: {}", usage.text);
                }
                understood += 1;
            }
        }
    }
    assert!(understood >= 18, "{understood}");
}

#[test]
fn the_readme_is_short() {
    assert!(README.lines().count() < 250);
}

#[test]
fn the_roles_for_kubernetes_match_the_service_account_and_role_of_the_cronjob() {
    let account: Value = serde_saphyr::from_multiple(CRONJOB).unwrap().remove(1);
    let [name, namespace] = ["name", "namespace"].map(|key| account["metadata"][key].as_str().unwrap());
    let role = account["metadata"]["annotations"]["eks.amazonaws.com/role-arn"].as_str().unwrap();
    let commands = [README, HOSTS, PERMISSIONS].map(|page| blocks(page, "sh").join("\n")).join("\n");
    let commands = commands.replace("'\"$ISSUER\"'", "ISSUER");
    // The policies are the quoted texts of several lines.
    let policies = commands.split("'{\n").skip(1).map(|rest| rest.split_once("}'").unwrap().0);
    let policies: Vec<Value> = policies.map(|policy| serde_json::from_str(&format!("{{{policy}}}")).unwrap()).collect();
    let [irsa, pod_identity, _table] = policies.as_slice() else { panic!("{policies:?}") };
    let subject = format!("system:serviceaccount:{namespace}:{name}");
    assert_eq!(
        irsa["Statement"][0]["Condition"]["StringEquals"],
        json!({"ISSUER:aud": "sts.amazonaws.com", "ISSUER:sub": subject})
    );
    assert_eq!(irsa["Statement"][0]["Action"], "sts:AssumeRoleWithWebIdentity");
    assert_eq!(pod_identity["Statement"][0]["Action"], json!(["sts:AssumeRole", "sts:TagSession"]));
    let association = format!("--namespace {namespace} --service-account {name} \\\n  --role-arn {role}");
    assert!(commands.contains(&association), "{association}");
    let created = format!("aws iam create-role --role-name {} ", role.rsplit('/').next().unwrap());
    assert_eq!(commands.matches(&created).count(), 2, "{created}");
}

#[test]
fn the_unit_for_systemd_starts_the_daemon_and_waits_for_it_to_stop() {
    let [unit] = blocks(HOSTS, "ini").try_into().unwrap();
    let value = |key: &str| unit.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).unwrap();
    let env = value("Environment").split(' ').map(|pair| pair.split_once('=').unwrap());
    let env = env.map(|(name, value)| (OsString::from(name), OsString::from(value)));
    let parsed = cli::parse(value("ExecStart").split(' ').map(OsString::from), env).unwrap();
    assert!(matches!(parsed.invocation, Invocation::Watch { .. }));
    assert_eq!(value("RestartPreventExitStatus"), cli::EXIT_USAGE.to_string());
    // A test of cronjob.yaml measures how long stopping takes.
    let grace = format!("terminationGracePeriodSeconds: {}\n", value("TimeoutStopSec"));
    assert!(CRONJOB.contains(&grace), "{grace}");
}

#[test]
fn the_operations_page_describes_what_to_do_about_each_metric() {
    let (_, page) = OPERATIONS.split_once("\n## Metrics\n").unwrap();
    let (page, _) = page.split_once("\n## ").unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    let metrics: Vec<&str> = rows.map(|(metric, _)| metric).collect();
    assert_eq!(metrics, METRICS.iter().map(|metric| metric.name).collect::<Vec<_>>());
    // Each alert has a row of its own.
    for alert in page.split("`Wafsync").skip(1).map(|rest| rest.split('`').next().unwrap()) {
        assert!(
            OPERATIONS.contains(&format!("\n| `Wafsync{alert}` |"))
                || OPERATIONS.contains(&format!("| `Wafsync{alert}`, "))
        );
    }
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages = docs.chain(["README.md", "SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(|page| root.join(page)));
    for page in pages.filter(|page| page.extension().is_some_and(|extension| extension == "md")) {
        let text = fs::read_to_string(&page).unwrap();
        for link in text.split("](").skip(1).map(|rest| rest.split_once(')').unwrap().0) {
            if link.starts_with("https://") {
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            assert!(target.exists(), "{link} in {}", page.display());
            if !anchor.is_empty() {
                let heading = |line: &str| line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
                let linked = fs::read_to_string(target).unwrap();
                let mut headings = linked.lines().filter(|line| line.starts_with('#'));
                assert!(headings.any(|line| heading(line) == anchor), "{link} in {}", page.display());
            }
        }
    }
}

#[test]
fn the_recipes_name_existing_files_and_tests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("CONTRIBUTING.md")).unwrap();
    let quoted: Vec<&str> = page.split('`').skip(1).step_by(2).collect();
    let starts = ["src/", "tests/", "docs/", ".ci/"];
    let paths: Vec<&str> =
        quoted.iter().copied().filter(|text| starts.iter().any(|start| text.starts_with(start))).collect();
    assert!(paths.len() > 30, "{paths:?}");
    for path in paths {
        let path = path.split(' ').next().unwrap();
        assert!(root.join(path).exists(), "CONTRIBUTING.md: {path} does not exist");
    }
    for filter in quoted.iter().flat_map(|text| text.split_whitespace()).filter_map(|word| word.strip_suffix("::")) {
        let places = [format!("tests/it/{filter}.rs"), format!("src/{filter}/mod.rs")];
        assert!(places.iter().any(|place| root.join(place).exists()), "CONTRIBUTING.md: no tests match {filter}::");
    }
}

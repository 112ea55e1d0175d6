//! From clap's text to [`Settings`]: validates everything, once, for the command line and for Lambda.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use super::args::{
    ApplyArgs, Cli, Command, EntryArgs, ExplainArgs, GuardArgs, IamPolicyArgs, LookArgs, MetricsArgs, OutputArgs,
    PlanArgs, ReadArgs, RuleArgs, RunArgs, TableArgs, TerminalArgs, WafArgs, WatchArgs, WriteArgs,
};
use super::environment::Environment;
use super::invocation::{Invocation, Question};
use super::values::{
    Checked, Invalid, MIN_RATE, arn, attribute, check, cidr, decimal, digits, duration, is_word, number, rate,
};
use crate::model::cidr::{Cidr, Family, PerFamily};
use crate::model::limits::{Limits, SET_CAPACITY};
use crate::model::policy::{Action, Forwarded, Position, RulePolicy};
use crate::model::settings::{
    GuardSettings, LogFormat, LogSettings, MAX_SEGMENTS, MaxAdditions, MaxRemovals, MetricsSettings, OnRejection,
    RunSettings, Scope, Settings, TableSettings, ViewSettings, WafSettings,
};
use crate::preflight::iam_policy::IamScope;

/// IP set names have three digits.
const MAX_IP_SETS: usize = 1000;
/// What all IP sets can hold; no larger count of CIDRs makes sense.
const MAX_CIDRS: usize = MAX_IP_SETS * SET_CAPACITY;
/// Read units a second: far more than a table gets by default (40,000).
const MAX_READ_CAPACITY: u32 = 1_000_000;
/// A shorter run has no time for a scan and a safe stop.
const MIN_DEADLINE: Duration = Duration::from_secs(10);
/// Longer than any sensible schedule; keeps sums with the clock from overflowing.
const MAX_DEADLINE: Duration = Duration::from_hours(24);
/// No run lasts longer.
const MAX_SETTLE: Duration = Duration::from_hours(24);
/// A run that has nothing to do takes a second or two; more often would leave no pause.
const MIN_EVERY: Duration = Duration::from_secs(10);
/// For fewer runs than one a day, a schedule is better.
const MAX_EVERY: Duration = Duration::from_hours(24);
/// A shorter wait is no wait.
const MIN_WAIT: Duration = Duration::from_secs(1);
/// AWS allows 50 tags, and `managed-by` is one.
const MAX_TAGS: usize = 49;
/// Characters of a tag's key, as AWS allows.
const MAX_TAG_KEY: usize = 128;
/// Characters of a tag's value, as AWS allows.
const MAX_TAG_VALUE: usize = 256;
/// Characters of a table's name: the minimum of DynamoDB.
const MIN_TABLE_NAME: usize = 3;
/// Characters of a table's name: the maximum of DynamoDB.
const MAX_TABLE_NAME: usize = 255;
/// Characters of the name of an IP set or a web ACL, as AWS allows.
const MAX_WAF_NAME: usize = 128;
/// Characters of `--name`: leaves room for suffixes such as `-ipv4-000`.
const MAX_NAME: usize = 100;
/// Characters of a web ACL's id: it is a UUID.
const MAX_ID: usize = 36;
/// Characters of a header's name, as AWS WAF allows.
const MAX_HEADER: usize = 255;
/// All CIDRs of a family.
const MAX_PERCENT: f64 = 100.0;
/// Words that AWS reserves in labels (AWS WAF: "Label syntax and naming requirements").
const RESERVED_LABELS: [&str; 8] =
    ["awswaf", "aws", "waf", "rulegroup", "webacl", "regexpatternset", "ipset", "managed"];

/// Validates everything. Warnings are about what is allowed but dangerous.
pub(super) fn invocation(
    cli: Cli,
    env: &Environment,
    warnings: &mut Vec<String>,
) -> Checked<(Invocation, LogSettings)> {
    Ok(match cli.command {
        Command::Plan(args) => {
            let PlanArgs { run, output, item, full, terminal, detailed_exitcode } = args;
            let one_line = terminal.log_format == LogFormat::Json;
            let view = ViewSettings { output, one_line, color: terminal.color, full: full.full, items: items(item)? };
            let settings = settings(run, warnings)?;
            (Invocation::Plan { settings, view, detailed_exitcode }, log(&terminal))
        }
        Command::Apply(args) => {
            let ApplyArgs { run, yes, output, full, metrics, terminal } = args;
            let view = ViewSettings { full: full.full, ..view(&output, &terminal) };
            let (settings, metrics) = (writing(run, warnings)?, self::metrics(metrics, None)?);
            (Invocation::Apply { settings, view, yes, metrics }, log(&terminal))
        }
        Command::Watch(args) => {
            let WatchArgs { run, every, output, metrics_listen, metrics, terminal } = args;
            let (settings, every) = (writing(run, warnings)?, self::every(&every)?);
            let (view, metrics) = (view(&output, &terminal), self::metrics(metrics, metrics_listen)?);
            (Invocation::Watch { settings, every, view, metrics }, log(&terminal))
        }
        Command::Explain(args) => {
            let ExplainArgs { addresses, item, wait, look } = args;
            let question = question(&addresses, item, wait.as_deref())?;
            let (view, log) = (view(&look.output, &look.terminal), log(&look.terminal));
            (Invocation::Explain { settings: looking(look, warnings)?, question, view }, log)
        }
        Command::Check(args) => {
            let (view, log) = (view(&args.output, &args.terminal), log(&args.terminal));
            (Invocation::Check { settings: looking(args, warnings)?, view }, log)
        }
        Command::IamPolicy(args) => (iam_policy(args, env)?, LogSettings::default()),
        Command::Completions { shell } => (Invocation::Completions(shell), LogSettings::default()),
    })
}

fn view(output: &OutputArgs, terminal: &TerminalArgs) -> ViewSettings {
    let one_line = terminal.log_format == LogFormat::Json;
    ViewSettings { output: output.output, one_line, color: terminal.color, full: false, items: Vec::new() }
}

fn log(terminal: &TerminalArgs) -> LogSettings {
    LogSettings { format: terminal.log_format, level: terminal.log_level }
}

/// Each key once, in the order given.
fn items(keys: Vec<String>) -> Checked<Vec<String>> {
    let mut items = Vec::new();
    for key in keys {
        check("--item", &key, !key.is_empty(), "must be the key of an item")?;
        if !items.contains(&key) {
            items.push(key);
        }
    }
    Ok(items)
}

fn question(addresses: &[String], keys: Vec<String>, wait: Option<&str>) -> Checked<Question> {
    let mut distinct = Vec::new();
    for text in addresses {
        let address = cidr("ADDRESS", text)?;
        if !distinct.contains(&address) {
            distinct.push(address);
        }
    }
    let wait = wait.map(|text| {
        const FLAG: &str = "--wait";
        let wait = duration(FLAG, text)?;
        check(FLAG, text, (MIN_WAIT..=MAX_DEADLINE).contains(&wait), "must be from 1s to 24h")?;
        Ok(wait)
    });
    Ok(Question { addresses: distinct, items: items(keys)?, wait: wait.transpose()? })
}

/// The guards of `explain` and `check`, which change nothing.
const NO_CHANGES: GuardSettings = GuardSettings {
    on_rejection: OnRejection::Hold,
    max_removals: MaxRemovals::Count(0),
    min_addresses: 0,
    max_additions: None,
    approve: None,
};

/// The settings of a command that only reads.
fn looking(args: LookArgs, warnings: &mut Vec<String>) -> Checked<Settings> {
    Ok(Settings {
        table: table(args.table, args.entries, Duration::ZERO)?,
        waf: waf(args.waf, args.rule, warnings)?,
        guards: NO_CHANGES,
        run: run(&args.read, None)?,
    })
}

/// The settings of a command that writes.
fn writing(args: RunArgs, warnings: &mut Vec<String>) -> Checked<Settings> {
    let settings = settings(args, warnings)?;
    let (settle, deadline) = (settings.table.settle, settings.run.deadline);
    if settle >= deadline {
        warnings.push(format!(
            "--settle {} is not less than --deadline {}: nothing can be removed, because no second scan can confirm it",
            humantime::format_duration(settle),
            humantime::format_duration(deadline)
        ));
    }
    Ok(settings)
}

fn settings(args: RunArgs, warnings: &mut Vec<String>) -> Checked<Settings> {
    let run = run(&args.read, Some(&args.write))?;
    Ok(Settings {
        table: table(args.table, args.entries, settle(&args.write.settle)?)?,
        waf: waf(args.waf, args.rule, warnings)?,
        guards: guards(args.guards)?,
        run,
    })
}

/// `write` is `None` for a command that does not write, which gets the lowest rate.
fn run(read: &ReadArgs, write: Option<&WriteArgs>) -> Checked<RunSettings> {
    let deadline = duration("--deadline", &read.deadline)?;
    if !(MIN_DEADLINE..=MAX_DEADLINE).contains(&deadline) {
        return Err(Invalid::new("--deadline", &read.deadline, "must be from 10s to 24h"));
    }
    Ok(RunSettings {
        read_rate: rate("--read-rate", &read.read_rate)?,
        write_rate: write.map_or(Ok(MIN_RATE), |write| rate("--write-rate", &write.write_rate))?,
        deadline,
    })
}

fn settle(text: &str) -> Checked<Duration> {
    const FLAG: &str = "--settle";
    let settle = duration(FLAG, text)?;
    check(FLAG, text, settle <= MAX_SETTLE, "must be at most 24h")?;
    Ok(settle)
}

fn every(text: &str) -> Checked<Duration> {
    const FLAG: &str = "--every";
    let every = duration(FLAG, text)?;
    check(FLAG, text, (MIN_EVERY..=MAX_EVERY).contains(&every), "must be from 10s to 24h")?;
    Ok(every)
}

fn metrics(args: MetricsArgs, listen: Option<String>) -> Checked<MetricsSettings> {
    let address = |text: String| -> Checked<SocketAddr> {
        let allowed = "must be an IP address and a port, such as 0.0.0.0:9090 or [::1]:9090";
        text.parse().map_err(|_| Invalid::new("--metrics-listen", &text, allowed))
    };
    if let Some(url) = &args.push {
        let allowed = "must be the http:// or https:// URL of a Pushgateway, without user, query, or fragment";
        let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://")).unwrap_or_default();
        let right = rest.bytes().all(|byte| byte.is_ascii_graphic()) && !rest.contains(['@', '?', '#']);
        check("--metrics-push", url, right && !rest.starts_with('/') && !rest.is_empty(), allowed)?;
    }
    if args.push_auth.is_some() && args.push.is_none() {
        return Err(Invalid {
            flag: "--metrics-push-auth",
            value: None,
            allowed: "requires --metrics-push".to_owned(),
        });
    }
    Ok(MetricsSettings {
        push_auth: args.push_auth.map(Into::into),
        listen: listen.map(address).transpose()?,
        push: args.push.map(|url| url.trim_end_matches('/').to_owned()),
        file: args.file.map(Into::into),
    })
}

fn table(table: TableArgs, entries: EntryArgs, settle: Duration) -> Checked<TableSettings> {
    let (table, region) = table_and_region(table)?;
    let widest = PerFamily {
        ipv4: number("--widest-ipv4", &entries.widest_ipv4, 1..=Family::Ipv4.bits())?,
        ipv6: number("--widest-ipv6", &entries.widest_ipv6, 1..=Family::Ipv6.bits())?,
    };
    let read_capacity = entries.read_capacity.map(|units| number("--read-capacity", &units, 1..=MAX_READ_CAPACITY));
    let expiry_attribute = entries.expiry_attribute.map(|name| attribute("--expiry-attribute", name));
    for key in &entries.ignore_item {
        check("--ignore-item", key, !key.is_empty(), "must be the key of an item")?;
    }
    // Duplicates are harmless; sorted, so that the same settings are the same value.
    let always = entries.always.iter().map(|text| cidr("--always", text)).collect::<Checked<BTreeSet<Cidr>>>()?;
    Ok(TableSettings {
        table,
        region,
        key_attribute: attribute("--key-attribute", entries.key_attribute)?,
        cidr_attribute: attribute("--cidr-attribute", entries.cidr_attribute)?,
        expiry_attribute: expiry_attribute.transpose()?,
        segments: number("--segments", &entries.segments, 1..=MAX_SEGMENTS)?,
        read_capacity: read_capacity.transpose()?,
        settle,
        widest,
        max_per_item: number("--max-per-item", &entries.max_per_item, 1..=MAX_CIDRS)?,
        ignored_items: entries.ignore_item.into_iter().collect(),
        always: always.into_iter().collect(),
        aggregate: entries.aggregate,
    })
}

/// The table as given, and its Region if that is known.
fn table_and_region(args: TableArgs) -> Checked<(String, Option<String>)> {
    const FLAG: &str = "--table-region";
    let missing =
        || Invalid { flag: "--table", value: None, allowed: "is required: the name or ARN of the table".to_owned() };
    let table = args.table.ok_or_else(missing)?;
    let arn = if table.starts_with("arn:") { Some(arn("--table", &table, "dynamodb", "table/")?) } else { None };
    let name = arn.as_ref().map_or(table.as_str(), |arn| arn.name);
    let length = MIN_TABLE_NAME..=MAX_TABLE_NAME;
    let allowed = format!(
        "must be a table name ({MIN_TABLE_NAME} to {MAX_TABLE_NAME} of A-Z a-z 0-9 _ . -) or the ARN of a table"
    );
    check("--table", &table, is_word(name, length, "_.-"), &allowed)?;
    if let Some(region) = &args.table_region {
        check(FLAG, region, crate::model::settings::is_region(region), "must be a Region such as eu-west-1")?;
    }
    let of_arn = arn.map(|arn| arn.region.to_owned());
    match (of_arn, args.table_region) {
        (Some(of_arn), Some(given)) if of_arn != given => {
            Err(Invalid::new(FLAG, &given, format!("must be {of_arn}, as in the ARN of --table, or left out")))
        }
        (of_arn, given) => Ok((table, of_arn.or(given))),
    }
}

fn waf(args: WafArgs, rule: RuleArgs, warnings: &mut Vec<String>) -> Checked<WafSettings> {
    let forwarded = forwarded(rule.forwarded_ip_header, rule.forwarded_ip_position, warnings)?;
    let reserved = RESERVED_LABELS.iter().any(|word| args.name.eq_ignore_ascii_case(word));
    if rule.action == Action::Count && reserved {
        let allowed = "must not be a word that AWS WAF reserves: --action count uses it as a label";
        return Err(Invalid::new("--name", &args.name, allowed));
    }
    let names = names(args)?;
    Ok(WafSettings {
        name: names.name,
        scope: names.scope,
        policy: RulePolicy { action: rule.action, forwarded },
        web_acls: names.web_acls,
        limits: names.limits,
        adopt: names.adopt,
        tags: tags(&rule.tag)?,
    })
}

/// The names of resources in WAF: all that `iam-policy` needs.
struct Names {
    name: String,
    scope: Scope,
    web_acls: Vec<String>,
    limits: Limits,
    adopt: BTreeSet<String>,
}

fn names(args: WafArgs) -> Checked<Names> {
    let allowed = format!("must be 1 to {MAX_NAME} of A-Z a-z 0-9 _ -");
    check("--name", &args.name, is_word(&args.name, 1..=MAX_NAME, "_-"), &allowed)?;
    let allowed = format!("must be the name of an IP set (1 to {MAX_WAF_NAME} of A-Z a-z 0-9 _ -)");
    for name in &args.adopt {
        check("--adopt", name, is_waf_name(name), &allowed)?;
    }
    let mut web_acls = Vec::new();
    for web_acl in args.web_acl {
        check_web_acl(&web_acl, args.scope)?;
        if !web_acls.contains(&web_acl) {
            web_acls.push(web_acl);
        }
    }
    Ok(Names {
        limits: Limits::aws(number("--max-ip-sets", &args.max_ip_sets, 1..=MAX_IP_SETS)?),
        name: args.name,
        scope: args.scope,
        web_acls,
        adopt: args.adopt.into_iter().collect(),
    })
}

fn check_web_acl(web_acl: &str, scope: Scope) -> Checked<()> {
    const FLAG: &str = "--web-acl";
    if !web_acl.starts_with("arn:") {
        let allowed = format!("must be the name of a web ACL (1 to {MAX_WAF_NAME} of A-Z a-z 0-9 _ -) or its ARN");
        return check(FLAG, web_acl, is_waf_name(web_acl), &allowed);
    }
    let (kind, word) = match scope {
        Scope::Regional => ("regional/webacl/", "regional"),
        Scope::Cloudfront => ("global/webacl/", "cloudfront"),
    };
    let arn = arn(FLAG, web_acl, "wafv2", kind)
        .map_err(|invalid| Invalid { allowed: format!("{} (--scope {word})", invalid.allowed), ..invalid })?;
    let right = arn.name.split_once('/').is_some_and(|(name, id)| is_waf_name(name) && is_word(id, 1..=MAX_ID, "-"));
    check(FLAG, web_acl, right, "must end with the name and the id of the web ACL")
}

fn is_waf_name(text: &str) -> bool {
    is_word(text, 1..=MAX_WAF_NAME, "_-")
}

fn forwarded(
    header: Option<String>,
    position: Option<Position>,
    warnings: &mut Vec<String>,
) -> Checked<Option<Forwarded>> {
    const FLAG: &str = "--forwarded-ip-header";
    let Some(header) = header else {
        return match position {
            None => Ok(None),
            Some(_) => {
                Err(Invalid { flag: "--forwarded-ip-position", value: None, allowed: format!("requires {FLAG}") })
            }
        };
    };
    let allowed = format!("must be 1 to {MAX_HEADER} of A-Z a-z 0-9 -");
    check(FLAG, &header, is_word(&header, 1..=MAX_HEADER, "-"), &allowed)?;
    let position = position.unwrap_or(Position::First);
    let word = match position {
        Position::First => Some("first"),
        Position::Any => Some("any"),
        Position::Last => None,
    };
    if let Some(word) = word {
        warnings.push(format!(
            "--forwarded-ip-position {word}: clients can forge that address in {header} to let themselves in; use last \
             if every request passes a proxy that appends to the header"
        ));
    }
    Ok(Some(Forwarded { header, position }))
}

fn tags(texts: &[String]) -> Checked<BTreeMap<String, String>> {
    const FLAG: &str = "--tag";
    let mut tags = BTreeMap::new();
    for text in texts {
        let Some((key, value)) = text.split_once('=') else {
            return Err(Invalid::new(FLAG, text, "must be KEY=VALUE"));
        };
        let right = (1..=MAX_TAG_KEY).contains(&key.chars().count()) && value.chars().count() <= MAX_TAG_VALUE;
        let allowed =
            format!("must be KEY=VALUE, a key of 1 to {MAX_TAG_KEY} and a value of at most {MAX_TAG_VALUE} characters");
        check(FLAG, text, right, &allowed)?;
        let right = key.chars().chain(value.chars()).all(is_tag_character);
        check(FLAG, text, right, "must be letters, digits, spaces, and _ . : / = + - @")?;
        let aws = key.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:"));
        check(FLAG, text, !aws, "must not start with aws:, which AWS reserves")?;
        check(FLAG, text, key != "managed-by", "must not be managed-by, which is always wafsync")?;
        let other = tags.insert(key.to_owned(), value.to_owned()).filter(|other| other != value);
        check(FLAG, text, other.is_none(), "must not give a key two values")?;
    }
    if tags.len() > MAX_TAGS {
        return Err(Invalid { flag: FLAG, value: None, allowed: format!("must be given at most {MAX_TAGS} times") });
    }
    Ok(tags)
}

/// `[\p{L}\p{Z}\p{N}_.:/=+\-@]`, nearly: `is_alphabetic` also accepts a few marks, which AWS refuses.
fn is_tag_character(character: char) -> bool {
    character.is_alphabetic()
        || character.is_numeric()
        || (character.is_whitespace() && !character.is_control())
        || "_.:/=+-@".contains(character)
}

fn guards(args: GuardArgs) -> Checked<GuardSettings> {
    Ok(GuardSettings {
        on_rejection: args.on_rejection,
        max_removals: max_removals(&args.max_removals)?,
        min_addresses: number("--min-addresses", &args.min_addresses, 0..=MAX_CIDRS)?,
        max_additions: args.max_additions.map(|limit| max_additions(&limit)).transpose()?,
        approve: args.approve.map(|digest| approve(&digest)).transpose()?,
    })
}

fn max_removals(text: &str) -> Checked<MaxRemovals> {
    let limit = match text.strip_suffix('%') {
        Some(percent) => decimal(percent).filter(|percent| *percent <= MAX_PERCENT).map(MaxRemovals::Percent),
        None => digits(text).map(MaxRemovals::Count),
    };
    limit.ok_or_else(|| Invalid::new("--max-removals", text, "must be a percentage from 0% to 100%, or a count"))
}

fn max_additions(text: &str) -> Checked<MaxAdditions> {
    let limit = match text.strip_suffix('%') {
        Some(percent) => decimal(percent).filter(|percent| percent.is_finite()).map(MaxAdditions::Percent),
        None => digits(text).map(MaxAdditions::Count),
    };
    limit.ok_or_else(|| Invalid::new("--max-additions", text, "must be a percentage such as 20%, or a count"))
}

fn approve(text: &str) -> Checked<String> {
    check("--approve", text, is_digest(text), "must be sha256: and 64 hexadecimal digits, as printed with the plan")?;
    Ok(text.to_owned())
}

/// Digests are written in lower case.
pub(super) fn is_digest(text: &str) -> bool {
    let digits = text.strip_prefix("sha256:").unwrap_or_default();
    digits.len() == 64 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn iam_policy(args: IamPolicyArgs, env: &Environment) -> Checked<Invocation> {
    let (table, table_region) = table_and_region(args.table)?;
    let names = names(args.waf)?;
    Ok(Invocation::IamPolicy {
        scope: IamScope {
            table,
            table_region,
            region: env.get("AWS_REGION").or_else(|| env.get("AWS_DEFAULT_REGION")).map(str::to_owned),
            name: names.name,
            scope: names.scope,
            web_acls: names.web_acls,
            adopt: names.adopt,
            rule_groups: names.limits.rule_groups(),
        },
        access: args.access,
    })
}

//! The command line as its users see it: arguments and environment in, an invocation or one line of text out.

use std::collections::BTreeSet;
use std::ffi::OsString;

use proptest::prelude::*;

use std::time::Duration;

use super::command::command;
use super::parse::usage;
use super::*;
use crate::model::cidr::Cidr;
use crate::model::policy::Position;
use crate::model::settings::{
    LogFormat, LogLevel, LogSettings, MaxAdditions, MaxRemovals, MetricsSettings, Scope, Settings,
};
use crate::text;

const DIGEST: &str = "sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

fn strings(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}

fn environment(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    pairs.iter().map(|(name, value)| (name.into(), value.into())).collect()
}

fn run(args: &[&str], env: &[(&str, &str)]) -> Result<Parsed, Usage> {
    parse(strings(&[&["wafsync"], args].concat()), environment(env))
}

/// The settings of an `apply` of the table `clusters` with these further arguments.
fn apply(args: &[&str], env: &[(&str, &str)]) -> (Settings, Vec<String>) {
    let parsed = run(&[&["apply", "--table", "clusters"], args].concat(), env).unwrap();
    match parsed.invocation {
        Invocation::Apply { settings, .. } => (settings, parsed.warnings),
        other => panic!("{other:?}"),
    }
}

fn settings(args: &[&str]) -> Settings {
    apply(args, &[]).0
}

/// What is said about a command line that cannot be used: one line on stderr, exit code 64.
fn refusal(args: &[&str], env: &[(&str, &str)]) -> String {
    let usage = run(args, env).expect_err("a usage error");
    assert_eq!((usage.exit, usage.to_stdout), (64, false), "{}", usage.text);
    usage.text
}

fn refused(args: &[&str], message: &str) {
    let text = refusal(&[&["apply", "--table", "clusters"], args].concat(), &[]);
    assert_eq!(text, format!("error: {message}\n"), "{args:?}");
}

/// A value for every setting that differs from the default.
const EVERY_SETTING: [(&str, &str); 45] = [
    ("table", "other"),
    ("table-region", "eu-west-1"),
    ("key-attribute", "cluster"),
    ("cidr-attribute", "addresses"),
    ("expiry-attribute", "ttl"),
    ("segments", "4"),
    ("read-capacity", "25"),
    ("widest-ipv4", "16"),
    ("widest-ipv6", "32"),
    ("max-per-item", "7"),
    ("ignore-item", "broken"),
    ("always", "192.0.2.1"),
    ("aggregate", ""),
    ("name", "clusters"),
    ("scope", "cloudfront"),
    ("web-acl", "front"),
    ("max-ip-sets", "60"),
    ("adopt", "by-hand"),
    ("action", "count"),
    ("forwarded-ip-header", "X-Forwarded-For"),
    ("forwarded-ip-position", "last"),
    ("tag", "team=edge"),
    ("on-rejection", "skip"),
    ("max-removals", "3"),
    ("max-additions", "20%"),
    ("min-addresses", "2"),
    ("approve", DIGEST),
    ("read-rate", "2.5"),
    ("deadline", "10m"),
    ("write-rate", "0.5"),
    ("settle", "1m"),
    ("output", "json"),
    ("log-format", "json"),
    ("log-level", "debug"),
    ("detailed-exitcode", ""),
    ("every", "90s"),
    ("metrics-listen", "[::1]:9090"),
    ("metrics-push", "http://pushgateway:9091/"),
    ("metrics-push-auth", "/secrets/authorization"),
    ("metrics-file", "/metrics/wafsync.prom"),
    ("color", "always"),
    ("full", ""),
    ("item", "edge"),
    ("yes", ""),
    ("wait", "10m"),
];

/// A command that has this setting.
fn command_with(flag: &str) -> &'static str {
    match flag {
        "yes" => "apply",
        "wait" => "explain",
        _ if flag == "every" || flag.starts_with("metrics-") => "watch",
        _ => "plan",
    }
}

/// What else must be given with a setting.
fn needed(flag: &str) -> &'static [&'static str] {
    match flag {
        "table" => &[],
        "metrics-push-auth" => &["--table=clusters", "--metrics-push=http://pushgateway:9091"],
        "wait" => &["--table=clusters", "192.0.2.1"],
        "forwarded-ip-position" => &["--table=clusters", "--forwarded-ip-header=X-Client"],
        _ => &["--table=clusters"],
    }
}

#[test]
fn every_setting_is_tried() {
    let listed: BTreeSet<&str> = EVERY_SETTING.iter().map(|(flag, _)| *flag).collect();
    let command = command();
    let known: BTreeSet<&str> = command
        .get_subcommands()
        .flat_map(clap::Command::get_arguments)
        .filter_map(clap::Arg::get_long)
        .filter(|flag| *flag != "for")
        .collect();
    assert_eq!(listed, known);
}

#[test]
fn a_variable_says_what_its_flag_says() {
    for (flag, value) in EVERY_SETTING.into_iter().filter(|(flag, _)| !["approve", "yes"].contains(flag)) {
        let command = command_with(flag);
        let given = if value.is_empty() { format!("--{flag}") } else { format!("--{flag}={value}") };
        let name = format!("WAFSYNC_{}", flag.replace('-', "_").to_uppercase());
        let with_flag = run(&[&[command], needed(flag), &[&given]].concat(), &[]).unwrap();
        let in_environment = if value.is_empty() { "true" } else { value };
        let with_variable = run(&[&[command], needed(flag)].concat(), &[(&name, in_environment)]).unwrap();
        assert_eq!(format!("{with_flag:?}"), format!("{with_variable:?}"), "--{flag}");
        let address: &[&str] = if flag == "wait" { &["192.0.2.1"] } else { &[] };
        let without = run(&[&[command, "--table=clusters"], address].concat(), &[]).unwrap();
        assert_ne!(format!("{with_flag:?}"), format!("{without:?}"), "--{flag}");
    }
}

#[test]
fn a_flag_wins_over_its_variable() {
    let env = [("WAFSYNC_SEGMENTS", "x"), ("WAFSYNC_ALWAYS", "192.0.2.1"), ("WAFSYNC_TABLE", "ignored")];
    let (settings, _) = apply(&["--segments", "3", "--always", "192.0.2.2"], &env);
    assert_eq!(settings.table.segments, 3);
    assert_eq!(settings.table.always, [Cidr::parse("192.0.2.2").unwrap()], "the lists are not joined");
    assert_eq!(settings.table.table, "clusters");
}

#[test]
fn an_empty_variable_counts_as_unset() {
    let (settings, _) = apply(&[], &[("WAFSYNC_SEGMENTS", ""), ("WAFSYNC_AGGREGATE", ""), ("WAFSYNC_ADOPT", "")]);
    assert_eq!((settings.table.segments, settings.table.aggregate), (1, false));
    assert!(settings.waf.adopt.is_empty());
}

#[test]
fn a_list_in_a_variable_has_commas_between_its_values() {
    let (settings, _) = apply(&[], &[("WAFSYNC_ADOPT", "one, two,,one,"), ("WAFSYNC_TAG", "a=1,b=")]);
    assert_eq!(settings.waf.adopt.into_iter().collect::<Vec<_>>(), ["one", "two"]);
    assert_eq!(
        settings.waf.tags.into_iter().collect::<Vec<_>>(),
        [("a", "1"), ("b", "")].map(|(k, v)| (k.into(), v.into()))
    );
}

#[test]
fn a_flag_is_not_split_at_commas() {
    let settings = settings(&["--ignore-item", "a,b", "--ignore-item", "c"]);
    assert_eq!(settings.table.ignored_items.into_iter().collect::<Vec<_>>(), ["a,b", "c"]);
}

#[test]
fn a_switch_in_a_variable_is_true_or_false_and_nothing_else() {
    assert!(apply(&[], &[("WAFSYNC_AGGREGATE", "true")]).0.table.aggregate);
    assert!(!apply(&[], &[("WAFSYNC_AGGREGATE", "false")]).0.table.aggregate);
    for value in ["1", "yes", "TRUE", " true"] {
        let text = refusal(&["apply", "--table", "clusters"], &[("WAFSYNC_AGGREGATE", value)]);
        assert_eq!(text, format!("error: WAFSYNC_AGGREGATE '{value}': must be true or false\n"));
    }
}

#[test]
fn the_variable_of_another_commands_setting_is_ignored() {
    let env = [("WAFSYNC_TABLE", "clusters"), ("WAFSYNC_MAX_REMOVALS", "many"), ("WAFSYNC_DETAILED_EXITCODE", "maybe")];
    let parsed = run(&["explain", "192.0.2.1"], &env).unwrap();
    assert!(parsed.warnings.is_empty(), "{:?}", parsed.warnings);
}

#[test]
fn a_variable_that_is_no_setting_is_refused() {
    let refusal = |name: &str| refusal(&["plan", "--table", "clusters"], &[(name, "1")]);
    assert_eq!(
        refusal("WAFSYNC_MIN_ADRESSES"),
        "error: WAFSYNC_MIN_ADRESSES: no such setting; `wafsync apply --help` lists all of them\n"
    );
    assert_eq!(
        refusal("WAFSYNC_APPROVE"),
        "error: WAFSYNC_APPROVE: an approval must not outlive its run; use the flag --approve\n"
    );
    assert_eq!(refusal("WAFSYNC_YES"), "error: WAFSYNC_YES: consent must not outlive its run; use the flag --yes\n");
    // Kubernetes sets these for a Service of that name, and an empty variable counts as unset.
    let others = [
        ("WAFSYNC_PORT_80_TCP", "tcp://192.0.2.1:80"),
        ("WAFSYNC_METRICS_SERVICE_HOST", "192.0.2.1"),
        ("WAFSYNC_MIN_ADRESSES", ""),
    ];
    assert_eq!(apply(&[], &others).1, [""; 0]);
    // Completions need no valid settings.
    assert!(run(&["completions", "bash"], &[("WAFSYNC_APPROVE", DIGEST)]).is_ok());
}

#[test]
fn a_bad_value_from_a_variable_names_the_variable() {
    insta::assert_snapshot!(refusal(&["apply", "--table", "clusters"], &[("WAFSYNC_SEGMENTS", "65")]),
        @"error: --segments '65' (from WAFSYNC_SEGMENTS): must be a whole number from 1 to 64");
    insta::assert_snapshot!(refusal(&["apply", "--table", "clusters"], &[("WAFSYNC_SCOPE", "global")]),
        @"error: --scope 'global' (from WAFSYNC_SCOPE): must be one of regional, cloudfront");
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_utf8_is_refused() {
    use std::os::unix::ffi::OsStringExt as _;
    let env = [("WAFSYNC_NAME".into(), OsString::from_vec(vec![0xff]))];
    let usage = parse(strings(&["wafsync", "apply", "--table", "clusters"]), env).expect_err("a usage error");
    assert_eq!((usage.text.as_str(), usage.exit), ("error: WAFSYNC_NAME: must be UTF-8\n", 64));
}

#[test]
fn settings_from_the_environment_are_those_of_apply() {
    let env = environment(&[("WAFSYNC_TABLE", "clusters"), ("WAFSYNC_MIN_ADDRESSES", "5")]);
    let (settings, log, warnings) = settings_from_env(env).unwrap();
    assert_eq!(settings.guards.min_addresses, 5);
    assert_eq!(log, LogSettings { format: LogFormat::Auto, level: LogLevel::Info });
    assert!(warnings.is_empty());
    assert_eq!(settings_from_env([]).unwrap_err().text, "error: --table: is required: the name or ARN of the table\n");
}

#[test]
fn the_defaults_are_those_of_the_contract() {
    insta::assert_debug_snapshot!(settings(&[]));
}

#[test]
fn the_help_fits_eighty_columns() {
    for words in [
        &["--help"][..],
        &["plan", "-h"],
        &["plan", "--help"],
        &["apply", "-h"],
        &["apply", "--help"],
        &["watch", "-h"],
        &["watch", "--help"],
        &["explain", "-h"],
        &["explain", "--help"],
        &["check", "-h"],
        &["check", "--help"],
        &["iam-policy", "-h"],
        &["iam-policy", "--help"],
        &["completions", "--help"],
    ] {
        let error = command().term_width(80).try_get_matches_from([&["wafsync"], words].concat()).unwrap_err();
        let usage = usage(&error, &[]);
        assert_eq!((usage.exit, usage.to_stdout), (0, true));
        for line in usage.text.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
        let name = words.join("").replace("--help", "-long").replace("-h", "-short");
        insta::assert_snapshot!(format!("help-{name}").replace("--", "-"), usage.text);
    }
}

#[test]
fn version_goes_to_stdout() {
    let usage = run(&["--version"], &[]).unwrap_err();
    let text = format!("wafsync {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(usage, Usage { text, problem: String::new(), exit: 0, to_stdout: true });
}

#[test]
fn the_definition_of_the_command_line_is_sound() {
    command().debug_assert();
}

#[test]
fn what_is_not_a_command_or_a_setting_of_it_is_a_usage_error() {
    for args in [
        &[][..],
        &["destroy"],
        &["plan", "--table=clusters", "--yes"],
        &["plan", "--table=clusters", "--metrics-file=x"],
        &["apply", "--table=clusters", "--metrics-listen=127.0.0.1:0"],
        &["apply", "--table=clusters", "--every=5m"],
        &["apply", "--table=clusters", "--detailed-exitcode"],
        &["apply", "--table=clusters", "stray"],
        &["apply", "--table=clusters", "--table=clusters"],
        &["explain", "--table=clusters"],
        &["plan", "--table=clusters", "--wait=1m"],
        &["watch", "--table=clusters", "--yes"],
        &["watch", "--table=clusters", "--metrics-push-auth=x"],
        &["check", "--table=clusters", "--full"],
        &["explain", "--table=clusters", "192.0.2.1", "--max-removals=3"],
        &["explain", "--table=clusters", "192.0.2.1", "--write-rate=1"],
        &["iam-policy", "--table=clusters", "--segments=2"],
        &["completions", "bash", "--table=clusters"],
        &["completions", "tcsh"],
        &["completions"],
        &["--table=clusters", "plan"],
        &["--", "plan", "--table=clusters"],
    ] {
        refusal(args, &[]);
    }
}

#[test]
fn what_is_wrong_is_one_line_without_what_clap_adds_for_a_terminal() {
    let usage = run(&["explain", "--table=clusters"], &[]).unwrap_err();
    assert!(usage.text.lines().count() > 2, "{}", usage.text);
    assert_eq!(usage.problem, "the following required arguments were not provided: <ADDRESS>...");
    let usage = run(&["plan", "--table=clusters", "--max-removals=lots"], &[]).unwrap_err();
    assert_eq!(format!("error: {}\n", usage.problem), usage.text);
}

#[test]
fn what_clap_quotes_cannot_reach_the_terminal() {
    let text = refusal(&["plan", "--\u{1b}[2J\u{202e}x"], &[]);
    assert!(text.starts_with("error: unexpected argument '--\\u{202e}x' found\n"), "{text}");
}

#[test]
fn output_is_markdown_for_a_plan_alone() {
    assert!(run(&["plan", "--table=clusters", "--output=markdown"], &[]).is_ok());
    refused(&["--output", "markdown"], "--output 'markdown': must be one of text, json");
    refused(&["--output", "html"], "--output 'html': must be one of text, json");
}

#[test]
fn the_table_is_a_name_or_an_arn() {
    let arn = "arn:aws:dynamodb:eu-west-1:111122223333:table/clusters";
    let of_arn = |args: &[&str]| match run(&[&["apply", "--table", arn], args].concat(), &[]).unwrap().invocation {
        Invocation::Apply { settings, .. } => (settings.table.name().to_owned(), settings.table.region),
        other => panic!("{other:?}"),
    };
    assert_eq!(of_arn(&[]), ("clusters".to_owned(), Some("eu-west-1".to_owned())));
    assert_eq!(of_arn(&["--table-region", "eu-west-1"]), of_arn(&[]));
    assert_eq!(
        refusal(&["apply", "--table", arn, "--table-region", "us-east-1"], &[]),
        "error: --table-region 'us-east-1': must be eu-west-1, as in the ARN of --table, or left out\n"
    );
    for bad in ["ab", "with blank", "a/b", "", &"x".repeat(256), &format!("{arn}/index/by-name")] {
        assert_eq!(
            refusal(&["apply", "--table", bad], &[]),
            format!(
                "error: --table '{bad}': must be a table name (3 to 255 of A-Z a-z 0-9 _ . -) or the ARN of a table\n"
            )
        );
    }
    for bad in [
        "arn:aws:dynamodb:eu-west-1:1111:table/clusters",
        "arn:aws:s3:eu-west-1:111122223333:table/clusters",
        "arn:aws:dynamodb::111122223333:table/clusters",
        "arn:aws:dynamodb:eu-west-1:111122223333:clusters",
        "arn:",
    ] {
        assert_eq!(
            refusal(&["apply", "--table", bad], &[]),
            format!("error: --table '{bad}': must be arn:aws:dynamodb:REGION:ACCOUNT:table/…\n")
        );
    }
    refused(&["--table-region", "EU West"], "--table-region 'EU West': must be a Region such as eu-west-1");
}

#[test]
fn a_web_acl_is_a_name_or_an_arn_of_the_same_scope() {
    let regional = "arn:aws:wafv2:eu-west-1:111122223333:regional/webacl/front/11111111-2222-3333-4444-555555555555";
    let global = regional.replace("eu-west-1", "us-east-1").replace("regional/", "global/");
    assert_eq!(settings(&["--web-acl", regional, "--web-acl=b", "--web-acl=b"]).waf.web_acls, [regional, "b"]);
    assert_eq!(settings(&["--web-acl", &global, "--scope=cloudfront"]).waf.scope, Scope::Cloudfront);
    refused(
        &["--web-acl", &global],
        &format!("--web-acl '{global}': must be arn:aws:wafv2:REGION:ACCOUNT:regional/webacl/… (--scope regional)"),
    );
    refused(
        &["--web-acl", "a b"],
        "--web-acl 'a b': must be the name of a web ACL (1 to 128 of A-Z a-z 0-9 _ -) or its ARN",
    );
    let short = "arn:aws:wafv2:eu-west-1:111122223333:regional/webacl/front";
    refused(&["--web-acl", short], &format!("--web-acl '{short}': must end with the name and the id of the web ACL"));
}

#[test]
fn the_name_is_one_that_aws_takes() {
    let long = "n".repeat(101);
    for bad in ["", "a b", "ä", "a/b", &long] {
        refused(&["--name", bad], &format!("--name '{bad}': must be 1 to 100 of A-Z a-z 0-9 _ -"));
    }
    assert_eq!(settings(&["--name", "waf"]).waf.name, "waf");
    refused(
        &["--name", "WAF", "--action", "count"],
        "--name 'WAF': must not be a word that AWS WAF reserves: --action count uses it as a label",
    );
}

#[test]
fn numbers_have_their_limits() {
    for (flag, values, allowed) in [
        ("--max-ip-sets", &["0", "1001", "-1", "+1", "", "1e3"][..], "must be a whole number from 1 to 1000"),
        ("--segments", &["0", "65", "1.5"], "must be a whole number from 1 to 64"),
        ("--read-capacity", &["0", "1000001"], "must be a whole number from 1 to 1000000"),
        ("--widest-ipv4", &["0", "33", "/24"], "must be a whole number from 1 to 32"),
        ("--widest-ipv6", &["0", "129", "300"], "must be a whole number from 1 to 128"),
        ("--max-per-item", &["0"], "must be a whole number from 1 to 10000000"),
        ("--min-addresses", &["-1", "99999999999999999999"], "must be a whole number from 0 to 10000000"),
        (
            "--read-rate",
            &["0", "1000.1", "inf", "NaN", "-1", "1e2", "."],
            "must be a number of calls per second, 0.001 to 1000",
        ),
        ("--write-rate", &["0.0", "fast"], "must be a number of calls per second, 0.001 to 1000"),
        (
            "--max-additions",
            &["-1", "ten", "%", "1.5", "NaN%", "1e9%", ""],
            "must be a percentage such as 20%, or a count",
        ),
        (
            "--max-removals",
            &["101%", "-1", "ten", "%", "1.5", "NaN%"],
            "must be a percentage from 0% to 100%, or a count",
        ),
        ("--deadline", &["9s", "25h", "0s"], "must be from 10s to 24h"),
        ("--deadline", &["10", "soon", ""], "must be a time with its unit, such as 30s, 5m, or 1h 30m"),
        ("--settle", &["soon", "30"], "must be a time with its unit, such as 30s, 5m, or 1h 30m"),
        ("--settle", &["25h", "500000000000y"], "must be at most 24h"),
    ] {
        for value in values {
            refused(&[&format!("{flag}={value}")], &format!("{flag} '{value}': {allowed}"));
        }
    }
    assert_eq!(settings(&["--max-removals", "2.5%"]).guards.max_removals, MaxRemovals::Percent(2.5));
    assert_eq!(settings(&["--max-additions", "250%"]).guards.max_additions, Some(MaxAdditions::Percent(250.0)));
    assert_eq!(settings(&["--max-additions", "0"]).guards.max_additions, Some(MaxAdditions::Count(0)));
    assert_eq!(settings(&[]).guards.max_additions, None);
    assert_eq!(settings(&["--max-removals", "0"]).guards.max_removals, MaxRemovals::Count(0));
}

#[test]
fn a_second_scan_that_cannot_come_in_time_is_warned_about() {
    let warning =
        "--settle 30s is not less than --deadline 10s: nothing can be removed, because no second scan can confirm it";
    assert_eq!(apply(&["--deadline=10s"], &[]).1, [warning]);
    assert_eq!(apply(&["--deadline=31s"], &[]).1, [""; 0]);
}

#[test]
fn attributes_and_adopted_sets_have_names() {
    let long = "x".repeat(256);
    for flag in ["--key-attribute", "--cidr-attribute", "--expiry-attribute"] {
        for value in ["", &long] {
            refused(&[flag, value], &format!("{flag} '{value}': must be the name of an attribute, 1 to 255 bytes"));
        }
    }
    refused(&["--adopt", "a.b"], "--adopt 'a.b': must be the name of an IP set (1 to 128 of A-Z a-z 0-9 _ -)");
    refused(&["--ignore-item", ""], "--ignore-item '': must be the key of an item");
}

#[test]
fn a_header_that_can_be_forged_is_warned_about() {
    let header = ["--forwarded-ip-header", "X-Forwarded-For"];
    let (settings, warnings) = apply(&header, &[]);
    assert_eq!(settings.waf.policy.forwarded.unwrap().position, Position::First);
    assert_eq!(
        warnings,
        [
            "--forwarded-ip-position first: clients can forge that address in X-Forwarded-For to let themselves in; use last \
          if every request passes a proxy that appends to the header"
        ]
    );
    assert_eq!(apply(&[&header[..], &["--forwarded-ip-position", "any"]].concat(), &[]).1.len(), 1);
    assert!(apply(&[&header[..], &["--forwarded-ip-position", "last"]].concat(), &[]).1.is_empty());
    refused(&["--forwarded-ip-position", "last"], "--forwarded-ip-position: requires --forwarded-ip-header");
    refused(&["--forwarded-ip-header", "X_A"], "--forwarded-ip-header 'X_A': must be 1 to 255 of A-Z a-z 0-9 -");
}

#[test]
fn always_is_strict_but_of_any_width() {
    let settings =
        settings(&["--always=2001:db8::/32", "--always=10.0.0.0/8", "--always=192.0.2.1", "--always=10.0.0.0/8"]);
    assert_eq!(
        settings.table.always.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["10.0.0.0/8", "192.0.2.1/32", "2001:db8::/32"]
    );
    for (value, why) in [
        ("0.0.0.0/0", "/0 would let in everybody"),
        ("::/0", "/0 would let in everybody"),
        ("::ffff:192.0.2.1", "an IPv4-mapped IPv6 address: write it as IPv4"),
        ("192.0.2.5/24", "host bits are set: write 192.0.2.0/24 for the network or 192.0.2.5/32 for the one address"),
        ("192.0.2.0/33", "the prefix length must be a whole number from 1 to 32"),
        ("54.123.456.78/32", "not an IP address"),
    ] {
        refused(&["--always", value], &format!("--always '{value}': {why}"));
    }
}

/// What `watch` makes of these further arguments.
fn watch(args: &[&str]) -> (Duration, MetricsSettings) {
    match run(&[&["watch", "--table", "clusters"], args].concat(), &[]).unwrap().invocation {
        Invocation::Watch { every, metrics, .. } => (every, metrics),
        other => panic!("{other:?}"),
    }
}

#[test]
fn watch_has_an_interval_and_places_for_metrics() {
    assert_eq!(watch(&[]), (Duration::from_mins(5), MetricsSettings::default()));
    let (every, metrics) = watch(&[
        "--every=1h 30m",
        "--metrics-listen=0.0.0.0:9090",
        "--metrics-push=https://push.example.com/gateway/",
        "--metrics-file=wafsync.prom",
    ]);
    assert_eq!(every, Duration::from_mins(90));
    assert_eq!(metrics.listen, Some("0.0.0.0:9090".parse().unwrap()));
    assert_eq!(metrics.push.as_deref(), Some("https://push.example.com/gateway"));
    assert_eq!(metrics.file, Some("wafsync.prom".into()));
    for (args, message) in [
        ("--every=9s", "--every '9s': must be from 10s to 24h"),
        ("--every=25h", "--every '25h': must be from 10s to 24h"),
        ("--every=5", "--every '5': must be a time with its unit, such as 30s, 5m, or 1h 30m"),
        (
            "--metrics-listen=localhost:9090",
            "--metrics-listen 'localhost:9090': must be an IP address and a port, such as 0.0.0.0:9090 or [::1]:9090",
        ),
    ] {
        let text = refusal(&["watch", "--table", "clusters", args], &[]);
        assert_eq!(text, format!("error: {message}\n"));
    }
    for url in [
        "pushgateway:9091",
        "http://",
        "https:///x",
        "http://user:secret@host/",
        "http://a/?b",
        "ftp://a",
        "http://a b",
    ] {
        refused(
            &["--metrics-push", url],
            &format!(
                "--metrics-push '{url}': must be the http:// or https:// URL of a Pushgateway, without user, query, or \
                 fragment"
            ),
        );
    }
}

#[test]
fn an_approval_is_an_apply_whatever_showed_the_plan() {
    let args = ["watch", "--table=clusters", "--every=1m", "--metrics-file=x", "--min-addresses=3"];
    assert_eq!(run(&args, &[]).unwrap().approve.as_deref(), Some("wafsync apply --table=clusters --min-addresses=3"));
}

#[test]
fn an_approval_also_works_where_the_environment_asks_for_what_only_plan_can_print() {
    let env = [("WAFSYNC_OUTPUT", "markdown")];
    let approve = run(&["plan", "--table=clusters"], &env).unwrap().approve.unwrap();
    assert_eq!(approve, "wafsync apply --table=clusters --output=text");
    let words: Vec<&str> = approve.split(' ').skip(1).collect();
    assert!(run(&words, &env).is_ok());
}

#[test]
fn explain_takes_addresses_cidrs_and_items() {
    for (text, cidr) in [("192.0.2.1", "192.0.2.1/32"), ("2001:db8::/64", "2001:db8::/64")] {
        match run(&["explain", "--table=clusters", text], &[]).unwrap().invocation {
            Invocation::Explain { question, .. } => assert_eq!(question.addresses, [Cidr::parse(cidr).unwrap()]),
            other => panic!("{other:?}"),
        }
    }
    let args = ["explain", "--table=clusters", "192.0.2.1", "--item=a", "192.0.2.2", "192.0.2.1/32", "--item=a"];
    let Invocation::Explain { question, .. } = run(&[&args[..], &["--wait=90s"]].concat(), &[]).unwrap().invocation
    else {
        panic!("not an explain")
    };
    let addresses = ["192.0.2.1", "192.0.2.2"].map(|text| Cidr::parse(text).unwrap());
    let wait = Some(Duration::from_secs(90));
    assert_eq!(question, Question { addresses: addresses.into(), items: vec!["a".to_owned()], wait });
    assert!(run(&["explain", "--table=clusters", "--item=a"], &[]).is_ok());
    for (args, message) in [
        (["--item="], "--item '': must be the key of an item"),
        (["--wait=0s"], "--wait '0s': must be from 1s to 24h"),
        (["--wait=25h"], "--wait '25h': must be from 1s to 24h"),
        (["--wait=10"], "--wait '10': must be a time with its unit, such as 30s, 5m, or 1h 30m"),
    ] {
        let text = refusal(&[&["explain", "--table=clusters", "192.0.2.1"], &args[..]].concat(), &[]);
        assert_eq!(text, format!("error: {message}\n"));
    }
    assert_eq!(refusal(&["explain", "--table=clusters", "front"], &[]), "error: ADDRESS 'front': not an IP address\n");
}

#[test]
fn tags_are_what_aws_takes() {
    let settings = settings(&["--tag=a=b=c", "--tag=größe=1 m", "--tag=a=b=c"]);
    assert_eq!(settings.waf.tags["a"], "b=c");
    let (long_key, long_value) = (format!("{}=", "k".repeat(129)), format!("k={}", "v".repeat(257)));
    let size = "must be KEY=VALUE, a key of 1 to 128 and a value of at most 256 characters";
    for (value, why) in [
        ("novalue", "must be KEY=VALUE"),
        ("=value", size),
        (&long_key, size),
        (&long_value, size),
        ("key=a;b", "must be letters, digits, spaces, and _ . : / = + - @"),
        ("AWS:key=x", "must not start with aws:, which AWS reserves"),
        ("managed-by=me", "must not be managed-by, which is always wafsync"),
    ] {
        refused(&["--tag", value], &format!("--tag '{value}': {why}"));
    }
    refused(&["--tag=a=1", "--tag=a=2"], "--tag 'a=2': must not give a key two values");
    let many: Vec<String> = (0..50).map(|number| format!("--tag=k{number}=v")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    refused(&many, "--tag: must be given at most 49 times");
    assert_eq!(apply(&many[1..], &[]).0.waf.tags.len(), 49);
}

#[test]
fn an_approval_is_a_whole_digest() {
    assert_eq!(settings(&["--approve", DIGEST]).guards.approve.as_deref(), Some(DIGEST));
    for bad in ["", "sha256:", &DIGEST[7..], &DIGEST[..70], &DIGEST.replace('a', "g"), &format!("{DIGEST}0")] {
        let why = "must be sha256: and 64 hexadecimal digits, as printed with the plan";
        refused(&["--approve", bad], &format!("--approve '{bad}': {why}"));
    }
}

#[test]
fn iam_policy_knows_what_the_settings_say_about_names() {
    let env = [("AWS_REGION", "eu-west-1"), ("WAFSYNC_SEGMENTS", "nonsense")];
    let args = ["iam-policy", "--table=clusters", "--for=plan", "--max-ip-sets=51", "--adopt=by-hand"];
    insta::assert_debug_snapshot!(run(&args, &env).unwrap().invocation);
}

#[test]
fn completions_know_the_settings() {
    for shell in [Shell::Bash, Shell::Elvish, Shell::Fish, Shell::PowerShell, Shell::Zsh] {
        let script = String::from_utf8(completions(shell)).unwrap();
        assert!(script.contains("max-removals"), "{shell}");
    }
}

/// Values of which some are meant for a setting, and most are not.
fn values() -> impl Strategy<Value = String> {
    prop_oneof![
        proptest::sample::select(EVERY_SETTING.map(|(_, value)| value.to_owned()).to_vec()),
        any::<String>(),
        "[-+.,:/%=0-9a-zA-Z ]{0,24}",
        any::<i64>().prop_map(|number| number.to_string()),
    ]
}

fn flags() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(EVERY_SETTING.map(|(flag, _)| flag).to_vec())
}

proptest! {
    // Each case builds the whole command line three times.
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_is_given_is_settings_or_a_usage_error(
        given in proptest::collection::vec((flags(), values()), 0..5),
        env in proptest::collection::vec((flags(), values()), 0..5),
        command in proptest::sample::select(vec!["plan", "apply", "watch", "check", "iam-policy", "explain"]),
    ) {
        let mut args = vec!["wafsync".into(), command.into(), "--table=clusters".into()];
        args.extend(given.into_iter().map(|(flag, value)| OsString::from(format!("--{flag}={value}"))));
        let variable = |flag: &str| OsString::from(format!("WAFSYNC_{}", flag.to_uppercase().replace('-', "_")));
        let env = env.into_iter().map(|(flag, value)| (variable(flag), value.into()));
        match parse(args, env) {
            Ok(parsed) => {
                let mut shown = parsed.warnings.iter().chain(&parsed.approve);
                prop_assert!(shown.all(|line| text::line(line) == line.as_str() || line.chars().count() > text::MAX_CHARS));
            }
            Err(usage) => {
                prop_assert!(usage.exit == 64 && !usage.to_stdout);
                prop_assert!(usage.text.ends_with('\n'));
                prop_assert!(usage.text.chars().all(|c| c == '\n' || !c.is_control()));
            }
        }
    }
}

//! Settings from environment variables.

use super::*;

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

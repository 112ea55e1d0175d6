//! Help, version and usage errors.

use super::*;

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

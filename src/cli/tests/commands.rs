//! The settings of single commands.

use super::*;

#[test]
fn output_is_markdown_for_a_plan_alone() {
    assert!(run(&["plan", "--table=clusters", "--output=markdown"], &[]).is_ok());
    refused(&["--output", "markdown"], "--output 'markdown': must be one of text, json");
    refused(&["--output", "html"], "--output 'html': must be one of text, json");
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

//! The values that settings accept.

use super::*;

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

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

mod commands;
mod environment;
mod usage;
mod values;

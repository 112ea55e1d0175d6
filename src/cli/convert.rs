//! Converts clap's text to [`Settings`] and validates all of it, for the command line and for Lambda alike.

use std::net::SocketAddr;
use std::time::Duration;

use self::guards::{NO_CHANGES, guards};
use self::table::{table, table_and_region};
use self::waf::{names, waf};
use super::args::{
    ApplyArgs, Cli, Command, ExplainArgs, IamPolicyArgs, LookArgs, MetricsArgs, OutputArgs, PlanArgs, ReadArgs,
    RunArgs, TerminalArgs, WatchArgs, WriteArgs,
};
use super::environment::Environment;
use super::invocation::{Invocation, Question};
use super::values::{Checked, Invalid, MIN_RATE, check, cidr, duration, rate};
use crate::model::settings::{LogFormat, LogSettings, MetricsSettings, RunSettings, Settings, ViewSettings};
use crate::preflight::iam_policy::IamScope;

pub(super) use self::guards::is_digest;

mod guards;
mod table;
mod waf;

/// The shortest `--deadline`: less leaves no time for a scan and a safe stop.
const MIN_DEADLINE: Duration = Duration::from_secs(10);
/// The longest `--deadline`: longer than any sensible schedule, and short enough to add to any time.
const MAX_DEADLINE: Duration = Duration::from_hours(24);
/// The longest `--settle`: no run lasts longer.
const MAX_SETTLE: Duration = Duration::from_hours(24);
/// The shortest `--every`: a run without changes takes a second or two.
const MIN_EVERY: Duration = Duration::from_secs(10);
/// The longest `--every`: for less than one run a day, use a schedule.
const MAX_EVERY: Duration = Duration::from_hours(24);
/// The shortest `--wait`.
const MIN_WAIT: Duration = Duration::from_secs(1);

/// Converts a command line. Warnings are about settings that are valid but dangerous.
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

/// The distinct keys, in the order given.
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

/// Rates and deadline. `write` is `None` for a command that does not write, which gets the lowest rate.
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

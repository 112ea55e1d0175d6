//! Runs the stand-in for AWS and the measured programs in other processes.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The interval at which the peak memory of a program is read.
const POLL: Duration = Duration::from_millis(2);

/// Clock ticks per second in the files of /proc (`sysconf(_SC_CLK_TCK)`), on every Linux.
const TICKS: f64 = 100.0;

/// The duration, the processor time and the peak memory of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    pub(crate) seconds: f64,
    /// User and system time of all threads.
    pub(crate) processor: f64,
    pub(crate) mebibytes: f64,
}

impl Figures {
    /// The median of each figure.
    pub(crate) fn median(runs: &[Self]) -> Self {
        let middle = |mut values: Vec<f64>| {
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        Self {
            seconds: middle(runs.iter().map(|run| run.seconds).collect()),
            processor: middle(runs.iter().map(|run| run.processor).collect()),
            mebibytes: middle(runs.iter().map(|run| run.mebibytes).collect()),
        }
    }
}

/// A running stand-in. Dropping it ends the process.
pub(crate) struct StandIn {
    process: Child,
    url: String,
}

impl StandIn {
    /// Starts a stand-in without rate limits, with these additional arguments.
    pub(crate) fn start(arguments: &str) -> Self {
        let program = built().with_file_name("wafsync-test-aws");
        let mut process = Command::new(&program)
            .arg("--no-rates")
            .args(arguments.split_whitespace())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").expect("the stand-in prints its URL").to_owned();
        Self { process, url }
    }

    /// Runs a program against the stand-in. `codes`: the expected exit codes.
    pub(crate) fn run(&self, program: &Path, arguments: &str, codes: &[i32]) -> Figures {
        let environment = [
            ("AWS_ENDPOINT_URL", self.url.as_str()),
            ("AWS_REGION", "eu-central-1"),
            ("AWS_ACCESS_KEY_ID", "AKID"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ];
        let mut command = Command::new(program);
        command.args(arguments.split_whitespace()).envs(environment).stdout(Stdio::null()).stderr(Stdio::null());
        let began = Instant::now();
        let mut child = command.spawn().unwrap();
        let (mut peak, mut ticks) = (0, 0);
        let status = loop {
            peak = peak_of(&child).unwrap_or_default().max(peak);
            ticks = ticks_of(&child).unwrap_or_default().max(ticks);
            match child.try_wait().unwrap() {
                Some(status) => break status,
                None => std::thread::sleep(POLL),
            }
        };
        let seconds = began.elapsed().as_secs_f64();
        assert!(status.code().is_some_and(|code| codes.contains(&code)), "{command:?}: {status}");
        Figures { seconds, processor: f64::from(ticks) / TICKS, mebibytes: f64::from(peak) / 1024.0 }
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The measured program: `MILLION_PROGRAM`, or what Cargo built for this bench.
pub(crate) fn wafsync() -> PathBuf {
    std::env::var_os("MILLION_PROGRAM").map_or_else(built, PathBuf::from)
}

fn built() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_wafsync"))
}

/// Builds the stand-in with the profile of this bench.
pub(crate) fn build_stand_in() {
    let arguments = ["build", "--quiet", "--locked", "--profile=bench", "--package=wafsync-test-aws"];
    let built = Command::new(env!("CARGO")).args(arguments).status().unwrap();
    assert!(built.success(), "the stand-in could not be built: {built}");
}

/// Peak memory in KiB, as Linux reports it. `None` on other systems.
fn peak_of(child: &Child) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

/// User and system time in clock ticks, as Linux reports them: fields 14 and 15 of `stat`, of which the second field can
/// contain spaces. `None` on other systems.
fn ticks_of(child: &Child) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).ok()?;
    let (_, from_third) = stat.rsplit_once(')')?;
    let mut fields = from_third.split_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<u32>().ok();
    Some(next()? + next()?)
}

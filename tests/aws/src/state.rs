//! The state of the stand-in, and the steps of an attempt: fault, rate limit, operation, log. All of it happens under
//! one lock.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tokio::time::Instant;

use crate::config::Config;
use crate::dynamo::Tables;
use crate::fault::{FaultKind, Faults, When, no_such_item};
use crate::rates::Rates;
use crate::sts;
use crate::waf::{self, Rate, Waf};
use crate::wire::{ApiError, Done, Reply, Request, Service};

/// Tolerance for jitter of arrival times over a socket.
const SERVED_JITTER: Duration = Duration::from_millis(50);

/// One attempt, as seen by the service.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Its number, counted from 0 since the stand-in was created, in the order of arrival.
    pub index: usize,
    /// Time of arrival, since the start of the stand-in.
    pub at: Duration,
    /// `dynamodb`, `wafv2`, `sts` or `unknown`.
    pub service: &'static str,
    /// The region that it was sent to.
    pub region: String,
    /// Name of the operation, such as `UpdateIPSet`.
    pub operation: String,
    /// Name of the table, IP set, rule group or web ACL, also if the request has its ARN; empty for a list.
    pub target: String,
    /// What the caller saw.
    pub outcome: Outcome,
    /// Whether it changed the state.
    pub effect: bool,
    /// The request; `Addresses` are replaced by their count.
    pub request: Value,
    /// A hash of the whole body, independent of the order of its members.
    pub body: u64,
    /// The access key of the signature, which identifies the caller.
    pub caller: String,
    /// The lock token in the answer to a `Get` or a write, also if the answer was lost.
    pub shown_token: Option<String>,
    /// Whether the answer showed an older state than the newest.
    pub stale: bool,
    /// The fault injected into it.
    pub fault: Option<(When, FaultKind)>,
}

/// What the caller of an attempt saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// HTTP 200.
    Ok,
    /// An error of the service.
    Error {
        /// HTTP status.
        status: u16,
        /// The error code, such as `WAFOptimisticLockException`; empty for an error without a code.
        code: String,
    },
    /// The answer was lost or incomplete.
    Lost,
}

/// What the caller gets.
#[derive(Debug)]
pub(crate) enum Answer {
    Whole(Reply),
    /// The body is cut off in the middle.
    Cut(Reply),
    /// The connection breaks.
    Lost,
    /// The connection stays open without an answer.
    Never,
}

/// An attempt that arrived but is not handled yet.
#[derive(Debug)]
pub(crate) struct Arrival {
    index: usize,
    at: Duration,
    fault: Option<(When, FaultKind)>,
    admitted: Result<(), ApiError>,
}

impl Arrival {
    /// The fault injected into it.
    pub(crate) fn fault(&self) -> Option<FaultKind> {
        self.fault.as_ref().map(|(_, kind)| kind.clone())
    }

    /// How long a fault delays it, before or after it is handled.
    pub(crate) fn delay(&self, wanted: When) -> Option<Duration> {
        match &self.fault {
            Some((when, FaultKind::Slow(delay))) if *when == wanted => Some(*delay),
            _ => None,
        }
    }

    /// How long it waits before it is handled, even if its caller gives up.
    pub(crate) fn queue_delay(&self) -> Option<Duration> {
        match &self.fault {
            Some((_, FaultKind::Late(delay))) => Some(*delay),
            _ => None,
        }
    }
}

/// The whole state of the stand-in.
#[derive(Debug)]
pub(crate) struct State {
    started: Instant,
    pub(crate) waf: Waf,
    pub(crate) tables: Tables,
    pub(crate) faults: Faults,
    pub(crate) log: Vec<Attempt>,
    pub(crate) violations: Vec<String>,
    /// Whether an answer was replaced by something AWS would not send. Later requests may repeat it.
    pub(crate) garbled: bool,
    /// The access keys that are rejected, with the error code.
    pub(crate) rejected_keys: BTreeMap<String, &'static str>,
    /// The number of attempts so far.
    attempts: usize,
    rates: Rates,
}

impl State {
    pub(crate) fn new(config: Config) -> Self {
        let started = Instant::now();
        Self {
            started,
            waf: Waf::new(config, started),
            tables: Tables::default(),
            faults: Faults::default(),
            log: Vec::new(),
            violations: Vec::new(),
            garbled: false,
            rejected_keys: BTreeMap::new(),
            attempts: 0,
            rates: Rates::default(),
        }
    }

    /// AWS's clock, in seconds since 1970.
    pub(crate) fn date(&self) -> Option<i64> {
        let passed = i64::try_from(self.started.elapsed().as_secs()).ok()?;
        Some(self.waf.config.epoch? + passed)
    }

    /// The number of the next attempt.
    pub(crate) fn next_index(&mut self) -> usize {
        self.attempts += 1;
        self.attempts - 1
    }

    /// Admits an attempt: takes its fault, and checks everything that does not depend on its operation.
    pub(crate) fn arrive(&mut self, index: usize, request: &Request) -> Arrival {
        let now = Instant::now();
        let fault = self.faults.take(&request.operation, &request.target);
        let at = now.saturating_duration_since(self.started);
        Arrival { index, at, fault, admitted: self.admit(request, now) }
    }

    /// Handles an attempt that arrived. Returns the answer and whether the caller sees success.
    pub(crate) fn attempt(&mut self, request: &Request, arrival: Arrival) -> (Answer, bool) {
        let Arrival { index, at, fault, admitted } = arrival;
        let fault = fault.as_ref();
        self.waf.now = Instant::now();
        let reads = request.operation.starts_with("Get") || request.operation.starts_with("List");
        if let Some((_, FaultKind::Old(age))) = fault.filter(|_| reads) {
            self.waf.now = self.waf.now.checked_sub(*age).unwrap_or(self.started);
        }
        let stopped = fault.filter(|(when, kind)| *when == When::Before && !kind.is_no_failure());
        let result = match (admitted, stopped) {
            (Err(error), _) => Err(error),
            (Ok(()), Some(_)) => Ok(Done::read("{}")),
            (Ok(()), None) => self.dispatch(request),
        };
        let (result, omitted) = match fault {
            Some((_, FaultKind::Omits(name))) if reads => omit(result, name, request),
            _ => (result, false),
        };
        let effect = result.as_ref().is_ok_and(|done| done.effect);
        let one = ["Get", "Create", "Update"].iter().any(|verb| request.operation.starts_with(verb));
        let shown_token = result.as_ref().ok().filter(|_| one).and_then(shown_token);
        let stale = omitted
            || request.service == Service::Waf
                && self.waf.reads_lag_behind(&request.operation, &request.target, shown_token.as_deref());
        let (answer, outcome) = answer(result, request, fault.map(|(_, kind)| kind));
        let ok = outcome == Outcome::Ok;
        self.garbled |= matches!(fault, Some((_, FaultKind::Body(_))));
        self.log.push(Attempt {
            index,
            region: request.region.clone(),
            at,
            service: request.service.name(),
            operation: request.operation.clone(),
            target: request.target.clone(),
            outcome,
            effect,
            request: request.summary(),
            body: request.hash,
            caller: request.caller.clone(),
            shown_token,
            stale,
            fault: fault.cloned(),
        });
        (answer, ok)
    }

    fn dispatch(&mut self, request: &Request) -> Result<Done, ApiError> {
        let Request { operation, body, region, .. } = request;
        let known = match (request.service, operation.as_str()) {
            (Service::DynamoDb, "Scan") => {
                let config = &self.waf.config;
                Some(self.tables.scan(body, region, config.scan_page_bytes, config.empty_scan_pages))
            }
            (Service::DynamoDb, "Query") => Some(self.tables.query(body, region, self.waf.config.scan_page_bytes)),
            (Service::DynamoDb, "DescribeTable") => Some(self.tables.describe(body, region, &self.waf.config.account)),
            (Service::DynamoDb, operation) if self.waf.config.for_people => {
                let account = &self.waf.config.account;
                match operation {
                    "CreateTable" => Some(self.tables.create_table(body, region, account)),
                    "PutItem" => Some(self.tables.put_item(body, region)),
                    "GetItem" => Some(self.tables.get_item(body, region)),
                    "DeleteItem" => Some(self.tables.delete_item(body, region)),
                    _ => None,
                }
            }
            (Service::Sts, "GetCallerIdentity") => Some(Ok(sts::caller_identity(&self.waf.config.caller_arn))),
            (Service::Waf, operation) => self.waf.call(operation, body, region),
            _ => None,
        };
        known.unwrap_or_else(|| {
            self.violations.push(format!("unknown operation: {} {operation}", request.service.name()));
            Err(ApiError::framework("UnknownOperationException", format!("Unknown operation {operation}")))
        })
    }

    /// Rejects invalid requests and throttles.
    fn admit(&mut self, request: &Request, now: Instant) -> Result<(), ApiError> {
        if request.service == Service::Unknown {
            return Ok(());
        }
        if let Some(flaw) = &request.flaw {
            return Err(flaw.clone());
        }
        if let Some(code) = self.rejected_keys.get(&request.caller) {
            return Err(ApiError::framework(code, "The security token included in the request is not valid any more"));
        }
        if request.service != Service::Waf {
            return Ok(());
        }
        let tolerance = if request.served { SERVED_JITTER } else { Duration::ZERO };
        let Err(why) = self.count(&request.region, &request.operation, now, tolerance) else { return Ok(()) };
        let at = now.saturating_duration_since(self.started);
        self.violations.push(format!("rate: {} at {at:?}: {why}", request.operation));
        Err(ApiError::framework("ThrottlingException", "Rate exceeded"))
    }

    /// Counts a call of this action of WAF. Refuses it, with the reason, if it exceeds the rate.
    pub(crate) fn count(
        &mut self,
        region: &str,
        operation: &str,
        now: Instant,
        tolerance: Duration,
    ) -> Result<(), String> {
        let config = &self.waf.config;
        let rate = match waf::rate_of(operation) {
            Some(Rate::Read) => config.read_rate,
            Some(Rate::Write) => config.write_rate,
            None => None,
        };
        let Some(rate) = rate else { return Ok(()) };
        self.rates.admit((region, operation), (rate, config.limiter), now, tolerance)
    }
}

/// The answer to a read that omits the resource of this name, and whether that changes the answer.
fn omit(result: Result<Done, ApiError>, name: &str, request: &Request) -> (Result<Done, ApiError>, bool) {
    let Ok(done) = result else { return (result, false) };
    if request.operation.starts_with("Get") {
        return if request.target == name { (Err(no_such_item()), true) } else { (Ok(done), false) };
    }
    let mut said: Value = serde_json::from_str(&done.body).unwrap_or_default();
    let lists = said.as_object_mut().into_iter().flat_map(|said| said.values_mut()).filter_map(Value::as_array_mut);
    let mut omitted = false;
    for list in lists {
        let before = list.len();
        list.retain(|summary| summary["Name"] != name);
        omitted |= list.len() < before;
    }
    (Ok(Done::read(said.to_string())), omitted)
}

/// The lock token in an answer. It is found by text search, because parsing an answer with ten thousand addresses takes
/// long.
fn shown_token(done: &Done) -> Option<String> {
    let (_, rest) = done.body.rsplit_once("LockToken\":\"")?;
    rest.split_once('"').map(|(token, _)| token.to_owned())
}

/// The answer that the caller sees, after the fault was applied.
fn answer(result: Result<Done, ApiError>, request: &Request, fault: Option<&FaultKind>) -> (Answer, Outcome) {
    let content_type = request.content_type.as_str();
    let result = match fault.and_then(|kind| kind.error(request.service)) {
        Some(error) => Err(error),
        None => result,
    };
    let (reply, outcome) = match result {
        Ok(done) => {
            let reply = Reply { status: 200, content_type: content_type.to_owned(), body: Bytes::from(done.body) };
            (reply, Outcome::Ok)
        }
        Err(error) => {
            let outcome = Outcome::Error { status: error.status, code: error.code.to_owned() };
            (error.reply(content_type), outcome)
        }
    };
    match fault {
        Some(FaultKind::Unavailable503) => {
            let body = Bytes::from_static(b"503 Service Unavailable\n");
            let reply = Reply { status: 503, content_type: "text/plain".to_owned(), body };
            (Answer::Whole(reply), Outcome::Error { status: 503, code: String::new() })
        }
        Some(FaultKind::Body(body)) => {
            let body = Bytes::from_static(body.as_bytes());
            (Answer::Whole(Reply { status: 200, content_type: content_type.to_owned(), body }), outcome)
        }
        Some(FaultKind::ConnectionLost) => (Answer::Lost, Outcome::Lost),
        Some(FaultKind::Never) => (Answer::Never, Outcome::Lost),
        Some(FaultKind::Truncated) => (Answer::Cut(reply), Outcome::Lost),
        _ => (Answer::Whole(reply), outcome),
    }
}

//! The metrics: names, labels, units and help.

/// The unit of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A count.
    Count,
    /// Seconds, or seconds since the epoch.
    Seconds,
    /// A ratio from 0 to 1.
    Ratio,
}

/// A metric: its name, unit, help, and at most one label.
#[derive(Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name in Prometheus and in CloudWatch.
    pub name: &'static str,
    /// Its label and all possible values.
    pub label: Option<(&'static str, &'static [&'static str])>,
    /// Its unit.
    pub unit: Unit,
    /// Its help, without a full stop.
    pub help: &'static str,
}

const OUTCOMES: &[&str] = &["converged", "changed", "planned", "blocked", "held", "unenforced", "partial", "failed"];
const FAMILIES: &[&str] = &["ipv4", "ipv6"];
const KINDS: &[&str] = &["create_ip_set", "update_ip_set", "create_rule_group", "update_rule_group"];
const VERDICTS: &[&str] = &["pass", "held", "blocked", "approved"];
const LIMITS: &[&str] = &["addresses", "ip_sets", "references", "deadline"];

const fn plain(name: &'static str, unit: Unit, help: &'static str) -> Metric {
    Metric { name, label: None, unit, help }
}

const fn labelled(
    name: &'static str,
    label: &'static str,
    values: &'static [&'static str],
    unit: Unit,
    help: &'static str,
) -> Metric {
    Metric { name, label: Some((label, values)), unit, help }
}

/// Declares the metrics, and the list of them in the same order.
macro_rules! metrics {
    ($($constant:ident = $metric:expr;)+) => {
        $(pub(super) static $constant: Metric = $metric;)+

        /// All metrics.
        pub static METRICS: &[&Metric] = &[$(&$constant),+];
    };
}

metrics! {
    OUTCOME = labelled("wafsync_run_outcome", "outcome", OUTCOMES, Unit::Count,
        "1 for the outcome of the last run, 0 for the others");
    LAST_RUN = plain("wafsync_last_run_timestamp_seconds", Unit::Seconds,
        "When the last run ended, in seconds since 1970");
    LAST_CONVERGED = plain("wafsync_last_converged_timestamp_seconds", Unit::Seconds,
        "When the last run ended that left every wanted address in force and no other, in seconds since 1970");
    DURATION = plain("wafsync_run_duration_seconds", Unit::Seconds,
        "How long the last run took");
    ITEMS = plain("wafsync_items", Unit::Count,
        "Items in the table");
    EXPIRED = plain("wafsync_expired_items", Unit::Count,
        "Items past their expiry, which count as gone");
    EMPTY = plain("wafsync_empty_items", Unit::Count,
        "Items that ask for no address");
    REJECTIONS = plain("wafsync_rejections", Unit::Count,
        "Items and values in the table that cannot be used, those of --ignore-item left out");
    READ_CAPACITY = plain("wafsync_read_capacity_units", Unit::Count,
        "Read capacity units that the scans of the last run used");
    DESIRED = labelled("wafsync_desired_cidrs", "family", FAMILIES, Unit::Count,
        "CIDRs that are wanted");
    IN_FORCE = labelled("wafsync_in_force_cidrs", "family", FAMILIES, Unit::Count,
        "CIDRs in IP sets to which a rule group of ours refers");
    HELD = plain("wafsync_held_cidrs", Unit::Count,
        "CIDRs whose removal or addition waits for approval");
    DEFERRED = plain("wafsync_deferred_cidrs", Unit::Count,
        "CIDRs whose removal is deferred to a later run");
    DRIFT = plain("wafsync_drift_cidrs", Unit::Count,
        "CIDRs added to our IP sets by hand that the last run removed");
    FREE = labelled("wafsync_free_cidrs", "family", FAMILIES, Unit::Count,
        "CIDRs for which there is room, IP sets that are still to be created included");
    IP_SETS = plain("wafsync_ip_sets", Unit::Count,
        "Existing IP sets");
    IP_SETS_ALLOWED = plain("wafsync_ip_sets_allowed", Unit::Count,
        "Maximum number of IP sets");
    LIMIT_USED = labelled("wafsync_limit_used_ratio", "limit", LIMITS, Unit::Ratio,
        "Share of a limit that is used: room for addresses (of the family that has used most of what it can get), IP \
         sets, references of the fullest rule group, deadline");
    WRITES = labelled("wafsync_writes", "action", KINDS, Unit::Count,
        "API writes of the last run that AWS confirmed");
    WRITES_ABOVE_MINIMUM = plain("wafsync_writes_above_minimum", Unit::Count,
        "API writes that the last run planned beyond the fewest possible, those that follow a conflict left out; \
         should be 0");
    THROTTLED = plain("wafsync_throttled_calls", Unit::Count,
        "Throttled calls of the last run");
    CONFLICTS = plain("wafsync_conflicts", Unit::Count,
        "Write conflicts of the last run");
    GUARD = labelled("wafsync_guard_verdict", "verdict", VERDICTS, Unit::Count,
        "1 for the guards' verdict on the last plan, 0 for the others");
    UNREFERENCED = plain("wafsync_unreferenced_rule_groups", Unit::Count,
        "Rule groups with IP sets to which a web ACL does not refer, or which it overrides so that no one gets in, for each web ACL");
}

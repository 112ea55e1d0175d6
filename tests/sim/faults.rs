//! Every kind of fault, its name, and the operations in which it can occur.

use std::time::Duration;

use wafsync_test_aws::FaultKind as Kind;

/// Operations that a run may call.
pub(crate) const OPERATIONS: [&str; 11] = [
    "Scan",
    "ListIPSets",
    "GetIPSet",
    "ListRuleGroups",
    "GetRuleGroup",
    "ListWebACLs",
    "GetWebACL",
    "CreateIPSet",
    "UpdateIPSet",
    "CreateRuleGroup",
    "UpdateRuleGroup",
];

/// The number of kinds that the older worlds draw from, in which the older named seeds failed.
pub(crate) const KINDS_AT_FIRST: usize = 17;

/// Every kind of fault, with its name in the tables.
pub(crate) fn kinds() -> Vec<(&'static str, Kind)> {
    vec![
        ("throttled", Kind::Throttled),
        ("internal error", Kind::InternalError),
        ("unavailable 503", Kind::Unavailable503),
        ("connection lost", Kind::ConnectionLost),
        ("truncated", Kind::Truncated),
        ("slow", Kind::Slow(Duration::from_secs(5))),
        ("access denied", Kind::AccessDenied),
        ("expired token", Kind::ExpiredToken),
        ("unknown client", Kind::UnrecognizedClient),
        ("lock conflict", Kind::OptimisticLock),
        ("unavailable entity", Kind::UnavailableEntity),
        ("no such item", Kind::NonexistentItem),
        ("duplicate", Kind::DuplicateItem),
        ("quota", Kind::LimitsExceeded),
        ("invalid parameter", Kind::InvalidParameter),
        ("throughput exceeded", Kind::ProvisionedThroughputExceeded),
        ("never", Kind::Never),
        ("validation", Kind::Validation),
        ("invalid operation", Kind::InvalidOperation),
        ("associated item", Kind::AssociatedItem),
        ("tag operation", Kind::TagOperation),
        ("tag internal error", Kind::TagOperationInternalError),
        ("no subscription", Kind::SubscriptionNotFound),
        ("config. warning", Kind::ConfigurationWarning),
    ]
}

/// Whether AWS can return this for this operation.
pub(crate) fn is_possible(kind: &Kind, operation: &str) -> bool {
    let (scan, create, update) =
        (operation == "Scan", operation.starts_with("Create"), operation.starts_with("Update"));
    let (write, group) = (create || update, operation.ends_with("RuleGroup"));
    match kind {
        Kind::OptimisticLock | Kind::DuplicateItem => write,
        Kind::LimitsExceeded => write || scan,
        Kind::NonexistentItem => scan || operation.starts_with("Get") || update || operation == "CreateRuleGroup",
        Kind::UnavailableEntity | Kind::SubscriptionNotFound => write && group,
        Kind::InvalidParameter | Kind::InvalidOperation => !scan,
        Kind::ProvisionedThroughputExceeded => scan,
        Kind::AssociatedItem => update,
        Kind::TagOperation | Kind::TagOperationInternalError => create,
        Kind::ConfigurationWarning => operation == "UpdateRuleGroup",
        _ => true,
    }
}

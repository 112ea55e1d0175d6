//! How the stand-in behaves: quotas, page sizes, rates and delays.

use std::time::Duration;

use crate::rates::Limiter;

/// Settings of the account, its quotas and the behavior of the services. The defaults are AWS's, without delays.
#[expect(clippy::struct_excessive_bools, reason = "each is a behavior of its own")]
#[derive(Clone, Debug)]
pub struct Config {
    /// Determines lock tokens, ids and the order of addresses in `GetIPSet`.
    pub seed: u64,
    /// Account number, twelve digits.
    pub account: String,
    /// ARN of the caller, as answered by STS.
    pub caller_arn: String,
    /// Region of resources created by hand with the scope `REGIONAL`.
    pub region: String,
    /// Maximum number of addresses in one IP set.
    pub set_capacity: usize,
    /// Maximum number of reference statements in one rule group.
    pub group_references: usize,
    /// Maximum number of IP sets in one region and scope.
    pub max_ip_sets: usize,
    /// Maximum number of rule groups in one region and scope.
    pub max_rule_groups: usize,
    /// Maximum number of entries on a page of a list, even if `Limit` is larger.
    pub list_page: usize,
    /// Makes every second page of a list empty, with a new `NextMarker`.
    pub empty_list_pages: bool,
    /// Gives the last page of a list a `NextMarker` too. The page after it is empty and repeats the marker.
    pub always_next_marker: bool,
    /// Maximum size of the items on a page of a scan, in bytes. A page holds at least one item.
    pub scan_page_bytes: usize,
    /// Makes every second page of a scan empty, with a `LastEvaluatedKey`.
    pub empty_scan_pages: bool,
    /// Calls per second for each `Get` or `List` action of WAF in a region. `None`: unlimited.
    pub read_rate: Option<f64>,
    /// Calls per second for each other action of WAF in a region. `None`: unlimited.
    pub write_rate: Option<f64>,
    /// How the calls of an action are counted.
    pub limiter: Limiter,
    /// AWS's clock at the start, in seconds since 1970. It sets the date of answers. `None`: answers over a socket
    /// carry the date of this machine's clock, and in-process answers carry none.
    pub epoch: Option<i64>,
    /// Whether it also answers what people and their tools ask for, and wafsync never does: `CreateTable`, `PutItem`,
    /// `GetItem`, `DeleteItem`, `CreateWebACL` and `AssociateWebACL`. Otherwise they are unknown operations.
    pub for_people: bool,
    /// How long rule groups cannot refer to an IP set after it was created through the API.
    pub propagation: Duration,
    /// How long `Get` and `List` still show the previous state and lock token after a write.
    pub read_lag: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            seed: 0,
            account: "111122223333".to_owned(),
            caller_arn: "arn:aws:sts::111122223333:assumed-role/wafsync/job".to_owned(),
            region: "eu-central-1".to_owned(),
            set_capacity: 10_000,
            group_references: 50,
            max_ip_sets: 100,
            max_rule_groups: 100,
            list_page: 100,
            empty_list_pages: false,
            always_next_marker: false,
            scan_page_bytes: 1_048_576,
            empty_scan_pages: false,
            read_rate: Some(5.0),
            write_rate: Some(1.0),
            limiter: Limiter::default(),
            epoch: None,
            for_people: false,
            propagation: Duration::ZERO,
            read_lag: Duration::ZERO,
        }
    }
}

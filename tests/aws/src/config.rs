//! How the stand-in behaves: quotas, page sizes, rates and delays.

use std::time::Duration;

/// The account, its quotas and the habits of the service. The defaults are those of AWS, without delays.
#[derive(Clone, Debug)]
pub struct Config {
    /// Decides lock tokens, ids and the order in which `GetIPSet` gives the addresses.
    pub seed: u64,
    /// Account number, twelve digits.
    pub account: String,
    /// Who STS says is calling.
    pub caller_arn: String,
    /// Region of what is made by hand with the scope `REGIONAL`.
    pub region: String,
    /// Addresses in one IP set.
    pub set_capacity: usize,
    /// Reference statements in one rule group.
    pub group_references: usize,
    /// IP sets in one region and scope.
    pub max_ip_sets: usize,
    /// Rule groups in one region and scope.
    pub max_rule_groups: usize,
    /// A page of a list holds at most this many, whatever `Limit` asks for.
    pub list_page: usize,
    /// Every second page of a list is empty but has a new `NextMarker`.
    pub empty_list_pages: bool,
    /// The last page of a list has a `NextMarker` too; the page after it is empty and repeats it.
    pub always_next_marker: bool,
    /// A page of a scan reads at most this many bytes of items, but at least one item.
    pub scan_page_bytes: usize,
    /// Every second page of a scan is empty but has a `LastEvaluatedKey`.
    pub empty_scan_pages: bool,
    /// Calls a second to each single `Get` or `List` action of WAF in a region; `None`: unlimited.
    pub read_rate: Option<f64>,
    /// Calls a second to each single other action of WAF in a region; `None`: unlimited.
    pub write_rate: Option<f64>,
    /// What AWS's clock shows at the start, in seconds since 1970: answers are dated by it. `None`: answers over a socket
    /// are dated by this machine's clock, those in the process by none.
    pub epoch: Option<i64>,
    /// How long an IP set that was created through the API stays unavailable to rule groups.
    pub propagation: Duration,
    /// How long after a write `Get` and `List` show the state before it, with the lock token of then.
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
            epoch: None,
            propagation: Duration::ZERO,
            read_lag: Duration::ZERO,
        }
    }
}

//! Preloads WAF with a table, as wafsync would leave it, to measure runs that find nothing to do. Written from the
//! documentation, without wafsync's own code.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use crate::Aws;
use crate::state::State;
use crate::waf::ip_set::{Family, IpSet};

/// Capacity of a rule group, in WCU: fifty references of two units each, and a reserve.
const GROUP_CAPACITY: i64 = 120;

impl Aws {
    /// Puts every CIDR of the table in force: IP sets `NAME-ipv4-000`, … filled in scan order, and rule groups
    /// `NAME-1`, … that refer to them and allow. Reads only items whose `ips` is the JSON text of an array.
    ///
    /// # Panics
    /// If the table does not exist, an address is not a CIDR, or the sets do not fit.
    pub fn preload(&self, region: &str, table: &str, name: &str, max_ip_sets: usize) {
        let capacity = self.state().waf.config.set_capacity;
        self.preload_sets(region, table, name, max_ip_sets, capacity);
    }

    /// Like [`Aws::preload`], with at most `filled` addresses in each IP set.
    ///
    /// # Panics
    /// As [`Aws::preload`].
    pub fn preload_sets(&self, region: &str, table: &str, name: &str, max_ip_sets: usize, filled: usize) {
        let texts = self.state().tables.strings(&format!("{region}/{table}"), "ips");
        let references = self.state().waf.config.group_references;
        let mut seen = BTreeSet::new();
        let (mut ipv4, mut ipv6) = (Vec::new(), Vec::new());
        for text in texts {
            let cidrs: Vec<String> = serde_json::from_str(&text).expect("`ips` holds a JSON array of strings");
            for cidr in cidrs {
                let net: IpNet = cidr.parse().expect("a CIDR");
                if seen.insert(net) {
                    if net.addr().is_ipv4() { ipv4.push(net) } else { ipv6.push(net) }
                }
            }
        }

        let mut arns = Vec::new();
        for (family, label, nets) in [(Family::V4, "ipv4", ipv4), (Family::V6, "ipv6", ipv6)] {
            for (index, shard) in nets.chunks(filled).enumerate() {
                let description = format!("wafsync {name} sum:{} entries:{}", sum_of_hashes(shard), shard.len());
                let tags = BTreeMap::from([("managed-by".to_owned(), "wafsync".to_owned())]);
                let content = IpSet::new(family, shard.to_vec(), Some(description), tags);
                let set = format!("{name}-{label}-{index:03}");
                let mut state = self.state();
                let State { waf, .. } = &mut *state;
                let made = waf.by_hand("REGIONAL", &set, content);
                arns.push(made.put(&waf.config.account, Instant::now(), &mut waf.ip_sets));
            }
        }
        assert!(arns.len() <= max_ip_sets, "{} IP sets are needed, {max_ip_sets} are allowed", arns.len());

        let account = self.state().waf.config.account.clone();
        let fingerprint = hex(&Sha256::digest(format!("{account}/{region}/{table}")));
        let description = format!("wafsync {name} table:{}", fingerprint.get(..8).unwrap_or_default());
        let mut shards = arns.chunks(references);
        for number in 1..=max_ip_sets.div_ceil(references) {
            let group = format!("{name}-{number}");
            let rules = rules(name, &group, shards.next().unwrap_or_default());
            self.put_rule_group("REGIONAL", &group, GROUP_CAPACITY, Some(&description), rules);
        }
    }
}

/// The rules of a group: none without IP sets, a plain reference for one, an OR for more.
fn rules(name: &str, group: &str, arns: &[String]) -> Value {
    let reference = |arn: &String| json!({ "IPSetReferenceStatement": { "ARN": arn } });
    let statement = match arns {
        [] => return json!([]),
        [arn] => reference(arn),
        arns => json!({ "OrStatement": { "Statements": arns.iter().map(reference).collect::<Vec<_>>() } }),
    };
    json!([{
        "Name": name,
        "Priority": 0,
        "Statement": statement,
        "Action": { "Allow": {} },
        "VisibilityConfig": {
            "SampledRequestsEnabled": true,
            "CloudWatchMetricsEnabled": true,
            "MetricName": group,
        },
    }])
}

/// The sum of the SHA-256 of each CIDR's text, modulo 2^256, as 64 hexadecimal digits.
fn sum_of_hashes(nets: &[IpNet]) -> String {
    let mut sum = [0_u8; 32];
    for net in nets {
        let mut carry = 0_u16;
        for (total, byte) in sum.iter_mut().zip(Sha256::digest(net.to_string())).rev() {
            let [high, low] = (u16::from(*total) + u16::from(byte) + carry).to_be_bytes();
            *total = low;
            carry = u16::from(high);
        }
    }
    hex(&sum)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

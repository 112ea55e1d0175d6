//! IP sets: which addresses are accepted, and how the service returns them.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::net::Ipv6Addr;
use std::sync::OnceLock;

use ipnet::IpNet;
use serde_json::{Map, Value, json};

use super::entity::{Described, Entity, NewEntity};
use super::{Waf, validate};
use crate::fault;
use crate::wire::{ApiError, Done};

/// The mutable part of an IP set, its version and its tags.
#[derive(Debug)]
pub(crate) struct IpSet {
    pub(crate) version: Family,
    /// Sorted.
    pub(crate) addresses: Vec<IpNet>,
    pub(crate) description: Option<String>,
    pub(crate) tags: BTreeMap<String, String>,
    /// The addresses as a JSON array, in the format of `GetIPSet`.
    answer: OnceLock<String>,
}

/// `IPAddressVersion`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    V6,
}

impl Family {
    /// Reads `IPV4` or `IPV6`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "IPV4" => Some(Self::V4),
            "IPV6" => Some(Self::V6),
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::V4 => "IPV4",
            Self::V6 => "IPV6",
        }
    }
}

impl Described for IpSet {
    fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }
}

impl IpSet {
    pub(crate) fn new(
        version: Family,
        mut addresses: Vec<IpNet>,
        description: Option<String>,
        tags: BTreeMap<String, String>,
    ) -> Self {
        addresses.sort_unstable();
        Self { version, addresses, description, tags, answer: OnceLock::new() }
    }

    /// The addresses as JSON, in an arbitrary order, IPv6 with leading zeros.
    fn addresses_json(&self, seed: u64) -> &str {
        self.answer.get_or_init(|| {
            let mut addresses = self.addresses.clone();
            fastrand::Rng::with_seed(seed).shuffle(&mut addresses);
            let mut json = String::with_capacity(2 + addresses.len() * 24);
            json.push('[');
            for (index, address) in addresses.iter().enumerate() {
                json.push_str(if index == 0 { "\"" } else { ",\"" });
                match address {
                    IpNet::V4(net) => write!(json, "{net}").expect("a string takes all text"),
                    IpNet::V6(net) => {
                        push_expanded(&mut json, net.addr());
                        write!(json, "/{}", net.prefix_len()).expect("a string takes all text");
                    }
                }
                json.push('"');
            }
            json.push(']');
            json
        })
    }
}

fn push_expanded(text: &mut String, address: Ipv6Addr) {
    for (index, segment) in address.segments().iter().enumerate() {
        let colon = if index == 0 { "" } else { ":" };
        write!(text, "{colon}{segment:04x}").expect("a string takes all text");
    }
}

impl Waf {
    pub(crate) fn get_ip_set(&self, body: &Map<String, Value>, region: &str) -> Result<Done, ApiError> {
        let place = validate::place(body, region)?;
        let (name, id) = (validate::name(body)?, validate::id(body)?);
        let (entity, version) = self.ip_sets.read(&place, name, id, self.now)?;
        let set = &version.content;
        // The addresses are long and do not change, so their JSON is built once and inserted at every read.
        let addresses = set.addresses_json(self.config.seed);
        let mut head = json!({
            "Name": entity.name,
            "Id": entity.id,
            "ARN": entity.arn,
            "Description": set.description.as_deref().unwrap_or_default(),
            "IPAddressVersion": set.version.name(),
        })
        .to_string();
        head.pop();
        Ok(Done::read(format!("{{\"IPSet\":{head},\"Addresses\":{addresses}}},\"LockToken\":\"{}\"}}", version.token)))
    }

    pub(crate) fn create_ip_set(&mut self, body: &Map<String, Value>, region: &str) -> Result<Done, ApiError> {
        let place = validate::place(body, region)?;
        let name = validate::name(body)?;
        let description = validate::description(body)?;
        let version = validate::text(body, "IPAddressVersion", 4..=4, |text| Family::parse(text).is_some())?;
        let version = Family::parse(version).ok_or_else(|| validate::constraint("iPAddressVersion", version, "fit"))?;
        let texts = address_texts(body)?;
        let tags = validate::tags(body)?;
        let addresses = parse_addresses(&texts, version)?;
        if self.ip_sets.is_taken(&place, name) {
            return Err(fault::duplicate());
        }
        if addresses.len() > self.config.set_capacity || self.ip_sets.count(&place) >= self.config.max_ip_sets {
            return Err(fault::limit_exceeded());
        }
        let (id, token) = (self.uuid(), self.uuid());
        let entity = self.ip_sets.add(NewEntity {
            account: &self.config.account,
            name,
            place: &place,
            id,
            token,
            content: IpSet::new(version, addresses, description, tags),
            now: self.now,
            lag: self.config.read_lag,
            propagation: self.config.propagation,
        });
        Ok(Done::wrote(&json!({ "Summary": summary(entity) })))
    }

    pub(crate) fn update_ip_set(&mut self, body: &Map<String, Value>, region: &str) -> Result<Done, ApiError> {
        let place = validate::place(body, region)?;
        let (name, id) = (validate::name(body)?, validate::id(body)?);
        let token = validate::lock_token(body)?;
        let description = validate::description(body)?;
        let texts = address_texts(body)?;
        let next = self.uuid();
        let entity = self.ip_sets.find_to_update(&place, name, id)?;
        entity.check_token(token)?;
        let before = &entity.newest().content;
        let addresses = parse_addresses(&texts, before.version)?;
        if addresses.len() > self.config.set_capacity {
            return Err(fault::limit_exceeded());
        }
        let content = IpSet::new(before.version, addresses, description, before.tags.clone());
        entity.replace(content, next.clone(), self.now, self.config.read_lag);
        Ok(Done::wrote(&json!({ "NextLockToken": next })))
    }
}

fn summary(entity: &Entity<IpSet>) -> Value {
    let version = entity.newest();
    json!({
        "Name": entity.name,
        "Id": entity.id,
        "ARN": entity.arn,
        "Description": version.content.description.as_deref().unwrap_or_default(),
        "LockToken": version.token,
    })
}

/// The texts in `Addresses`, which is required. Each has 1 to 50 characters.
fn address_texts(body: &Map<String, Value>) -> Result<Vec<&str>, ApiError> {
    let Some(Value::Array(list)) = body.get("Addresses") else {
        return Err(validate::constraint("addresses", "null", "not be null"));
    };
    list.iter()
        .map(|address| match address {
            Value::String(text) if (1..=50).contains(&text.chars().count()) => Ok(text.as_str()),
            other => {
                Err(validate::constraint("addresses", &other.to_string(), "have length between 1 and 50 characters"))
            }
        })
        .collect()
}

fn parse_addresses(texts: &[&str], version: Family) -> Result<Vec<IpNet>, ApiError> {
    let mut seen = HashSet::with_capacity(texts.len());
    texts
        .iter()
        .map(|text| {
            let refuse = |reason: &str| ApiError::parameter("IP_ADDRESS", *text, reason);
            // Bare addresses do not parse, because a network needs a prefix length.
            let net: IpNet = text.parse().map_err(|_| refuse("The parameter is not a CIDR"))?;
            let family = if net.addr().is_ipv4() { Family::V4 } else { Family::V6 };
            if family != version {
                return Err(refuse("The parameter is of another IP address version"));
            }
            if net.prefix_len() == 0 {
                return Err(refuse("AWS WAF supports all CIDR ranges except for /0"));
            }
            // Whether the service accepts IPv6 host bits and exact duplicates is unknown, so they are rejected.
            if net.trunc() != net {
                return Err(refuse("The parameter has host bits set"));
            }
            if !seen.insert(net) {
                return Err(refuse("The parameter is given twice"));
            }
            Ok(net)
        })
        .collect()
}

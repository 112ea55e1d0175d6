//! Lists, reads and writes IP sets.

use std::collections::BTreeMap;
use std::fmt;

use aws_sdk_wafv2::types::{IpAddressVersion, IpSetSummary, Tag};

use serde::de::{DeserializeSeed, Deserializer, SeqAccess, Visitor};

use super::call::Call;
use super::connection::{WafReader, Writer, waf_scope};
use super::error::AwsError;
use super::governor::Action;
use super::lift::{Lift, Lifted};
use super::pages::{LIST_LIMIT, Next, Pages, distinct};
use super::receipt::Receipt;
use crate::model::cidr::{Cidr, Family};
use crate::model::cidrs::{Builder, Cidrs};
use crate::model::current::LockToken;
use crate::model::spec::IpSetSpec;
use crate::stop::Stop;

/// The tag on everything that wafsync creates.
const MANAGED_BY: (&str, &str) = ("managed-by", "wafsync");

/// An IP set from one read: its contents and the lock token that guards them.
#[derive(Clone, Debug)]
pub(super) struct IpSet {
    pub(super) name: String,
    pub(super) id: String,
    pub(super) arn: String,
    pub(super) family: Family,
    pub(super) description: String,
    pub(super) token: LockToken,
    pub(super) cidrs: Cidrs,
}

impl WafReader {
    /// Lists the lock tokens of all IP sets of the scope, by ARN.
    ///
    /// # Errors
    ///
    /// Any call that fails.
    pub async fn list_lock_tokens(&self, stop: &Stop) -> Result<BTreeMap<String, LockToken>, AwsError> {
        let listed = self.list_ip_sets(stop).await?;
        Ok(listed.into_iter().filter_map(|set| Some((set.arn?, LockToken(set.lock_token?)))).collect())
    }

    /// Lists all IP sets of the scope.
    pub(super) async fn list_ip_sets(&self, stop: &Stop) -> Result<Vec<IpSetSummary>, AwsError> {
        let mut pages = Pages::default();
        let mut sets = Vec::new();
        while let Some(Next(marker)) = pages.next(Action::ListIpSets)? {
            let call = Call::begin(&self.caller, Action::ListIpSets, "all", &self.target.region, stop).await?;
            let request =
                self.waf.list_ip_sets().scope(waf_scope(self.scope)).limit(LIST_LIMIT).set_next_marker(marker);
            let sent = request.customize().config_override(call.waf()).send().await;
            let answer = call.end(sent)?;
            let page = pages.seen(Action::ListIpSets, answer.next_marker, answer.ip_sets)?;
            sets.extend(page);
        }
        Ok(distinct(sets, |set: &IpSetSummary| set.arn.as_ref()))
    }

    /// Reads one IP set with all of its addresses.
    pub(super) async fn get_ip_set(&self, name: &str, id: &str, stop: &Stop) -> Result<IpSet, AwsError> {
        let call = Call::begin(&self.caller, Action::GetIpSet, name, &self.target.region, stop).await?;
        let lift = Lift::new(&["IPSet", "Addresses"]);
        let request = self.waf.get_ip_set().scope(waf_scope(self.scope)).name(name).id(id);
        let sent = request.customize().config_override(call.waf().interceptor(lift.clone())).send().await;
        let answer = call.end(sent)?;
        let unusable = |cause: &str| AwsError::unusable(Action::GetIpSet.name(), name, cause, None);
        let (Some(found), Some(token)) = (answer.ip_set, answer.lock_token) else {
            return Err(unusable("the answer lacks the IP set or its lock token"));
        };
        if found.name != name || found.id != id {
            return Err(unusable("the answer is about another IP set"));
        }
        let family = match found.ip_address_version {
            IpAddressVersion::Ipv4 => Family::Ipv4,
            IpAddressVersion::Ipv6 => Family::Ipv6,
            other => return Err(unusable(&format!("{} is an unknown address version", other.as_str()))),
        };
        let cidrs = match lift.take() {
            // In a task of its own, so that another core reads it.
            Some(addresses) => tokio::spawn(async move { read_and_sum(&addresses, family) })
                .await
                .map_err(|_| AwsError::lost_task(Action::GetIpSet.name(), name))?
                .map_err(|error| AwsError::senseless(Action::GetIpSet.name(), name, &error.to_string()))?
                .map_err(|address| unusable(&format!("{address} is no {family} CIDR")))?,
            // Its list of addresses was read by the SDK: it is not where or as AWS puts it.
            None if !found.addresses.is_empty() => return Err(unusable("the answer has its addresses more than once")),
            None => Cidrs::default(),
        };
        Ok(IpSet {
            name: found.name,
            id: found.id,
            arn: found.arn,
            family,
            description: found.description.unwrap_or_default(),
            token: LockToken(token),
            cidrs,
        })
    }
}

impl Writer {
    /// Creates an IP set with its contents.
    ///
    /// # Errors
    ///
    /// Any error of AWS. After one of [`Class::Again`](super::Class) it may exist.
    pub async fn create_ip_set(&self, spec: &IpSetSpec, stop: &Stop) -> Result<Receipt, AwsError> {
        let call = Call::begin(&self.caller, Action::CreateIpSet, &spec.name, &self.region, stop).await?;
        let request = self
            .waf
            .create_ip_set()
            .scope(waf_scope(self.scope))
            .name(&spec.name)
            .description(&spec.description)
            .ip_address_version(match spec.family {
                Family::Ipv4 => IpAddressVersion::Ipv4,
                Family::Ipv6 => IpAddressVersion::Ipv6,
            })
            .set_addresses(Some(addresses(&spec.cidrs)))
            .set_tags(Some(self.tags()));
        let sent = request.customize().config_override(call.waf()).send().await;
        let created = call.end(sent)?.summary.unwrap_or_else(|| IpSetSummary::builder().build());
        Receipt::of_creation(Action::CreateIpSet, &spec.name, created.id, created.arn, created.lock_token)
    }

    /// Replaces the contents and the description of an IP set, if its lock token is still this one. Returns the next token.
    ///
    /// # Errors
    ///
    /// Any error of AWS. After one of [`Class::Again`](super::Class) or [`Class::Conflict`](super::Class) it may have taken
    /// effect.
    pub async fn update_ip_set(
        &self,
        id: &str,
        token: &LockToken,
        spec: &IpSetSpec,
        stop: &Stop,
    ) -> Result<LockToken, AwsError> {
        let call = Call::begin(&self.caller, Action::UpdateIpSet, &spec.name, &self.region, stop).await?;
        let request = self
            .waf
            .update_ip_set()
            .scope(waf_scope(self.scope))
            .name(&spec.name)
            .id(id)
            .lock_token(&token.0)
            .description(&spec.description)
            .set_addresses(Some(addresses(&spec.cidrs)));
        let sent = request.customize().config_override(call.waf()).send().await;
        Receipt::of_update(Action::UpdateIpSet, &spec.name, call.end(sent)?.next_lock_token)
    }

    /// The tags of created resources.
    pub(super) fn tags(&self) -> Vec<Tag> {
        let own = [(MANAGED_BY.0, MANAGED_BY.1)].into_iter();
        let further = self.tags.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        own.chain(further).filter_map(|(key, value)| Tag::builder().key(key).value(value).build().ok()).collect()
    }
}

/// Parses the CIDRs of a lifted list, and works out their fingerprint, which every plan needs.
fn read_and_sum(addresses: &Lifted, family: Family) -> Result<Result<Cidrs, String>, serde_json::Error> {
    let cidrs = read(addresses.json(), family)?;
    Ok(cidrs.inspect(|cidrs| {
        let _ = cidrs.fingerprint();
    }))
}

/// Parses the CIDRs of a JSON list. The error is the first that is not a CIDR of this family.
fn read(json: &[u8], family: Family) -> Result<Result<Cidrs, String>, serde_json::Error> {
    let (mut cidrs, mut wrong) = (Builder::default(), None);
    let mut list = serde_json::Deserializer::from_slice(json);
    list.deserialize_seq(Addresses(|address: &str| {
        match Cidr::from_waf(address).filter(|cidr| cidr.family() == family) {
            Some(cidr) => cidrs.push(cidr),
            None => wrong = wrong.take().or_else(|| Some(address.to_owned())),
        }
    }))?;
    list.end()?;
    Ok(wrong.map_or_else(|| Ok(cidrs.finish()), Err))
}

/// Calls a function with each string of a list, without copying.
struct Addresses<F>(F);

impl<'de, F: FnMut(&str)> Visitor<'de> for Addresses<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of addresses")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(Address(&mut self.0))?.is_some() {}
        Ok(())
    }
}

struct Address<'a, F>(&'a mut F);

impl<'de, F: FnMut(&str)> DeserializeSeed<'de> for Address<'_, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<F: FnMut(&str)> Visitor<'_> for Address<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an address")
    }

    fn visit_str<E>(self, address: &str) -> Result<(), E> {
        (self.0)(address);
        Ok(())
    }
}

fn addresses(cidrs: &Cidrs) -> Vec<String> {
    cidrs.iter().map(|cidr| cidr.to_string()).collect()
}

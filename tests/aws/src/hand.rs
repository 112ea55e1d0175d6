//! What a person does in the console, and what tests look at: no lock token asked, no rate, no log.
//!
//! What is made by hand is seen at once; what is edited, only when reads no longer lag ([`crate::Config::read_lag`]).
//!
//! Wrong use (a name that is not there, an address that does not parse) panics: the test is wrong, not the program.

#![allow(clippy::missing_panics_doc, reason = "the module says when")]

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::time::Duration;

use ipnet::IpNet;
use serde_json::Value;
use tokio::time::Instant;

use crate::Aws;
use crate::state::State;
use crate::waf::entity::Entity;
use crate::waf::ip_set::{Family, IpSet};
use crate::waf::rule_group::RuleGroup;
use crate::waf::visibility_of;
use crate::waf::web_acl::WebAcl;

/// An IP set as writes meet it, whatever slow reads still show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IpSetView {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// Its id, a UUID.
    pub id: String,
    /// `REGIONAL` or `CLOUDFRONT`.
    pub scope: String,
    /// `IPV4` or `IPV6`.
    pub version: String,
    /// CIDRs, sorted by value, in their short form.
    pub addresses: Vec<String>,
    /// Its description, if it has one.
    pub description: Option<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// The token that the next write needs.
    pub lock_token: String,
}

/// A rule group as writes meet it, whatever slow reads still show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleGroupView {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// `REGIONAL` or `CLOUDFRONT`.
    pub scope: String,
    /// In WCU.
    pub capacity: i64,
    /// Its description, if it has one.
    pub description: Option<String>,
    /// An array of rules, as the API has them.
    pub rules: Value,
    /// The token that the next write needs.
    pub lock_token: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// A web ACL as reads meet it once they no longer lag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebAclView {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// `Block` or `Allow`.
    pub default_action: String,
    /// An array of rules, as the API has them.
    pub rules: Value,
    /// ARNs of what it protects.
    pub resources: Vec<String>,
    /// The token that the next write needs.
    pub lock_token: String,
}

impl Aws {
    /// An empty table. Its name may stand in several regions; then say `REGION/NAME` wherever a table is asked for.
    pub fn create_table(&self, region: &str, name: &str) {
        self.state().tables.create(region, name);
    }

    /// Puts an item, in `DynamoDB` JSON, under a key that need not be among its attributes. The part of the key before
    /// `#`, or all of it, decides where a scan meets the item; items that share that part are neighbours.
    pub fn put_item(&self, table: &str, key: &str, item: impl Borrow<Value>) {
        self.state().tables.put(table, key, item.borrow());
    }

    /// Deletes an item, if it is there.
    pub fn delete_item(&self, table: &str, key: &str) {
        self.state().tables.delete(table, key);
    }

    /// Deletes all items of a table.
    pub fn clear_table(&self, table: &str) {
        self.state().tables.clear(table);
    }

    /// Makes an IP set, at once visible and available, and gives its ARN. `scope` is `REGIONAL` or `CLOUDFRONT`,
    /// `version` `IPV4` or `IPV6`. Quotas do not count, and IPv6 host bits may be set.
    pub fn put_ip_set(
        &self,
        scope: &str,
        name: &str,
        version: &str,
        addresses: &[&str],
        description: Option<&str>,
    ) -> String {
        let family = Family::parse(version).unwrap_or_else(|| panic!("no such version: {version}"));
        let content = IpSet::new(family, parse(addresses), description.map(str::to_owned), BTreeMap::new());
        let mut state = self.state();
        let State { waf, .. } = &mut *state;
        waf.by_hand(scope, name, content).put(&waf.config.account, Instant::now(), &mut waf.ip_sets)
    }

    /// Edits the addresses of an IP set (sorted, in their short form); its description stays as it is.
    pub fn edit_ip_set(&self, name: &str, edit: impl FnOnce(&mut Vec<String>)) {
        self.change_ip_set(name, |before| {
            let mut addresses = before.addresses.iter().map(IpNet::to_string).collect();
            edit(&mut addresses);
            IpSet::new(before.version, parse(&addresses), before.description.clone(), before.tags.clone())
        });
    }

    /// Gives an IP set another description, or none.
    pub fn describe_ip_set(&self, name: &str, description: Option<&str>) {
        self.change_ip_set(name, |before| {
            let description = description.map(str::to_owned);
            IpSet::new(before.version, before.addresses.clone(), description, before.tags.clone())
        });
    }

    /// Gives an IP set exactly these tags. It keeps its lock token.
    pub fn tag_ip_set(&self, name: &str, tags: &[(&str, &str)]) {
        let tags = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let mut state = self.state();
        let entity = state.waf.ip_sets.by_name_mut(name).unwrap_or_else(|| panic!("no such IP set: {name}"));
        let (before, token) = (entity.newest().content.clone(), entity.newest().token.clone());
        let content = IpSet::new(before.version, before.addresses.clone(), before.description.clone(), tags);
        entity.replace(content, token, Instant::now(), Duration::ZERO);
    }

    /// Deletes an IP set, gone at once. Panics if a rule refers to it, which the service refuses with
    /// `WAFAssociatedItemException`.
    pub fn remove_ip_set(&self, name: &str) {
        let arn = self.ip_set(name).unwrap_or_else(|| panic!("no such IP set: {name}")).arn;
        let groups = self.rule_groups().into_iter().map(|group| (group.name, group.rules));
        let acls = self.web_acls().into_iter().map(|acl| (acl.name, acl.rules));
        for (referring, rules) in groups.chain(acls) {
            assert!(!rules.to_string().contains(&arn), "{referring} refers to {name}: AWS WAF does not delete it");
        }
        self.state().waf.ip_sets.remove(name);
    }

    /// Makes a rule group and gives its ARN; `rules` is an array as the API has it, and is not checked.
    pub fn put_rule_group(
        &self,
        scope: &str,
        name: &str,
        capacity: i64,
        description: Option<&str>,
        rules: Value,
    ) -> String {
        let content = RuleGroup {
            capacity,
            description: description.map(str::to_owned),
            rules,
            visibility: visibility_of(name),
            tags: BTreeMap::new(),
        };
        let mut state = self.state();
        let State { waf, .. } = &mut *state;
        waf.by_hand(scope, name, content).put(&waf.config.account, Instant::now(), &mut waf.rule_groups)
    }

    /// Edits the rules of a rule group.
    pub fn edit_rule_group(&self, name: &str, edit: impl FnOnce(&mut Value)) {
        self.change_rule_group(name, |group| edit(&mut group.rules));
    }

    /// Gives a rule group another description, or none.
    pub fn describe_rule_group(&self, name: &str, description: Option<&str>) {
        self.change_rule_group(name, |group| group.description = description.map(str::to_owned));
    }

    /// Makes a web ACL and gives its ARN. `default_action` is `Block` or `Allow`; `rules` is an array as the API has
    /// it, and is not checked.
    #[allow(clippy::must_use_candidate, reason = "most tests make one for its being there")]
    pub fn put_web_acl(&self, scope: &str, name: &str, default_action: &str, rules: Value) -> String {
        assert!(["Block", "Allow"].contains(&default_action), "no such default action: {default_action}");
        let (default_action, resources, none) = (default_action.to_owned(), Vec::new(), || Value::Array(Vec::new()));
        let content = WebAcl { default_action, rules, firewall_manager: [none(), none()], resources };
        let mut state = self.state();
        let State { waf, .. } = &mut *state;
        waf.by_hand(scope, name, content).put(&waf.config.account, Instant::now(), &mut waf.web_acls)
    }

    /// Has a web ACL protect a resource.
    pub fn associate_web_acl(&self, name: &str, resource: &str) {
        let mut state = self.state();
        let entity = state.waf.web_acls.by_name_mut(name).unwrap_or_else(|| panic!("no such web ACL: {name}"));
        let (mut content, token) = ((*entity.newest().content).clone(), entity.newest().token.clone());
        content.resources.push(resource.to_owned());
        entity.replace(content, token, Instant::now(), Duration::ZERO);
    }

    /// Edits the rules of a web ACL.
    pub fn edit_web_acl(&self, name: &str, edit: impl FnOnce(&mut Value)) {
        let mut state = self.state();
        let (token, lag) = (state.waf.uuid(), state.waf.config.read_lag);
        let entity = state.waf.web_acls.by_name_mut(name).unwrap_or_else(|| panic!("no such web ACL: {name}"));
        let mut content = (*entity.newest().content).clone();
        edit(&mut content.rules);
        entity.replace(content, token, Instant::now(), lag);
    }

    /// Attaches these rule groups as a policy of Firewall Manager does, before and after the rules of the web ACL.
    pub fn attach_by_firewall_manager(&self, name: &str, first: Value, last: Value) {
        let mut state = self.state();
        let (token, lag) = (state.waf.uuid(), state.waf.config.read_lag);
        let entity = state.waf.web_acls.by_name_mut(name).unwrap_or_else(|| panic!("no such web ACL: {name}"));
        let mut content = (*entity.newest().content).clone();
        content.firewall_manager = [first, last];
        entity.replace(content, token, Instant::now(), lag);
    }

    /// The IP set of that name.
    #[must_use]
    pub fn ip_set(&self, name: &str) -> Option<IpSetView> {
        self.state().waf.ip_sets.by_name(name).map(ip_set_view)
    }

    /// All IP sets, in the order of their creation.
    #[must_use]
    pub fn ip_sets(&self) -> Vec<IpSetView> {
        self.state().waf.ip_sets.all().iter().map(ip_set_view).collect()
    }

    /// The rule group of that name.
    #[must_use]
    pub fn rule_group(&self, name: &str) -> Option<RuleGroupView> {
        self.state().waf.rule_groups.by_name(name).map(rule_group_view)
    }

    /// All rule groups, in the order of their creation.
    #[must_use]
    pub fn rule_groups(&self) -> Vec<RuleGroupView> {
        self.state().waf.rule_groups.all().iter().map(rule_group_view).collect()
    }

    /// All web ACLs, in the order of their creation.
    #[must_use]
    pub fn web_acls(&self) -> Vec<WebAclView> {
        self.state().waf.web_acls.all().iter().map(web_acl_view).collect()
    }

    fn change_rule_group(&self, name: &str, change: impl FnOnce(&mut RuleGroup)) {
        let mut state = self.state();
        let (token, lag) = (state.waf.uuid(), state.waf.config.read_lag);
        let entity = state.waf.rule_groups.by_name_mut(name).unwrap_or_else(|| panic!("no such rule group: {name}"));
        let mut content = (*entity.newest().content).clone();
        change(&mut content);
        entity.replace(content, token, Instant::now(), lag);
    }

    fn change_ip_set(&self, name: &str, change: impl FnOnce(&IpSet) -> IpSet) {
        let mut state = self.state();
        let (token, lag) = (state.waf.uuid(), state.waf.config.read_lag);
        let entity = state.waf.ip_sets.by_name_mut(name).unwrap_or_else(|| panic!("no such IP set: {name}"));
        let content = change(&entity.newest().content);
        entity.replace(content, token, Instant::now(), lag);
    }
}

fn parse(addresses: &[impl AsRef<str>]) -> Vec<IpNet> {
    let parse = |text: &str| text.parse().unwrap_or_else(|_| panic!("not a CIDR: {text}"));
    addresses.iter().map(|text| parse(text.as_ref())).collect()
}

fn ip_set_view(entity: &Entity<IpSet>) -> IpSetView {
    let version = entity.newest();
    let set = &version.content;
    IpSetView {
        name: entity.name.clone(),
        arn: entity.arn.clone(),
        id: entity.id.clone(),
        scope: entity.place.scope.name().to_owned(),
        version: set.version.name().to_owned(),
        addresses: set.addresses.iter().map(IpNet::to_string).collect(),
        description: set.description.clone(),
        tags: set.tags.clone(),
        lock_token: version.token.clone(),
    }
}

fn rule_group_view(entity: &Entity<RuleGroup>) -> RuleGroupView {
    let version = entity.newest();
    let group = &version.content;
    RuleGroupView {
        name: entity.name.clone(),
        arn: entity.arn.clone(),
        scope: entity.place.scope.name().to_owned(),
        capacity: group.capacity,
        description: group.description.clone(),
        rules: group.rules.clone(),
        lock_token: version.token.clone(),
        tags: group.tags.clone(),
    }
}

fn web_acl_view(entity: &Entity<WebAcl>) -> WebAclView {
    let version = entity.newest();
    let acl = &version.content;
    WebAclView {
        name: entity.name.clone(),
        arn: entity.arn.clone(),
        default_action: acl.default_action.clone(),
        rules: acl.rules.clone(),
        resources: acl.resources.clone(),
        lock_token: version.token.clone(),
    }
}

//! Manual changes, as in the console, and views of the state for tests. They need no lock token, have no rate limit and
//! are not logged.
//!
//! Resources created by hand are visible at once. Edits are visible after the read lag ([`crate::Config::read_lag`]).
//!
//! Wrong use (an unknown name, an address that does not parse) panics, because the test is wrong.

#![allow(clippy::missing_panics_doc, reason = "see the module documentation")]

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

/// The newest state of an IP set, which reads may not show yet.
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

/// The newest state of a rule group, which reads may not show yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleGroupView {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// `REGIONAL` or `CLOUDFRONT`.
    pub scope: String,
    /// Capacity, in WCU.
    pub capacity: i64,
    /// Its description, if it has one.
    pub description: Option<String>,
    /// An array of rules in the format of the API.
    pub rules: Value,
    /// The token that the next write needs.
    pub lock_token: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// The newest state of a web ACL, which reads may not show yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebAclView {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// `Block` or `Allow`.
    pub default_action: String,
    /// An array of rules in the format of the API.
    pub rules: Value,
    /// ARNs of the resources that it protects.
    pub resources: Vec<String>,
    /// The token that the next write needs.
    pub lock_token: String,
}

impl Aws {
    /// Creates an empty table. If several regions have a table of that name, refer to it as `REGION/NAME`.
    pub fn create_table(&self, region: &str, name: &str) {
        self.state().tables.create(region, name);
    }

    /// Puts an item, in `DynamoDB` JSON, under a key that need not be one of its attributes. The part of the key before
    /// `#`, or the whole key, determines the position in a scan. Items that share that part are neighbors.
    pub fn put_item(&self, table: &str, key: &str, item: impl Borrow<Value>) {
        self.state().tables.put(table, key, item.borrow());
    }

    /// Deletes an item, if it exists.
    pub fn delete_item(&self, table: &str, key: &str) {
        self.state().tables.delete(table, key);
    }

    /// Deletes all items of a table.
    pub fn clear_table(&self, table: &str) {
        self.state().tables.clear(table);
    }

    /// Creates an IP set that is visible and available at once, and returns its ARN. `scope` is `REGIONAL` or
    /// `CLOUDFRONT`, `version` is `IPV4` or `IPV6`. Quotas do not apply, and IPv6 host bits may be set.
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

    /// Edits the addresses of an IP set (sorted, in their short form) and keeps its description.
    pub fn edit_ip_set(&self, name: &str, edit: impl FnOnce(&mut Vec<String>)) {
        self.change_ip_set(name, |before| {
            let mut addresses = before.addresses.iter().map(IpNet::to_string).collect();
            edit(&mut addresses);
            IpSet::new(before.version, parse(&addresses), before.description.clone(), before.tags.clone())
        });
    }

    /// Replaces the description of an IP set.
    pub fn describe_ip_set(&self, name: &str, description: Option<&str>) {
        self.change_ip_set(name, |before| {
            let description = description.map(str::to_owned);
            IpSet::new(before.version, before.addresses.clone(), description, before.tags.clone())
        });
    }

    /// Replaces the tags of an IP set and keeps its lock token.
    pub fn tag_ip_set(&self, name: &str, tags: &[(&str, &str)]) {
        let tags = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let mut state = self.state();
        let entity = state.waf.ip_sets.by_name_mut(name).unwrap_or_else(|| panic!("no such IP set: {name}"));
        let (before, token) = (entity.newest().content.clone(), entity.newest().token.clone());
        let content = IpSet::new(before.version, before.addresses.clone(), before.description.clone(), tags);
        entity.replace(content, token, Instant::now(), Duration::ZERO);
    }

    /// Deletes an IP set at once. Panics if a rule refers to it; the service rejects that with
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

    /// Creates a rule group and returns its ARN. `rules` is an array in the format of the API and is not checked.
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

    /// Replaces the description of a rule group.
    pub fn describe_rule_group(&self, name: &str, description: Option<&str>) {
        self.change_rule_group(name, |group| group.description = description.map(str::to_owned));
    }

    /// Creates a web ACL and returns its ARN. `default_action` is `Block` or `Allow`. `rules` is an array in the format
    /// of the API and is not checked.
    #[allow(clippy::must_use_candidate, reason = "most tests do not need the ARN")]
    pub fn put_web_acl(&self, scope: &str, name: &str, default_action: &str, rules: Value) -> String {
        assert!(["Block", "Allow"].contains(&default_action), "no such default action: {default_action}");
        let (default_action, resources, none) = (default_action.to_owned(), Vec::new(), || Value::Array(Vec::new()));
        let content = WebAcl { default_action, rules, firewall_manager: [none(), none()], resources };
        let mut state = self.state();
        let State { waf, .. } = &mut *state;
        waf.by_hand(scope, name, content).put(&waf.config.account, Instant::now(), &mut waf.web_acls)
    }

    /// Associates a web ACL with a resource.
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

    /// Attaches these rule groups before and after the rules of the web ACL, as a Firewall Manager policy does.
    pub fn attach_by_firewall_manager(&self, name: &str, first: Value, last: Value) {
        let mut state = self.state();
        let (token, lag) = (state.waf.uuid(), state.waf.config.read_lag);
        let entity = state.waf.web_acls.by_name_mut(name).unwrap_or_else(|| panic!("no such web ACL: {name}"));
        let mut content = (*entity.newest().content).clone();
        content.firewall_manager = [first, last];
        entity.replace(content, token, Instant::now(), lag);
    }

    /// The IP set with this name.
    #[must_use]
    pub fn ip_set(&self, name: &str) -> Option<IpSetView> {
        self.state().waf.ip_sets.by_name(name).map(ip_set_view)
    }

    /// All IP sets, in the order of their creation.
    #[must_use]
    pub fn ip_sets(&self) -> Vec<IpSetView> {
        self.state().waf.ip_sets.all().iter().map(ip_set_view).collect()
    }

    /// The rule group with this name.
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

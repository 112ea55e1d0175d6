//! Names and descriptions of managed resources: writes them and reads them back.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::model::cidr::Family;
use crate::model::fingerprint::{Fingerprint, Mark};
use crate::text::hex;

/// The length of a table tag, in hexadecimal digits.
const TABLE_TAG_DIGITS: usize = 8;

/// The target of a run: an installation, where it is, and the table that feeds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// `regional` or `cloudfront`.
    pub scope: &'static str,
    /// The Region of the WAF resources.
    pub region: String,
    /// `--name`.
    pub name: String,
    /// The table, as `region/name`.
    pub table: String,
    /// The account of the table if its ARN was given; otherwise it is the account of WAF.
    pub table_account: Option<String>,
}

impl Target {
    /// The tag of the table: the first eight hexadecimal digits of the SHA-256 of its `account/region/name`. `None` if
    /// neither the table's ARN nor `account`, that of WAF, gives the account.
    #[must_use]
    pub fn table_tag(&self, account: Option<&str>) -> Option<String> {
        let account = self.table_account.as_deref().or(account)?;
        Some(tag(&format!("{account}/{}", self.table)))
    }

    /// The tag that earlier versions wrote, made from `region/name` alone. It means the same table.
    #[must_use]
    pub fn old_table_tag(&self) -> String {
        tag(&self.table)
    }

    /// The description of our rule groups in this account.
    #[must_use]
    pub fn group_description(&self, account: Option<&str>) -> GroupDescription {
        GroupDescription { target: self.clone(), account: account.map(ToOwned::to_owned) }
    }

    /// The name of the rule group with this number, from 1.
    #[must_use]
    pub fn group_name(&self, number: usize) -> String {
        format!("{}-{number}", self.name)
    }
}

fn tag(table: &str) -> String {
    let hash: [u8; 32] = Sha256::digest(table.as_bytes()).into();
    hex(&hash).chars().take(TABLE_TAG_DIGITS).collect()
}

/// The description of a rule group.
///
/// It has the tag of the table, which needs the account. The account may be unknown until wafsync has created something:
/// then the description has no tag, and the next write of the rule group adds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupDescription {
    target: Target,
    account: Option<String>,
}

impl GroupDescription {
    /// Learns the account from the ARN of a resource in WAF, unless it is known.
    pub fn learn_account(&mut self, arn: &str) {
        if self.account.is_none() {
            self.account = account_of(arn).map(ToOwned::to_owned);
        }
    }
}

impl fmt::Display for GroupDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.target.table_tag(self.account.as_deref()) {
            Some(tag) => write!(f, "wafsync {} table:{tag}", self.target.name),
            None => write!(f, "wafsync {} without a table so far", self.target.name),
        }
    }
}

/// The account in an ARN.
#[must_use]
pub fn account_of(arn: &str) -> Option<&str> {
    arn.strip_prefix("arn:")?.split(':').nth(3).filter(|account| !account.is_empty())
}

/// The number of digits of the number in an IP set's name.
const NUMBER_WIDTH: usize = 3;

/// The name of an IP set: `NAME-ipv4-000`.
#[must_use]
pub fn set_name(name: &str, family: Family, number: usize) -> String {
    format!("{name}-{family}-{number:0NUMBER_WIDTH$}")
}

/// The description of an IP set with these contents; [`mark`] reads it back.
#[must_use]
pub fn set_description(installation: &str, contents: Fingerprint) -> String {
    format!("wafsync {installation} {contents}")
}

/// The parts of an IP set's ARN: `arn:aws:wafv2:REGION:ACCOUNT:regional/ipset/NAME/ID`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetArn {
    /// The IP set's name.
    pub name: String,
    /// Its id.
    pub id: String,
}

impl SetArn {
    /// `None` if it is not the ARN of an IP set.
    #[must_use]
    pub fn parse(arn: &str) -> Option<Self> {
        let resource = arn.strip_prefix("arn:")?.splitn(5, ':').nth(4)?;
        let mut parts = resource.split('/');
        let (_scope, kind, name, id) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        (kind == "ipset" && parts.next().is_none()).then(|| Self { name: name.to_owned(), id: id.to_owned() })
    }
}

/// The family in the name of an IP set of ours: `NAME-ipv4-000` belongs to installation `NAME`.
#[must_use]
pub fn family_of(set: &str, installation: &str) -> Option<Family> {
    Family::ALL.into_iter().find(|family| {
        let number = set.rsplit_once('-').map(|(_, number)| number).filter(|n| n.bytes().all(|b| b.is_ascii_digit()));
        number.and_then(|n| n.parse().ok()).is_some_and(|number| set_name(installation, *family, number) == set)
    })
}

/// The number in the name of a rule group of ours: `NAME-1` is the first of installation `NAME`.
#[must_use]
pub fn group_number(group: &str, installation: &str) -> Option<usize> {
    let number = group.strip_prefix(installation)?.strip_prefix('-')?;
    number.parse().ok().filter(|n: &usize| *n > 0 && n.to_string() == number)
}

/// The mark in an IP set's description; `None` if wafsync did not write it for this installation.
#[must_use]
pub fn mark(description: &str, installation: &str) -> Option<Mark> {
    let rest = own_text(description, installation)?;
    Some(Mark { fingerprint: Fingerprint::parse(rest) })
}

/// The table tag in a rule group's description. The outer `None`: wafsync did not write it for this installation.
#[must_use]
pub fn group_table(description: &str, installation: &str) -> Option<Option<String>> {
    let rest = own_text(description, installation)?;
    Some(rest.split(' ').find_map(|word| word.strip_prefix("table:")).map(ToOwned::to_owned))
}

fn own_text<'a>(description: &'a str, installation: &str) -> Option<&'a str> {
    description.strip_prefix("wafsync ")?.strip_prefix(installation)?.strip_prefix(' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_fits_one_installation_alone() {
        assert_eq!(family_of("wafsync-ipv4-000", "wafsync"), Some(Family::Ipv4));
        assert_eq!(family_of("wafsync-ipv6-999", "wafsync"), Some(Family::Ipv6));
        assert_eq!(family_of("wafsync-prod-ipv4-000", "wafsync"), None);
        assert_eq!(family_of("wafsync-ipv4-000", "wafsync-ipv4"), None);
        for name in ["wafsync-ipv4-00", "wafsync-ipv4-0000", "wafsync-ipv4-+01", "wafsync-ipv4-", "wafsync", ""] {
            assert_eq!(family_of(name, "wafsync"), None, "{name}");
        }
    }

    #[test]
    fn rule_groups_are_numbered_from_one() {
        assert_eq!(group_number("wafsync-1", "wafsync"), Some(1));
        assert_eq!(group_number("wafsync-12", "wafsync"), Some(12));
        for name in ["wafsync-0", "wafsync-01", "wafsync-", "wafsync-prod-1", "wafsync-+1", "other-1"] {
            assert_eq!(group_number(name, "wafsync"), None, "{name}");
        }
    }

    #[test]
    fn a_description_belongs_to_the_installation_that_it_names() {
        assert_eq!(mark("wafsync prod sum:xyz", "prod"), Some(Mark { fingerprint: None }));
        assert_eq!(mark("wafsync production sum:xyz", "prod"), None);
        assert_eq!(mark("Offices", "prod"), None);
        assert_eq!(group_table("wafsync prod table:0a1b2c3d", "prod"), Some(Some("0a1b2c3d".to_owned())));
        assert_eq!(group_table("wafsync prod by hand", "prod"), Some(None));
        assert_eq!(group_table("rules of wafsync prod", "prod"), None);
    }

    #[test]
    fn the_tag_of_a_table_is_of_its_account_region_and_name() {
        let mut target = Target {
            scope: "regional",
            region: "eu-central-1".into(),
            name: "prod".into(),
            table: "eu-west-1/clusters".into(),
            table_account: None,
        };
        // `printf 111122223333/eu-west-1/clusters | sha256sum`, and the same without the account.
        let of_waf = target.table_tag(Some("111122223333")).unwrap();
        assert_eq!(of_waf, "87e01800");
        assert_eq!(target.old_table_tag(), "48b05135");
        assert_eq!(target.table_tag(None), None);
        let mut description = target.group_description(None);
        assert_eq!(description.to_string(), "wafsync prod without a table so far");
        assert_eq!(group_table(&description.to_string(), "prod"), Some(None));
        description.learn_account("arn:aws:wafv2:eu-central-1:111122223333:regional/ipset/a/b");
        description.learn_account("arn:aws:wafv2:eu-central-1:444455556666:regional/ipset/a/b");
        assert_eq!(description.to_string(), format!("wafsync prod table:{of_waf}"));
        target.table_account = Some("444455556666".into());
        assert_ne!(target.table_tag(Some("111122223333")).unwrap(), of_waf);
        assert_eq!(target.table_tag(None), target.table_tag(Some("111122223333")));
    }

    #[test]
    fn an_arn_shows_its_account() {
        assert_eq!(account_of("arn:aws:dynamodb:eu-west-1:111122223333:table/clusters"), Some("111122223333"));
        for other in ["", "clusters", "arn:aws:s3:::bucket", "arn:aws"] {
            assert_eq!(account_of(other), None, "{other}");
        }
    }

    #[test]
    fn an_arn_names_what_a_call_needs() {
        let arn = "arn:aws:wafv2:eu-central-1:111122223333:regional/ipset/wafsync-ipv4-000/0d0e0f00-0000-0000-0000-000000000000";
        let parsed = SetArn::parse(arn).unwrap();
        assert_eq!((parsed.name.as_str(), &parsed.id[..8]), ("wafsync-ipv4-000", "0d0e0f00"));
        for other in ["", "arn:aws:wafv2:eu-central-1:111122223333:regional/rulegroup/a/b", "arn:aws:s3:::bucket"] {
            assert_eq!(SetArn::parse(other), None, "{other}");
        }
    }
}

//! Which IP sets and rule groups are ours: by name, by description, and by who refers to them. Pure decisions over text.

use sha2::{Digest as _, Sha256};

use crate::model::cidr::Family;
use crate::model::fingerprint::{Fingerprint, Mark};
use crate::text::hex;

/// Hexadecimal digits of the table's hash in a rule group's description.
const TABLE_TAG_DIGITS: usize = 8;

/// Which rules in which place are fed from which table.
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
}

impl Target {
    /// The first eight hexadecimal digits of the SHA-256 of the table's `region/name`.
    #[must_use]
    pub fn table_tag(&self) -> String {
        let hash: [u8; 32] = Sha256::digest(self.table.as_bytes()).into();
        hex(&hash).chars().take(TABLE_TAG_DIGITS).collect()
    }

    /// The description of every rule group of ours.
    #[must_use]
    pub fn group_description(&self) -> String {
        format!("wafsync {} table:{}", self.name, self.table_tag())
    }

    /// The name of the rule group with this number, counted from 1.
    #[must_use]
    pub fn group_name(&self, number: usize) -> String {
        format!("{}-{number}", self.name)
    }
}

/// Digits of the number in an IP set's name.
const NUMBER_WIDTH: usize = 3;

/// `NAME-ipv4-000`
#[must_use]
pub fn set_name(name: &str, family: Family, number: usize) -> String {
    format!("{name}-{family}-{number:0NUMBER_WIDTH$}")
}

/// The description of an IP set with these contents: [`mark`] reads it.
#[must_use]
pub fn set_description(installation: &str, contents: Fingerprint) -> String {
    format!("wafsync {installation} {contents}")
}

/// An IP set's ARN, taken apart: `arn:aws:wafv2:REGION:ACCOUNT:regional/ipset/NAME/ID`.
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

/// The family that a name of ours speaks of: `NAME-ipv4-000` is one of installation `NAME`.
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

/// What the description of an IP set says about its contents; `None` if wafsync did not write it for this installation.
#[must_use]
pub fn mark(description: &str, installation: &str) -> Option<Mark> {
    let rest = own_text(description, installation)?;
    Some(Mark { fingerprint: Fingerprint::parse(rest) })
}

/// What a rule group's description names behind `table:`; the outer `None` if wafsync did not write it for this
/// installation.
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
    fn an_arn_names_what_a_call_needs() {
        let arn = "arn:aws:wafv2:eu-central-1:111122223333:regional/ipset/wafsync-ipv4-000/0d0e0f00-0000-0000-0000-000000000000";
        let parsed = SetArn::parse(arn).unwrap();
        assert_eq!((parsed.name.as_str(), &parsed.id[..8]), ("wafsync-ipv4-000", "0d0e0f00"));
        for other in ["", "arn:aws:wafv2:eu-central-1:111122223333:regional/rulegroup/a/b", "arn:aws:s3:::bucket"] {
            assert_eq!(SetArn::parse(other), None, "{other}");
        }
    }
}

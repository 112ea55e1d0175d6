//! Converts the settings of the resources in WAF.

use std::collections::{BTreeMap, BTreeSet};

use super::guards::MAX_IP_SETS;
use crate::cli::args::{RuleArgs, WafArgs};
use crate::cli::values::{Checked, Invalid, arn, check, is_word, number};
use crate::model::limits::{
    Limits, MAX_HEADER, MAX_ID, MAX_TAG_KEY, MAX_TAG_VALUE, MAX_TAGS, MAX_WAF_NAME, RESERVED_LABELS,
};
use crate::model::policy::{Action, Forwarded, Position, RulePolicy};
use crate::model::settings::{Scope, WafSettings};

/// Maximum length of `--name`, in characters: leaves room for suffixes such as `-ipv4-000`.
const MAX_NAME: usize = 100;

pub(super) fn waf(args: WafArgs, rule: RuleArgs, warnings: &mut Vec<String>) -> Checked<WafSettings> {
    let forwarded = forwarded(rule.forwarded_ip_header, rule.forwarded_ip_position, warnings)?;
    let reserved = RESERVED_LABELS.iter().any(|word| args.name.eq_ignore_ascii_case(word));
    if rule.action == Action::Count && reserved {
        let allowed = "must not be a word that AWS WAF reserves: --action count uses it as a label";
        return Err(Invalid::new("--name", &args.name, allowed));
    }
    let names = names(args)?;
    Ok(WafSettings {
        name: names.name,
        scope: names.scope,
        policy: RulePolicy { action: rule.action, forwarded },
        web_acls: names.web_acls,
        limits: names.limits,
        adopt: names.adopt,
        tags: tags(&rule.tag)?,
    })
}

/// The names of resources in WAF: all that `iam-policy` needs.
pub(super) struct Names {
    pub(super) name: String,
    pub(super) scope: Scope,
    pub(super) web_acls: Vec<String>,
    pub(super) limits: Limits,
    pub(super) adopt: BTreeSet<String>,
}

pub(super) fn names(args: WafArgs) -> Checked<Names> {
    let allowed = format!("must be 1 to {MAX_NAME} of A-Z a-z 0-9 _ -");
    check("--name", &args.name, is_word(&args.name, 1..=MAX_NAME, "_-"), &allowed)?;
    let allowed = format!("must be the name of an IP set (1 to {MAX_WAF_NAME} of A-Z a-z 0-9 _ -)");
    for name in &args.adopt {
        check("--adopt", name, is_waf_name(name), &allowed)?;
    }
    let mut web_acls = Vec::new();
    for web_acl in args.web_acl {
        check_web_acl(&web_acl, args.scope)?;
        if !web_acls.contains(&web_acl) {
            web_acls.push(web_acl);
        }
    }
    Ok(Names {
        limits: Limits::aws(number("--max-ip-sets", &args.max_ip_sets, 1..=MAX_IP_SETS)?),
        name: args.name,
        scope: args.scope,
        web_acls,
        adopt: args.adopt.into_iter().collect(),
    })
}

fn check_web_acl(web_acl: &str, scope: Scope) -> Checked<()> {
    const FLAG: &str = "--web-acl";
    if !web_acl.starts_with("arn:") {
        let allowed = format!("must be the name of a web ACL (1 to {MAX_WAF_NAME} of A-Z a-z 0-9 _ -) or its ARN");
        return check(FLAG, web_acl, is_waf_name(web_acl), &allowed);
    }
    let (kind, word) = match scope {
        Scope::Regional => ("regional/webacl/", "regional"),
        Scope::Cloudfront => ("global/webacl/", "cloudfront"),
    };
    let arn = arn(FLAG, web_acl, "wafv2", kind)
        .map_err(|invalid| Invalid { allowed: format!("{} (--scope {word})", invalid.allowed), ..invalid })?;
    let right = arn.name.split_once('/').is_some_and(|(name, id)| is_waf_name(name) && is_word(id, 1..=MAX_ID, "-"));
    check(FLAG, web_acl, right, "must end with the name and the id of the web ACL")
}

fn is_waf_name(text: &str) -> bool {
    is_word(text, 1..=MAX_WAF_NAME, "_-")
}

fn forwarded(
    header: Option<String>,
    position: Option<Position>,
    warnings: &mut Vec<String>,
) -> Checked<Option<Forwarded>> {
    const FLAG: &str = "--forwarded-ip-header";
    let Some(header) = header else {
        return match position {
            None => Ok(None),
            Some(_) => {
                Err(Invalid { flag: "--forwarded-ip-position", value: None, allowed: format!("requires {FLAG}") })
            }
        };
    };
    let allowed = format!("must be 1 to {MAX_HEADER} of A-Z a-z 0-9 -");
    check(FLAG, &header, is_word(&header, 1..=MAX_HEADER, "-"), &allowed)?;
    let position = position.unwrap_or(Position::First);
    let word = match position {
        Position::First => Some("first"),
        Position::Any => Some("any"),
        Position::Last => None,
    };
    if let Some(word) = word {
        warnings.push(format!(
            "--forwarded-ip-position {word}: clients can forge that address in {header} to let themselves in; use last \
             if every request passes a proxy that appends to the header"
        ));
    }
    Ok(Some(Forwarded { header, position }))
}

fn tags(texts: &[String]) -> Checked<BTreeMap<String, String>> {
    const FLAG: &str = "--tag";
    let mut tags = BTreeMap::new();
    for text in texts {
        let Some((key, value)) = text.split_once('=') else {
            return Err(Invalid::new(FLAG, text, "must be KEY=VALUE"));
        };
        let right = (1..=MAX_TAG_KEY).contains(&key.chars().count()) && value.chars().count() <= MAX_TAG_VALUE;
        let allowed =
            format!("must be KEY=VALUE, a key of 1 to {MAX_TAG_KEY} and a value of at most {MAX_TAG_VALUE} characters");
        check(FLAG, text, right, &allowed)?;
        let right = key.chars().chain(value.chars()).all(is_tag_character);
        check(FLAG, text, right, "must be letters, digits, spaces, and _ . : / = + - @")?;
        let aws = key.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:"));
        check(FLAG, text, !aws, "must not start with aws:, which AWS reserves")?;
        check(FLAG, text, key != "managed-by", "must not be managed-by, which is always wafsync")?;
        let other = tags.insert(key.to_owned(), value.to_owned()).filter(|other| other != value);
        check(FLAG, text, other.is_none(), "must not give a key two values")?;
    }
    if tags.len() > MAX_TAGS {
        return Err(Invalid { flag: FLAG, value: None, allowed: format!("must be given at most {MAX_TAGS} times") });
    }
    Ok(tags)
}

/// `[\p{L}\p{Z}\p{N}_.:/=+\-@]`, nearly: `is_alphabetic` also accepts a few marks, which AWS refuses.
fn is_tag_character(character: char) -> bool {
    character.is_alphabetic()
        || character.is_numeric()
        || (character.is_whitespace() && !character.is_control())
        || "_.:/=+-@".contains(character)
}

//! The web ACLs to judge: those that were named or, if none was, those that refer to our rule groups.

use super::facts::{Search, WebAcls};
use super::line::{Line, failed, failure, shown, warning};
use super::web_acls;
use crate::model::current::{Current, RuleGroup};
use crate::model::settings::Settings;
use crate::text;
use crate::text::number::counted;

/// Judges the web ACLs. `current` is `None` if our resources in WAF could not be read.
pub(super) fn lines(settings: &Settings, acls: &WebAcls, current: Option<&Current>) -> Vec<Line> {
    let groups = current.map(|current| current.groups.as_slice());
    let mut lines = match acls {
        WebAcls::Named(acls) => {
            acls.iter().filter_map(|acl| acl.as_ref().err()).map(|t| failed("web ACL", t)).collect()
        }
        WebAcls::Searched(search) => vec![found(search, groups.unwrap_or_default())],
        WebAcls::NotSearched => vec![not_searched(groups.is_some())],
    };
    lines.extend(acls.read().flat_map(|acl| web_acls::lines(acl, settings, groups)));
    lines
}

fn not_searched(known: bool) -> Line {
    const SUBJECT: &str = "web ACL";
    if known {
        let fix = "apply, refer to the rule groups in the web ACL, and name it with --web-acl";
        warning(SUBJECT, "none was named, and no rule group of ours exists yet", fix)
    } else {
        warning(SUBJECT, "none was named, and our rule groups are unknown", "see above")
    }
}

/// The line about the search, if no web ACL was named.
fn found(search: &Search, groups: &[RuleGroup]) -> Line {
    const SUBJECT: &str = "web ACL";
    let listed = counted(search.listed, "web ACL");
    let read = format!("only {} of {listed} could be read", search.read);
    let unread = match &search.trouble {
        Some(trouble) if trouble.denied && search.listed == 0 => Some("listing them is denied".to_owned()),
        Some(trouble) if trouble.denied => Some(format!("{read}: access to the next was denied")),
        Some(trouble) if search.listed == 0 => Some(format!("they could not be listed: {}", trouble.with_hint())),
        Some(trouble) => Some(format!("{read}: {}", trouble.with_hint())),
        None if search.read < search.listed => Some(format!("only {} of {listed} were read", search.read)),
        None => None,
    };
    if !search.referring.is_empty() {
        let names = search.referring.iter().map(|acl| text::line(&acl.name));
        let options = search.referring.iter().map(|acl| format!("--web-acl={}", text::line(&acl.name)));
        let unread = unread.map(|unread| format!("; {unread}")).unwrap_or_default();
        let finding = format!("none was named; found to refer to our rule groups: {}{unread}", shown(", ", names));
        return warning(SUBJECT, finding, format!("set {}, so that every run checks it", shown(" ", options)));
    }
    if let Some(unread) = unread {
        let finding = format!("none was named, and none was found to refer to our rule groups; {unread}");
        let denied = search.trouble.as_ref().is_some_and(|trouble| trouble.denied);
        let fix = if denied {
            "name the one that should refer to our rule groups with --web-acl, or allow wafv2:ListWebACLs and wafv2:GetWebACL on all: \
             `wafsync iam-policy --for check` without --web-acl does"
        } else {
            "name the one that should refer to them with --web-acl, so that every run checks it"
        };
        return warning(SUBJECT, finding, fix);
    }
    let finding = format!("none was named, and no web ACL refers to our rule groups ({listed} read)");
    let used = groups.iter().any(|group| !group.rule.references().is_empty());
    let fix = "refer to each of them in the web ACL, and name it with --web-acl";
    if used {
        failure(SUBJECT, format!("{finding}: they let no one in"), fix)
    } else {
        warning(SUBJECT, format!("{finding}; they have no IP set yet"), fix)
    }
}

//! Which web ACLs there are to look at: those that were named, or, where none was, those that refer to us.

use super::web_acls::{self, AclState};
use super::{Answer, Line, Trouble, failed, failure, shown, warning};
use crate::current::{Current, RuleGroup};
use crate::number::counted;
use crate::settings::Settings;
use crate::text;

/// The web ACLs that were looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebAcls {
    /// Each that was named.
    Named(Vec<Answer<AclState>>),
    /// None was named, so all of the scope were looked through.
    Searched(Search),
    /// None was named, and no rule group of ours is known to which one could refer.
    NotSearched,
}

/// A search for web ACLs that refer to our rule groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Search {
    /// How many web ACLs there are.
    pub listed: usize,
    /// How many of them were looked at.
    pub read: usize,
    /// Those that refer to a rule group of ours.
    pub referring: Vec<AclState>,
    /// What ended it early.
    pub trouble: Option<Trouble>,
}

impl WebAcls {
    /// Those that a run looks at too.
    pub(super) fn named(&self) -> &[Answer<AclState>] {
        match self {
            Self::Named(acls) => acls,
            Self::Searched(_) | Self::NotSearched => &[],
        }
    }

    /// All of which something is known.
    pub(super) fn read(&self) -> impl Iterator<Item = &AclState> {
        let found = match self {
            Self::Searched(search) => search.referring.as_slice(),
            Self::Named(_) | Self::NotSearched => &[],
        };
        self.named().iter().flatten().chain(found)
    }

    /// What ended the search early.
    pub(super) fn trouble(&self) -> Option<&Trouble> {
        match self {
            Self::Searched(search) => search.trouble.as_ref(),
            Self::Named(_) | Self::NotSearched => None,
        }
    }
}

/// Judges them; `current` is `None` if what is ours in WAF could not be read.
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
        let mend = "apply, refer to the rule groups in the web ACL, and name it with --web-acl";
        warning(SUBJECT, "none was named, and there is no rule group of ours yet to which one could refer", mend)
    } else {
        warning(SUBJECT, "none was named, and our rule groups are not known", "see above")
    }
}

/// None was named, so a run does not look; here is what there is.
fn found(search: &Search, groups: &[RuleGroup]) -> Line {
    const SUBJECT: &str = "web ACL";
    let listed = counted(search.listed, "web ACL");
    let read = format!("only {} of {listed} could be read", search.read);
    let unread = match &search.trouble {
        Some(trouble) if trouble.denied && search.listed == 0 => Some("they may not be listed".to_owned()),
        Some(trouble) if trouble.denied => Some(format!("{read}, for the next was refused")),
        Some(trouble) if search.listed == 0 => Some(format!("they could not be listed: {}", trouble.text)),
        Some(trouble) => Some(format!("{read}: {}", trouble.text)),
        None if search.read < search.listed => Some(format!("only {} of {listed} were read", search.read)),
        None => None,
    };
    if !search.referring.is_empty() {
        let names = search.referring.iter().map(|acl| text::line(&acl.name));
        let options = search.referring.iter().map(|acl| format!("--web-acl={}", text::line(&acl.name)));
        let unread = unread.map(|unread| format!("; {unread}")).unwrap_or_default();
        let finding = format!("none was named; found to refer to our rule groups: {}{unread}", shown(", ", names));
        return warning(SUBJECT, finding, format!("set {}, so that each run looks at it", shown(" ", options)));
    }
    if let Some(unread) = unread {
        let finding = format!("none was named, and none was found to refer to our rule groups; {unread}");
        let denied = search.trouble.as_ref().is_some_and(|trouble| trouble.denied);
        let mend = if denied {
            "name the one that should refer to us with --web-acl, or allow wafv2:ListWebACLs and wafv2:GetWebACL on all: \
             `wafsync iam-policy --for check` without --web-acl does"
        } else {
            "name the one that should with --web-acl, so that each run looks at it"
        };
        return warning(SUBJECT, finding, mend);
    }
    let finding = format!("none was named, and none of those there are refers to our rule groups ({listed} read)");
    let used = groups.iter().any(|group| !group.rule.references().is_empty());
    let mend = "refer to each of them in the web ACL, and name it with --web-acl";
    if used {
        failure(SUBJECT, format!("{finding}: they let nobody in"), mend)
    } else {
        warning(SUBJECT, format!("{finding}; no IP set is in these yet"), mend)
    }
}

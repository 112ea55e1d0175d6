//! References: whether a web ACL refers to each of our rule groups, at which position and with which override.

use std::collections::BTreeMap;

use super::facts::Priority;
use super::line::{Line, Severity, ok, warning};
use super::view::View;
use crate::model::current::RuleGroup;
use crate::model::policy::Action;
use crate::model::web_acl::{Effect, Override};

/// A flaw in how a web ACL refers to one of our rule groups, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Flaw {
    SwitchedOff,
    Blocked,
    Captcha,
    Challenge,
    Unknown,
    Missing,
    MissingUnused,
    AllowedAtOnce,
}

impl Flaw {
    const fn of(place: Option<(Priority, Override)>, used: bool, action: Action) -> Option<Self> {
        Some(match (place, action) {
            (None, _) if used => Self::Missing,
            (None, _) => Self::MissingUnused,
            (Some((_, Override::WholeToCount)), _) | (Some((_, Override::To(Effect::Count))), Action::Allow) => {
                Self::SwitchedOff
            }
            (Some((_, Override::To(Effect::Block))), _) => Self::Blocked,
            (Some((_, Override::To(Effect::Captcha))), _) => Self::Captcha,
            (Some((_, Override::To(Effect::Challenge))), _) => Self::Challenge,
            (Some((_, Override::To(Effect::Other))), _) => Self::Unknown,
            (Some((_, Override::To(Effect::Allow))), Action::Count) => Self::AllowedAtOnce,
            (Some((_, Override::None | Override::To(_))), _) => return None,
        })
    }

    const fn verdict(self) -> Severity {
        match self {
            Self::MissingUnused | Self::AllowedAtOnce => Severity::Warning,
            Self::SwitchedOff | Self::Blocked | Self::Captcha | Self::Challenge | Self::Unknown | Self::Missing => {
                Severity::Failure
            }
        }
    }

    /// The predicate of a sentence about the web ACL.
    fn sentence(self, groups: &str) -> String {
        match self {
            Self::SwitchedOff => format!("disables {groups}: an override to Count lets no one in"),
            Self::Blocked => format!("blocks clients that {groups} should let in: an override to Block"),
            Self::Captcha => {
                format!("requires a CAPTCHA from clients that {groups} should let in, and no cluster solves one")
            }
            Self::Challenge => {
                format!("requires a Challenge from clients that {groups} should let in, and no cluster solves one")
            }
            Self::Unknown => format!("overrides {groups} to an unknown action"),
            Self::Missing => format!("does not refer to {groups}"),
            Self::MissingUnused => format!("does not refer to {groups}, which has no IP set yet"),
            Self::AllowedAtOnce => format!("overrides {groups} to Allow: no later rule sees those clients"),
        }
    }

    const fn fix(self) -> &'static str {
        match self {
            Self::Missing | Self::MissingUnused => {
                "add a reference to each of them before every rule that blocks, without an override"
            }
            Self::AllowedAtOnce => "remove that override, or use --action allow",
            Self::SwitchedOff | Self::Blocked | Self::Captcha | Self::Challenge | Self::Unknown => {
                "remove that override in the web ACL"
            }
        }
    }
}

pub(super) fn references(view: &View<'_>) -> Line {
    const SUBJECT: &str = "references";
    let name = &view.name;
    let Some(ours) = &view.ours else {
        return warning(SUBJECT, format!("{name}: our rule groups are unknown"), "see above");
    };
    if ours.is_empty() {
        return warning(SUBJECT, format!("{name}: no rule group of ours exists yet"), "apply, then refer to it");
    }
    let mut flaws: BTreeMap<Flaw, Vec<&str>> = BTreeMap::new();
    for our in ours {
        if let Some(flaw) = Flaw::of(our.place, our.is_used(), view.action) {
            flaws.entry(flaw).or_default().push(&our.group.name);
        }
    }
    let verdict = flaws.keys().map(|flaw| flaw.verdict()).max().unwrap_or(Severity::Ok);
    if verdict == Severity::Ok {
        let places = ours.iter().filter_map(|our| Some(place(our.group, our.place?)));
        return ok(SUBJECT, format!("{name} refers to {}", places.collect::<Vec<_>>().join(", ")));
    }
    let sentences: Vec<String> = flaws.iter().map(|(flaw, groups)| flaw.sentence(&groups.join(", "))).collect();
    let mut fixes: Vec<&str> = flaws.keys().map(|flaw| flaw.fix()).collect();
    fixes.dedup();
    let finding = format!("{name} {}", sentences.join("; "));
    Line { subject: SUBJECT, verdict, finding, fix: Some(fixes.join("; ")) }
}

/// A rule group and its position: `wafsync-1 at priority 0`.
pub(super) fn place(group: &RuleGroup, (priority, with): (Priority, Override)) -> String {
    let harmless = match with {
        Override::To(Effect::Allow) => " (the override to Allow changes nothing)",
        Override::To(Effect::Count) => " (the override to Count changes nothing)",
        _ => "",
    };
    format!("{} at {priority}{harmless}", group.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_run_calls_unenforced_is_a_failure_here_and_nothing_else_of_an_override_is() {
        let effects = [Effect::Allow, Effect::Block, Effect::Count, Effect::Captcha, Effect::Challenge, Effect::Other];
        let overrides = effects.map(Override::To).into_iter().chain([Override::None, Override::WholeToCount]);
        for with in overrides {
            for action in [Action::Allow, Action::Count] {
                let verdict = Flaw::of(Some((Priority::own(0), with)), true, action).map(Flaw::verdict);
                assert_eq!(verdict == Some(Severity::Failure), !with.lets_in(action), "{with:?} of {action:?}");
            }
        }
    }
}

//! Reads everything of ours in WAF as one value.
//!
//! Reads of WAF are eventually consistent: each list and each get may be up to a minute stale. Reads that contradict each
//! other are repeated until they agree. A stale read never makes a set disappear that a rule of ours refers to: AWS deletes
//! nothing that a rule refers to (`WAFAssociatedItemException`).

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_wafv2::types::{IpSetSummary, RuleGroupSummary};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tracing::debug;

use super::cache::ReadCache;
use super::call::IN_FLIGHT;
use super::connection::WafReader;
use super::error::{AwsError, Class};
use super::governor::Action;
use super::ip_sets::IpSet;
use super::rule_groups::Group;
use crate::model::current::{Current, LockToken, RuleGroup, Shard};
use crate::model::naming::{self, SetArn};
use crate::model::settings::WafSettings;
use crate::progress::Wait;
use crate::stop::{Stop, StopReason};

/// The most looks at WAF until reads agree. With the pauses they last about a minute, as long as reads may be stale.
const LOOKS: u32 = 6;

/// The pause before the second look; doubled before each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(2);

/// An IP set to read.
#[derive(Clone, Debug)]
struct Wanted {
    name: String,
    id: String,
    arn: String,
    description: String,
    /// The lock token in the list; `None` if the list does not show the IP set.
    token: Option<LockToken>,
}

/// A consistent read of everything of ours.
#[derive(Debug)]
struct Ours {
    groups: Vec<RuleGroup>,
    sets: Vec<IpSet>,
    foreign: Vec<String>,
    /// The AWS account, from the first ARN.
    account: Option<String>,
}

/// The reads of one look at WAF.
#[derive(Debug)]
enum Look {
    Agrees(Ours),
    /// A read seems to be stale: two contradict each other, or a list lacks what `--adopt` names.
    Doubtful(AwsError),
    /// A list may be stale, but a crash or someone's edit could also leave WAF like this.
    Suspect(Ours, AwsError),
}

impl WafReader {
    /// Reads every IP set and rule group of ours, and the named web ACLs.
    ///
    /// # Errors
    ///
    /// Any call that fails, but one for a web ACL ([`Current::unread_web_acls`]), a rule group of our name that is
    /// foreign, an `--adopt` that no list of a minute shows, and reads that still contradict each other after a minute
    /// ([`Class::Again`]).
    pub async fn read_waf(
        &self,
        settings: &WafSettings,
        cache: &mut ReadCache,
        stop: &Stop,
    ) -> Result<Current, AwsError> {
        let (ours, (web_acls, unread_web_acls)) =
            tokio::try_join!(self.read_until_it_agrees(settings, cache, stop), self.read_web_acls(settings, stop))?;
        let of_web_acls = || web_acls.iter().find_map(|acl| naming::account_of(&acl.arn));
        let account = ours.account.or_else(|| of_web_acls().map(ToOwned::to_owned));
        let web_acls = (!settings.web_acls.is_empty()).then_some(web_acls);
        let (groups, foreign) = (ours.groups, ours.foreign);
        let mut current = Current { groups, foreign, account, web_acls, unread_web_acls, ..Current::default() };
        for set in ours.sets {
            place(set, settings, &mut current);
        }
        current.shards.sort_by(|a, b| a.name.cmp(&b.name));
        cache.warn_of_foreign(&current.foreign);
        Ok(current)
    }

    async fn read_until_it_agrees(
        &self,
        settings: &WafSettings,
        cache: &mut ReadCache,
        stop: &Stop,
    ) -> Result<Ours, AwsError> {
        let knows_groups = cache.knows_groups();
        let mut looks = 0;
        loop {
            let (ours, doubt) = match self.look(settings, cache, stop).await? {
                Look::Agrees(ours) => return Ok(ours),
                Look::Suspect(ours, _) if knows_groups => return Ok(ours),
                Look::Suspect(ours, doubt) => (Some(ours), doubt),
                Look::Doubtful(doubt) => (None, doubt),
            };
            looks += 1;
            if looks == LOOKS {
                return ours.ok_or(doubt);
            }
            let pause = FIRST_PAUSE * 2_u32.pow(looks - 1);
            debug!(%doubt, ?pause, "reading WAF again");
            match stop.wait(Wait::Agreement, pause).await {
                Ok(()) => {}
                Err(StopReason::Deadline) => return ours.ok_or(doubt),
                Err(reason @ StopReason::Signal) => return Err(doubt.interrupted(reason)),
            }
        }
    }

    /// Lists everything, and reads what has another lock token than the cache.
    async fn look(&self, settings: &WafSettings, cache: &mut ReadCache, stop: &Stop) -> Result<Look, AwsError> {
        let (sets, groups) = tokio::try_join!(self.list_ip_sets(stop), self.list_rule_groups(stop))?;
        let groups = match self.rule_groups(groups, settings, cache, stop).await? {
            Ok(groups) => groups,
            Err(doubt) => return Ok(Look::Doubtful(doubt)),
        };
        let referred: BTreeSet<&String> = groups.iter().flat_map(|group| group.rule.references()).collect();
        let listed: Vec<Wanted> = sets.into_iter().filter_map(wanted).collect();
        let arns = groups.iter().map(|group| &group.arn).chain(listed.iter().map(|set| &set.arn));
        let account = arns.into_iter().find_map(|arn| naming::account_of(arn)).map(ToOwned::to_owned);
        let (wanted, foreign) = match candidates(&listed, &referred, settings) {
            Ok(candidates) => candidates,
            Err(doubt) => return Ok(Look::Doubtful(doubt)),
        };
        let sets = match self.ip_sets(wanted, cache, stop).await? {
            Ok(sets) => sets,
            Err(doubt) => return Ok(Look::Doubtful(doubt)),
        };
        // Without a rule group, nothing shows from which table our IP sets were filled.
        let marked = sets.iter().find(|set| naming::mark(&set.description, &settings.name).is_some());
        let doubt = marked.filter(|_| groups.is_empty()).map(|set| {
            let cause = format!("the list shows no rule group of ours although the IP set {} is ours", set.name);
            AwsError::out_of_date(Action::ListRuleGroups.name(), &settings.name, &cause)
        });
        let ours = Ours { groups, sets, foreign, account };
        Ok(match doubt {
            Some(doubt) => Look::Suspect(ours, doubt),
            None => Look::Agrees(ours),
        })
    }

    /// Our rule groups among those listed, ordered by number; or the contradiction between list and read.
    async fn rule_groups(
        &self,
        listed: Vec<RuleGroupSummary>,
        settings: &WafSettings,
        cache: &mut ReadCache,
        stop: &Stop,
    ) -> Result<Result<Vec<RuleGroup>, AwsError>, AwsError> {
        let needed = settings.limits.rule_groups();
        let candidates = listed.into_iter().filter_map(|group| {
            let (name, id) = (group.name?, group.id?);
            let number = naming::group_number(&name, &settings.name)?;
            let ours = naming::group_table(&group.description.unwrap_or_default(), &settings.name).is_some();
            (ours || number <= needed).then(|| (number, name, id, group.lock_token.map(LockToken)))
        });
        let candidates: Vec<_> = candidates.collect();
        let known = &*cache;
        let reads = candidates.iter().map(|(number, name, id, token)| async move {
            if let Some(group) = known.rule_group(id, token.as_ref()) {
                return Ok((*number, Ok(group.clone())));
            }
            let read = self.get_rule_group(name, id, stop).await;
            let read = agreeing(read, Action::GetRuleGroup, name, token.as_ref(), |group: &Group| &group.token)?;
            Ok((*number, read))
        });
        let reads: Vec<(usize, Read<Group>)> = stream::iter(reads).buffered(IN_FLIGHT).try_collect().await?;
        cache.keep_rule_groups(reads.iter().filter_map(|(_, read)| read.as_ref().ok()));
        let mut ours = Vec::with_capacity(reads.len());
        for (number, read) in reads {
            let group = match read {
                Ok(group) => group,
                Err(doubt) => return Ok(Err(doubt)),
            };
            let Some(table) = naming::group_table(&group.description, &settings.name) else {
                let cause = format!(
                    "it is foreign: its description does not begin with \"wafsync {} \", so wafsync leaves it alone",
                    settings.name
                );
                let hint = "choose another --name, or delete that rule group if it is not in use";
                return Err(AwsError::unusable("GetRuleGroup", &group.name, &cause, Some(hint)));
            };
            let Group { name, id, arn, capacity, token, rule, .. } = group;
            ours.push(RuleGroup { number, name, id, arn, token, capacity, table, rule });
        }
        ours.sort_by_key(|group| group.number);
        Ok(Ok(ours))
    }

    /// These IP sets with their addresses; or the contradiction between list and read.
    async fn ip_sets(
        &self,
        wanted: Vec<Wanted>,
        cache: &mut ReadCache,
        stop: &Stop,
    ) -> Result<Result<Vec<IpSet>, AwsError>, AwsError> {
        let known = &*cache;
        let unknown = wanted.iter().filter(|set| known.ip_set(&set.id, set.token.as_ref()).is_none()).count();
        stop.progress().sets_to_read(unknown);
        let reads = wanted.iter().map(|set| async move {
            if let Some(known) = known.ip_set(&set.id, set.token.as_ref()) {
                return Ok(Ok(known.clone()));
            }
            let read = self.get_ip_set(&set.name, &set.id, stop).await;
            stop.progress().set_read();
            agreeing(read, Action::GetIpSet, &set.name, set.token.as_ref(), |set: &IpSet| &set.token)
        });
        let reads: Vec<Read<IpSet>> = stream::iter(reads).buffered(IN_FLIGHT).try_collect().await?;
        cache.keep_ip_sets(reads.iter().flatten());
        Ok(reads.into_iter().collect())
    }
}

/// A resource, or the contradiction between the list that shows it and the read of it.
type Read<T> = Result<T, AwsError>;

/// Checks a read against the list: what the list shows or a rule of ours refers to must exist, with the list's lock token.
fn agreeing<T>(
    read: Result<T, AwsError>,
    action: Action,
    name: &str,
    listed: Option<&LockToken>,
    token: impl FnOnce(&T) -> &LockToken,
) -> Result<Read<T>, AwsError> {
    match read {
        Ok(read) if listed.is_some_and(|listed| listed != token(&read)) => Ok(Err(AwsError::out_of_date(
            action.name(),
            name,
            "the list and the read show different lock tokens: one of them is out of date",
        ))),
        Ok(read) => Ok(Ok(read)),
        Err(error) if error.class() == Class::NotFound => {
            let shown = if listed.is_some() { "the list shows it" } else { "a rule group refers to it" };
            let cause = format!("AWS WAF does not find it although {shown}: the answer is out of date");
            Ok(Err(AwsError::out_of_date(action.name(), name, &cause)))
        }
        Err(error) => Err(error),
    }
}

fn wanted(set: IpSetSummary) -> Option<Wanted> {
    let (name, id, arn) = (set.name?, set.id?, set.arn?);
    let token = set.lock_token.map(LockToken);
    Some(Wanted { name, id, arn, description: set.description.unwrap_or_default(), token })
}

fn fits(name: &str, installation: &str) -> bool {
    naming::family_of(name, installation).is_some()
}

/// The IP sets to read: ours, the adopted ones and those that our rules refer to; and the names of foreign ones with names
/// like ours. Fails if the list lacks one to adopt: it does not exist, or the list is stale.
fn candidates(
    listed: &[Wanted],
    referred: &BTreeSet<&String>,
    settings: &WafSettings,
) -> Result<(Vec<Wanted>, Vec<String>), AwsError> {
    let is_referred_to =
        |name: &String| referred.iter().filter_map(|arn| SetArn::parse(arn)).any(|referred| referred.name == *name);
    for name in &settings.adopt {
        if !listed.iter().any(|set| set.name == *name) && !is_referred_to(name) {
            let hint = "check --adopt, --scope and AWS_REGION";
            return Err(AwsError::unusable("ListIPSets", name, "there is no IP set of this name to adopt", Some(hint)));
        }
    }
    let (mut wanted, mut foreign) = (Vec::new(), Vec::new());
    for set in listed {
        let fits = fits(&set.name, &settings.name);
        let marked = naming::mark(&set.description, &settings.name).is_some();
        let is_referred = referred.contains(&set.arn);
        if settings.adopt.contains(&set.name) || (fits && (marked || is_referred)) {
            wanted.push(set.clone());
        } else if fits {
            foreign.push(set.name.clone());
        }
    }
    // A list can be stale; what a rule of ours refers to is read by its id.
    for arn in referred {
        if listed.iter().any(|set| set.arn == **arn) {
            continue;
        }
        let ours = |set: &SetArn| fits(&set.name, &settings.name) || settings.adopt.contains(&set.name);
        if let Some(SetArn { name, id }) = SetArn::parse(arn).filter(ours) {
            wanted.push(Wanted { name, id, arn: (*arn).clone(), description: String::new(), token: None });
        }
    }
    Ok((wanted, foreign))
}

/// Converts an IP set to a shard, or counts it as foreign.
fn place(set: IpSet, settings: &WafSettings, current: &mut Current) {
    let mark = naming::mark(&set.description, &settings.name);
    let group = current.groups.iter().position(|group| group.rule.references().contains(&set.arn));
    let right_name = naming::family_of(&set.name, &settings.name) == Some(set.family);
    let ours = right_name && (mark.is_some() || group.is_some());
    // Even if its name matches and a rule of ours refers to it: its contents are not ours until it is marked.
    let adopted = settings.adopt.contains(&set.name);
    if ours || adopted {
        let IpSet { name, id, arn, family, token, cidrs, .. } = set;
        current.shards.push(Shard { name, id, arn, family, adopted, mark, token, cidrs, group, created: false });
    } else if fits(&set.name, &settings.name) {
        current.foreign.push(set.name);
    }
}

//! Everything that WAF holds of ours, read as one value.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tracing::warn;

use super::call::IN_FLIGHT;
use super::connection::WafReader;
use super::error::{AwsError, Class};
use super::ip_sets::IpSet;
use super::rule_groups::Group;
use crate::model::current::{Current, LockToken, RuleGroup, Shard};
use crate::model::naming::{self, SetArn};
use crate::model::settings::WafSettings;
use crate::stop::Stop;
use crate::text;

/// What was read before, by id, in a process that lives on: as long as the list shows the same lock token, it is still so.
#[derive(Debug, Default)]
pub struct ReadCache {
    sets: BTreeMap<String, IpSet>,
    groups: BTreeMap<String, Group>,
    /// IP sets that are named like ours and are not: a warning of them is worth one line, not one a read.
    foreign: Vec<String>,
}

/// What a list says of one resource.
#[derive(Clone, Debug)]
struct Listed {
    name: String,
    id: String,
    arn: String,
    description: String,
    token: Option<LockToken>,
    /// The list has it; else only a rule of ours refers to it.
    shown: bool,
}

impl WafReader {
    /// Reads every IP set and rule group of ours, and the web ACLs that were named.
    ///
    /// # Errors
    ///
    /// Any call that fails, a rule group in our place that is not ours, an `--adopt` or `--web-acl` that there is not.
    pub async fn read_waf(
        &self,
        settings: &WafSettings,
        cache: &mut ReadCache,
        stop: &Stop,
    ) -> Result<Current, AwsError> {
        let named = async {
            if settings.web_acls.is_empty() { Ok(None) } else { self.web_acls(settings, stop).await.map(Some) }
        };
        let (sets, groups, web_acls) =
            tokio::try_join!(self.list_ip_sets(stop), self.rule_groups(settings, &mut cache.groups, stop), named)?;
        let listed: Vec<Listed> = sets
            .into_iter()
            .filter_map(|set| {
                let (name, id, arn) = (set.name?, set.id?, set.arn?);
                let token = set.lock_token.map(LockToken);
                Some(Listed { name, id, arn, description: set.description.unwrap_or_default(), token, shown: true })
            })
            .collect();
        let referred: BTreeSet<&String> = groups.iter().flat_map(|group| group.rule.references()).collect();
        let (wanted, foreign) = candidates(&listed, &referred, settings)?;
        let (sets, gone) = self.ip_sets(wanted, &mut cache.sets, stop).await?;
        let mut current = Current { groups, foreign, web_acls, ..Current::default() };
        current.gone = gone.into_iter().filter(|set| fits(&set.name, &settings.name)).map(|set| set.arn).collect();
        for set in sets {
            place(set, settings, &mut current);
        }
        current.shards.sort_by(|a, b| a.name.cmp(&b.name));
        if !current.foreign.is_empty() && current.foreign != cache.foreign {
            let list = current.foreign.iter().map(|name| text::line(name)).collect::<Vec<_>>().join(", ");
            warn!(ip_sets = list, "left alone: named like ours, but not ours; their numbers are skipped");
        }
        cache.foreign.clone_from(&current.foreign);
        Ok(current)
    }

    /// Our rule groups, in the order of their numbers.
    async fn rule_groups(
        &self,
        settings: &WafSettings,
        cache: &mut BTreeMap<String, Group>,
        stop: &Stop,
    ) -> Result<Vec<RuleGroup>, AwsError> {
        let needed = settings.limits.rule_groups();
        let candidates = self.list_rule_groups(stop).await?.into_iter().filter_map(|group| {
            let (name, id) = (group.name?, group.id?);
            let number = naming::group_number(&name, &settings.name)?;
            let ours = naming::group_table(&group.description.unwrap_or_default(), &settings.name).is_some();
            (ours || number <= needed).then(|| (number, name, id, group.lock_token.map(LockToken)))
        });
        let candidates: Vec<_> = candidates.collect();
        let known = &*cache;
        let reads = candidates.iter().map(|(number, name, id, token)| async move {
            match known.get(id).filter(|group| Some(&group.token) == token.as_ref()) {
                Some(group) => Ok((*number, group.clone())),
                None => self.get_rule_group(name, id, stop).await.map(|group| (*number, group)),
            }
        });
        let groups: Vec<(usize, Group)> = stream::iter(reads).buffered(IN_FLIGHT).try_collect().await?;
        cache.clone_from(&groups.iter().map(|(_, group)| (group.id.clone(), group.clone())).collect());
        let mut ours = Vec::with_capacity(groups.len());
        for (number, group) in groups {
            let Some(table) = naming::group_table(&group.description, &settings.name) else {
                let cause = format!(
                    "it is not ours: its description does not begin with \"wafsync {} \", so it is left alone",
                    settings.name
                );
                let hint = "choose another --name, or delete that rule group if nobody needs it";
                return Err(AwsError::unusable("GetRuleGroup", &group.name, &cause, Some(hint)));
            };
            let Group { name, id, arn, capacity, token, rule, .. } = group;
            ours.push(RuleGroup { number, name, id, arn, token, capacity, table, rule });
        }
        ours.sort_by_key(|group| group.number);
        Ok(ours)
    }

    /// Reads these IP sets; the second list are those that turned out to be gone.
    async fn ip_sets(
        &self,
        wanted: Vec<Listed>,
        cache: &mut BTreeMap<String, IpSet>,
        stop: &Stop,
    ) -> Result<(Vec<IpSet>, Vec<Listed>), AwsError> {
        let known = &*cache;
        let reads = wanted.into_iter().map(|listed| async move {
            if let Some(set) = known.get(&listed.id).filter(|set| Some(&set.token) == listed.token.as_ref()) {
                return Ok(Ok(set.clone()));
            }
            match self.get_ip_set(&listed.name, &listed.id, stop).await {
                Ok(set) => Ok(Ok(set)),
                // Lists and reads spread apart: only where both know nothing of it is it gone.
                Err(error) if error.class() == Class::NotFound && !listed.shown => Ok(Err(listed)),
                Err(error) => Err(error),
            }
        });
        let reads: Vec<Result<IpSet, Listed>> = stream::iter(reads).buffered(IN_FLIGHT).try_collect().await?;
        let (mut sets, mut gone) = (Vec::new(), Vec::new());
        for read in reads {
            match read {
                Ok(set) => sets.push(set),
                Err(listed) => gone.push(listed),
            }
        }
        cache.clone_from(&sets.iter().map(|set| (set.id.clone(), set.clone())).collect());
        Ok((sets, gone))
    }
}

fn fits(name: &str, installation: &str) -> bool {
    naming::family_of(name, installation).is_some()
}

/// Which IP sets have to be read: ours, the adopted ones, and whatever our rules refer to; and the names of those that
/// only look like ours.
fn candidates(
    listed: &[Listed],
    referred: &BTreeSet<&String>,
    settings: &WafSettings,
) -> Result<(Vec<Listed>, Vec<String>), AwsError> {
    for name in &settings.adopt {
        if !listed.iter().any(|set| set.name == *name) {
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
    // A list can lag behind; what a rule of ours refers to is asked for by name.
    for arn in referred {
        if listed.iter().any(|set| set.arn == **arn) {
            continue;
        }
        let ours = |set: &SetArn| fits(&set.name, &settings.name) || settings.adopt.contains(&set.name);
        if let Some(SetArn { name, id }) = SetArn::parse(arn).filter(ours) {
            wanted.push(Listed {
                name,
                id,
                arn: (*arn).clone(),
                description: String::new(),
                token: None,
                shown: false,
            });
        }
    }
    Ok((wanted, foreign))
}

/// An IP set that was read becomes a shard, or turns out to be somebody else's.
fn place(set: IpSet, settings: &WafSettings, current: &mut Current) {
    let mark = naming::mark(&set.description, &settings.name);
    let group = current.groups.iter().position(|group| group.rule.references().contains(&set.arn));
    let right_name = naming::family_of(&set.name, &settings.name) == Some(set.family);
    let ours = right_name && (mark.is_some() || group.is_some());
    // Also where its name fits and a rule of ours refers to it by now: until it is marked, what is in it was put there by
    // somebody else.
    let adopted = settings.adopt.contains(&set.name);
    if ours || adopted {
        let IpSet { name, id, arn, family, token, cidrs, .. } = set;
        current.shards.push(Shard { name, id, arn, family, adopted, mark, token, cidrs, group });
    } else if fits(&set.name, &settings.name) {
        current.foreign.push(set.name);
    }
}

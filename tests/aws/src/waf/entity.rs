//! What IP sets, rule groups and web ACLs have in common: a name, a place, lock tokens, and older versions that slow
//! reads still show.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::validate;
use crate::fault;
use crate::wire::ApiError;

/// Regional, or global for CloudFront.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    Regional,
    CloudFront,
}

impl Scope {
    /// Reads `REGIONAL` or `CLOUDFRONT`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "REGIONAL" => Some(Self::Regional),
            "CLOUDFRONT" => Some(Self::CloudFront),
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Regional => "REGIONAL",
            Self::CloudFront => "CLOUDFRONT",
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::Regional => "regional",
            Self::CloudFront => "global",
        }
    }
}

/// The place of an entity. Names are unique within a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) region: String,
    pub(crate) scope: Scope,
}

/// The suffix of a marker that an empty page returned.
const BEHIND_EMPTY: char = '+';

/// How far back reads can go ([`crate::FaultKind::Old`]).
const MEMORY: Duration = Duration::from_hours(2);

/// One version of an entity. It never changes.
#[derive(Clone, Debug)]
pub(crate) struct Version<C> {
    visible_from: Instant,
    pub(crate) token: String,
    pub(crate) content: Arc<C>,
}

/// One IP set, rule group or web ACL.
#[derive(Clone, Debug)]
pub(crate) struct Entity<C> {
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) arn: String,
    pub(crate) place: Place,
    /// When other entities may first refer to it.
    pub(crate) available_from: Instant,
    sequence: u64,
    /// Oldest first, never empty. Versions that no read can show any more are dropped.
    versions: Vec<Version<C>>,
}

impl<C> Entity<C> {
    /// The newest version, which writes are checked against.
    pub(crate) fn newest(&self) -> &Version<C> {
        self.versions.last().expect("an entity has a version")
    }

    /// The version that reads show. `None` while its creation is not visible.
    fn seen(&self, now: Instant) -> Option<&Version<C>> {
        self.versions.iter().rev().find(|version| version.visible_from <= now)
    }

    /// Adds a version, which reads show after `lag`.
    pub(crate) fn replace(&mut self, content: C, token: String, now: Instant, lag: Duration) {
        let seen = self.versions.iter().rposition(|version| version.visible_from + MEMORY <= now).unwrap_or(0);
        self.versions.drain(..seen);
        self.versions.push(Version { visible_from: now + lag, token, content: Arc::new(content) });
    }

    /// Whether reads show the newest version.
    fn is_up_to_date(&self, now: Instant) -> bool {
        self.newest().visible_from <= now
    }

    /// Returns `WAFOptimisticLockException` unless the token is the newest.
    pub(crate) fn check_token(&self, token: &str) -> Result<(), ApiError> {
        if self.newest().token == token { Ok(()) } else { Err(fault::stale_token()) }
    }
}

/// What a list shows besides name, id, ARN and token.
pub(crate) trait Described {
    fn description(&self) -> Option<&str>;
}

/// All entities of one kind, in the order of their creation.
#[derive(Debug)]
pub(crate) struct Collection<C> {
    /// The kind in the ARN: `ipset`, `rulegroup` or `webacl`.
    kind: &'static str,
    created: u64,
    entities: Vec<Entity<C>>,
}

/// The parts of a new entity.
pub(crate) struct NewEntity<'a, C> {
    pub(crate) account: &'a str,
    pub(crate) name: &'a str,
    pub(crate) place: &'a Place,
    pub(crate) id: String,
    pub(crate) token: String,
    pub(crate) content: C,
    pub(crate) now: Instant,
    /// Time until reads show it.
    pub(crate) lag: Duration,
    /// Time until rule groups may refer to it.
    pub(crate) propagation: Duration,
}

impl<C: Described> Collection<C> {
    pub(crate) fn new(kind: &'static str) -> Self {
        Self { kind, created: 0, entities: Vec::new() }
    }

    pub(crate) fn all(&self) -> &[Entity<C>] {
        &self.entities
    }

    pub(crate) fn count(&self, place: &Place) -> usize {
        self.entities.iter().filter(|entity| entity.place == *place).count()
    }

    pub(crate) fn add(&mut self, new: NewEntity<'_, C>) -> &Entity<C> {
        let NewEntity { account, name, place, id, token, content, now, lag, propagation } = new;
        self.created += 1;
        let arn = format!("arn:aws:wafv2:{}:{account}:{}/{}/{name}/{id}", place.region, place.scope.path(), self.kind);
        self.entities.push(Entity {
            name: name.to_owned(),
            id,
            arn,
            place: place.clone(),
            available_from: now + propagation,
            sequence: self.created,
            versions: vec![Version { visible_from: now + lag, token, content: Arc::new(content) }],
        });
        self.entities.last().expect("one was just added")
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.entities.retain(|entity| entity.name != name);
    }

    /// Whether reads show the newest version of each entity.
    pub(crate) fn is_up_to_date(&self, now: Instant) -> bool {
        self.entities.iter().all(|entity| entity.is_up_to_date(now))
    }

    /// The entity with this name in any place, as tests refer to it.
    pub(crate) fn by_name(&self, name: &str) -> Option<&Entity<C>> {
        self.entities.iter().find(|entity| entity.name == name)
    }

    pub(crate) fn by_name_mut(&mut self, name: &str) -> Option<&mut Entity<C>> {
        self.entities.iter_mut().find(|entity| entity.name == name)
    }

    pub(crate) fn in_region_mut(&mut self, region: &str) -> impl Iterator<Item = &mut Entity<C>> {
        self.entities.iter_mut().filter(move |entity| entity.place.region == region)
    }

    pub(crate) fn by_arn(&self, arn: &str) -> Option<&Entity<C>> {
        self.entities.iter().find(|entity| entity.arn == arn)
    }

    pub(crate) fn is_taken(&self, place: &Place, name: &str) -> bool {
        self.entities.iter().any(|entity| entity.place == *place && entity.name == name)
    }

    /// The entity to update. Both name and id must match.
    pub(crate) fn find_to_update(&mut self, place: &Place, name: &str, id: &str) -> Result<&mut Entity<C>, ApiError> {
        self.entities
            .iter_mut()
            .find(|entity| entity.place == *place && entity.name == name && entity.id == id)
            .ok_or_else(fault::no_such_item)
    }

    /// The entity and version that a read shows, by name and id.
    pub(crate) fn read(
        &self,
        place: &Place,
        name: &str,
        id: &str,
        now: Instant,
    ) -> Result<(&Entity<C>, &Version<C>), ApiError> {
        let fits = |entity: &&Entity<C>| entity.place == *place && entity.name == name && entity.id == id;
        let entity = self.entities.iter().find(fits).ok_or_else(fault::no_such_item)?;
        Ok((entity, entity.seen(now).ok_or_else(fault::no_such_item)?))
    }

    /// The entity and version that a read shows, by ARN. ARNs of other regions are unknown.
    pub(crate) fn read_by_arn(
        &self,
        region: &str,
        arn: &str,
        now: Instant,
    ) -> Result<(&Entity<C>, &Version<C>), ApiError> {
        let entity = self.by_arn(arn).filter(|entity| entity.place.region == region).ok_or_else(fault::no_such_item)?;
        Ok((entity, entity.seen(now).ok_or_else(fault::no_such_item)?))
    }

    /// One page of the list: `{field: [summaries], "NextMarker": …}`.
    pub(crate) fn page(&self, list: &List<'_>) -> Result<Value, ApiError> {
        let body = list.body;
        let limit = validate::optional_integer(body, "Limit", 1, 100)?.unwrap_or(100);
        let limit = usize::try_from(limit).unwrap_or(100).min(list.longest_page);
        let marker = validate::optional_text(body, "NextMarker", 1..=256, |_| true)?;
        let number = |marker: &str| marker.trim_end_matches(BEHIND_EMPTY).parse();
        let after = match marker {
            Some(marker) => number(marker).map_err(|_| validate::constraint("nextMarker", marker, "be a marker"))?,
            None => 0_u64,
        };
        if list.empty_pages && !marker.is_some_and(|marker| marker.ends_with(BEHIND_EMPTY)) {
            return Ok(json!({list.field: [], "NextMarker": format!("{after}{BEHIND_EMPTY}")}));
        }
        let behind = self.entities.iter().filter(|entity| entity.place == *list.place && entity.sequence > after);
        let mut rest = behind.filter_map(|entity| Some((entity, entity.seen(list.now)?))).peekable();
        let mut summaries = Vec::new();
        let mut end = after;
        for (entity, version) in rest.by_ref().take(limit) {
            end = entity.sequence;
            summaries.push(json!({
                "Name": entity.name,
                "Id": entity.id,
                "ARN": entity.arn,
                "Description": version.content.description().unwrap_or_default(),
                "LockToken": version.token,
            }));
        }
        let mut answer = Map::new();
        answer.insert(list.field.to_owned(), Value::Array(summaries));
        if rest.peek().is_some() || list.always_marker {
            answer.insert("NextMarker".to_owned(), json!(end.to_string()));
        }
        Ok(Value::Object(answer))
    }
}

/// A request for a page of a list.
pub(crate) struct List<'a> {
    pub(crate) body: &'a Map<String, Value>,
    pub(crate) place: &'a Place,
    /// The member of the answer that holds the summaries.
    pub(crate) field: &'static str,
    pub(crate) longest_page: usize,
    pub(crate) empty_pages: bool,
    pub(crate) always_marker: bool,
    pub(crate) now: Instant,
}

//! Collects the facts for the preflight. It only reads, and keeps each answer, because errors are facts too.

use aws_sdk_wafv2::types::ResourceType;
use aws_smithy_types::error::metadata::ProvideErrorMetadata as _;
use aws_smithy_types::timeout::TimeoutConfig;

use super::cache::ReadCache;
use super::call::{ATTEMPT_TIMEOUT, ATTEMPTS, Call, OPERATION_TIMEOUT};
use super::codes::is_outdated;
use super::connection::{Connection, TableReader, WafReader, retries};
use super::error::{AwsError, Class};
use super::governor::Action;
use super::hints::Asked;
use super::interceptors;
use super::web_acl_rules::rules;
use crate::model::cidr::Family;
use crate::model::current::{Current, RuleGroup};
use crate::model::naming::set_name;
use crate::model::settings::{Scope, Settings, WafSettings};
use crate::preflight::facts::{
    AclState, Answer, CheckFacts, CheckStage, Ours, ReadError, Search, TableState, Totals, WebAcls,
};
use crate::stop::Stop;

/// The types of resources that a regional web ACL can protect (AWS WAF API: `ListResourcesForWebACL`), one call each.
const RESOURCE_TYPES: [ResourceType; 7] = [
    ResourceType::ApplicationLoadBalancer,
    ResourceType::ApiGateway,
    ResourceType::Appsync,
    ResourceType::CognitioUserPool,
    ResourceType::AppRunnerService,
    ResourceType::VerifiedAccessInstance,
    ResourceType::Amplify,
];

/// An id that no resource has: a caller with permission to read it learns that it does not exist.
const NOBODY: &str = "00000000-0000-0000-0000-000000000000";

impl From<AwsError> for ReadError {
    fn from(error: AwsError) -> Self {
        let (denied, credentials) = (error.is_denied(), error.is_about_credentials());
        Self { message: error.to_string(), hint: error.hint().map(ToOwned::to_owned), denied, credentials }
    }
}

/// Collects all facts for the preflight.
pub async fn look(connection: &Connection, settings: &Settings, stop: &Stop) -> CheckFacts {
    look_and_tell(connection, settings, stop, &|_| ()).await
}

/// Like [`look`], and reports each stage as soon as it is complete, in any order.
pub async fn look_and_tell(
    connection: &Connection,
    settings: &Settings,
    stop: &Stop,
    known: &dyn Fn(CheckStage<'_>),
) -> CheckFacts {
    let (table_reader, reader) = (connection.table_reader(), connection.waf_reader());
    let target = reader.target();
    // Each web ACL is read separately: a missing one should not hide the rest.
    let without_web_acls = WafSettings { web_acls: Vec::new(), ..settings.waf.clone() };
    let mut cache = ReadCache::default();
    let identity = async {
        let identity = identity(connection).await;
        known(CheckStage::Identity(&identity));
        identity
    };
    let table = async {
        let table = state(&table_reader, &settings.table.table, stop).await;
        known(CheckStage::Table(&table));
        table
    };
    let sample = async {
        let sample = table_reader.sample(&settings.table, stop).await.map_err(ReadError::from);
        known(CheckStage::Sample(&sample));
        sample
    };
    // Boxed, because it is large.
    let others = Box::pin(async {
        let (table, sample, waf, totals, named) = tokio::join!(
            table,
            sample,
            async { reader.read_waf(&without_web_acls, &mut cache, stop).await.map_err(ReadError::from) },
            async { reader.totals(stop).await.map_err(ReadError::from) },
            reader.named_web_acls(&settings.waf, stop),
        );
        known(CheckStage::Ours(Ours { target: &target, table: &table, sample: &sample, waf: &waf, totals: &totals }));
        let nothing = Current::default();
        let installed = match &waf {
            Ok(current) => Some(current),
            // An error of one read says nothing about the others.
            Err(trouble) if trouble.denied => Some(&nothing),
            Err(_) => None,
        };
        let probe = async {
            match installed {
                Some(current) => reader.probe(current, &settings.waf, stop).await,
                None => Vec::new(),
            }
        };
        let search = async {
            let groups = waf.as_ref().map_or(&[][..], |current| current.groups.as_slice());
            let web_acls = if !settings.waf.web_acls.is_empty() {
                WebAcls::Named(named)
            } else if groups.is_empty() {
                WebAcls::NotSearched
            } else {
                WebAcls::Searched(reader.search_web_acls(groups, &settings.waf, stop).await)
            };
            known(CheckStage::WebAcls(&web_acls, &waf));
            web_acls
        };
        let (probes, web_acls) = tokio::join!(probe, search);
        (table, sample, waf, totals, probes, web_acls)
    });
    let (identity, (table, sample, waf, totals, probes, web_acls)) = tokio::join!(identity, others);
    CheckFacts { target, identity, table, sample, waf, probes, totals, web_acls }
}

/// Reads the ARN of the caller. No run needs STS, so it has no governor.
async fn identity(connection: &Connection) -> Answer<String> {
    let timeouts = TimeoutConfig::builder()
        .operation_timeout(OPERATION_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .build();
    let config = aws_sdk_sts::config::Builder::from(&connection.sdk)
        .region(
            connection
                .sdk
                .region()
                .cloned()
                .or_else(|| Some(aws_sdk_sts::config::Region::new(connection.target.region.clone()))),
        )
        .retry_config(retries(ATTEMPTS))
        .timeout_config(timeouts)
        .interceptor(interceptors::ReadOnly)
        .interceptor(interceptors::EncryptedUnlessLoopback)
        .build();
    let (client, credentials) = (aws_sdk_sts::Client::from_conf(config), &connection.caller.credentials);
    let generation = credentials.generation();
    let mut answer = client.get_caller_identity().send().await;
    if answer.as_ref().is_err_and(|error| error.code().is_some_and(is_outdated)) {
        credentials.renew(generation);
        answer = client.get_caller_identity().send().await;
    }
    let (operation, region) = ("GetCallerIdentity", connection.target.region.as_str());
    // This call cannot be denied, so there is no policy to print.
    let asked = Asked { operation, resource: "caller", region, policy_command: None };
    let answer = answer.map_err(|error| AwsError::new(asked, &error))?;
    let unusable = || AwsError::unusable(operation, "caller", "the answer lacks the ARN", None);
    Ok(answer.arn.ok_or_else(unusable)?)
}

async fn state(reader: &TableReader, table: &str, stop: &Stop) -> Answer<TableState> {
    let described = reader.describe_table(table, stop).await?;
    let status = described.table_status.map_or("of unknown status".to_owned(), |status| status.as_str().to_owned());
    let items = described.item_count.and_then(|count| u64::try_from(count).ok()).unwrap_or_default();
    Ok(TableState { status, items })
}

impl WafReader {
    /// Tries to read resources that do not exist yet, to learn whether that is permitted. Returns errors to the contrary.
    async fn probe(&self, current: &Current, settings: &WafSettings, stop: &Stop) -> Vec<ReadError> {
        let sets = async {
            for family in Family::ALL {
                if !current.shards.iter().any(|shard| !shard.adopted && shard.family == family) {
                    let name = set_name(&settings.name, family, 0);
                    allowed(self.get_ip_set(&name, NOBODY, stop).await)?;
                }
            }
            Ok(())
        };
        let groups = async {
            for number in 1..=settings.limits.rule_groups() {
                if !current.groups.iter().any(|group| group.number == number) {
                    let name = self.target.group_name(number);
                    allowed(self.get_rule_group(&name, NOBODY, stop).await)?;
                }
            }
            Ok(())
        };
        let (sets, groups): (Answer<()>, Answer<()>) = tokio::join!(sets, groups);
        [sets.err(), groups.err()].into_iter().flatten().collect()
    }

    async fn totals(&self, stop: &Stop) -> Result<Totals, AwsError> {
        let (sets, groups) = tokio::try_join!(self.list_ip_sets(stop), self.list_rule_groups(stop))?;
        Ok(Totals { ip_sets: sets.len(), rule_groups: groups.len() })
    }

    async fn named_web_acls(&self, settings: &WafSettings, stop: &Stop) -> Vec<Answer<AclState>> {
        let mut acls = Vec::new();
        for named in &settings.web_acls {
            acls.push(match self.whole_web_acl(named, stop).await {
                Ok(acl) => Ok(self.state_of(acl, settings.scope, stop).await),
                Err(error) => Err(ReadError::from(error)),
            });
        }
        acls
    }

    /// Searches for web ACLs that refer to a rule group of ours.
    async fn search_web_acls(&self, groups: &[RuleGroup], settings: &WafSettings, stop: &Stop) -> Search {
        let found = self.search(groups, stop).await;
        let mut referring = Vec::new();
        for acl in found.referring {
            referring.push(self.state_of(acl, settings.scope, stop).await);
        }
        let trouble = found.trouble.map(|(_, error)| error.into());
        Search { listed: found.listed, read: found.read, referring, trouble }
    }

    async fn state_of(&self, acl: aws_sdk_wafv2::types::WebAcl, scope: Scope, stop: &Stop) -> AclState {
        let resources = match scope {
            Scope::Regional => Some(self.resources(&acl.name, &acl.arn, stop).await.map_err(ReadError::from)),
            Scope::Cloudfront => None,
        };
        AclState {
            blocks: acl.default_action.as_ref().is_some_and(|action| action.block.is_some()),
            rules: rules(&acl, &self.target.name),
            resources,
            name: acl.name,
        }
    }

    async fn resources(&self, named: &str, arn: &str, stop: &Stop) -> Result<Vec<String>, AwsError> {
        let mut resources = Vec::new();
        for kind in RESOURCE_TYPES {
            let action = Action::ListResourcesForWebAcl;
            let call = Call::begin(&self.caller, action, named, &self.target.region, stop).await?;
            let request = self.waf.list_resources_for_web_acl().web_acl_arn(arn).resource_type(kind);
            let sent = request.customize().config_override(call.waf()).send().await;
            let answer = call.end(sent)?;
            resources.extend(answer.resource_arns.unwrap_or_default());
        }
        Ok(resources)
    }
}

/// Whether an error means that the read was allowed and found nothing.
fn allowed<T>(read: Result<T, AwsError>) -> Answer<()> {
    match read {
        Err(error) if error.class() != Class::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

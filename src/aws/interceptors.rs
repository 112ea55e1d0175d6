//! Interceptors of the SDK: they reject calls that must never be sent, and record AWS's time.

use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeDeserializationInterceptorContextRef, BeforeSerializationInterceptorContextRef,
    BeforeTransmitInterceptorContextRef,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::DateTime;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::date_time::Format;

use super::transport::{NOT_ENCRYPTED, is_encrypted_or_loopback};

/// The prefixes of operations that only read.
const READS: [&str; 5] = ["Get", "List", "Scan", "Query", "Describe"];

/// Rejects every operation that writes.
#[derive(Debug)]
pub(super) struct ReadOnly;

#[dyn_dispatch_hint]
impl Intercept for ReadOnly {
    fn name(&self) -> &'static str {
        "ReadOnly"
    }

    fn read_before_serialization(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let operation = cfg.load::<Metadata>().map_or("an unnamed operation", Metadata::name);
        if READS.iter().any(|read| operation.starts_with(read)) {
            return Ok(());
        }
        Err(format!("{operation} was refused: this client may only read").into())
    }
}

/// Rejects plain HTTP to other machines.
#[derive(Debug)]
pub(super) struct EncryptedUnlessLoopback;

#[dyn_dispatch_hint]
impl Intercept for EncryptedUnlessLoopback {
    fn name(&self) -> &'static str {
        "EncryptedUnlessLoopback"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let uri = context.request().uri();
        if is_encrypted_or_loopback(uri) { Ok(()) } else { Err(format!("{uri} {NOT_ENCRYPTED}").into()) }
    }
}

/// Records AWS's time from the `Date` header of an answer.
#[derive(Clone, Debug, Default)]
pub(super) struct AwsClock(Arc<Mutex<Option<i64>>>);

impl AwsClock {
    /// The time of the last answer, in seconds since the epoch.
    pub(super) fn time(&self) -> Option<i64> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[dyn_dispatch_hint]
impl Intercept for AwsClock {
    fn name(&self) -> &'static str {
        "AwsClock"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        let date = date.and_then(|date| DateTime::from_str(date, Format::HttpDate).ok());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = date.map(|date| date.secs());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use aws_config::{BehaviorVersion, SdkConfig};
    use aws_sdk_wafv2::config::{Credentials, Region, SharedCredentialsProvider};
    use wafsync_test_aws::{Aws, Config};

    use crate::aws::{Connection, Writer};
    use crate::cli::{self, Invocation};
    use crate::model::cidr::Family;
    use crate::model::cidrs::Cidrs;
    use crate::model::current::LockToken;
    use crate::model::fingerprint::Fingerprint;
    use crate::model::naming::Target;
    use crate::model::policy::{Action, RulePolicy};
    use crate::model::settings::{Scope, Settings};
    use crate::model::spec::{IpSetSpec, RuleGroupSpec};
    use crate::stop::Signal;

    fn settings() -> Settings {
        let line = ["wafsync", "plan", "--table", "clusters"].map(std::ffi::OsString::from);
        match cli::parse(line, []).unwrap().invocation {
            Invocation::Plan { settings, .. } => settings,
            _ => panic!("not a plan"),
        }
    }

    fn connection(aws: &Aws) -> Connection {
        let credentials = Credentials::new("AKID", "secret", None, None, "test");
        let sdk = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(aws.http_client())
            .build();
        Connection::new(sdk, &settings()).unwrap()
    }

    fn ip_set() -> IpSetSpec {
        let description = format!("wafsync wafsync {}", Fingerprint::default());
        IpSetSpec { name: "wafsync-ipv4-000".into(), family: Family::Ipv4, cidrs: Cidrs::default(), description }
    }

    fn rule_group(target: &Target) -> RuleGroupSpec {
        RuleGroupSpec {
            name: target.group_name(1),
            rule_name: target.name.clone(),
            description: target.group_description(None),
            capacity: 120,
            policy: RulePolicy { action: Action::Allow, forwarded: None },
            references: vec![],
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_that_finds_its_way_to_the_client_of_a_reader_is_refused_before_it_is_sent() {
        let aws = Aws::new(Config::default());
        let connection = connection(&aws);
        let (reader, table) = (connection.waf_reader(), connection.table_reader());
        let target = reader.target();
        let stop = Signal::default().stop(None);
        let writer = Writer {
            waf: reader.waf.clone(),
            caller: reader.caller.clone(),
            scope: Scope::Regional,
            region: target.region.clone(),
            tags: BTreeMap::new(),
        };
        let (id, token) = ("00000000-0000-0000-0000-000000000000", LockToken("1".into()));
        let refusals = [
            writer.create_ip_set(&ip_set(), &stop).await.map(drop).unwrap_err(),
            writer.update_ip_set(id, &token, &ip_set(), &stop).await.unwrap_err(),
            writer.create_rule_group(&rule_group(&target), &stop).await.unwrap_err(),
            writer.update_rule_group(id, &token, &rule_group(&target), &stop).await.unwrap_err(),
        ];
        for refusal in refusals {
            let text = refusal.to_string();
            let refused = format!("{} was refused: this client may only read", refusal.operation());
            assert!(text.contains(&refused), "{text}");
        }
        let deleted = table.dynamodb.delete_table().table_name("clusters").send().await.unwrap_err();
        let text = format!("{}", aws_smithy_types::error::display::DisplayErrorContext(deleted));
        assert!(text.contains("DeleteTable was refused: this client may only read"), "{text}");
        assert_eq!(aws.log().len(), 0, "nothing was sent");
    }

    #[tokio::test(start_paused = true)]
    async fn the_same_calls_pass_the_client_of_a_writer() {
        let aws = Aws::new(Config::default());
        let connection = connection(&aws);
        let (writer, stop) = (connection.writer(), Signal::default().stop(None));
        writer.create_ip_set(&ip_set(), &stop).await.unwrap();
        writer.create_rule_group(&rule_group(&connection.waf_reader().target()), &stop).await.unwrap();
        assert_eq!((aws.ip_sets().len(), aws.rule_groups().len()), (1, 1));
    }
}

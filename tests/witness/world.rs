//! A table on dynalite, a WAF on moto, and an installation of wafsync.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::process::Stdio;

use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use aws_sdk_wafv2::types::{IpSet, Scope};
use serde::Serialize;
use serde_json::Value;
use tokio::process::Command;
use tokio::time::Instant;
use wafsync::aws::{Connection, ReadCache};
use wafsync::cli::{self, Invocation};
use wafsync::model::settings::Settings;
use wafsync::report::{self, Document};
use wafsync::run::outcome::Outcome;
use wafsync::stop::Signal;

use crate::interceptor::Interceptor;
use crate::running;

/// An installation with its own name and table, so that scenarios do not interfere.
pub(crate) struct World {
    pub(crate) name: &'static str,
    /// The client of wafsync's calls. The scenario's own calls do not use it.
    pub(crate) interceptor: Interceptor,
    sdk: SdkConfig,
    pub(crate) waf: aws_sdk_wafv2::Client,
    pub(crate) dynamodb: aws_sdk_dynamodb::Client,
    pub(crate) settings: Settings,
}

impl World {
    pub(crate) async fn new(name: &'static str, args: &[&str]) -> Self {
        let http = aws_smithy_http_client::Builder::new().build_http();
        let sdk = aws_config::defaults(BehaviorVersion::latest()).http_client(http).load().await;
        let interceptor = Interceptor::new();
        let world = Self {
            name,
            waf: aws_sdk_wafv2::Client::new(&sdk),
            dynamodb: aws_sdk_dynamodb::Client::new(&sdk),
            sdk: sdk.into_builder().http_client(interceptor.clone()).build(),
            interceptor,
            settings: settings(name, args),
        };
        world.create_table().await;
        world
    }

    /// Creates the table with `id` as the partition key and `ips` as the sort key, so that every change of address is
    /// another row.
    async fn create_table(&self) {
        let key = |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap();
        let text = |name: &str| {
            let definition = AttributeDefinition::builder().attribute_name(name);
            definition.attribute_type(ScalarAttributeType::S).build().unwrap()
        };
        self.dynamodb
            .create_table()
            .table_name(self.name)
            .billing_mode(BillingMode::PayPerRequest)
            .key_schema(key("id", KeyType::Hash))
            .key_schema(key("ips", KeyType::Range))
            .attribute_definitions(text("id"))
            .attribute_definitions(text("ips"))
            .send()
            .await
            .unwrap();
        // A table that is not active yet is not found.
        while self.dynamodb.scan().table_name(self.name).send().await.is_err() {
            tokio::task::yield_now().await;
        }
    }

    pub(crate) async fn item(&self, key: &str, ips: &[&str]) {
        put(&self.dynamodb, self.name, key, ips).await;
    }

    pub(crate) async fn no_item(&self, key: &str, ips: &[&str]) {
        delete(&self.dynamodb, self.name, key, ips).await;
    }

    pub(crate) async fn plan(&self) -> Document {
        self.run(report::Command::Plan).await
    }

    pub(crate) async fn apply(&self) -> Document {
        self.run(report::Command::Apply).await
    }

    async fn run(&self, command: report::Command) -> Document {
        let connection = Connection::new(self.sdk.clone(), &self.settings).unwrap();
        let stop = Signal::default().stop(Some(Instant::now() + self.settings.run.deadline));
        let run = running::run(&connection, &self.settings, command, &mut ReadCache::default(), &stop).await;
        Document::new(&run, &self.settings)
    }

    /// Runs `apply` in another process and returns its exit code and its document.
    pub(crate) async fn process(&self) -> (Option<i32>, Value) {
        let mut program = Command::new(env!("CARGO_BIN_EXE_wafsync"));
        program.args(arguments(self.name)).arg("--output=json").stdin(Stdio::null());
        let ended = program.output().await.unwrap();
        let document = serde_json::from_slice(&ended.stdout);
        (ended.status.code(), document.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&ended.stderr))))
    }

    /// Runs `apply` and asserts its outcome and number of writes.
    pub(crate) async fn applies(&self, outcome: Outcome, writes: usize) -> Document {
        let applied = self.apply().await;
        assert_eq!((applied.outcome, applied.writes.done), (outcome, writes), "{}: {}", self.name, applied.reason);
        applied
    }

    /// Plans again and asserts that there is nothing to do.
    pub(crate) async fn settled(&self) {
        let again = self.plan().await;
        assert_eq!((again.outcome, again.changes.len()), (Outcome::Planned, 0), "{}: {}", self.name, again.reason);
    }

    /// The addresses in every IP set of this installation.
    pub(crate) async fn addresses(&self) -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        for set in self.ip_sets().await {
            all.extend(set.addresses);
        }
        all
    }

    pub(crate) async fn ip_sets(&self) -> Vec<IpSet> {
        let (mut sets, mut marker) = (Vec::new(), None);
        loop {
            let list = self.waf.list_ip_sets().scope(Scope::Regional).limit(100).set_next_marker(marker);
            let page = list.send().await.unwrap();
            for summary in page.ip_sets.unwrap_or_default() {
                let (name, id) = (summary.name.unwrap(), summary.id.unwrap());
                if name.starts_with(&format!("{}-ip", self.name)) {
                    let get = self.waf.get_ip_set().scope(Scope::Regional).name(name).id(id);
                    sets.push(get.send().await.unwrap().ip_set.unwrap());
                }
            }
            marker = page.next_marker;
            if marker.is_none() {
                return sets;
            }
        }
    }
}

/// Edits the addresses as in the console, and keeps the description.
pub(crate) async fn edit_by_hand(waf: &aws_sdk_wafv2::Client, set: &IpSet, addresses: &[&str]) {
    let get = waf.get_ip_set().scope(Scope::Regional).name(&set.name).id(&set.id).send().await.unwrap();
    waf.update_ip_set()
        .scope(Scope::Regional)
        .name(&set.name)
        .id(&set.id)
        .lock_token(get.lock_token.unwrap())
        .set_description(set.description.clone())
        .set_addresses(Some(addresses.iter().map(ToString::to_string).collect()))
        .send()
        .await
        .unwrap();
}

pub(crate) async fn put(dynamodb: &aws_sdk_dynamodb::Client, table: &str, key: &str, ips: &[impl Serialize]) {
    let put = dynamodb.put_item().table_name(table).item("id", AttributeValue::S(key.to_owned()));
    put.item("ips", AttributeValue::S(json(ips))).send().await.unwrap();
}

pub(crate) async fn delete(dynamodb: &aws_sdk_dynamodb::Client, table: &str, key: &str, ips: &[impl Serialize]) {
    let delete = dynamodb.delete_item().table_name(table).key("id", AttributeValue::S(key.to_owned()));
    delete.key("ips", AttributeValue::S(json(ips))).send().await.unwrap();
}

fn json(ips: &[impl Serialize]) -> String {
    serde_json::json!(ips).to_string()
}

/// The command line, with rates that the witnesses can sustain.
fn arguments(name: &str) -> [&str; 11] {
    ["apply", "--table", name, "--name", name, "--read-rate", "1000", "--write-rate", "1000", "--settle", "0s"]
}

fn settings(name: &str, args: &[&str]) -> Settings {
    let line = std::iter::once("wafsync").chain(arguments(name)).chain(args.iter().copied()).map(OsString::from);
    match cli::parse(line, []).unwrap().invocation {
        Invocation::Apply { settings, .. } => settings,
        _ => panic!("not an apply"),
    }
}

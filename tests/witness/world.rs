//! A table on dynalite, a WAF on moto, and one installation of wafsync between them.

use std::collections::BTreeSet;
use std::ffi::OsString;

use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use aws_sdk_wafv2::types::{IpSet, Scope};
use serde::Serialize;
use tokio::time::Instant;
use wafsync::aws::{Connection, ReadCache};
use wafsync::cli::{self, Invocation};
use wafsync::reconcile::{Mode, reconcile};
use wafsync::report::{Command, Document, Outcome};
use wafsync::settings::Settings;
use wafsync::stop::Signal;

/// One installation of its own name with a table of its own, so that scenarios do not meet.
pub(crate) struct World {
    pub(crate) name: &'static str,
    sdk: SdkConfig,
    pub(crate) waf: aws_sdk_wafv2::Client,
    pub(crate) dynamodb: aws_sdk_dynamodb::Client,
    pub(crate) settings: Settings,
}

impl World {
    pub(crate) async fn new(name: &'static str, args: &[&str]) -> Self {
        let sdk = aws_config::load_defaults(BehaviorVersion::latest()).await;
        let world = Self {
            name,
            waf: aws_sdk_wafv2::Client::new(&sdk),
            dynamodb: aws_sdk_dynamodb::Client::new(&sdk),
            sdk,
            settings: settings(name, args),
        };
        world.create_table().await;
        world
    }

    /// `id` is the partition key and `ips` the sort key, as in the article: every change of address is another row.
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
        self.run(Command::Plan).await
    }

    pub(crate) async fn apply(&self) -> Document {
        self.run(Command::Apply).await
    }

    async fn run(&self, command: Command) -> Document {
        let connection = Connection::new(self.sdk.clone(), &self.settings).unwrap();
        let stop = Signal::default().stop(Some(Instant::now() + self.settings.run.deadline));
        let writer = connection.writer();
        let mode = match command {
            Command::Plan => Mode::Plan,
            Command::Apply => Mode::Apply(&writer),
        };
        let run = reconcile(&self.settings, &connection.reader(), mode, &mut ReadCache::default(), 0, &stop).await;
        Document::new(&run, &self.settings, command)
    }

    /// An apply that has to end like this, with so many writes.
    pub(crate) async fn applies(&self, outcome: Outcome, writes: usize) -> Document {
        let applied = self.apply().await;
        assert_eq!((applied.outcome, applied.writes.done), (outcome, writes), "{}: {}", self.name, applied.reason);
        applied
    }

    /// Plans again: there has to be nothing to do.
    pub(crate) async fn settled(&self) {
        let again = self.plan().await;
        assert_eq!((again.outcome, again.changes.len()), (Outcome::Planned, 0), "{}: {}", self.name, again.reason);
    }

    /// The addresses of every IP set of this installation.
    pub(crate) async fn addresses(&self) -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        for set in self.ip_sets().await {
            all.extend(set.addresses);
        }
        all
    }

    pub(crate) async fn ip_sets(&self) -> Vec<IpSet> {
        let listed = self.waf.list_ip_sets().scope(Scope::Regional).limit(100).send().await.unwrap();
        let mut sets = Vec::new();
        for summary in listed.ip_sets.unwrap_or_default() {
            let (name, id) = (summary.name.unwrap(), summary.id.unwrap());
            if name.starts_with(&format!("{}-ip", self.name)) {
                let get = self.waf.get_ip_set().scope(Scope::Regional).name(name).id(id);
                sets.push(get.send().await.unwrap().ip_set.unwrap());
            }
        }
        sets
    }

    /// What a person does in the console: the addresses change, the description stays.
    pub(crate) async fn edit_by_hand(&self, set: &IpSet, addresses: &[&str]) {
        let get = self.waf.get_ip_set().scope(Scope::Regional).name(&set.name).id(&set.id).send().await.unwrap();
        self.waf
            .update_ip_set()
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

fn settings(name: &str, args: &[&str]) -> Settings {
    let fast = ["--read-rate", "1000", "--write-rate", "1000", "--settle", "0s"];
    let line = ["wafsync", "apply", "--table", name, "--name", name];
    let line = line.iter().chain(&fast).chain(args).map(OsString::from);
    match cli::parse(line, []).unwrap().invocation {
        Invocation::Apply { settings, .. } => settings,
        _ => panic!("not an apply"),
    }
}

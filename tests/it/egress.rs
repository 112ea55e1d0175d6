//! The hosts that the SDK resolves for each service are those of `docs/operations.md`.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_wafv2::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use wafsync::aws::{Connection, ReadCache};
use wafsync::report::Command;

use crate::running;
use crate::world::World;

const OPERATIONS: &str = include_str!("../../docs/operations.md");

/// The stand-in, and the hosts that requests to it were for.
#[derive(Clone, Debug)]
struct Recorder {
    hosts: Arc<Mutex<BTreeSet<String>>>,
    client: SharedHttpClient,
    connector: Option<SharedHttpConnector>,
}

impl HttpClient for Recorder {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let connector = Some(self.client.http_connector(settings, components));
        SharedHttpConnector::new(Self { connector, ..self.clone() })
    }
}

impl HttpConnector for Recorder {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let uri: hyper::Uri = request.uri().parse().unwrap();
        assert_eq!((uri.scheme_str(), uri.port_u16().unwrap_or(443)), (Some("https"), 443), "{uri}");
        self.hosts.lock().unwrap().insert(uri.host().unwrap().to_owned());
        self.connector.as_ref().unwrap().call(request)
    }
}

/// The hosts that `check` and `apply` call.
async fn hosts(args: &[&str], fips: bool, dual_stack: bool) -> BTreeSet<String> {
    let world = World::new(args);
    world.items(1..=3);
    let hosts = Arc::default();
    let recorder = Recorder { hosts: Arc::clone(&hosts), client: world.aws.http_client(), connector: None };
    let sdk = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new("AKID", "secret", None, None, "test")))
        .http_client(recorder)
        .use_fips(fips)
        .use_dual_stack(dual_stack)
        .build();
    let (connection, stop) = (Connection::new(sdk, &world.settings).unwrap(), world.signal.stop(None));
    wafsync::aws::look(&connection, &world.settings, &stop).await;
    running::run(&connection, &world.settings, Command::Apply, &mut ReadCache::default(), &stop).await;
    drop(connection);
    hosts.lock().unwrap().iter().map(|host| host.replace("eu-central-1", "REGION")).collect()
}

#[tokio::test(start_paused = true)]
async fn the_hosts_that_egress_has_to_allow_are_those_that_are_called() {
    let named = |hosts: &BTreeSet<String>| {
        for host in hosts {
            assert!(OPERATIONS.contains(&format!("`{host}`")), "{host}");
        }
    };
    let plain = hosts(&[], false, false).await;
    let services = ["dynamodb", "sts", "wafv2"];
    assert_eq!(plain, services.map(|service| format!("{service}.REGION.amazonaws.com")).into());
    named(&plain);
    let cloudfront = hosts(&["--scope=cloudfront", "--table-region=eu-central-1"], false, false).await;
    assert!(cloudfront.contains("wafv2.us-east-1.amazonaws.com"), "{cloudfront:?}");
    assert!(cloudfront.contains("dynamodb.REGION.amazonaws.com"), "{cloudfront:?}");
    assert!(OPERATIONS.contains("`wafv2.us-east-1.amazonaws.com` with `--scope cloudfront`"));
    let fips = hosts(&[], true, false).await;
    assert_eq!(fips.len(), 3, "{fips:?}");
    named(&fips);
    let dual_stack = hosts(&[], false, true).await;
    assert_eq!(dual_stack, services.map(|service| format!("{service}.REGION.api.aws")).into());
}

//! Whatever AWS answers is a view or an error: nothing panics, and nothing is read for ever.
#![no_main]

use std::ffi::OsString;
use std::sync::{Arc, Mutex};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_wafv2::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use libfuzzer_sys::fuzz_target;
use wafsync::aws::{Connection, ReadCache};
use wafsync::cli::{self, Invocation};
use wafsync::item::ItemRules;
use wafsync::settings::Settings;
use wafsync::stop::Signal;

/// Answers with these bodies in turn, then with an error that is not repeated.
#[derive(Clone, Debug)]
struct Says(Arc<Mutex<Vec<(bool, Vec<u8>)>>>);

impl HttpConnector for Says {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        let next = self.0.lock().unwrap().pop();
        let (status, body) = match next {
            Some((true, body)) => (200, body),
            Some((false, body)) => (400, body),
            None => (400, br#"{"__type":"ValidationException","message":"no more"}"#.to_vec()),
        };
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body))))
    }
}

impl HttpClient for Says {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

fn settings() -> Settings {
    let args = ["wafsync", "plan", "--table=clusters", "--read-rate=1000", "--web-acl=front"].map(OsString::from);
    match cli::parse(args, []).unwrap().invocation {
        Invocation::Plan { settings, .. } => settings,
        _ => unreachable!(),
    }
}

fuzz_target!(|bodies: Vec<(bool, Vec<u8>)>| {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        fastrand::seed(1);
        let settings = settings();
        let sdk = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new("AKID", "secret", None, None, "fuzz")))
            .http_client(Says(Arc::new(Mutex::new(bodies.clone()))))
            .build();
        let connection = Connection::new(sdk.clone(), &settings).unwrap();
        let stop = Signal::default().stop(None);
        let shown = |error: String| assert!(!error.chars().any(char::is_control), "{error:?}");
        if let Err(error) = connection.reader().scan(&settings.table, &ItemRules::new(&settings.table, 0), &stop).await {
            shown(error.to_string());
        }
        let sdk = sdk.into_builder().http_client(Says(Arc::new(Mutex::new(bodies)))).build();
        let connection = Connection::new(sdk, &settings).unwrap();
        if let Err(error) = connection.reader().read_waf(&settings.waf, &mut ReadCache::default(), &stop).await {
            shown(error.to_string());
        }
    });
});

//! Stands between wafsync and the witnesses: what it is told to do happens at the exact call that it is meant for, and
//! what went to and fro is kept.

use std::collections::VecDeque;
use std::fmt::{self, Debug, Formatter};
use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use futures_util::future::BoxFuture;
use http_body_util::BodyExt as _;
use serde_json::Value;

/// A call that was answered.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    pub(crate) operation: String,
    pub(crate) request: Value,
    pub(crate) answer: Value,
}

/// What happens at a call.
enum Deed {
    /// Another writer acts before it reaches the witness.
    Before(BoxFuture<'static, ()>),
    /// It takes effect, and its answer is lost.
    LoseAnswer,
}

#[derive(Default)]
struct State {
    deeds: VecDeque<(&'static str, usize, Deed)>,
    exchanges: Vec<Exchange>,
}

/// An HTTP client.
#[derive(Clone)]
pub(crate) struct Between {
    http: SharedHttpClient,
    state: Arc<Mutex<State>>,
}

impl Between {
    pub(crate) fn new() -> Self {
        Self { http: aws_smithy_http_client::Builder::new().build_http(), state: Arc::default() }
    }

    /// Does this right before the next call of this operation, after `skip` others, is passed on.
    pub(crate) fn before(&self, operation: &'static str, skip: usize, act: impl Future<Output = ()> + Send + 'static) {
        self.state.lock().unwrap().deeds.push_back((operation, skip, Deed::Before(Box::pin(act))));
    }

    /// The next call of this operation takes effect, and its answer is lost.
    pub(crate) fn lose_answer(&self, operation: &'static str) {
        self.state.lock().unwrap().deeds.push_back((operation, 0, Deed::LoseAnswer));
    }

    /// The answered calls since this was last asked; all that was to happen has happened.
    pub(crate) fn heard(&self) -> Vec<Exchange> {
        let mut state = self.state.lock().unwrap();
        assert!(state.deeds.is_empty(), "a call that something was to happen at never came");
        std::mem::take(&mut state.exchanges)
    }

    fn deed(&self, operation: &str) -> Option<Deed> {
        let deeds = &mut self.state.lock().unwrap().deeds;
        let index = deeds.iter().position(|(of, ..)| *of == operation)?;
        let (_, skip, _) = deeds.get_mut(index)?;
        if *skip > 0 {
            *skip -= 1;
            return None;
        }
        deeds.remove(index).map(|(.., deed)| deed)
    }
}

impl Debug for Between {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("Between")
    }
}

#[derive(Debug)]
struct Connector(Between, SharedHttpConnector);

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        let sent = serde_json::from_slice(request.body().bytes().unwrap_or_default()).unwrap_or_default();
        let (between, next) = (self.0.clone(), self.1.clone());
        HttpConnectorFuture::new(async move {
            let deed = between.deed(&operation);
            let mut lost = false;
            match deed {
                Some(Deed::Before(act)) => act.await,
                Some(Deed::LoseAnswer) => lost = true,
                None => {}
            }
            let answer = next.call(request).await?;
            let status = answer.status();
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            let answer = serde_json::from_slice(&body).unwrap_or_default();
            between.state.lock().unwrap().exchanges.push(Exchange { operation, request: sent, answer });
            if lost {
                return Err(ConnectorError::io("the connection broke".into()));
            }
            Ok(HttpResponse::new(status, SdkBody::from(body)))
        })
    }
}

impl HttpClient for Between {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(Connector(self.clone(), self.http.http_connector(settings, components)))
    }
}

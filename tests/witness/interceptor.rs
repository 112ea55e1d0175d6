//! An HTTP client between wafsync and the witnesses. It acts at a chosen call and records all exchanges.

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

/// An answered call.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    pub(crate) operation: String,
    pub(crate) request: Value,
    pub(crate) answer: Value,
}

/// What happens at a call.
enum Intervention {
    /// Another writer acts before the call reaches the witness.
    Before(BoxFuture<'static, ()>),
    /// The call takes effect, and its answer is lost.
    LoseAnswer,
}

#[derive(Default)]
struct State {
    interventions: VecDeque<(&'static str, usize, Intervention)>,
    exchanges: Vec<Exchange>,
}

/// The HTTP client.
#[derive(Clone)]
pub(crate) struct Interceptor {
    http: SharedHttpClient,
    state: Arc<Mutex<State>>,
}

impl Interceptor {
    pub(crate) fn new() -> Self {
        Self { http: aws_smithy_http_client::Builder::new().build_http(), state: Arc::default() }
    }

    /// Runs this right before the next call of this operation, after `skip` others, is passed on.
    pub(crate) fn before(&self, operation: &'static str, skip: usize, act: impl Future<Output = ()> + Send + 'static) {
        self.state.lock().unwrap().interventions.push_back((operation, skip, Intervention::Before(Box::pin(act))));
    }

    /// Loses the answer to the next call of this operation, after the call took effect.
    pub(crate) fn lose_answer(&self, operation: &'static str) {
        self.state.lock().unwrap().interventions.push_back((operation, 0, Intervention::LoseAnswer));
    }

    /// Returns the exchanges since the last call of this. Asserts that every planned intervention happened.
    pub(crate) fn drain(&self) -> Vec<Exchange> {
        let mut state = self.state.lock().unwrap();
        assert!(state.interventions.is_empty(), "a call with a planned intervention was never made");
        std::mem::take(&mut state.exchanges)
    }

    fn intervention(&self, operation: &str) -> Option<Intervention> {
        let interventions = &mut self.state.lock().unwrap().interventions;
        let index = interventions.iter().position(|(of, ..)| *of == operation)?;
        let (_, skip, _) = interventions.get_mut(index)?;
        if *skip > 0 {
            *skip -= 1;
            return None;
        }
        interventions.remove(index).map(|(.., intervention)| intervention)
    }
}

impl Debug for Interceptor {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("Interceptor")
    }
}

#[derive(Debug)]
struct Connector(Interceptor, SharedHttpConnector);

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        let sent = serde_json::from_slice(request.body().bytes().unwrap_or_default()).unwrap_or_default();
        let (interceptor, next) = (self.0.clone(), self.1.clone());
        HttpConnectorFuture::new(async move {
            let intervention = interceptor.intervention(&operation);
            let mut lost = false;
            match intervention {
                Some(Intervention::Before(act)) => act.await,
                Some(Intervention::LoseAnswer) => lost = true,
                None => {}
            }
            let answer = next.call(request).await?;
            let status = answer.status();
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            let answer = serde_json::from_slice(&body).unwrap_or_default();
            interceptor.state.lock().unwrap().exchanges.push(Exchange { operation, request: sent, answer });
            if lost {
                return Err(ConnectorError::io("the connection broke".into()));
            }
            Ok(HttpResponse::new(status, SdkBody::from(body)))
        })
    }
}

impl HttpClient for Interceptor {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(Connector(self.clone(), self.http.http_connector(settings, components)))
    }
}

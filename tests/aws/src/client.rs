//! The in-process transport: an HTTP client for the SDK that calls the stand-in without a socket.

use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;

use crate::Aws;
use crate::body;
use crate::wire::Incoming;

/// The client. Its connectors use the timeouts of the SDK's configuration.
#[derive(Clone, Debug)]
struct InProcess(Aws);

#[derive(Debug)]
struct Connector {
    aws: Aws,
    read_timeout: Option<Duration>,
}

/// A client for the SDK's configuration.
pub(crate) fn http_client(aws: &Aws) -> SharedHttpClient {
    SharedHttpClient::new(InProcess(aws.clone()))
}

impl HttpClient for InProcess {
    fn http_connector(&self, settings: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(Connector { aws: self.0.clone(), read_timeout: settings.read_timeout() })
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let header = |name: &str| request.headers().get(name).unwrap_or_default().to_owned();
        let incoming = Incoming {
            target: header("x-amz-target"),
            authorization: header("authorization"),
            content_type: header("content-type"),
            body: Bytes::copy_from_slice(request.body().bytes().expect("AWS JSON requests are in memory")),
            served: false,
        };
        let (aws, read_timeout) = (self.aws.clone(), self.read_timeout);
        HttpConnectorFuture::new(async move {
            let response = async { body::response(aws.answer(incoming).await, &aws).await };
            let response = match read_timeout {
                Some(limit) => tokio::time::timeout(limit, response)
                    .await
                    .map_err(|elapsed| ConnectorError::timeout(elapsed.into()))?,
                None => response.await,
            };
            let response = response.ok_or_else(|| ConnectorError::io("connection reset by peer".into()))?;
            let response = response.map(SdkBody::from_body_1_x);
            HttpResponse::try_from(response).map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

//! Defects imitated from outside the program: it gets other settings than the observer knows, or a transport that
//! changes calls and answers.
//!
//! Each is a mistake that a program like this could make, and the observer must notice each of them.

use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use serde_json::{Value, json};
use wafsync::model::settings::{MaxRemovals, OnRejection, Settings};

use crate::genesis::UNWANTED;

/// A defect that can be imitated from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Careless {
    /// The confirming scan follows immediately.
    NeverSettles,
    /// There is no time for a confirming scan, so nothing is ever removed.
    NeverConfirms,
    /// Any number of addresses may be removed.
    RemovesAnything,
    /// Any number of addresses may be added.
    AddsAnything,
    /// Removals may leave fewer addresses than the minimum.
    LeavesTooFew,
    /// Rejections hold no removals.
    SkipsRejections,
    /// Every plan is approved, by a digest that the observer does not know.
    ApprovesUnseen,
    /// Calls ignore the rate limits.
    IgnoresRates,
    /// The web ACLs are not read.
    ForgetsWebAcls,
    /// `--always` is ignored.
    ForgetsAlways,
    /// The lock token is read right before its write.
    FetchesTokensLate,
    /// After a conflict the same contents are sent again, with a new token.
    RetriesStalePlans,
    /// Every update is sent twice.
    RepeatsUpdates,
    /// Unwanted addresses in an IP set are not seen.
    OverlooksUnwanted,
    /// An adopted set is treated as written by wafsync.
    ImaginesMarks,
    /// Only the first page of a list is read.
    IgnoresMarkers,
    /// The pages before a failed one are treated as the whole table.
    TrustsShortScans,
    /// A throttled call is treated as denied.
    GivesUpWhenThrottled,
}

impl Careless {
    /// Whether it shows only in worlds with `--max-additions` or `--min-addresses`.
    pub(crate) fn is_about_limits(self) -> bool {
        matches!(self, Self::AddsAnything | Self::LeavesTooFew)
    }

    /// The settings that the program gets instead of these.
    pub(crate) fn replace_settings(self, mut settings: Settings) -> Settings {
        match self {
            Self::NeverSettles => settings.table.settle = Duration::ZERO,
            Self::NeverConfirms => settings.table.settle = settings.run.deadline * 2,
            Self::RemovesAnything => settings.guards.max_removals = MaxRemovals::Count(usize::MAX),
            Self::AddsAnything => settings.guards.max_additions = None,
            Self::LeavesTooFew => settings.guards.min_addresses = 0,
            Self::SkipsRejections => settings.guards.on_rejection = OnRejection::Skip,
            Self::IgnoresRates => {
                settings.run.read_rate = 1000.0;
                settings.run.write_rate = 1000.0;
            }
            Self::ForgetsWebAcls => settings.waf.web_acls.clear(),
            Self::ForgetsAlways => settings.table.always.clear(),
            _ => {}
        }
        settings
    }

    /// The transport that the program gets instead of this one.
    pub(crate) fn replace_transport(self, inner: SharedHttpClient) -> SharedHttpClient {
        SharedHttpClient::new(Transport { careless: self, inner })
    }
}

#[derive(Debug)]
struct Transport {
    careless: Careless,
    inner: SharedHttpClient,
}

impl HttpClient for Transport {
    fn http_connector(&self, settings: &HttpConnectorSettings, parts: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, parts);
        SharedHttpConnector::new(Connector { careless: self.careless, inner })
    }
}

#[derive(Clone, Debug)]
struct Connector {
    careless: Careless,
    inner: SharedHttpConnector,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let line = self.clone();
        HttpConnectorFuture::new(async move { line.carry(request).await })
    }
}

impl Connector {
    async fn carry(&self, mut request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let operation = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = operation.rsplit('.').next().unwrap_or_default().to_owned();
        let updates = operation.starts_with("Update");
        let again = updates.then(|| request.try_clone().unwrap());
        if updates && self.careless == Careless::FetchesTokensLate {
            let token = self.newest_token(&request, &operation).await;
            give_token(&mut request, &token);
        }
        let later_page = text_of(&request).contains("ExclusiveStartKey");
        let response = self.inner.call(request).await;
        match (self.careless, again) {
            (Careless::TrustsShortScans, _) if operation == "Scan" && later_page => {
                Ok(response.ok().filter(|it| it.status().is_success()).unwrap_or_else(|| answer(200, "{\"Items\":[]}")))
            }
            (Careless::RetriesStalePlans, Some(mut again)) => {
                let (status, text) = read(response?).await?;
                if !text.contains("WAFOptimisticLockException") {
                    return Ok(answer(status, &text));
                }
                let token = self.newest_token(&again, &operation).await;
                give_token(&mut again, &token);
                tokio::time::sleep(Duration::from_secs(1)).await;
                self.inner.call(again).await
            }
            (Careless::RepeatsUpdates, Some(mut again)) => {
                let (status, text) = read(response?).await?;
                let said: Value = serde_json::from_str(&text).unwrap_or_default();
                let Some(next) = said["NextLockToken"].as_str() else { return Ok(answer(status, &text)) };
                give_token(&mut again, next);
                tokio::time::sleep(Duration::from_secs(1)).await;
                self.inner.call(again).await
            }
            _ => self.edit(&operation, response?).await,
        }
    }

    /// The answer that the program gets instead of this one.
    async fn edit(&self, operation: &str, response: HttpResponse) -> Result<HttpResponse, ConnectorError> {
        let wanted = match self.careless {
            Careless::OverlooksUnwanted | Careless::ImaginesMarks => operation == "GetIPSet",
            Careless::IgnoresMarkers => operation.starts_with("List"),
            Careless::GivesUpWhenThrottled => true,
            _ => false,
        };
        if !wanted {
            return Ok(response);
        }
        let (status, text) = read(response).await?;
        let mut said: Value = serde_json::from_str(&text).unwrap_or_default();
        match self.careless {
            Careless::OverlooksUnwanted => {
                if let Some(cidrs) = said.pointer_mut("/IPSet/Addresses").and_then(Value::as_array_mut) {
                    cidrs.retain(|cidr| !UNWANTED.iter().any(|unwanted| cidr == unwanted));
                }
            }
            Careless::ImaginesMarks => {
                if let Some(description) = said.pointer_mut("/IPSet/Description").filter(|text| *text == "Offices") {
                    *description = json!("wafsync wafsync sum");
                }
            }
            Careless::IgnoresMarkers => {
                said.as_object_mut().and_then(|said| said.remove("NextMarker"));
            }
            _ => return Ok(answer(status, &text.replace("ThrottlingException", "AccessDeniedException"))),
        }
        Ok(answer(status, &said.to_string()))
    }

    /// The lock token from a read right before an update.
    async fn newest_token(&self, update: &HttpRequest, operation: &str) -> String {
        let mut get = update.try_clone().unwrap();
        get.headers_mut().insert("x-amz-target", format!("AWSWAF_20190729.{}", operation.replace("Update", "Get")));
        let asked: Value = serde_json::from_str(&text_of(update)).unwrap();
        let ask = json!({"Name": asked["Name"], "Scope": asked["Scope"], "Id": asked["Id"]});
        *get.body_mut() = SdkBody::from(ask.to_string());
        let Ok(response) = self.inner.call(get).await else { return String::new() };
        let said = read(response).await.map(|(_, text)| text).unwrap_or_default();
        let said: Value = serde_json::from_str(&said).unwrap_or_default();
        said["LockToken"].as_str().unwrap_or("00000000-0000-0000-0000-000000000000").to_owned()
    }
}

fn text_of(request: &HttpRequest) -> String {
    String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned()
}

fn give_token(update: &mut HttpRequest, token: &str) {
    let mut body: Value = serde_json::from_str(&text_of(update)).unwrap();
    body["LockToken"] = json!(token);
    *update.body_mut() = SdkBody::from(body.to_string());
}

async fn read(response: HttpResponse) -> Result<(u16, String), ConnectorError> {
    let status = response.status().as_u16();
    let body = ByteStream::new(response.into_body()).collect().await;
    let body = body.map_err(|error| ConnectorError::io(error.into()))?.to_vec();
    Ok((status, String::from_utf8(body).unwrap()))
}

fn answer(status: u16, body: &str) -> HttpResponse {
    let mut response = HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::from(body));
    response.headers_mut().insert("content-type", "application/x-amz-json-1.1");
    response
}

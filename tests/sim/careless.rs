//! Carelessness made outside the program: it gets other settings than the observer is told, or a transport between it
//! and AWS changes calls and answers.
//!
//! Each is a mistake that a program like this could make, and each must be seen by the observer.

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

use crate::genesis::STRANGERS;

/// What is wrong with a program, as far as it can be imitated from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Careless {
    /// The confirming scan follows at once.
    NeverSettles,
    /// There is no time for a confirming scan, so nothing is ever removed.
    NeverConfirms,
    /// Any number of addresses may go.
    RemovesAnything,
    /// Any number of addresses may come.
    AddsAnything,
    /// Removals may leave next to nothing.
    LeavesTooFew,
    /// Rejections hold nothing back.
    SkipsRejections,
    /// Every plan is approved, by a digest that the observer does not know of.
    ApprovesUnseen,
    /// Calls keep to no rate.
    KeepsNoPace,
    /// The web ACLs are not looked at.
    ForgetsWebAcls,
    /// What is always wanted is not.
    ForgetsAlways,
    /// The lock token of a write is fetched when the write is due.
    FetchesTokensLate,
    /// After a conflict the same contents are sent again, with a token fetched for it.
    RetriesStalePlans,
    /// Every update is made twice.
    RepeatsUpdates,
    /// Strangers in an IP set are overlooked.
    OverlooksStrangers,
    /// An adopted set is taken for one that wafsync has written.
    ImaginesMarks,
    /// The first page of a list is taken for the list.
    IgnoresMarkers,
    /// The pages before one that failed are taken for the table.
    TrustsShortScans,
    /// A throttled call is taken for a denied one.
    GivesUpWhenThrottled,
}

impl Careless {
    /// Whether it shows only where there are limits of additions or of what removals have to leave.
    pub(crate) fn is_about_limits(self) -> bool {
        matches!(self, Self::AddsAnything | Self::LeavesTooFew)
    }

    /// The settings that the program gets instead of these.
    pub(crate) fn mislead(self, mut settings: Settings) -> Settings {
        match self {
            Self::NeverSettles => settings.table.settle = Duration::ZERO,
            Self::NeverConfirms => settings.table.settle = settings.run.deadline * 2,
            Self::RemovesAnything => settings.guards.max_removals = MaxRemovals::Count(usize::MAX),
            Self::AddsAnything => settings.guards.max_additions = None,
            Self::LeavesTooFew => settings.guards.min_addresses = 0,
            Self::SkipsRejections => settings.guards.on_rejection = OnRejection::Skip,
            Self::KeepsNoPace => {
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
    pub(crate) fn tamper(self, inner: SharedHttpClient) -> SharedHttpClient {
        SharedHttpClient::new(Tampering { careless: self, inner })
    }
}

#[derive(Debug)]
struct Tampering {
    careless: Careless,
    inner: SharedHttpClient,
}

impl HttpClient for Tampering {
    fn http_connector(&self, settings: &HttpConnectorSettings, parts: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, parts);
        SharedHttpConnector::new(Line { careless: self.careless, inner })
    }
}

#[derive(Clone, Debug)]
struct Line {
    careless: Careless,
    inner: SharedHttpConnector,
}

impl HttpConnector for Line {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let line = self.clone();
        HttpConnectorFuture::new(async move { line.carry(request).await })
    }
}

impl Line {
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

    /// What the program is made to believe of an answer.
    async fn edit(&self, operation: &str, response: HttpResponse) -> Result<HttpResponse, ConnectorError> {
        let wanted = match self.careless {
            Careless::OverlooksStrangers | Careless::ImaginesMarks => operation == "GetIPSet",
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
            Careless::OverlooksStrangers => {
                if let Some(cidrs) = said.pointer_mut("/IPSet/Addresses").and_then(Value::as_array_mut) {
                    cidrs.retain(|cidr| !STRANGERS.iter().any(|stranger| cidr == stranger));
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

    /// The lock token that a read just before an update shows.
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

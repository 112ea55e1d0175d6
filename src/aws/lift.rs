//! Lifts the one long list out of an answer before the SDK decodes it.
//!
//! The SDK allocates a map for every item and a string for every address, tens of thousands per answer. Here the list
//! stays JSON, which the caller reads without copying. The SDK decodes the rest of the answer and still distinguishes
//! errors from results.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::BeforeDeserializationInterceptorContextMut;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use bytes::Bytes;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Body as _, Frame};

use super::split::split;

/// The most bytes to allocate at once, whatever length an answer claims.
const FIRST_ROOM: u64 = 4 * 1024 * 1024;

/// Lifts a list out of the answer to one call.
#[derive(Clone, Debug)]
pub(super) struct Lift {
    /// The path of members to the list.
    path: &'static [&'static str],
    lifted: Arc<Mutex<Option<Lifted>>>,
}

/// A lifted list: JSON within its answer.
#[derive(Debug)]
pub(super) struct Lifted {
    body: Vec<u8>,
    list: Range<usize>,
}

impl Lifted {
    /// The list that was lifted out of the answer, as JSON.
    pub(super) fn json(&self) -> &[u8] {
        self.body.get(self.list.clone()).unwrap_or_default()
    }
}

impl Lift {
    pub(super) fn new(path: &'static [&'static str]) -> Self {
        Self { path, lifted: Arc::default() }
    }

    /// Takes the lifted list; `None` if the answer had no such list or was not JSON: then the SDK has decoded all of it.
    pub(super) fn take(&self) -> Option<Lifted> {
        self.lifted.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The body for the SDK.
    async fn read(self, mut body: SdkBody) -> Result<Frame<Bytes>, BoxError> {
        let room = body.size_hint().lower().min(FIRST_ROOM);
        let mut whole = Vec::with_capacity(usize::try_from(room).unwrap_or_default());
        while let Some(frame) = body.frame().await {
            if let Some(data) = frame?.data_ref() {
                whole.extend_from_slice(data);
            }
        }
        let Some((rest, list)) = split(&whole, self.path) else { return Ok(Frame::data(whole.into())) };
        *self.lifted.lock().unwrap_or_else(PoisonError::into_inner) = Some(Lifted { body: whole, list });
        Ok(Frame::data(rest.into()))
    }
}

#[dyn_dispatch_hint]
impl Intercept for Lift {
    fn name(&self) -> &'static str {
        "Lift"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // A retry replaces the list of an earlier attempt.
        drop(self.take());
        let response = context.response_mut();
        if response.status().is_success() {
            let body = response.take_body();
            let rest = futures_util::stream::once(self.clone().read(body));
            *response.body_mut() = SdkBody::from_body_1_x(StreamBody::new(rest));
        }
        Ok(())
    }
}

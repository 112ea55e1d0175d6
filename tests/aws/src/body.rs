//! Answers as HTTP responses, complete or cut off.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use crate::Aws;
use crate::state::Answer;
use crate::wire::Reply;

/// The body of a response.
#[derive(Debug)]
pub(crate) struct Payload {
    data: Option<Bytes>,
    /// The announced length. A body that is cut off is shorter.
    length: u64,
    end: End,
}

/// What comes after the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Proper,
    /// The connection breaks, after the data had time to be sent.
    BreakSoon,
    BreakNow,
}

impl Body for Payload {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(data) = self.data.take() {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        match self.end {
            End::Proper => Poll::Ready(None),
            End::BreakSoon => {
                self.end = End::BreakNow;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            End::BreakNow => Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into()))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none() && self.end == End::Proper
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length)
    }
}

/// The response to send. `None` breaks the connection. Waits forever for an answer that never comes.
pub(crate) async fn response(answer: Answer, aws: &Aws) -> Option<http::Response<Payload>> {
    let (Reply { status, content_type, body }, end) = match answer {
        Answer::Whole(reply) => (reply, End::Proper),
        Answer::Cut(reply) => (reply, End::BreakSoon),
        Answer::Lost => return None,
        Answer::Never => std::future::pending().await,
    };
    let length = body.len();
    let sent = if end == End::Proper { body } else { body.slice(..length / 2) };
    let mut response = http::Response::builder();
    if let Some(date) = aws.date() {
        response = response.header(http::header::DATE, DateTime::from_secs(date).fmt(Format::HttpDate).ok()?);
    }
    response
        .status(status)
        .header(http::header::CONTENT_TYPE, content_type)
        .header(http::header::CONTENT_LENGTH, length)
        .body(Payload { data: Some(sent), length: length as u64, end })
        .ok()
}

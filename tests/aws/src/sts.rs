//! STS: the caller's identity. The only service here with the query protocol, which sends a form and answers XML.

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::wire::Done;

/// The content type of every answer of STS.
pub(crate) const XML: &str = "text/xml";

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// The members of a form, if it is a request to STS. The requests used here need no percent-decoding.
pub(crate) fn form(content_type: &str, body: &Bytes) -> Option<Map<String, Value>> {
    if !content_type.starts_with("application/x-www-form-urlencoded") {
        return None;
    }
    let text = std::str::from_utf8(body).ok()?;
    let members: Map<String, Value> = (text.split('&').filter_map(|pair| pair.split_once('=')))
        .map(|(name, value)| (name.to_owned(), Value::from(value)))
        .collect();
    (members.get("Version")? == "2011-06-15").then_some(members)
}

pub(crate) fn caller_identity(arn: &str) -> Done {
    let account = arn.split(':').nth(4).unwrap_or_default();
    Done::read(format!(
        "<GetCallerIdentityResponse xmlns=\"{NAMESPACE}\"><GetCallerIdentityResult><Arn>{arn}</Arn>\
         <UserId>AIDAEXAMPLE</UserId><Account>{account}</Account></GetCallerIdentityResult><ResponseMetadata>\
         <RequestId>00000000-0000-0000-0000-000000000000</RequestId></ResponseMetadata></GetCallerIdentityResponse>"
    ))
}

/// An error in the format of STS.
pub(crate) fn error(code: &str, message: &str) -> String {
    format!(
        "<ErrorResponse xmlns=\"{NAMESPACE}\"><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message>\
         </Error><RequestId>00000000-0000-0000-0000-000000000000</RequestId></ErrorResponse>"
    )
}

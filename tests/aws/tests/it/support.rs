//! Clients of the stand-in, and short texts for its errors.

use std::error::Error;
use std::fmt::Debug;

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, retry::RetryConfig};
use aws_sdk_wafv2::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_wafv2::types::error::WafInvalidParameterException;
use aws_sdk_wafv2::types::{
    AllowAction, ForwardedIpPosition, IpAddressVersion, IpSetForwardedIpConfig, IpSetReferenceStatement, OrStatement,
    Rule, RuleAction, Scope, Statement, VisibilityConfig,
};
use wafsync_test_aws::{Aws, Config, Fault, FaultKind, When};

pub(crate) const REGION: &str = "eu-central-1";

/// A configuration without rate limits.
pub(crate) fn calm() -> Config {
    Config { read_rate: None, write_rate: None, ..Config::default() }
}

pub(crate) fn waf_in(aws: &Aws, region: &str) -> aws_sdk_wafv2::Client {
    let config = aws_sdk_wafv2::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .credentials_provider(Credentials::new("AKIDEXAMPLE", "example", None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .http_client(aws.http_client())
        .build();
    aws_sdk_wafv2::Client::from_conf(config)
}

pub(crate) fn waf(aws: &Aws) -> aws_sdk_wafv2::Client {
    waf_in(aws, REGION)
}

pub(crate) fn dynamo_in(aws: &Aws, region: &str) -> aws_sdk_dynamodb::Client {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .credentials_provider(Credentials::new("AKIDEXAMPLE", "example", None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .http_client(aws.http_client())
        .build();
    aws_sdk_dynamodb::Client::from_conf(config)
}

pub(crate) fn dynamo(aws: &Aws) -> aws_sdk_dynamodb::Client {
    dynamo_in(aws, REGION)
}

/// `ok`, or the error code with the field if there is one, or `dispatch`, `response`, `timeout`.
pub(crate) fn refusal<T, E, R>(result: Result<T, SdkError<E, R>>) -> String
where
    E: ProvideErrorMetadata + Error + 'static,
    R: Debug,
{
    match result {
        Ok(_) => "ok".to_owned(),
        Err(SdkError::ServiceError(error)) => {
            let error = error.err();
            let code = error.code().unwrap_or("no code");
            match error.source().and_then(|source| source.downcast_ref::<WafInvalidParameterException>()) {
                Some(parameter) => format!("{code} {}", parameter.field().expect("it has a field").as_str()),
                None => code.to_owned(),
            }
        }
        Err(SdkError::DispatchFailure(error)) if error.is_timeout() => "timeout".to_owned(),
        Err(SdkError::DispatchFailure(_)) => "dispatch".to_owned(),
        Err(SdkError::ResponseError(_)) => "response".to_owned(),
        Err(SdkError::TimeoutError(_)) => "timeout".to_owned(),
        Err(error) => panic!("no call was made: {error:?}"),
    }
}

/// Creates an IPv4 set of one address and returns its ARN.
pub(crate) async fn create(client: &aws_sdk_wafv2::Client, name: &str) -> String {
    let created = client
        .create_ip_set()
        .name(name)
        .scope(Scope::Regional)
        .ip_address_version(IpAddressVersion::Ipv4)
        .addresses("192.0.2.1/32")
        .send()
        .await
        .expect("it is valid");
    created.summary().and_then(|summary| summary.arn()).expect("it has an ARN").to_owned()
}

pub(crate) fn visibility(metric: &str) -> VisibilityConfig {
    VisibilityConfig::builder()
        .sampled_requests_enabled(true)
        .cloud_watch_metrics_enabled(true)
        .metric_name(metric)
        .build()
        .unwrap()
}

pub(crate) fn reference(arn: &str) -> Statement {
    let reference = IpSetReferenceStatement::builder().arn(arn).build().unwrap();
    Statement::builder().ip_set_reference_statement(reference).build()
}

pub(crate) fn forwarded(arn: &str, header: &str, position: &str, fallback: &str) -> Statement {
    let config = IpSetForwardedIpConfig::builder()
        .header_name(header)
        .position(ForwardedIpPosition::from(position))
        .fallback_behavior(fallback.into())
        .build()
        .unwrap();
    let reference = IpSetReferenceStatement::builder().arn(arn).ip_set_forwarded_ip_config(config).build().unwrap();
    Statement::builder().ip_set_reference_statement(reference).build()
}

pub(crate) fn any_of(statements: Vec<Statement>) -> Statement {
    let or = OrStatement::builder().set_statements(Some(statements)).build().unwrap();
    Statement::builder().or_statement(or).build()
}

pub(crate) fn allow() -> RuleAction {
    RuleAction::builder().allow(AllowAction::builder().build()).build()
}

/// A rule that allows, with this name and priority.
pub(crate) fn rule(name: &str, priority: i32, statement: Statement) -> Rule {
    Rule::builder()
        .name(name)
        .priority(priority)
        .statement(statement)
        .action(allow())
        .visibility_config(visibility(name))
        .build()
        .unwrap()
}

/// A fault in the next attempt of this operation.
pub(crate) fn once(operation: &str, when: When, kind: FaultKind) -> Fault {
    Fault { operation: Some(operation.to_owned()), target: None, skip: 0, times: 1, when, kind }
}

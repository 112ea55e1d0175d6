//! Reads web ACLs.

use super::call::Call;
use super::connection::{WafReader, waf_scope};
use super::error::{AwsError, Class};
use super::governor::Action;
use super::pages::{LIST_LIMIT, Next, Pages};
use super::web_acl_rules::{references_of, web_acl};
use crate::model::current::RuleGroup;
use crate::model::settings::WafSettings;
use crate::model::web_acl::{UnreadWebAcl, WebAcl};
use crate::stop::Stop;

/// The most web ACLs to read if none is named: AWS's default quota per account, Region and scope (AWS WAF quotas). At
/// AWS's rate they take twenty seconds.
const MOST_WEB_ACLS: usize = 100;

/// The web ACLs that refer to our rule groups.
#[derive(Clone, Debug, Default)]
pub struct Referring {
    /// The number of web ACLs in the scope.
    pub listed: usize,
    /// The web ACLs that were found.
    pub web_acls: Vec<WebAcl>,
    /// The web ACL at which the search ended early, and why.
    pub unread: Vec<UnreadWebAcl>,
    /// Whether all web ACLs of the scope were read.
    pub complete: bool,
}

/// The result of a search through all web ACLs of the scope, as AWS returns them.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) listed: usize,
    pub(super) read: usize,
    pub(super) referring: Vec<aws_sdk_wafv2::types::WebAcl>,
    /// The web ACL at which the search ended early, and the error.
    pub(super) trouble: Option<(String, AwsError)>,
}

impl WafReader {
    /// Reads the web ACLs of `--web-acl`. Returns those that could be read and those that could not.
    ///
    /// # Errors
    ///
    /// Only if the run has to stop. Other errors are returned per web ACL, because they stop no write.
    pub async fn read_web_acls(
        &self,
        settings: &WafSettings,
        stop: &Stop,
    ) -> Result<(Vec<WebAcl>, Vec<UnreadWebAcl>), AwsError> {
        let named = &settings.web_acls;
        let listed = if named.iter().any(|acl| !is_arn(acl)) { self.list_web_acls(stop).await } else { Ok(Vec::new()) };
        let (mut read, mut unread): (Vec<WebAcl>, Vec<UnreadWebAcl>) = (Vec::new(), Vec::new());
        for name in named {
            let arn = match &listed {
                Err(error) if !is_arn(name) => Err(error.clone()),
                _ => self.arn_of(name, listed.as_deref().unwrap_or_default()),
            };
            let acl = match arn {
                Ok(arn) if read.iter().any(|known| known.arn == arn) => continue,
                Ok(arn) => self.get_web_acl(name, arn, stop).await,
                Err(error) => Err(error),
            };
            match acl {
                Ok(acl) => read.push(web_acl(&acl, &self.target.name, settings.policy.action)),
                Err(error) if matches!(error.class(), Class::Stopped(_)) => return Err(error),
                Err(error) => unread.push(not_read(name, &error)),
            }
        }
        Ok((read, unread))
    }

    /// Finds the web ACLs of the scope that refer to one of these rule groups, for settings that name none.
    ///
    /// AWS has no call for that, so it reads all web ACLs, at most `MOST_WEB_ACLS`.
    ///
    /// # Errors
    ///
    /// If the web ACLs cannot be listed, or time runs out.
    pub async fn referring_web_acls(
        &self,
        groups: &[RuleGroup],
        settings: &WafSettings,
        stop: &Stop,
    ) -> Result<Referring, AwsError> {
        let found = self.search(groups, stop).await;
        let web_acls = found.referring.iter().map(|acl| web_acl(acl, &self.target.name, settings.policy.action));
        let web_acls: Vec<WebAcl> = web_acls.collect();
        let complete = found.read == found.listed;
        match found.trouble {
            Some((_, error)) if found.listed == 0 || matches!(error.class(), Class::Stopped(_)) => Err(error),
            trouble => {
                let unread = trouble.map(|(name, error)| not_read(&name, &error)).into_iter().collect();
                Ok(Referring { listed: found.listed, web_acls, unread, complete })
            }
        }
    }

    /// Reads the web ACLs of the scope until an error, and keeps those that refer to one of these rule groups.
    pub(super) async fn search(&self, groups: &[RuleGroup], stop: &Stop) -> Found {
        let mut found = Found::default();
        let listed = match self.list_web_acls(stop).await {
            Ok(listed) => listed,
            Err(error) => return Found { trouble: Some(("all".to_owned(), error)), ..found },
        };
        found.listed = listed.len();
        stop.progress().web_acls_to_read(listed.len().min(MOST_WEB_ACLS));
        for (name, arn) in listed.iter().take(MOST_WEB_ACLS) {
            match self.get_web_acl(name, arn, stop).await {
                Ok(acl) if refers_to_any(&acl, groups) => found.referring.push(acl),
                Ok(_) => {}
                // Deleted since it was listed.
                Err(error) if error.class() == Class::NotFound => {}
                Err(error) => {
                    found.trouble = Some((name.clone(), error));
                    break;
                }
            }
            found.read += 1;
            stop.progress().web_acl_read();
        }
        found
    }

    /// Reads one web ACL, by name or ARN.
    pub(super) async fn whole_web_acl(
        &self,
        named: &str,
        stop: &Stop,
    ) -> Result<aws_sdk_wafv2::types::WebAcl, AwsError> {
        let listed = if is_arn(named) { Vec::new() } else { self.list_web_acls(stop).await? };
        self.get_web_acl(named, self.arn_of(named, &listed)?, stop).await
    }

    fn arn_of<'a>(&self, named: &'a str, listed: &'a [(String, String)]) -> Result<&'a str, AwsError> {
        if is_arn(named) {
            return Ok(named);
        }
        let found = listed.iter().find(|(name, _)| name == named).map(|(_, arn)| arn.as_str());
        found.ok_or_else(|| {
            let cause = format!("there is no web ACL of this name in {} scope", self.target.scope);
            let hint = "check --web-acl, --scope and AWS_REGION";
            AwsError::unusable(Action::ListWebAcls.name(), named, &cause, Some(hint))
        })
    }

    /// Lists the name and ARN of every web ACL of the scope.
    pub(super) async fn list_web_acls(&self, stop: &Stop) -> Result<Vec<(String, String)>, AwsError> {
        let mut pages = Pages::default();
        let mut acls = Vec::new();
        while let Some(Next(marker)) = pages.next(Action::ListWebAcls)? {
            let call = Call::begin(&self.caller, Action::ListWebAcls, "all", &self.target.region, stop).await?;
            let request =
                self.waf.list_web_acls().scope(waf_scope(self.scope)).limit(LIST_LIMIT).set_next_marker(marker);
            let sent = request.customize().config_override(call.waf()).send().await;
            let answer = call.end(sent)?;
            let page = pages.seen(Action::ListWebAcls, answer.next_marker, answer.web_acls)?;
            acls.extend(page.into_iter().filter_map(|summary| Some((summary.name?, summary.arn?))));
        }
        Ok(acls)
    }

    pub(super) async fn get_web_acl(
        &self,
        named: &str,
        arn: &str,
        stop: &Stop,
    ) -> Result<aws_sdk_wafv2::types::WebAcl, AwsError> {
        let call = Call::begin(&self.caller, Action::GetWebAcl, named, &self.target.region, stop).await?;
        let sent = self.waf.get_web_acl().arn(arn).customize().config_override(call.waf()).send().await;
        let answer = call.end(sent)?;
        let unusable = || AwsError::unusable(Action::GetWebAcl.name(), named, "the answer lacks the web ACL", None);
        answer.web_acl.ok_or_else(unusable)
    }
}

fn is_arn(acl: &str) -> bool {
    acl.starts_with("arn:")
}

fn refers_to_any(acl: &aws_sdk_wafv2::types::WebAcl, groups: &[RuleGroup]) -> bool {
    references_of(acl).any(|reference| groups.iter().any(|group| group.arn == reference.group.arn))
}

fn not_read(name: &str, error: &AwsError) -> UnreadWebAcl {
    UnreadWebAcl {
        name: name.to_owned(),
        message: error.to_string(),
        hint: error.hint().map(ToOwned::to_owned),
        lasting: error.class() != Class::Again || error.looks_lasting(),
    }
}

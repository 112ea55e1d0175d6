//! The command that prints the policy for the current settings, for the hint of a denied call.

use crate::model::limits::{GROUP_REFERENCES, QUOTA};
use crate::model::settings::Scope;
use crate::preflight::iam_policy::{Access, IamScope};
use crate::text::shell;

/// The default of `--name`.
const NAME: &str = "wafsync";

impl IamScope {
    /// The shell command that prints the policy for this access to these resources. `None` if a setting cannot be quoted
    /// safely.
    #[must_use]
    pub fn command(&self, access: Access) -> Option<String> {
        let access = match access {
            Access::Plan => "plan",
            Access::Apply => "apply",
            Access::Check => "check",
        };
        let mut flags = vec![format!("--for={access}"), format!("--table={}", self.table)];
        flags.extend(self.table_region.iter().map(|region| format!("--table-region={region}")));
        flags.extend((self.name != NAME).then(|| format!("--name={}", self.name)));
        flags.extend((self.scope == Scope::Cloudfront).then(|| "--scope=cloudfront".to_owned()));
        flags.extend(self.web_acls.iter().map(|web_acl| format!("--web-acl={web_acl}")));
        flags.extend(self.adopt.iter().map(|name| format!("--adopt={name}")));
        let sets = self.rule_groups * GROUP_REFERENCES;
        flags.extend((sets != QUOTA).then(|| format!("--max-ip-sets={sets}")));
        let region = self.region.as_deref().map(|region| shell(region).map(|region| format!("AWS_REGION={region} ")));
        let region = region.map_or(Some(String::new()), |region| region)?;
        let flags: Option<Vec<_>> = flags.iter().map(|flag| shell(flag)).collect();
        Some(format!("{region}wafsync iam-policy {}", flags?.join(" ")))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::ffi::OsString;

    use super::*;
    use crate::cli::{self, Invocation};

    fn scope() -> IamScope {
        IamScope {
            table: "clusters".to_owned(),
            table_region: None,
            region: Some("eu-central-1".to_owned()),
            name: "wafsync".to_owned(),
            scope: Scope::Regional,
            web_acls: Vec::new(),
            adopt: BTreeSet::new(),
            rule_groups: 2,
        }
    }

    #[test]
    fn the_command_names_what_differs_from_the_defaults() {
        let plain = "AWS_REGION=eu-central-1 wafsync iam-policy --for=plan --table=clusters";
        assert_eq!(scope().command(Access::Plan).as_deref(), Some(plain));
        let all = IamScope {
            table_region: Some("eu-west-1".to_owned()),
            name: "edge".to_owned(),
            scope: Scope::Cloudfront,
            web_acls: vec!["front".to_owned(), "back".to_owned()],
            adopt: BTreeSet::from(["by-hand".to_owned()]),
            rule_groups: 3,
            region: None,
            ..scope()
        };
        let command = "wafsync iam-policy --for=apply --table=clusters --table-region=eu-west-1 --name=edge \
                       --scope=cloudfront --web-acl=front --web-acl=back --adopt=by-hand --max-ip-sets=150";
        assert_eq!(all.command(Access::Apply).as_deref(), Some(command));
    }

    #[test]
    fn the_command_asks_for_the_same_policy() {
        let scope = IamScope {
            table_region: Some("eu-west-1".to_owned()),
            web_acls: vec!["front".to_owned()],
            adopt: BTreeSet::from(["by-hand".to_owned()]),
            ..scope()
        };
        let command = scope.command(Access::Check).unwrap();
        let words = command.split(' ').skip(1).map(OsString::from);
        let region = [("AWS_REGION".into(), "eu-central-1".into())];
        let Invocation::IamPolicy { scope: parsed, access } = cli::parse(words, region).unwrap().invocation else {
            panic!("not a policy: {command}")
        };
        assert_eq!((format!("{parsed:?}"), access), (format!("{scope:?}"), Access::Check));
    }

    #[test]
    fn what_cannot_be_shown_safely_is_not_shown() {
        assert_eq!(IamScope { table: "a\u{202e}b".to_owned(), ..scope() }.command(Access::Plan), None);
    }
}

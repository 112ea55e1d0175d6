//! The spelling of the values that the help lists.

use clap::ValueEnum;
use clap::builder::PossibleValue;

use crate::model::policy::{Action, Position};
use crate::model::settings::{Color, LogFormat, LogLevel, OnRejection, Output, Scope};
use crate::preflight::iam_policy::Access;

/// Gives a type of the core its spelling on the command line, so that the core does not depend on clap.
macro_rules! spelling {
    ($type:ident { $($variant:ident = $name:literal: $help:literal,)+ }) => {
        impl ValueEnum for $type {
            fn value_variants<'a>() -> &'a [Self] {
                &[$(Self::$variant),+]
            }

            fn to_possible_value(&self) -> Option<PossibleValue> {
                Some(match self {
                    $(Self::$variant => PossibleValue::new($name).help($help),)+
                })
            }
        }
    };
}

spelling!(Scope {
    Regional = "regional": "Load balancers and other resources of one Region",
    Cloudfront = "cloudfront": "CloudFront; WAF is in us-east-1",
});

spelling!(Action {
    Allow = "allow": "Let the client in and stop evaluating rules",
    Count = "count": "Add the label NAME and continue; the web ACL decides",
});

spelling!(Position {
    First = "first": "The first address, which the client can forge",
    Last = "last": "The last address, added by the nearest proxy",
    Any = "any": "Any of the last ten; the client can forge it",
});

spelling!(OnRejection {
    Hold = "hold": "Add, but hold all removals",
    Skip = "skip": "Continue without them",
    Abort = "abort": "Change nothing and fail",
});

spelling!(Access {
    Plan = "plan": "Read the table and WAF",
    Apply = "apply": "Also write IP sets and rule groups",
    Check = "check": "Read all that plan, explain, and check read",
});

spelling!(Output {
    Text = "text": "For people",
    Json = "json": "The JSON document",
    Markdown = "markdown": "For a pull request or a summary page",
    Html = "html": "One page for a change ticket",
});

spelling!(Color {
    Auto = "auto": "In a terminal",
    Always = "always": "Always",
    Never = "never": "Never",
});

spelling!(LogFormat {
    Auto = "auto": "Text in a terminal, otherwise JSON",
    Text = "text": "For people",
    Json = "json": "One JSON object per line",
});

spelling!(LogLevel {
    Error = "error": "Errors only",
    Warn = "warn": "Also what needs attention",
    Info = "info": "Also what changed and what waits, with every removed CIDR",
    Debug = "debug": "Also each call",
    Trace = "trace": "Also connections and retries of the AWS SDK",
});

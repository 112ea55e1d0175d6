//! How the values that clap lists in the help are spelt.

use clap::ValueEnum;
use clap::builder::PossibleValue;

use crate::model::policy::{Action, Position};
use crate::model::settings::{LogFormat, LogLevel, OnRejection, Output, Scope};
use crate::preflight::iam_policy::Access;

/// Gives a type of the core its spelling on the command line, so that the core need not know clap.
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
    Allow = "allow": "Let the client in and stop evaluating",
    Count = "count": "Add the label NAME and go on; the web ACL decides",
});

spelling!(Position {
    First = "first": "The first address, which the client can forge",
    Last = "last": "The last address, put there by the nearest proxy",
    Any = "any": "Any of the last ten; the client can forge it",
});

spelling!(OnRejection {
    Hold = "hold": "Add, and let removals wait",
    Skip = "skip": "Go on without what was rejected",
    Abort = "abort": "Change nothing and fail",
});

spelling!(Access {
    Plan = "plan": "Read the table and WAF",
    Apply = "apply": "The same, and write IP sets and rule groups",
    Check = "check": "What plan and explain read, and what a preflight looks at",
});

spelling!(Output {
    Text = "text": "For people",
    Json = "json": "The JSON document",
    Markdown = "markdown": "For a comment or a summary page",
});

spelling!(LogFormat {
    Auto = "auto": "Text in a terminal, else JSON",
    Text = "text": "For people",
    Json = "json": "One JSON object a line",
});

spelling!(LogLevel {
    Error = "error": "What made the run fail",
    Warn = "warn": "And what a person should look at",
    Info = "info": "And what changed and what waits, each removed CIDR included",
    Debug = "debug": "And each call",
    Trace = "trace": "And connections and retries of the AWS SDK",
});

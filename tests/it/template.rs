//! `lambda.yaml` as CloudFormation and the program would read it.

use std::collections::BTreeSet;
use std::ffi::OsString;

use serde_json::{Map, Value, json};
use wafsync::cli::{self, Invocation};
use wafsync::iam_policy;
use wafsync::telemetry::METRICS;

const FILE: &str = include_str!("../../lambda.yaml");
const README: &str = include_str!("../../README.md");

const TABLE: &str = "arn:aws:dynamodb:eu-central-1:111122223333:table/clusters";
const WEB_ACL: &str =
    "arn:aws:wafv2:eu-central-1:111122223333:regional/webacl/front/00000000-0000-0000-0000-000000000000";

/// The template with its parameters, functions and conditions resolved; what a stack does not have is gone.
struct Stack {
    template: Value,
    parameters: Map<String, Value>,
}

impl Stack {
    fn new(given: &[(&str, &str)]) -> Self {
        let template: Value = serde_saphyr::from_str(FILE).unwrap();
        let mut parameters: Map<String, Value> = Map::new();
        for (name, parameter) in template["Parameters"].as_object().unwrap() {
            parameters.insert(name.clone(), parameter["Default"].clone());
        }
        for (name, value) in given {
            assert!(parameters.insert((*name).to_owned(), json!(value)).is_some(), "no parameter {name}");
        }
        for (name, value) in [("Partition", "aws"), ("Region", "eu-central-1"), ("AccountId", "111122223333")] {
            parameters.insert(format!("AWS::{name}"), json!(value));
        }
        parameters.insert("AWS::NoValue".to_owned(), Value::Null);
        Self { template, parameters }
    }

    /// The properties of a resource; `None` if its condition does not hold.
    fn resource(&self, name: &str) -> Option<Value> {
        let resource = &self.template["Resources"][name];
        assert!(resource.is_object(), "no resource {name}");
        let there = resource.get("Condition").is_none_or(|condition| self.holds(&json!({ "Condition": condition })));
        there.then(|| self.resolve(&resource["Properties"]))
    }

    /// Whether every assertion of the rules holds.
    fn is_allowed(&self) -> bool {
        let rules = self.template["Rules"].as_object().unwrap().values();
        let mut assertions = rules.flat_map(|rule| rule["Assertions"].as_array().unwrap());
        assertions.all(|assertion| self.holds(&assertion["Assert"]))
    }

    fn holds(&self, condition: &Value) -> bool {
        let (function, argument) = condition.as_object().unwrap().iter().next().unwrap();
        let parts = || argument.as_array().unwrap().iter();
        match function.as_str() {
            "Condition" => self.holds(&self.template["Conditions"][argument.as_str().unwrap()]),
            "Fn::Not" => !self.holds(&argument[0]),
            "Fn::And" => parts().all(|part| self.holds(part)),
            "Fn::Or" => parts().any(|part| self.holds(part)),
            "Fn::Equals" => self.resolve(&argument[0]) == self.resolve(&argument[1]),
            other => panic!("unknown function {other}"),
        }
    }

    fn resolve(&self, value: &Value) -> Value {
        match value {
            Value::Array(items) => items.iter().map(|item| self.resolve(item)).filter(|item| !item.is_null()).collect(),
            Value::Object(members) => {
                let only = members.iter().next().filter(|_| members.len() == 1);
                if let Some(resolved) = only.and_then(|(function, argument)| self.call(function, argument)) {
                    return resolved;
                }
                let members = members.iter().map(|(name, member)| (name.clone(), self.resolve(member)));
                members.filter(|(_, member)| !member.is_null()).collect()
            }
            plain => plain.clone(),
        }
    }

    /// `None` if it is no function.
    fn call(&self, function: &str, argument: &Value) -> Option<Value> {
        Some(match function {
            "Ref" => {
                let name = argument.as_str().unwrap();
                let own = || self.template["Resources"].get(name).map(|_| json!(format!("<{name}>")));
                self.parameters.get(name).cloned().or_else(own).unwrap_or_else(|| panic!("no {name} to refer to"))
            }
            "Fn::GetAtt" => {
                let name = argument[0].as_str().unwrap();
                assert!(self.template["Resources"].get(name).is_some(), "no resource {name}");
                match (name, argument[1].as_str().unwrap()) {
                    ("Table", "Arn") => json!(TABLE),
                    ("WebAcl", "Arn") => json!(WEB_ACL),
                    (name, attribute) => json!(format!("<{name}.{attribute}>")),
                }
            }
            "Fn::Sub" => {
                let mut text = argument.as_str().unwrap().to_owned();
                for (name, value) in &self.parameters {
                    text = text.replace(&format!("${{{name}}}"), value.as_str().unwrap_or_default());
                }
                assert!(!text.contains("${"), "{text}");
                json!(text)
            }
            "Fn::If" => {
                let condition = json!({ "Condition": argument[0] });
                self.resolve(&argument[if self.holds(&condition) { 1 } else { 2 }])
            }
            _ => return None,
        })
    }

    /// The environment of the function.
    fn variables(&self) -> Vec<(OsString, OsString)> {
        let function = self.resource("Function").unwrap();
        let variables = function["Environment"]["Variables"].as_object().unwrap().clone();
        variables.into_iter().map(|(name, value)| (name.into(), value.as_str().unwrap().into())).collect()
    }
}

/// What `wafsync iam-policy` prints for the environment of the function.
fn policy(stack: &Stack) -> Value {
    let mut env = stack.variables();
    env.push(("AWS_REGION".into(), "eu-central-1".into()));
    let args = ["wafsync", "iam-policy", "--for", "apply"].map(OsString::from);
    match cli::parse(args, env).unwrap().invocation {
        Invocation::IamPolicy { scope, access } => iam_policy::policy(access, &scope),
        other => panic!("{other:?}"),
    }
}

const OWN_TABLE: [(&str, &str); 1] = [("TableArn", TABLE)];
const OWN_WEB_ACL: [(&str, &str); 3] = [("TableArn", TABLE), ("WebAclArn", WEB_ACL), ("Name", "edge")];
const ALL_MADE: [(&str, &str); 4] = [
    ("RuleGroup1Arn", "arn:one"),
    ("RuleGroup2Arn", "arn:two"),
    ("LoadBalancerArn", "arn:front"),
    ("WakeUpOnChange", "true"),
];

#[test]
fn the_role_may_do_what_iam_policy_prints_and_no_more() {
    for given in [&OWN_TABLE[..], &OWN_WEB_ACL, &ALL_MADE, &[]] {
        let stack = Stack::new(given);
        let role = stack.resource("Role").unwrap();
        let policies = role["Policies"].as_array().unwrap();
        assert_eq!(policies[0]["PolicyDocument"], policy(&stack), "{given:?}");
        let further: Vec<&str> = policies[1..].iter().map(|policy| policy["PolicyName"].as_str().unwrap()).collect();
        let wakes_up = given.contains(&("WakeUpOnChange", "true"));
        assert_eq!(further, if wakes_up { vec!["log", "stream"] } else { vec!["log"] });
        let logs = json!(["logs:CreateLogStream", "logs:PutLogEvents"]);
        assert_eq!(policies[1]["PolicyDocument"]["Statement"][0]["Action"], logs);
    }
}

#[test]
fn the_program_reads_the_environment_of_the_function() {
    let (settings, _, warnings) = cli::settings_from_env(Stack::new(&OWN_WEB_ACL).variables()).unwrap();
    assert_eq!(warnings, Vec::<String>::new());
    assert_eq!((settings.table.table.as_str(), settings.waf.name.as_str()), (TABLE, "edge"));
    assert_eq!(settings.waf.web_acls, [WEB_ACL]);
    let (settings, ..) = cli::settings_from_env(Stack::new(&ALL_MADE).variables()).unwrap();
    assert_eq!((settings.table.table.as_str(), settings.waf.web_acls.as_slice()), (TABLE, &[WEB_ACL.to_owned()][..]));
    let (settings, ..) = cli::settings_from_env(Stack::new(&OWN_TABLE).variables()).unwrap();
    assert_eq!(settings.waf.web_acls, Vec::<String>::new());
    assert_eq!(settings.waf.limits.rule_groups(), 2, "as many as the role may write");
}

#[test]
fn the_function_is_one_that_lambda_starts_alone_and_never_again() {
    let stack = Stack::new(&OWN_TABLE);
    let function = stack.resource("Function").unwrap();
    let of = |key: &str| function[key].clone();
    assert_eq!((of("Handler"), of("Runtime")), (json!("bootstrap"), json!("provided.al2023")));
    assert_eq!((of("MemorySize"), of("Architectures")), (json!(512), json!(["arm64"])));
    assert_eq!(of("ReservedConcurrentExecutions"), json!("1"));
    let small = Stack::new(&[("ReservedConcurrency", "none")]).resource("Function").unwrap();
    assert_eq!(small.get("ReservedConcurrentExecutions"), None);
    let none = json!({"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60});
    assert_eq!(stack.resource("Every").unwrap()["Target"]["RetryPolicy"], none);
    assert_eq!(stack.resource("Every").unwrap()["Target"]["Input"], "{}");
    let invocation = stack.resource("Invocation").unwrap();
    assert_eq!((&invocation["MaximumRetryAttempts"], &invocation["MaximumEventAgeInSeconds"]), (&json!(0), &json!(60)));
}

#[test]
fn table_stream_and_web_acl_are_made_when_they_are_asked_for() {
    let there = |given: &[(&str, &str)]| {
        let stack = Stack::new(given);
        ["Table", "WakeUp", "WebAcl", "Protection"].map(|name| stack.resource(name).is_some())
    };
    assert_eq!(there(&[]), [true, false, false, false]);
    assert_eq!(there(&OWN_WEB_ACL), [false; 4]);
    assert_eq!(there(&ALL_MADE), [true; 4]);
    let web_acl = Stack::new(&ALL_MADE).resource("WebAcl").unwrap();
    assert_eq!(web_acl["DefaultAction"], json!({"Block": {}}));
    for (rule, group) in web_acl["Rules"].as_array().unwrap().iter().zip(["arn:one", "arn:two"]) {
        assert_eq!(rule["Statement"], json!({"RuleGroupReferenceStatement": {"Arn": group}}));
        assert_eq!(rule["OverrideAction"], json!({"None": {}}), "Count would switch it off");
    }
    let own = [("TableArn", TABLE), ("WakeUpOnChange", "true"), ("TableStreamArn", "arn:stream")];
    let wake_up = Stack::new(&own).resource("WakeUp").unwrap();
    assert_eq!((&wake_up["EventSourceArn"], &wake_up["MaximumRetryAttempts"]), (&json!("arn:stream"), &json!(0)));
    for (given, allowed) in [
        (&own[..], true),
        (&own[..2], false),
        (&own[1..2], true),
        (&ALL_MADE, true),
        (&ALL_MADE[..1], false),
        (&ALL_MADE[1..2], false),
    ] {
        assert_eq!(Stack::new(given).is_allowed(), allowed, "{given:?}");
    }
}

#[test]
fn alarms_watch_metrics_that_there_are_and_take_silence_for_trouble() {
    let stack = Stack::new(&[("TableArn", TABLE), ("AlarmTopicArn", "arn:topic"), ("Name", "edge")]);
    let mut known: BTreeSet<String> = BTreeSet::new();
    for metric in METRICS {
        match metric.label {
            Some((_, values)) => known.extend(values.iter().map(|value| format!("{}_{value}", metric.name))),
            None => drop(known.insert(metric.name.to_owned())),
        }
    }
    let resources = stack.template["Resources"].as_object().unwrap().iter();
    let alarms: Vec<&String> =
        resources.filter(|(_, resource)| resource["Type"] == "AWS::CloudWatch::Alarm").map(|(name, _)| name).collect();
    assert_eq!(alarms.len(), 4);
    for name in alarms {
        let alarm = stack.resource(name).unwrap();
        assert_eq!(alarm["TreatMissingData"], "breaching", "{name}");
        assert_eq!(alarm["AlarmActions"], json!(["arn:topic"]), "{name}");
        let queries = alarm["Metrics"].as_array().cloned().unwrap_or_default();
        let mut metrics: Vec<&Value> = queries.iter().filter_map(|query| query["MetricStat"].get("Metric")).collect();
        if metrics.is_empty() {
            metrics.push(&alarm);
        }
        for metric in metrics {
            assert_eq!(metric["Namespace"], wafsync::telemetry::cloudwatch::NAMESPACE, "{name}");
            assert_eq!(metric["Dimensions"], json!([{"Name": "installation", "Value": "edge"}]), "{name}");
            assert!(known.contains(metric["MetricName"].as_str().unwrap()), "{metric}");
        }
    }
}

#[test]
fn every_parameter_is_asked_for_in_a_group_and_used() {
    let template: Value = serde_saphyr::from_str(FILE).unwrap();
    let groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"].as_array().unwrap();
    let grouped = groups.iter().flat_map(|group| group["Parameters"].as_array().unwrap());
    let grouped: BTreeSet<&str> = grouped.map(|name| name.as_str().unwrap()).collect();
    let parameters: BTreeSet<&str> = template["Parameters"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(grouped, parameters);
    for name in parameters {
        let used = FILE.contains(&format!("{{ Ref: {name} }}")) || FILE.contains(&format!("${{{name}}}"));
        assert!(used, "{name}");
    }
}

#[test]
fn the_deployments_that_are_shown_give_parameters_that_there_are() {
    let template: Value = serde_saphyr::from_str(FILE).unwrap();
    let parameters = template["Parameters"].as_object().unwrap();
    let required: BTreeSet<&str> =
        parameters.iter().filter(|(_, of)| of.get("Default").is_none()).map(|(name, _)| name.as_str()).collect();
    for text in [README, FILE] {
        let commands = text.replace("\\\n", " ");
        let (_, rest) = commands.split_once("--parameter-overrides ").unwrap();
        let given = rest.lines().next().unwrap().split_whitespace().map(|word| word.split_once('=').unwrap());
        let given: Vec<(&str, &str)> = given.collect();
        for (name, value) in &given {
            let parameter = parameters.get(*name).unwrap_or_else(|| panic!("no parameter {name}"));
            let allowed = parameter.get("AllowedValues").and_then(Value::as_array);
            assert!(allowed.is_none_or(|allowed| allowed.contains(&json!(value))), "{name}={value}");
        }
        let names: BTreeSet<&str> = given.into_iter().map(|(name, _)| name).collect();
        assert!(required.is_subset(&names), "{required:?} of {names:?}");
    }
    let output = README.split("OutputKey=='").nth(1).unwrap().split('\'').next().unwrap();
    assert!(template["Outputs"].get(output).is_some(), "no output {output}");
}

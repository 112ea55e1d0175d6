//! `lambda.yaml`, as CloudFormation and the program read it.

mod alarms;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::sync::LazyLock;

use serde_json::{Map, Value, json};
use wafsync::cli::{self, Invocation};
use wafsync::preflight::iam_policy;

const FILE: &str = include_str!("../../lambda.yaml");
const README: &str = include_str!("../../README.md");
const OPERATIONS: &str = include_str!("../../docs/operations.md");

const TABLE: &str = "arn:aws:dynamodb:eu-central-1:111122223333:table/clusters";
const WEB_ACL: &str =
    "arn:aws:wafv2:eu-central-1:111122223333:regional/webacl/front/00000000-0000-0000-0000-000000000000";

static TEMPLATE: LazyLock<Value> = LazyLock::new(|| serde_saphyr::from_str(FILE).unwrap());

/// The template with its parameters, functions and conditions resolved. Resources whose condition is false are left
/// out.
struct Stack {
    parameters: Map<String, Value>,
}

impl Stack {
    fn new(given: &[(&str, &str)]) -> Self {
        let mut parameters: Map<String, Value> = Map::new();
        for (name, parameter) in TEMPLATE["Parameters"].as_object().unwrap() {
            parameters.insert(name.clone(), parameter["Default"].clone());
        }
        for (name, value) in given {
            assert!(parameters.insert((*name).to_owned(), json!(value)).is_some(), "no parameter {name}");
        }
        for (name, value) in [("Partition", "aws"), ("Region", "eu-central-1"), ("AccountId", "111122223333")] {
            parameters.insert(format!("AWS::{name}"), json!(value));
        }
        parameters.insert("AWS::NoValue".to_owned(), Value::Null);
        Self { parameters }
    }

    /// The properties of a resource. `None` if its condition is false.
    fn resource(&self, name: &str) -> Option<Value> {
        let resource = &TEMPLATE["Resources"][name];
        assert!(resource.is_object(), "no resource {name}");
        let there = resource.get("Condition").is_none_or(|condition| self.holds(&json!({ "Condition": condition })));
        there.then(|| self.resolve(&resource["Properties"]))
    }

    /// Whether every assertion of the applicable rules holds.
    fn is_allowed(&self) -> bool {
        let rules = TEMPLATE["Rules"].as_object().unwrap().values();
        let applying = rules.filter(|rule| rule.get("RuleCondition").is_none_or(|condition| self.holds(condition)));
        let mut assertions = applying.flat_map(|rule| rule["Assertions"].as_array().unwrap());
        assertions.all(|assertion| self.holds(&assertion["Assert"]))
    }

    fn holds(&self, condition: &Value) -> bool {
        let (function, argument) = condition.as_object().unwrap().iter().next().unwrap();
        let parts = || argument.as_array().unwrap().iter();
        match function.as_str() {
            "Condition" => self.holds(&TEMPLATE["Conditions"][argument.as_str().unwrap()]),
            "Fn::Not" => !self.holds(&argument[0]),
            "Fn::And" => parts().all(|part| self.holds(part)),
            "Fn::Or" => parts().any(|part| self.holds(part)),
            "Fn::Equals" => self.resolve(&argument[0]) == self.resolve(&argument[1]),
            "Fn::Contains" => argument[0].as_array().unwrap().contains(&self.resolve(&argument[1])),
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

    /// The value of a function. `None` if it is not a function.
    fn call(&self, function: &str, argument: &Value) -> Option<Value> {
        Some(match function {
            "Ref" => {
                let name = argument.as_str().unwrap();
                let own = || TEMPLATE["Resources"].get(name).map(|_| json!(format!("<{name}>")));
                self.parameters
                    .get(name)
                    .cloned()
                    .or_else(own)
                    .unwrap_or_else(|| panic!("there is no {name} to refer to"))
            }
            "Fn::GetAtt" => {
                let name = argument[0].as_str().unwrap();
                assert!(TEMPLATE["Resources"].get(name).is_some(), "no resource {name}");
                match (name, argument[1].as_str().unwrap()) {
                    ("Table", "Arn") => json!(TABLE),
                    ("WebAcl", "Arn") => json!(WEB_ACL),
                    (name, attribute) => json!(format!("<{name}.{attribute}>")),
                }
            }
            "Fn::Sub" => {
                // Variables may follow the text.
                let (text, own) = argument.as_array().map_or((argument, &Value::Null), |parts| (&parts[0], &parts[1]));
                let own = own.as_object().into_iter().flatten().map(|(name, value)| (name, self.resolve(value)));
                let parameters = self.parameters.iter().map(|(name, value)| (name, value.clone()));
                let mut text = text.as_str().unwrap().to_owned();
                for (name, value) in own.chain(parameters) {
                    text = text.replace(&format!("${{{name}}}"), value.as_str().unwrap_or_default());
                }
                assert!(!text.contains("${"), "{text}");
                json!(text)
            }
            "Fn::Split" => {
                let text = self.resolve(&argument[1]);
                text.as_str().unwrap().split(argument[0].as_str().unwrap()).collect()
            }
            "Fn::Select" => {
                let index = usize::try_from(argument[0].as_u64().unwrap()).unwrap();
                self.resolve(&argument[1]).get(index).unwrap_or_else(|| panic!("no item {argument}")).clone()
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

/// The output of `wafsync iam-policy` for the environment of the function.
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
const GROUPS: [(&str, &str); 4] = [
    ("RuleGroup1Arn", "arn:one"),
    ("RuleGroup2Arn", "arn:two"),
    ("RuleGroup3Arn", "arn:three"),
    ("RuleGroup4Arn", "arn:four"),
];

/// The allowed values of a parameter.
fn allowed(parameter: &str) -> Vec<String> {
    let values = TEMPLATE["Parameters"][parameter]["AllowedValues"].as_array().unwrap().iter();
    values.map(|value| value.as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_role_has_exactly_the_permissions_of_iam_policy() {
    let max_ip_sets = allowed("MaxIpSets");
    let mut all: Vec<Vec<(&str, &str)>> = [&OWN_TABLE[..], &OWN_WEB_ACL, &ALL_MADE, &[]].map(<[_]>::to_vec).to_vec();
    all.extend(max_ip_sets.iter().map(|count| vec![("MaxIpSets", count.as_str()), ("Name", "edge")]));
    for sets in ["offices", "a_lambda,offices", "a,b,c", "a,b,c,d"] {
        all.push(vec![("Adopt", sets), ("TableArn", TABLE), ("MaxIpSets", "150"), ("ExpiryAttribute", "ttl")]);
    }
    for given in all {
        let stack = Stack::new(&given);
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
    let (program, ..) = cli::settings_from_env([("WAFSYNC_TABLE".into(), TABLE.into())]).unwrap();
    assert_eq!(format!("{settings:?}"), format!("{program:?}"), "the defaults are those of the program");
    let migration = [("Adopt", "offices,a_lambda"), ("MaxIpSets", "200"), ("ExpiryAttribute", "ttl")];
    let (settings, ..) = cli::settings_from_env(Stack::new(&migration).variables()).unwrap();
    assert_eq!(settings.waf.adopt, ["a_lambda", "offices"].map(str::to_owned).into());
    assert_eq!((settings.waf.limits.max_ip_sets, settings.table.expiry_attribute.as_deref()), (200, Some("ttl")));
}

#[test]
fn the_function_never_overlaps_and_is_not_retried() {
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
fn the_operations_page_matches_the_event_source_mapping() {
    let wake_up = Stack::new(&ALL_MADE).resource("WakeUp").unwrap();
    let row = |properties: &[&str]| {
        let names: Vec<String> = properties.iter().map(|property| format!("`{property}`")).collect();
        let values: Vec<String> = properties.iter().map(|property| wake_up[*property].to_string()).collect();
        format!("\n| {} | {} | ", names.join(", "), values.join(", "))
    };
    for properties in [
        &["MaximumRetryAttempts"][..],
        &["MaximumRecordAgeInSeconds"],
        &["BatchSize", "MaximumBatchingWindowInSeconds"],
    ] {
        assert!(OPERATIONS.contains(&row(properties)), "{}", row(properties));
    }
}

#[test]
fn table_stream_and_web_acl_are_created_only_on_request() {
    let there = |given: &[(&str, &str)]| {
        let stack = Stack::new(given);
        ["Table", "WakeUp", "WebAcl", "Protection"].map(|name| stack.resource(name).is_some())
    };
    assert_eq!(there(&[]), [true, false, false, false]);
    assert_eq!(there(&OWN_WEB_ACL), [false; 4]);
    assert_eq!(there(&ALL_MADE), [true; 4]);
    let own = [("TableArn", TABLE), ("WakeUpOnChange", "true"), ("TableStreamArn", "arn:stream")];
    let wake_up = Stack::new(&own).resource("WakeUp").unwrap();
    assert_eq!((&wake_up["EventSourceArn"], &wake_up["MaximumRetryAttempts"]), (&json!("arn:stream"), &json!(0)));
    // The permissions for the table, the wake-up and the stream.
    for (table, wakes_up, stream, allowed) in [
        (true, true, true, true),
        (true, true, false, false),
        (true, false, true, false),
        (true, false, false, true),
        (false, true, true, false),
        (false, true, false, true),
        (false, false, true, false),
        (false, false, false, true),
    ] {
        let given = own.into_iter().zip([table, wakes_up, stream]).filter(|(_, is_given)| *is_given);
        let given: Vec<_> = given.map(|(parameter, _)| parameter).collect();
        assert_eq!(Stack::new(&given).is_allowed(), allowed, "{given:?}");
    }
}

#[test]
fn the_web_acl_of_the_stack_blocks_and_refers_to_each_rule_group_once() {
    for (max_ip_sets, groups) in allowed("MaxIpSets").iter().zip(1..) {
        let given: Vec<_> =
            [("MaxIpSets", max_ip_sets.as_str())].into_iter().chain(GROUPS[..groups].to_vec()).collect();
        let stack = Stack::new(&given);
        let (settings, ..) = cli::settings_from_env(stack.variables()).unwrap();
        assert_eq!(settings.waf.limits.rule_groups(), groups);
        let web_acl = stack.resource("WebAcl").unwrap();
        assert_eq!(web_acl["DefaultAction"], json!({"Block": {}}));
        let rules = web_acl["Rules"].as_array().unwrap();
        assert_eq!(rules.len(), groups);
        for ((rule, priority), (_, arn)) in rules.iter().zip(0..).zip(GROUPS) {
            assert_eq!(rule["Statement"], json!({"RuleGroupReferenceStatement": {"Arn": arn}}));
            assert_eq!(rule["OverrideAction"], json!({"None": {}}), "Count would switch it off");
            assert_eq!(
                (&rule["Priority"], rule["Name"] == rule["VisibilityConfig"]["MetricName"]),
                (&json!(priority), true)
            );
        }
    }
}

#[test]
fn parameters_without_effect_are_rejected() {
    // Also with a load balancer or a web ACL of the user.
    let front = [("LoadBalancerArn", "arn:front")];
    let own = [("WebAclArn", WEB_ACL)];
    assert!(Stack::new(&own).is_allowed());
    assert!(!Stack::new(&front).is_allowed(), "nothing is protected");
    assert!(
        !Stack::new(&[own, front].concat()).is_allowed(),
        "not here either: the stack does not change that web ACL"
    );
    for (max_ip_sets, wanted) in allowed("MaxIpSets").iter().zip(1..) {
        let max_ip_sets = [("MaxIpSets", max_ip_sets.as_str())];
        // Every choice of rule groups.
        for choice in 0..1 << GROUPS.len() {
            let groups: Vec<_> =
                (0..GROUPS.len()).filter(|bit| choice >> bit & 1 == 1).map(|bit| GROUPS[bit]).collect();
            let given = [&max_ip_sets[..], &groups].concat();
            let right = groups.is_empty() || groups == GROUPS[..wanted];
            assert_eq!(Stack::new(&given).is_allowed(), right, "{given:?}");
            let both = [&given[..], &front].concat();
            assert_eq!(Stack::new(&both).is_allowed(), right && !groups.is_empty(), "{both:?}");
            let both = [&given[..], &own].concat();
            assert_eq!(Stack::new(&both).is_allowed(), groups.is_empty(), "{both:?}");
        }
    }
}

#[test]
fn every_parameter_is_in_a_group_and_used() {
    let groups = TEMPLATE["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"].as_array().unwrap();
    let grouped = groups.iter().flat_map(|group| group["Parameters"].as_array().unwrap());
    let grouped: BTreeSet<&str> = grouped.map(|name| name.as_str().unwrap()).collect();
    let parameters: BTreeSet<&str> = TEMPLATE["Parameters"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(grouped, parameters);
    for name in parameters {
        let used = FILE.contains(&format!("{{ Ref: {name} }}")) || FILE.contains(&format!("${{{name}}}"));
        assert!(used, "{name}");
    }
}

#[test]
fn the_documented_deployments_use_existing_parameters() {
    let parameters = TEMPLATE["Parameters"].as_object().unwrap();
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
    assert!(TEMPLATE["Outputs"].get(output).is_some(), "no output {output}");
}

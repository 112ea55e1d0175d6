//! Lists with all their pages, IPv6, tags and web ACLs, in a Region without other resources.

use aws_config::{Region, SdkConfig};
use aws_sdk_wafv2::Client;
use aws_sdk_wafv2::types::{BlockAction, DefaultAction, IpAddressVersion, Scope, Tag};
use serde_json::json;
use wafsync_test_aws::Aws;

use super::{Difference, Transcript, compare, sdk, sorted, stand_in, visibility};

const REGION: &str = "eu-west-1";

/// A list with more pages than this does not end.
const MOST_PAGES: usize = 10;

const DIFFERENCES: [Difference; 7] = [
    (
        "read an IPv6 set",
        "2001:0db8:000a:0000:0000:0000:0000:0000/48 2001:0db8:000b:0000:0000:0000:0000:0001/128",
        "2001:db8:a::/48 2001:db8:b:0::1/128",
        "both spellings occur, so only parsed values may be compared; the stand-in uses the harder one",
    ),
    (
        "create an IPv6 set of IPv4",
        "WAFInvalidParameterException",
        "ok",
        "a set holds one family, fixed when it is created",
    ),
    (
        "create an IPv6 set with host bits set",
        "WAFInvalidParameterException",
        "ok",
        "whether AWS accepts them is unknown, so they must never be sent",
    ),
    (
        "create one with a tag that has angle brackets",
        "ValidationException",
        "ok",
        "a tag's value has letters, digits, blanks and _ . : / = + - @ (the model's pattern)",
    ),
    ("create one with 51 tags", "ValidationException", "ok", "at most 50 tags"),
    ("list 101 to a page", "ValidationException", "ok", "a page has 1 to 100 summaries (the model's range of Limit)"),
    (
        "list from a marker that no page gave",
        "ValidationException",
        "InvalidToken",
        "InvalidToken is not one of ListIPSets' errors",
    ),
];

/// Compares lists, IPv6, tags and web ACLs, and returns the number of steps.
pub(super) async fn compare_all(theirs: &SdkConfig) -> usize {
    let aws = stand_in(REGION);
    let ours = Client::new(&sdk(&aws, REGION));
    let theirs = Client::new(&theirs.to_builder().region(Region::new(REGION)).build());
    for number in 0..3 {
        let name = acl(number);
        aws.put_web_acl("REGIONAL", &name, "Block", json!([]));
        let create = theirs.create_web_acl().scope(Scope::Regional).name(name).visibility_config(visibility());
        let block = DefaultAction::builder().block(BlockAction::builder().build()).build();
        create.default_action(block).send().await.unwrap();
    }
    let our_tags = async |_: String| tags_of(&aws, "conformance-tagged");
    let their_tags = async |arn: String| {
        let answer = theirs.list_tags_for_resource().resource_arn(arn).send().await.unwrap();
        let tags = answer.tag_info_for_resource.unwrap().tag_list.unwrap_or_default();
        shown(tags.iter().map(|tag| (tag.key(), tag.value())))
    };
    compare("moto", &talk(&ours, our_tags).await, &talk(&theirs, their_tags).await, &DIFFERENCES)
}

fn acl(number: usize) -> String {
    format!("conformance-acl-{number}")
}

fn tags_of(aws: &Aws, name: &str) -> String {
    let set = aws.ip_set(name).unwrap();
    shown(set.tags.iter().map(|(key, value)| (key.as_str(), value.as_str())))
}

fn shown<'a>(tags: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut tags: Vec<String> = tags.map(|(key, value)| format!("{key}={value}")).collect();
    tags.sort_unstable();
    tags.join(" ")
}

async fn talk(client: &Client, tags_of: impl AsyncFn(String) -> String) -> Transcript {
    let mut said = Transcript::default();
    let set = |name: &str, version: IpAddressVersion, addresses: &[&str]| {
        let addresses = addresses.iter().map(ToString::to_string).collect();
        let create = client.create_ip_set().scope(Scope::Regional).name(format!("conformance-{name}"));
        create.ip_address_version(version).set_addresses(Some(addresses))
    };

    let v6 = set("v6", IpAddressVersion::Ipv6, &["2001:db8:a::/48", "2001:db8:b:0::1/128"]).send().await;
    let made = said.note("create an IPv6 set", v6, |_| "ok".into());
    let id = made.and_then(|made| made.summary).and_then(|summary| summary.id).unwrap();
    let get = client.get_ip_set().scope(Scope::Regional).name("conformance-v6").id(id).send().await;
    said.note("read an IPv6 set", get, |read| sorted(&read.ip_set().unwrap().addresses));
    let v4 = set("v4-in-v6", IpAddressVersion::Ipv6, &["192.0.2.1/32"]).send().await;
    said.note("create an IPv6 set of IPv4", v4, |_| "ok".into());
    let bits = set("bits", IpAddressVersion::Ipv6, &["2001:db8:a::1/48"]).send().await;
    said.note("create an IPv6 set with host bits set", bits, |_| "ok".into());

    let tag = |key: String, value: &str| Tag::builder().key(key).value(value).build().unwrap();
    let tagged = set("tagged", IpAddressVersion::Ipv4, &[]).tags(tag("managed-by".into(), "wafsync"));
    let made = said.note("create one with tags", tagged.tags(tag("team".into(), "")).send().await, |_| "ok".into());
    let arn = made.and_then(|made| made.summary).and_then(|summary| summary.arn).unwrap();
    said.0.push(("its tags", tags_of(arn).await));
    let odd = set("odd-tag", IpAddressVersion::Ipv4, &[]).tags(tag("team".into(), "<b>")).send().await;
    said.note("create one with a tag that has angle brackets", odd, |_| "ok".into());
    let many = (0..51).map(|number| tag(format!("tag-{number}"), "")).collect();
    let many = set("tags", IpAddressVersion::Ipv4, &[]).set_tags(Some(many)).send().await;
    said.note("create one with 51 tags", many, |_| "ok".into());

    for name in ["list-1", "list-2", "list-3", "list-4", "list-5"] {
        set(name, IpAddressVersion::Ipv4, &[]).send().await.unwrap();
        let create = client.create_rule_group().scope(Scope::Regional).name(format!("conformance-{name}"));
        create.capacity(1).visibility_config(visibility()).send().await.unwrap();
    }
    let list = || client.list_ip_sets().scope(Scope::Regional);
    let sets = read_on(async |marker| {
        let page = list().limit(2).set_next_marker(marker).send().await.unwrap();
        (page.ip_sets().iter().map(|set| set.name().unwrap().to_owned()).collect(), page.next_marker)
    });
    said.0.push(("list the IP sets two to a page", sets.await));
    let groups = read_on(async |marker| {
        let list = client.list_rule_groups().scope(Scope::Regional).limit(2).set_next_marker(marker);
        let page = list.send().await.unwrap();
        (page.rule_groups().iter().map(|group| group.name().unwrap().to_owned()).collect(), page.next_marker)
    });
    said.0.push(("list the rule groups two to a page", groups.await));
    let acls = read_on(async |marker| {
        let list = client.list_web_acls().scope(Scope::Regional).limit(2).set_next_marker(marker);
        let page = list.send().await.unwrap();
        (page.web_acls().iter().map(|acl| acl.name().unwrap().to_owned()).collect(), page.next_marker)
    });
    said.0.push(("list the web ACLs two to a page", acls.await));
    said.note("list 101 to a page", list().limit(101).send().await, |_| "ok".into());
    let strange = list().next_marker("strange").send().await;
    said.note("list from a marker that no page gave", strange, |_| "ok".into());

    about_web_acls(client, &mut said).await;
    said
}

async fn about_web_acls(client: &Client, said: &mut Transcript) {
    let listed = client.list_web_acls().scope(Scope::Regional).send().await.unwrap();
    let summary = listed.web_acls().iter().find(|found| found.name() == Some(&acl(0))).unwrap();
    let show = |read: &aws_sdk_wafv2::operation::get_web_acl::GetWebAclOutput| {
        let acl = read.web_acl().unwrap();
        let blocks = acl.default_action().is_some_and(|action| action.block().is_some());
        format!("{}, {} rules, blocks: {blocks}", acl.name(), acl.rules().len())
    };
    let by_arn = client.get_web_acl().arn(summary.arn().unwrap()).send().await;
    said.note("read a web ACL by its ARN", by_arn, show);
    let by_name = client.get_web_acl().scope(Scope::Regional).name(acl(0)).id(summary.id().unwrap()).send().await;
    said.note("read a web ACL by name and id", by_name, show);
    let unknown = summary.arn().unwrap().replace(summary.id().unwrap(), "00000000-0000-0000-0000-000000000000");
    said.note("read an unknown web ACL", client.get_web_acl().arn(unknown).send().await, show);
}

/// The names of a list, read as wafsync does, until there is no marker. Names that only one side accepted are left out.
async fn read_on(page: impl AsyncFn(Option<String>) -> (Vec<String>, Option<String>)) -> String {
    let (mut names, mut marker, mut pages) = (Vec::new(), None, 0);
    loop {
        let (more, next) = page(marker).await;
        names.extend(more.into_iter().filter(|name| name.contains("-list-") || name.contains("-acl-")));
        pages += 1;
        assert!(pages < MOST_PAGES, "the list does not end");
        marker = next;
        if marker.is_none() {
            break;
        }
    }
    names.sort_unstable();
    names.join(" ")
}

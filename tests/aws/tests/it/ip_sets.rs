//! IP sets: names, tokens, descriptions, addresses, tags, quotas.

use aws_sdk_wafv2::operation::create_ip_set::builders::CreateIPSetFluentBuilder;
use aws_sdk_wafv2::operation::update_ip_set::builders::UpdateIPSetFluentBuilder;
use aws_sdk_wafv2::types::{IpAddressVersion, Scope, Tag};
use wafsync_test_aws::{Aws, Config};

use crate::support::{calm, create, refusal, waf, waf_in};

const PARAMETER: &str = "WAFInvalidParameterException IP_ADDRESS";

/// Changes a valid create, sends it, and returns the outcome.
async fn try_create(change: impl FnOnce(CreateIPSetFluentBuilder) -> CreateIPSetFluentBuilder) -> String {
    let aws = Aws::new(calm());
    let request = waf(&aws)
        .create_ip_set()
        .name("one")
        .scope(Scope::Regional)
        .ip_address_version(IpAddressVersion::Ipv4)
        .set_addresses(Some(Vec::new()));
    let outcome = refusal(change(request).send().await);
    assert_eq!(outcome == "ok", !aws.ip_sets().is_empty(), "an IP set exists if and only if the call succeeded");
    outcome
}

/// Changes a valid update, sends it, and returns the outcome.
async fn try_update(change: impl FnOnce(UpdateIPSetFluentBuilder) -> UpdateIPSetFluentBuilder) -> String {
    let aws = Aws::new(calm());
    aws.put_ip_set("REGIONAL", "one", "IPV4", &["192.0.2.1/32"], None);
    let before = aws.ip_set("one").unwrap();
    let request = waf(&aws)
        .update_ip_set()
        .name("one")
        .scope(Scope::Regional)
        .id(&before.id)
        .lock_token(&before.lock_token)
        .addresses("198.51.100.0/24");
    let outcome = refusal(change(request).send().await);
    assert_eq!(outcome == "ok", aws.ip_set("one").unwrap() != before, "it changes if and only if the call succeeded");
    outcome
}

#[tokio::test]
async fn a_name_has_1_to_128_letters_digits_underscores_and_hyphens() {
    assert_eq!(try_create(|create| create.name("a".repeat(128))).await, "ok");
    assert_eq!(try_create(|create| create.name("A-b_3")).await, "ok");
    assert_eq!(try_create(|create| create.set_name(None)).await, "ValidationException");
    for bad in ["", "with space", "dot.ted", "a/b", &"a".repeat(129)] {
        assert_eq!(try_create(|create| create.name(bad)).await, "ValidationException", "{bad:?}");
    }
}

#[tokio::test]
async fn an_id_and_a_lock_token_are_uuids() {
    assert_eq!(try_update(|update| update).await, "ok");
    for bad in ["", "1", "0123456789abcdef0123456789abcdef", "01234567-89AB-cdef-0123-456789abcdef"] {
        assert_eq!(try_update(|update| update.id(bad)).await, "ValidationException", "{bad:?}");
        assert_eq!(try_update(|update| update.lock_token(bad)).await, "ValidationException", "{bad:?}");
    }
    assert_eq!(try_update(|update| update.set_id(None)).await, "ValidationException");
    assert_eq!(try_update(|update| update.set_lock_token(None)).await, "ValidationException");
}

#[tokio::test]
async fn a_description_has_3_to_256_characters_of_a_narrow_alphabet() {
    for good in ["abc", "a b", "wafsync one sum:00 entries:1", "+=:#@/-,._"] {
        assert_eq!(try_create(|create| create.description(good)).await, "ok", "{good:?}");
        assert_eq!(try_update(|update| update.description(good)).await, "ok", "{good:?}");
    }
    for bad in ["", "ab", " ab", "ab ", "a(b)", "a;b", "a\"b", "a'b", &"a".repeat(257)] {
        assert_eq!(try_create(|create| create.description(bad)).await, "ValidationException", "{bad:?}");
        assert_eq!(try_update(|update| update.description(bad)).await, "ValidationException", "{bad:?}");
    }
}

#[tokio::test]
async fn a_version_and_a_scope_are_required_and_known() {
    assert_eq!(try_create(|create| create.set_ip_address_version(None)).await, "ValidationException");
    assert_eq!(try_create(|create| create.ip_address_version("IPV5".into())).await, "ValidationException");
    assert_eq!(try_create(|create| create.set_scope(None)).await, "ValidationException");
    assert_eq!(try_create(|create| create.scope("GLOBAL".into())).await, "ValidationException");
}

#[tokio::test]
async fn addresses_are_required_but_may_be_none() {
    assert_eq!(try_create(|create| create.set_addresses(None)).await, "ValidationException");
    assert_eq!(try_update(|update| update.set_addresses(None)).await, "ValidationException");
    assert_eq!(try_update(|update| update.set_addresses(Some(Vec::new()))).await, "ok");
}

#[tokio::test]
async fn an_address_is_a_cidr_of_the_right_family_without_host_bits() {
    for good in ["192.0.2.0/24", "198.51.100.7/32", "128.0.0.0/1"] {
        assert_eq!(try_create(|create| create.addresses(good)).await, "ok", "{good:?}");
        assert_eq!(try_update(|update| update.addresses(good)).await, "ok", "{good:?}");
    }
    let bad =
        ["192.0.2.1", "192.0.2.1/24", "0.0.0.0/0", "192.0.2.0/33", "192.0.2.256/32", "2001:db8::/32", "host", " "];
    for bad in bad {
        assert_eq!(try_create(|create| create.addresses(bad)).await, PARAMETER, "{bad:?}");
        assert_eq!(try_update(|update| update.addresses(bad)).await, PARAMETER, "{bad:?}");
    }
    let version6 = |create: CreateIPSetFluentBuilder| create.ip_address_version(IpAddressVersion::Ipv6);
    assert_eq!(try_create(|create| version6(create).addresses("2001:db8::/32")).await, "ok");
    for bad in ["2001:db8::1", "2001:db8::1/32", "::/0", "192.0.2.0/24"] {
        assert_eq!(try_create(|create| version6(create).addresses(bad)).await, PARAMETER, "{bad:?}");
    }
}

#[tokio::test]
async fn an_address_has_1_to_50_characters() {
    for bad in ["", &"1".repeat(51)] {
        assert_eq!(try_create(|create| create.addresses(bad)).await, "ValidationException", "{bad:?}");
        assert_eq!(try_update(|update| update.addresses(bad)).await, "ValidationException", "{bad:?}");
    }
}

#[tokio::test]
async fn addresses_are_unique_but_cidrs_may_overlap() {
    let twice = |create: CreateIPSetFluentBuilder| create.addresses("192.0.2.0/24").addresses("192.0.2.0/24");
    assert_eq!(try_create(twice).await, PARAMETER);
    let overlap = |create: CreateIPSetFluentBuilder| create.addresses("192.0.2.0/24").addresses("192.0.2.0/25");
    assert_eq!(try_create(overlap).await, "ok");
}

#[tokio::test]
async fn a_set_holds_as_many_addresses_as_its_quota() {
    let cidrs = |count: u32| Some((0..count).map(|n| format!("10.0.{}.{}/32", n / 256, n % 256)).collect());
    assert_eq!(try_create(|create| create.set_addresses(cidrs(10_000))).await, "ok");
    assert_eq!(try_create(|create| create.set_addresses(cidrs(10_001))).await, "WAFLimitsExceededException");
    assert_eq!(try_update(|update| update.set_addresses(cidrs(10_000))).await, "ok");
    assert_eq!(try_update(|update| update.set_addresses(cidrs(10_001))).await, "WAFLimitsExceededException");
}

#[tokio::test]
async fn an_account_holds_as_many_sets_as_its_quota_in_each_region() {
    let aws = Aws::new(Config { max_ip_sets: 2, ..calm() });
    for name in ["one", "two"] {
        create(&waf(&aws), name).await;
    }
    let third = |client: aws_sdk_wafv2::Client| {
        client
            .create_ip_set()
            .name("three")
            .scope(Scope::Regional)
            .ip_address_version(IpAddressVersion::Ipv4)
            .set_addresses(Some(Vec::new()))
            .send()
    };
    assert_eq!(refusal(third(waf(&aws)).await), "WAFLimitsExceededException");
    assert_eq!(refusal(third(waf_in(&aws, "eu-west-1")).await), "ok");
}

#[tokio::test]
async fn tags_are_distinct_and_well_formed() {
    let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build().unwrap();
    let with = |tags: Vec<Tag>| try_create(move |create| create.set_tags(Some(tags)));
    let many = |count: usize| (0..count).map(|n| tag(&format!("k{n}"), "")).collect::<Vec<_>>();
    assert_eq!(with(vec![tag("managed-by", "wafsync"), tag("Größe", "a b_.:/=+-@")]).await, "ok");
    assert_eq!(with(many(50)).await, "ok");
    assert_eq!(with(many(51)).await, "ValidationException");
    assert_eq!(with(vec![tag("", "x")]).await, "ValidationException");
    assert_eq!(with(vec![tag(&"k".repeat(129), "x")]).await, "ValidationException");
    assert_eq!(with(vec![tag("k", &"x".repeat(257))]).await, "ValidationException");
    assert_eq!(with(vec![tag("k", "a;b")]).await, "ValidationException");
    assert_eq!(with(vec![tag("k", "x"), tag("k", "y")]).await, "WAFInvalidParameterException TAGS");
    assert_eq!(with(vec![tag("aws:k", "x")]).await, "WAFInvalidParameterException TAG_KEYS");
}

#[tokio::test]
async fn names_are_unique_in_a_region_and_scope() {
    let aws = Aws::new(calm());
    create(&waf(&aws), "one").await;
    let again = |client: &aws_sdk_wafv2::Client, scope| {
        let create = client.create_ip_set().name("one").scope(scope).ip_address_version(IpAddressVersion::Ipv6);
        create.set_addresses(Some(Vec::new())).send()
    };
    assert_eq!(refusal(again(&waf(&aws), Scope::Regional).await), "WAFDuplicateItemException");
    assert_eq!(refusal(again(&waf_in(&aws, "us-east-1"), Scope::Regional).await), "ok");
    assert_eq!(refusal(again(&waf_in(&aws, "us-east-1"), Scope::Cloudfront).await), "ok");
}

#[tokio::test]
async fn the_global_scope_is_valid_only_in_us_east_1() {
    let aws = Aws::new(calm());
    aws.put_ip_set("CLOUDFRONT", "one", "IPV4", &[], None);
    let list = |client: aws_sdk_wafv2::Client| client.list_ip_sets().scope(Scope::Cloudfront).send();
    assert_eq!(refusal(list(waf(&aws)).await), "WAFInvalidParameterException SCOPE_VALUE");
    let sets = list(waf_in(&aws, "us-east-1")).await.unwrap();
    let arn = sets.ip_sets()[0].arn().unwrap();
    assert!(arn.starts_with("arn:aws:wafv2:us-east-1:111122223333:global/ipset/one/"), "{arn}");
}

#[tokio::test]
async fn a_stale_lock_token_is_rejected() {
    let aws = Aws::new(calm());
    aws.put_ip_set("REGIONAL", "one", "IPV4", &["192.0.2.1/32"], None);
    let before = aws.ip_set("one").unwrap();
    let update = |token: &str| {
        let update = waf(&aws).update_ip_set().name("one").scope(Scope::Regional).id(&before.id);
        update.lock_token(token).addresses("198.51.100.0/24").send()
    };
    let first = update(&before.lock_token).await.unwrap();
    assert_eq!(refusal(update(&before.lock_token).await), "WAFOptimisticLockException");
    let next = first.next_lock_token().unwrap();
    assert_eq!(next, aws.ip_set("one").unwrap().lock_token);
    aws.edit_ip_set("one", Vec::clear);
    assert_eq!(refusal(update(next).await), "WAFOptimisticLockException");
}

#[tokio::test]
async fn name_and_id_must_both_match() {
    let nowhere = "00000000-0000-0000-0000-000000000000";
    assert_eq!(try_update(|update| update.id(nowhere)).await, "WAFNonexistentItemException");
    assert_eq!(try_update(|update| update.name("two")).await, "WAFNonexistentItemException");
    let aws = Aws::new(calm());
    let get = waf(&aws).get_ip_set().name("one").scope(Scope::Regional).id(nowhere).send();
    assert_eq!(refusal(get.await), "WAFNonexistentItemException");
}

#[tokio::test]
async fn an_update_without_a_description_drops_it_and_get_returns_an_empty_one() {
    let aws = Aws::new(calm());
    aws.put_ip_set("REGIONAL", "one", "IPV4", &[], Some("wafsync one"));
    aws.tag_ip_set("one", &[("managed-by", "wafsync")]);
    let view = aws.ip_set("one").unwrap();
    let client = waf(&aws);
    let get = || client.get_ip_set().name("one").scope(Scope::Regional).id(&view.id).send();
    let read = get().await.unwrap();
    assert_eq!(read.ip_set().unwrap().description(), Some("wafsync one"));
    assert_eq!(read.lock_token(), Some(view.lock_token.as_str()));
    let update = client.update_ip_set().name("one").scope(Scope::Regional).id(&view.id).lock_token(&view.lock_token);
    update.addresses("192.0.2.0/24").send().await.unwrap();
    assert_eq!(get().await.unwrap().ip_set().unwrap().description(), Some(""));
    let after = aws.ip_set("one").unwrap();
    assert_eq!((after.description, after.tags), (None, view.tags));
}

#[tokio::test]
async fn get_returns_addresses_in_an_arbitrary_order_and_ipv6_expanded() {
    let aws = Aws::new(calm());
    let cidrs: Vec<String> = (0..100).map(|n| format!("198.51.100.{n}/32")).collect();
    let borrowed: Vec<&str> = cidrs.iter().map(String::as_str).collect();
    aws.put_ip_set("REGIONAL", "four", "IPV4", &borrowed, None);
    aws.put_ip_set("REGIONAL", "six", "IPV6", &["2001:db8:0:1::/64"], None);
    let read = async |name: &str| {
        let id = aws.ip_set(name).unwrap().id;
        let read = waf(&aws).get_ip_set().name(name).scope(Scope::Regional).id(id).send().await.unwrap();
        read.ip_set().unwrap().addresses().to_vec()
    };
    let mut four = read("four").await;
    assert_eq!(four, read("four").await, "the same content has the same order");
    assert_ne!(four, cidrs);
    four.sort_unstable();
    let mut sorted = cidrs.clone();
    sorted.sort_unstable();
    assert_eq!(four, sorted);
    assert_eq!(read("six").await, ["2001:0db8:0000:0001:0000:0000:0000:0000/64"]);
    assert_eq!(aws.ip_set("six").unwrap().addresses, ["2001:db8:0:1::/64"]);
}

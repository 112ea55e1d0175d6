//! The minimum that any program on the AWS SDK has to do: reads the table and the IP sets, and discards them.

use std::collections::HashMap;

use aws_config::BehaviorVersion;
use aws_sdk_wafv2::types::Scope;

pub(crate) fn drain() {
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let http = aws_smithy_http_client::Builder::new().build_http();
        let sdk = aws_config::defaults(BehaviorVersion::latest()).http_client(http).load().await;
        tokio::join!(table(&sdk), ip_sets(&sdk));
    });
}

async fn table(sdk: &aws_config::SdkConfig) {
    let dynamodb = aws_sdk_dynamodb::Client::new(sdk);
    let mut key = None;
    loop {
        let names = HashMap::from([("#a0".to_owned(), "id".to_owned()), ("#a1".to_owned(), "ips".to_owned())]);
        let request = dynamodb.scan().table_name("clusters").consistent_read(true).projection_expression("#a0, #a1");
        let request = request.set_expression_attribute_names(Some(names)).set_exclusive_start_key(key);
        key = request.send().await.unwrap().last_evaluated_key;
        if key.is_none() {
            break;
        }
    }
}

async fn ip_sets(sdk: &aws_config::SdkConfig) {
    let waf = aws_sdk_wafv2::Client::new(sdk);
    let mut marker = None;
    loop {
        let request = waf.list_ip_sets().scope(Scope::Regional).limit(100).set_next_marker(marker);
        let list = request.send().await.unwrap();
        for set in list.ip_sets.unwrap_or_default() {
            let (name, id) = (set.name.unwrap(), set.id.unwrap());
            waf.get_ip_set().scope(Scope::Regional).name(name).id(id).send().await.unwrap();
        }
        marker = list.next_marker;
        if marker.is_none() {
            break;
        }
    }
}

//! Secrets: credentials on the network, credentials and account ids in the log.

use serde_json::json;

use crate::process::{Process, Receiver};

const ACCOUNT: &str = "111122223333";
const KEY_ID: &str = "AKIDNEVERLOGGED";
const SECRET: &str = "secret-never-logged";
const TOKEN: &str = "token-never-logged";

#[tokio::test]
async fn no_credential_call_is_sent_in_clear_text() {
    let (process, sts) = (Process::new().await, Receiver::new(200).await);
    let folder = tempfolder("identity");
    let file = folder.join("token");
    std::fs::write(&file, TOKEN).unwrap();
    // The server is on loopback under another name, so nothing leaves this machine even if the call is not rejected.
    let endpoint = sts.url.replace("127.0.0.1", "[::ffff:127.0.0.1]");
    let env = [
        ("AWS_ACCESS_KEY_ID", ""),
        ("AWS_SECRET_ACCESS_KEY", ""),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", file.to_str().unwrap()),
        ("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/wafsync"),
        ("AWS_ENDPOINT_URL_STS", &endpoint),
    ];
    let ended = process.start_with(&["plan", "--log-format=json"], &env).end().await;
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let refusal = format!("{endpoint} is not https, and not this machine");
    assert!(ended.stderr.contains(&refusal), "{}", ended.stderr);
    assert!(sts.is_untouched(), "the token was sent");
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn no_log_at_any_level_has_credentials_or_account_ids() {
    let process = Process::new().await;
    process.item("a", &["198.51.100.7/32"]);
    let table = format!("--table=arn:aws:dynamodb:eu-central-1:{ACCOUNT}:table/clusters");
    assert_eq!(process.start(&["apply"]).end().await.code, Some(0));
    // A reference to a foreign set. The run reports it, and its ARN contains the account.
    process.aws.put_ip_set("REGIONAL", "theirs", "IPV4", &["192.0.2.0/24"], None);
    let theirs = process.aws.ip_set("theirs").unwrap().arn;
    assert!(theirs.contains(ACCOUNT));
    process.aws.edit_rule_group("wafsync-1", |rules| {
        let ours = rules[0]["Statement"].take();
        let both = json!([ours, {"IPSetReferenceStatement": {"ARN": theirs}}]);
        rules[0]["Statement"] = json!({"OrStatement": {"Statements": both}});
    });
    let env = [("AWS_ACCESS_KEY_ID", KEY_ID), ("AWS_SECRET_ACCESS_KEY", SECRET), ("AWS_SESSION_TOKEN", TOKEN)];
    for level in ["error", "warn", "info", "debug", "trace"] {
        for format in ["text", "json"] {
            let args = ["apply", &table, &format!("--log-level={level}"), &format!("--log-format={format}")];
            let ended = process.start_with(&args, &env).end().await;
            assert_eq!(ended.code, Some(3), "{}", ended.stderr);
            for secret in [ACCOUNT, KEY_ID, SECRET, TOKEN] {
                assert!(!ended.stderr.contains(secret), "{secret} at {level}:\n{}", ended.stderr);
            }
        }
    }
}

/// A folder used only by this test.
fn tempfolder(name: &str) -> std::path::PathBuf {
    let folder = std::env::temp_dir().join(format!("wafsync-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

//! The generic webhook by the real program: what a receiver gets, can verify, and can say.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::StatusCode;
use serde_json::{Value, json};
use sha2::Sha256;
use test_peers::endpoint::{Call, Reply};

use crate::client::post_json;
use crate::program::{Home, metric, webhook};
use crate::robot::Robot;

const PATH: &str = "/api/v1/alerts/ops";

fn settings(robot: &Robot, keys: &str) -> String {
    format!(
        "targets: {{ chat: {{ webhook: {{ url: '{}', secret_file: key, authorization: Bearer bearer-1, headers: {{ X-Team: gpu }} }}{keys} }} }}\n\
         receivers: {{ ops: {{ routes: [{{ targets: [chat] }}] }} }}\n",
        robot.url()
    )
}

fn header<'c>(call: &'c Call, name: &str) -> &'c str {
    call.headers.get(name).unwrap_or_else(|| panic!("no {name} in {:?}", call.headers)).to_str().unwrap()
}

/// As a receiver checks it: the documented words, no code of the relay's.
fn signature(call: &Call, key: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(format!("{}.{}.", header(call, "webhook-id"), header(call, "webhook-timestamp")).as_bytes());
    mac.update(&call.body);
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

#[test]
fn a_receiver_gets_signed_json_and_the_same_id_again() {
    let robot = Robot::start();
    let home = Home::new(&settings(&robot, ""));
    std::fs::write(home.path().join("key"), "shared-key-1\n").unwrap();
    let serving = home.serve();
    assert_eq!(post_json(serving.address, PATH, &webhook("DiskFull")).status, 200);

    let first = robot.next();
    let body: Value = serde_json::from_str(&first.body).unwrap();
    assert_eq!(body["alerts"][0]["labels"]["alertname"], "DiskFull", "{body}");
    assert_eq!((&body["status"], &body["counts"]["new"]), (&json!("firing"), &json!(1)));
    assert!(body["text"].as_str().unwrap().contains("DiskFull"), "{body}");
    assert_eq!(header(&first.call, "webhook-signature"), signature(&first.call, b"shared-key-1"));
    assert_eq!(header(&first.call, "authorization"), "Bearer bearer-1");
    assert_eq!(header(&first.call, "x-team"), "gpu");
    assert!(first.call.content_type().starts_with("application/json"));
    let id = header(&first.call, "webhook-id").to_owned();
    assert_eq!(body["delivery"], id.as_str());
    // Repeats the secret, which no log line may.
    first.reply(Reply::html(StatusCode::SERVICE_UNAVAILABLE, "no place for Bearer bearer-1"));

    let second = robot.next();
    assert_eq!(header(&second.call, "webhook-id"), id);
    assert_eq!(header(&second.call, "webhook-signature"), signature(&second.call, b"shared-key-1"));
    second.reply(Reply::html(StatusCode::ACCEPTED, ""));
    let line = serving.wait_for(&id);
    assert!(!line.contains("bearer-1"), "{line}");
    wait_until_delivered(&serving);
    let failed = "alert_relay_attempts_total{target=\"chat\",outcome=\"retry\",reason=\"busy\"}";
    assert_eq!(metric(&serving, failed), 1);
}

fn wait_until_delivered(serving: &crate::program::Serving) {
    let line = serving.wait_for("delivered");
    assert!(line.contains("chat"), "{line}");
    assert_eq!(metric(serving, "alert_relay_deliveries_pending{target=\"chat\"}"), 0);
}

#[test]
fn a_template_makes_the_json_and_a_label_cannot_break_it() {
    let robot = Robot::start();
    let home = Home::new(&settings(&robot, ", template: own.json.j2"));
    std::fs::write(home.path().join("key"), "shared-key-1").unwrap();
    let own = r#"{ "msg": {{ title }}, "team": {{ alerts[0].labels.team }}, "who": {{ alerts[0].name }} }"#;
    std::fs::write(home.path().join("own.json.j2"), own).unwrap();
    let serving = home.serve();
    assert_eq!(post_json(serving.address, PATH, &webhook(r#"Disk\\\", \"x\": \"y"#)).status, 200);
    let message = robot.next();
    let body: Value = serde_json::from_str(&message.body).unwrap();
    assert_eq!(body.as_object().unwrap().len(), 3, "{body}");
    assert!(body["who"].as_str().unwrap().contains("\"x\": \"y"), "{body}");
    assert_eq!(body["team"], "");
    message.reply(Reply::html(StatusCode::NO_CONTENT, ""));
    wait_until_delivered(&serving);
}

#[test]
fn a_refused_login_keeps_the_queue() {
    let robot = Robot::start();
    let home = Home::new(&settings(&robot, ""));
    std::fs::write(home.path().join("key"), "shared-key-1").unwrap();
    let serving = home.serve();
    assert_eq!(post_json(serving.address, PATH, &webhook("Locked")).status, 200);
    robot.next().reply(Reply::html(StatusCode::UNAUTHORIZED, "who are you"));
    let line = serving.wait_for("who are you");
    assert!(!line.contains("bearer-1") && !line.contains("t0ken"), "{line}");
    assert_eq!(metric(&serving, "alert_relay_deliveries_pending{target=\"chat\"}"), 1);
}

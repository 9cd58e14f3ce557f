//! `replay` as an operator runs it before a change goes live, and as CI does.

use std::process::Output;

use crate::client::post_json;
use crate::program::{Home, relay, to_robot, webhook};
use crate::robot::Robot;

/// What `replay` says of these settings, and its exit code.
fn replay(home: &Home, settings: &str, options: &[&str]) -> (Option<i32>, String) {
    let file = home.path().join("new.yml");
    let text = format!(
        "server: {{ listen: '127.0.0.1:0' }}\nstore: {{ url: 'sqlite://relay.db' }}\nlanguage: en\n{settings}"
    );
    std::fs::write(&file, text).unwrap();
    let Output { status, stdout, stderr } =
        relay().args(["replay", "--config"]).arg(&file).args(options).output().unwrap();
    (status.code(), String::from_utf8([stdout, stderr].concat()).unwrap())
}

#[test]
fn other_settings_are_tried_on_the_webhooks_of_late_beside_the_running_relay() {
    let robot = Robot::start();
    let settings = to_robot(&robot.url());
    let home = Home::new(&settings);
    let serving = home.serve();
    for alert in ["DiskFull", "LinkDown"] {
        assert_eq!(post_json(serving.address, "/api/v1/alerts/ops", &webhook(alert)).status, 200);
        robot.next().accept();
        serving.wait_for("delivered");
    }

    let (code, said) = replay(&home, &settings, &["--since", "1h"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("2 webhooks with 2 alerts") && said.ends_with("nothing would be different\n"),
        "{said}"
    );

    let narrower =
        settings.replace("targets: [chat]", "matchers: ['alertname=\"DiskFull\"'], targets: [chat]");
    let (code, said) = replay(&home, &narrower, &[]);
    assert_eq!(code, Some(3), "{said}");
    for expected in [
        "LinkDown of `ops`, once; for one: {alertname=\"LinkDown\", severity=\"critical\"}",
        "- chat",
        "+ nobody",
        "routes[0] {alertname=\"DiskFull\"}: not alertname=\"DiskFull\" (the alert has \"LinkDown\")",
        "- 2 messages, 2 sends",
        "+ 1 messages, 1 sends",
    ] {
        assert!(said.contains(expected), "no {expected:?} in\n{said}");
    }
    assert!(!said.contains("t0ken"), "{said}");

    // With the settings in force beside it, texts are compared too.
    let relay_yml = home.settings().display().to_string();
    let chinese = format!("{settings}timezone: UTC\nprometheus: {{ url: 'https://prom.example' }}\n");
    let (code, said) = replay(&home, &chinese, &["--current", &relay_yml, "--format", "json"]);
    assert_eq!(code, Some(3), "{said}");
    let answer: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(answer["report"]["texts_changed"]["chat"], 2, "{said}");
    assert!(answer["report"]["texts"][0]["diff"].as_str().unwrap().contains("UTC · replay-1"), "{said}");
    assert_eq!(answer["report"]["routing"], serde_json::json!([]));

    let (code, said) = replay(&home, &settings, &["--most", "1"]);
    assert!(code == Some(0) && said.contains("1 older webhooks of the span are left out"), "{said}");
    let (code, said) = replay(&home, "receivers: { ops: { rutes: [] } }\n", &[]);
    assert!(code == Some(2) && said.contains("rutes"), "{said}");
    let (code, said) = replay(&home, &settings, &["--store", "/no/such/store.db"]);
    assert!(code == Some(1) && said.contains("there is no store at"), "{said}");
}

//! The relay given nonsense: settings and webhooks.

use std::process::Command;

use e2e::programs;
use e2e::vendor::wecom::{self, Wecom};
use reqwest::StatusCode;
use serde_json::json;

use crate::relay_fixture::{RelayFixture, firing};

#[test]
fn bad_settings_are_all_named_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("relay.yml");
    let text = "server: { listen: \"nowhere\", lisen: \":1\" }\n\
                language: klingon\n\
                targets:\n  chat: { wecom: { webhook_url_file: /nonexistent/url } }\n  mail: { email: { smarthost: \"mail.example.com\", from: a@example.com, to: [b@example.com], auth_password: hunter2secret, auth_username: [] } }\n\
                receivers:\n  ops: { routes: [{ targets: [chat, nobody] }] }\n";
    std::fs::write(&settings, text).unwrap();
    for command in ["check", "serve"] {
        let relay = programs::ours("alert-relay").unwrap();
        let output = Command::new(relay).arg(command).arg("--config").arg(&settings).output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.code(), Some(2), "{command}: {said}");
        for part in
            ["server.listen", "lisen", "klingon", "webhook_url_file", "smarthost", "nobody", "auth_username"]
        {
            assert!(said.contains(part), "{command}: `{part}` is not named:\n{said}");
        }
        assert!(!said.contains("hunter2secret"), "{command}: a secret is shown:\n{said}");
    }
}

#[test]
fn a_missing_settings_file_is_named() {
    let relay = programs::ours("alert-relay").unwrap();
    let output = Command::new(relay).args(["serve", "--config", "/nonexistent/relay.yml"]).output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("/nonexistent/relay.yml"), "{said}");
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let wecom = Wecom::start(wecom::Setup::default()).unwrap();
    let fixture =
        RelayFixture::new(&json!({ "chat": { "wecom": { "webhook_url": wecom.webhook_url() } } })).unwrap();
    let address = fixture.url("").replace("http://", "");
    let _taken = tokio::net::TcpListener::bind(&address).await.unwrap();
    for command in ["check", "serve"] {
        let mut relay = tokio::process::Command::new(programs::ours("alert-relay").unwrap());
        let output = relay.arg(command).arg("--config").arg(fixture.settings()).output().await.unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.code(), Some(2), "{command}: {said}");
        assert!(said.contains(&address), "{command}: {said}");
    }
}

#[tokio::test]
async fn a_bad_webhook_is_refused_with_its_reason_and_leaves_nothing() {
    let wecom = Wecom::start(wecom::Setup::default()).unwrap();
    let mut fixture =
        RelayFixture::new(&json!({ "chat": { "wecom": { "webhook_url": wecom.webhook_url() } } })).unwrap();
    fixture.start().await.unwrap();
    let accepted = async || -> f64 {
        let page = fixture.metrics().await.unwrap();
        page.samples()
            .filter(|sample| sample.name == "alert_relay_deliveries_accepted_total")
            .map(|sample| sample.value)
            .sum()
    };

    let good = firing("good", 1).to_string();
    let large = vec![b' '; 20 << 20];
    let cases = [
        ("ops", b"not json".to_vec(), StatusCode::BAD_REQUEST, "JSON"),
        ("ops", b"{}".to_vec(), StatusCode::BAD_REQUEST, "alerts"),
        ("ops", br#"{"version":"4","alerts":"none"}"#.to_vec(), StatusCode::BAD_REQUEST, "alerts"),
        // What Prometheus itself posts to Alertmanager.
        ("ops", br#"[{"labels":{"alertname":"a"}}]"#.to_vec(), StatusCode::BAD_REQUEST, "Prometheus"),
        ("ops", good.clone().into_bytes()[..good.len() / 2].to_vec(), StatusCode::BAD_REQUEST, "JSON"),
        ("ops", large, StatusCode::PAYLOAD_TOO_LARGE, ""),
        ("unknown", good.clone().into_bytes(), StatusCode::NOT_FOUND, "ops"),
    ];
    for (receiver, body, status, word) in cases {
        let start = String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned();
        let (given, reason) = fixture.post_bytes(receiver, body).await.unwrap();
        assert_eq!(given, status, "{start}: {reason}");
        assert!(reason.contains(word) && !reason.is_empty(), "{start}: {reason}");
    }
    assert!(accepted().await.abs() < f64::EPSILON);

    assert_eq!(fixture.post_bytes("ops", good).await.unwrap().0, StatusCode::OK);
    assert!((accepted().await - 1.0).abs() < f64::EPSILON);
    wecom.robot.post_with(&["good-0"], crate::relay_fixture::TIMEOUT).await.unwrap();
    assert_eq!(wecom.robot.posts().len(), 1);
}

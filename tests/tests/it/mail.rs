//! A mail reaches its reader once, over either way to encrypt, and though the server puts it off at first.

use e2e::vendor::mail::{MailServer, PASSWORD, Tls, USER};
use reqwest::StatusCode;
use serde_json::json;

use crate::relay_fixture::{RelayFixture, TIMEOUT, firing};

/// Greylisting: the first mail from a stranger is answered 451, the same one again is taken.
async fn arrives_once(tls: Tls, temporary_failures: u32) {
    let folder = tempfile::tempdir().unwrap();
    let server = MailServer::start(folder.path(), tls, temporary_failures).await.unwrap();
    let mut fixture = RelayFixture::new(&json!({ "letters": { "email": {
        "smarthost": server.smarthost(),
        "tls": server.tls(),
        "ca_file": server.authority(),
        "from": "alerts@example.com",
        "to": ["ops@example.com"],
        "auth_username": USER,
        "auth_password": PASSWORD,
    } } }))
    .unwrap();
    fixture.start().await.unwrap();
    assert_eq!(fixture.post(&firing("letter", 1)).await.unwrap().0, StatusCode::OK);

    let mail = server.mail_with(&["letter-0"], TIMEOUT).await.unwrap();
    assert_eq!(mail.to, "ops@example.com");
    fixture.nothing_pending().await.unwrap();
    assert_eq!(server.mails().unwrap().len(), 1);
    let page = fixture.metrics().await.unwrap();
    let attempts = |outcome: &str| -> f64 {
        let of = |sample: &test_peers::page::Sample| {
            sample.name == "alert_relay_attempts_total" && sample.labels["outcome"] == outcome
        };
        page.samples().filter(of).map(|sample| sample.value).sum()
    };
    let counts = ["retry", "delivered"].map(|outcome| attempts(outcome).to_string());
    assert_eq!(counts, [temporary_failures.to_string(), "1".to_owned()]);
}

#[tokio::test]
async fn a_mail_over_implicit_tls_arrives_once() {
    arrives_once(Tls::Implicit, 0).await;
}

#[tokio::test]
async fn a_mail_put_off_by_greylisting_arrives_once() {
    arrives_once(Tls::StartTls, 1).await;
}

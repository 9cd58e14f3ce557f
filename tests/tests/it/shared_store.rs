//! Two relays on one PostgreSQL database, behind two Alertmanagers of which each posts to both.

use e2e::http;
use e2e::ports::Port;
use e2e::process::{Launch, Process};
use e2e::programs;
use e2e::vendor::wecom::{self, Wecom};
use e2e::wait::until;
use serde_json::{Value, json};
use test_peers::page::Page;
use test_peers::postgres::Cluster;

use crate::relay_fixture::{RelayFixture, TIMEOUT};

/// One of two that are told the same and do not hear each other, as the peers of a cluster that is cut in two: what the second one would
/// leave to the first comes from both.
async fn alertmanager(relays: &[RelayFixture; 2], name: &str) -> (Process, String) {
    let port = Port::free().unwrap();
    let folder = relays[0].folder().join(name);
    std::fs::create_dir(&folder).unwrap();
    let config = folder.join("alertmanager.yml");
    let webhooks = relays
        .each_ref()
        .map(|relay| json!({ "url": relay.url("/api/v1/alerts/ops"), "send_resolved": true }));
    let text = json!({
        "route": { "receiver": "relays", "group_by": ["alertname"], "group_wait": "0s", "group_interval": "1s" },
        "receivers": [{ "name": "relays", "webhook_configs": webhooks }],
    });
    std::fs::write(&config, text.to_string()).unwrap();
    let mut process = Launch::new(name, &programs::debian("prometheus-alertmanager").unwrap())
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--storage.path={}", folder.display()))
        .arg(format!("--web.listen-address={}", port.address()))
        .arg("--cluster.listen-address=")
        .start(&folder)
        .unwrap();
    let url = format!("http://{}", port.address());
    process.ready(&http::client().unwrap(), &format!("{url}/-/ready"), TIMEOUT).await.unwrap();
    (process, url)
}

/// Tells both Alertmanagers, as Prometheus does.
async fn tell(alertmanagers: [&str; 2], alert: &Value) {
    for url in alertmanagers {
        let posted = http::client()
            .unwrap()
            .post(format!("{url}/api/v2/alerts"))
            .header("Content-Type", "application/json")
            .body(json!([alert]).to_string())
            .send()
            .await
            .unwrap();
        assert!(posted.status().is_success(), "{}", posted.text().await.unwrap());
    }
}

/// Webhooks that an Alertmanager has sent.
async fn sent(url: &str) -> f64 {
    let page = http::page(&http::client().unwrap(), &format!("{url}/metrics")).await.unwrap_or_default();
    Page(page).value("alertmanager_notifications_total", &["integration=\"webhook\""]).unwrap_or_default()
}

#[tokio::test]
async fn what_comes_four_times_is_told_once() {
    let cluster = Cluster::start();
    let store = cluster.new_store();
    let wecom = Wecom::start(wecom::Setup::default()).unwrap();
    let targets = json!({ "chat": { "wecom": { "webhook_url": wecom.webhook_url() } } });
    let mut relays = [0, 1].map(|_| RelayFixture::sharing(&targets, &store).unwrap());
    for relay in &mut relays {
        relay.start().await.unwrap();
    }
    let one = alertmanager(&relays, "am-one").await;
    let two = alertmanager(&relays, "am-two").await;
    let alertmanagers = [one.1.as_str(), two.1.as_str()];

    let alert = |ends_at: &str| {
        let (starts_at, ends_at) = ("2026-01-01T00:00:00Z", ends_at.to_owned());
        json!({ "labels": { "alertname": "DiskFull", "node": "n1" }, "annotations": { "summary": "shared-0" }, "startsAt": starts_at, "endsAt": ends_at })
    };
    let mut webhooks = 0.0;
    for (ends_at, messages) in [("2199-01-01T00:00:00Z", 1), ("2026-01-01T01:00:00Z", 2)] {
        tell(alertmanagers, &alert(ends_at)).await;
        webhooks += 2.0;
        until("both Alertmanagers to tell both relays", TIMEOUT, async || {
            (sent(alertmanagers[0]).await >= webhooks && sent(alertmanagers[1]).await >= webhooks)
                .then_some(())
        })
        .await
        .unwrap();
        wecom.robot.post_with(&["DiskFull"], TIMEOUT).await.unwrap();
        until("all of it to be told", TIMEOUT, async || {
            (wecom.robot.posts().len() >= messages).then_some(())
        })
        .await
        .unwrap();
        for relay in &relays {
            relay.nothing_pending().await.unwrap();
        }
        assert_eq!(wecom.robot.posts().len(), messages, "{:#?}", wecom.robot.posts());
    }
    for (mut alertmanager, _) in [one, two] {
        alertmanager.kill();
    }
}

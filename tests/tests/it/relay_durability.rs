//! What was answered 200 is delivered, whatever happens to the relay.

use std::collections::BTreeMap;
use std::time::Duration;

use e2e::http;
use e2e::ports::Port;
use e2e::process::Launch;
use e2e::programs;
use e2e::vendor::dingtalk::{self, DingTalk};
use e2e::vendor::robot::{Fault, Robot};
use e2e::vendor::wecom::{self, Wecom};
use e2e::wait::until;
use reqwest::StatusCode;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::relay_fixture::{RelayFixture, TIMEOUT, firing, summary};

fn wecom_target(wecom: &Wecom) -> Value {
    json!({ "chat": { "wecom": { "webhook_url": wecom.webhook_url() } } })
}

/// How many posts hold each of these texts.
fn mentions(robot: &Robot, texts: impl IntoIterator<Item = String>) -> BTreeMap<String, usize> {
    let posts = robot.posts();
    let count = |text: &String| posts.iter().filter(|post| post.text.contains(text)).count();
    texts.into_iter().map(|text| (text.clone(), count(&text))).collect()
}

/// Waits until every text stands in exactly one post.
async fn each_posted_once(robot: &Robot, texts: &[String]) {
    until("every alert to be posted", TIMEOUT, async || {
        mentions(robot, texts.iter().cloned()).values().all(|count| *count > 0).then_some(())
    })
    .await
    .unwrap();
    let posted = mentions(robot, texts.iter().cloned());
    assert!(posted.values().all(|count| *count == 1), "{posted:#?}");
}

#[tokio::test]
async fn kill_9_between_accept_and_delivery_loses_nothing() {
    let wecom = Wecom::start(wecom::Setup::default()).unwrap();
    let mut fixture = RelayFixture::new(&wecom_target(&wecom)).unwrap();
    fixture.start().await.unwrap();
    wecom.robot.hold_calls();
    // One group of many parts and some small ones.
    let groups = [("many", 24), ("one", 1), ("two", 2)];
    for (group, alerts) in groups {
        assert_eq!(fixture.post(&firing(group, alerts)).await.unwrap().0, StatusCode::OK);
    }
    wecom.robot.holds_a_call(TIMEOUT).await.unwrap();
    fixture.process().kill();
    wecom.robot.holds_no_call(TIMEOUT).await.unwrap();
    assert_eq!(wecom.robot.posts(), []);

    wecom.robot.release_calls();
    fixture.start().await.unwrap();
    let alerts: Vec<String> = groups
        .into_iter()
        .flat_map(|(group, alerts)| (0..alerts).map(move |number| summary(group, number)))
        .collect();
    each_posted_once(&wecom.robot, &alerts).await;
    fixture.nothing_pending().await.unwrap();
    each_posted_once(&wecom.robot, &alerts).await;
    assert!(wecom.robot.posts().len() > groups.len(), "the large group fits no single message");
    assert_eq!(wecom.robot.refusals(), []);
}

#[tokio::test]
async fn sigterm_finishes_the_delivery_under_way() {
    let wecom = Wecom::start(wecom::Setup::default()).unwrap();
    let mut fixture = RelayFixture::new(&wecom_target(&wecom)).unwrap();
    fixture.start().await.unwrap();
    wecom.robot.hold_calls();
    assert_eq!(fixture.post(&firing("late", 1)).await.unwrap().0, StatusCode::OK);
    wecom.robot.holds_a_call(TIMEOUT).await.unwrap();

    let mut process = fixture.take_process();
    process.signal(Signal::TERM).unwrap();
    until("the relay to take no more webhooks", TIMEOUT, async || fixture.post(&firing("x", 1)).await.err())
        .await
        .unwrap();
    wecom.robot.release_calls();
    let status = process.exit(TIMEOUT).await.unwrap();
    assert_eq!(status.code(), Some(0), "{}", process.output());
    each_posted_once(&wecom.robot, &[summary("late", 0)]).await;

    // It is known to be delivered: the next start does not send it again.
    fixture.start().await.unwrap();
    fixture.nothing_pending().await.unwrap();
    each_posted_once(&wecom.robot, &[summary("late", 0)]).await;
}

#[tokio::test]
async fn what_the_vendor_cannot_take_now_is_sent_again() {
    let wecom = Wecom::start(wecom::Setup::default()).unwrap();
    let mut fixture = RelayFixture::new(&wecom_target(&wecom)).unwrap();
    fixture.start().await.unwrap();
    wecom.robot.order(Fault::Code(-1, "system busy".to_owned()));
    wecom.robot.order(Fault::Status(StatusCode::BAD_GATEWAY));
    fixture.post(&firing("again", 1)).await.unwrap();
    wecom.robot.post_with(&["again-0"], TIMEOUT).await.unwrap();
    fixture.nothing_pending().await.unwrap();
    assert_eq!((wecom.robot.posts().len(), wecom.robot.attempts().len()), (1, 3));
}

/// HTTP 200 with a gateway's page, or without the code field, delivers nothing; both vendors' gateways then want minutes of
/// silence, so the message waits.
#[tokio::test]
async fn an_answer_that_proves_nothing_is_no_delivery() {
    let wecom = Wecom::start(wecom::Setup::default()).unwrap();
    let dingtalk = DingTalk::start(dingtalk::Setup::signed()).unwrap();
    let mut fixture = RelayFixture::new(&json!({
        "page": { "wecom": { "webhook_url": wecom.webhook_url() } },
        "throttled": { "dingtalk": { "webhook_url": dingtalk.webhook_url(), "secret": dingtalk.secret() } },
    }))
    .unwrap();
    fixture.start().await.unwrap();
    wecom.robot.order(Fault::Html);
    dingtalk.robot.order(Fault::NoCode);
    fixture.post(&firing("proof", 1)).await.unwrap();
    for target in ["page", "throttled"] {
        let label = format!("target=\"{target}\"");
        let page = until("the attempt to be counted", TIMEOUT, async || {
            let page = fixture.metrics().await.ok()?;
            let labels = [label.as_str(), "outcome=\"retry\"", "reason=\"unproven_reply\""];
            (page.value("alert_relay_attempts_total", &labels)? > 0.0).then_some(page)
        })
        .await
        .unwrap();
        assert_eq!(page.value("alert_relay_deliveries_pending", &[&label]), Some(1.0));
        let ended = page.value("alert_relay_deliveries_ended_total", &[&label, "end=\"delivered\""]);
        assert_eq!(ended, Some(0.0));
    }
}

#[tokio::test]
async fn a_store_that_cannot_write_is_503_and_alertmanager_sends_again() {
    let wecom = Wecom::start(wecom::Setup::default()).unwrap();
    let mut fixture = RelayFixture::new(&wecom_target(&wecom)).unwrap();
    // A file-size limit of nothing is what a full disk looks like to one process, and can be lifted again.
    fixture.start().await.unwrap();
    set_file_size_limit(fixture.process().pid(), "0:");
    let (status, reason) = fixture.post(&firing("direct", 1)).await.unwrap();
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{reason}");
    assert!(!reason.is_empty());

    let alertmanager = alertmanager(&fixture).await;
    let client = http::client().unwrap();
    let alert = json!([{ "labels": { "alertname": "StoreFull", "node": "retried-0" }, "annotations": { "summary": "s" } }]);
    let posted = client
        .post(format!("{}/api/v2/alerts", alertmanager.1))
        .header("Content-Type", "application/json")
        .body(alert.to_string())
        .send()
        .await
        .unwrap();
    assert!(posted.status().is_success(), "{}", posted.text().await.unwrap());
    until("Alertmanager to be answered 503", TIMEOUT, async || {
        let page = http::page(&client, &format!("{}/metrics", alertmanager.1)).await.ok()?;
        let refused = test_peers::page::Page(page)
            .value("alertmanager_notification_requests_failed_total", &["integration=\"webhook\""]);
        refused.is_some_and(|count| count > 0.0).then_some(())
    })
    .await
    .unwrap();
    assert_eq!(wecom.robot.attempts().len(), 0);

    set_file_size_limit(fixture.process().pid(), "unlimited:");
    wecom.robot.post_with(&["retried-0"], TIMEOUT).await.unwrap();
    // What was answered 503 was not stored: its sender could have sent it again, and did not.
    fixture.nothing_pending().await.unwrap();
    assert_eq!(mentions(&wecom.robot, [summary("direct", 0)]).into_values().sum::<usize>(), 0);
}

/// Changes the soft limit of a running process (`prlimit`, of the package util-linux).
fn set_file_size_limit(pid: u32, limit: &str) {
    let status = std::process::Command::new("prlimit")
        .arg(format!("--pid={pid}"))
        .arg(format!("--fsize={limit}"))
        .status()
        .unwrap();
    assert!(status.success());
}

/// A real Alertmanager that notifies the relay at once, and its address.
async fn alertmanager(fixture: &RelayFixture) -> (e2e::process::Process, String) {
    let port = Port::free().unwrap();
    let config = fixture.folder().join("alertmanager.yml");
    let text = json!({
        "route": { "receiver": "relay", "group_by": ["alertname"], "group_wait": "0s", "group_interval": "10s" },
        "receivers": [{ "name": "relay", "webhook_configs": [{ "url": fixture.url("/api/v1/alerts/ops") }] }],
    });
    std::fs::write(&config, text.to_string()).unwrap();
    let mut process = Launch::new("alertmanager", &programs::debian("prometheus-alertmanager").unwrap())
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--storage.path={}", fixture.folder().join("alertmanager").display()))
        .arg(format!("--web.listen-address={}", port.address()))
        .arg("--cluster.listen-address=")
        .start(fixture.folder())
        .unwrap();
    let url = format!("http://{}", port.address());
    process.ready(&http::client().unwrap(), &format!("{url}/-/ready"), TIMEOUT).await.unwrap();
    (process, url)
}

/// The relay's own patience with a slow vendor is longer than the vendor's slowness here.
#[tokio::test]
async fn a_slow_answer_is_waited_for() {
    let wecom = Wecom::start(wecom::Setup::default()).unwrap();
    let mut fixture = RelayFixture::new(&wecom_target(&wecom)).unwrap();
    fixture.start().await.unwrap();
    wecom.robot.order(Fault::Slow(Duration::from_secs(3)));
    fixture.post(&firing("slow", 1)).await.unwrap();
    wecom.robot.post_with(&["slow-0"], TIMEOUT).await.unwrap();
    fixture.nothing_pending().await.unwrap();
    assert_eq!(wecom.robot.attempts().len(), 1);
}

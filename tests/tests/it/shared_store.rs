//! Two relays on one PostgreSQL database, behind two Alertmanagers of which each posts to both.

use std::time::Duration;

use e2e::http;
use e2e::ports::Port;
use e2e::process::{Launch, Process};
use e2e::programs;
use e2e::vendor::wecom::{self, Wecom};
use e2e::wait::until;
use serde_json::{Value, json};
use tempfile::TempDir;
use test_peers::page::Page;
use test_peers::postgres::Cluster;

use crate::relay_fixture::{RelayFixture, TIMEOUT};

/// A chat, two relays on one database that tell it, and what two Alertmanagers need to post to both.
struct Scene {
    _cluster: Cluster,
    folder: TempDir,
    wecom: Wecom,
    relays: [RelayFixture; 2],
}

impl Scene {
    async fn set() -> Self {
        let cluster = Cluster::start();
        let store = cluster.new_store();
        let wecom = Wecom::start(wecom::Setup::default()).unwrap();
        let targets = json!({ "chat": { "wecom": { "webhook_url": wecom.webhook_url() } } });
        let mut relays = [0, 1].map(|_| RelayFixture::sharing(&targets, &store).unwrap());
        for relay in &mut relays {
            relay.start().await.unwrap();
        }
        Self { _cluster: cluster, folder: tempfile::tempdir().unwrap(), wecom, relays }
    }

    /// Waits until all that came is told, and holds the number of messages against this one.
    async fn has_told(&self, messages: usize) {
        let robot = &self.wecom.robot;
        until("all of it to be told", TIMEOUT, async || (robot.posts().len() >= messages).then_some(()))
            .await
            .unwrap();
        for relay in &self.relays {
            relay.nothing_pending().await.unwrap();
        }
        assert_eq!(robot.posts().len(), messages, "{:#?}", robot.posts());
    }
}

/// An Alertmanager that posts to both relays.
struct Alertmanager {
    process: Process,
    url: String,
}

impl Alertmanager {
    /// With flags that say which peers it hears.
    async fn start(scene: &Scene, name: &str, cluster: &[String]) -> Self {
        let port = Port::free().unwrap();
        let folder = scene.folder.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        let config = folder.join("alertmanager.yml");
        let webhooks = scene
            .relays
            .each_ref()
            .map(|relay| json!({ "url": relay.url("/api/v1/alerts/ops"), "send_resolved": true }));
        let text = json!({
            "route": { "receiver": "relays", "group_by": ["alertname"], "group_wait": "0s", "group_interval": "1s" },
            "receivers": [{ "name": "relays", "webhook_configs": webhooks }],
        });
        std::fs::write(&config, text.to_string()).unwrap();
        let mut launch = Launch::new(name, &programs::debian("prometheus-alertmanager").unwrap())
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.path={}", folder.display()))
            .arg(format!("--web.listen-address={}", port.address()));
        for flag in cluster {
            launch = launch.arg(flag);
        }
        let mut process = launch.start(&folder).unwrap();
        let url = format!("http://{}", port.address());
        process.ready(&http::client().unwrap(), &format!("{url}/-/ready"), TIMEOUT).await.unwrap();
        Self { process, url }
    }

    /// Tells it of an alert, as Prometheus does.
    async fn tell(&self, alert: &Value) {
        let posted = http::client()
            .unwrap()
            .post(format!("{}/api/v2/alerts", self.url))
            .header("Content-Type", "application/json")
            .body(json!([alert]).to_string())
            .send()
            .await
            .unwrap();
        assert!(posted.status().is_success(), "{}", posted.text().await.unwrap());
    }

    /// One of its own metrics, over all its series with these labels.
    async fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        let page =
            http::page(&http::client().unwrap(), &format!("{}/metrics", self.url)).await.unwrap_or_default();
        Page(page).value(name, labels).unwrap_or_default()
    }

    /// Webhooks that it has sent.
    async fn sent(&self) -> f64 {
        self.metric("alertmanager_notifications_total", &["integration=\"webhook\""]).await
    }

    /// How often it has asked its log whether somebody has told a receiver of a group: once a webhook that it would send.
    async fn asked(&self) -> f64 {
        self.metric("alertmanager_nflog_queries_total", &[]).await
    }

    /// Whether its cluster is settled, with both peers in it.
    async fn is_settled(&self) -> Option<()> {
        let page = http::page(&http::client().unwrap(), &format!("{}/api/v2/status", self.url)).await.ok()?;
        let status: Value = serde_json::from_str(&page).unwrap();
        let cluster = &status["cluster"];
        (cluster["status"] == "ready" && cluster["peers"].as_array()?.len() == 2).then_some(())
    }
}

const FIRING: &str = "2199-01-01T00:00:00Z";
const RESOLVED: &str = "2026-01-01T01:00:00Z";

fn alert(name: &str, ends_at: &str) -> Value {
    json!({
        "labels": { "alertname": name, "node": "n1" },
        "annotations": { "summary": "shared-0" },
        "startsAt": "2026-01-01T00:00:00Z",
        "endsAt": ends_at,
    })
}

#[tokio::test]
async fn what_comes_four_times_is_told_once() {
    let scene = Scene::set().await;
    // They do not hear each other, as the peers of a cluster that is cut in two: what the second one would leave to the first comes from both.
    let alone = ["--cluster.listen-address=".to_owned()];
    let one = Alertmanager::start(&scene, "am-one", &alone).await;
    let two = Alertmanager::start(&scene, "am-two", &alone).await;
    let mut webhooks = 0.0;
    for (ends_at, messages) in [(FIRING, 1), (RESOLVED, 2)] {
        one.tell(&alert("DiskFull", ends_at)).await;
        two.tell(&alert("DiskFull", ends_at)).await;
        webhooks += 2.0;
        until("both Alertmanagers to tell both relays", TIMEOUT, async || {
            (one.sent().await >= webhooks && two.sent().await >= webhooks).then_some(())
        })
        .await
        .unwrap();
        scene.wecom.robot.post_with(&["DiskFull"], TIMEOUT).await.unwrap();
        scene.has_told(messages).await;
    }
}

/// Two peers of one cluster that hear each other. The second one waits this long whether the first one tells.
async fn cluster(scene: &Scene, peer_timeout: Duration) -> [Alertmanager; 2] {
    let gossip = [Port::free().unwrap(), Port::free().unwrap()];
    let flags = |own: usize| {
        [
            format!("--cluster.listen-address={}", gossip[own].address()),
            format!("--cluster.advertise-address={}", gossip[own].address()),
            format!("--cluster.peer={}", gossip[1 - own].address()),
            format!("--cluster.peer-timeout={}ms", peer_timeout.as_millis()),
            // It takes itself for settled after some thirty of these.
            "--cluster.gossip-interval=50ms".to_owned(),
        ]
    };
    let one = Alertmanager::start(scene, "am-one", &flags(0)).await;
    let two = Alertmanager::start(scene, "am-two", &flags(1)).await;
    until("the cluster to settle", TIMEOUT, async || {
        one.is_settled().await?;
        two.is_settled().await
    })
    .await
    .unwrap();
    [one, two]
}

/// Tells all of these of an alert, and waits until each has told both relays, or left it to another.
async fn tell_all(alertmanagers: &[Alertmanager], alert: &Value) {
    for alertmanager in alertmanagers {
        let asked = alertmanager.asked().await;
        alertmanager.tell(alert).await;
        until("it to be told or left to another", TIMEOUT, async || {
            (alertmanager.asked().await >= asked + 2.0).then_some(())
        })
        .await
        .unwrap();
    }
}

#[tokio::test]
async fn a_cluster_of_alertmanagers_is_told_once() {
    let scene = Scene::set().await;
    let alertmanagers = cluster(&scene, Duration::from_secs(1)).await;
    tell_all(&alertmanagers, &alert("DiskFull", FIRING)).await;
    scene.has_told(1).await;
    tell_all(&alertmanagers, &alert("DiskFull", RESOLVED)).await;
    scene.has_told(2).await;

    // What one peer has told and did not live to end is ended by the other.
    tell_all(&alertmanagers, &alert("FanStopped", FIRING)).await;
    scene.has_told(3).await;
    let sent = [alertmanagers[0].sent().await, alertmanagers[1].sent().await];
    let [mut one, mut two] = alertmanagers;
    let (told, other) = if sent[0] >= sent[1] { (&mut one, [two]) } else { (&mut two, [one]) };
    told.process.kill();
    tell_all(&other, &alert("FanStopped", RESOLVED)).await;
    scene.has_told(4).await;
    let texts: Vec<String> = scene.wecom.robot.posts().into_iter().map(|post| post.text).collect();
    assert!(texts[2].contains("FanStopped") && texts[3].contains("FanStopped"), "{texts:#?}");
    assert!(!texts[2].contains("Resolved") && texts[3].contains("Resolved"), "{texts:#?}");
}

#[tokio::test]
async fn a_cluster_whose_peers_do_not_wait_for_each_other_is_told_once() {
    let scene = Scene::set().await;
    let alertmanagers = cluster(&scene, Duration::ZERO).await;
    let mut webhooks = 0.0;
    for (name, messages) in [("DiskFull", 1), ("FanStopped", 3), ("GpuLost", 5)] {
        for (ends_at, messages) in [(FIRING, messages), (RESOLVED, messages + 1)] {
            tell_all(&alertmanagers, &alert(name, ends_at)).await;
            scene.has_told(messages).await;
            webhooks += 2.0;
        }
    }
    let sent = alertmanagers[0].sent().await + alertmanagers[1].sent().await;
    assert!(sent >= webhooks, "{sent} webhooks");
}

//! One relay with settings of the test's own, and the webhooks it is sent.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use e2e::chain::parts;
use e2e::http;
use e2e::ports::Port;
use e2e::process::Process;
use e2e::wait::until;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;
use test_peers::page::Page;

/// How long anything here may take on a busy machine.
pub(crate) const TIMEOUT: Duration = Duration::from_mins(1);

/// A relay that can be started, killed and started again on the same store.
pub(crate) struct RelayFixture {
    pub(crate) client: reqwest::Client,
    address: Port,
    folder: TempDir,
    process: Option<Process>,
}

impl RelayFixture {
    /// Not started yet: every alert of the receiver `ops` goes to all of `targets`.
    pub(crate) fn new(targets: &Value) -> Result<Self> {
        Self::on(targets, None)
    }

    /// The same, on the store of this address, which others may use too.
    pub(crate) fn sharing(targets: &Value, store: &str) -> Result<Self> {
        Self::on(targets, Some(store))
    }

    fn on(targets: &Value, store: Option<&str>) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let own = format!("sqlite://{}/relay.db", folder.path().display());
        let address = Port::free()?;
        let names: Vec<&String> = targets.as_object().context("targets are a map")?.keys().collect();
        let settings = json!({
            "server": { "listen": address.address().to_string() },
            "store": { "url": store.unwrap_or(&own), "directory": folder.path() },
            "language": "en",
            "targets": targets,
            "receivers": { "ops": { "routes": [{ "targets": names }] } },
        });
        // JSON is YAML.
        std::fs::write(folder.path().join("relay.yml"), settings.to_string())?;
        Ok(Self { client: http::client()?, address, folder, process: None })
    }

    /// Starts it and waits until it is ready.
    pub(crate) async fn start(&mut self) -> Result<()> {
        let mut process = parts::relay(&self.settings())?.start(self.folder.path())?;
        process.ready(&self.client, &self.url("/-/ready"), TIMEOUT).await?;
        self.process = Some(process);
        Ok(())
    }

    /// The running process.
    pub(crate) fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("the test has started the relay")
    }

    /// The process, to be stopped by the test.
    pub(crate) fn take_process(&mut self) -> Process {
        self.process.take().expect("the test has started the relay")
    }

    /// Its settings file.
    pub(crate) fn settings(&self) -> PathBuf {
        self.folder.path().join("relay.yml")
    }

    /// A folder for what a test writes beside it.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A page of its server.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address.address())
    }

    /// Posts a webhook to the receiver `ops`.
    pub(crate) async fn post(&self, webhook: &Value) -> Result<(StatusCode, String)> {
        self.post_bytes("ops", webhook.to_string()).await
    }

    /// Posts any bytes to any receiver.
    pub(crate) async fn post_bytes(
        &self,
        receiver: &str,
        body: impl Into<reqwest::Body>,
    ) -> Result<(StatusCode, String)> {
        let reply = self
            .client
            .post(self.url(&format!("/api/v1/alerts/{receiver}")))
            .header("Content-Type", "application/json")
            .body(body)
            .send()
            .await?;
        Ok((reply.status(), reply.text().await?))
    }

    /// Its own metrics.
    pub(crate) async fn metrics(&self) -> Result<Page> {
        let reply =
            self.client.get(self.url("/metrics")).header("Accept", "text/plain;version=0.0.4").send().await?;
        Ok(Page(reply.text().await?))
    }

    /// Waits until it has nothing left to send.
    pub(crate) async fn nothing_pending(&self) -> Result<()> {
        until("the outbox to be empty", TIMEOUT, async || {
            let page = self.metrics().await.ok()?;
            let pending: f64 = page
                .samples()
                .filter(|sample| sample.name == "alert_relay_deliveries_pending")
                .map(|sample| sample.value)
                .sum();
            (pending == 0.0).then_some(())
        })
        .await
    }
}

/// Alertmanager's webhook for one firing group of `alerts` alerts; every alert's node is its own, `<group>-<number>`.
pub(crate) fn firing(group: &str, alerts: usize) -> Value {
    let alert = |number: usize| {
        json!({
            "status": "firing",
            "labels": { "alertname": group, "node": format!("{group}-{number}"), "gpu": "0", "severity": "warning" },
            "annotations": {
                "summary": summary(group, number),
                "description": "显存使用率持续 5 分钟高于当前时段的阈值。先看是哪个进程占用、是否还在上涨。",
                "value": "97.5%",
            },
            "startsAt": "2026-11-23T01:02:03.456Z",
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "http://prometheus:9090/graph?g0.expr=up",
            "fingerprint": format!("{:016x}", fingerprint(group, number)),
        })
    };
    json!({
        "version": "4",
        "receiver": "relay",
        "status": "firing",
        "groupKey": format!("{{}}:{{alertname=\"{group}\"}}"),
        "truncatedAlerts": 0,
        "groupLabels": { "alertname": group },
        "commonLabels": { "alertname": group, "severity": "warning" },
        "commonAnnotations": {},
        "externalURL": "http://alertmanager:9093",
        "alerts": (0..alerts).map(alert).collect::<Vec<_>>(),
    })
}

/// The sentence that stands once in every text about this alert.
pub(crate) fn summary(group: &str, number: usize) -> String {
    format!("GPU 0 on {group}-{number} is not well")
}

/// Any number that differs from alert to alert.
fn fingerprint(group: &str, number: usize) -> u64 {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    (group, number).hash(&mut hasher);
    hasher.finish()
}

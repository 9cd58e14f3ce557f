//! What the relay is posted: each input is a webhook, and its cost that of the way from the request to the target's answer.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::chain::parts;
use e2e::http;
use e2e::ports::Port;
use e2e::process::Process;
use e2e::wait::until;
use serde_json::{Value, json};
use test_peers::endpoint::{Endpoint, Reply};

use crate::usage;

const TIMEOUT: Duration = Duration::from_mins(2);

/// What there is much of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Load {
    /// Alerts of a webhook.
    Alerts,
    /// Alerts that fire in a group of which a small webhook comes.
    Known,
    /// Groups whose messages wait for a robot that may not send.
    Waiting,
    /// KiB of one alert's description.
    Description,
}

impl Load {
    /// Whether what is done stays, so that doing it again would cost more.
    pub(super) fn adds_up(self) -> bool {
        self == Self::Waiting
    }
}

/// A relay that delivers to an endpoint of ours.
pub(super) struct Relay {
    process: Process,
    client: reqwest::Client,
    port: Port,
    load: Load,
    size: usize,
    /// Webhooks posted so far.
    posted: usize,
    /// Calls that the target has answered.
    called: Arc<AtomicUsize>,
    _target: Endpoint,
}

impl Relay {
    pub(super) async fn start(load: Load, size: usize, folder: &Path) -> Result<Self> {
        let called = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&called);
        let target = Endpoint::start(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
            async { Reply::json("{}") }
        })?;
        let port = Port::free()?;
        let budget = if load == Load::Waiting { "1/1h" } else { "1000/1s" };
        let settings = json!({
            "server": { "listen": port.address().to_string() },
            "store": { "url": format!("sqlite://{}", folder.join("relay.db").display()) },
            "targets": { "chat": {
                "webhook": { "url": format!("http://{}/", target.address()) },
                "budget": budget,
                "timeout": "1m",
            } },
            "receivers": { "ops": { "routes": [{ "targets": ["chat"] }] } },
        });
        let file = folder.join("relay.yml");
        std::fs::write(&file, settings.to_string())
            .with_context(|| format!("failed to write {}", file.display()))?;
        let mut process = parts::relay(&file)?.start(folder)?;
        let ready = format!("http://{}/-/ready", port.address());
        process.ready(&http::client()?, &ready, TIMEOUT).await?;
        let client = reqwest::Client::builder().no_proxy().timeout(TIMEOUT).build();
        let client = client.context("failed to set up the HTTP client")?;
        let mut relay = Self { process, client, port, load, size, posted: 0, called, _target: target };
        match load {
            Load::Known => relay.deliver(&webhook("known", 0..size, 0, "Short.")).await?,
            // One goes out; the budget holds the others back.
            Load::Waiting => relay.deliver(&webhook("first", 0..1, 0, "Short.")).await?,
            Load::Alerts | Load::Description => {}
        }
        Ok(relay)
    }

    /// Posts the input once and waits for what it leads to.
    pub(super) async fn work(&mut self) -> Result<()> {
        let next = self.posted + self.size;
        match self.load {
            Load::Alerts => self.deliver(&webhook(&format!("g{next}"), 0..self.size, 0, "Short.")).await,
            Load::Known => self.deliver(&webhook("known", next..next + 1, self.size, "Short.")).await,
            Load::Description => {
                let long = "What to look at first. ".repeat(self.size * 1024 / 23);
                self.deliver(&webhook(&format!("g{next}"), 0..1, 0, &long)).await
            }
            Load::Waiting => {
                for index in 0..self.size {
                    self.post(&webhook(&format!("g{index}"), 0..1, 0, "Short.")).await?;
                }
                Ok(())
            }
        }
    }

    async fn deliver(&mut self, webhook: &Value) -> Result<()> {
        let before = self.called.load(Ordering::Relaxed);
        self.post(webhook).await?;
        let called = &self.called;
        let delivered =
            until("the delivery", TIMEOUT, async || (called.load(Ordering::Relaxed) > before).then_some(()));
        delivered.await.with_context(|| self.process.output())
    }

    async fn post(&mut self, webhook: &Value) -> Result<()> {
        self.posted += 1;
        let url = format!("http://{}/api/v1/alerts/ops", self.port.address());
        let request =
            self.client.post(url).header("Content-Type", "application/json").body(webhook.to_string());
        let reply = request.send().await.context("failed to post a webhook")?;
        let status = reply.status();
        let said = reply.text().await.unwrap_or_default();
        ensure!(status.is_success(), "a webhook was answered {status}: {said}");
        Ok(())
    }

    /// CPU time of the relay so far.
    pub(super) fn spent_ms(&self) -> Result<f64> {
        usage::cpu_with_ended_threads_ms(self.process.pid())
    }
}

/// Alertmanager's webhook of one group; `cut` alerts fire besides those of `numbers`.
fn webhook(group: &str, numbers: std::ops::Range<usize>, cut: usize, description: &str) -> Value {
    let alert = |number: usize| {
        json!({
            "status": "firing",
            "labels": { "alertname": "DiskFull", "group": group, "instance": format!("node-{number}:9100"), "severity": "warning" },
            "annotations": { "summary": format!("node-{number} is full"), "description": description },
            "startsAt": "2026-11-23T01:02:03.456Z",
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "http://prometheus.example:9090/graph",
            "fingerprint": format!("{number:016x}"),
        })
    };
    json!({
        "version": "4",
        "receiver": "relay",
        "status": "firing",
        "alerts": numbers.map(alert).collect::<Vec<_>>(),
        "groupLabels": { "group": group },
        "commonLabels": { "group": group },
        "commonAnnotations": {},
        "externalURL": "http://alertmanager.example:9093",
        "groupKey": format!("{{}}:{{group=\"{group}\"}}"),
        "truncatedAlerts": cut,
    })
}

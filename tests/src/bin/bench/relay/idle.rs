//! How soon a robot is called after a webhook, while there is nothing else to do.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use e2e::http;
use serde_json::{Value, json};
use test_peers::endpoint::{Endpoint, Reply};
use tokio::sync::mpsc;

use super::subject::{self, ALERTS, Subject};
use crate::table::{Table, Target, quantile};

const WEBHOOKS: usize = 200;

/// What the relay is left alone for before each: everything it had begun is over.
const PAUSE: Duration = Duration::from_millis(20);

/// Posts small webhooks one after the other, each of a group of its own, and waits for the call that it leads to.
pub(super) async fn measure(table: &mut Table, folder: &Path) -> Result<()> {
    let (tell, mut told) = mpsc::unbounded_channel();
    let target = Endpoint::start(move |call| {
        // Who waits for it has all it wants once this is closed.
        let _ = tell.send((Instant::now(), call.body));
        async { Reply::json("{}") }
    })?;
    let url = format!("http://{}/", target.address());
    let targets = json!({ "chat": { "webhook": { "url": url }, "budget": "1000/1s" } });
    let relay = Subject::start(folder, subject::settings(&subject::store(folder), &targets)).await?;
    let client = http::client()?;
    let mut latencies_ms = Vec::new();
    for number in 0..WEBHOOKS {
        tokio::time::sleep(PAUSE).await;
        let request = client.post(relay.url(ALERTS)).header("Content-Type", "application/json");
        let posted = request.body(webhook(number).to_string()).send().await.context("failed to post")?;
        let accepted = Instant::now();
        ensure!(posted.status().is_success(), "a webhook was answered {}", posted.status());
        let called = tokio::time::timeout(Duration::from_secs(30), told.recv()).await;
        let (called, body) = called.context("no call came of a webhook")?.context("the endpoint ended")?;
        let is_it = String::from_utf8_lossy(&body).contains(&instance(number));
        ensure!(is_it, "another call came than that of webhook {number}");
        // The call may come before the answer.
        latencies_ms.push(called.saturating_duration_since(accepted).as_secs_f64() * 1e3);
    }
    latencies_ms.sort_by(f64::total_cmp);
    table.add(
        "relay: p99 from accepted to told",
        quantile(&latencies_ms, 0.99),
        "ms",
        Target::AtMost(300.0),
        format!("{WEBHOOKS} webhooks, one at a time; p50 {:.1}", quantile(&latencies_ms, 0.5)),
    );
    Ok(())
}

fn instance(number: usize) -> String {
    format!("node-{number}:9100")
}

fn webhook(number: usize) -> Value {
    let group = json!({ "cluster": number.to_string() });
    json!({
        "version": "4",
        "receiver": "relay",
        "status": "firing",
        "alerts": [{
            "status": "firing",
            "labels": { "alertname": "DiskFull", "instance": instance(number), "severity": "warning" },
            "annotations": { "summary": "almost full" },
            "startsAt": "2026-11-23T01:02:03.456Z",
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "http://prometheus.example:9090/graph",
            "fingerprint": format!("{number:016x}"),
        }],
        "groupLabels": group,
        "commonLabels": group,
        "commonAnnotations": {},
        "externalURL": "http://alertmanager.example:9093",
        "groupKey": format!("{{}}:{{cluster=\"{number}\"}}"),
        "truncatedAlerts": 0,
    })
}

//! How long a page of the list of a million deliveries takes, by the filter that takes longest.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use e2e::{http, programs};
use serde_json::{Value, json};

use super::subject::{self, Subject};
use crate::table::{Table, Target, median};

/// What each page is asked for.
const FILTERS: [&str; 12] = [
    "",
    "from=2026-01-05T00:00:00Z&until=2026-01-06T00:00:00Z",
    "target=target-7",
    "target=nobody",
    "target=target-7&state=dead",
    "group=group-77",
    "group=nothing",
    "state=dead",
    "state=pending",
    "state=suppressed",
    "text=alertname7",
    "text=nothing+has+this",
];

/// Pages of each, of which the middle one counts.
const PAGES: usize = 5;

/// Fills a store, and asks a relay for pages.
pub(super) async fn measure(table: &mut Table, folder: &Path) -> Result<()> {
    let targets = json!({ "chat": { "webhook": { "url": "http://127.0.0.1:9/" }, "budget": "1/1h" } });
    let settings = subject::settings(&subject::store(folder), &targets);
    // It makes the tables.
    let relay = Subject::start(folder, settings.clone()).await?;
    relay.process.stop(std::time::Duration::from_secs(30)).await?;
    fill(&subject::file(folder))?;
    let relay = Subject::start(folder, settings).await?;
    let client = http::client()?;
    let mut slowest: Option<(f64, &str)> = None;
    let mut all = Vec::new();
    for filter in FILTERS {
        let url = relay.url(&format!("/api/v1/deliveries?{filter}"));
        let mut took_ms = Vec::new();
        let mut found = 0;
        for _ in 0..PAGES {
            let begun = Instant::now();
            let page = http::page(&client, &url).await?;
            took_ms.push(begun.elapsed().as_secs_f64() * 1e3);
            let page: Value = serde_json::from_str(&page).context("a page of deliveries")?;
            found = page["deliveries"].as_array().context("a page has deliveries")?.len();
        }
        let took_ms = median(took_ms);
        all.push(format!("{} {took_ms:.0}", if filter.is_empty() { "all" } else { filter }));
        if slowest.is_none_or(|(slowest, _)| took_ms > slowest) {
            slowest = Some((took_ms, filter));
        }
        let is_empty =
            filter.contains("nothing") || filter.contains("nobody") || filter.contains("suppressed");
        ensure!(is_empty == (found == 0), "{filter}: {found} deliveries");
    }
    let (slowest, _) = slowest.context("there are filters")?;
    table.add(
        "relay, 1000000 deliveries: a page of the list",
        slowest,
        "ms",
        Target::AtMost(200.0),
        format!("the slowest of: {}", all.join("; ")),
    );
    Ok(())
}

fn fill(store: &Path) -> Result<()> {
    let sqlite = programs::debian("sqlite3")?;
    let output = Command::new(&sqlite).arg(store).arg(MILLION).stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("failed to start {}", sqlite.display()))?;
    ensure!(output.status.success(), "sqlite3: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// A million webhooks of two weeks, one delivery each; ten targets, a thousand groups, a thousandth is dead, the newest wait.
const MILLION: &str = "
    PRAGMA synchronous = OFF;
    BEGIN;
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000)
    INSERT INTO notifications (id, endpoint, receiver, group_id, group_key, dedup_key, accepted_at, payload)
      SELECT i, 'ops', 'ops', 'group-' || (i % 1000), '{}:{alertname=\"AlertName' || (i % 1000) || '\"}', '', 1767225600000 + i * 1200, zeroblob(300) FROM n;
    INSERT INTO deliveries (id, notification, target, group_id, alerts, quiet, mentions, is_urgent, state, accepted_at, next_at, ended_at)
      SELECT id, id, 'target-' || (id % 10), group_id, '[\"2d6b219bdcf7d964\"]', '[]', '{}', 0,
        CASE WHEN id % 1000 = 7 THEN 'dead' WHEN id > 999900 THEN 'pending' ELSE 'delivered' END, accepted_at, 0, accepted_at FROM notifications;
    INSERT INTO subjects (notification, names, text)
      SELECT id, 'AlertName', 'alertname' || (id % 1000) || char(10) || 'instance=gpu-node-' || (id % 5000) || char(10) || 'severity=warning' || char(10)
        || 'the temperature of a gpu on this node is above the limit for five minutes: look whether its fans turn' || char(10) FROM notifications;
    COMMIT;
    PRAGMA wal_checkpoint(TRUNCATE);
";

//! A hundred thousand deliveries that wait: how soon a relay is ready with them, how soon it answers, and what memory it has.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::accepting::{CONNECTIONS, ROUND, ROUNDS, WARM_UP, each};
use super::subject::{self, ALERTS, Subject};
use crate::flood::{Flooded, flood};
use crate::table::{Table, Target, median};
use crate::usage;

const PENDING: u64 = 100_000;

/// Restarts of which the middle one counts.
const RESTARTS: usize = 3;

/// Fills a store with what waits for a robot that takes a message an hour, kills the relay, and starts it again.
pub(super) async fn measure(table: &mut Table, folder: &Path) -> Result<()> {
    let next = Arc::new(AtomicU64::new(0));
    let mut relay = start(folder).await?;
    let mut accepted = 0;
    while accepted < PENDING {
        let flooded = flood(relay.address(), ALERTS, CONNECTIONS, Duration::from_secs(1), &next).await?;
        ensure!(flooded.accepted > 0, "the relay accepts nothing");
        accepted += flooded.accepted;
    }
    let mut ready_s = Vec::new();
    for _ in 0..RESTARTS {
        relay.process.kill();
        relay = start(folder).await?;
        ready_s.push(relay.ready_after.as_secs_f64());
    }
    let at_rest = usage::memory(relay.pid(), None)?;
    flood(relay.address(), ALERTS, CONNECTIONS, WARM_UP, &next).await?;
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        rounds.push(flood(relay.address(), ALERTS, CONNECTIONS, ROUND, &next).await?);
    }
    let flooded = usage::memory(relay.pid(), None)?;

    table.add(
        format!("relay, {PENDING} pending: p99 of answers"),
        median(rounds.iter().map(Flooded::p99_ms)),
        "ms",
        Target::AtMost(20.0),
        format!(
            "rounds: {}; webhooks a second: {}",
            each(&rounds, Flooded::p99_ms),
            each(&rounds, Flooded::per_second)
        ),
    );
    table.add(
        format!("relay, {PENDING} pending: ready after kill -9"),
        median(ready_s.iter().copied()),
        "s",
        Target::AtMost(2.0),
        format!("{accepted} pending; restarts: {ready_s:.2?}"),
    );
    table.add(
        format!("relay, {PENDING} stored: private memory"),
        at_rest.private.max(flooded.private),
        "MB",
        Target::AtMost(20.0),
        format!(
            "{:.1} after the restart, {:.1} after the flood; resident {:.1} and {:.1}",
            at_rest.private, flooded.private, at_rest.resident, flooded.resident
        ),
    );
    Ok(())
}

async fn start(folder: &Path) -> Result<Subject> {
    Subject::start(folder, settings(folder)).await
}

fn settings(folder: &Path) -> Value {
    let targets = json!({ "chat": { "webhook": { "url": "http://127.0.0.1:9/" }, "budget": "1/1h" } });
    subject::settings(&subject::store(folder), &targets)
}

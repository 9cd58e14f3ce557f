//! A thousand targets: how soon a relay is ready with them, and what it has and does while nothing comes.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::{Map, Value, json};

use super::subject::{self, Subject};
use crate::table::{Table, Target, median};
use crate::usage::{self, CpuWatch};

const TARGETS: usize = 1_000;

/// Starts of which the middle one counts.
const STARTS: usize = 3;

/// What follows a start is not idleness.
const SETTLE: Duration = Duration::from_secs(2);

/// Long enough for the regular work beside delivering, which comes every 15 seconds.
const IDLE: Duration = Duration::from_secs(31);

/// Starts a relay whose one route has a thousand targets, and leaves it alone.
pub(super) async fn measure(table: &mut Table, folder: &Path) -> Result<()> {
    let target = |number: usize| {
        let url = format!("http://127.0.0.1:9/{number}");
        (format!("target-{number}"), json!({ "webhook": { "url": url } }))
    };
    let targets = Value::Object((0..TARGETS).map(target).collect::<Map<_, _>>());
    let settings = subject::settings(&subject::store(folder), &targets);
    let mut relay = Subject::start(folder, settings.clone()).await?;
    let mut ready_s = vec![relay.ready_after.as_secs_f64()];
    while ready_s.len() < STARTS {
        relay.process.kill();
        relay = Subject::start(folder, settings.clone()).await?;
        ready_s.push(relay.ready_after.as_secs_f64());
    }
    tokio::time::sleep(SETTLE).await;
    let (watch, begun) = (CpuWatch::start(relay.pid())?, Instant::now());
    tokio::time::sleep(IDLE).await;
    let cpu = watch.spent()?.ns() / begun.elapsed().as_secs_f64() / 1e9;
    let memory = usage::memory(relay.pid(), None)?;
    table.add(
        format!("relay, {TARGETS} targets: ready"),
        median(ready_s.iter().copied()),
        "s",
        Target::AtMost(1.0),
        format!("starts: {ready_s:.2?}"),
    );
    table.add(
        format!("relay, {TARGETS} targets: private memory"),
        memory.private,
        "MB",
        Target::AtMost(60.0),
        format!("proportional {:.1}, resident {:.1}", memory.proportional, memory.resident),
    );
    table.add(
        format!("relay, {TARGETS} targets: idle CPU"),
        cpu * 100.0,
        "%",
        Target::AtMost(1.0),
        format!("of one core, over {} s", IDLE.as_secs()),
    );
    Ok(())
}

//! How many webhooks a second the relay makes durable, beside the same server without a store; and that it really did.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::programs;
use e2e::vendor::wecom::{self, Wecom};
use serde_json::json;

use super::storeless::Storeless;
use super::subject::{self, ALERTS, Subject};
use crate::flood::{Flooded, flood};
use crate::table::{Table, Target, median};
use crate::usage::{self, CpuWatch};

pub(super) const CONNECTIONS: usize = 32;
pub(super) const ROUNDS: usize = 3;
pub(super) const ROUND: Duration = Duration::from_secs(5);
/// Brings the connections, the allocator and the store's file to their working size.
pub(super) const WARM_UP: Duration = Duration::from_secs(1);

/// Floods a relay that delivers to one robot meanwhile, rounds alternating with those of the server without a store; kills it, and counts
/// what its store holds.
pub(super) async fn measure(table: &mut Table, folder: &Path) -> Result<()> {
    let robot = Wecom::start(wecom::Setup::default())?;
    let targets = json!({ "chat": { "wecom": { "webhook_url": robot.webhook_url() } } });
    let mut relay = Subject::start(folder, subject::settings(&subject::store(folder), &targets)).await?;
    let storeless = Storeless::start(folder).await?;

    let next = Arc::new(AtomicU64::new(0));
    let mut accepted = flood(relay.address(), ALERTS, CONNECTIONS, WARM_UP, &next).await?.accepted;
    flood(storeless.address(), ALERTS, CONNECTIONS, WARM_UP, &next).await?;
    let watch = CpuWatch::start(relay.pid())?;
    let (mut with_store, mut without) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let flooded = flood(relay.address(), ALERTS, CONNECTIONS, ROUND, &next).await?;
        accepted += flooded.accepted;
        with_store.push(flooded);
        without.push(flood(storeless.address(), ALERTS, CONNECTIONS, ROUND, &next).await?);
    }
    let cpu = watch.spent()?.ns();
    let memory = usage::memory(relay.pid(), None)?;
    relay.process.kill();
    let stored = stored(&subject::file(folder))?;

    table.add(
        "relay: durable webhooks a second",
        median(with_store.iter().map(Flooded::per_second)),
        "1/s",
        Target::AtLeast(8_000.0),
        format!(
            "{CONNECTIONS} connections, 10 alerts and 7 KB each; rounds: {}",
            each(&with_store, Flooded::per_second)
        ),
    );
    table.add(
        "relay: of the server without a store",
        median(
            with_store.iter().zip(&without).map(|(with, without)| with.per_second() / without.per_second()),
        ),
        "",
        Target::AtLeast(0.3),
        format!("without: {}", each(&without, Flooded::per_second)),
    );
    table.add(
        "relay: p99 of their answers",
        median(with_store.iter().map(Flooded::p99_ms)),
        "ms",
        Target::AtMost(50.0),
        format!("rounds: {}", each(&with_store, Flooded::p99_ms)),
    );
    table.add(
        "relay: stored after kill -9 / accepted",
        stored as f64 / accepted as f64,
        "",
        Target::AtLeast(1.0),
        format!("{stored} in the store, {accepted} answered 200"),
    );
    let measured: u64 = with_store.iter().map(|round| round.accepted).sum();
    table.add(
        "relay: CPU a webhook",
        cpu / measured as f64 / 1e6,
        "ms",
        Target::None,
        "accepting, storing, delivering",
    );
    table.add(
        "relay: private memory after the flood",
        memory.private,
        "MB",
        Target::None,
        format!("proportional {:.1}, resident {:.1}", memory.proportional, memory.resident),
    );
    Ok(())
}

/// A number of each round.
pub(super) fn each(rounds: &[Flooded], value: fn(&Flooded) -> f64) -> String {
    rounds.iter().map(|round| format!("{:.0}", value(round))).collect::<Vec<_>>().join(", ")
}

/// Notifications in the store, by the program an operator would use.
fn stored(store: &Path) -> Result<u64> {
    let sqlite = programs::debian("sqlite3")?;
    let output = Command::new(&sqlite)
        .arg(store)
        .arg("PRAGMA integrity_check; SELECT count(*) FROM notifications;")
        .output()
        .with_context(|| format!("failed to start {}", sqlite.display()))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let count = said.strip_prefix("ok\n").and_then(|count| count.trim().parse().ok());
    ensure!(count.is_some(), "the store is not whole: {said}{}", String::from_utf8_lossy(&output.stderr));
    count.context("checked above")
}

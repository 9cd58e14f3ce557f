//! The relay: how many webhooks a second it makes durable, and that it really did.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::chain::parts;
use e2e::ports::Port;
use e2e::vendor::wecom::{self, Wecom};
use e2e::{http, programs};
use serde_json::json;

use crate::flood::{Flooded, flood};
use crate::table::{Table, Target, median, quantile};
use crate::usage::{self, CpuWatch};

const CONNECTIONS: usize = 32;
const ROUNDS: usize = 3;
const ROUND: Duration = Duration::from_secs(5);
/// Brings the connections, the allocator and the store's file to their working size.
const WARM_UP: Duration = Duration::from_secs(1);

/// Floods a relay that delivers to one robot meanwhile, kills it, and counts what its store holds.
pub(crate) async fn measure(table: &mut Table, folder: &Path) -> Result<()> {
    let robot = Wecom::start(wecom::Setup::default())?;
    let port = Port::free()?;
    let store = folder.join("relay.db");
    let settings = json!({
        "server": { "listen": port.address().to_string() },
        "store": { "url": format!("sqlite://{}", store.display()) },
        "targets": { "chat": { "wecom": { "webhook_url": robot.webhook_url() } } },
        "receivers": { "ops": { "routes": [{ "targets": ["chat"] }] } },
    });
    // JSON is YAML.
    let file = folder.join("relay.yml");
    std::fs::write(&file, settings.to_string())
        .with_context(|| format!("failed to write {}", file.display()))?;
    let mut relay = parts::relay(&file)?.start(folder)?;
    let ready = format!("http://{}/-/ready", port.address());
    relay.ready(&http::client()?, &ready, Duration::from_secs(30)).await?;

    let next = Arc::new(AtomicU64::new(0));
    let mut accepted = 0;
    let mut rounds = Vec::new();
    let path = "/api/v1/alerts/ops";
    accepted += flood(port.address(), path, CONNECTIONS, WARM_UP, &next).await?.accepted;
    let watch = CpuWatch::start(relay.pid())?;
    for _ in 0..ROUNDS {
        let flooded = flood(port.address(), path, CONNECTIONS, ROUND, &next).await?;
        accepted += flooded.accepted;
        rounds.push(flooded);
    }
    let cpu = watch.spent()?.ns();
    let memory = usage::memory(relay.pid(), None)?;
    relay.kill();
    let stored = stored(&store)?;

    let per_second = |flooded: &Flooded| flooded.accepted as f64 / flooded.took.as_secs_f64();
    let p99 = |flooded: &Flooded| quantile(&flooded.latencies_ms, 0.99);
    let each = |value: &dyn Fn(&Flooded) -> f64| -> String {
        rounds.iter().map(|round| format!("{:.0}", value(round))).collect::<Vec<_>>().join(", ")
    };
    let measured: u64 = rounds.iter().map(|round| round.accepted).sum();
    table.add(
        "relay: durable webhooks a second",
        median(rounds.iter().map(per_second)),
        "1/s",
        Target::AtLeast(2000.0),
        format!("{CONNECTIONS} connections, 10 alerts and 7 KB each; rounds: {}", each(&per_second)),
    );
    table.add(
        "relay: p99 of their answers",
        median(rounds.iter().map(p99)),
        "ms",
        Target::AtMost(50.0),
        format!("rounds: {}", each(&p99)),
    );
    table.add(
        "relay: stored after kill -9 / accepted",
        stored as f64 / accepted as f64,
        "",
        Target::AtLeast(1.0),
        format!("{stored} in the store, {accepted} answered 200"),
    );
    table.add(
        "relay: CPU a webhook",
        cpu / measured as f64 / 1e6,
        "ms",
        Target::None,
        "accepting, storing, delivering",
    );
    table.add(
        "relay: private memory",
        memory.private,
        "MB",
        Target::None,
        format!("after the flood; proportional {:.1}, resident {:.1}", memory.proportional, memory.resident),
    );
    Ok(())
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

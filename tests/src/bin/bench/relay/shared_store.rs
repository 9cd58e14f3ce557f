//! How many webhooks a second a relay makes durable in PostgreSQL, which is started on the same machine and waits for its disk.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use anyhow::Result;
use serde_json::json;
use test_peers::postgres::Cluster;

use super::accepting::{CONNECTIONS, ROUND, ROUNDS, WARM_UP, each};
use super::subject::{self, ALERTS, Subject};
use crate::flood::{Flooded, flood};
use crate::table::{Table, Target, median};

/// Floods a relay whose one robot takes a message an hour.
pub(super) async fn measure(table: &mut Table, folder: &Path) -> Result<()> {
    let database = Cluster::durable();
    let targets = json!({ "chat": { "webhook": { "url": "http://127.0.0.1:9/" }, "budget": "1/1h" } });
    let mut settings = subject::settings(&database.new_store(), &targets);
    settings["store"]["directory"] = json!(folder);
    let relay = Subject::start(folder, settings).await?;
    let next = Arc::new(AtomicU64::new(0));
    flood(relay.address(), ALERTS, CONNECTIONS, WARM_UP, &next).await?;
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        rounds.push(flood(relay.address(), ALERTS, CONNECTIONS, ROUND, &next).await?);
    }
    table.add(
        "relay, PostgreSQL: durable webhooks a second",
        median(rounds.iter().map(Flooded::per_second)),
        "1/s",
        Target::AtLeast(2_000.0),
        format!(
            "{CONNECTIONS} connections; rounds: {}; p99 {} ms",
            each(&rounds, Flooded::per_second),
            each(&rounds, Flooded::p99_ms)
        ),
    );
    Ok(())
}

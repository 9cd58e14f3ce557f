//! A relay that is killed at its I/O, again and again: what its chats were told is held against what was true.

use anyhow::{Context as _, Result};
use e2e::chaos::{self, Scenario, Tally};
use tokio::task::{JoinSet, LocalSet};

/// Relays, and lives of each: 300 deaths. `make chaos` has any number.
const RELAYS: u64 = 6;
const LIVES: usize = 50;

async fn run(seed: u64) -> Result<Tally> {
    let folder = tempfile::tempdir()?;
    let tally = chaos::run(Scenario { seed, lives: LIVES, with_mails: seed == 0 }, folder.path()).await;
    tally.with_context(|| format!("seed {seed}, in {}", folder.keep().display()))
}

async fn all() -> Result<Tally> {
    let mut runs = JoinSet::new();
    for seed in 0..RELAYS {
        runs.spawn_local(run(seed));
    }
    let mut tally = Tally::default();
    while let Some(ended) = runs.join_next().await {
        tally.add(ended??);
    }
    Ok(tally)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_killed_at_any_write_sync_send_or_reply_loses_nothing() {
    // At the same time: each waits for its relay most of the time.
    let tally = LocalSet::new().run_until(all()).await.unwrap();
    println!("{tally:?}");
    assert_eq!(tally.kills, 300);
    assert!(tally.at_calls > 0 && tally.jumps > 0 && tally.messages > 0, "{tally:?}");
}

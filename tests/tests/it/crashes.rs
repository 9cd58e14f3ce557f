//! A relay that is killed at its I/O, again and again: what its chats were told is held against what was true.

use anyhow::{Context as _, Result};
use e2e::chaos::{self, Scenario, Tally};

/// Lives of each of the four relays. `make chaos` has any number.
const LIVES: usize = 15;

async fn run(seed: u64) -> Result<Tally> {
    let folder = tempfile::tempdir()?;
    let tally = chaos::run(Scenario { seed, lives: LIVES, with_mails: seed == 4 }, folder.path()).await;
    tally.with_context(|| format!("seed {seed}, in {}", folder.keep().display()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_killed_at_any_write_sync_send_or_reply_loses_nothing() {
    // At the same time: each waits for its relay most of the time.
    let (first, second, third, fourth) = tokio::join!(run(1), run(2), run(3), run(4));
    let mut tally = Tally::default();
    for run in [first, second, third, fourth] {
        tally.add(run.unwrap());
    }
    println!("{tally:?}");
    assert_eq!(tally.kills, 4 * LIVES);
    assert!(tally.at_calls > 0 && tally.jumps > 0 && tally.messages > 0, "{tally:?}");
}

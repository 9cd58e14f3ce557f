//! `make chaos`: a relay killed at its I/O again and again for MINUTES, by seeds of chance, and the tally.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use e2e::chaos::{self, Scenario, Tally};
use tokio::task::{JoinSet, LocalSet};

/// Lives of one run: after each, what was told is judged.
const LIVES: usize = 60;

/// Runs at the same time: each waits for its relay most of the time.
const AT_ONCE: usize = 8;

#[tokio::main]
async fn main() -> ExitCode {
    match LocalSet::new().run_until(shake()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody to tell when standard error is closed.
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn shake() -> Result<()> {
    let minutes = std::env::args().nth(1).unwrap_or_else(|| "60".to_owned());
    let minutes: u64 = minutes.parse().with_context(|| format!("`{minutes}` is no number of minutes"))?;
    let (start, mut tally, mut runs) = (Instant::now(), Tally::default(), 0_usize);
    let mut out = std::io::stdout();
    let mut under_way = JoinSet::new();
    let mut begun = 0_usize;
    loop {
        while under_way.len() < AT_ONCE && start.elapsed() < Duration::from_secs(minutes * 60) {
            under_way.spawn_local(run(begun % 2 == 1));
            begun += 1;
        }
        let Some(ended) = under_way.join_next().await else { break };
        tally.add(ended.context("a run has panicked")??);
        runs += 1;
        let seconds = start.elapsed().as_secs();
        writeln!(out, "{seconds:>5} s, {runs} runs: {}", told(&tally)).context("failed to print")?;
    }
    let minutes = start.elapsed().as_secs() / 60;
    writeln!(out, "{runs} runs in {minutes} min: {}", told(&tally)).context("failed to print")
}

/// One run by a seed of chance. Its store is kept when something is wrong.
async fn run(with_mails: bool) -> Result<Tally> {
    let seed = fastrand::u64(..);
    let folder = tempfile::tempdir()?;
    let tally = chaos::run(Scenario { seed, lives: LIVES, with_mails }, folder.path()).await;
    tally.with_context(|| format!("seed {seed}, the store in {}", folder.keep().display()))
}

fn told(tally: &Tally) -> String {
    let Tally { kills, at_calls, faults, jumps, lies, accepted, messages, duplicates } = tally;
    format!(
        "{kills} kills ({at_calls} at a call under way), {faults} lives on a disk that fails, the clock set {jumps} times, {lies} robots that lied, {accepted} webhooks accepted, {messages} messages: \
         0 lost, 0 out of order, 0 over budget, {duplicates} copies"
    )
}

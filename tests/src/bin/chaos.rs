//! `make chaos`: a relay killed at its I/O again and again for MINUTES, by seeds of chance, and the tally.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use e2e::chaos::{self, Scenario, Tally};

/// Lives of one run: after each, what was told is judged.
const LIVES: usize = 60;

#[tokio::main]
async fn main() -> ExitCode {
    match shake().await {
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
    while start.elapsed() < Duration::from_secs(minutes * 60) {
        let seed = fastrand::u64(..);
        let folder = tempfile::tempdir()?;
        match chaos::run(Scenario { seed, lives: LIVES, with_mails: runs % 2 == 1 }, folder.path()).await {
            Ok(run) => tally.add(run),
            Err(error) => {
                let kept = folder.keep();
                return Err(error.context(format!(
                    "run {} by seed {seed}, its store in {}",
                    runs + 1,
                    kept.display()
                )));
            }
        }
        runs += 1;
        let seconds = start.elapsed().as_secs();
        writeln!(out, "{seconds:>5} s, {runs} runs: {}", told(&tally)).context("failed to print")?;
    }
    writeln!(out, "{} runs in {minutes} min: {}", runs, told(&tally)).context("failed to print")
}

fn told(tally: &Tally) -> String {
    let Tally { kills, at_calls, faults, jumps, lies, accepted, messages, duplicates } = tally;
    format!(
        "{kills} kills ({at_calls} at a call under way), {faults} lives on a disk that fails, the clock set {jumps} times, {lies} robots that lied, {accepted} webhooks accepted, {messages} messages: \
         0 lost, 0 out of order, 0 over budget, {duplicates} copies"
    )
}

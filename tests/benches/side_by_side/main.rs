//! `make bench`: our two services on this machine, now, each number beside its target.
//!
//! The exporter, on eight simulated H100, runs side by side with Debian's `node_exporter`: rounds alternate between the
//! two, so that a busy machine slows both, and the ratio of each pair of rounds is what counts. The relay takes webhooks
//! from 32 connections and is then killed, so that only what it had really stored is counted. All of it stays on
//! loopback and ends within four minutes.
//!
//! A missed target is printed and no failure, unless `BENCH_STRICT=1` says so: on a shared machine a number tells about
//! the neighbours as well.

mod exporter;
mod flood;
mod relay;
mod scrapes;
mod table;
mod usage;

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Context as _, Result};

use self::table::Table;

fn main() -> ExitCode {
    // `cargo test --benches` starts this too, without `--bench`: it builds, and that is all a test can ask of it.
    if !std::env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    let is_strict = std::env::var_os("BENCH_STRICT").is_some_and(|value| value == "1");
    match measure() {
        Ok(table) => {
            // Nobody to tell when standard output is closed.
            let _ = writeln!(std::io::stdout(), "{table}");
            if is_strict && table.missed() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure() -> Result<Table> {
    let runtime = tokio::runtime::Runtime::new().context("failed to start the runtime")?;
    let logs = tempfile::tempdir().context("failed to make a temporary folder")?;
    let mut table = Table::default();
    runtime.block_on(async {
        exporter::measure(&mut table, logs.path()).await?;
        relay::measure(&mut table, logs.path()).await
    })?;
    Ok(table)
}

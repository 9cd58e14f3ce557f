//! `make bench`: our two services on this machine, now, each number beside its target.
//!
//! The exporter runs side by side with Debian's `node_exporter`, the same collectors in both, and with a loop that only reads the same files: rounds
//! alternate between the three, so that a busy machine slows all, and the ratio within a round is what counts. What GPUs cost is measured on eight
//! simulated H100. The relay takes webhooks
//! from 32 connections and is then killed, so that only what it had really stored is counted; then it is given much of everything. All of it stays on
//! loopback and ends within ten minutes.
//!
//! `costs` (asked for by name) gives the programs their largest inputs, twice and four times as large. `soak` scrapes one exporter for
//! minutes and fails when anything grows.
//!
//! A program and not a `cargo bench` target, which would build every dependency a second time.
//!
//! A missed target is printed and is no failure, unless `BENCH_STRICT=1` is set: on a shared machine other programs change
//! the numbers as well.

mod collectors;
mod costs;
mod exporter;
mod flood;
mod floor;
mod gpu_series;
mod relay;
mod scrapes;
mod soak;
mod table;
mod usage;

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};

use self::costs::Effort;
use self::relay::{Part, storeless};
use self::table::Table;

fn main() -> ExitCode {
    if let Some(served) = beside() {
        return match served {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                let _ = writeln!(std::io::stderr(), "error: {error:#}");
                ExitCode::FAILURE
            }
        };
    }
    let is_strict = std::env::var_os("BENCH_STRICT").is_some_and(|value| value == "1");
    let subject = Subject::asked_for();
    // A busy machine does not make anything grow.
    let is_strict = is_strict || matches!(subject, Ok(Subject::Soak(_)));
    match subject.and_then(measure) {
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

/// What this program is started as by itself, to stand beside what it measures: until it is killed.
fn beside() -> Option<Result<()>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [mode, folder] if mode == "floor" => Some(floor::serve(folder.as_ref())),
        [mode, address] if mode == storeless::MODE => Some(storeless::serve(address)),
        _ => None,
    }
}

/// What is measured: one of the services, both, or what their inputs cost, which takes minutes and is asked for by name; or whether an exporter stays as it
/// is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Subject {
    Exporter,
    /// The part of it that `node_exporter` has too.
    Host,
    Relay,
    /// A part of it.
    RelayPart(Part),
    Both,
    Costs,
    /// For so long.
    Soak(Duration),
}

impl Subject {
    fn asked_for() -> Result<Self> {
        match std::env::args().nth(1).as_deref() {
            None => Ok(Self::Both),
            Some("exporter") => Ok(Self::Exporter),
            Some("host") => Ok(Self::Host),
            Some("relay") => Ok(Self::Relay),
            Some("costs") => Ok(Self::Costs),
            Some("soak") => {
                let minutes = std::env::args().nth(2);
                let minutes =
                    minutes.as_deref().unwrap_or("30").parse::<u32>().ok().filter(|minutes| *minutes > 0);
                minutes
                    .map(|minutes| Self::Soak(Duration::from_mins(u64::from(minutes))))
                    .context("`soak` takes whole minutes")
            }
            Some(other) => {
                let part = other.strip_prefix("relay:").and_then(Part::named);
                part.map(Self::RelayPart).with_context(|| {
                    let parts = Part::ALL.map(|part| format!("`relay:{}`", part.name())).join(", ");
                    format!(
                        "`{other}` is no subject (hint: `exporter`, `host`, `relay`, {parts}, nothing for both, `costs`, or `soak MINUTES`)"
                    )
                })
            }
        }
    }
}

fn measure(subject: Subject) -> Result<Table> {
    let runtime = tokio::runtime::Runtime::new().context("failed to start the runtime")?;
    let folder = work_folder()?;
    let mut table = Table::default();
    runtime.block_on(async {
        if subject == Subject::Costs {
            costs::measure(&mut table, folder.path(), Effort::BENCH).await?;
            return Ok(table);
        }
        if let Subject::Soak(length) = subject {
            soak::measure(&mut table, folder.path(), length).await?;
            return Ok(table);
        }
        if matches!(subject, Subject::Exporter | Subject::Host | Subject::Both) {
            collectors::measure(&mut table, folder.path()).await?;
        }
        if matches!(subject, Subject::Exporter | Subject::Both) {
            exporter::measure(&mut table, folder.path()).await?;
        }
        for part in Part::ALL {
            if subject == Subject::RelayPart(part) || matches!(subject, Subject::Relay | Subject::Both) {
                part.measure(&mut table, folder.path()).await?;
            }
        }
        Ok(table)
    })
}

/// Beside the programs, on the disk that the checkout is on: where `/tmp` is kept in memory, an fsync costs nothing, and a
/// relay that is durable there proves nothing.
fn work_folder() -> Result<tempfile::TempDir> {
    let program = std::env::current_exe().context("failed to find this program")?;
    let folder = program.parent().context("a program is in a folder")?;
    tempfile::Builder::new()
        .prefix("bench-")
        .tempdir_in(folder)
        .with_context(|| format!("failed to make a temporary folder in {}", folder.display()))
}

//! `alert-relay check`: every mistake that can be found without sending anything.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::commands::preflight;
use crate::settings::{DEFAULT, Settings};

/// `check`
#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    /// The settings file
    #[arg(long, value_name = "FILE", required_unless_present = "print_default")]
    config: Option<PathBuf>,

    /// Print the embedded default settings, which document every key, and stop
    #[arg(long)]
    print_default: bool,
}

/// Exit code 0 when nothing is wrong, 2 when something is.
#[expect(clippy::print_stdout, reason = "what the command was asked to print")]
pub(crate) fn run(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    if args.print_default {
        print!("{DEFAULT}");
    }
    let Some(file) = &args.config else { return Ok(ExitCode::SUCCESS) };
    let settings = match preflight::load(file)? {
        Ok(settings) => settings,
        Err(code) => return Ok(code),
    };
    println!("{}: good: {}", file.display(), summary(&settings));
    Ok(ExitCode::SUCCESS)
}

fn summary(settings: &Settings) -> String {
    let count = |number: usize, noun: &str| format!("{number} {noun}{}", if number == 1 { "" } else { "s" });
    [
        count(settings.receivers.len(), "receiver"),
        count(settings.targets.len(), "target"),
        count(settings.heartbeats.len(), "heartbeat"),
    ]
    .join(", ")
}

//! `alert-relay check`: every mistake that can be found without sending anything.

use std::process::ExitCode;

use crate::args::CheckArgs;
use crate::settings::{DEFAULT, Settings};

/// Exit code 0 when nothing is wrong, 2 when something is.
#[expect(clippy::print_stdout, reason = "what the command was asked to print")]
pub(crate) fn run(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    if args.print_default {
        print!("{DEFAULT}");
    }
    let Some(file) = &args.config else { return Ok(ExitCode::SUCCESS) };
    let settings = match super::load_settings_for_serving(file)? {
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

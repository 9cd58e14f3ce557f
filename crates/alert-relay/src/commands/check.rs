//! `alert-relay check`: every mistake that can be found without sending anything.

use std::process::ExitCode;

use crate::args::CheckArgs;
use crate::settings::DEFAULT;

/// Exit code 0 when nothing is wrong, 2 when something is.
#[expect(clippy::print_stdout, reason = "what the command was asked to print")]
pub(crate) fn run(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    if args.print_default {
        print!("{DEFAULT}");
    }
    let Some(file) = &args.config else { return Ok(ExitCode::SUCCESS) };
    match super::load_settings(file) {
        Ok(_settings) => Ok(ExitCode::SUCCESS),
        Err(code) => Ok(code),
    }
}

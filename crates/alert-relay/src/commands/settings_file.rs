//! `--config FILE`: the settings file of every command that needs one, and what is said of a file with mistakes.
//!
//! Leaves out what only the machine can tell (`preflight`).

use std::path::PathBuf;
use std::process::ExitCode;

use crate::message::Language;
use crate::settings::{Problem, Settings};

/// Bad settings or bad arguments; clap uses the same code.
const EXIT_BAD_SETTINGS: u8 = 2;

/// The settings file.
#[derive(Debug, clap::Args)]
pub(crate) struct SettingsFile {
    /// The settings file
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
}

impl SettingsFile {
    /// The settings, or the exit code after every mistake in them was printed to standard error.
    pub(crate) fn load(&self) -> Result<Settings, ExitCode> {
        self.load_in(None)
    }

    /// As [`load`](Self::load), with the texts of every target in this language if there is one.
    pub(super) fn load_in(&self, language: Option<Language>) -> Result<Settings, ExitCode> {
        Settings::load_in(&self.config, language).map_err(|rejected| refuse_settings(&rejected.problems))
    }
}

/// Prints every mistake in the settings.
pub(super) fn refuse_settings(problems: &[Problem]) -> ExitCode {
    let count = problems.len();
    let mut lines: Vec<String> = problems.iter().map(Problem::to_string).collect();
    lines.push(format!("alert-relay: {count} problem{} in the settings", if count == 1 { "" } else { "s" }));
    refuse(&lines)
}

/// Prints what is wrong, a line each.
#[expect(
    clippy::print_stderr,
    reason = "the answer of a command that could not start is for people, not for the log"
)]
pub(super) fn refuse(lines: &[String]) -> ExitCode {
    for line in lines {
        eprintln!("{line}");
    }
    ExitCode::from(EXIT_BAD_SETTINGS)
}

//! What the program can be told to do: one file a command.
//!
//! Each returns the exit code it documents, or an error for what it could not foresee.

use std::process::ExitCode;

use crate::args::{Args, Command};
use crate::settings::{Problem, Settings};

pub(crate) mod check;
pub(crate) mod render;
pub(crate) mod send_test;
pub(crate) mod serve;

/// Bad settings or bad arguments; clap uses the same code.
const EXIT_BAD_SETTINGS: u8 = 2;

/// Does what the arguments say.
pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Serve(args) => serve::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Render(args) => render::run(&args),
        Command::SendTest(args) => send_test::run(&args),
    }
}

/// The settings, or the exit code after every mistake in them was printed to standard error.
pub(crate) fn load_settings(file: &std::path::Path) -> Result<Settings, ExitCode> {
    Settings::load(file).map_err(|problems| {
        print_problems(&problems);
        ExitCode::from(EXIT_BAD_SETTINGS)
    })
}

#[expect(
    clippy::print_stderr,
    reason = "the answer of a command that could not start is for people, not for the log"
)]
fn print_problems(problems: &[Problem]) {
    for problem in problems {
        eprintln!("{problem}");
    }
    let count = problems.len();
    eprintln!("alert-relay: {count} problem{} in the settings", if count == 1 { "" } else { "s" });
}

//! What the program can be told to do: one file a command.
//!
//! Each returns the exit code it documents, or an error for what it could not foresee.

use std::process::ExitCode;

use crate::args::{Args, Command};
use crate::channel::Channel;
use crate::message::Language;
use crate::settings::{Problem, Settings, TargetSettings};

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
        let count = problems.len();
        let mut lines: Vec<String> = problems.iter().map(Problem::to_string).collect();
        lines.push(format!(
            "alert-relay: {count} problem{} in the settings",
            if count == 1 { "" } else { "s" }
        ));
        refuse(&lines)
    })
}

#[expect(
    clippy::print_stderr,
    reason = "the answer of a command that could not start is for people, not for the log"
)]
fn refuse(lines: &[String]) -> ExitCode {
    for line in lines {
        eprintln!("{line}");
    }
    ExitCode::from(EXIT_BAD_SETTINGS)
}

/// A target with its channel, in another language if asked, or the exit code after the mistake was printed.
fn open_target(
    settings: &Settings,
    name: &str,
    language: Option<Language>,
) -> Result<(TargetSettings, Channel), ExitCode> {
    let Some(target) = settings.targets.get(name) else {
        let known: Vec<&str> = settings.targets.keys().map(String::as_str).collect();
        let hint = known_targets(&known);
        return Err(refuse(&[format!("alert-relay: `{name}` is no target in the settings (hint: {hint})")]));
    };
    let mut target = target.clone();
    target.language = language.unwrap_or(target.language);
    match Channel::new(&target) {
        Ok(channel) => Ok((target, channel)),
        Err(error) => Err(refuse(&[format!("alert-relay: targets.{name}: {error}")])),
    }
}

fn known_targets(names: &[&str]) -> String {
    if names.is_empty() { "there are none".to_owned() } else { format!("known are {}", names.join(", ")) }
}

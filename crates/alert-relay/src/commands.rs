//! What the program can be told to do: one file a command.
//!
//! Each returns the exit code it documents, or an error for what it could not foresee.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::args::{Args, Command};
use crate::channel::Channel;
use crate::message::Language;
use crate::settings::{Problem, Settings, TargetSettings, no_such};

pub(crate) mod check;
mod outside;
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
pub(crate) fn load_settings(file: &Path) -> Result<Settings, ExitCode> {
    Settings::load(file).map_err(|rejected| refuse_settings(&rejected.problems))
}

/// As [`load_settings`], for the commands that open the port and the store: what is wrong with those is a mistake like the
/// others, and is named with them.
fn load_settings_for_serving(file: &Path) -> anyhow::Result<Result<Settings, ExitCode>> {
    let loaded = Settings::load(file);
    let (listen, store) = match &loaded {
        Ok(settings) => (&settings.server.listen, Some(&settings.store.path)),
        Err(rejected) => (&rejected.listen, rejected.store.as_ref()),
    };
    let outside = outside::problems(file, listen, store.map(PathBuf::as_path))?;
    Ok(match loaded {
        Ok(settings) if outside.is_empty() => Ok(settings),
        Ok(_) => Err(refuse_settings(&outside)),
        Err(rejected) => Err(refuse_settings(&[rejected.problems, outside].concat())),
    })
}

fn refuse_settings(problems: &[Problem]) -> ExitCode {
    let count = problems.len();
    let mut lines: Vec<String> = problems.iter().map(Problem::to_string).collect();
    lines.push(format!("alert-relay: {count} problem{} in the settings", if count == 1 { "" } else { "s" }));
    refuse(&lines)
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
        let known = settings.targets.keys().map(String::as_str).collect();
        return Err(refuse(&[format!("alert-relay: {}", no_such("target", name, &known))]));
    };
    let mut target = target.clone();
    target.language = language.unwrap_or(target.language);
    match Channel::new(&target) {
        Ok(channel) => Ok((target, channel)),
        Err(error) => Err(refuse(&[format!("alert-relay: targets.{name}: {error}")])),
    }
}

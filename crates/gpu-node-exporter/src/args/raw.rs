//! The command line as it was written.
//!
//! Owns the grammar, through clap, and single values of it; clap ends at the first flag it does not know, so those are
//! taken out and told before. Leaves out what the values mean together, which is the parent's.

use std::borrow::Cow;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches};
use regex_lite::Regex;

use super::flag::{self, Flag, Takes};
use super::nearest;
use crate::host;
use crate::host::filter::Filter;

/// What was written, and the mistakes found in it so far.
pub(super) struct Raw {
    matches: ArgMatches,
    pub(super) mistakes: Vec<String>,
}

/// A command line without settings.
pub(super) enum Unreadable {
    /// Every mistake, one text each.
    Mistakes(Vec<String>),
    /// The text that was asked for: the help, or the version.
    Asked(String),
}

impl Raw {
    /// Reads the arguments, without the program's own name.
    pub(super) fn read(arguments: Vec<OsString>) -> Result<Self, Unreadable> {
        let mut mistakes = Vec::new();
        let known = known_arguments(arguments, &mut mistakes);
        match command_line().try_get_matches_from(known) {
            Ok(matches) => Ok(Self { matches, mistakes }),
            Err(error) if error.use_stderr() => {
                // clap stops at its first mistake; its first line says what, the rest is usage.
                let text = error.to_string();
                let first = text.lines().next().unwrap_or(&text);
                mistakes.push(first.trim_start_matches("error: ").to_owned());
                Err(Unreadable::Mistakes(mistakes))
            }
            Err(text) => Err(Unreadable::Asked(text.to_string())),
        }
    }

    /// Whether the switch itself was written, and neither its opposite nor nothing.
    pub(super) fn on(&self, name: &str) -> bool {
        self.matches.get_flag(name)
    }

    pub(super) fn off(&self, name: &str) -> bool {
        self.matches.get_flag(&format!("no-{name}"))
    }

    pub(super) fn value(&self, name: &str) -> String {
        let written = self.old_name(name).unwrap_or(name);
        self.matches.get_many::<String>(written).and_then(Iterator::last).cloned().unwrap_or_default()
    }

    /// The older name of the flag, when that is what was written.
    fn old_name(&self, name: &str) -> Option<&'static str> {
        let (old, _) = flag::RENAMED.iter().find(|(_, new)| *new == name)?;
        self.written(old).then_some(*old)
    }

    pub(super) fn values(&self, name: &str) -> Vec<String> {
        self.matches.get_many::<String>(name).into_iter().flatten().cloned().collect()
    }

    /// Whether the flag was written rather than left to its default.
    pub(super) fn written(&self, name: &str) -> bool {
        self.matches.value_source(name) == Some(clap::parser::ValueSource::CommandLine)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        PathBuf::from(self.value(name))
    }

    pub(super) fn path_if_any(&self, name: &str) -> Option<PathBuf> {
        Some(self.path(name)).filter(|path| !path.as_os_str().is_empty())
    }

    pub(super) fn regex(&mut self, name: &str) -> Option<Regex> {
        let text = self.value(name);
        if text.is_empty() {
            return None;
        }
        match Regex::new(&text) {
            Ok(regex) => Some(regex),
            Err(error) => {
                let reason = error.to_string();
                let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ");
                self.mistakes.push(format!("`--{name}={text}` is not a regular expression: {reason}"));
                None
            }
        }
    }

    /// A pair of flags of which only one may be written; an include expression replaces the default exclude one.
    pub(super) fn filter(&mut self, exclude: &str, include: &str) -> Filter {
        let is_chosen = |name| self.written(name) || self.old_name(name).is_some();
        if is_chosen(exclude) && is_chosen(include) {
            self.mistakes.push(format!(
                "`--{exclude}` and `--{include}` exclude each other (hint: write one of them)"
            ));
        }
        let include = self.regex(include);
        let exclude = if include.is_some() { None } else { self.regex(exclude) };
        Filter { exclude, include }
    }

    pub(super) fn duration(&mut self, name: &str) -> Duration {
        let text = self.value(name);
        match humantime::parse_duration(&text) {
            Ok(duration) => return duration,
            Err(_) if text.parse::<f64>().is_ok() => {
                self.mistakes
                    .push(format!("`--{name}={text}` has no unit (hint: write {text}s or {text}ms)"));
            }
            Err(_) => self
                .mistakes
                .push(format!("`--{name}={text}` is not a duration (hint: like 500ms, 1s or 2m)")),
        }
        Duration::from_secs(1)
    }

    pub(super) fn choice<T: Copy>(&mut self, name: &str, choices: &[(&str, T)]) -> T {
        let text = self.value(name);
        if let Some((_, choice)) = choices.iter().find(|(word, _)| *word == text.to_ascii_lowercase()) {
            return *choice;
        }
        let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
        self.mistakes.push(format!("`--{name}={text}`: expected one of {}", words.join(", ")));
        choices[0].1
    }
}

/// Every flag there is, with its name: ours, the collectors' and those of `node_exporter` that we accept.
pub(super) fn all_flags() -> Vec<Flag> {
    use super::flag::{
        ABSENT_COLLECTORS, ABSENT_SWITCHES, ABSENT_VALUES, COLLECTORS, FLAGS, GPU, NEEDLESS_SWITCHES,
        NEEDLESS_VALUES, RENAMED,
    };
    let collector = |name: &str, on, help: &str, heading| Flag {
        name: Cow::Owned(format!("collector.{name}")),
        takes: Takes::Switch { on },
        help: Cow::Owned(format!("Leave out {help}")),
        heading,
    };
    let hidden = |name: &'static str, takes| Flag {
        name: Cow::Borrowed(name),
        takes,
        help: Cow::Borrowed(""),
        heading: "",
    };
    let any_values = Takes::Values { placeholder: "", default: "" };
    let mut flags = FLAGS.to_vec();
    flags.extend(host::COLLECTORS.iter().map(|entry| collector(entry.name, true, entry.help, COLLECTORS)));
    flags.push(collector("gpu", true, "NVIDIA GPUs", GPU));
    flags.extend(RENAMED.iter().map(|(old, _)| hidden(old, any_values)));
    flags.extend(ABSENT_COLLECTORS.iter().map(|name| collector(name, false, "", "")));
    let switches = ABSENT_SWITCHES.iter().chain(NEEDLESS_SWITCHES);
    flags.extend(switches.map(|name| hidden(name, Takes::Switch { on: false })));
    flags.extend(ABSENT_VALUES.iter().chain(NEEDLESS_VALUES).map(|name| hidden(name, any_values)));
    flags
}

pub(super) fn command_line() -> clap::Command {
    let mut command = clap::Command::new("gpu-node-exporter")
        .no_binary_name(true)
        .version(env!("CARGO_PKG_VERSION"))
        .about("NVIDIA GPU and host metrics for Prometheus.")
        .disable_help_flag(true)
        .disable_version_flag(true)
        .args_override_self(true)
        .next_line_help(true)
        .arg(Arg::new("help").long("help").short('h').action(ArgAction::Help).help("Print this help"))
        .arg(Arg::new("version").long("version").action(ArgAction::Version).help("Print the version"));
    for flag in all_flags() {
        command = add(command, &flag);
    }
    command
}

/// A switch is two arguments; the help shows the one that changes something.
fn add(command: clap::Command, flag: &Flag) -> clap::Command {
    let hidden = flag.heading.is_empty();
    let arg = |name: String| Arg::new(name.clone()).long(name).help_heading(flag.heading).hide(hidden);
    match flag.takes {
        Takes::Switch { on } => {
            let (yes, no) = (flag.name.to_string(), format!("no-{}", flag.name));
            let switch = |name: &str, other: &str, shown: bool| {
                arg(name.to_owned())
                    .action(ArgAction::SetTrue)
                    .overrides_with(other.to_owned())
                    .help(flag.help.to_string())
                    .hide(hidden || !shown)
            };
            command.arg(switch(&yes, &no, !on)).arg(switch(&no, &yes, on))
        }
        Takes::Value { placeholder, default } | Takes::Values { placeholder, default } => {
            let repeated = matches!(flag.takes, Takes::Values { .. });
            let mut argument = arg(flag.name.to_string())
                .action(if repeated { ArgAction::Append } else { ArgAction::Set })
                .value_name(placeholder)
                .allow_hyphen_values(true)
                .help(flag.help.to_string());
            if !default.is_empty() {
                argument = argument.default_value(default);
            }
            command.arg(argument)
        }
    }
}

/// Takes out every flag nobody knows, so that all of them are told and not only the first.
fn known_arguments(arguments: Vec<OsString>, mistakes: &mut Vec<String>) -> Vec<OsString> {
    let flags = all_flags();
    let mut known = Vec::with_capacity(arguments.len());
    let mut is_value = false;
    for argument in arguments {
        let text = argument.to_string_lossy().into_owned();
        if std::mem::take(&mut is_value) || matches!(text.as_str(), "--help" | "-h" | "--version") {
            known.push(argument);
            continue;
        }
        let Some(rest) = text.strip_prefix("--").filter(|rest| !rest.is_empty()) else {
            mistakes.push(format!("unexpected argument `{text}` (hint: flags begin with two dashes)"));
            continue;
        };
        let (name, value) = rest.split_once('=').map_or((rest, None), |(name, value)| (name, Some(value)));
        let positive = name.strip_prefix("no-");
        let found = flags.iter().find(|flag| match flag.takes {
            Takes::Switch { .. } => flag.name == name || positive == Some(&flag.name),
            Takes::Value { .. } | Takes::Values { .. } => flag.name == name,
        });
        match (found.map(|flag| flag.takes), value) {
            (None, _) if name == "web.systemd-socket" => mistakes.push(
                "`--web.systemd-socket`: socket activation is not in this version \
                 (hint: name the address with --web.listen-address)"
                    .to_owned(),
            ),
            (None, _) => mistakes.push(unknown(name, positive.is_some(), &flags)),
            (Some(Takes::Switch { .. }), Some(_)) => mistakes.push(format!(
                "`--{name}` takes no value (hint: write --{0} or --no-{0})",
                positive.unwrap_or(name)
            )),
            (Some(Takes::Switch { .. }), None) => known.push(argument),
            (Some(_), value) => {
                is_value = value.is_none();
                known.push(argument);
            }
        }
    }
    known
}

fn unknown(name: &str, negated: bool, flags: &[Flag]) -> String {
    let prefix = if negated { "no-" } else { "" };
    let bare = if negated { name.trim_start_matches("no-") } else { name };
    let hint = match nearest::nearest(bare, flags.iter().map(|flag| &*flag.name)) {
        Some(near) => format!("did you mean --{prefix}{near}?"),
        None => "--help lists all flags".to_owned(),
    };
    format!("unknown flag `--{name}` (hint: {hint})")
}

//! The values that were written for flags.
//!
//! Owns single values, and collects the mistakes in them so that all are reported at once. Leaves out what values mean
//! together.

use std::path::PathBuf;
use std::time::Duration;

use clap::ArgMatches;
use clap::parser::ValueSource;
use regex_lite::Regex;

use super::expression::expression;
use super::flag::{DISABLE_DEFAULTS, Flag, Takes};

/// What was written on the command line, and what is wrong or should be known about it so far.
#[derive(Debug)]
pub(crate) struct Flags {
    pub(super) matches: ArgMatches,
    /// What cannot be used, one text each.
    pub(crate) mistakes: Vec<String>,
    /// What is accepted but should be known, one sentence each.
    pub(crate) warnings: Vec<String>,
}

impl Flags {
    /// Whether the switch is on, by what was written or by its default.
    pub(crate) fn is_on(&self, flag: &Flag) -> bool {
        if matches!(flag.takes, Takes::Switch { on: true }) {
            !self.matches.get_flag(&format!("no-{}", flag.name))
        } else {
            self.matches.get_flag(flag.name)
        }
    }

    /// Whether the collector of this name runs: it was named, or it runs by default and is not turned off.
    pub(crate) fn runs(&self, collector: &str, is_default: bool) -> bool {
        let is_written = |prefix: &str| self.matches.get_flag(&format!("{prefix}collector.{collector}"));
        is_written("") || (is_default && !is_written("no-") && !self.is_on(&DISABLE_DEFAULTS))
    }

    /// Whether a value was written for the flag, under its name or an older one, rather than left to its default.
    pub(crate) fn is_written(&self, flag: &Flag) -> bool {
        std::iter::once(&flag.name).chain(flag.older).any(|name| self.is_name_written(name))
    }

    /// Whether this very name was written.
    pub(crate) fn is_name_written(&self, name: &str) -> bool {
        self.matches.value_source(name) == Some(ValueSource::CommandLine)
    }

    /// The value; of several the last. Empty when there is none.
    pub(crate) fn value(&self, flag: &Flag) -> String {
        self.values(flag).pop().unwrap_or_default()
    }

    /// All values, in order.
    pub(crate) fn values(&self, flag: &Flag) -> Vec<String> {
        let older = flag.older.iter().find(|older| self.is_name_written(older));
        let name = older.unwrap_or(&flag.name);
        self.matches.get_many::<String>(name).into_iter().flatten().cloned().collect()
    }

    /// A path, which may be empty.
    pub(crate) fn path(&self, flag: &Flag) -> PathBuf {
        PathBuf::from(self.value(flag))
    }

    /// A path, if one is named.
    pub(crate) fn path_if_any(&self, flag: &Flag) -> Option<PathBuf> {
        Some(self.path(flag)).filter(|path| !path.as_os_str().is_empty())
    }

    /// A regular expression; `None` for an empty or a wrong one.
    pub(crate) fn regex(&mut self, flag: &Flag) -> Option<Regex> {
        let text = self.value(flag);
        if text.is_empty() {
            return None;
        }
        self.compiled(flag, &text, &text)
    }

    /// A regular expression that a whole name has to match; `None` for a wrong one. An empty one matches no name.
    pub(crate) fn whole_regex(&mut self, flag: &Flag) -> Option<Regex> {
        let text = self.value(flag);
        self.compiled(flag, &text, &format!("^(?:{text})$"))
    }

    fn compiled(&mut self, flag: &Flag, written: &str, text: &str) -> Option<Regex> {
        let wrong = |reason| format!("`--{}={written}` is not a regular expression: {reason}", flag.name);
        expression(text).map_err(|reason| self.mistakes.push(wrong(reason))).ok()
    }

    /// A length of time, written with its unit; one second when what was written is wrong.
    pub(crate) fn duration(&mut self, flag: &Flag) -> Duration {
        let (name, text) = (flag.name, self.value(flag));
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

    /// One of some words; the first of them when what was written is wrong.
    pub(crate) fn choice<T: Copy>(&mut self, flag: &Flag, choices: &[(&str, T)]) -> T {
        let (name, text) = (flag.name, self.value(flag));
        if let Some((_, choice)) = choices.iter().find(|(word, _)| *word == text.to_ascii_lowercase()) {
            return *choice;
        }
        let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
        self.mistakes.push(format!("`--{name}={text}`: expected one of {}", words.join(", ")));
        choices[0].1
    }

    /// Adds a mistake when two flags are written of which only one can hold.
    pub(crate) fn exclude_each_other(&mut self, one: &Flag, other: &Flag) {
        if self.is_written(one) && self.is_written(other) {
            let (one, other) = (one.name, other.name);
            self.mistakes
                .push(format!("`--{one}` and `--{other}` exclude each other (hint: write one of them)"));
        }
    }
}

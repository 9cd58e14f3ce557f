//! The values that were written for flags.
//!
//! Owns single values, and collects the mistakes in them so that all are reported at once. Leaves out what values mean
//! together.

use std::borrow::Cow;
use std::path::PathBuf;
use std::time::Duration;

use regex_lite::Regex;

use super::expression::expression;
use super::flag::{DISABLE_DEFAULTS, Flag, Takes};

/// What was written on the command line, and what is wrong or should be known about it so far.
#[derive(Debug)]
pub(crate) struct Flags {
    /// The names that may be written.
    pub(super) known: Vec<Cow<'static, str>>,
    /// In order.
    pub(super) written: Vec<Written>,
    /// What cannot be used, one text each.
    pub(crate) mistakes: Vec<String>,
    /// What is accepted but should be known, one sentence each.
    pub(crate) warnings: Vec<String>,
}

/// One flag as it was written.
#[derive(Debug)]
pub(super) struct Written {
    /// Without the dashes; that of a switch may begin with `no-`.
    pub(super) name: String,
    /// Empty for a switch.
    pub(super) value: String,
}

impl Flags {
    /// Whether the switch is on, by what was written or by its default.
    pub(crate) fn is_on(&self, flag: &Flag) -> bool {
        let is_on_by_default = matches!(flag.takes, Takes::Switch { on: true });
        self.switched(flag.name).unwrap_or(is_on_by_default)
    }

    /// Whether the collector of this name runs: it was named, or it runs by default and is not turned off.
    pub(crate) fn runs(&self, collector: &str, is_default: bool) -> bool {
        let switched = self.switched(&format!("collector.{collector}"));
        switched.unwrap_or(is_default && !self.is_on(&DISABLE_DEFAULTS))
    }

    /// What was written of a switch: of it and its opposite the last holds.
    fn switched(&self, name: &str) -> Option<bool> {
        self.expect_known(name);
        let says = |written: &Written| match written.name.strip_suffix(name)? {
            "" => Some(true),
            "no-" => Some(false),
            _ => None,
        };
        self.written.iter().rev().find_map(says)
    }

    /// Whether a value was written for the flag, under its name or an older one, rather than left to its default.
    pub(crate) fn is_written(&self, flag: &Flag) -> bool {
        std::iter::once(&flag.name).chain(flag.older).any(|name| self.is_name_written(name))
    }

    /// Whether this very name was written.
    pub(crate) fn is_name_written(&self, name: &str) -> bool {
        self.written.iter().any(|written| written.name == name)
    }

    /// The value; of several the last. Empty when there is none.
    pub(crate) fn value(&self, flag: &Flag) -> String {
        self.values(flag).pop().unwrap_or_default()
    }

    /// All values, in order.
    pub(crate) fn values(&self, flag: &Flag) -> Vec<String> {
        self.expect_known(flag.name);
        let older = flag.older.iter().find(|older| self.is_name_written(older));
        let name = older.unwrap_or(&flag.name);
        let written = self.written.iter().filter(|written| written.name == *name);
        let mut values: Vec<_> = written.map(|written| written.value.clone()).collect();
        if values.is_empty()
            && let Takes::Value { default, .. } | Takes::Values { default, .. } = flag.takes
            && !default.is_empty()
        {
            values.push(default.to_owned());
        }
        values
    }

    /// A flag that somebody asks for and nobody may write would have its default for ever.
    fn expect_known(&self, name: &str) {
        debug_assert!(self.known.iter().any(|known| known == name), "--{name} is in no list of flags");
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

//! Flags of the command line: what one is, and the values that were written for it.
//!
//! Owns single values, and collects the mistakes in them so that all are told at once. What may be written at all is
//! `flags/grammar.rs`'s. Knows no flag but one and no collector: whoever has flags declares each as a [`Flag`] and asks
//! for its value with it, so that its name stands in one place.

use std::path::PathBuf;
use std::time::Duration;

use clap::ArgMatches;
use clap::parser::ValueSource;
use regex_lite::Regex;

mod grammar;

pub(crate) use grammar::{Grammar, Unreadable};

/// One flag.
#[derive(Debug)]
pub(crate) struct Flag {
    /// Without the dashes.
    pub(crate) name: &'static str,
    /// What follows the name.
    pub(crate) takes: Takes,
    /// A sentence for `--help`. That of a switch is about the one of `--NAME` and `--no-NAME` that changes something.
    pub(crate) help: &'static str,
    /// Names the flag had in older versions of `node_exporter`; they are accepted with a warning.
    pub(crate) older: &'static [&'static str],
}

/// What follows a flag's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    /// Nothing; `--no-NAME` says the opposite.
    Switch {
        /// What holds when neither is written.
        on: bool,
    },
    /// One value.
    Value {
        /// How the help calls it.
        placeholder: &'static str,
        /// What holds when nothing is written; may be empty.
        default: &'static str,
    },
    /// One value, each time the flag is written.
    Values {
        /// How the help calls it.
        placeholder: &'static str,
        /// What holds when nothing is written; may be empty.
        default: &'static str,
    },
}

impl Flag {
    /// A flag without a value.
    pub(crate) const fn switch(name: &'static str, on: bool, help: &'static str) -> Self {
        Self { name, takes: Takes::Switch { on }, help, older: &[] }
    }

    /// A flag with one value.
    pub(crate) const fn value(
        name: &'static str,
        placeholder: &'static str,
        default: &'static str,
        help: &'static str,
    ) -> Self {
        Self { name, takes: Takes::Value { placeholder, default }, help, older: &[] }
    }

    /// A flag with a regular expression.
    pub(crate) const fn regex(name: &'static str, default: &'static str, help: &'static str) -> Self {
        Self::value(name, "REGEX", default, help)
    }

    /// A flag that may be written several times.
    pub(crate) const fn values(
        name: &'static str,
        placeholder: &'static str,
        default: &'static str,
        help: &'static str,
    ) -> Self {
        Self { name, takes: Takes::Values { placeholder, default }, help, older: &[] }
    }

    /// The same flag, with the names it had before.
    pub(crate) const fn formerly(self, older: &'static [&'static str]) -> Self {
        Self { older, ..self }
    }
}

/// Leaves only the collectors that are named on the command line.
pub(crate) static DISABLE_DEFAULTS: Flag =
    Flag::switch("collector.disable-defaults", false, "Read only the collectors that are named");

/// What was written on the command line, and what is wrong or should be known about it so far.
#[derive(Debug)]
pub(crate) struct Flags {
    matches: ArgMatches,
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

    /// Whether the collector of this name runs: it was named, or it runs by default and nothing speaks against it.
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
        match Regex::new(&text) {
            Ok(regex) => Some(regex),
            Err(error) => {
                let reason = error.to_string();
                let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ");
                let name = flag.name;
                self.mistakes.push(format!("`--{name}={text}` is not a regular expression: {reason}"));
                None
            }
        }
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

    /// Tells when both of two flags are written of which only one can hold.
    pub(crate) fn exclude_each_other(&mut self, one: &Flag, other: &Flag) {
        if self.is_written(one) && self.is_written(other) {
            let (one, other) = (one.name, other.name);
            self.mistakes
                .push(format!("`--{one}` and `--{other}` exclude each other (hint: write one of them)"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static FAST: Flag = Flag::switch("fast", false, "Be fast");
    static SAFE: Flag = Flag::switch("safe", true, "Be unsafe");
    static NAME: Flag = Flag::value("name", "NAME", "anna", "A name").formerly(&["nom"]);
    static PATHS: Flag = Flag::values("path", "PATH", "/", "A path");
    static PATTERN: Flag = Flag::regex("pattern", "", "A pattern");
    static WAIT: Flag = Flag::value("wait", "DURATION", "5s", "How long");

    fn read(written: &[&str]) -> Flags {
        let mut grammar = Grammar::default();
        for flag in [&DISABLE_DEFAULTS, &FAST, &SAFE, &NAME, &PATHS, &PATTERN, &WAIT] {
            grammar.flag(flag, "Flags");
        }
        grammar.collector("usual", true, "what is usual", "Flags");
        grammar.collector("rare", false, "what is rare", "Flags");
        grammar.read(written.iter().map(Into::into).collect()).unwrap()
    }

    #[test]
    fn the_last_of_a_switch_and_its_opposite_holds() {
        let check = |written: &[&str], fast, safe| {
            let flags = read(written);
            assert_eq!((flags.is_on(&FAST), flags.is_on(&SAFE)), (fast, safe), "{written:?}");
        };
        check(&[], false, true);
        check(&["--fast", "--no-safe"], true, false);
        check(&["--fast", "--no-fast", "--no-safe", "--safe"], false, true);
    }

    #[test]
    fn a_collector_runs_by_default_or_when_it_is_named() {
        let check = |written: &[&str], usual, rare| {
            let flags = read(written);
            let runs = (flags.runs("usual", true), flags.runs("rare", false));
            assert_eq!(runs, (usual, rare), "{written:?}");
        };
        check(&[], true, false);
        check(&["--no-collector.usual", "--collector.rare"], false, true);
        check(&["--collector.disable-defaults"], false, false);
        check(&["--collector.disable-defaults", "--collector.usual", "--collector.rare"], true, true);
    }

    #[test]
    fn an_older_name_counts_with_a_warning() {
        assert_eq!(read(&[]).value(&NAME), "anna");
        let flags = read(&["--nom", "berta"]);
        assert_eq!(flags.value(&NAME), "berta");
        assert!(flags.is_written(&NAME) && !flags.is_written(&WAIT));
        assert_eq!(flags.warnings, ["--nom is called --name now"]);
    }

    #[test]
    fn values_replace_the_default() {
        assert_eq!(read(&[]).values(&PATHS), ["/"]);
        assert_eq!(read(&["--path=/a", "--path=/b"]).values(&PATHS), ["/a", "/b"]);
    }

    #[test]
    fn all_mistakes_are_collected() {
        let mut flags = read(&["--pattern=(", "--wait=5", "--name=x"]);
        assert!(flags.regex(&PATTERN).is_none());
        flags.duration(&WAIT);
        flags.choice(&NAME, &[("anna", 1), ("berta", 2)]);
        flags.exclude_each_other(&PATTERN, &WAIT);
        assert_eq!(
            flags.mistakes,
            [
                "`--pattern=(` is not a regular expression: found open group without closing ')'",
                "`--wait=5` has no unit (hint: write 5s or 5ms)",
                "`--name=x`: expected one of anna, berta",
                "`--pattern` and `--wait` exclude each other (hint: write one of them)",
            ]
        );
    }
}

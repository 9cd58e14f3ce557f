//! What may be written on the command line.
//!
//! Owns the grammar and what each argument is in it, so that every mistake is found, unknown flags with the known one that was probably
//! meant. clap writes the help. It does not read the arguments: it stops at the first flag that it does not know, and to tell it of some six
//! hundred names took a fifth of the time from the start to the first page.

use std::borrow::Cow;
use std::ffi::OsString;

use clap::{Arg, ArgAction};

use super::flag::{Flag, Takes};
use super::values::{Flags, Written};

/// Every flag there is.
#[derive(Default)]
pub(crate) struct Grammar {
    known: Vec<Known>,
    /// Older names, each with the one that holds now.
    renamed: Vec<(&'static str, &'static str)>,
}

/// One name.
struct Known {
    name: Cow<'static, str>,
    takes: Takes,
    help: Cow<'static, str>,
    /// Where the help shows it; empty for a flag that it does not show.
    heading: &'static str,
}

/// The text that was asked for instead of settings: the help, or the version.
#[derive(Debug)]
pub(crate) struct Asked(pub(crate) String);

const ANY_VALUES: Takes = Takes::Values { placeholder: "", default: "" };

impl Grammar {
    /// Adds a flag, with its older names.
    pub(crate) fn flag(&mut self, flag: &'static Flag, heading: &'static str) {
        let Flag { name, takes, help, older } = *flag;
        self.known.push(Known { name: name.into(), takes, help: help.into(), heading });
        for name in older {
            self.hidden(*name, ANY_VALUES);
            self.renamed.push((name, flag.name));
        }
    }

    /// Adds `--collector.NAME` and `--no-collector.NAME`.
    pub(crate) fn collector(&mut self, name: &str, is_default: bool, help: &str, heading: &'static str) {
        let verb = if is_default { "Leave out" } else { "Show" };
        self.known.push(Known {
            name: format!("collector.{name}").into(),
            takes: Takes::Switch { on: is_default },
            help: format!("{verb} {help}").into(),
            heading,
        });
    }

    /// Adds a flag that is accepted and that the help does not show.
    pub(crate) fn hidden(&mut self, name: impl Into<Cow<'static, str>>, takes: Takes) {
        self.known.push(Known { name: name.into(), takes, help: "".into(), heading: "" });
    }

    /// Reads the arguments, without the program's own name.
    pub(crate) fn read(self, arguments: Vec<OsString>) -> Result<Flags, Asked> {
        let mut mistakes = Vec::new();
        let written = self.written(arguments, &mut mistakes)?;
        let is_written = |name: &str| written.iter().any(|flag: &Written| flag.name == name);
        let renamed = self.renamed.iter().filter(|(old, _)| is_written(old));
        let warnings = renamed.map(|(old, new)| format!("--{old} is called --{new} now")).collect();
        let known = self.known.into_iter().map(|known| known.name).collect();
        Ok(Flags { known, written, mistakes, warnings })
    }

    /// The help, or the version. clap gives both as an error.
    fn asked(&self, option: &str) -> Asked {
        let text = self.command().try_get_matches_from([option]).err();
        Asked(text.map(|text| text.to_string()).unwrap_or_default())
    }

    fn command(&self) -> clap::Command {
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
        for known in &self.known {
            command = add(command, known);
        }
        command
    }

    /// The flags that are known, with their values, in the order in which they were written.
    fn written(&self, arguments: Vec<OsString>, mistakes: &mut Vec<String>) -> Result<Vec<Written>, Asked> {
        let mut written = Vec::with_capacity(arguments.len());
        let mut arguments = arguments.into_iter().peekable();
        while let Some(argument) = arguments.next() {
            let text = argument.to_string_lossy().into_owned();
            if matches!(text.as_str(), "--help" | "-h" | "--version") {
                return Err(self.asked(&text));
            }
            let Some(rest) = text.strip_prefix("--").filter(|rest| !rest.is_empty()) else {
                mistakes.push(format!("unexpected argument `{text}` (hint: flags begin with two dashes)"));
                continue;
            };
            let (name, value) =
                rest.split_once('=').map_or((rest, None), |(name, value)| (name, Some(value)));
            let positive = name.strip_prefix("no-");
            let found = self.known.iter().find(|known| match known.takes {
                Takes::Switch { .. } => known.name == name || positive == Some(&known.name),
                Takes::Value { .. } | Takes::Values { .. } => known.name == name,
            });
            let (is_text, value) = match (found.map(|known| known.takes), value) {
                (None, _) if positive.is_some_and(|positive| self.takes_value(positive)) => {
                    let positive = positive.unwrap_or(name);
                    mistakes.push(format!(
                        "`--{name}`: --{positive} takes a value and cannot be turned off (hint: leave it out, or write --{positive}=VALUE)"
                    ));
                    continue;
                }
                (None, _) => {
                    mistakes.push(self.unknown(name));
                    continue;
                }
                (Some(Takes::Switch { .. }), Some(_)) => {
                    mistakes.push(format!(
                        "`--{name}` takes no value (hint: write --{0} or --no-{0})",
                        positive.unwrap_or(name)
                    ));
                    continue;
                }
                (Some(Takes::Switch { .. }), None) => (true, String::new()),
                (Some(_), Some(value)) => (argument.to_str().is_some(), value.to_owned()),
                // As in node_exporter, the next argument is the value unless it looks like a flag.
                (Some(_), None) => {
                    let Some(value) = arguments.next_if(|next| !looks_like_a_flag(next)) else {
                        mistakes.push(format!("`--{name}` has no value (hint: write --{name}=VALUE)"));
                        continue;
                    };
                    (value.to_str().is_some(), value.to_string_lossy().into_owned())
                }
            };
            if is_text {
                written.push(Written { name: name.to_owned(), value });
            } else {
                mistakes.push(format!("`--{name}={value}`: the value is not UTF-8 text"));
            }
        }
        Ok(written)
    }

    fn takes_value(&self, name: &str) -> bool {
        self.known.iter().any(|known| known.name == name && !matches!(known.takes, Takes::Switch { .. }))
    }

    fn unknown(&self, name: &str) -> String {
        let bare = name.strip_prefix("no-");
        let suggestion = match bare {
            // Only a switch has an opposite.
            Some(bare) => {
                let switches = self.known.iter().filter(|known| matches!(known.takes, Takes::Switch { .. }));
                nearest(bare, switches.map(|known| &*known.name)).map(|near| format!("no-{near}"))
            }
            None => nearest(name, self.known.iter().map(|known| &*known.name)).map(str::to_owned),
        };
        let hint = match suggestion {
            Some(near) => format!("did you mean --{near}?"),
            None => "--help lists all flags".to_owned(),
        };
        format!("unknown flag `--{name}` (hint: {hint})")
    }
}

/// A dash alone is a value (standard input, for many programs).
fn looks_like_a_flag(argument: &OsString) -> bool {
    let bytes = argument.as_encoded_bytes();
    bytes.len() > 1 && bytes.starts_with(b"-")
}

/// A switch is two arguments; the help shows the one that changes something.
fn add(command: clap::Command, known: &Known) -> clap::Command {
    let hidden = known.heading.is_empty();
    let arg = |name: String| Arg::new(name.clone()).long(name).help_heading(known.heading).hide(hidden);
    match known.takes {
        Takes::Switch { on } => {
            let (yes, no) = (known.name.to_string(), format!("no-{}", known.name));
            let switch = |name: &str, other: &str, shown: bool| {
                arg(name.to_owned())
                    .action(ArgAction::SetTrue)
                    .overrides_with(other.to_owned())
                    .help(known.help.to_string())
                    .hide(hidden || !shown)
            };
            command.arg(switch(&yes, &no, !on)).arg(switch(&no, &yes, on))
        }
        Takes::Value { placeholder, default } | Takes::Values { placeholder, default } => {
            let repeated = matches!(known.takes, Takes::Values { .. });
            let mut argument = arg(known.name.to_string())
                .action(if repeated { ArgAction::Append } else { ArgAction::Set })
                .value_name(placeholder)
                .allow_hyphen_values(true)
                .help(known.help.to_string());
            if !default.is_empty() {
                argument = argument.default_value(default);
            }
            command.arg(argument)
        }
    }
}

/// The candidate with the fewest edits from `name`, when they are few enough to be a slip of the hand. What both begin with
/// says nothing: `collector.foo` is not a slip for `collector.cpu`.
fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let distances = candidates.into_iter().filter_map(|candidate| {
        let distance = strsim::damerau_levenshtein(name, candidate);
        let shared = shared_words(name, candidate);
        let own = name[shared..].chars().count();
        // Some letters that are missing at the end leave less doubt than others.
        let most = if own >= 3 && candidate.starts_with(name) { 3 } else { (own / 3).clamp(1, 3) };
        (distance > 0 && distance <= most).then_some((distance, candidate))
    });
    distances.min().map(|(_, candidate)| candidate)
}

/// How many bytes of whole words, with their dots, both names begin with.
fn shared_words(one: &str, other: &str) -> usize {
    let both = one.split_inclusive('.').zip(other.split_inclusive('.'));
    both.take_while(|(one, other)| one == other).map(|(word, _)| word.len()).sum()
}

#[cfg(test)]
impl Grammar {
    /// Whether there is a flag of this name.
    pub(crate) fn knows(&self, name: &str) -> bool {
        self.known.iter().any(|known| known.name == name)
    }

    /// Fails for a name that is there twice, and for whatever else clap finds wrong.
    pub(crate) fn check(&self) {
        let mut names: Vec<_> = self.known.iter().map(|known| &known.name).collect();
        names.sort_unstable();
        let twice: Vec<_> = names.windows(2).filter(|pair| pair[0] == pair[1]).collect();
        assert!(twice.is_empty(), "{twice:?}");
        self.command().debug_assert();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, expected: Option<&str>) {
        let known = ["collector.cpu", "collector.cpu.info", "web.listen-address", "path.procfs"];
        assert_eq!(nearest(name, known), expected, "{name}");
    }

    #[test]
    fn finds_slips_and_nothing_far_fetched() {
        check("colector.cpu", Some("collector.cpu"));
        check("web.listen-adress", Some("web.listen-address"));
        check("path.proc", Some("path.procfs"));
        check("collector.cpu.inf", Some("collector.cpu.info"));
        check("web.listen-address", None);
        check("collector.foo", None);
        check("collector.xyz.info", None);
        check("path.proxy", None);
        check("frobnicate", None);
        check("", None);
    }
}

//! The settings, resolved: past this point no value can be wrong.
//!
//! Owns loading them: embedded default, file, environment, every mistake noted before the first is reported. Leaves out
//! what needs the outside to judge (can the port be bound, does the robot answer), which is `check`'s.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use jiff::tz::TimeZone;

use crate::message::Language;
use crate::people::Person;
use crate::settings::layers::{NAMED_SECTIONS, Overrides};
use crate::settings::problem::Places;
use crate::settings::section::{Reader, Section};

mod budget;
mod channel;
mod document;
mod fallback;
mod heartbeat;
mod layers;
mod person;
mod problem;
mod receiver;
mod section;
mod server;
mod store;
mod target;

pub(crate) use budget::Budget;
pub(crate) use heartbeat::HeartbeatSettings;
pub(crate) use problem::Problem;
pub(crate) use receiver::{ReceiverSettings, RouteSettings};
pub(crate) use server::ServerSettings;
pub(crate) use store::StoreSettings;
pub(crate) use target::TargetSettings;

/// The embedded default: every key with its meaning, unit and allowed values.
pub(crate) const DEFAULT: &str = include_str!("settings/default.yml");

/// Everything `relay.yml` says, checked and with its secrets read.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// `server:`
    pub(crate) server: ServerSettings,
    /// `store:`
    pub(crate) store: StoreSettings,
    /// `language`: of built-in texts, unless a target says otherwise.
    pub(crate) language: Language,
    /// `timezone`: of shown times and of `active:` windows.
    pub(crate) time_zone: TimeZone,
    /// `alertmanager.url`, without a trailing slash; empty when unset.
    pub(crate) alertmanager_url: String,
    /// `prometheus.url`, without a trailing slash; empty when unset.
    pub(crate) prometheus_url: String,
    /// `targets:` by name.
    pub(crate) targets: BTreeMap<String, TargetSettings>,
    /// `receivers:` by name; every target they name exists.
    pub(crate) receivers: BTreeMap<String, ReceiverSettings>,
    /// `heartbeats:` by name.
    pub(crate) heartbeats: BTreeMap<String, HeartbeatSettings>,
    /// `people:` by name; everyone a route mentions exists.
    pub(crate) people: BTreeMap<String, Person>,
}

/// Names that other sections refer to.
struct Names<'a> {
    targets: BTreeSet<&'a str>,
    people: BTreeSet<&'a str>,
}

impl Settings {
    /// Reads `file` under this process' environment. The error holds every mistake, the file's from top to bottom.
    pub(crate) fn load(file: &Path) -> Result<Self, Vec<Problem>> {
        let environment = std::env::vars_os()
            .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()));
        match std::fs::read_to_string(file) {
            Ok(text) => Self::from_text(file, &text, environment),
            Err(error) => Err(vec![Problem::of_file(
                file,
                None,
                format!("cannot read the settings: {error} (hint: name the file with --config)"),
            )]),
        }
    }

    /// As [`load`](Self::load), from a text that stands at `file`.
    pub(crate) fn from_text(
        file: &Path,
        text: &str,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Vec<Problem>> {
        let document = document::parse(text);
        let overrides = layers::overrides(environment);
        let mut problems: Vec<_> = document
            .mistakes
            .iter()
            .map(|mistake| Problem::of_file(file, Some(mistake.line), &mistake.message))
            .collect();

        let variables =
            overrides.iter().map(|(path, (variable, _))| (path.clone(), variable.clone())).collect();
        let reader = Reader {
            directory: file.parent().map(Path::to_owned).unwrap_or_default(),
            places: Places::new(file, document.lines, variables),
            problems: RefCell::default(),
        };
        refuse_overridden_names(&reader, &overrides);

        let default = document::parse(DEFAULT).values;
        let settings = match layers::merge(default, document.values, &overrides) {
            Ok(values) => read(Section::new(&reader, String::new(), &values)),
            Err(error) => {
                problems.push(Problem::of_file(file, None, error.to_string()));
                None
            }
        };
        problems.extend(reader.problems.into_inner());
        problems.sort();
        match settings {
            Some(settings) if problems.is_empty() => Ok(settings),
            _ => Err(problems),
        }
    }
}

fn refuse_overridden_names(reader: &Reader, overrides: &Overrides) {
    for path in overrides.keys() {
        let section = path.split('.').next().unwrap_or(path);
        if NAMED_SECTIONS.contains(&section) {
            let message =
                format!("the environment cannot set what is under `{section}` (hint: write it in the file)");
            reader.problems.borrow_mut().push(reader.places.problem(path, message));
        }
    }
}

/// Reads the whole tree before it gives up on any of it.
fn read(mut root: Section<'_>) -> Option<Settings> {
    let names = Names { targets: root.names("targets"), people: root.names("people") };

    let server = root.section("server").and_then(server::read);
    let store = root.section("store").and_then(store::read);
    let language = root.parsed("language", target::LANGUAGES, target::parse_language);
    let time_zone = root.parsed("timezone", "an IANA time zone such as `Asia/Shanghai`", TimeZone::get);
    let alertmanager_url = read_url(&mut root, "alertmanager");
    let prometheus_url = read_url(&mut root, "prometheus");
    let people = root.named_sections("people").into_iter().filter_map(person::read).collect();
    let targets: BTreeMap<_, _> = root
        .named_sections("targets")
        .into_iter()
        .filter_map(|entry| target::read(entry, language.unwrap_or_default(), &names))
        .map(|target| (target.name.clone(), target))
        .collect();
    fallback::refuse_loops(&root, &targets);
    let receivers = root
        .named_sections("receivers")
        .into_iter()
        .filter_map(|(name, section)| Some((name.to_owned(), receiver::read(section, &names)?)))
        .collect();
    let heartbeats = root
        .named_sections("heartbeats")
        .into_iter()
        .filter_map(|(name, section)| Some((name.to_owned(), heartbeat::read(section, &names)?)))
        .collect();
    root.finish();

    Some(Settings {
        server: server?,
        store: store?,
        language: language?,
        time_zone: time_zone?,
        alertmanager_url: alertmanager_url?,
        prometheus_url: prometheus_url?,
        targets,
        receivers,
        heartbeats,
        people,
    })
}

/// A section that holds only `url`.
fn read_url(root: &mut Section<'_>, key: &'static str) -> Option<String> {
    let mut section = root.section(key)?;
    let url = section.base_url("url");
    section.finish();
    url
}

#[cfg(test)]
mod tests;

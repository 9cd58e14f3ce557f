//! The settings, resolved: past this point no value can be wrong.
//!
//! Owns loading them: embedded default, file, environment, every mistake noted before the first is reported. Leaves out
//! what needs the outside to judge (can the port be bound, does the robot answer), which is `check`'s.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use http_serve::ListenAddress;
use jiff::tz::TimeZone;
use settings_document::{Document, Reading, Section, Table, reader_hint};

use crate::address;
use crate::channel::Roots;
use crate::message::Language;
use crate::people::People;
use crate::render::BuiltIn;
use crate::routes::ReceiverSettings;
use crate::settings::fallback::Fallbacks;
use crate::settings::layers::{NAMED_SECTIONS, Overrides};
use crate::settings::names::{Names, is_name};
use crate::settings::target::Context;

mod fallback;
mod heartbeat;
mod layers;
mod names;
mod person;
mod receiver;
pub(crate) mod removal;
mod server;
mod shown;
mod store;
mod target;
mod warnings;

pub(crate) use heartbeat::HeartbeatSettings;
pub(crate) use server::ServerSettings;
pub(crate) use settings_document::{Problem, no_such};
pub(crate) use shown::{SaidBy, Shown, ShownEntry};
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
    pub(crate) people: People,
    /// All of it as it may be shown.
    pub(crate) shown: Shown,
}

/// Settings with mistakes in them, and what could be read all the same.
#[derive(Debug)]
pub(crate) struct Rejected {
    /// Every mistake, the file's from top to bottom; never empty.
    pub(crate) problems: Vec<Problem>,
    /// The good ones of `server.listen`: so that a port in use is named together with the rest.
    pub(crate) listen: Vec<ListenAddress>,
    /// The path in `store.url` if it is one, likewise.
    pub(crate) store: Option<PathBuf>,
}

fn cannot_read(error: &io::Error) -> String {
    let hint = match error.kind() {
        io::ErrorKind::PermissionDenied => reader_hint(error),
        _ => " (hint: name the file with --config)".to_owned(),
    };
    format!("cannot read the settings: {error}{hint}")
}

impl Settings {
    /// Reads `file` under this process' environment.
    pub(crate) fn load(file: &Path) -> Result<Self, Rejected> {
        Self::load_in(file, None)
    }

    /// As [`load`](Self::load), with the texts of every target in this language.
    pub(crate) fn load_in(file: &Path, language: Option<Language>) -> Result<Self, Rejected> {
        let environment = std::env::vars_os()
            .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()));
        match std::fs::read_to_string(file) {
            Ok(text) => Self::from_layers(file, &text, environment, language),
            Err(error) => {
                let message = cannot_read(&error);
                Err(Rejected {
                    problems: vec![Problem::of_file(file, None, message)],
                    listen: Vec::new(),
                    store: None,
                })
            }
        }
    }

    /// The name of the target that has taken this one's place; else this one.
    pub(crate) fn called_now(&self, name: String) -> String {
        let successor = self.targets.values().find(|target| target.was.as_ref() == Some(&name));
        successor.map_or(name, |target| target.name.clone())
    }

    /// The keys that a reload cannot change, as far as they differ.
    pub(crate) fn needs_restart(&self, before: &Self) -> Vec<&'static str> {
        let (new, old) = (&self.server, &before.server);
        let compared = [
            ("server.listen", new.listen == old.listen),
            ("server.web_config_file", new.web_config_file == old.web_config_file),
            ("server.allowed_sources", new.allowed_sources == old.allowed_sources),
            ("server.allowed_hosts", new.allowed_hosts == old.allowed_hosts),
            ("server.max_body_bytes", new.max_body_bytes == old.max_body_bytes),
            ("server.drain_timeout", new.drain_timeout == old.drain_timeout),
            ("store.url", self.store.is_at(&before.store)),
        ];
        compared.into_iter().filter(|(_, is_equal)| !is_equal).map(|(key, _)| key).collect()
    }

    /// As [`load`](Self::load), from a text that stands at `file`.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn from_text(
        file: &Path,
        text: &str,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Rejected> {
        Self::from_layers(file, text, environment, None)
    }

    fn from_layers(
        file: &Path,
        text: &str,
        environment: impl IntoIterator<Item = (String, String)>,
        language: Option<Language>,
    ) -> Result<Self, Rejected> {
        let document = Document::parse(text, is_name);
        let mut overrides = layers::overrides(environment);
        let variables =
            overrides.iter().map(|(path, (variable, _))| (path.clone(), variable.clone())).collect();
        let reading = Reading::new(file, document.lines, document.mistakes, variables);
        refuse_overridden_names(&reading, &mut overrides);

        let default = Document::parse(DEFAULT, is_name).values;
        let values = layers::merge(default, document.values, &overrides).unwrap_or_else(|error| {
            reading.note_file(error.to_string());
            Table::new()
        });
        let mut root = Section::root(&reading, &values);
        let server = root.section("server").map(server::read);
        let store = root.section("store").and_then(store::read);
        let settings = read(root, server.clone(), store.clone(), language);
        let shown = Shown::of(&values, &reading, &overrides);
        let problems = reading.into_problems();
        match settings {
            Some(settings) if problems.is_empty() => Ok(Self { shown, ..settings }),
            _ => Err(Rejected {
                problems,
                listen: server.map(|server| server.listen).unwrap_or_default(),
                store: store.map(|store| store.path),
            }),
        }
    }
}

fn refuse_overridden_names(reading: &Reading, overrides: &mut Overrides) {
    overrides.retain(|path, _| {
        let section = path.split('.').next().unwrap_or(path);
        let is_refused = NAMED_SECTIONS.contains(&section);
        if is_refused {
            let message =
                format!("the environment cannot set what is under `{section}` (hint: write it in the file)");
            reading.note(path, message);
        }
        !is_refused
    });
}

/// Reads the whole tree before it gives up on any of it.
fn read(
    mut root: Section<'_>,
    server: Option<ServerSettings>,
    store: Option<StoreSettings>,
    forced_language: Option<Language>,
) -> Option<Settings> {
    let names = Names { targets: root.names("targets"), people: root.names("people") };

    let language = root.parsed("language", target::LANGUAGES, target::parse_language);
    let time_zone = root.parsed("timezone", "an IANA time zone such as `Asia/Shanghai`", |name| {
        TimeZone::get(name).map_err(|_| "")
    });
    let alertmanager_url = read_url(&mut root, "alertmanager");
    let prometheus_url = read_url(&mut root, "prometheus");
    let people = root.named_sections("people").into_iter().map(person::read).collect();
    let mut fallbacks = Fallbacks::new();
    let mut former = BTreeMap::new();
    let context = Context {
        language: language.unwrap_or_default(),
        forced_language,
        names: &names,
        roots: Roots::default(),
        built_in: BuiltIn::default(),
    };
    let targets = root
        .named_sections("targets")
        .into_iter()
        .filter_map(|entry| target::read(entry, &context, &mut fallbacks, &mut former))
        .map(|target| (target.name.clone(), target))
        .collect();
    fallback::refuse_loops(&root, &fallbacks);
    let receivers = root
        .named_sections("receivers")
        .into_iter()
        .map(|(name, section)| (name.to_owned(), receiver::read(section, &names)))
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
        shown: Shown::default(),
    })
}

/// A section that holds only `url`.
fn read_url(root: &mut Section<'_>, key: &'static str) -> Option<String> {
    let mut section = root.section(key)?;
    let url = address::base_url(&mut section, "url");
    section.finish();
    url
}

#[cfg(test)]
mod tests;

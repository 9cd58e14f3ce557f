//! `/settings` and `/settings/reload`: what is in force, and what a reload would change.

use minijinja::context;
use minijinja::value::Value;
use serde::Deserialize;

use crate::console::{Page, Visit, data};
use crate::operation::settings_in_force::{Setting, SettingsChanges, SettingsInForce};

/// The path of the menu's entry.
const PATH: &str = "/settings";

/// What is in force.
#[derive(Debug)]
pub(crate) struct SettingsPage<'a>(pub(crate) &'a SettingsInForce);

impl Page for SettingsPage<'_> {
    const TEMPLATE: &'static str = "settings.html";
    const MENU: &'static str = PATH;

    fn values(&self, _visit: &Visit) -> Value {
        let sections = self.0.settings.chunk_by(|one, other| section(one) == section(other));
        let sections = sections.map(|settings| {
            let shown = |setting: &Setting| {
                context! {
                    key => setting.key.as_str(), value => setting.value.as_ref().map(text), is_secret => setting.is_secret, said_by => data(setting.said_by),
                }
            };
            context! { name => settings.first().map(section), settings => settings.iter().map(shown).collect::<Vec<_>>() }
        });
        context! { settings => context! { file => self.0.file.as_str() }, sections => sections.collect::<Vec<_>>() }
    }
}

/// The first name of a setting's path.
fn section(setting: &Setting) -> &str {
    setting.key.split(['.', '[']).next().unwrap_or_default()
}

/// A value as a settings file has it.
fn text(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// What a reload would change.
#[derive(Debug)]
pub(crate) struct ReloadPage<'a>(pub(crate) &'a SettingsChanges);

impl Page for ReloadPage<'_> {
    const TEMPLATE: &'static str = "reload.html";
    const MENU: &'static str = PATH;

    fn values(&self, _visit: &Visit) -> Value {
        let SettingsChanges { problems, losses, changes, needs_restart } = self.0;
        let changes = changes.iter().map(|change| {
            context! {
                key => change.key.as_str(),
                change => data(change.change),
                is_secret => change.is_secret,
                before => change.before.as_ref().map(text),
                after => change.after.as_ref().map(text),
            }
        });
        context! { changes => context! {
        problems => data(problems), losses => data(losses), needs_restart => data(needs_restart), changes => changes.collect::<Vec<_>>() } }
    }
}

/// What its button posts.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ReloadForm {
    /// `yes`: also if that takes away what is in use.
    force: String,
}

impl ReloadForm {
    /// Whether losses are taken.
    pub(crate) fn is_forced(&self) -> bool {
        self.force == "yes"
    }
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct ReloadedPage {
    /// Why the settings were refused; none: they are in force.
    pub(crate) problems: Vec<String>,
}

impl Page for ReloadedPage {
    const TEMPLATE: &'static str = "reloaded.html";
    const MENU: &'static str = PATH;

    fn values(&self, _visit: &Visit) -> Value {
        context! { problems => data(&self.problems) }
    }
}

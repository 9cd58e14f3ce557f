//! The settings in force, and what a reload would change in them. No secret is ever part of either.

use serde::Serialize;

/// The settings that the relay works by.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct SettingsInForce {
    /// The file they were read from.
    pub(crate) file: String,
    /// Every key that has a value, in alphabetical order.
    pub(crate) settings: Vec<Setting>,
}

/// One key.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Setting {
    /// Its path: `targets.chat.budget`.
    pub(crate) key: String,
    /// Its value; `None`: it is a secret.
    pub(crate) value: Option<serde_json::Value>,
    /// It is a secret.
    pub(crate) is_secret: bool,
    /// Where it was said.
    pub(crate) said_by: SaidBy,
}

/// Where a setting comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SaidBy {
    /// The defaults.
    Default,
    /// The settings file.
    File,
    /// An environment variable.
    Environment,
}

/// What a reload would do.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct SettingsChanges {
    /// The file's mistakes, as far as whoever may not read the file may know them: then a reload would change nothing.
    pub(crate) problems: Vec<String>,
    /// What would be lost: then a reload would be refused unless it is forced.
    pub(crate) losses: Vec<String>,
    /// Keys that would change, in alphabetical order.
    pub(crate) changes: Vec<SettingChange>,
    /// Keys among them that only a restart changes.
    pub(crate) needs_restart: Vec<String>,
}

/// One key that would change.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct SettingChange {
    /// Its path.
    pub(crate) key: String,
    /// How.
    pub(crate) change: Change,
    /// It is a secret: both values stay hidden.
    pub(crate) is_secret: bool,
    /// As it is; `None`: it is not there, or a secret.
    pub(crate) before: Option<serde_json::Value>,
    /// As it would be; `None`: it would not be there, or is a secret.
    pub(crate) after: Option<serde_json::Value>,
}

/// How a key would change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Change {
    /// It comes.
    Added,
    /// It goes.
    Removed,
    /// It has another value.
    Changed,
}

//! The settings in force, and what a reload would change in them. No secret is ever part of either.

use std::collections::BTreeSet;

use serde::Serialize;

pub(crate) use crate::settings::SaidBy;
use crate::settings::{Shown, ShownEntry};

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

impl SettingsInForce {
    /// What is shown of settings that were read from this file.
    pub(crate) fn of(file: String, shown: &Shown) -> Self {
        let setting = |(key, entry): (&String, &ShownEntry)| Setting {
            key: key.clone(),
            value: entry.value.clone(),
            is_secret: entry.value.is_none(),
            said_by: entry.said_by,
        };
        Self { file, settings: shown.entries.iter().map(setting).collect() }
    }
}

/// The keys that differ, in alphabetical order.
pub(crate) fn changes(before: &Shown, after: &Shown) -> Vec<SettingChange> {
    let keys: BTreeSet<&String> = before.entries.keys().chain(after.entries.keys()).collect();
    let change = |key: &String| {
        let (before, after) = (before.entries.get(key), after.entries.get(key));
        let change = match (before, after) {
            (None, _) => Change::Added,
            (_, None) => Change::Removed,
            (Some(before), Some(after)) if before.says_the_same(after) => return None,
            _ => Change::Changed,
        };
        let value = |entry: Option<&ShownEntry>| entry.and_then(|entry| entry.value.clone());
        let is_secret = before.into_iter().chain(after).any(|entry| entry.value.is_none());
        // Of a key that holds a secret now or then neither value is shown.
        let shown = |entry| if is_secret { None } else { value(entry) };
        Some(SettingChange {
            key: key.clone(),
            change,
            is_secret,
            before: shown(before),
            after: shown(after),
        })
    };
    keys.into_iter().filter_map(change).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::*;
    use crate::settings::Settings;

    fn shown(text: &str) -> Shown {
        let text = format!("store: {{ url: 'sqlite:///x/relay.db' }}\n{text}");
        Settings::from_text(Path::new("relay.yml"), &text, []).expect("good settings").shown
    }

    fn target(name: &str, rest: &str) -> String {
        format!(
            "{name}: {{ dingtalk: {{ webhook_url: 'https://oapi.dingtalk.com/robot/send?access_token=t{rest} }}"
        )
    }

    #[test]
    fn what_comes_goes_and_changes_is_told_and_of_a_secret_only_that() {
        let before = shown(&format!(
            "targets:\n  {}\n  {}\nlanguage: en",
            target("chat", "1' }"),
            target("gone", "2' }")
        ));
        let after = shown(&format!(
            "targets:\n  {}\n  {}\nlanguage: zh-CN",
            target("chat", "3' }, budget: 10/1m"),
            target("new", "2' }")
        ));
        assert_eq!(changes(&before, &before), []);
        let told: Vec<String> = changes(&before, &after)
            .into_iter()
            .map(|change| {
                format!("{} {:?} {:?} {:?}", change.key, change.change, change.before, change.after)
            })
            .collect();
        let text = |value: &str| format!("{:?}", Some(json!(value)));
        assert_eq!(
            told,
            [
                format!("language Changed {} {}", text("en"), text("zh-CN")),
                format!("targets.chat.budget Added None {}", text("10/1m")),
                "targets.chat.dingtalk.webhook_url Changed None None".to_owned(),
                "targets.gone.dingtalk.webhook_url Removed None None".to_owned(),
                "targets.new.dingtalk.webhook_url Added None None".to_owned(),
            ]
        );
    }

    #[test]
    fn where_a_value_was_said_is_no_change() {
        assert_eq!(changes(&shown(""), &shown("timezone: Asia/Shanghai")), []);
    }
}

//! The settings as they may be shown: every key with its value, and of a secret only that it is one.
//!
//! Of a secret, and of a file that a key names, a hash is kept, so that it can be told whether it has changed.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read as _;
use std::path::Path;

use serde::Serialize;
use serde_json::json;
use settings_document::{Reading, Table, Value};
use sha2::{Digest as _, Sha256};

use crate::settings::layers::Overrides;

/// Keys whose files are part of the settings: a reload reads them again.
const FILES: [&str; 3] = ["template", "ca_file", "web_config_file"];

/// Bytes of such a file that are looked at.
const MOST_FILE_BYTES: u64 = 4 * 1024 * 1024;

/// Every key that has a value, by its path.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Shown {
    /// By path: `targets.chat.budget`, `receivers.ops.routes[0].targets`.
    pub(crate) entries: BTreeMap<String, ShownEntry>,
}

/// What is shown of one key.
#[derive(Clone, PartialEq)]
pub(crate) struct ShownEntry {
    /// Its value; `None`: it is a secret.
    pub(crate) value: Option<serde_json::Value>,
    /// Where it was said.
    pub(crate) said_by: SaidBy,
    /// Of a secret, or of the file that the key names.
    digest: Option<[u8; 32]>,
}

impl ShownEntry {
    /// Whether both have the same value, wherever it was said.
    pub(crate) fn says_the_same(&self, other: &Self) -> bool {
        (&self.value, self.digest) == (&other.value, other.digest)
    }
}

/// Without the hash: a short secret could be guessed from it.
impl fmt::Debug for ShownEntry {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("ShownEntry")
            .field("value", &self.value)
            .field("said_by", &self.said_by)
            .finish_non_exhaustive()
    }
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

impl Shown {
    /// What may be shown of these values, after all of them were read.
    pub(super) fn of(values: &Table, reading: &Reading, overrides: &Overrides) -> Self {
        let mut shown = Self::default();
        let said_by = |path: &str| {
            if overrides.contains_key(path) {
                SaidBy::Environment
            } else if reading.is_in_file(path) {
                SaidBy::File
            } else {
                SaidBy::Default
            }
        };
        shown.add_table("", values, &said_by);
        for (path, entry) in &mut shown.entries {
            let key = path.rsplit('.').next().unwrap_or(path);
            if FILES.contains(&key)
                && let Some(serde_json::Value::String(file)) = &entry.value
            {
                entry.digest = file_digest(&reading.directory().join(file));
            }
        }
        for (path, secret) in reading.secrets() {
            let digest = Some(Sha256::digest(secret.reveal().as_bytes()).into());
            let by = said_by(&path);
            // Said by the file that its own key names.
            let said_by = if by == SaidBy::Default { SaidBy::File } else { by };
            shown.entries.insert(path, ShownEntry { value: None, said_by, digest });
        }
        shown
    }

    fn add_table(&mut self, path: &str, table: &Table, said_by: &impl Fn(&str) -> SaidBy) {
        for (key, value) in table {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            self.add(path, value, said_by);
        }
    }

    fn add(&mut self, path: String, value: &Value, said_by: &impl Fn(&str) -> SaidBy) {
        match value {
            Value::Null => {}
            Value::Table(table) => self.add_table(&path, table, said_by),
            Value::List(items)
                if items.iter().any(|item| matches!(item, Value::Table(_) | Value::List(_))) =>
            {
                for (place, item) in items.iter().enumerate() {
                    self.add(format!("{path}[{place}]"), item, said_by);
                }
            }
            plain => {
                let said_by = said_by(&path);
                let value = plain_json(plain);
                let (value, digest) = match value.as_str().filter(|text| holds_a_login(text)) {
                    Some(text) => (None, Some(Sha256::digest(text.as_bytes()).into())),
                    None => (Some(value), None),
                };
                self.entries.insert(path, ShownEntry { value, said_by, digest });
            }
        }
    }
}

fn plain_json(value: &Value) -> serde_json::Value {
    match value {
        Value::Null | Value::Table(_) => serde_json::Value::Null,
        Value::Boolean(flag) => json!(flag),
        Value::Integer(number) => json!(number),
        Value::Float(number) => json!(number),
        Value::Text(text) => json!(text),
        Value::List(items) => items.iter().map(plain_json).collect(),
    }
}

/// Whether a text is an address with a name or a password in it.
fn holds_a_login(text: &str) -> bool {
    let Some((_, rest)) = text.split_once("://") else { return false };
    rest.split(['/', '?', '#']).next().is_some_and(|authority| authority.contains('@'))
}

/// `None`: it cannot be read, which was noted where it is needed.
fn file_digest(path: &Path) -> Option<[u8; 32]> {
    let mut bytes = Vec::new();
    std::fs::File::open(path).ok()?.take(MOST_FILE_BYTES).read_to_end(&mut bytes).ok()?;
    Some(Sha256::digest(&bytes).into())
}

#[cfg(test)]
mod tests {
    use crate::settings::Settings;

    use super::*;

    fn shown(directory: &Path, text: &str, environment: &[(&str, &str)]) -> Shown {
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let file = directory.join("relay.yml");
        Settings::from_text(&file, text, environment).expect("good settings").shown
    }

    const TEXT: &str = "
store: { url: 'sqlite:///x/relay.db' }
prometheus: { url: 'https://admin:PASSWORD@prom.example' }
targets:
  chat: { dingtalk: { webhook_url_file: token, secret: 'SECsigning' }, template: ops.j2 }
receivers:
  ops: { routes: [{ matchers: ['severity=\"critical\"'], targets: [chat] }] }
";

    #[test]
    fn every_key_is_shown_with_where_it_was_said_and_no_secret_is() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(
            directory.path().join("token"),
            "https://oapi.dingtalk.com/robot/send?access_token=TOKEN",
        )
        .unwrap();
        std::fs::write(directory.path().join("ops.j2"), "one text").unwrap();
        let all = shown(directory.path(), TEXT, &[("ALERT_RELAY__LANGUAGE", "en")]);
        let check = |key: &str, value: Option<serde_json::Value>, said_by: SaidBy| {
            let entry = all.entries.get(key).unwrap_or_else(|| panic!("no {key} in {all:#?}"));
            assert_eq!((&entry.value, entry.said_by), (&value, said_by), "{key}");
        };
        check("language", Some(json!("en")), SaidBy::Environment);
        check("timezone", Some(json!("Asia/Shanghai")), SaidBy::Default);
        check("store.url", None, SaidBy::File);
        check("prometheus.url", None, SaidBy::File);
        check("targets.chat.dingtalk.secret", None, SaidBy::File);
        check("targets.chat.dingtalk.webhook_url", None, SaidBy::File);
        check("targets.chat.dingtalk.webhook_url_file", Some(json!("token")), SaidBy::File);
        check("receivers.ops.routes[0].targets", Some(json!(["chat"])), SaidBy::File);
        let everything = format!("{all:?}");
        for secret in ["SECsigning", "TOKEN", "PASSWORD"] {
            assert!(!everything.contains(secret), "{secret} in {everything}");
        }
    }

    #[test]
    fn what_stands_in_a_file_is_seen_to_change() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
        write("token", "https://oapi.dingtalk.com/robot/send?access_token=one");
        write("ops.j2", "one text");
        let before = shown(directory.path(), TEXT, &[]);
        assert_eq!(before, shown(directory.path(), TEXT, &[]));
        let differs = |key: &str| before.entries[key] != shown(directory.path(), TEXT, &[]).entries[key];
        write("token", "https://oapi.dingtalk.com/robot/send?access_token=two");
        write("ops.j2", "another text");
        assert!(differs("targets.chat.dingtalk.webhook_url") && differs("targets.chat.template"));
        assert!(
            !differs("targets.chat.dingtalk.secret") && !differs("targets.chat.dingtalk.webhook_url_file")
        );
    }
}

//! The rule files, as `promtool` gets them.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

/// A file of rules.
#[derive(Clone, Debug)]
pub struct RuleFile {
    /// Its name in the folder: `gpu.rules.yml`.
    pub name: String,
    /// What is in it, anchors resolved.
    pub document: Value,
}

impl RuleFile {
    /// Where each rule stands: its group and its place in the group.
    pub fn places(&self) -> Vec<(usize, usize)> {
        let groups = self.document["groups"].as_array().map_or(&[][..], Vec::as_slice);
        let rules = |group: &Value| group["rules"].as_array().map_or(0, Vec::len);
        groups
            .iter()
            .enumerate()
            .flat_map(|(at, group)| (0..rules(group)).map(move |rule| (at, rule)))
            .collect()
    }

    /// The rule at a place.
    pub fn rule(&self, (group, rule): (usize, usize)) -> &Value {
        &self.document["groups"][group]["rules"][rule]
    }

    /// The file with another rule at a place.
    #[must_use]
    pub fn with(&self, (group, rule): (usize, usize), changed: Value) -> Self {
        let mut copy = self.clone();
        copy.document["groups"][group]["rules"][rule] = changed;
        copy
    }
}

/// The name that a rule's result has: the alert's or the recorded metric's.
pub fn name(rule: &Value) -> &str {
    rule["alert"].as_str().or(rule["record"].as_str()).unwrap_or_default()
}

/// Every `*.rules.yml` of a folder.
pub fn read(folder: &Path) -> Result<Vec<RuleFile>> {
    files(folder, ".rules.yml")?
        .into_iter()
        .map(|path| Ok(RuleFile { name: file_name(&path), document: yaml(&path)? }))
        .collect()
}

/// The files of a folder whose names end so, sorted; at least one.
pub(super) fn files(folder: &Path, ending: &str) -> Result<Vec<PathBuf>> {
    let listed = std::fs::read_dir(folder)
        .with_context(|| format!("failed to read the folder {}", folder.display()))?;
    let mut found = Vec::new();
    for entry in listed {
        let path = entry.with_context(|| format!("failed to read the folder {}", folder.display()))?.path();
        if file_name(&path).ends_with(ending) {
            found.push(path);
        }
    }
    ensure!(!found.is_empty(), "{} has no *{ending}", folder.display());
    found.sort();
    Ok(found)
}

pub(super) fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// A YAML file, anchors and merge keys resolved.
pub(super) fn yaml(path: &Path) -> Result<Value> {
    let text = std::fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))?;
    let parsed = yaml_serde::from_str::<yaml_serde::Value>(&text)
        .and_then(|mut document| document.apply_merge().map(|()| document));
    let document = parsed.with_context(|| format!("{} is no YAML", path.display()))?;
    serde_json::to_value(document).with_context(|| format!("{} has a key that is no text", path.display()))
}

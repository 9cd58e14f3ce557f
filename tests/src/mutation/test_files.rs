//! The tests that are about a rule.
//!
//! A test is about a rule when it names it, or names what is computed from it. Only those are asked: a test that notices a
//! change by chance, and says nothing of the rule, does not hold it.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};

use super::rules::{RuleFile, file_name, files, name, yaml};

/// A file of tests.
#[derive(Clone, Debug)]
pub struct TestFile {
    /// Its name in the folder: `gpu.test.yml`.
    pub name: String,
    document: Value,
}

/// Every `*.test.yml` of a folder.
pub fn read(folder: &Path) -> Result<Vec<TestFile>> {
    files(folder, ".test.yml")?
        .into_iter()
        .map(|path| Ok(TestFile { name: file_name(&path), document: yaml(&path)? }))
        .collect()
}

impl TestFile {
    /// Whether it loads a file of rules.
    pub fn loads(&self, rules: &str) -> bool {
        let loaded = self.document["rule_files"].as_array().map_or(&[][..], Vec::as_slice);
        loaded.iter().any(|file| file == rules)
    }

    /// Each of its tests that has one of the names in it, as a file of its own.
    pub fn about(&self, names: &BTreeSet<String>) -> Vec<Value> {
        let tests = self.document["tests"].as_array().map_or(&[][..], Vec::as_slice);
        let alone = |test: &Value| {
            let mut document = self.document.clone();
            document["tests"] = json!([test]);
            document
        };
        tests.iter().filter(|test| mentions(&test.to_string(), names)).map(alone).collect()
    }

    /// The file with its first test alone.
    pub fn first(&self) -> Value {
        let mut document = self.document.clone();
        if let Some(tests) = document["tests"].as_array_mut() {
            tests.truncate(1);
        }
        document
    }

    /// The whole file.
    pub fn whole(&self) -> &Value {
        &self.document
    }
}

/// The rule's name, and the names of the rules that use it, directly or not.
pub fn concerned(rule: &str, files: &[RuleFile]) -> BTreeSet<String> {
    let mut names = BTreeSet::from([rule.to_owned()]);
    loop {
        let before = names.len();
        for file in files {
            for rule in file.places().into_iter().map(|place| file.rule(place)) {
                if mentions(rule["expr"].as_str().unwrap_or_default(), &names) {
                    names.insert(name(rule).to_owned());
                }
            }
        }
        if names.len() == before {
            return names;
        }
    }
}

/// Whether one of the names stands in the text, as a word of `PromQL`.
pub(super) fn mentions(text: &str, names: &BTreeSet<String>) -> bool {
    let is_part = |symbol: char| symbol.is_ascii_alphanumeric() || symbol == '_' || symbol == ':';
    text.split(|symbol| !is_part(symbol)).any(|word| names.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_computed_from_a_rule_is_concerned_too() {
        let rule = |name: &str, expr: &str| json!({ "record": name, "expr": expr });
        let rules = [rule("a:b", "x"), rule("c:d", "a:b + 1"), rule("e:f", "c:d > 0"), rule("g:h", "a:bc")];
        let file =
            RuleFile { name: "a.rules.yml".to_owned(), document: json!({ "groups": [{ "rules": rules }] }) };
        let names: Vec<_> = concerned("a:b", &[file]).into_iter().collect();
        assert_eq!(names, ["a:b", "c:d", "e:f"]);
    }

    #[test]
    fn tests_are_chosen_by_the_names_in_them() {
        let file = TestFile {
            name: "a.test.yml".to_owned(),
            document: json!({
                "rule_files": ["a.rules.yml"],
                "tests": [{ "name": "one", "expr": "ALERTS{alertname=\"A\"}" }, { "name": "AB" }],
            }),
        };
        assert!(file.loads("a.rules.yml") && !file.loads("b.rules.yml"));
        let chosen = file.about(&BTreeSet::from(["A".to_owned()]));
        assert_eq!(chosen.len(), 1);
        assert_eq!(chosen[0]["tests"][0]["name"], "one");
        assert!(file.about(&BTreeSet::from(["B".to_owned()])).is_empty());
    }
}

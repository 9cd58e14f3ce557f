//! The console's texts: one file for each language, with the same keys.
//!
//! A text stands under a dotted key. `{name}` in it is replaced by what the template gives under that name. A text that counts has two forms, `one` and `many`,
//! where the language has them; `count` chooses.

use serde_json::Value;

use crate::message::Language;

/// All texts of one language.
#[derive(Clone, Debug)]
pub(super) struct Texts(Value);

impl Texts {
    /// Those of a language.
    pub(super) fn of(language: Language) -> Self {
        let source = match language {
            Language::ZhCn => include_str!("texts/zh-CN.json"),
            Language::En => include_str!("texts/en.json"),
        };
        Self(serde_json::from_str(source).expect("our own texts are JSON: a test reads both"))
    }

    /// The text under a key, with its gaps filled; `None`: there is none.
    pub(super) fn say(&self, key: &str, values: &[(&str, String)]) -> Option<String> {
        let found = key.split('.').try_fold(&self.0, |section, name| section.get(name))?;
        let form = match found {
            Value::Object(forms) => {
                let is_one = values.iter().any(|(name, value)| *name == "count" && value == "1");
                forms.get(if is_one { "one" } else { "many" })?
            }
            text => text,
        };
        Some(filled(form.as_str()?, values))
    }

    /// A bounded word in the reader's language; one that the texts do not have stays as it is.
    pub(super) fn known<'w>(&'w self, section: &str, word: &'w str) -> &'w str {
        let words = self.0.get("known").and_then(|known| known.get(section));
        words.and_then(|words| words.get(word)).and_then(Value::as_str).unwrap_or(word)
    }
}

/// In one pass: what is filled in is not looked at again.
fn filled(text: &str, values: &[(&str, String)]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let (name, behind) = after.split_once('}').unwrap_or((after, ""));
        match values.iter().find(|(given, _)| *given == name) {
            Some((_, value)) => out.push_str(value),
            None => out.extend(["{", name, "}"]),
        }
        rest = behind;
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    /// Every text by its key, with the names of its gaps.
    fn gaps(language: Language) -> BTreeMap<String, BTreeSet<String>> {
        fn collect(key: &str, value: &Value, into: &mut BTreeMap<String, BTreeSet<String>>) {
            match value {
                Value::Object(entries) if entries.contains_key("many") => {
                    assert!(entries.len() == 2 && entries.contains_key("one"), "{key}: one and many");
                    collect(key, &entries["many"], into);
                }
                Value::Object(entries) => {
                    for (name, value) in entries {
                        let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                        collect(&key, value, into);
                    }
                }
                text => {
                    let text = text.as_str().unwrap_or_else(|| panic!("{key} is no text"));
                    assert!(!text.trim().is_empty(), "{key} says nothing");
                    let names = text.split('{').skip(1).filter_map(|rest| rest.split_once('}'));
                    into.insert(key.to_owned(), names.map(|(name, _)| name.to_owned()).collect());
                }
            }
        }
        let mut found = BTreeMap::new();
        collect("", &Texts::of(language).0, &mut found);
        found
    }

    #[test]
    fn both_languages_say_the_same_things() {
        let (zh, en) = (gaps(Language::ZhCn), gaps(Language::En));
        let only = |a: &BTreeMap<String, _>, b: &BTreeMap<String, _>| {
            a.keys().filter(|key| !b.contains_key(*key)).cloned().collect::<Vec<_>>()
        };
        assert_eq!((only(&zh, &en), only(&en, &zh)), (Vec::new(), Vec::new()), "only in zh-CN, only in en");
        assert_eq!(zh, en, "the gaps differ");
    }

    #[test]
    fn every_text_is_used_and_every_text_that_is_used_is_there() {
        let texts = gaps(Language::En);
        let sources: String =
            super::super::environment::TEMPLATES.iter().map(|(_, source)| *source).collect();
        let calls = |function: &str| -> Vec<String> {
            let begin = format!("{function}(\"");
            let calls = sources.split(&begin).skip(1);
            calls.filter_map(|call| Some(call.split_once('"')?.0.to_owned())).collect()
        };
        for key in calls("t") {
            let is_there = texts.contains_key(&key)
                || (key.ends_with('.') && texts.keys().any(|text| text.starts_with(&key)));
            assert!(is_there, "no text `{key}`");
        }
        let sections: Vec<String> =
            calls("known").into_iter().map(|section| format!("known.{section}.")).collect();
        for key in texts.keys().filter(|key| !key.starts_with("said.")) {
            let section = key.rsplit_once('.').map_or("", |(section, _)| section);
            let is_said =
                sources.contains(&format!("\"{key}\"")) || sources.contains(&format!("\"{section}.\" ~"));
            assert!(
                is_said || sections.iter().any(|section| key.starts_with(section)),
                "never said: `{key}`"
            );
        }
    }

    #[test]
    fn gaps_are_filled_once_and_counts_choose_their_form() {
        let texts = Texts(serde_json::json!({
            "a": { "n": { "one": "{count} delivery", "many": "{count} deliveries" } }, "b": "{x} and {y}", "c": "open {"
        }));
        let say = |key: &str, values: &[(&str, &str)]| {
            let values: Vec<_> = values.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
            texts.say(key, &values)
        };
        assert_eq!(say("a.n", &[("count", "1")]).unwrap(), "1 delivery");
        assert_eq!(say("a.n", &[("count", "21")]).unwrap(), "21 deliveries");
        assert_eq!(say("b", &[("x", "{y}"), ("y", "2")]).unwrap(), "{y} and 2");
        assert_eq!(say("c", &[]).unwrap(), "open {}");
        assert_eq!(say("a.no", &[]), None);
    }
}

//! A message as JSON, for receivers that have no dialect: the relay's own shape, or a template's.
//!
//! Every `{{ value }}` is JSON-encoded, quotes included, and nothing can switch that off: no label can break the JSON, only the template's author
//! can, and what they wrote is tried on every sample at load.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use minijinja::value::Value;
use minijinja::{Environment, Error, ErrorKind, context};
use serde::de::IgnoredAny;

use super::{TemplateError, describe, run, words};
use crate::message::{Language, Message, sample};
use crate::render::context::{self, Detail};
use crate::render::environment::environment;
use crate::render::markup::Markup;

/// The compiled templates of one target.
#[derive(Clone, Debug)]
pub(crate) struct JsonTemplates {
    language: Language,
    environment: Arc<Environment<'static>>,
    /// The target's own file, for messages about it.
    own: Option<PathBuf>,
}

impl JsonTemplates {
    /// The shape the relay comes with.
    pub(crate) fn built_in(language: Language) -> Self {
        let mut environment = environment(Markup::Plain, language);
        environment.set_formatter(|out, _, value| {
            let encoded = serde_json::to_string(value)
                .map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string()))?;
            out.write_str(&encoded).map_err(Error::from)
        });
        environment
            .add_template("webhook", include_str!("../../templates/webhook.json.j2"))
            .expect("our own template compiles: a test renders it");
        Self { language, environment: Arc::new(environment), own: None }
    }

    /// A target's own template, compiled and tried on every sample.
    pub(crate) fn with_file(language: Language, path: &Path) -> Result<Self, TemplateError> {
        let source = std::fs::read_to_string(path)
            .map_err(|source| TemplateError::Read { path: path.to_owned(), source })?;
        let faulty = |error: &Error, sample| TemplateError::Faulty {
            path: path.to_owned(),
            what: describe(error),
            sample,
        };
        let mut templates = Self::built_in(language);
        Arc::make_mut(&mut templates.environment)
            .add_template_owned("own", source)
            .map_err(|error| faulty(&error, None))?;
        templates.own = Some(path.to_owned());
        for (name, message) in sample::all() {
            let variables = templates.variables(&message, Detail::LEVELS[0], "title", "text", None);
            templates.fill("own", &variables).map_err(|error| faulty(&error, Some(name)))?;
        }
        Ok(templates)
    }

    /// The language of the words.
    pub(crate) fn language(&self) -> Language {
        self.language
    }

    /// The body for a message, whose plain words are `title` and `text`. Never fails: a template that does gives way to the relay's shape
    /// with a banner, and that to the title and the text.
    pub(crate) fn body(&self, message: &Message, detail: Detail, title: &str, text: &str) -> String {
        let mut banner = message.banner.clone();
        if let Some(path) = &self.own {
            let variables = self.variables(message, detail, title, text, banner.as_deref());
            match self.fill("own", &variables) {
                Ok(body) => return body,
                Err(error) => {
                    let file = path.file_name().unwrap_or_default().to_string_lossy();
                    let failed = words::template_failed(&file, &describe(&error), self.language);
                    banner = Some(banner.map_or(failed.clone(), |banner| format!("{banner} · {failed}")));
                }
            }
        }
        let variables = self.variables(message, detail, title, text, banner.as_deref());
        self.fill("webhook", &variables)
            .unwrap_or_else(|_| serde_json::json!({ "title": title, "text": text }).to_string())
    }

    fn variables(
        &self,
        message: &Message,
        detail: Detail,
        title: &str,
        text: &str,
        banner: Option<&str>,
    ) -> Value {
        let (variables, left_out) = context::context(message, self.language, detail);
        context! { title, text, banner => banner.unwrap_or_default(), left_out, ..variables }
    }

    fn fill(&self, name: &str, variables: &Value) -> Result<String, Error> {
        let body = run(&self.environment, name, variables)?.trim().to_owned();
        match serde_json::from_str::<IgnoredAny>(&body) {
            Ok(IgnoredAny) => Ok(body),
            Err(error) => Err(Error::new(
                ErrorKind::InvalidOperation,
                format!(
                    "the output is not JSON: {error} (hint: a `{{{{ value }}}}` brings its own quotes; texts are joined with `~`)"
                ),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_source(source: &str) -> Result<JsonTemplates, TemplateError> {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("own.json.j2");
        std::fs::write(&file, source).unwrap();
        JsonTemplates::with_file(Language::En, &file)
    }

    fn body(templates: &JsonTemplates, message: &Message) -> serde_json::Value {
        let body = templates.body(message, Detail::LEVELS[0], "a \"title\"", "a\ntext");
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"))
    }

    #[test]
    fn every_sample_is_json() {
        let built_in = JsonTemplates::built_in(Language::ZhCn);
        for (name, message) in sample::all() {
            let json = body(&built_in, &message);
            assert_eq!(json["title"], "a \"title\"", "{name}");
            assert_eq!(json["text"], "a\ntext", "{name}");
            let told = json["alerts"].as_array().unwrap().len() as u64 + json["left_out"].as_u64().unwrap();
            let changes = &message.changes;
            let lists = [&changes.new, &changes.still, &changes.resolved, &changes.vanished];
            assert_eq!(told, lists.map(|list| list.len() as u64).iter().sum::<u64>(), "{name}");
        }
    }

    #[test]
    fn no_value_can_break_a_template_whatever_it_switches_off() {
        let templates = with_source(
            r#"{% autoescape false %}{ "team": {{ alerts[0].labels.alertname|safe }}, "all": {{ "x: " ~ title }}, "labels": {{ group_labels }} }{% endautoescape %}"#,
        )
        .unwrap();
        let mut message = sample::named("firing").unwrap();
        let hostile = r#"", "injected": "1"#;
        message.changes.new[0].labels.insert("alertname".to_owned(), hostile.to_owned());
        let json = body(&templates, &message);
        assert_eq!(json["team"], hostile);
        assert_eq!(json["all"], "x: a \"title\"");
        assert!(json.get("injected").is_none(), "{json}");
    }

    #[test]
    fn what_is_no_json_is_found_at_load() {
        let check = |source: &str, expected: &str| {
            let error = with_source(source).expect_err(source).to_string();
            assert!(error.contains(expected), "{error}");
        };
        check(r#"{ "text": "{{ title }}" }"#, "brings its own quotes");
        check(r#"{ "text": {{ title }}, }"#, "the output is not JSON");
        check(r#"{ "text": {{ titel }} }"#, "undefined");
        check("{% if %}", "line 1");
    }

    #[test]
    fn a_template_that_fails_later_gives_way_to_the_relays_shape() {
        let templates = with_source(r#"{ "a": {{ title }}{% if receiver == "bad" %},{% endif %} }"#).unwrap();
        let message = Message { receiver: "bad".to_owned(), ..sample::named("firing").unwrap() };
        let json = body(&templates, &message);
        assert!(json["banner"].as_str().unwrap().contains("own.json.j2"), "{json}");
        assert_eq!(json["receiver"], "bad");
    }
}

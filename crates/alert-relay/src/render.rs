//! Words for a message: templates in, a draft out.
//!
//! Owns the templates: compiling them, trying them on samples at load, rendering within bounds, and the built-in text that
//! takes over when a target's own template fails. Leaves out sizes ([`split`](crate::split)) and requests (the channels).
//!
//! A template (minijinja) runs with fuel, a bounded recursion and a bounded output, so that no file can hang or fill the relay.
//! Every `{{ value }}` is escaped for the channel's [`Markup`] unless it was made by one of our own functions.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use minijinja::value::Value;
use minijinja::{Environment, Error, ErrorKind, context};
use settings_document::reader_hint;

use crate::message::{Digest, Language, Message, sample};
use crate::render::context::Detail;
use crate::render::digest::Told;
use crate::render::environment::environment;
use crate::render::markup::Markup;

mod address;
mod built_in;
mod change;
pub(crate) mod clean;
pub(crate) mod context;
pub(crate) mod digest;
mod environment;
pub(crate) mod json;
mod labels;
pub(crate) mod markup;
mod times;
pub(crate) mod words;

pub(crate) use built_in::BuiltIn;

/// A message in words, still in pieces: [`split`](crate::split) packs them into parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Draft {
    /// One line without markup.
    pub(crate) title: String,
    /// A warning without markup.
    pub(crate) banner: Option<String>,
    /// What concerns all alerts; may be empty.
    pub(crate) header: String,
    /// One text for each alert, in order of urgency.
    pub(crate) blocks: Vec<String>,
    /// The end of the text; may be empty.
    pub(crate) footer: String,
    /// Alerts that are in no block.
    pub(crate) left_out: usize,
    /// The link to everything, for the line that says how much is missing; may be empty.
    pub(crate) see_all: String,
}

/// The compiled templates of one target in one dialect.
#[derive(Clone, Debug)]
pub(crate) struct Templates {
    markup: Markup,
    language: Language,
    environment: Arc<Environment<'static>>,
    /// The target's own file, for messages about it.
    own: Option<PathBuf>,
}

/// Marks in a rendered text where it may be cut. A control character: values are cleaned of those.
const MARK: char = '\u{1e}';

/// Output beyond this is a template gone wrong; the built-in text of the most alerts stays below half of it.
const OUTPUT_LIMIT: usize = 4 * 1024 * 1024;

/// The longest title in characters: it stands in every part, and a phone shows some forty.
const TITLE_LIMIT: usize = 150;

impl Templates {
    /// The texts the relay comes with.
    pub(crate) fn built_in(markup: Markup, language: Language) -> Self {
        Self { markup, language, environment: Arc::new(environment(markup, language)), own: None }
    }

    /// The texts with a target's own template in front, compiled and tried on every sample.
    pub(crate) fn with_file(markup: Markup, language: Language, path: &Path) -> Result<Self, TemplateError> {
        let source = std::fs::read_to_string(path)
            .map_err(|source| TemplateError::Read { path: path.to_owned(), source })?;
        Self::with_source(markup, language, path, source)
    }

    fn with_source(
        markup: Markup,
        language: Language,
        path: &Path,
        source: String,
    ) -> Result<Self, TemplateError> {
        let faulty = |error: &Error, sample| TemplateError::Faulty {
            path: path.to_owned(),
            what: describe(error),
            sample,
        };
        let mut templates = Self::built_in(markup, language);
        Arc::make_mut(&mut templates.environment)
            .add_template_owned("own", source)
            .map_err(|error| faulty(&error, None))?;
        templates.own = Some(path.to_owned());
        for (name, message) in sample::all() {
            templates.fill("own", &message, Detail::LEVELS[0]).map_err(|error| faulty(&error, Some(name)))?;
        }
        Ok(templates)
    }

    /// The words for a message. A template that fails gives way to the built-in text with a banner, and that to the bare facts.
    pub(crate) fn draft(&self, message: &Message, detail: Detail) -> Draft {
        let mut banner = message.banner.clone();
        if let Some(path) = &self.own {
            match self.fill("own", message, detail) {
                Ok(draft) => return Draft { banner, ..draft },
                Err(error) => {
                    let file = path
                        .file_name()
                        .map_or_else(|| path.to_string_lossy(), |name| name.to_string_lossy());
                    let failed = words::template_failed(&file, &describe(&error), self.language);
                    banner = Some(banner.map_or(failed.clone(), |banner| format!("{banner} · {failed}")));
                }
            }
        }
        let draft = self.fill("built-in", message, detail).unwrap_or_else(|_| self.bare(message));
        Draft { banner, ..draft }
    }

    /// The words for a message about many groups. No template has a part in it: nothing can fail.
    pub(crate) fn digest<'m>(&self, message: &'m Message, digest: Digest) -> Told<'m> {
        Told::of(message, digest, self.markup, self.language)
    }

    /// The dialect of the draft.
    pub(crate) fn markup(&self) -> Markup {
        self.markup
    }

    /// The language of the words.
    pub(crate) fn language(&self) -> Language {
        self.language
    }

    #[cfg(test)]
    fn is_shared_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.environment, &other.environment)
    }

    fn fill(&self, name: &str, message: &Message, detail: Detail) -> Result<Draft, Error> {
        let (variables, left_out) = context::context(message, self.language, detail);
        let see_all = address::group(&message.group_labels, &message.receiver, &message.links.alertmanager);
        let text = run(
            &self.environment,
            name,
            &context! { mark => Value::from_safe_string(MARK.to_string()), ..variables },
        )?;
        let pieces: Vec<&str> = text.split(MARK).collect();
        let blocks =
            |texts: &[&str]| texts.iter().map(|text| tidy(text)).filter(|text| !text.is_empty()).collect();
        let [title, header, alerts @ .., footer] = pieces.as_slice() else {
            // A template that does not extend "built-in" is one text: it may be cut between paragraphs, and borrows our title.
            let title = self.fill("built-in", message, detail)?.title;
            let paragraphs = tidy(&text);
            let paragraphs: Vec<&str> = paragraphs.split("\n\n").collect();
            return Ok(Draft { title, blocks: blocks(&paragraphs), left_out, see_all, ..Draft::default() });
        };
        Ok(Draft {
            title: one_line(title),
            banner: None,
            header: tidy(header),
            blocks: blocks(alerts),
            footer: tidy(footer),
            left_out,
            see_all,
        })
    }

    /// The facts without a template: the last resort, which has nothing left that can fail.
    fn bare(&self, message: &Message) -> Draft {
        let changes = &message.changes;
        let lists = [
            ("FIRING", &changes.new),
            ("RESOLVED", &changes.resolved),
            ("GONE", &changes.vanished),
            ("STILL", &changes.still),
        ];
        let blocks: Vec<String> = lists
            .iter()
            .flat_map(|(word, alerts)| alerts.iter().map(move |alert| (word, alert)))
            .take(context::MAX_ALERTS)
            .map(|(word, alert)| {
                let name: String = alert.label("alertname").chars().take(TITLE_LIMIT).collect();
                self.markup.escape(&one_line(&format!("{word} {name} {}", alert.starts_at)))
            })
            .collect();
        let total: usize = lists.iter().map(|(_, alerts)| alerts.len()).sum();
        let title = format!("Alerts: {total}");
        Draft { title, left_out: total - blocks.len(), blocks, ..Draft::default() }
    }
}

/// The output of a template, as far as it may grow.
fn run(environment: &Environment<'_>, name: &str, variables: &Value) -> Result<String, Error> {
    let template = environment.get_template(name)?;
    let mut output = Bounded { bytes: Vec::new() };
    template.render_captured_to(variables.clone(), &mut output)?;
    String::from_utf8(output.bytes).map_err(|_| Error::new(ErrorKind::WriteFailure, "output is not UTF-8"))
}

/// Why a target's template can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TemplateError {
    /// The file can't be read.
    #[error("can't read the template `{}`: {source}{}", path.display(), reader_hint(source))]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The template does not parse, or fails on a sample.
    #[error("template `{}`{}: {what}", path.display(), sample.map_or(String::new(), |name| format!(" fails on the {name} sample")))]
    Faulty {
        /// The file.
        path: PathBuf,
        /// Line and reason.
        what: String,
        /// The sample it failed on; `None` when it does not parse.
        sample: Option<&'static str>,
    },
}

/// Line and reason in one line; minijinja's own text names our internal file names.
fn describe(error: &Error) -> String {
    let line = error.line().map_or(String::new(), |line| format!("line {line}: "));
    let detail = error.detail().map_or(String::new(), |detail| format!(": {detail}"));
    let cause = std::error::Error::source(error).map_or(String::new(), |cause| format!(" ({cause})"));
    one_line(&format!("{line}{}{detail}{cause}", error.kind()))
}

/// At most [`TITLE_LIMIT`] characters without line breaks.
fn one_line(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(TITLE_LIMIT) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

/// No spaces at line ends, no empty lines at either end, never two in a row: what conditions in a template leave behind.
fn tidy(text: &str) -> String {
    let mut lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.dedup_by(|later, earlier| later.is_empty() && earlier.is_empty());
    lines.join("\n").trim_matches('\n').to_owned()
}

/// A writer that refuses to grow past [`OUTPUT_LIMIT`].
struct Bounded {
    bytes: Vec<u8>,
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > OUTPUT_LIMIT {
            return Err(io::Error::other("the text grows past 4 MiB"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(source: &str) -> Result<Templates, TemplateError> {
        Templates::with_source(
            Markup::DingTalk,
            Language::En,
            Path::new("/etc/relay/mine.j2"),
            source.to_owned(),
        )
    }

    fn firing() -> Message {
        sample::named("firing").expect("a sample of this name")
    }

    fn refused(source: &str, expected: &str) {
        let error = own(source).expect_err(source).to_string();
        assert!(error.contains("/etc/relay/mine.j2") && error.contains(expected), "{error}");
    }

    #[test]
    fn who_may_not_read_a_template_is_told_who_that_is() {
        let error = |kind: io::ErrorKind| {
            TemplateError::Read { path: "own.md.j2".into(), source: kind.into() }.to_string()
        };
        let refused = error(io::ErrorKind::PermissionDenied);
        let user = rustix::process::geteuid();
        assert!(refused.starts_with("can't read the template `own.md.j2`: permission denied (hint: user "));
        assert!(refused.contains(&format!("`chown {user}`")), "{refused}");
        assert!(!error(io::ErrorKind::NotFound).contains("hint"));
    }

    #[test]
    fn one_block_can_be_replaced() {
        let templates =
            own("{% extends \"built-in\" %}{% block alert %}{{ alert.name }}: {{ alert.labels.no_such }}\
             {{ alert.starts_at|date('%H:%M') }} {{ alert.starts_at|date('%H:%M', 'UTC') }}{% endblock %}");
        let draft = templates.expect("a good template").draft(&firing(), Detail::LEVELS[0]);
        assert_eq!(draft.blocks, ["GpuMemoryHigh: 14:03 06:03"]);
        assert_eq!(draft.title, "🔴 1 firing: GpuMemoryHigh @ node-1");
        assert!(draft.footer.contains("sample-1") && draft.banner.is_none(), "{draft:?}");
    }

    #[test]
    fn a_free_text_is_cut_between_paragraphs() {
        let templates = own("{{ receiver }}\n\n{% for alert in alerts %}{{ alert.name }}_x\n{% endfor %}");
        let draft = templates.expect("a good template").draft(&firing(), Detail::LEVELS[0]);
        assert_eq!(draft.blocks, ["ops", "GpuMemoryHigh_x"]);
        assert_eq!(draft.title, "🔴 1 firing: GpuMemoryHigh @ node-1");
    }

    #[test]
    fn mistakes_are_found_at_load() {
        refused("{% if %}", "line 1");
        refused("one\n{{ alertz }}", "fails on the firing sample: line 2: undefined value");
        refused("{{ name|nofilter }}", "unknown filter");
        refused("{% extends \"nothing\" %}", "template not found");
        refused("{% for a in alerts %}{{ a.labels_of }}{% endfor %}", "undefined value");
        // Only some messages have resolved alerts.
        refused("{% for a in resolved %}{{ a.no_such }}{% endfor %}", "fails on the resolved sample");
        refused("{{ now|date('%H', 'Mars/Base') }}", "unknown time zone `Mars/Base`");
        refused("{{ tint('loud', 'x') }}", "expected `alarm`, `good` or `quiet`");
    }

    #[test]
    fn a_template_can_neither_hang_nor_fill_the_relay() {
        refused("{% for a in range(10000) %}{% for b in range(10000) %}{% endfor %}{% endfor %}", "fuel");
        refused("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "recursion");
        refused("{% set x = 'x' * 100000 %}{% for a in range(100) %}{{ x }}{% endfor %}", "4 MiB");
    }

    #[test]
    fn a_failure_at_night_sends_the_built_in_text() {
        // No sample has this label, so nothing is wrong until one does.
        let templates =
            own("{% for a in alerts %}{% if a.labels.rare %}{{ a.no_such }}{% endif %}{% endfor %}x");
        let mut message = firing();
        message.changes.new[0].labels.insert("rare".to_owned(), "1".to_owned());
        let draft = templates.expect("good on every sample").draft(&message, Detail::LEVELS[0]);
        let banner = draft.banner.as_deref().unwrap_or_default();
        assert!(
            banner.starts_with("template mine.j2 failed, this is the built-in text: line 1: undefined"),
            "{banner}"
        );
        assert!(draft.blocks[0].contains("GPU 3 memory 97% used"), "{draft:?}");
    }

    #[test]
    fn the_last_resort_needs_no_template() {
        let message = sample::named("mixed").expect("a sample of this name");
        let draft = Templates::built_in(Markup::Wecom, Language::ZhCn).bare(&message);
        assert_eq!((draft.title.as_str(), draft.blocks.len()), ("Alerts: 4", 4));
        assert!(draft.blocks[0].starts_with("FIRING GpuMemoryHigh 2026-11-23T06:03:22Z"), "{draft:?}");
    }

    #[test]
    fn built_in_texts_render_every_sample_with_fuel_to_spare() {
        for markup in [Markup::DingTalk, Markup::Wecom, Markup::Plain, Markup::Html] {
            for language in [Language::ZhCn, Language::En] {
                let mut templates = Templates::built_in(markup, language);
                Arc::make_mut(&mut templates.environment).set_fuel(Some(environment::FUEL / 10));
                for (name, message) in sample::all() {
                    for detail in Detail::LEVELS {
                        let draft = templates.fill("built-in", &message, detail);
                        assert!(draft.is_ok(), "{markup:?} {language:?} {name}: {draft:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn hostile_values_stay_values() {
        let hostile = sample::named("hostile").expect("a sample of this name");
        let wecom = Templates::built_in(Markup::Wecom, Language::En).draft(&hostile, Detail::LEVELS[0]);
        let all = format!("{}{}", wecom.header, wecom.blocks.join(""));
        assert!(!all.contains("<@all>") && !all.contains("](javascript:"), "{all}");
        let html = Templates::built_in(Markup::Html, Language::En).draft(&hostile, Detail::LEVELS[0]);
        let all = format!("{}{}", html.header, html.blocks.join(""));
        assert!(!all.contains("<script>") && !all.contains("href=\"javascript:"), "{all}");
    }
}

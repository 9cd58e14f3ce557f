//! The request body: the target's own JSON template, else the relay's.

use crate::channel::kind::Setup;
use crate::channel::part::Content;
use crate::channel::texts::whole;
use crate::message::{Changes, Message, Wording};
use crate::notification::{Alert, GroupKey, LabelSet};
use crate::render::Templates;
use crate::render::context::Detail;
use crate::render::json::JsonTemplates;
use crate::render::markup::Markup;
use crate::render::words;

/// One body, valid JSON.
#[derive(Debug)]
pub(super) struct Body(pub(super) String);

impl Content for Body {
    fn bytes(&self) -> usize {
        self.0.len()
    }

    fn preview(&self) -> String {
        self.0.clone()
    }
}

/// The templates of one target.
#[derive(Debug)]
pub(super) struct Bodies {
    json: JsonTemplates,
    /// For the `title` and the `text` in the JSON.
    plain: Templates,
}

impl Bodies {
    /// Compiles them; the target's own file is tried on every sample.
    pub(super) fn open(setup: &Setup<'_>) -> Option<Self> {
        let json = match setup.template {
            Some(path) => setup.compiled(JsonTemplates::with_file(setup.language, path))?,
            None => setup.built_in.json(setup.language),
        };
        Some(Self { json, plain: setup.built_in.texts(Markup::Plain, setup.language) })
    }

    /// All of the message, in less detail after a refusal.
    pub(super) fn render(&self, message: &Message, wording: Wording) -> Body {
        let detail = match wording {
            Wording::Normal => Detail::LEVELS[0],
            Wording::Smaller => Detail::LEVELS[1],
            Wording::Plain => Detail::LEVELS[2].without_links(),
            Wording::Bare => {
                let line = words::bare(message, self.plain.language());
                return Body(self.json.body(
                    &without_words(message),
                    Detail::LEVELS[2].without_links(),
                    &line,
                    &line,
                ));
            }
        };
        let draft = self.plain.draft(message, detail);
        let text = whole(&draft, &self.plain);
        Body(self.json.body(message, detail, &draft.title, &text))
    }
}

/// The message with its structure and without anybody's words: of each alert its severity and its times.
fn without_words(message: &Message) -> Message {
    let strip = |alerts: &[Alert]| -> Vec<Alert> {
        let strip = |alert: &Alert| {
            let severity = alert.labels.get("severity").map(|word| ("severity".to_owned(), word.to_owned()));
            let labels = severity.into_iter().collect();
            Alert { labels, annotations: LabelSet::new(), generator_url: String::new(), ..alert.clone() }
        };
        alerts.iter().map(strip).collect()
    };
    let Changes { new, still, resolved, vanished, flapped } = &message.changes;
    Message {
        group_key: GroupKey(String::new()),
        group_labels: LabelSet::new(),
        common_labels: LabelSet::new(),
        common_annotations: LabelSet::new(),
        changes: Changes {
            new: strip(new),
            still: strip(still),
            resolved: strip(resolved),
            vanished: strip(vanished),
            flapped: flapped.clone(),
        },
        ..message.clone()
    }
}

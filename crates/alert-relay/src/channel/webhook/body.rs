//! The request body: the target's own JSON template, else the relay's.

use crate::channel::kind::Setup;
use crate::channel::part::Content;
use crate::channel::texts::whole;
use crate::message::{Message, Wording};
use crate::render::Templates;
use crate::render::context::Detail;
use crate::render::json::JsonTemplates;
use crate::render::markup::Markup;

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
            None => JsonTemplates::built_in(setup.language),
        };
        Some(Self { json, plain: Templates::built_in(Markup::Plain, setup.language) })
    }

    /// All of the message, in less detail after a refusal.
    pub(super) fn render(&self, message: &Message, wording: Wording) -> Body {
        let detail = match wording {
            Wording::Normal => Detail::LEVELS[0],
            Wording::Smaller => Detail::LEVELS[1],
            Wording::Plain => Detail::LEVELS[2].without_links(),
        };
        let draft = self.plain.draft(message, detail);
        let text = whole(&draft, &self.plain);
        Body(self.json.body(message, detail, &draft.title, &text))
    }
}

//! What the robots share in rendering: rich or plain words, in as much detail as fits.

use crate::channel::ChannelError;
use crate::message::Message;
use crate::message::Wording;
use crate::render::context::Detail;
use crate::render::markup::Markup;
use crate::render::{Draft, Templates};
use crate::settings::TargetSettings;
use crate::split::{Room, pack};

/// The templates of one robot: its own or the built-in ones, and the plain ones for content that was refused.
#[derive(Debug)]
pub(crate) struct Texts {
    rich: Templates,
    plain: Templates,
}

impl Texts {
    /// Compiles them; the target's own file is tried on every sample.
    pub(crate) fn new(markup: Markup, target: &TargetSettings) -> Result<Self, ChannelError> {
        let rich = match &target.template {
            Some(path) => Templates::with_file(markup, target.language, path)?,
            None => Templates::built_in(markup, target.language),
        };
        Ok(Self { rich, plain: Templates::built_in(Markup::Plain, target.language) })
    }

    /// The title and the texts of the parts. Less detail is tried before anything is left out: a short text about every alert
    /// is worth more than a long one about some. `finish` adds what only this channel's dialect needs.
    pub(crate) fn pack(
        &self,
        message: &Message,
        wording: Wording,
        mention: &str,
        room: impl Fn(&Draft) -> Room,
        finish: impl Fn(Draft) -> Draft,
    ) -> (String, Vec<String>) {
        let templates = if wording == Wording::Plain { &self.plain } else { &self.rich };
        let at = |detail: Detail| {
            let detail = if wording == Wording::Plain { detail.without_links() } else { detail };
            let draft = finish(templates.draft(message, detail));
            let packed = pack(&draft, mention, room(&draft), templates.markup(), templates.language());
            (draft.title, packed)
        };
        let (last, earlier) = Detail::LEVELS.split_last().expect("the levels are a constant with members");
        let (title, packed) = earlier
            .iter()
            .map(|detail| at(*detail))
            .find(|(_, packed)| packed.is_whole)
            .unwrap_or_else(|| at(*last));
        (title, packed.parts)
    }
}

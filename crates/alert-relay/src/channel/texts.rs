//! What channels share in rendering: rich or plain words, in as much detail as fits, or all in one piece.

use crate::channel::kind::Setup;
use crate::message::{Digest, Message, Wording};
use crate::render::context::Detail;
use crate::render::digest::Listing;
use crate::render::markup::Markup;
use crate::render::{Draft, Templates, words};
use crate::split::{Packed, PartLimits, pack};

/// The templates of one robot: its own or the built-in ones, and the plain ones for content that was refused.
#[derive(Debug)]
pub(super) struct Texts {
    rich: Templates,
    plain: Templates,
}

impl Texts {
    /// Compiles them; the target's own file is tried on every sample.
    pub(super) fn open(markup: Markup, setup: &Setup<'_>) -> Option<Self> {
        let rich = match setup.template {
            Some(path) => setup.compiled(Templates::with_file(markup, setup.language, path))?,
            None => setup.built_in.texts(markup, setup.language),
        };
        Some(Self { rich, plain: setup.built_in.texts(Markup::Plain, setup.language) })
    }

    /// The title and the parts. Less detail is tried before anything is left out: a short text about every alert
    /// is worth more than a long one about some. `finish` adds what only this channel's dialect needs.
    pub(super) fn pack(
        &self,
        message: &Message,
        wording: Wording,
        mention: &str,
        limits: impl Fn(&Draft) -> PartLimits,
        finish: impl Fn(Draft) -> Draft,
    ) -> (String, Packed) {
        if wording == Wording::Bare {
            let line = words::bare(message, self.plain.language());
            let text = if mention.is_empty() { line.clone() } else { format!("{line}\n{mention}") };
            return (line, Packed { parts: vec![text], is_whole: true });
        }
        let templates = if wording == Wording::Plain { &self.plain } else { &self.rich };
        if let Some(digest) = message.digest {
            return digest_in_one_part(templates, message, digest, mention, limits, finish);
        }
        let at = |detail: Detail| {
            let detail = if wording == Wording::Plain { detail.without_links() } else { detail };
            let draft = finish(templates.draft(message, detail));
            let packed = pack(&draft, mention, limits(&draft), templates.markup(), templates.language());
            (draft.title, packed)
        };
        let (last, earlier) = Detail::LEVELS.split_last().expect("the levels are a constant with members");
        earlier
            .iter()
            .map(|detail| at(*detail))
            .find(|(_, packed)| packed.is_whole)
            .unwrap_or_else(|| at(*last))
    }
}

/// A digest is one part: what does not fit into that is a number. So there is nothing to resume in the middle of it.
fn digest_in_one_part(
    templates: &Templates,
    message: &Message,
    digest: Digest,
    mention: &str,
    limits: impl Fn(&Draft) -> PartLimits,
    finish: impl Fn(Draft) -> Draft,
) -> (String, Packed) {
    let told = templates.digest(message, digest);
    let at = |listing: Listing| {
        let draft = finish(told.draft(listing));
        let limits = PartLimits { parts: 1, ..limits(&draft) };
        let packed = pack(&draft, mention, limits, templates.markup(), templates.language());
        (draft.title, packed)
    };
    let (last, earlier) = Listing::LEVELS.split_last().expect("the levels are a constant with members");
    earlier
        .iter()
        .map(|listing| at(*listing))
        .find(|(_, packed)| packed.is_whole)
        .unwrap_or_else(|| at(*last))
}

/// A draft in one piece, where nothing has to be split.
pub(super) fn whole(draft: &Draft, templates: &Templates) -> String {
    let (markup, language) = (templates.markup(), templates.language());
    let mut texts = vec![markup.heading(&draft.title, "")];
    texts.extend(draft.banner.as_ref().map(|text| markup.banner(text)));
    texts.push(draft.header.clone());
    texts.extend(draft.blocks.iter().cloned());
    if draft.left_out > 0 {
        texts.push(markup.remark(&markup.escape(&words::left_out(draft.left_out, language))));
        texts.push(markup.link(words::see_all(language), &draft.see_all));
    }
    texts.push(draft.footer.clone());
    texts.retain(|text| !text.is_empty());
    texts.join("\n\n")
}

//! `DingTalk`'s request bodies: markdown or plain text, and whom they call.

use serde_json::{Value, json};

use crate::channel::json_body::{JsonBody, encoded_len};
use crate::channel::mentions::Mentions;
use crate::channel::part::Part;
use crate::channel::texts::Texts;
use crate::message::{Message, Wording};
use crate::people::Person;
use crate::render::Draft;
use crate::split::PartLimits;

/// The person's id with the vendor.
pub(super) fn user_id(person: &Person) -> Option<&str> {
    person.dingtalk.as_deref()
}

/// Bytes of the whole request body; the robot refuses more than 20 000 with 460101.
const BODY_LIMIT: usize = 19_600;

/// Parts of one message: 58 kB is more than anybody reads on a phone.
const MOST_PARTS: usize = 3;

/// Markdown messages (`text` ones without markup); the first mentions people when alerts are new.
pub(super) fn render(texts: &Texts, message: &Message, wording: Wording) -> Vec<Part> {
    let mentions = Mentions::of(message, user_id);
    let limit = if wording == Wording::Smaller { BODY_LIMIT / 2 } else { BODY_LIMIT };
    let limits = |draft: &Draft| {
        let envelope = body(wording, &draft.title, "", &mentions);
        PartLimits {
            cost_limit: limit.saturating_sub(envelope.len()),
            parts: MOST_PARTS,
            cost: encoded_len,
            separator: "\n\n",
        }
    };
    let mention = names(&mentions);
    let (title, packed) = texts.pack(message, wording, &mention, limits, |draft| {
        if wording.is_text() { draft } else { with_line_breaks(draft) }
    });
    let nobody = Mentions::default();
    let bodies = packed.parts.iter().enumerate().map(|(index, text)| {
        let mentions = if index == 0 { &mentions } else { &nobody };
        Part::new(JsonBody(body(wording, &title, text, mentions))).of_message(packed.is_whole)
    });
    bodies.collect()
}

/// The request body.
fn body(wording: Wording, title: &str, text: &str, mentions: &Mentions) -> String {
    let at =
        json!({ "atMobiles": mentions.mobiles, "atUserIds": mentions.users, "isAtAll": mentions.everyone });
    let body: Value = match wording {
        Wording::Plain | Wording::Bare => json!({ "msgtype": "text", "text": { "content": text }, "at": at }),
        Wording::Normal | Wording::Smaller => {
            json!({ "msgtype": "markdown", "markdown": { "title": title, "text": text }, "at": at })
        }
    };
    body.to_string()
}

/// The names of those who are mentioned, for the text: a robot mentions only whom the text names.
fn names(mentions: &Mentions) -> String {
    mentions.in_text(mentions.users.iter().chain(&mentions.mobiles).map(|name| format!("@{name}")))
}

/// A single line feed is no line break in `DingTalk`'s markdown; two spaces before it make one.
fn with_line_breaks(mut draft: Draft) -> Draft {
    let broken = |text: &str| text.replace('\n', "  \n").replace("  \n  \n", "\n\n");
    draft.header = broken(&draft.header);
    draft.footer = broken(&draft.footer);
    draft.blocks = draft.blocks.iter().map(|block| broken(block)).collect();
    draft
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_breaks_survive_the_vendor() {
        let draft = Draft { header: "a\nb\n\nc".to_owned(), ..Draft::default() };
        assert_eq!(with_line_breaks(draft).header, "a  \nb\n\nc");
    }
}

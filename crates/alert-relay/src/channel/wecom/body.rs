//! `WeCom`'s request bodies: markdown, plain text, and the text that rings phones.

use serde_json::{Value, json};

use crate::channel::json_body::JsonBody;
use crate::channel::mentions::Mentions;
use crate::channel::part::Part;
use crate::channel::texts::Texts;
use crate::message::{Message, Wording};
use crate::people::Person;
use crate::render::Draft;
use crate::split::PartLimits;

/// The person's id with the vendor.
pub(super) fn user_id(person: &Person) -> Option<&str> {
    person.wecom.as_deref()
}

/// Bytes of a markdown message's content; the robot refuses more than 4096 with 40058.
const MARKDOWN_LIMIT: usize = 4_000;

/// Bytes of a text message's content; 2048 are allowed.
const TEXT_LIMIT: usize = 2_000;

/// Clients show an empty line only for three line feeds.
const SEPARATOR: &str = "\n\n\n";

/// Parts of one message: a fifth of a minute's budget.
const MOST_PARTS: usize = 4;

/// Markdown messages (`text` ones without markup). When alerts are new, user ids are mentioned in the first;
/// phone numbers and `@all` can't be, so a short text message rings them right after it.
pub(super) fn render(texts: &Texts, message: &Message, wording: Wording) -> Vec<Part> {
    let mentions = Mentions::of(message, user_id);
    let cost_limit = match wording {
        Wording::Normal => MARKDOWN_LIMIT,
        Wording::Smaller => MARKDOWN_LIMIT / 2,
        Wording::Plain | Wording::Bare => TEXT_LIMIT,
    };
    let mention = if wording.is_text() { String::new() } else { names(&mentions) };
    let limits = PartLimits { cost_limit, parts: MOST_PARTS, cost: str::len, separator: SEPARATOR };
    let (title, packed) = texts.pack(
        message,
        wording,
        &mention,
        |_| limits,
        |draft| {
            if wording == Wording::Plain { without_calls(draft) } else { draft }
        },
    );
    let part = |body: Value| Part::new(JsonBody(body.to_string())).of_message(packed.is_whole);
    if wording.is_text() {
        let nobody = Mentions::default();
        let bodies = packed.parts.iter().enumerate().map(|(index, text)| {
            let mentions = if index == 0 { &mentions } else { &nobody };
            part(text_body(text, &mentions.users, mentions))
        });
        return bodies.collect();
    }
    let mut parts: Vec<Part> = packed
        .parts
        .iter()
        .map(|text| part(json!({ "msgtype": "markdown", "markdown": { "content": text } })))
        .collect();
    if needs_text(&mentions) {
        parts.insert(1, part(text_body(&taken_apart(&title), &[], &mentions)));
    }
    parts
}

/// A text message that mentions people and so makes their phones ring.
fn text_body(content: &str, users: &[String], mentions: &Mentions) -> Value {
    let mut list: Vec<&str> = users.iter().map(String::as_str).collect();
    if mentions.everyone {
        list.push("@all");
    }
    json!({ "msgtype": "text", "text": { "content": content, "mentioned_list": list, "mentioned_mobile_list": mentions.mobiles } })
}

/// A text message calls whom it names in `<@…>`, as markdown does, and no dialect has escaped the values of a plain text.
fn without_calls(mut draft: Draft) -> Draft {
    let texts = [&mut draft.title, &mut draft.header, &mut draft.footer].into_iter();
    for text in texts.chain(&mut draft.banner).chain(&mut draft.blocks) {
        *text = taken_apart(text);
    }
    draft
}

/// What would begin a mention begins with its full-width twin.
fn taken_apart(text: &str) -> String {
    text.replace("<@", "＜@")
}

/// User ids as markdown mentions.
fn names(mentions: &Mentions) -> String {
    mentions.in_text(mentions.users.iter().map(|id| format!("<@{id}>")))
}

/// Whether somebody is mentioned whom markdown can't mention.
fn needs_text(mentions: &Mentions) -> bool {
    mentions.everyone || !mentions.mobiles.is_empty()
}

//! A message for a chat: its parts belong together and are read by everybody.

use std::collections::{BTreeMap, BTreeSet};

use crate::channel::Part;
use crate::clock::Millis;
use crate::deliver::attempt::{Sender, Tried};
use crate::deliver::sending::{Conclusion, Sending};
use crate::delivery::{End, Pending, Rendering};
use crate::message::Wording;
use crate::recourse::Extent;
use crate::retry::Next;

/// How a pass over all parts in one wording went.
enum Pass {
    AllDelivered,
    /// To be put like this.
    Reword(Wording),
    /// This many parts are not taken as plain text, or not as a bare line either.
    Refused(usize, String),
    Later(Millis),
    LeaseLost,
}

/// Sends a message to a chat, in whatever wording it takes. Whether a refused one is put as a bare line is the caller's to decide.
pub(super) async fn send(sender: &Sender, sending: Sending<'_>) -> Conclusion {
    let Sending { delivery, progress, mut message, own: _, extent } = sending;
    // What recipients of a mail have under this target's name are no parts of a chat's message, and what a digest said is none either.
    let progress = progress.filter(|progress| progress.recipients.is_empty() && !progress.is_of_digest());
    let mut wording = match (extent, progress.map_or(Wording::Normal, |progress| progress.rendering.wording))
    {
        (Extent::BareLine, _) => Wording::Bare,
        (Extent::Whole, former) => former.min(Wording::Plain),
    };
    // A message partly sent is rendered as of its first time, so that its parts are the same again.
    let begun = progress.filter(|progress| !progress.done.is_empty());
    let present = message.now;
    message.now = begun.map_or(present, |progress| progress.rendering.at.timestamp());
    let mut done = begun.map(|progress| progress.done.clone()).unwrap_or_default();
    let mut expected = begun.map(|progress| progress.rendering.text_hash.clone());

    loop {
        let (mut parts, mut rendering) = sender.render(&message, wording);
        if expected.take().is_some_and(|expected| expected != rendering.text_hash) {
            // Settings, templates or the program changed in between: what stood in a part that was sent may now stand in another. Sent
            // twice beats not sent.
            done.clear();
            message.now = present;
            (parts, rendering) = sender.render(&message, wording);
        }
        match pass(sender, delivery, &parts, &rendering, &done).await {
            Pass::AllDelivered => {
                let reason = match wording {
                    Wording::Normal | Wording::Smaller => "delivered",
                    Wording::Plain => "delivered as plain text",
                    Wording::Bare => "delivered as one line: the channel refuses the text",
                };
                return Conclusion::Ended(End::Delivered, reason.to_owned(), BTreeMap::new());
            }
            Pass::Reword(next) => {
                wording = next;
                done.clear();
            }
            Pass::Refused(refused, detail) => {
                let words = format!("{refused} of {} parts refused: {detail}", parts.len());
                return Conclusion::Refused(wording, words);
            }
            Pass::Later(at) => return Conclusion::Later(at),
            Pass::LeaseLost => return Conclusion::LeaseLost,
        }
    }
}

/// Sends every part that is not done yet, in order.
async fn pass(
    sender: &Sender,
    delivery: &Pending,
    parts: &[Part],
    rendering: &Rendering,
    done: &BTreeSet<u32>,
) -> Pass {
    let mut refused = 0;
    let mut last_words = String::new();
    for (number, part) in (1..).zip(parts) {
        if done.contains(&number) {
            continue;
        }
        let answer = match sender.attempt(delivery, part, number, rendering, None).await {
            Tried::Answered(answer) => answer,
            Tried::NotBefore(at) => return Pass::Later(at),
            Tried::LeaseLost => return Pass::LeaseLost,
        };
        match answer.next {
            Next::GoOn => {}
            Next::Reword(wording) if wording != Wording::Bare => return Pass::Reword(wording),
            // The parts after it may be taken.
            Next::Reword(_) | Next::GiveUp => {
                refused += 1;
                answer.outcome.detail().clone_into(&mut last_words);
            }
            Next::Wait(_) | Next::Pause(_) | Next::Hold => {
                return Pass::Later(sender.in_time_for_fallback(delivery, sender.come_back_at(&answer)));
            }
        }
    }
    if refused > 0 { Pass::Refused(refused, last_words) } else { Pass::AllDelivered }
}

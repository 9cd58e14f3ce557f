//! A message for a chat: its parts belong together and are read by everybody.

use std::collections::BTreeSet;

use crate::channel::Part;
use crate::clock::Millis;
use crate::deliver::lane::attempt::Tried;
use crate::deliver::lane::{LaneRun, News};
use crate::delivery::{End, Pending, Rendering};
use crate::message::Wording;
use crate::retry::Next;

/// How a pass over all parts in one wording went.
enum Pass {
    AllDelivered,
    /// To be put like this.
    Reword(Wording),
    /// This many parts will not be taken in any wording.
    Refused(usize, String),
    Later(Millis),
    Lost,
}

impl LaneRun {
    /// Tells the chat, in whatever wording it takes.
    pub(super) async fn tell_chat(&self, news: News<'_>) {
        // What recipients of a mail have heard under this target's name are no parts of a chat's message.
        let progress = self.progress(&news).filter(|progress| progress.recipients.is_empty());
        let mut wording = progress.map_or(Wording::Normal, |progress| progress.rendering.wording);
        // A message partly sent is rendered as of its first time, so that its parts are the same again.
        let begun = progress.filter(|progress| !progress.done.is_empty());
        let mut at = begun.map_or_else(|| self.shared.clock.now(), |progress| progress.rendering.at);
        let mut done = begun.map(|progress| progress.done.clone()).unwrap_or_default();
        let mut expected_parts = begun.map(|progress| progress.rendering.parts);

        loop {
            let mut parts = self.render(&news, wording, at);
            let count = |parts: &[Part]| u32::try_from(parts.len()).unwrap_or(u32::MAX);
            if expected_parts.take().is_some_and(|expected| expected != count(&parts)) {
                // The settings or the template changed in between: these are not the same parts. Told twice beats not told.
                done.clear();
                at = self.shared.clock.now();
                parts = self.render(&news, wording, at);
            }
            let rendering =
                Rendering { via: self.via.settings.name.clone(), wording, at, parts: count(&parts) };
            match self.pass(news.speaker, &parts, &rendering, &done).await {
                Pass::AllDelivered => {
                    let reason =
                        if wording == Wording::Plain { "delivered as plain text" } else { "delivered" };
                    return self.end(&news, End::Delivered, reason.to_owned()).await;
                }
                Pass::Reword(next) => {
                    wording = next;
                    done.clear();
                }
                Pass::Refused(refused, detail) => {
                    let reason = format!("{refused} of {} parts refused: {detail}", parts.len());
                    return self.end(&news, End::Dead, reason).await;
                }
                Pass::Later(at) => return self.release(at).await,
                Pass::Lost => return,
            }
        }
    }

    /// Sends every part that is not done yet, in order.
    async fn pass(
        &self,
        speaker: &Pending,
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
            let answer = match self.attempt(speaker, part, number, rendering, None).await {
                Tried::Answered(answer) => answer,
                Tried::NotBefore(at) => return Pass::Later(at),
                Tried::Lost => return Pass::Lost,
            };
            match answer.next {
                Next::GoOn => {}
                Next::Reword(wording) => return Pass::Reword(wording),
                Next::GiveUp => {
                    refused += 1;
                    answer.detail().clone_into(&mut last_words);
                }
                Next::Wait(_) | Next::Pause(_) | Next::Hold => {
                    return Pass::Later(self.come_back_at(&answer));
                }
            }
        }
        if refused > 0 { Pass::Refused(refused, last_words) } else { Pass::AllDelivered }
    }
}

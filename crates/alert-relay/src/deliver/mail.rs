//! A message for people who get a mail each: one mailbox that takes nothing keeps it from nobody else.

use std::collections::BTreeSet;

use crate::channel::Part;
use crate::clock::Millis;
use crate::deliver::attempt::{Answer, Sender, Tried};
use crate::deliver::recipients::{MailState, Recipients};
use crate::deliver::sending::{Conclusion, Sending};
use crate::delivery::End;
use crate::message::Wording;
use crate::outcome::{Outcome, Reason};
use crate::recourse::Extent;
use crate::retry::Next;

/// What a pass over the recipients brought.
#[derive(Default)]
struct Pass {
    /// When to come back for those who wait.
    later: Option<Millis>,
    /// Something other than a single mailbox was in the way: the rest was not tried.
    is_cut_short: bool,
    /// The server spoke about single mailboxes; what it said of the last one.
    mailbox_words: Option<String>,
    /// It refused the mail itself; what it said of it.
    content_words: Option<String>,
    /// Nobody has the mail or waits for it, and it is refused as plain text.
    is_refused: bool,
}

/// Sends a mail to everybody who waits for it, and ends it once nobody does.
pub(super) async fn send(sender: &Sender, sending: Sending<'_>, names: Vec<String>) -> Conclusion {
    let mut recipients = Recipients::new(names, sending.progress.map(|progress| &progress.recipients));
    let Some(pass) = pass(sender, &sending, &mut recipients).await else { return Conclusion::LeaseLost };
    if pass.is_refused {
        return Conclusion::Refused(Wording::Plain, pass.content_words.unwrap_or_default());
    }
    let state = recipients.state();
    if !pass.is_cut_short {
        judge(sender, state, &pass).await;
    }
    let later = pass.later.unwrap_or_else(|| sender.via.context.clock.now());
    let later = sender.in_time_for_fallback(sending.delivery, later);
    let words = pass.content_words.as_ref().or(pass.mailbox_words.as_ref());
    let words = words.map_or(String::new(), |words| format!(": {words}"));
    let of = recipients.len();
    let delivered = |reason: String| Conclusion::Ended(End::Delivered, reason, recipients.statuses());
    match state {
        MailState::Over { accepted } if accepted == of => delivered("delivered".to_owned()),
        MailState::Over { accepted: 0 } if pass.content_words.is_some() => {
            Conclusion::Refused(Wording::Bare, format!("refused for {of} of {of} recipients{words}"))
        }
        // No mailbox of the target takes anything: its circuit breaker holds the message until somebody has put it right.
        MailState::Over { accepted: 0 } => Conclusion::Later(later),
        MailState::Over { accepted } => {
            let reason = format!("delivered, but refused for {} of {of} recipients{words}", of - accepted);
            delivered(reason)
        }
        MailState::Straggling if is_too_late(sender, &sending) => {
            let reason = format!("delivered, but not to all of {of} recipients{words}");
            delivered(reason)
        }
        MailState::Straggling | MailState::Open => Conclusion::Later(later),
    }
}

/// One try for everybody who waits, and further ones at once for who is refused the wording. `None`: the claim is no longer ours.
async fn pass(sender: &Sender, sending: &Sending<'_>, recipients: &mut Recipients) -> Option<Pass> {
    let mut pass = Pass::default();
    let mut waiting = recipients.waiting();
    let mut wording = match sending.extent {
        Extent::Whole => Wording::Normal,
        Extent::BareLine => Wording::Bare,
    };
    while !waiting.is_empty() && !pass.is_cut_short {
        let (parts, rendering) = sender.render(&sending.message, wording);
        let own: Vec<(&BTreeSet<String>, Vec<Part>)> =
            sending.own.iter().map(|own| (&own.recipients, sender.render(&own.message, wording).0)).collect();
        let mut reworded = Vec::new();
        for name in waiting {
            let parts = own.iter().find(|(who, _)| who.contains(&name)).map_or(&parts, |(_, parts)| parts);
            let Some(part) = parts.iter().find(|part| part.recipient() == Some(&name)) else { continue };
            let number = recipients.number(&name);
            match sender.attempt(sending.delivery, part, number, &rendering, Some(recipients)).await {
                Tried::Answered(Answer { next: Next::Reword(next), outcome, .. }) => {
                    wording = wording.max(next);
                    reworded.push(name);
                    pass.content_words = Some(outcome.detail().to_owned());
                }
                Tried::Answered(answer) => add(sender, &mut pass, &answer),
                Tried::NotBefore(at) => {
                    pass.later = Some(at);
                    pass.is_cut_short = true;
                }
                Tried::LeaseLost => return None,
            }
            if pass.is_cut_short {
                break;
            }
        }
        // A fallback may tell everybody all of it, which is better than a bare line; but not once somebody has it.
        pass.is_refused = wording == Wording::Bare
            && sending.extent == Extent::Whole
            && !reworded.is_empty()
            && !recipients.is_begun();
        waiting = if pass.is_refused { Vec::new() } else { reworded };
    }
    Some(pass)
}

fn add(sender: &Sender, pass: &mut Pass, answer: &Answer) {
    match &answer.outcome {
        Outcome::Rejected { reason: Reason::Mailbox, detail }
        | Outcome::Retry { reason: Reason::Mailbox, detail, .. } => {
            pass.mailbox_words = Some(detail.clone());
        }
        Outcome::Rejected { detail, .. } | Outcome::TooLarge { detail } => {
            pass.content_words = Some(detail.clone());
        }
        Outcome::Delivered { .. } | Outcome::Misconfigured { .. } | Outcome::Retry { .. } => {}
    }
    if let Next::Wait(_) | Next::Pause(_) | Next::Hold = answer.next {
        let at = sender.come_back_at(answer);
        let may_be_other_for_others = matches!(
            answer.outcome,
            Outcome::Retry { reason: Reason::Mailbox | Reason::Busy | Reason::UnknownCode, after: None, .. }
        );
        pass.is_cut_short = !may_be_other_for_others;
        // Who was not tried does not wait for a mailbox that was.
        pass.later = if pass.is_cut_short { Some(at) } else { pass.later.max(Some(at)) };
    }
}

/// What the answers about single mailboxes say of the target as a whole, which no single one can.
async fn judge(sender: &Sender, state: MailState, pass: &Pass) {
    let Some(detail) = pass.mailbox_words.clone() else { return };
    let verdict = match state {
        MailState::Over { accepted: 0 } if pass.content_words.is_none() => {
            Outcome::Misconfigured { reason: Reason::Mailbox, detail }
        }
        MailState::Open => Outcome::Retry { reason: Reason::Busy, after: None, detail },
        // The server looks at what it is sent.
        MailState::Over { .. } | MailState::Straggling => Outcome::Delivered { receipt: detail },
    };
    let change = sender.via.note(&verdict, &Next::Hold);
    sender.via.after(change, &verdict).await;
}

fn is_too_late(sender: &Sender, sending: &Sending<'_>) -> bool {
    let context = &sender.via.context;
    sending.delivery.accepted_at <= context.accepted_before(context.pace.straggle_for)
}

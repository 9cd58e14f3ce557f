//! A message for people who get a mail each: one mailbox that takes nothing keeps it from nobody else.

use crate::clock::Millis;
use crate::deliver::lane::attempt::{Answer, Tried};
use crate::deliver::lane::recipients::{Recipients, Standing};
use crate::deliver::lane::{LaneRun, News};
use crate::delivery::{End, Rendering};
use crate::message::Wording;
use crate::outcome::{Outcome, Reason};
use crate::retry::Next;

/// What a round over the recipients brought.
#[derive(Default)]
struct Round {
    /// When to come back for those who wait.
    later: Option<Millis>,
    /// Something other than a single mailbox was in the way: the rest was not tried.
    is_cut_short: bool,
    /// The server spoke about single mailboxes; what it said of the last one.
    mailbox_words: Option<String>,
    /// It refused the mail itself; what it said of it.
    content_words: Option<String>,
}

impl LaneRun {
    /// Tells everybody who waits for this mail, and ends it once nobody does.
    pub(super) async fn tell_each(&self, news: News<'_>, names: Vec<String>) {
        let known = self.progress(&news).map(|progress| &progress.recipients);
        let mut recipients = Recipients::new(names, known);
        let Some(round) = self.round(&news, &mut recipients).await else { return };
        let standing = recipients.standing();
        if !round.is_cut_short {
            self.judge(standing, &round).await;
        }
        let later = round.later.unwrap_or_else(|| self.shared.clock.now());
        let words = round.content_words.as_ref().or(round.mailbox_words.as_ref());
        let words = words.map_or(String::new(), |words| format!(": {words}"));
        let of = recipients.len();
        match standing {
            Standing::Over { heard } if heard == of => {
                self.end(&news, End::Delivered, "delivered".to_owned()).await;
            }
            Standing::Over { heard: 0 } if round.content_words.is_some() => {
                self.end(&news, End::Dead, format!("refused for {of} of {of} recipients{words}")).await;
            }
            // No mailbox of the target takes anything: its gate keeps the message until somebody has put it right.
            Standing::Over { heard: 0 } => self.release(later).await,
            Standing::Over { heard } => {
                let reason = format!("delivered, but refused for {} of {of} recipients{words}", of - heard);
                self.end(&news, End::Delivered, reason).await;
            }
            Standing::Straggling if self.is_too_late(&news) => {
                let reason = format!("delivered, but not to all of {of} recipients{words}");
                self.end(&news, End::Delivered, reason).await;
            }
            Standing::Straggling | Standing::Open => self.release(later).await,
        }
    }

    /// One try for everybody who waits, and further ones at once for who is refused the wording. `None`: the lease is lost.
    async fn round(&self, news: &News<'_>, recipients: &mut Recipients) -> Option<Round> {
        let at = self.shared.clock.now();
        let mut round = Round::default();
        let mut wave = recipients.waiting();
        let mut wording = Wording::Normal;
        while !wave.is_empty() && !round.is_cut_short {
            let parts = self.render(news, wording, at);
            let rendering = Rendering {
                via: self.via.settings.name.clone(),
                wording,
                at,
                parts: u32::try_from(parts.len()).unwrap_or(u32::MAX),
            };
            let mut reworded = Vec::new();
            for name in wave {
                let Some(part) = parts.iter().find(|part| part.recipient() == Some(&name)) else { continue };
                let number = recipients.number(&name);
                let tried = self.attempt(news.speaker, part, number, &rendering, Some(recipients)).await;
                match tried {
                    Tried::Answered(Answer { next: Next::Reword(next), .. }) => {
                        wording = wording.max(next);
                        reworded.push(name);
                    }
                    Tried::Answered(answer) => self.add(&mut round, &answer),
                    Tried::NotBefore(at) => {
                        round.later = Some(at);
                        round.is_cut_short = true;
                    }
                    Tried::Lost => return None,
                }
                if round.is_cut_short {
                    break;
                }
            }
            wave = reworded;
        }
        Some(round)
    }

    fn add(&self, round: &mut Round, answer: &Answer) {
        match &answer.outcome {
            Outcome::Rejected { reason: Reason::Mailbox, detail }
            | Outcome::Retry { reason: Reason::Mailbox, detail, .. } => {
                round.mailbox_words = Some(detail.clone());
            }
            Outcome::Rejected { detail, .. } | Outcome::TooLarge { detail } => {
                round.content_words = Some(detail.clone());
            }
            Outcome::Delivered { .. } | Outcome::Misconfigured { .. } | Outcome::Retry { .. } => {}
        }
        if let Next::Wait(_) | Next::Pause(_) | Next::Hold = answer.next {
            let at = self.come_back_at(answer);
            let may_be_other_for_others = matches!(
                answer.outcome,
                Outcome::Retry {
                    reason: Reason::Mailbox | Reason::Busy | Reason::UnknownCode,
                    after: None,
                    ..
                }
            );
            round.is_cut_short = !may_be_other_for_others;
            // Who was not tried does not wait for a mailbox that was.
            round.later = if round.is_cut_short { Some(at) } else { round.later.max(Some(at)) };
        }
    }

    /// What the answers about single mailboxes say of the target as a whole, which no single one can.
    async fn judge(&self, standing: Standing, round: &Round) {
        let Some(detail) = round.mailbox_words.clone() else { return };
        let verdict = match standing {
            Standing::Over { heard: 0 } if round.content_words.is_none() => {
                Outcome::Misconfigured { reason: Reason::Mailbox, detail }
            }
            Standing::Open => Outcome::Retry { reason: Reason::Busy, after: None, detail },
            // The server looks at what it is sent.
            Standing::Over { .. } | Standing::Straggling => Outcome::Delivered { receipt: detail },
        };
        let turn = self.note(&verdict, &Next::Hold);
        self.after(turn, &verdict).await;
    }

    fn is_too_late(&self, news: &News<'_>) -> bool {
        self.shared.clock.now().since(news.speaker.accepted_at) >= self.shared.pace.straggle_for
    }
}

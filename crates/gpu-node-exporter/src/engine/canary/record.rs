//! What came of the canaries of one page. Pure: times are arguments.

use std::time::{Duration, Instant};

use super::kind::{Kind, Outcome};
use super::verdict::Judgement;
use crate::engine::page::News;

/// What came of one canary.
#[derive(Debug)]
pub(in crate::engine) struct Answer {
    pub(in crate::engine) judgement: Judgement,
    pub(in crate::engine) took: Duration,
    /// When it had come, in seconds since 1970.
    pub(in crate::engine) at: f64,
}

/// The canaries of one page.
#[derive(Clone, Debug, Default)]
pub(in crate::engine) struct Canaries {
    records: [Record; Kind::ALL.len()],
}

/// The canaries of one kind.
#[derive(Clone, Debug, Default)]
pub(in crate::engine) struct Record {
    /// When the last one was sent.
    pub(super) sent: Option<Instant>,
    pub(in crate::engine) last: Option<Last>,
    /// How many had each outcome, in the order of [`Outcome::ALL`].
    pub(in crate::engine) counts: [u64; Outcome::ALL.len()],
    /// The start of the engine in which it refused this kind: it is not asked again before another.
    refused_in: Option<u64>,
    has_been_right: bool,
    told: Option<Judgement>,
}

/// The last answer, or that none came.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::engine) struct Last {
    /// Whether it proves life; `None` where it does not tell.
    pub(in crate::engine) is_alive: Option<bool>,
    pub(in crate::engine) took: Duration,
    /// In seconds since 1970.
    pub(in crate::engine) at: f64,
}

impl Canaries {
    pub(in crate::engine) fn of(&self, kind: Kind) -> &Record {
        &self.records[kind as usize]
    }

    /// One is sent now.
    pub(in crate::engine) fn sent(&mut self, kind: Kind, now: Instant) {
        self.records[kind as usize].sent = Some(now);
    }

    /// Takes in what came of the one that was sent last, and says what is news of the page of this name. `start` is the engine's, as
    /// its page counts them.
    pub(in crate::engine) fn answered(
        &mut self,
        name: &str,
        kind: Kind,
        start: u64,
        answer: Answer,
    ) -> Option<News> {
        let record = &mut self.records[kind as usize];
        let Answer { judgement, took, at } = answer;
        let outcome = judgement.outcome;
        record.counts[outcome as usize] += 1;
        record.has_been_right |= outcome == Outcome::Right;
        record.refused_in = (outcome == Outcome::Refused).then_some(start);
        // Some engines fail, instead of refusing, when a model that takes no pictures is given one.
        let is_unfit = kind == Kind::Image && outcome == Outcome::Failed && !record.has_been_right;
        let is_alive = outcome.is_alive().filter(|_| !is_unfit);
        record.last = Some(Last { is_alive, took, at });
        if record.told.as_ref() == Some(&judgement) {
            return None;
        }
        let off = if outcome == Outcome::Refused {
            "; it is not asked again before it is started anew"
        } else {
            ""
        };
        let text =
            format!("engine page {name}: canary ({}): the engine {}{off}", kind.label(), judgement.why);
        record.told = Some(judgement);
        Some(News { is_good: outcome == Outcome::Right || !off.is_empty(), text })
    }
}

impl Record {
    /// Whether the engine has refused this kind since it was started, as far as its page shows.
    pub(super) fn is_off(&self, start: u64) -> bool {
        self.refused_in == Some(start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(outcome: Outcome, why: &str) -> Answer {
        let judgement = Judgement { outcome, why: why.to_owned() };
        Answer { judgement, took: Duration::from_millis(300), at: 1e9 }
    }

    #[test]
    fn each_change_is_told_once() {
        let mut canaries = Canaries::default();
        let mut check =
            |kind: Kind, outcome: Outcome, why: &str, is_alive: Option<bool>, told: Option<&str>| {
                let news = canaries.answered("p", kind, 1, answer(outcome, why));
                assert_eq!(news.map(|news| news.text).as_deref(), told, "{kind:?} {outcome:?}");
                assert_eq!(canaries.of(kind).last.unwrap().is_alive, is_alive, "{kind:?} {outcome:?}");
            };
        let answers = Some("engine page p: canary (text): the engine answers");
        check(Kind::Text, Outcome::Right, "answers", Some(true), answers);
        check(Kind::Text, Outcome::Right, "answers", Some(true), None);
        let late = "does not answer within 30s";
        let told = Some("engine page p: canary (text): the engine does not answer within 30s");
        check(Kind::Text, Outcome::Timeout, late, Some(false), told);
        check(Kind::Text, Outcome::Timeout, late, Some(false), None);
        check(Kind::Text, Outcome::Right, "answers", Some(true), answers);
        check(Kind::Text, Outcome::Busy, "b", None, Some("engine page p: canary (text): the engine b"));
        // Nothing is known of pictures yet, so a failure does not tell.
        check(Kind::Image, Outcome::Failed, "f", None, Some("engine page p: canary (image): the engine f"));
        check(
            Kind::Image,
            Outcome::Right,
            "a",
            Some(true),
            Some("engine page p: canary (image): the engine a"),
        );
        check(
            Kind::Image,
            Outcome::Failed,
            "f",
            Some(false),
            Some("engine page p: canary (image): the engine f"),
        );
        assert_eq!(canaries.of(Kind::Text).counts, [3, 0, 0, 0, 1, 0, 2, 0]);
        assert_eq!(canaries.of(Kind::Image).counts, [1, 0, 0, 0, 0, 2, 0, 0]);
    }

    #[test]
    fn a_kind_that_is_refused_is_off_until_the_next_start() {
        let mut canaries = Canaries::default();
        let told = canaries.answered("p", Kind::Image, 1, answer(Outcome::Refused, "r")).unwrap();
        let text =
            "engine page p: canary (image): the engine r; it is not asked again before it is started anew";
        assert_eq!(told, News { is_good: true, text: text.to_owned() });
        assert!(canaries.of(Kind::Image).is_off(1));
        assert!(!canaries.of(Kind::Image).is_off(2) && !canaries.of(Kind::Text).is_off(1));
        // Once.
        assert_eq!(canaries.answered("p", Kind::Image, 2, answer(Outcome::Refused, "r")), None);
        canaries.answered("p", Kind::Image, 3, answer(Outcome::Right, "a"));
        assert!(!canaries.of(Kind::Image).is_off(3));
    }
}

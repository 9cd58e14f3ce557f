//! What follows an attempt: when to try again, how to put it differently, when to give up (pure).

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::message::Wording;
use crate::outcome::{Outcome, Reason};

/// What to do after an outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// This part has arrived: go on.
    GoOn,
    /// The same again after this long; the target may be in trouble.
    Wait(Duration),
    /// The robot asked for a pause of this length: nothing goes to it meanwhile.
    Pause(Duration),
    /// The same message, put differently, at once; before it is put as [`Wording::Bare`] the target's fallback is asked (`recourse`).
    Reword(Wording),
    /// The target is wrong: keep the message until somebody has put it right.
    Hold,
    /// This message will not be accepted from this channel in any form, or its recipient will not.
    GiveUp,
}

/// For the log.
impl fmt::Display for Next {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |span: &Duration| format!("{:.1} s", span.as_secs_f64());
        match self {
            Self::GoOn => out.write_str("go on"),
            Self::Wait(span) => write!(out, "again in {}", seconds(span)),
            Self::Pause(span) => write!(out, "nothing to this robot for {}", seconds(span)),
            Self::Reword(_) => out.write_str("put differently at once"),
            Self::Hold => out.write_str("kept until the target is put right"),
            Self::GiveUp => out.write_str("given up"),
        }
    }
}

/// Decides by the outcome, how the message was put, how often it was tried, and a random number from 0 to 1.
pub(crate) fn next(
    outcome: &Outcome,
    wording: Wording,
    attempts: u32,
    backoff: Backoff,
    random: f64,
) -> Next {
    match outcome {
        Outcome::Delivered { .. } => Next::GoOn,
        // Who names a time means all that we send: a vendor's limit, a gateway's ban.
        Outcome::Retry { after: Some(after), .. } => Next::Pause((*after).clamp(MIN_PAUSE, MAX_PAUSE)),
        Outcome::Retry { reason: Reason::Throttled | Reason::UnprovenReply, after: None, .. } => {
            Next::Wait(ODD_REPLY.delay(attempts, random))
        }
        // Never less than half of it: a short one would be one more copy.
        _ if outcome.may_have_arrived() => {
            Next::Wait(UNKNOWN_OUTCOME.delay(attempts, f64::midpoint(1.0, random)))
        }
        Outcome::Retry { after: None, .. } => Next::Wait(backoff.delay(attempts, random)),
        Outcome::TooLarge { .. } => match wording {
            Wording::Normal => Next::Reword(Wording::Smaller),
            Wording::Smaller => Next::Reword(Wording::Plain),
            Wording::Plain => Next::Reword(Wording::Bare),
            Wording::Bare => Next::GiveUp,
        },
        Outcome::Rejected { reason: Reason::Mailbox, .. } => Next::GiveUp,
        Outcome::Rejected { .. } => match wording {
            Wording::Normal | Wording::Smaller => Next::Reword(Wording::Plain),
            Wording::Plain => Next::Reword(Wording::Bare),
            Wording::Bare => Next::GiveUp,
        },
        Outcome::Misconfigured { .. } => Next::Hold,
    }
}

/// After a reply that proves nothing and names no time. What it is about is not known, so it is asked again soon.
const ODD_REPLY: Backoff = Backoff { first: Duration::from_secs(2), cap: Duration::from_secs(30) };
/// After an attempt of which nobody knows whether it has arrived: each further one may be a copy that rings phones again.
const UNKNOWN_OUTCOME: Backoff = Backoff { first: Duration::from_mins(1), cap: Duration::from_mins(10) };
/// A demand is followed within reason: a vendor's mistake must neither make us hammer nor silence a target for a day.
const MIN_PAUSE: Duration = Duration::from_secs(1);
pub(crate) const MAX_PAUSE: Duration = Duration::from_hours(1);

/// Exponential, capped, with full jitter: a delay anywhere between a floor and the current ceiling, so that targets that
/// failed at the same time do not all retry at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Backoff {
    /// The ceiling after the first failure; doubles with each.
    pub(crate) first: Duration,
    /// The ceiling never grows beyond.
    pub(crate) cap: Duration,
}

impl Backoff {
    /// The wait after this many failures in a row (0 counts as 1), by a random number from 0 to 1.
    pub(crate) fn delay(self, failures: u32, random: f64) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        let ceiling = self.first.saturating_mul(1 << doublings).min(self.cap);
        ceiling.mul_f64(random.clamp(0.0, 1.0)).max(self.first.min(self.cap) / 2)
    }
}

/// Random numbers for jitter. Not for secrets.
#[derive(Debug)]
pub(crate) struct Jitter(Mutex<fastrand::Rng>);

impl Jitter {
    /// A fresh source, seeded by the system.
    pub(crate) fn new() -> Self {
        Self(Mutex::new(fastrand::Rng::new()))
    }

    /// The next number, from 0 to 1.
    pub(crate) fn draw(&self) -> f64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).f64()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BACKOFF: Backoff = Backoff { first: Duration::from_secs(2), cap: Duration::from_mins(5) };

    fn retry(reason: Reason, after: Option<u64>) -> Outcome {
        Outcome::Retry { reason, after: after.map(Duration::from_secs), detail: String::new() }
    }

    #[test]
    fn each_outcome_has_its_consequence() {
        let check = |outcome: Outcome, wording: Wording, expected: Next| {
            assert_eq!(next(&outcome, wording, 1, BACKOFF, 1.0), expected, "{outcome:?} as {wording:?}");
        };
        let seconds = Duration::from_secs;
        let too_large = || Outcome::TooLarge { detail: String::new() };
        let rejected = || Outcome::Rejected { reason: Reason::Content, detail: String::new() };
        let no_mailbox = || Outcome::Rejected { reason: Reason::Mailbox, detail: String::new() };
        let wrong = || Outcome::Misconfigured { reason: Reason::Refused, detail: String::new() };
        check(Outcome::Delivered { receipt: String::new() }, Wording::Normal, Next::GoOn);
        check(retry(Reason::Connect, None), Wording::Normal, Next::Wait(seconds(2)));
        check(retry(Reason::Mailbox, None), Wording::Normal, Next::Wait(seconds(2)));
        check(retry(Reason::Busy, Some(30)), Wording::Normal, Next::Pause(seconds(30)));
        check(retry(Reason::UnprovenReply, Some(300)), Wording::Normal, Next::Pause(seconds(300)));
        check(retry(Reason::Throttled, Some(600)), Wording::Normal, Next::Pause(seconds(600)));
        check(retry(Reason::Throttled, None), Wording::Normal, Next::Wait(seconds(2)));
        check(retry(Reason::UnprovenReply, None), Wording::Normal, Next::Wait(seconds(2)));
        check(retry(Reason::Timeout, None), Wording::Normal, Next::Wait(seconds(60)));
        check(retry(Reason::BrokenReply, None), Wording::Normal, Next::Wait(seconds(60)));
        check(retry(Reason::Timeout, Some(7)), Wording::Normal, Next::Pause(seconds(7)));
        check(retry(Reason::Throttled, Some(0)), Wording::Normal, Next::Pause(seconds(1)));
        check(retry(Reason::Throttled, Some(999_999)), Wording::Normal, Next::Pause(seconds(3600)));
        check(too_large(), Wording::Normal, Next::Reword(Wording::Smaller));
        check(too_large(), Wording::Smaller, Next::Reword(Wording::Plain));
        check(too_large(), Wording::Plain, Next::Reword(Wording::Bare));
        check(too_large(), Wording::Bare, Next::GiveUp);
        check(rejected(), Wording::Normal, Next::Reword(Wording::Plain));
        check(rejected(), Wording::Smaller, Next::Reword(Wording::Plain));
        check(rejected(), Wording::Plain, Next::Reword(Wording::Bare));
        check(rejected(), Wording::Bare, Next::GiveUp);
        check(no_mailbox(), Wording::Normal, Next::GiveUp);
        check(wrong(), Wording::Normal, Next::Hold);
        check(wrong(), Wording::Plain, Next::Hold);
    }

    #[test]
    fn an_odd_reply_is_asked_again_within_one_to_thirty_seconds_and_an_unknown_outcome_later() {
        let delay = |reason, attempts, random| match next(
            &retry(reason, None),
            Wording::Normal,
            attempts,
            BACKOFF,
            random,
        ) {
            Next::Wait(span) => span.as_secs(),
            other => panic!("{other:?}"),
        };
        assert_eq!(
            [1, 2, 3, 5, 99].map(|attempts| delay(Reason::UnprovenReply, attempts, 1.0)),
            [2, 4, 8, 30, 30]
        );
        assert_eq!(delay(Reason::UnprovenReply, 99, 0.0), 1);
        assert_eq!([1, 2, 5, 99].map(|attempts| delay(Reason::Timeout, attempts, 1.0)), [60, 120, 600, 600]);
        assert_eq!([1, 2, 3].map(|attempts| delay(Reason::BrokenReply, attempts, 0.0)), [30, 60, 120]);
    }

    proptest! {
        #[test]
        fn a_delay_is_never_too_short_nor_too_long(failures in any::<u32>(), random in -1.0..2.0_f64) {
            let delay = BACKOFF.delay(failures, random);
            prop_assert!(delay >= Duration::from_secs(1), "{:?}", delay);
            prop_assert!(delay <= BACKOFF.cap, "{:?}", delay);
        }

        #[test]
        fn the_ceiling_never_falls(failures in 0..100_u32) {
            prop_assert!(BACKOFF.delay(failures + 1, 1.0) >= BACKOFF.delay(failures, 1.0));
        }
    }

    #[test]
    fn jitter_spreads_over_the_whole_range() {
        let jitter = Jitter::new();
        let drawn: Vec<f64> = (0..1_000).map(|_| jitter.draw()).collect();
        assert!(drawn.iter().all(|number| (0.0..=1.0).contains(number)));
        for tenth in 0..10 {
            let low = f64::from(tenth) / 10.0;
            assert!(
                drawn.iter().any(|number| (low..low + 0.1).contains(number)),
                "none of 1000 numbers near {low}"
            );
        }
    }
}

//! What became of a test message, for the person who sent it.

use std::time::Duration;

use crate::outcome::Outcome;

/// What became of a test message, part by part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TestReport {
    /// The target it was for.
    pub(crate) target: String,
    /// How many parts the message has.
    pub(crate) of: usize,
    /// In order; ends early with a part that was not sent.
    pub(crate) parts: Vec<TestedPart>,
}

/// Why no test message was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TestRefusal {
    /// The relay has no such target; the text lists those it has.
    #[error("{0}")]
    Unknown(String),
    /// Nothing more is begun.
    #[error("the relay stops and sends nothing more (hint: ask it again once it runs)")]
    Stopping,
    /// The store does not take a note of it.
    #[error(
        "the store does not take a note of it, and after a restart its robot's budget would not count it: nothing was sent ({0})"
    )]
    Store(String),
    /// Of several relays on one store another delivers.
    #[error(
        "another relay delivers at present, and knows what its robots' budgets have left (hint: ask that one; its metric `alert_relay_deliverer` is 1)"
    )]
    Elsewhere,
}

/// What became of one part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TestedPart {
    /// It was sent, and the channel gave this verdict.
    Sent(Outcome),
    /// It was not sent: the robot's budget is used up, or it asked for a pause, for this long.
    NotBefore(Duration),
}

impl TestReport {
    /// Whether the channel's answers prove that all of it arrived.
    pub(crate) fn is_delivered(&self) -> bool {
        self.parts.len() == self.of
            && self.parts.iter().all(|part| matches!(part, TestedPart::Sent(Outcome::Delivered { .. })))
    }

    /// How long to wait before the next try, if it was not sent.
    pub(crate) fn not_before(&self) -> Option<Duration> {
        self.parts.iter().find_map(|part| match part {
            TestedPart::NotBefore(wait) => Some(*wait),
            TestedPart::Sent(_) => None,
        })
    }

    /// A line for each part: the channel's own words, which carry a hint where we know one.
    pub(crate) fn lines(&self) -> Vec<String> {
        let line = |(number, part): (usize, &TestedPart)| {
            let which = if self.of > 1 { format!(" ({number}/{})", self.of) } else { String::new() };
            format!("{}{which}: {}", self.target, verdict(part))
        };
        let mut lines: Vec<String> = (1..).zip(&self.parts).map(line).collect();
        let is_cut = self.parts.len() < self.of && self.not_before().is_none();
        lines.extend(is_cut.then(|| {
            format!(
                "{}: the other parts were not sent, since the store took no note of them (hint: the relay's log says why)",
                self.target
            )
        }));
        lines
    }
}

fn verdict(part: &TestedPart) -> String {
    match part {
        TestedPart::NotBefore(wait) => {
            // Rounded up, so that it is right to come back then.
            let wait = Duration::from_secs(wait.as_secs().saturating_add(1));
            format!(
                "not sent: the robot's budget is used up, or it asked for a pause, for another {}",
                humantime::format_duration(wait)
            )
        }
        TestedPart::Sent(Outcome::Delivered { receipt }) => format!("delivered ({receipt})"),
        TestedPart::Sent(Outcome::Retry { reason, after, detail }) => {
            let after = after.map_or(String::new(), |after| {
                format!(", to be tried again after {}", humantime::format_duration(after))
            });
            format!("not delivered for now, {}{after}: {detail}", reason.as_str())
        }
        TestedPart::Sent(Outcome::TooLarge { detail }) => format!("not delivered, too large: {detail}"),
        TestedPart::Sent(Outcome::Misconfigured { reason, detail }) => {
            format!("not delivered, the target's settings are wrong, {}: {detail}", reason.as_str())
        }
        TestedPart::Sent(Outcome::Rejected { reason, detail }) => {
            format!("not delivered, refused for good, {}: {detail}", reason.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Reason;

    fn report(of: usize, parts: Vec<TestedPart>) -> TestReport {
        TestReport { target: "chat".to_owned(), of, parts }
    }

    fn delivered() -> TestedPart {
        TestedPart::Sent(Outcome::Delivered { receipt: "errcode 0: ok".to_owned() })
    }

    #[test]
    fn every_verdict_is_a_line() {
        let detail = || "errcode 1: words (hint: do it)".to_owned();
        let check = |part, expected: &str| assert_eq!(report(1, vec![part]).lines(), [expected]);
        check(delivered(), "chat: delivered (errcode 0: ok)");
        check(
            TestedPart::Sent(Outcome::Retry {
                reason: Reason::Throttled,
                after: Some(Duration::from_mins(10)),
                detail: detail(),
            }),
            "chat: not delivered for now, throttled, to be tried again after 10m: errcode 1: words (hint: do it)",
        );
        check(
            TestedPart::Sent(Outcome::Misconfigured { reason: Reason::UnknownRobot, detail: detail() }),
            "chat: not delivered, the target's settings are wrong, unknown_robot: errcode 1: words (hint: do it)",
        );
        check(
            TestedPart::Sent(Outcome::Rejected { reason: Reason::Content, detail: detail() }),
            "chat: not delivered, refused for good, content: errcode 1: words (hint: do it)",
        );
        check(
            TestedPart::Sent(Outcome::TooLarge { detail: detail() }),
            "chat: not delivered, too large: errcode 1: words (hint: do it)",
        );
        check(
            TestedPart::NotBefore(Duration::from_millis(41_001)),
            "chat: not sent: the robot's budget is used up, or it asked for a pause, for another 42s",
        );
    }

    #[test]
    fn only_what_arrived_whole_is_delivered() {
        assert!(report(2, vec![delivered(), delivered()]).is_delivered());
        let cut = report(2, vec![delivered(), TestedPart::NotBefore(Duration::from_secs(1))]);
        assert!(!cut.is_delivered());
        assert_eq!(cut.not_before(), Some(Duration::from_secs(1)));
        assert_eq!(
            cut.lines(),
            [
                "chat (1/2): delivered (errcode 0: ok)",
                "chat (2/2): not sent: the robot's budget is used up, or it asked for a pause, for another 2s"
            ]
        );
    }
}

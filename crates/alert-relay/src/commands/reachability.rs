//! Whether the targets' other ends can be reached, for the commands that look before something has to be sent.
//!
//! Targets with the same other end share one look: a thousand robots have two hosts.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::SignedDuration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::channel::Channel;
use crate::channel::reach::{OtherEnd, Reached};
use crate::render::clean;
use crate::settings::Settings;

/// Looks under way at a time.
const AT_A_TIME: usize = 16;

/// A clock that differs by more than this is a fault: `DingTalk` refuses signatures that are an hour off, links to graphs miss what they show,
/// and nobody can put two logs side by side.
pub(super) const MOST_SKEW: SignedDuration = SignedDuration::from_secs(60);

/// Characters shown of why something cannot be reached.
const SHOWN: usize = 400;

/// What came of one target.
#[derive(Clone, Debug)]
pub(super) struct Tried {
    /// Its name.
    pub(super) target: String,
    /// Who was asked.
    pub(super) end: OtherEnd,
    /// What it said, or why it said nothing.
    pub(super) outcome: Result<Reached, String>,
}

impl Tried {
    /// Reached, and the clocks agree.
    pub(super) fn is_good(&self) -> bool {
        self.outcome.as_ref().is_ok_and(|reached| reached.ahead.is_none_or(|ahead| ahead.abs() <= MOST_SKEW))
    }

    /// One line.
    pub(super) fn line(&self) -> String {
        let Self { target, end, outcome } = self;
        match outcome {
            Err(why) => format!("{target}: cannot reach {end}: {}", clean::line(why, SHOWN)),
            Ok(Reached { answer, ahead, took }) => {
                let clock = ahead.map_or_else(String::new, |ahead| format!("; {}", clock(ahead)));
                format!(
                    "{target}: reached {end} in {}ms ({}){clock}",
                    took.as_millis(),
                    clean::line(answer, SHOWN)
                )
            }
        }
    }
}

/// What a difference of clocks means.
pub(super) fn clock(ahead: SignedDuration) -> String {
    let span = humantime::format_duration(std::time::Duration::from_secs(ahead.unsigned_abs().as_secs()));
    let hint = if ahead.abs() > MOST_SKEW { " (hint: NTP)" } else { "" };
    match ahead.as_secs() {
        0 => "the clocks agree to the second".to_owned(),
        1.. => format!("this machine's clock is {span} ahead of its clock{hint}"),
        _ => format!("this machine's clock is {span} behind its clock{hint}"),
    }
}

/// Looks at all of them, in the order of their names.
pub(super) async fn of(settings: &Settings) -> Vec<Tried> {
    let mut ends: BTreeMap<(OtherEnd, String), Arc<dyn Channel>> = BTreeMap::new();
    for target in settings.targets.values() {
        ends.entry(key(&*target.channel)).or_insert_with(|| Arc::clone(&target.channel));
    }
    let mut looks = JoinSet::new();
    let slots = Arc::new(Semaphore::new(AT_A_TIME));
    for (key, channel) in ends {
        let slots = Arc::clone(&slots);
        looks.spawn(async move {
            // Nobody closes it.
            let _slot = slots.acquire().await;
            (key, channel.reach().await)
        });
    }
    let mut outcomes = BTreeMap::new();
    while let Some(look) = looks.join_next().await {
        outcomes.extend(look);
    }
    let tried = settings.targets.values().map(|target| {
        let key = key(&*target.channel);
        let outcome = outcomes.get(&key).cloned();
        Tried {
            target: target.name.clone(),
            end: key.0,
            outcome: outcome.unwrap_or_else(|| Err("a fault of alert-relay: please report it".to_owned())),
        }
    });
    tried.collect()
}

/// Each mail account logs in for itself; of a robot only its host is asked.
fn key(channel: &dyn Channel) -> (OtherEnd, String) {
    let end = channel.other_end();
    let account = if end.scheme == "smtp" { channel.robot().as_str().to_owned() } else { String::new() };
    (end, account)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn tried(outcome: Result<Reached, String>) -> Tried {
        let end = OtherEnd {
            scheme: "https".to_owned(),
            host: "oapi.dingtalk.com".to_owned(),
            port: 443,
            proxy: None,
        };
        Tried { target: "chat".to_owned(), end, outcome }
    }

    fn reached(ahead: Option<SignedDuration>) -> Reached {
        Reached { answer: "HTTP 404".to_owned(), ahead, took: Duration::from_millis(120) }
    }

    #[test]
    fn each_verdict_is_one_line() {
        let seconds = |seconds| Some(SignedDuration::from_secs(seconds));
        let lines = [
            Ok(reached(None)),
            Ok(reached(seconds(0))),
            Ok(reached(seconds(60))),
            Ok(reached(seconds(61))),
            Ok(reached(seconds(-7_265))),
            Err("error sending request: dns error\n\u{1b}[31m".to_owned()),
        ]
        .map(|outcome| {
            let tried = tried(outcome);
            format!("{} {}", if tried.is_good() { "good" } else { "bad " }, tried.line())
        });
        insta::assert_snapshot!(lines.join("\n"));
    }
}

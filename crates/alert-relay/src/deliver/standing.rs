//! How targets stand, for an operator: health and budget as values and words.

use crate::budget::Wait;
use crate::clock::{Clock, Millis, Moment};
use crate::deliver::state::{DeliveryState, Standing};
use crate::health::Health;
use crate::operation::overview::{BudgetLeft, HealthState, TargetHealth};
use crate::settings::TargetSettings;

/// Tells how targets stand, whatever else goes on.
#[derive(Clone, Debug)]
pub(crate) struct Standings {
    pub(super) state: DeliveryState,
    pub(super) clock: Clock,
}

impl Standings {
    /// Health and budget of a target; `None`: the deliverer does not know it (yet).
    pub(crate) fn of(&self, target: &TargetSettings) -> Option<(TargetHealth, BudgetLeft)> {
        let standing = self.state.standing(&target.name)?;
        Some((health(target, &standing, &self.clock), budget(target, &standing, &self.clock)))
    }
}

/// A moment on the wall clock, if it is still to come.
fn to_come(at: Moment, clock: &Clock) -> Option<Millis> {
    (at > clock.elapsed()).then(|| clock.wall_at(at))
}

fn health(target: &TargetSettings, standing: &Standing, clock: &Clock) -> TargetHealth {
    let (state, since, failures, next_try) = match standing.health {
        Health::Up if standing.is_silenced => (HealthState::Silenced, None, 0, standing.silent_until),
        Health::Up => (HealthState::Up, None, 0, None),
        Health::Failing { since, failures, probe_at } => {
            (HealthState::Failing, Some(since), failures, Some(probe_at))
        }
        Health::Misconfigured { since, failures, probe_at } => {
            (HealthState::Misconfigured, Some(since), failures, Some(probe_at))
        }
    };
    let words = match state {
        HealthState::Up => "it takes messages, or was not asked yet".to_owned(),
        HealthState::Silenced => "its robot asked for silence".to_owned(),
        HealthState::Failing => format!("it could not be reached or was busy, {}", times_in_a_row(failures)),
        HealthState::Misconfigured => {
            format!(
                "it refuses everything, {}: its settings, its robot or its login are wrong",
                times_in_a_row(failures)
            )
        }
    };
    let words = match &target.fallback {
        Some(fallback) if standing.is_dead => format!("{words}; `{fallback}` is told instead"),
        _ => words,
    };
    TargetHealth {
        state,
        since: since.map(|since| clock.wall_at(since)),
        failures,
        next_try: next_try.and_then(|at| to_come(at, clock)),
        is_dead: standing.is_dead,
        words,
    }
}

fn times_in_a_row(failures: u32) -> String {
    if failures == 1 { "once".to_owned() } else { format!("{failures} times in a row") }
}

fn budget(target: &TargetSettings, standing: &Standing, clock: &Clock) -> BudgetLeft {
    let sends = target.budget.sends;
    let (left, next_at) = match standing.left {
        Ok(left) => (left.min(sends), None),
        Err(Wait::Until(at)) => (0, to_come(at, clock)),
        Err(Wait::ForReply) => (0, None),
    };
    BudgetLeft {
        sends,
        window_seconds: target.budget.window.as_secs_f64(),
        left,
        left_for_critical: standing.left_for_critical.min(sends),
        next_at,
        silent_until: standing.silent_until.and_then(|at| to_come(at, clock)),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::*;
    use crate::settings::Settings;

    const START: Millis = Millis(1_764_442_800_000);

    fn target() -> TargetSettings {
        let text = "store: { url: 'sqlite:///x/relay.db' }\ntargets:\n  \
            chat: { dingtalk: { webhook_url: 'https://oapi.dingtalk.com/robot/send?access_token=t' }, fallback: mail }\n  \
            mail: { webhook: { url: 'http://127.0.0.1:9/' } }";
        Settings::from_text(Path::new("relay.yml"), text, []).expect("good settings").targets["chat"].clone()
    }

    fn check(
        health_is: Health,
        is_silenced: bool,
        is_dead: bool,
        state: HealthState,
        words: &str,
    ) -> TargetHealth {
        let clock = Clock::manual(START.timestamp());
        clock.advance(Duration::from_mins(10));
        let standing = Standing {
            health: health_is,
            is_silenced,
            is_dead,
            left: Ok(3),
            left_for_critical: 7,
            silent_until: is_silenced.then_some(Moment(900_000)),
        };
        let told = health(&target(), &standing, &clock);
        assert_eq!((told.state, told.words.as_str(), told.is_dead), (state, words, is_dead));
        told
    }

    #[test]
    fn health_is_told_in_words_and_by_the_wall_clock() {
        let (since, probe_at) = (Moment(540_000), Moment(630_000));
        let up = check(Health::Up, false, false, HealthState::Up, "it takes messages, or was not asked yet");
        assert_eq!((up.since, up.failures, up.next_try), (None, 0, None));
        let failing = check(
            Health::Failing { since, failures: 1, probe_at },
            false,
            false,
            HealthState::Failing,
            "it could not be reached or was busy, once",
        );
        let minutes = |minutes| Some(START.plus(Duration::from_mins(minutes)));
        assert_eq!(
            (failing.since, failing.next_try),
            (minutes(9), Some(START.plus(Duration::from_secs(630))))
        );
        check(
            Health::Misconfigured { since, failures: 3, probe_at: Moment(0) },
            false,
            true,
            HealthState::Misconfigured,
            "it refuses everything, 3 times in a row: its settings, its robot or its login are wrong; `mail` is told instead",
        );
        let silenced = check(
            Health::Up,
            true,
            true,
            HealthState::Silenced,
            "its robot asked for silence; `mail` is told instead",
        );
        assert_eq!(silenced.next_try, minutes(15));
    }

    #[test]
    fn what_is_left_of_a_budget_is_never_more_than_there_is() {
        let clock = Clock::manual(START.timestamp());
        let left = |left| {
            let standing = Standing {
                health: Health::Up,
                is_silenced: false,
                is_dead: false,
                left,
                left_for_critical: u32::MAX,
                silent_until: None,
            };
            let told = budget(&target(), &standing, &clock);
            assert_eq!((told.sends, told.window_seconds, told.left_for_critical), (18, 60.0, 18));
            (told.left, told.next_at)
        };
        assert_eq!(left(Ok(3)), (3, None));
        assert_eq!(left(Ok(u32::MAX)), (18, None));
        assert_eq!(left(Err(Wait::ForReply)), (0, None));
        assert_eq!(left(Err(Wait::Until(Moment(1_000)))), (0, Some(START.plus(Duration::from_secs(1)))));
    }
}

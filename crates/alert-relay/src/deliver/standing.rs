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

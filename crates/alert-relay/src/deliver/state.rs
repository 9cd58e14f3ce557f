//! What the deliverer remembers between sends: budgets, the health of targets, and what is under way. It outlives a reload.
//!
//! Owns the lock around them, and what an outcome does to them. Leaves out the rules, which are pure: `budget`, `health`, `schedule`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::budget::{Budgets, Wait};
use crate::clock::{Clock, Moment};
use crate::deliver::targets::Targets;
use crate::delivery::{DeliveryKey, PastAttempt};
use crate::health::{Health, Patience};
use crate::metrics::Metrics;
use crate::outcome::{Outcome, Reason};
use crate::recourse::Channel;
use crate::retry::{MAX_PAUSE, Next};
use crate::schedule::{self, Capacity, Room, TOLD_SOON, TargetState};

/// One for the dispatcher and the deliveries under way.
#[derive(Clone, Debug)]
pub(super) struct DeliveryState {
    inner: Arc<Mutex<Inner>>,
    clock: Clock,
    /// As [`Clock::passed`] was at the start.
    started: Duration,
    patience: Patience,
    metrics: Arc<Metrics>,
}

#[derive(Debug, Default)]
struct Inner {
    budgets: Budgets,
    targets: BTreeMap<String, TargetState>,
    busy: BTreeSet<DeliveryKey>,
    /// Channels that refused a digest, and until when none is sent through them.
    no_digests: BTreeMap<String, Moment>,
    /// When a target that refused everything was put right, when it came into the settings, or when it left them.
    /// As [`Clock::passed`] was then.
    in_order_since: BTreeMap<String, Duration>,
}

/// What an outcome did to a target's health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HealthChange {
    /// None.
    None,
    /// It takes messages again.
    Recovered,
    /// It has just begun to refuse everything.
    Refuses,
    /// It has just failed too often for chance.
    Fails,
    /// Its robot has just asked for a silence that is too long to wait for.
    Silenced,
}

/// How a target stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    pub(super) health: Health,
    /// Its robot asked for too long a silence.
    pub(super) is_silenced: bool,
    /// Its fallback is used.
    pub(super) is_dead: bool,
    /// Sends that may begin, and if none, when.
    pub(super) left: Result<u32, Wait>,
    pub(super) left_for_critical: u32,
    pub(super) silent_until: Option<Moment>,
}

impl Inner {
    /// Whether messages go to a target freely.
    fn is_up(&self, target: &str, patience: &Patience, now: Moment) -> bool {
        self.targets.get(target).is_some_and(|target| {
            target.health.is_up(patience) && !schedule::is_silenced(target, &self.budgets, patience, now)
        })
    }
}

impl DeliveryState {
    pub(super) fn new(clock: Clock, patience: Patience, metrics: Arc<Metrics>) -> Self {
        Self { inner: Arc::default(), started: clock.passed(), clock, patience, metrics }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // What a panicking holder left is still a count of sends: better than none.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Loads attempts and pauses of earlier processes from the store, by what the wall clock says of their age.
    pub(super) fn remember(&self, attempts: &[PastAttempt]) {
        let now = self.clock.elapsed();
        let mut inner = self.lock();
        for attempt in attempts {
            let ended_at = now.minus(attempt.ended_ago);
            inner.budgets.remember(&attempt.robot, ended_at);
            if let Some(pause) = attempt.pause {
                inner.budgets.pause(&attempt.robot, ended_at.plus(pause.min(MAX_PAUSE)));
            }
        }
    }

    /// Takes over new settings; health and budgets spent stay.
    pub(super) fn adopt(&self, new: &Targets) {
        let passed = self.clock.passed();
        let Inner { budgets, targets, in_order_since, .. } = &mut *self.lock();
        budgets.begin_reload();
        targets.retain(|name, _| {
            let stays = new.by_name.contains_key(name);
            if !stays {
                self.metrics.target_gone(name);
                in_order_since.insert(name.clone(), passed);
            }
            stays
        });
        for (name, target) in &new.by_name {
            let robot = target.channel.robot().as_str();
            budgets.allow(robot, target.budget);
            let state = targets.entry(name.clone()).or_insert_with(|| TargetState {
                robot: String::new(),
                fallback: None,
                health: Health::Up,
                under_way: 0,
            });
            // Another robot, or new settings for one that was wrong: it deserves a fresh start.
            if state.robot != robot || matches!(state.health, Health::Misconfigured { .. }) {
                state.health = Health::Up;
                in_order_since.insert(name.clone(), passed);
            }
            robot.clone_into(&mut state.robot);
            state.fallback.clone_from(&target.fallback);
        }
    }

    /// How much may be sent for a target now. Also brings its metric up to date, since a silence ends by the clock alone.
    pub(super) fn capacity(&self, target: &str) -> Capacity {
        let now = self.clock.elapsed();
        let mut inner = self.lock();
        if inner.targets.contains_key(target) {
            self.metrics.target_up(target, inner.is_up(target, &self.patience, now));
        }
        let Inner { budgets, targets, .. } = &mut *inner;
        schedule::capacity(target, targets, budgets, &self.patience, now)
    }

    /// Whether critical alerts wait for a target's robot: then more of its budget is kept for them.
    pub(super) fn urgent_waits(&self, target: &str, waits: bool) {
        let Inner { budgets, targets, .. } = &mut *self.lock();
        if let Some(state) = targets.get(target) {
            budgets.urgent_waits(&state.robot, target, waits);
        }
    }

    /// How much a channel takes, for the choice of what is told in a digest; `None` if it has refused one a moment ago.
    pub(super) fn room(&self, via: &str) -> Option<Room> {
        let now = self.clock.elapsed();
        let Inner { budgets, targets, no_digests, .. } = &mut *self.lock();
        if no_digests.get(via).is_some_and(|until| *until > now) {
            return None;
        }
        let robot = &targets.get(via)?.robot;
        let urgent = budgets.remaining(robot, true, now).unwrap_or(0);
        Some(Room { urgent, soon: budgets.within(robot, TOLD_SOON) })
    }

    /// A channel has refused a digest: for this long it gets none.
    pub(super) fn refuse_digests(&self, via: &str, span: Duration) {
        let until = self.clock.elapsed().plus(span);
        self.lock().no_digests.insert(via.to_owned(), until);
    }

    /// What is being sent.
    pub(super) fn busy(&self) -> BTreeSet<DeliveryKey> {
        self.lock().busy.clone()
    }

    /// A delivery of these queues through a target's channel begins. It is over when the returned token is dropped, whatever happens.
    pub(super) fn begin_delivery(&self, keys: Vec<DeliveryKey>, via: &str) -> UnderWay {
        let mut inner = self.lock();
        inner.busy.extend(keys.iter().cloned());
        if let Some(target) = inner.targets.get_mut(via) {
            target.under_way += 1;
        }
        UnderWay { state: self.clone(), keys, via: via.to_owned() }
    }

    /// Reserves one attempt of a robot's budget, or says when to ask again.
    pub(super) fn reserve(&self, robot: &str, is_urgent: bool) -> Result<Reservation, Wait> {
        self.lock().budgets.reserve(robot, is_urgent, self.clock.elapsed())?;
        Ok(Reservation { state: self.clone(), robot: robot.to_owned(), is_urgent, is_used: false })
    }

    /// Notes what an attempt says about the target behind the channel.
    pub(super) fn note(
        &self,
        via: &str,
        robot: &str,
        outcome: &Outcome,
        next: &Next,
        random: f64,
    ) -> HealthChange {
        let now = self.clock.elapsed();
        let mut inner = self.lock();
        let was_up = inner.is_up(via, &self.patience, now);
        if let Next::Pause(span) = next {
            inner.budgets.pause(robot, now.plus(*span));
        }
        let Inner { targets, in_order_since, .. } = &mut *inner;
        let Some(target) = targets.get_mut(via) else { return HealthChange::None };
        if let Health::Misconfigured { .. } = target.health {
            in_order_since.insert(via.to_owned(), self.clock.passed());
        }
        target.health = match outcome {
            // Throttled for a stated time, it works and only wants less. And one mailbox says nothing of the others.
            Outcome::Retry { reason: Reason::Throttled, after: Some(_), .. }
            | Outcome::Retry { reason: Reason::Mailbox, .. }
            | Outcome::Rejected { reason: Reason::Mailbox, .. } => target.health,
            Outcome::Retry { .. } => target.health.failed(now, &self.patience, random),
            Outcome::Misconfigured { .. } => target.health.misconfigured(now, &self.patience, random),
            // It looked at the message, which is all that health is about.
            Outcome::Delivered { .. } | Outcome::TooLarge { .. } | Outcome::Rejected { .. } => Health::Up,
        };
        let health = target.health;
        let is_up = inner.is_up(via, &self.patience, now);
        self.metrics.target_up(via, is_up);
        match (was_up, is_up, health) {
            (false, true, _) => HealthChange::Recovered,
            (_, false, Health::Misconfigured { failures: 1, .. }) => HealthChange::Refuses,
            (true, false, _) if matches!(next, Next::Pause(_)) => HealthChange::Silenced,
            (true, false, _) => HealthChange::Fails,
            _ => HealthChange::None,
        }
    }

    /// The channels of a target's message that goes through `via`: that one and its fallbacks, and, where `via` is a fallback itself, the
    /// ones before it, which were not asked.
    pub(super) fn channels(&self, target: &str, via: &str) -> Vec<Channel> {
        let now = self.clock.elapsed();
        let Inner { budgets, targets, .. } = &*self.lock();
        let mut channels: Vec<Channel> = schedule::chain(target, targets)
            .map(|(name, state)| {
                let is_ready = name == via || schedule::takes_messages(state, budgets, &self.patience, now);
                Channel { name: name.to_owned(), is_ready }
            })
            .collect();
        let used = channels.iter().position(|channel| channel.name == via);
        for before in channels.iter_mut().take(used.unwrap_or_default()) {
            before.is_ready = false;
        }
        channels
    }

    /// Whether a target's fallback is used now.
    pub(super) fn has_fallback(&self, target: &str) -> bool {
        self.capacity(target).fallback.is_some()
    }

    /// How long a target has been able to take messages; zero while it is misconfigured; counted anew when it enters or leaves the
    /// settings, gets another robot, or at a start.
    pub(super) fn in_order_for(&self, target: &str) -> Duration {
        let inner = self.lock();
        if let Some(TargetState { health: Health::Misconfigured { .. }, .. }) = inner.targets.get(target) {
            return Duration::ZERO;
        }
        self.clock.passed().saturating_sub(inner.in_order_since.get(target).copied().unwrap_or(self.started))
    }

    /// How a target stands, for people; `None` if the settings do not have it.
    pub(super) fn standing(&self, target: &str) -> Option<Standing> {
        let now = self.clock.elapsed();
        let Inner { budgets, targets, .. } = &mut *self.lock();
        let state = targets.get(target)?;
        let is_silenced = schedule::is_silenced(state, budgets, &self.patience, now);
        Some(Standing {
            health: state.health,
            is_silenced,
            is_dead: state.health.is_dead(now, &self.patience) || is_silenced,
            left: budgets.remaining(&state.robot, false, now),
            left_for_critical: budgets.remaining(&state.robot, true, now).unwrap_or(0),
            silent_until: budgets.paused_until(&state.robot).filter(|until| *until > now),
        })
    }

    /// How a target has answered lately; `None` if the settings do not have it.
    pub(super) fn health(&self, target: &str) -> Option<Health> {
        self.lock().targets.get(target).map(|state| state.health)
    }
}

/// A delivery that is being sent.
#[derive(Debug)]
pub(super) struct UnderWay {
    state: DeliveryState,
    keys: Vec<DeliveryKey>,
    via: String,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut inner = self.state.lock();
        for key in &self.keys {
            inner.busy.remove(key);
        }
        if let Some(target) = inner.targets.get_mut(&self.via) {
            target.under_way = target.under_way.saturating_sub(1);
        }
    }
}

/// One attempt of a robot's budget. When it is dropped it counts for a window if it was used, and is given back if not.
#[derive(Debug)]
pub(super) struct Reservation {
    state: DeliveryState,
    robot: String,
    is_urgent: bool,
    is_used: bool,
}

impl Reservation {
    /// From now on the robot may have seen the message, even if the attempt is cut short.
    pub(super) fn used(&mut self) {
        self.is_used = true;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let now: Moment = self.state.clock.elapsed();
        let mut inner = self.state.lock();
        if self.is_used {
            inner.budgets.ended(&self.robot, now);
        } else {
            inner.budgets.cancel(&self.robot, self.is_urgent);
        }
    }
}

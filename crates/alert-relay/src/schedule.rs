//! What may be sent now, through which target's channel, and how many groups at once (pure).
//!
//! Owns the choice. Leaves out the counting of attempts (`budget`) and of failures (`health`).
//!
//! A delivery that waits does so for one of these reasons:
//! - it failed and its next try is not due yet (`retry`; `next_at` in the store);
//! - an earlier message of the same group to the same target is not finished: groups keep their order (`outbox`);
//! - its robot's budget is used up, or it asked for a pause (`budget`);
//! - its target's circuit breaker lets one message through at a time (`health`);
//! - [`AT_ONCE`] groups are being sent to the target already.
//!
//! Merging within a group needs no decision here: a group that waits gathers snapshots, and whoever claims it takes all of them. When too
//! many groups wait, `pressure` has them told in one message.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::budget::{Budgets, Wait};
use crate::clock::{Millis, Moment};
use crate::delivery::{DeliveryKey, DueDelivery};
use crate::health::{Health, Patience, Permit};

pub(crate) use crate::schedule::pressure::{Digest, Room, TOLD_SOON, channel, gather};

mod pressure;

/// What the schedule has to know of one target.
#[derive(Clone, Debug)]
pub(crate) struct TargetState {
    /// Hash of its robot's address.
    pub(crate) robot: String,
    /// Whose channel is used when it is dead.
    pub(crate) fallback: Option<String>,
    /// How it has answered lately.
    pub(crate) health: Health,
    /// Groups that are being sent through its channel.
    pub(crate) under_way: u32,
}

/// At most this many groups are sent through one target at the same time: enough to keep a slow mail server busy, few enough
/// not to look like an attack.
pub(crate) const AT_ONCE: u32 = 4;

/// How much may be sent for a target now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Capacity {
    /// Through its own channel.
    pub(crate) own: Starts,
    /// Just to see whether it works again; then `own` is one.
    pub(crate) is_probe: bool,
    /// Through its fallback's channel.
    pub(crate) fallback: Option<(String, Starts)>,
    /// Through its fallback's channel, for critical alerts that have waited too long for a target that is not dead yet.
    pub(crate) late: Option<Late>,
    /// Its robot's budget is used up for now.
    pub(crate) is_spent: bool,
    /// When this changes by the clock alone.
    pub(crate) wake_at: Option<Moment>,
}

/// What a fallback may send of critical alerts that wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Late {
    /// The fallback.
    pub(crate) via: String,
    /// How many groups.
    pub(crate) starts: u32,
    /// The robot asked for so long a pause that they would wait too long: nothing is gained by waiting for that.
    pub(crate) is_certain: bool,
}

/// A critical alert that was not sent for this long, for whatever reason, is sent by the fallback.
pub(crate) const LATE_AFTER: Duration = Duration::from_mins(1);

/// How many groups may begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Starts {
    /// In all.
    pub(crate) all: u32,
    /// Of these, for groups that are not urgent.
    pub(crate) ordinary: u32,
}

impl Capacity {
    /// How many groups may begin, through any channel.
    pub(crate) fn all(&self) -> u32 {
        let late = self.late.as_ref().map_or(0, |late| late.starts);
        self.own.all + self.fallback.as_ref().map_or(0, |(_, starts)| starts.all) + late
    }

    /// How many of them need not be urgent.
    pub(crate) fn ordinary(&self) -> u32 {
        self.own.ordinary + self.fallback.as_ref().map_or(0, |(_, starts)| starts.ordinary)
    }
}

/// What may be sent for a target now.
pub(crate) fn capacity(
    name: &str,
    targets: &BTreeMap<String, TargetState>,
    budgets: &mut Budgets,
    patience: &Patience,
    now: Moment,
) -> Capacity {
    let Some(target) = targets.get(name) else { return Capacity::default() };
    let mut capacity = Capacity::default();
    match target.health.permit(now, target.under_way, patience) {
        Permit::Send => capacity.own = starts(target, budgets, now, &mut capacity),
        Permit::Probe => {
            let starts = starts(target, budgets, now, &mut capacity);
            capacity.own = Starts { all: starts.all.min(1), ordinary: starts.ordinary.min(1) };
            capacity.is_probe = true;
        }
        Permit::NotBefore(at) => earlier(&mut capacity.wake_at, at),
        Permit::Waiting => {}
    }
    if target.health.is_dead(now, patience) || is_silenced(target, budgets, patience, now) {
        if let Some((name, fallback)) = fallback_for(name, targets, budgets, patience, now) {
            let starts = starts(fallback, budgets, now, &mut capacity);
            capacity.fallback = Some((name.to_owned(), starts));
        }
        return capacity;
    }
    if let Some(at) = target.health.dies_at(patience) {
        earlier(&mut capacity.wake_at, at);
    }
    if (capacity.own.all == 0 || target.health != Health::Up)
        && let Some((name, fallback)) = fallback_for(name, targets, budgets, patience, now)
    {
        let starts = starts(fallback, budgets, now, &mut Capacity::default()).all;
        let pause = budgets.paused_until(&target.robot);
        let is_certain = pause.is_some_and(|until| until > now.plus(LATE_AFTER));
        capacity.late = Some(Late { via: name.to_owned(), starts, is_certain });
    }
    capacity
}

/// Whether a target's robot asked for silence for longer than a failing target is waited for: a robot muted for sending too fast,
/// a quota used up. It works, but nothing gets through.
pub(crate) fn is_silenced(target: &TargetState, budgets: &Budgets, patience: &Patience, now: Moment) -> bool {
    let too_long = now.plus(patience.failing_until_dead);
    budgets.paused_until(&target.robot).is_some_and(|until| until > too_long)
}

/// The first target along the chain of fallbacks that takes messages itself.
fn fallback_for<'a>(
    dead: &'a str,
    targets: &'a BTreeMap<String, TargetState>,
    budgets: &Budgets,
    patience: &Patience,
    now: Moment,
) -> Option<(&'a str, &'a TargetState)> {
    let mut fallbacks = chain(dead, targets).skip(1);
    fallbacks.find(|(_, target)| takes_messages(target, budgets, patience, now))
}

/// A target and its fallbacks, in the order in which they are asked. Settings may lead in a circle; no target is asked twice.
pub(crate) fn chain<'a>(
    name: &'a str,
    targets: &'a BTreeMap<String, TargetState>,
) -> impl Iterator<Item = (&'a str, &'a TargetState)> {
    let mut asked = BTreeSet::new();
    std::iter::successors(Some(name), |name| targets.get(*name)?.fallback.as_deref())
        .take_while(move |name| asked.insert(*name))
        .map_while(|name| Some((name, targets.get(name)?)))
}

/// Whether messages go to a target freely.
pub(crate) fn takes_messages(
    target: &TargetState,
    budgets: &Budgets,
    patience: &Patience,
    now: Moment,
) -> bool {
    target.health.permit(now, target.under_way, patience) == Permit::Send
        && !is_silenced(target, budgets, patience, now)
}

fn starts(target: &TargetState, budgets: &mut Budgets, now: Moment, capacity: &mut Capacity) -> Starts {
    let at_once = AT_ONCE.saturating_sub(target.under_way);
    if at_once == 0 {
        return Starts::default();
    }
    let mut remaining = |is_urgent| match budgets.remaining(&target.robot, is_urgent, now) {
        Ok(remaining) => remaining.min(at_once),
        Err(Wait::Until(at)) => {
            capacity.is_spent = true;
            earlier(&mut capacity.wake_at, at);
            0
        }
        Err(Wait::ForReply) => 0,
    };
    Starts { all: remaining(true), ordinary: remaining(false) }
}

fn earlier(wake_at: &mut Option<Moment>, at: Moment) {
    *wake_at = Some(wake_at.map_or(at, |other| other.min(at)));
}

/// Which group goes through whose channel. `due` comes begun first, then urgent, then oldest, and keeps that order.
///
/// Critical alerts that have waited too long go through the fallback. A dead target's fallback gets the first ones; the probe is the last of them, or the only one there is: it may have to wait
/// for a time-out.
pub(crate) fn pick(
    name: &str,
    capacity: &Capacity,
    due: Vec<DueDelivery>,
    busy: &BTreeSet<DeliveryKey>,
    now: Millis,
) -> Vec<(DeliveryKey, String)> {
    let mut waiting: Vec<DueDelivery> = due.into_iter().filter(|due| !busy.contains(&due.key)).collect();
    let mut picked = Vec::new();
    if capacity.is_probe && capacity.own.all > 0 {
        let last = waiting.iter().rposition(|due| due.is_urgent || capacity.own.ordinary > 0);
        if let Some(last) = last {
            picked.push((waiting.remove(last).key, name.to_owned()));
        }
    }
    if let Some(Late { via, starts, is_certain }) = &capacity.late {
        let mut starts = *starts;
        waiting.retain(|due| {
            let is_late = due.urgent_since.is_some_and(|since| now.since(since) >= LATE_AFTER);
            let may = starts > 0 && due.is_urgent && (is_late || *is_certain);
            if may {
                starts -= 1;
                picked.push((due.key.clone(), via.clone()));
            }
            !may
        });
    }
    let mut fill = |mut starts: Starts, via: &str| {
        waiting.retain(|due| {
            let may = starts.all > 0 && (due.is_urgent || starts.ordinary > 0);
            if may {
                starts.all -= 1;
                starts.ordinary = starts.ordinary.saturating_sub(1);
                picked.push((due.key.clone(), via.to_owned()));
            }
            !may
        });
    };
    if !capacity.is_probe {
        fill(capacity.own, name);
    }
    if let Some((fallback, starts)) = &capacity.fallback {
        fill(*starts, fallback);
    }
    picked
}

#[cfg(test)]
mod tests;

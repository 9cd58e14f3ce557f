//! Who may speak now, through which target's channel, and how many lanes at once (pure).
//!
//! Owns the choice. Leaves out the counting of attempts (`budget`) and of failures (`target`), and everything that waits.
//!
//! Merging needs no decision here: a lane that waits gathers snapshots, and whoever claims it takes all of them.

use std::collections::{BTreeMap, BTreeSet};

use crate::budget::{Budgets, Wait};
use crate::clock::Millis;
use crate::delivery::{DeliveryKey, DueDelivery};
use crate::target::{Gate, Health, Patience};

/// What the schedule has to know of one target.
#[derive(Clone, Debug)]
pub(crate) struct TargetState {
    /// Hash of its robot's address.
    pub(crate) robot: String,
    /// Who speaks when it is dead.
    pub(crate) fallback: Option<String>,
    /// How it has answered lately.
    pub(crate) health: Health,
    /// Attempts through its channel that are under way.
    pub(crate) under_way: u32,
}

/// At most this many lanes speak through one target at the same time: enough to keep a slow mail server busy, few enough
/// not to look like an attack.
pub(crate) const LANES_AT_ONCE: u32 = 4;

/// How a target's lanes may be sent now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Room {
    /// Through its own channel.
    pub(crate) own: Places,
    /// Just to see whether it works again; then `own` is one place.
    pub(crate) is_probe: bool,
    /// Through its fallback's channel.
    pub(crate) fallback: Option<(String, Places)>,
    /// Its robot's budget is spent for now.
    pub(crate) is_spent: bool,
    /// When this may change without anybody telling us.
    pub(crate) wake_at: Option<Millis>,
}

/// How many lanes may begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Places {
    /// In all.
    pub(crate) all: u32,
    /// Of these, for lanes that are not urgent.
    pub(crate) ordinary: u32,
}

impl Room {
    /// How many lanes are worth asking the store for.
    pub(crate) fn lanes(&self) -> u32 {
        self.own.all + self.fallback.as_ref().map_or(0, |(_, places)| places.all)
    }

    /// How many of them need not be urgent.
    pub(crate) fn ordinary(&self) -> u32 {
        self.own.ordinary + self.fallback.as_ref().map_or(0, |(_, places)| places.ordinary)
    }
}

/// What may be sent for a target now.
pub(crate) fn room(
    name: &str,
    targets: &BTreeMap<String, TargetState>,
    budgets: &mut Budgets,
    patience: &Patience,
    now: Millis,
) -> Room {
    let Some(target) = targets.get(name) else { return Room::default() };
    let mut room = Room::default();
    match target.health.gate(now, target.under_way, patience) {
        Gate::Open => room.own = places(target, budgets, now, &mut room),
        Gate::Probe => {
            let places = places(target, budgets, now, &mut room);
            room.own = Places { all: places.all.min(1), ordinary: places.ordinary.min(1) };
            room.is_probe = true;
        }
        Gate::ClosedUntil(at) => earlier(&mut room.wake_at, at),
        Gate::Probing => {}
    }
    if target.health.is_dead(now, patience) || is_silenced(target, budgets, patience, now) {
        if let Some((name, fallback)) = speaker_for(name, targets, budgets, patience, now) {
            let places = places(fallback, budgets, now, &mut room);
            room.fallback = Some((name.to_owned(), places));
        }
    } else if let Some(at) = target.health.dies_at(patience) {
        earlier(&mut room.wake_at, at);
    }
    room
}

/// Whether a target's robot asked for silence for longer than a failing target is waited for: a robot muted for sending too fast,
/// a quota used up. It works, and all the same nothing gets through.
pub(crate) fn is_silenced(target: &TargetState, budgets: &Budgets, patience: &Patience, now: Millis) -> bool {
    let hopeless = now.plus(patience.failing_until_dead);
    budgets.paused_until(&target.robot).is_some_and(|until| until > hopeless)
}

/// The first target along the fallbacks that can speak itself.
fn speaker_for<'a>(
    dead: &str,
    targets: &'a BTreeMap<String, TargetState>,
    budgets: &Budgets,
    patience: &Patience,
    now: Millis,
) -> Option<(&'a str, &'a TargetState)> {
    let mut asked = BTreeSet::from([dead]);
    let mut next = targets.get(dead)?.fallback.as_deref()?;
    // Settings may lead in a circle; nobody is asked twice.
    while asked.insert(next) {
        let target = targets.get(next)?;
        let is_open = target.health.gate(now, target.under_way, patience) == Gate::Open;
        if is_open && !is_silenced(target, budgets, patience, now) {
            return Some((next, target));
        }
        next = target.fallback.as_deref()?;
    }
    None
}

fn places(target: &TargetState, budgets: &mut Budgets, now: Millis, room: &mut Room) -> Places {
    let at_once = LANES_AT_ONCE.saturating_sub(target.under_way);
    if at_once == 0 {
        return Places::default();
    }
    let mut free = |is_urgent| match budgets.room(&target.robot, is_urgent, now) {
        Ok(free) => free.min(at_once),
        Err(Wait::Until(at)) => {
            room.is_spent = true;
            earlier(&mut room.wake_at, at);
            0
        }
        Err(Wait::ForReply) => 0,
    };
    Places { all: free(true), ordinary: free(false) }
}

fn earlier(wake_at: &mut Option<Millis>, at: Millis) {
    *wake_at = Some(wake_at.map_or(at, |other| other.min(at)));
}

/// Which lane speaks through whom. `due` comes begun first, then urgent, then oldest, and keeps that order.
///
/// A dead target's fallback takes the first ones; the probe gets the last of what is left, or the only one there is: it is
/// the one that may have to wait for a time-out.
pub(crate) fn pick(
    name: &str,
    room: &Room,
    due: Vec<DueDelivery>,
    busy: &BTreeSet<DeliveryKey>,
) -> Vec<(DeliveryKey, String)> {
    let mut waiting: Vec<DueDelivery> = due.into_iter().filter(|due| !busy.contains(&due.key)).collect();
    let mut picked = Vec::new();
    if room.is_probe && room.own.all > 0 {
        let last = waiting.iter().rposition(|due| due.is_urgent || room.own.ordinary > 0);
        if let Some(last) = last {
            picked.push((waiting.remove(last).key, name.to_owned()));
        }
    }
    let mut fill = |mut places: Places, via: &str| {
        waiting.retain(|due| {
            let may = places.all > 0 && (due.is_urgent || places.ordinary > 0);
            if may {
                places.all -= 1;
                places.ordinary = places.ordinary.saturating_sub(1);
                picked.push((due.key.clone(), via.to_owned()));
            }
            !may
        });
    };
    if !room.is_probe {
        fill(room.own, name);
    }
    if let Some((fallback, places)) = &room.fallback {
        fill(*places, fallback);
    }
    picked
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::budget::Budget;

    const NOW: Millis = Millis(1_000_000);

    fn state(health: Health, fallback: Option<&str>) -> TargetState {
        TargetState { robot: String::new(), fallback: fallback.map(str::to_owned), health, under_way: 0 }
    }

    fn dead() -> Health {
        Health::Misconfigured { since: Millis(0), failures: 9, probe_at: NOW.plus(Duration::from_secs(7)) }
    }

    fn targets(list: Vec<(&str, TargetState)>) -> BTreeMap<String, TargetState> {
        list.into_iter()
            .map(|(name, state)| {
                (name.to_owned(), TargetState { robot: format!("robot of {name}"), ..state })
            })
            .collect()
    }

    fn budgets(targets: &BTreeMap<String, TargetState>, sends: u32) -> Budgets {
        let mut budgets = Budgets::default();
        for target in targets.values() {
            budgets.allow(&target.robot, Budget { sends, window: Duration::from_mins(1) });
        }
        budgets
    }

    fn of(name: &str, targets: &BTreeMap<String, TargetState>, budgets: &mut Budgets) -> Room {
        room(name, targets, budgets, &Patience::default(), NOW)
    }

    fn key(group: &str) -> DeliveryKey {
        DeliveryKey { target: "chat".to_owned(), group: group.to_owned() }
    }

    fn due(groups: &str) -> Vec<DueDelivery> {
        groups
            .split_whitespace()
            .map(|group| DueDelivery { key: key(group), is_urgent: group.ends_with('!') })
            .collect()
    }

    fn picked(room: &Room, groups: &str, busy: &[&str]) -> Vec<String> {
        let busy = busy.iter().map(|group| key(group)).collect();
        pick("chat", room, due(groups), &busy)
            .into_iter()
            .map(|(key, via)| format!("{} by {via}", key.group))
            .collect()
    }

    #[test]
    fn a_healthy_target_speaks_within_its_budget_and_width() {
        let mut all = targets(vec![("chat", state(Health::Up, None))]);
        let check = |all: &BTreeMap<String, TargetState>, sends: u32, expected: (u32, u32)| {
            let room = of("chat", all, &mut budgets(all, sends));
            assert_eq!((room.own.all, room.own.ordinary), expected, "budget {sends}");
        };
        check(&all, 20, (4, 4));
        check(&all, 5, (4, 4));
        check(&all, 4, (4, 3));
        check(&all, 1, (1, 1));
        all.get_mut("chat").unwrap().under_way = 3;
        check(&all, 20, (1, 1));
        all.get_mut("chat").unwrap().under_way = 4;
        check(&all, 20, (0, 0));
    }

    #[test]
    fn an_empty_budget_says_when_it_refills() {
        let all = targets(vec![("chat", state(Health::Up, None))]);
        let mut budgets = budgets(&all, 1);
        budgets.remember("robot of chat", Millis(NOW.0 - 10_000));
        let room = of("chat", &all, &mut budgets);
        assert_eq!((room.lanes(), room.wake_at), (0, Some(Millis(NOW.0 + 50_001))));
    }

    #[test]
    fn a_dead_target_is_spoken_for_and_probed() {
        let ill = Health::Misconfigured { since: Millis(0), failures: 9, probe_at: NOW };
        let all = targets(vec![("chat", state(ill, Some("mail"))), ("mail", state(Health::Up, None))]);
        let room = of("chat", &all, &mut budgets(&all, 20));
        assert_eq!(room.fallback, Some(("mail".to_owned(), Places { all: 4, ordinary: 4 })));
        assert!(room.is_probe);
        assert_eq!(picked(&room, "a b c", &[]), ["c by chat", "a by mail", "b by mail"]);
        assert_eq!(picked(&room, "a", &[]), ["a by chat"]);
    }

    #[test]
    fn between_probes_only_the_fallback_speaks() {
        let all = targets(vec![("chat", state(dead(), Some("mail"))), ("mail", state(Health::Up, None))]);
        let room = of("chat", &all, &mut budgets(&all, 20));
        assert_eq!(room.wake_at, Some(NOW.plus(Duration::from_secs(7))));
        assert_eq!(picked(&room, "a", &[]), ["a by mail"]);
    }

    #[test]
    fn a_robot_that_wants_long_silence_is_spoken_for_until_the_end_is_near() {
        let all = targets(vec![("chat", state(Health::Up, Some("mail"))), ("mail", state(Health::Up, None))]);
        let check = |silent: &str, minutes: u64, expected: Option<&str>| {
            let mut budgets = budgets(&all, 20);
            budgets.pause(&format!("robot of {silent}"), NOW.plus(Duration::from_mins(minutes)));
            let room = of("chat", &all, &mut budgets);
            let fallback = room.fallback.filter(|(_, places)| places.all > 0).map(|(name, _)| name);
            assert_eq!(fallback.as_deref(), expected, "{silent} is silent for {minutes} min");
            if silent == "chat" {
                assert_eq!((room.own.all, room.wake_at), (0, Some(NOW.plus(Duration::from_mins(minutes)))));
            }
        };
        check("chat", 1, None);
        check("chat", 5, None);
        check("chat", 6, Some("mail"));
        check("mail", 60, None);
    }

    #[test]
    fn the_first_living_fallback_speaks_and_circles_end() {
        let all = targets(vec![
            ("chat", state(dead(), Some("other"))),
            ("other", state(dead(), Some("mail"))),
            ("mail", state(Health::Up, None)),
        ]);
        assert_eq!(of("chat", &all, &mut budgets(&all, 20)).fallback.unwrap().0, "mail");
        let circle =
            targets(vec![("chat", state(dead(), Some("other"))), ("other", state(dead(), Some("chat")))]);
        assert_eq!(of("chat", &circle, &mut budgets(&circle, 20)).fallback, None);
        let unknown = targets(vec![("chat", state(dead(), Some("nobody")))]);
        assert_eq!(of("chat", &unknown, &mut budgets(&unknown, 20)).fallback, None);
    }

    #[test]
    fn a_target_in_trouble_wakes_us_when_it_counts_as_dead() {
        let ill =
            Health::Misconfigured { since: NOW, failures: 1, probe_at: NOW.plus(Duration::from_secs(999)) };
        let all = targets(vec![("chat", state(ill, Some("mail"))), ("mail", state(Health::Up, None))]);
        let room = of("chat", &all, &mut budgets(&all, 20));
        assert_eq!((room.lanes(), room.wake_at), (0, Some(NOW.plus(Duration::from_mins(1)))));
    }

    #[test]
    fn urgent_lanes_pass_those_that_must_leave_the_reserve_alone() {
        let places = |all, ordinary| Room { own: Places { all, ordinary }, ..Room::default() };
        assert_eq!(picked(&places(2, 0), "a b c!", &[]), ["c! by chat"]);
        assert_eq!(picked(&places(2, 1), "a! b c", &[]), ["a! by chat"]);
        assert_eq!(picked(&places(3, 2), "a! b c", &[]), ["a! by chat", "b by chat"]);
        assert_eq!(picked(&places(2, 2), "a b c", &["a"]), ["b by chat", "c by chat"]);
        assert_eq!(picked(&places(0, 0), "a!", &[]), Vec::<String>::new());
    }
}

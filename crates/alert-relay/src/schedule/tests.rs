//! What may begin, by tables of targets in every state.

use super::*;
use crate::budget::Budget;

const NOW: Moment = Moment(1_000_000);
const WALL: Millis = Millis(5_000_000);

fn state(health: Health, fallback: Option<&str>) -> TargetState {
    TargetState { robot: String::new(), fallback: fallback.map(str::to_owned), health, under_way: 0 }
}

fn dead() -> Health {
    Health::Misconfigured { since: Moment(0), failures: 9, probe_at: NOW.plus(Duration::from_secs(7)) }
}

fn targets(list: Vec<(&str, TargetState)>) -> BTreeMap<String, TargetState> {
    list.into_iter()
        .map(|(name, state)| (name.to_owned(), TargetState { robot: format!("robot of {name}"), ..state }))
        .collect()
}

fn budgets(targets: &BTreeMap<String, TargetState>, sends: u32) -> Budgets {
    let mut budgets = Budgets::default();
    for target in targets.values() {
        budgets.allow(&target.robot, Budget { sends, window: Duration::from_mins(1) });
    }
    budgets
}

fn of(name: &str, targets: &BTreeMap<String, TargetState>, budgets: &mut Budgets) -> Capacity {
    capacity(name, targets, budgets, &Patience::default(), NOW)
}

fn key(group: &str) -> DeliveryKey {
    DeliveryKey { target: "chat".to_owned(), group: group.to_owned() }
}

fn due(groups: &str) -> Vec<DueDelivery> {
    groups
        .split_whitespace()
        .map(|group| {
            let is_urgent = group.contains('!');
            // `a!30` has waited for 30 s.
            let waited = group.split_once('!').and_then(|(_, waited)| waited.parse().ok());
            let since = WALL.minus(Duration::from_secs(waited.unwrap_or(0)));
            DueDelivery {
                key: key(group),
                is_urgent,
                urgent_since: is_urgent.then_some(since),
                is_begun: false,
            }
        })
        .collect()
}

fn picked(capacity: &Capacity, groups: &str, busy: &[&str]) -> Vec<String> {
    let busy = busy.iter().map(|group| key(group)).collect();
    pick("chat", capacity, due(groups), &busy, WALL)
        .into_iter()
        .map(|(key, via)| format!("{} by {via}", key.group))
        .collect()
}

#[test]
fn a_healthy_target_is_sent_what_its_budget_and_the_limit_at_once_allow() {
    let mut all = targets(vec![("chat", state(Health::Up, None))]);
    let check = |all: &BTreeMap<String, TargetState>, sends: u32, expected: (u32, u32)| {
        let capacity = of("chat", all, &mut budgets(all, sends));
        assert_eq!((capacity.own.all, capacity.own.ordinary), expected, "budget {sends}");
    };
    check(&all, 20, (4, 4));
    check(&all, 5, (4, 4));
    // One is for who comes within the next ten seconds.
    check(&all, 4, (3, 3));
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
    budgets.remember("robot of chat", Moment(NOW.0 - 10_000));
    let capacity = of("chat", &all, &mut budgets);
    assert_eq!((capacity.all(), capacity.wake_at), (0, Some(Moment(NOW.0 + 50_001))));
}

#[test]
fn a_dead_target_has_its_fallback_used_and_is_probed() {
    let ill = Health::Misconfigured { since: Moment(0), failures: 9, probe_at: NOW };
    let all = targets(vec![("chat", state(ill, Some("mail"))), ("mail", state(Health::Up, None))]);
    let capacity = of("chat", &all, &mut budgets(&all, 20));
    assert_eq!(capacity.fallback, Some(("mail".to_owned(), Starts { all: 4, ordinary: 4 })));
    assert!(capacity.is_probe);
    assert_eq!(picked(&capacity, "a b c", &[]), ["c by chat", "a by mail", "b by mail"]);
    assert_eq!(picked(&capacity, "a", &[]), ["a by chat"]);
}

#[test]
fn between_probes_only_the_fallback_is_used() {
    let all = targets(vec![("chat", state(dead(), Some("mail"))), ("mail", state(Health::Up, None))]);
    let capacity = of("chat", &all, &mut budgets(&all, 20));
    assert_eq!(capacity.wake_at, Some(NOW.plus(Duration::from_secs(7))));
    assert_eq!(picked(&capacity, "a", &[]), ["a by mail"]);
}

#[test]
fn a_robot_silenced_for_long_has_its_fallback_used_until_the_end_is_near() {
    let all = targets(vec![("chat", state(Health::Up, Some("mail"))), ("mail", state(Health::Up, None))]);
    let check = |silent: &str, minutes: u64, expected: Option<&str>| {
        let mut budgets = budgets(&all, 20);
        budgets.pause(&format!("robot of {silent}"), NOW.plus(Duration::from_mins(minutes)));
        let capacity = of("chat", &all, &mut budgets);
        let fallback = capacity.fallback.filter(|(_, starts)| starts.all > 0).map(|(name, _)| name);
        assert_eq!(fallback.as_deref(), expected, "{silent} is silent for {minutes} min");
        if silent == "chat" {
            assert_eq!(
                (capacity.own.all, capacity.wake_at),
                (0, Some(NOW.plus(Duration::from_mins(minutes))))
            );
        }
    };
    check("chat", 1, None);
    check("chat", 5, None);
    check("chat", 6, Some("mail"));
    check("mail", 60, None);
}

#[test]
fn a_critical_alert_that_waits_for_a_minute_is_sent_by_the_fallback() {
    let failing = Health::Failing { since: NOW, failures: 3, probe_at: NOW.plus(Duration::from_secs(7)) };
    let check = |health: Health, pause: u64, spent: bool, groups: &str, expected: &[&str]| {
        let all = targets(vec![("chat", state(health, Some("mail"))), ("mail", state(Health::Up, None))]);
        let mut budgets = budgets(&all, 4);
        if pause > 0 {
            budgets.pause("robot of chat", NOW.plus(Duration::from_secs(pause)));
        }
        while spent && budgets.reserve("robot of chat", true, NOW).is_ok() {}
        let capacity = of("chat", &all, &mut budgets);
        assert_eq!(picked(&capacity, groups, &[]), expected, "{health:?} {pause} {spent} {groups}");
    };
    check(Health::Up, 0, false, "a!99", &["a!99 by chat"]);
    check(failing, 0, false, "a!59 b!60 c", &["b!60 by mail"]);
    check(Health::Up, 0, true, "a!59 b!60 c", &["b!60 by mail"]);
    check(Health::Up, 59, false, "a!0 b!60 c", &["b!60 by mail"]);
    // It is known that it would wait too long.
    check(Health::Up, 61, false, "a!0 b", &["a!0 by mail"]);
    // A target that fails now and then is not asked a third time for what is late.
    let once = Health::Failing { since: NOW, failures: 1, probe_at: NOW };
    check(once, 0, false, "a!0 b!60", &["b!60 by mail", "a!0 by chat"]);
}

#[test]
fn the_first_living_fallback_is_used_and_circles_end() {
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
    let ill = Health::Misconfigured { since: NOW, failures: 1, probe_at: NOW.plus(Duration::from_secs(999)) };
    let all = targets(vec![("chat", state(ill, Some("mail"))), ("mail", state(Health::Up, None))]);
    let capacity = of("chat", &all, &mut budgets(&all, 20));
    assert_eq!((capacity.own.all, capacity.wake_at), (0, Some(NOW.plus(Duration::from_mins(1)))));
}

#[test]
fn urgent_groups_pass_those_that_must_leave_the_rest_of_the_budget_to_them() {
    let starts = |all, ordinary| Capacity { own: Starts { all, ordinary }, ..Capacity::default() };
    assert_eq!(picked(&starts(2, 0), "a b c!", &[]), ["c! by chat"]);
    assert_eq!(picked(&starts(2, 1), "a! b c", &[]), ["a! by chat"]);
    assert_eq!(picked(&starts(3, 2), "a! b c", &[]), ["a! by chat", "b by chat"]);
    assert_eq!(picked(&starts(2, 2), "a b c", &["a"]), ["b by chat", "c by chat"]);
    assert_eq!(picked(&starts(0, 0), "a!", &[]), Vec::<String>::new());
}

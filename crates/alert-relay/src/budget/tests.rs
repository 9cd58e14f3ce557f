//! Windows by hand: what a robot may be sent, and when.

use proptest::prelude::*;

use super::*;

const ROBOT: &str = "0123456789abcdef";

fn budgets(sends: u32) -> Budgets {
    let mut budgets = Budgets::default();
    budgets.allow(ROBOT, Budget { sends, window: Duration::from_mins(1) });
    budgets
}

fn send(budgets: &mut Budgets, is_urgent: bool, at: i64) -> Result<(), Wait> {
    budgets.reserve(ROBOT, is_urgent, Moment(at))?;
    budgets.ended(ROBOT, Moment(at));
    Ok(())
}

#[test]
fn reads_sends_and_window() {
    let check = |text: &str, expected| assert_eq!(text.parse::<Budget>(), expected, "{text}");
    let budget = |sends, seconds| Ok(Budget { sends, window: Duration::from_secs(seconds) });
    check("20/1m", budget(20, 60));
    check(" 5 / 10s ", budget(5, 10));
    check("1/1h 30m", budget(1, 5400));
    check("20", Err(BudgetError::NoSlash));
    check("0/1m", Err(BudgetError::Sends));
    check("-3/1m", Err(BudgetError::Sends));
    check("20/m", Err(BudgetError::Window));
    check("20/0s", Err(BudgetError::Window));
}

#[test]
fn twenty_a_minute_is_twenty_in_any_minute() {
    let mut budgets = budgets(20);
    for number in 0..20 {
        assert_eq!(send(&mut budgets, true, number * 100), Ok(()), "send {number}");
    }
    assert_eq!(send(&mut budgets, true, 2_000), Err(Wait::Until(Moment(60_001))));
    assert_eq!(send(&mut budgets, true, 60_000), Err(Wait::Until(Moment(60_001))));
    assert_eq!(send(&mut budgets, true, 60_001), Ok(()));
    assert_eq!(send(&mut budgets, true, 60_002), Err(Wait::Until(Moment(60_101))));
}

/// Sends what is not urgent as soon as it may, from `now` on, until `count` are sent; returns when each was.
fn send_as_they_may(budgets: &mut Budgets, count: usize, mut now: i64) -> Vec<i64> {
    let mut sent = Vec::new();
    while sent.len() < count {
        match send(budgets, false, now) {
            Ok(()) => sent.push(now),
            Err(Wait::Until(Moment(at))) => now = at,
            Err(Wait::ForReply) => panic!("nothing is under way"),
        }
    }
    sent
}

#[test]
fn the_last_sends_are_kept_for_critical_alerts() {
    let mut budgets = budgets(20);
    let last = *send_as_they_may(&mut budgets, 18, 0).last().unwrap();
    assert_eq!(send(&mut budgets, false, last + 4_000), Err(Wait::Until(Moment(60_001))));
    // The budget comes free in more than ten seconds: one is for who comes until then.
    assert_eq!(budgets.remaining(ROBOT, true, Moment(last)), Ok(1));
    assert_eq!(send(&mut budgets, true, last), Ok(()));
    assert_eq!(send(&mut budgets, true, last), Ok(()));
    assert_eq!(send(&mut budgets, true, last), Err(Wait::Until(Moment(60_001))));
}

#[test]
fn what_is_not_urgent_goes_out_in_a_burst_and_then_evenly() {
    let check = |sends: u32, burst: usize, interval: i64| {
        let sent = send_as_they_may(&mut budgets(sends), burst + 3, 0);
        let expected: Vec<i64> = (0..=3).map(|number| number * interval).collect();
        assert!(sent[..burst].iter().all(|at| *at == 0), "{sends}: {sent:?}");
        for (at, expected) in sent[burst - 1..].iter().zip(expected) {
            assert!((at - expected).abs() < 10, "{sends}: {sent:?}");
        }
    };
    check(18, 4, 3_750);
    check(60, 15, 1_034);
    // It comes back with the time that nothing is sent.
    let mut budgets = budgets(18);
    send_as_they_may(&mut budgets, 4, 0);
    assert_eq!(budgets.remaining(ROBOT, false, Moment(7_500)), Ok(2));
    budgets.reserve(ROBOT, false, Moment(7_500)).unwrap();
    budgets.cancel(ROBOT, false);
    assert_eq!(budgets.remaining(ROBOT, false, Moment(7_500)), Ok(2));
}

#[test]
fn new_settings_keep_nothing_for_urgent_ones_of_a_target_that_has_gone() {
    let mut budgets = budgets(20);
    budgets.urgent_waits(ROBOT, "former", true);
    budgets.begin_reload();
    budgets.allow(ROBOT, Budget { sends: 20, window: Duration::from_mins(1) });
    assert_eq!(send_as_they_may(&mut budgets, 18, 0).last().map(|at| *at < 60_000), Some(true));
}

#[test]
fn while_something_urgent_waits_half_of_the_budget_is_kept_for_it() {
    let mut budgets = budgets(18);
    let last = *send_as_they_may(&mut budgets, 8, 0).last().unwrap();
    budgets.urgent_waits(ROBOT, "chat", true);
    assert_eq!(budgets.remaining(ROBOT, false, Moment(last + 3_751)), Ok(1));
    send_as_they_may(&mut budgets, 1, last + 3_751);
    assert_eq!(budgets.remaining(ROBOT, false, Moment(last + 20_000)), Err(Wait::Until(Moment(60_001))));
    budgets.urgent_waits(ROBOT, "chat", false);
    assert!(budgets.remaining(ROBOT, false, Moment(last + 20_000)).is_ok());
}

/// 120 warnings wait for the robot when six critical alerts come, at any moment of the following two minutes. Two of them find what is kept
/// for them; the others wait for what was sent a window ago to leave it: four intervals of 3.75 s, and three for the burst.
#[test]
fn six_critical_alerts_after_a_storm_of_warnings_wait_for_seven_intervals_at_most() {
    const STEP: i64 = 25;
    for came_at in (0..120_000).step_by(1_475) {
        let mut budgets = budgets(18);
        let mut critical = 6;
        let mut now = 0;
        while critical > 0 {
            let waits = now >= came_at;
            budgets.urgent_waits(ROBOT, "chat", waits);
            while waits && critical > 0 && send(&mut budgets, true, now).is_ok() {
                critical -= 1;
            }
            while send(&mut budgets, false, now).is_ok() {}
            now += STEP;
        }
        let waited = now - STEP - came_at;
        assert!(waited <= 7 * 3_750 + 2 * STEP, "came at {came_at} ms, waited for {waited} ms");
    }
}

#[test]
fn a_small_budget_keeps_nothing_back_and_always_lets_one_through() {
    for sends in 0..4 {
        assert_eq!(send(&mut budgets(sends), false, 0), Ok(()), "budget of {sends}");
    }
}

#[test]
fn what_is_under_way_counts() {
    let mut budgets = budgets(1);
    budgets.reserve(ROBOT, true, Moment(0)).unwrap();
    assert_eq!(budgets.reserve(ROBOT, true, Moment(999_999)), Err(Wait::ForReply));
    budgets.ended(ROBOT, Moment(1_000_000));
    assert_eq!(budgets.reserve(ROBOT, true, Moment(1_000_000)), Err(Wait::Until(Moment(1_060_001))));
    assert_eq!(budgets.reserve(ROBOT, true, Moment(1_060_001)), Ok(()));
    budgets.cancel(ROBOT, true);
    assert_eq!(budgets.reserve(ROBOT, true, Moment(1_060_001)), Ok(()));
}

#[test]
fn a_pause_silences_the_robot_and_survives_a_shorter_one() {
    let mut budgets = budgets(20);
    budgets.pause(ROBOT, Moment(600_000));
    budgets.pause(ROBOT, Moment(1_000));
    assert_eq!(send(&mut budgets, true, 599_999), Err(Wait::Until(Moment(600_000))));
    assert_eq!(send(&mut budgets, true, 600_000), Ok(()));
}

#[test]
fn a_restart_remembers() {
    let mut budgets = budgets(1);
    budgets.remember(ROBOT, Moment(30_000));
    assert_eq!(send(&mut budgets, true, 31_000), Err(Wait::Until(Moment(90_001))));
}

#[test]
fn targets_with_one_robot_share_one_budget_and_a_reload_forgets_only_budgets() {
    let mut budgets = budgets(20);
    budgets.allow(ROBOT, Budget { sends: 1, window: Duration::from_mins(1) });
    assert_eq!(send(&mut budgets, true, 0), Ok(()));
    assert_eq!(send(&mut budgets, true, 1), Err(Wait::Until(Moment(60_001))));
    budgets.begin_reload();
    budgets.allow(ROBOT, Budget { sends: 2, window: Duration::from_mins(1) });
    assert_eq!(send(&mut budgets, true, 2), Ok(()));
    assert_eq!(send(&mut budgets, true, 3), Err(Wait::Until(Moment(60_001))));
}

#[test]
fn one_budget_keeps_two() {
    let budget = |text: &str| text.parse::<Budget>().unwrap();
    for (one, other, both) in [
        ("18/1m", "20/1m", "18/1m"),
        ("18/1m", "1/1h", "1/1h"),
        ("18/1m", "1000/1h", "16/1m"),
        ("18/1m", "2000/1h", "18/1m"),
        ("18/1m", "20/1h", "1/3m"),
        ("18/1m", "20/61s", "10/1m"),
        ("1/5m", "2/5m", "1/5m"),
    ] {
        assert_eq!(budget(one).and(budget(other)), budget(both), "{one} {other}");
        assert_eq!(budget(other).and(budget(one)), budget(both), "{other} {one}");
    }
}

#[test]
fn what_is_told_in_a_span_is_what_the_budget_leaves_in_the_long_run() {
    let check = |sends: u32, seconds: u64, expected: u32| {
        let mut budgets = Budgets::default();
        budgets.allow(ROBOT, Budget { sends, window: Duration::from_secs(seconds) });
        assert_eq!(budgets.within(ROBOT, Duration::from_mins(2)), expected, "{sends}/{seconds}s");
    };
    check(18, 60, 32);
    check(60, 60, 116);
    check(1, 60, 2);
    check(1, 3_600, 1);
    assert_eq!(Budgets::default().within("nobody", Duration::from_mins(2)), u32::MAX);
}

proptest! {
    /// However fast a robot of two targets is used.
    #[test]
    fn no_window_of_either_budget_holds_more_than_it_allows(
        sends in [1..60_u32, 1..60],
        seconds in [1..200_u64, 1..200],
    ) {
        const MINUTES: i64 = 10;
        let both = [0, 1].map(|at| Budget { sends: sends[at], window: Duration::from_secs(seconds[at]) });
        let mut budgets = Budgets::default();
        for budget in both {
            budgets.allow(ROBOT, budget);
        }
        let mut sent: Vec<i64> = Vec::new();
        let mut at = 0;
        while at < MINUTES * 60_000 {
            match send(&mut budgets, true, at) {
                Ok(()) => sent.push(at),
                Err(Wait::Until(next)) => at = next.0,
                Err(Wait::ForReply) => unreachable!("each has ended"),
            }
        }
        for budget in both {
            let allowed = usize::try_from(budget.sends).unwrap();
            let window = i64::try_from(budget.window.as_millis()).unwrap();
            for first_and_one_too_many in sent.windows(allowed + 1) {
                let span = first_and_one_too_many[allowed] - first_and_one_too_many[0];
                prop_assert!(span > window, "{budget:?} of {both:?}: {first_and_one_too_many:?}");
            }
        }
    }

    /// Any mixture of warnings and critical alerts for one robot. Those that wait together and are more than may begin are told in one
    /// message, as the schedule does it.
    #[test]
    fn no_critical_alert_waits_for_more_than_ten_seconds(
        arrivals in proptest::collection::vec((0..40_u32, prop_oneof![4 => Just(0_u32), 2 => 1..4_u32, 1 => 1..40_u32]), 1..400),
        sends in prop::sample::select(vec![18_u32, 20, 30, 60]),
        reply in 0..900_i64,
    ) {
        const STEP: i64 = 500;
        let mut budgets = budgets(sends);
        let (mut ordinary, mut urgent_since): (u32, Vec<i64>) = (0, Vec::new());
        let mut under_way: Vec<i64> = Vec::new();
        let steps = (0..).zip(arrivals.into_iter().chain(std::iter::repeat_n((0, 0), 60)));
        for (step, (more_ordinary, more_urgent)) in steps {
            let now = step * STEP;
            under_way.retain(|end| {
                let is_over = *end <= now;
                if is_over {
                    budgets.ended(ROBOT, Moment(*end));
                }
                !is_over
            });
            ordinary += more_ordinary;
            urgent_since.extend(std::iter::repeat_n(now, more_urgent as usize));
            if let Ok(may) = budgets.remaining(ROBOT, true, Moment(now)) {
                let messages = if urgent_since.len() > may as usize { 1 } else { urgent_since.len() };
                for _ in 0..messages {
                    prop_assert_eq!(budgets.reserve(ROBOT, true, Moment(now)), Ok(()));
                    under_way.push(now + reply);
                }
                urgent_since.clear();
            }
            budgets.urgent_waits(ROBOT, "chat", !urgent_since.is_empty());
            while ordinary > 0 && budgets.reserve(ROBOT, false, Moment(now)).is_ok() {
                under_way.push(now + reply);
                ordinary -= 1;
            }
            let longest = urgent_since.iter().map(|since| now - since).max().unwrap_or(0);
            prop_assert!(longest <= 10_000 + reply + STEP, "waits for {longest} ms at {now} ms");
        }
    }

    /// The vendor sees each message at any moment between its start and its reply.
    #[test]
    fn no_window_of_the_vendor_ever_holds_more_than_the_budget(
        sends in 1..8_u32,
        steps in proptest::collection::vec((0..2_000_i64, 0..10_000_i64, 0..=100_i64, any::<bool>()), 1..200),
    ) {
        let mut budgets = budgets(sends);
        let mut now = 0;
        let mut under_way: Vec<i64> = Vec::new();
        let mut arrivals: Vec<i64> = Vec::new();
        for (pause, length, moment, is_urgent) in steps {
            now += pause;
            under_way.sort_unstable();
            while under_way.first().is_some_and(|end| *end <= now) {
                let end = under_way.remove(0);
                budgets.ended(ROBOT, Moment(end));
            }
            if budgets.reserve(ROBOT, is_urgent, Moment(now)).is_ok() {
                under_way.push(now + length);
                arrivals.push(now + length * moment / 100);
            }
        }
        arrivals.sort_unstable();
        for (index, first) in arrivals.iter().enumerate() {
            let within = arrivals[index..].iter().take_while(|at| **at - first <= 60_000).count();
            prop_assert!(within <= sends as usize, "{within} arrivals in the minute from {first}, budget {sends}");
        }
    }
}

//! How often a robot may be used: sliding windows, one a robot (pure).
//!
//! Owns the count of attempts and the pauses a robot asked for. Leaves out what is sent first (`schedule`).
//!
//! What is not urgent is spread over the window: after a burst of a quarter of the budget it goes out one by one, evenly, and so the budget
//! comes free again one by one. While something urgent waits for the robot, half of the budget is kept for that.
//!
//! Vendors count a message when it arrives, which is some time after we began and before we have the reply. So an attempt
//! counts from the moment it begins until a whole window after its *end*: whatever the network does in between, no
//! window of the vendor ever holds more than the budget.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::str::FromStr;
use std::time::Duration;

use crate::clock::Moment;

/// `20/1m`: how many sends a robot may see in any window of time. A sliding window, never a bucket that refills (a bucket of 20 a minute was measured to send 39 in one).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Budget {
    /// Sends allowed in any window.
    pub(crate) sends: u32,
    /// The window's length.
    pub(crate) window: Duration,
}

impl Budget {
    /// For `DingTalk` and `WeCom` robots. Both allow 20 messages a minute, count by their own clock, and `DingTalk` mutes a
    /// robot for ten minutes that sends more; two sends of margin cover the difference of the clocks.
    pub(crate) const ROBOT: Self = Self { sends: 18, window: Duration::from_mins(1) };
    /// For mail: no provider's limit is known here, so only a flood is slowed.
    pub(crate) const MAIL: Self = Self { sends: 60, window: Duration::from_mins(1) };
}

/// Why a text is no budget.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BudgetError {
    /// No slash.
    #[error("there is no `/` in it")]
    NoSlash,
    /// Not a number, or 0.
    #[error("the number before `/` must be a whole number above zero")]
    Sends,
    /// Not a duration, or zero.
    #[error("what stands after `/` must be a duration such as `1m`")]
    Window,
}

impl FromStr for Budget {
    type Err = BudgetError;

    fn from_str(text: &str) -> Result<Self, BudgetError> {
        let (sends, window) = text.split_once('/').ok_or(BudgetError::NoSlash)?;
        let sends = sends.trim().parse().ok().filter(|sends| *sends > 0).ok_or(BudgetError::Sends)?;
        let window = humantime::parse_duration(window.trim())
            .ok()
            .filter(|window| !window.is_zero())
            .ok_or(BudgetError::Window)?;
        Ok(Self { sends, window })
    }
}

/// The windows of all robots.
#[derive(Debug, Default)]
pub(crate) struct Budgets {
    robots: BTreeMap<String, Window>,
}

/// When the next attempt may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// At this time.
    Until(Moment),
    /// Once an attempt under way has ended.
    ForReply,
}

impl Budgets {
    /// Says what a robot may do. Targets that share a robot share the smaller budget: call [`begin_reload`](Self::begin_reload)
    /// first, then this for each.
    pub(crate) fn allow(&mut self, robot: &str, budget: Budget) {
        let window = self.robots.entry(robot.to_owned()).or_default();
        let pace = |budget: Budget| budget.window.as_secs_f64() / f64::from(budget.sends.max(1));
        window.budget = Some(
            window.budget.map_or(budget, |other| if pace(other) >= pace(budget) { other } else { budget }),
        );
    }

    /// New settings: forgets what robots may do, not what they did.
    pub(crate) fn begin_reload(&mut self) {
        for window in self.robots.values_mut() {
            window.budget = None;
        }
    }

    /// An attempt of the past, as the store remembers it.
    pub(crate) fn remember(&mut self, robot: &str, ended_at: Moment) {
        self.robots.entry(robot.to_owned()).or_default().ended.push_back(ended_at);
    }

    /// Counts an attempt that begins now, or says when to ask again. Urgent ones may use what is kept for them.
    pub(crate) fn reserve(&mut self, robot: &str, is_urgent: bool, now: Moment) -> Result<(), Wait> {
        let window = self.robots.entry(robot.to_owned()).or_default();
        window.remaining(is_urgent, now)?;
        window.under_way += 1;
        if let Some(budget) = window.budget.filter(|_| !is_urgent) {
            window.spread_until = window.spread_until.max(now).plus(interval(budget));
        }
        Ok(())
    }

    /// Whether something urgent of this target waits for the robot.
    pub(crate) fn urgent_waits(&mut self, robot: &str, target: &str, waits: bool) {
        let waiting = &mut self.robots.entry(robot.to_owned()).or_default().urgent_waits;
        if waits {
            waiting.insert(target.to_owned());
        } else {
            waiting.remove(target);
        }
    }

    /// How many attempts could begin now, and if none, when.
    pub(crate) fn remaining(&mut self, robot: &str, is_urgent: bool, now: Moment) -> Result<u32, Wait> {
        self.robots.entry(robot.to_owned()).or_default().remaining(is_urgent, now)
    }

    /// The attempt is over, whatever came of it.
    pub(crate) fn ended(&mut self, robot: &str, now: Moment) {
        let window = self.robots.entry(robot.to_owned()).or_default();
        window.under_way = window.under_way.saturating_sub(1);
        window.ended.push_back(now);
    }

    /// The attempt was not made after all.
    pub(crate) fn cancel(&mut self, robot: &str, is_urgent: bool) {
        let window = self.robots.entry(robot.to_owned()).or_default();
        window.under_way = window.under_way.saturating_sub(1);
        if let Some(budget) = window.budget.filter(|_| !is_urgent) {
            window.spread_until = window.spread_until.minus(interval(budget));
        }
    }

    /// The robot asked for silence until then. A shorter demand does not end a longer one.
    pub(crate) fn pause(&mut self, robot: &str, until: Moment) {
        let window = self.robots.entry(robot.to_owned()).or_default();
        window.paused_until = window.paused_until.max(Some(until));
    }

    /// Until when a robot asked for silence, if it ever did.
    pub(crate) fn paused_until(&self, robot: &str) -> Option<Moment> {
        self.robots.get(robot).and_then(|window| window.paused_until)
    }
}

#[derive(Debug)]
struct Window {
    /// `None`: no target uses this robot at the moment.
    budget: Option<Budget>,
    under_way: u32,
    /// Ends within the window, oldest first.
    ended: VecDeque<Moment>,
    paused_until: Option<Moment>,
    /// When those that are not urgent would have been sent, had each waited its interval (a generic cell rate algorithm: ITU-T I.371).
    spread_until: Moment,
    /// Targets for which something urgent waits.
    urgent_waits: BTreeSet<String>,
}

impl Default for Window {
    fn default() -> Self {
        Self {
            budget: None,
            under_way: 0,
            ended: VecDeque::new(),
            paused_until: None,
            spread_until: Moment(i64::MIN),
            urgent_waits: BTreeSet::new(),
        }
    }
}

impl Window {
    fn remaining(&mut self, is_urgent: bool, now: Moment) -> Result<u32, Wait> {
        let Some(budget) = self.budget else { return Ok(u32::MAX) };
        if let Some(until) = self.paused_until {
            if until > now {
                return Err(Wait::Until(until));
            }
            self.paused_until = None;
        }
        self.forget(budget, now);
        let kept = if is_urgent { 0 } else { kept_for_urgent(budget, !self.urgent_waits.is_empty()) };
        let allowed = budget.sends.max(1) - kept;
        let used = self.under_way.saturating_add(u32::try_from(self.ended.len()).unwrap_or(u32::MAX));
        if used < allowed {
            return if is_urgent { Ok(allowed - used) } else { self.spread(budget, allowed - used, now) };
        }
        // Of those that ended, the first `used - allowed + 1` have to leave the window.
        let leaving = usize::try_from(used - allowed).unwrap_or(usize::MAX);
        match self.ended.get(leaving) {
            Some(ended) => Err(Wait::Until(after_window(*ended, budget))),
            None => Err(Wait::ForReply),
        }
    }

    /// How many of these `free` ones may begin now without crowding the window, and if none, when.
    fn spread(&self, budget: Budget, free: u32, now: Moment) -> Result<u32, Wait> {
        let interval = interval(budget);
        if interval.is_zero() {
            return Ok(free);
        }
        let ahead = self.spread_until.since(now);
        let room = interval.saturating_mul(burst(budget)).saturating_sub(ahead);
        let may = u32::try_from(room.as_nanos() / interval.as_nanos()).unwrap_or(u32::MAX).min(free);
        if may > 0 {
            Ok(may)
        } else {
            // Whole milliseconds: rounded down it would be a moment too early.
            Err(Wait::Until(now.plus(interval.saturating_sub(room) + Duration::from_millis(1))))
        }
    }

    fn forget(&mut self, budget: Budget, now: Moment) {
        while self.ended.front().is_some_and(|ended| after_window(*ended, budget) <= now) {
            self.ended.pop_front();
        }
    }
}

/// The first moment that no window holding `ended` reaches.
fn after_window(ended: Moment, budget: Budget) -> Moment {
    Moment(ended.plus(budget.window).0.saturating_add(1))
}

/// Sends kept for critical alerts: two of a usual budget of twenty, none of a tiny one; half of it while some wait.
fn kept_for_urgent(budget: Budget, urgent_waits: bool) -> u32 {
    if urgent_waits { budget.sends / 2 } else { (budget.sends / 4).min(2) }
}

/// Sends that may go out at once: as many as are sent at the same time, or a quarter of a larger budget. A budget that is no larger than
/// this is not spread.
fn burst(budget: Budget) -> u32 {
    (budget.sends / 4).max(4)
}

/// Between those that are not urgent, once the burst is over: with this they use what is theirs of the budget just within the window.
///
/// So the budget comes free one by one. After any number that are not urgent, `k` urgent ones wait for `k` intervals at most, less those
/// that are kept for them, and for those of the burst but one.
fn interval(budget: Budget) -> Duration {
    let theirs = budget.sends.max(1) - kept_for_urgent(budget, false);
    if theirs <= burst(budget) { Duration::ZERO } else { budget.window / theirs }
}

#[cfg(test)]
mod tests {
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
        assert_eq!(budgets.remaining(ROBOT, true, Moment(last)), Ok(2));
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
        check(9, 4, 8_571);
        // It comes back with the time that nothing is sent.
        let mut budgets = budgets(18);
        send_as_they_may(&mut budgets, 4, 0);
        assert_eq!(budgets.remaining(ROBOT, false, Moment(7_500)), Ok(2));
        budgets.reserve(ROBOT, false, Moment(7_500)).unwrap();
        budgets.cancel(ROBOT, false);
        assert_eq!(budgets.remaining(ROBOT, false, Moment(7_500)), Ok(2));
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
    fn targets_with_one_robot_share_the_smaller_budget_and_a_reload_forgets_only_budgets() {
        let mut budgets = budgets(20);
        budgets.allow(ROBOT, Budget { sends: 1, window: Duration::from_mins(1) });
        assert_eq!(send(&mut budgets, true, 0), Ok(()));
        assert_eq!(send(&mut budgets, true, 1), Err(Wait::Until(Moment(60_001))));
        budgets.begin_reload();
        budgets.allow(ROBOT, Budget { sends: 2, window: Duration::from_mins(1) });
        assert_eq!(send(&mut budgets, true, 2), Ok(()));
        assert_eq!(send(&mut budgets, true, 3), Err(Wait::Until(Moment(60_001))));
    }

    proptest! {
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
}

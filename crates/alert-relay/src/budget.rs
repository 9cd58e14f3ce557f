//! How often a robot may be used: sliding windows, one a robot (pure).
//!
//! Owns the count of attempts and the pauses a robot asked for. Leaves out what is sent first (`schedule`).
//!
//! What is not urgent is spread over the window: after a burst of a quarter of the budget it goes out one by one, evenly, and so the budget
//! comes free again one by one. What is kept for urgent ones grows with the time until it does: one for each ten seconds, so that no
//! urgent one waits longer. While one waits for the robot, half of the budget is kept.
//!
//! Vendors count a message when it arrives, which is some time after we began and before we have the reply. So an attempt
//! counts from the moment it begins until a whole window after its *end*: whatever the network does in between, no
//! window of the vendor ever holds more than the budget.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
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
    /// What `DingTalk` and `WeCom` take of a robot (`DingTalk`: custom robots, "frequency limit"; `WeCom`: developer document 91770).
    pub(crate) const ROBOTS_LIMIT: Self = Self { sends: 20, window: Duration::from_mins(1) };
    /// For `DingTalk` and `WeCom` robots. Both allow 20 messages a minute, count by their own clock, and `DingTalk` mutes a
    /// robot for ten minutes that sends more; two sends of margin cover the difference of the clocks.
    pub(crate) const ROBOT: Self = Self { sends: 18, window: Duration::from_mins(1) };
    /// For mail: no provider's limit is known here, so only a flood is slowed.
    pub(crate) const MAIL: Self = Self { sends: 60, window: Duration::from_mins(1) };

    /// Whether it lets more out than this limit in one of its windows.
    pub(crate) fn exceeds(self, limit: Self) -> bool {
        let windows = limit.window.as_nanos().div_ceil(self.window.as_nanos().max(1)).max(1);
        u128::from(self.sends).saturating_mul(windows) > u128::from(limit.sends)
    }

    /// One budget that keeps both, in any window of either: the smaller where it is smaller in every way. Else that of the shorter window
    /// with no more than the longer one has for each of the shorter ones that fit into it; or, where that is none, one at a time.
    pub(crate) fn and(self, other: Self) -> Self {
        let (short, long) = if self.window <= other.window { (self, other) } else { (other, self) };
        if long.sends <= short.sends {
            return long;
        }
        let windows = long.window.as_nanos().div_ceil(short.window.as_nanos().max(1));
        match u32::try_from(u128::from(long.sends) / windows.max(1)).unwrap_or(u32::MAX) {
            0 => Self { sends: 1, window: (long.window / long.sends.max(1)).max(short.window) },
            sends => Self { sends: sends.min(short.sends), window: short.window },
        }
    }
}

/// `20/1m`, as it is written in the settings.
impl fmt::Display for Budget {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.sends, humantime::format_duration(self.window))
    }
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
    /// Says what a robot may do. Targets that share a robot keep the budgets of all: call [`begin_reload`](Self::begin_reload)
    /// first, then this for each.
    pub(crate) fn allow(&mut self, robot: &str, budget: Budget) {
        let window = self.robots.entry(robot.to_owned()).or_default();
        window.budget = Some(window.budget.map_or(budget, |other| other.and(budget)));
    }

    /// New settings: forgets what robots may do and who waits for them, not what they did. A target may have gone, or have another robot;
    /// for those that wait it is said again.
    pub(crate) fn begin_reload(&mut self) {
        for window in self.robots.values_mut() {
            window.budget = None;
            window.urgent_waits.clear();
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
        if is_urgent {
            window.urgent_at = now;
        }
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

    /// How many messages could begin now, and if none, when. Urgent ones leave enough for those that come until the budget comes free
    /// again; what they begin (the further parts of a message) may use all of it.
    pub(crate) fn remaining(&mut self, robot: &str, is_urgent: bool, now: Moment) -> Result<u32, Wait> {
        let window = self.robots.entry(robot.to_owned()).or_default();
        let remaining = window.remaining(is_urgent, now)?;
        if is_urgent { window.paced(remaining, now) } else { Ok(remaining) }
    }

    /// How many messages that are not urgent a robot takes in this span, in the long run; one at least.
    pub(crate) fn within(&self, robot: &str, span: Duration) -> u32 {
        let budget = self.robots.get(robot).and_then(|window| window.budget);
        budget.map_or(u32::MAX, |budget| {
            let theirs = u128::from(budget.sends.max(1) - kept_for_urgent(budget, false));
            let windows = theirs.saturating_mul(span.as_millis()) / budget.window.as_millis().max(1);
            u32::try_from(windows).unwrap_or(u32::MAX).max(1)
        })
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
    /// When the last urgent attempt began.
    urgent_at: Moment,
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
            urgent_at: Moment(i64::MIN),
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
            let may = allowed - used;
            return if is_urgent { Ok(may) } else { self.spread(budget, may, kept, now) };
        }
        // Of those that ended, the first `used - allowed + 1` have to leave the window.
        let leaving = usize::try_from(used - allowed).unwrap_or(usize::MAX);
        match self.ended.get(leaving) {
            Some(ended) => Err(Wait::Until(after_window(*ended, budget))),
            None => Err(Wait::ForReply),
        }
    }

    /// How many of these `free` urgent ones may begin now, so that one more can in each of the next ten seconds.
    fn paced(&self, free: u32, now: Moment) -> Result<u32, Wait> {
        let Some(budget) = self.budget else { return Ok(free) };
        let after_this = now.plus(URGENT_WITHIN);
        let lane = self.lane(budget, after_this);
        if free > lane {
            return Ok(free - lane);
        }
        let next = self.urgent_at.plus(URGENT_WITHIN);
        if next <= now {
            Ok(1)
        } else {
            Err(Wait::Until(next.min(self.lane_shrinks(budget, after_this, now))))
        }
    }

    /// How many have to be left beside what begins now, so that an urgent one can begin at `first` and in each ten seconds from then on:
    /// as many as that are, less what comes free by then. A third of the budget at most.
    fn lane(&self, budget: Budget, first: Moment) -> u32 {
        let needed = lane_spans(budget).map(|span| {
            let free_by_then = self.free_by(budget, first.plus(URGENT_WITHIN.saturating_mul(span)));
            (span + 1).saturating_sub(u32::try_from(free_by_then).unwrap_or(u32::MAX))
        });
        needed.max().unwrap_or(0)
    }

    /// When [`lane`](Self::lane) may come to less.
    fn lane_shrinks(&self, budget: Budget, first: Moment, now: Moment) -> Moment {
        let shrinks = lane_spans(budget).filter_map(|span| {
            let span = URGENT_WITHIN.saturating_mul(span);
            let next = self.ended.get(self.free_by(budget, first.plus(span)))?;
            Some(after_window(*next, budget).minus(span))
        });
        // What is under way has no end yet.
        shrinks.min().unwrap_or(now.plus(URGENT_WITHIN)).max(now.plus(LEAST_WAIT))
    }

    /// When the next urgent one may want to begin.
    fn next_urgent(&self, now: Moment) -> Moment {
        self.urgent_at.plus(URGENT_WITHIN).max(now)
    }

    /// How many of those that ended leave the window until then.
    fn free_by(&self, budget: Budget, at: Moment) -> usize {
        self.ended.partition_point(|ended| after_window(*ended, budget) <= at)
    }

    /// How many of these may begin now without crowding the window or what is `kept` beside them for urgent ones, and if none, when.
    fn spread(&self, budget: Budget, may: u32, kept: u32, now: Moment) -> Result<u32, Wait> {
        let free = may.saturating_add(kept);
        let next_urgent = self.next_urgent(now);
        let may = may.min(free.saturating_sub(self.lane(budget, next_urgent)));
        if may == 0 {
            return Err(Wait::Until(self.lane_shrinks(budget, next_urgent, now)));
        }
        let interval = interval(budget);
        if interval.is_zero() {
            return Ok(may);
        }
        let ahead = self.spread_until.since(now);
        let room = interval.saturating_mul(burst(budget)).saturating_sub(ahead);
        let may = u32::try_from(room.as_nanos() / interval.as_nanos()).unwrap_or(u32::MAX).min(may);
        if may > 0 {
            Ok(may)
        } else {
            // Whole milliseconds: rounded down it would be a moment too early.
            Err(Wait::Until(now.plus(interval.saturating_sub(room) + LEAST_WAIT)))
        }
    }

    fn forget(&mut self, budget: Budget, now: Moment) {
        while self.ended.front().is_some_and(|ended| after_window(*ended, budget) <= now) {
            self.ended.pop_front();
        }
    }
}

/// An urgent message waits no longer than this for a robot that is used within its budget and asked for no pause.
const URGENT_WITHIN: Duration = Duration::from_secs(10);

/// After how many spans of ten seconds urgent ones have their place: all within the window, a third of the budget at most.
fn lane_spans(budget: Budget) -> std::ops::Range<u32> {
    let within = budget.window.as_millis() / URGENT_WITHIN.as_millis();
    0..u32::try_from(within).unwrap_or(u32::MAX).min(budget.sends / 3)
}

/// The clock's unit.
const LEAST_WAIT: Duration = Duration::from_millis(1);

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
mod tests;

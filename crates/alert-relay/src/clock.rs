//! What time it is, and waiting until a time: the only place that asks the system.
//!
//! Everything that decides (`schedule`, `budget`, `retry`, `ledger`) takes a [`Millis`] as an argument; what has to look at
//! a clock holds a [`Clock`], which tests turn by hand.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use serde::{Serialize, Serializer};

pub(crate) use crate::clock::boot_time::{BootTime, since_boot};

mod boot_time;

/// Milliseconds since 1970-01-01T00:00:00Z: the store's unit of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Millis(pub(crate) i64);

impl Millis {
    /// This long after.
    pub(crate) fn plus(self, span: Duration) -> Self {
        Self(later(self.0, span))
    }

    /// This long before.
    pub(crate) fn minus(self, span: Duration) -> Self {
        Self(sooner(self.0, span))
    }

    /// How long ago `earlier` was; zero if it is still to come (a clock that was set back).
    pub(crate) fn since(self, earlier: Self) -> Duration {
        between(earlier.0, self.0)
    }

    /// As a point in time for texts and signatures.
    pub(crate) fn timestamp(self) -> Timestamp {
        let limit = if self.0 < 0 { Timestamp::MIN } else { Timestamp::MAX };
        Timestamp::from_millisecond(self.0).unwrap_or(limit)
    }
}

/// A point in elapsed time: milliseconds since the relay's clock was made, whatever the wall clock was set to meanwhile. Time during which
/// the machine was suspended counts (`CLOCK_BOOTTIME`). Earlier points are negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Moment(pub(crate) i64);

impl Moment {
    /// This long after.
    pub(crate) fn plus(self, span: Duration) -> Self {
        Self(later(self.0, span))
    }

    /// This long before.
    pub(crate) fn minus(self, span: Duration) -> Self {
        Self(sooner(self.0, span))
    }

    /// How long ago `earlier` was; zero if it is still to come.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        between(earlier.0, self.0)
    }
}

/// What both clocks show: the wall clock's time, and how long the relay has run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Now {
    /// For people, the store and the vendors.
    pub(crate) wall: Millis,
    /// As [`Clock::passed`]: for how long something has lasted.
    pub(crate) passed: Duration,
}

impl From<Timestamp> for Millis {
    fn from(at: Timestamp) -> Self {
        Self(at.as_millisecond())
    }
}

impl fmt::Display for Millis {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.timestamp().fmt(out)
    }
}

/// RFC 3339 in UTC.
impl Serialize for Millis {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A span in whole milliseconds, for the field `duration_ms` of a log line.
pub(crate) fn whole_millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// Points in time of either kind are milliseconds, and stay at the end of time rather than wrap.
fn later(at: i64, span: Duration) -> i64 {
    at.saturating_add(millis(span))
}

fn sooner(at: i64, span: Duration) -> i64 {
    at.saturating_sub(millis(span))
}

/// Zero if the later one is not the later one.
fn between(earlier: i64, later: i64) -> Duration {
    Duration::from_millis(u64::try_from(later.saturating_sub(earlier)).unwrap_or(0))
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// The wall clock, or in tests one that is turned by hand. Clones show the same time.
#[derive(Clone, Debug)]
pub(crate) struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    /// Since when it runs, by the clock that stands still while the machine is suspended and by the one that does not.
    System { started: Instant, booted: Duration, boot: Arc<str> },
    #[cfg(test)]
    Manual(Arc<Manual>),
}

/// A clock that is turned by hand.
#[cfg(test)]
#[derive(Debug)]
struct Manual {
    hands: tokio::sync::watch::Sender<Hands>,
    /// Until when each sleeper sleeps.
    sleepers: tokio::sync::watch::Sender<Vec<Millis>>,
}

/// What such a clock shows.
#[cfg(test)]
#[derive(Clone, Copy, Debug)]
struct Hands {
    /// The time.
    shown: i64,
    /// How much time has passed, whatever it was set to.
    passed: Duration,
    /// For how much of it the machine was suspended.
    suspended: Duration,
}

impl Clock {
    /// The system's wall clock. Not a monotonic one: signatures and people need real time, and it survives a restart.
    pub(crate) fn system() -> Self {
        Self(Source::System { started: Instant::now(), booted: since_boot(), boot: boot_time::boot() })
    }

    /// Now.
    pub(crate) fn now(&self) -> Millis {
        match &self.0 {
            Source::System { .. } => {
                // A machine that believes it is before 1970 gets 1970: every wait is then over at once, none is endless.
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
                Millis(millis(since))
            }
            #[cfg(test)]
            Source::Manual(clock) => Millis(clock.hands.borrow().shown),
        }
    }

    /// How much time has passed since this clock was made, whatever it was set to meanwhile. Without the time during which the machine was
    /// suspended (`CLOCK_MONOTONIC`): nothing was tried and nothing could be heard then.
    pub(crate) fn passed(&self) -> Duration {
        match &self.0 {
            Source::System { started, .. } => started.elapsed(),
            #[cfg(test)]
            Source::Manual(clock) => clock.hands.borrow().passed,
        }
    }

    /// The present moment in elapsed time: for how often a robot was used and how long it is to be left alone, which goes on while the
    /// machine is suspended.
    pub(crate) fn elapsed(&self) -> Moment {
        match &self.0 {
            Source::System { booted, .. } => Moment(millis(since_boot().saturating_sub(*booted))),
            #[cfg(test)]
            Source::Manual(clock) => {
                let hands = *clock.hands.borrow();
                Moment(millis(hands.passed + hands.suspended))
            }
        }
    }

    /// The present moment, as a later process of the same start of the machine can read it.
    pub(crate) fn boot_time(&self) -> BootTime {
        match &self.0 {
            Source::System { boot, .. } => BootTime { boot: Arc::clone(boot), since: since_boot() },
            #[cfg(test)]
            Source::Manual(clock) => {
                let hands = *clock.hands.borrow();
                BootTime { boot: "by hand".into(), since: hands.passed + hands.suspended }
            }
        }
    }

    /// What the wall clock will show at this moment, unless it is set before.
    pub(crate) fn wall_at(&self, moment: Moment) -> Millis {
        let (now, elapsed) = (self.now(), self.elapsed());
        now.plus(moment.since(elapsed)).minus(elapsed.since(moment))
    }

    /// What it shows, and how much time has passed.
    pub(crate) fn reading(&self) -> Now {
        Now { wall: self.now(), passed: self.passed() }
    }

    /// Returns once it is `at` or later, or once as much time has passed as there was left when this was called: a clock that
    /// is set back does not prolong a wait.
    pub(crate) async fn sleep_until(&self, at: Millis) {
        let end = self.passed().saturating_add(at.since(self.now()));
        match &self.0 {
            Source::System { .. } => loop {
                let left = at.since(self.now()).min(end.saturating_sub(self.passed()));
                if left.is_zero() {
                    return;
                }
                // In slices: the wall clock may be set while we sleep, and tokio's timer would not notice.
                tokio::time::sleep(left.min(SLICE)).await;
            },
            #[cfg(test)]
            Source::Manual(clock) => {
                let _asleep = Asleep::new(clock, at);
                let mut hands = clock.hands.subscribe();
                hands
                    .wait_for(|hands| hands.shown >= at.0 || hands.passed >= end)
                    .await
                    .expect("this clock owns the sender");
            }
        }
    }
}

/// The longest uninterrupted sleep.
const SLICE: Duration = Duration::from_secs(10);

#[cfg(test)]
impl Clock {
    /// A clock that stands at `start` until it is turned.
    pub(crate) fn manual(start: Timestamp) -> Self {
        let hands =
            Hands { shown: start.as_millisecond(), passed: Duration::ZERO, suspended: Duration::ZERO };
        let manual = Manual {
            hands: tokio::sync::watch::Sender::new(hands),
            sleepers: tokio::sync::watch::Sender::default(),
        };
        Self(Source::Manual(Arc::new(manual)))
    }

    /// Returns once somebody sleeps until then on a manual clock.
    pub(crate) async fn sleeper_until(&self, at: Millis) {
        self.by_hand()
            .sleepers
            .subscribe()
            .wait_for(|sleepers| sleepers.contains(&at))
            .await
            .expect("we own it");
    }

    /// Lets time pass on a manual clock and wakes who waits for it.
    pub(crate) fn advance(&self, span: Duration) {
        self.turn(|hands| {
            hands.shown += millis(span);
            hands.passed += span;
        });
    }

    /// Sets a manual clock back, as somebody does who corrects it; no time passes.
    pub(crate) fn set_back(&self, span: Duration) {
        self.turn(|hands| hands.shown -= millis(span));
    }

    /// Sets a manual clock forward; no time passes.
    pub(crate) fn set_forward(&self, span: Duration) {
        self.turn(|hands| hands.shown += millis(span));
    }

    /// Time that passes while the machine is suspended, and with it the relay.
    pub(crate) fn suspend(&self, span: Duration) {
        self.turn(|hands| {
            hands.shown += millis(span);
            hands.suspended += span;
        });
    }

    fn turn(&self, change: impl FnOnce(&mut Hands)) {
        self.by_hand().hands.send_modify(change);
    }

    fn by_hand(&self) -> &Manual {
        match &self.0 {
            Source::System { .. } => panic!("the system's clock is not ours to turn"),
            Source::Manual(clock) => clock,
        }
    }
}

/// A sleeper on a manual clock, until it wakes or is dropped.
#[cfg(test)]
struct Asleep<'a> {
    clock: &'a Manual,
    until: Millis,
}

#[cfg(test)]
impl<'a> Asleep<'a> {
    fn new(clock: &'a Manual, until: Millis) -> Self {
        clock.sleepers.send_modify(|sleepers| sleepers.push(until));
        Self { clock, until }
    }
}

#[cfg(test)]
impl Drop for Asleep<'_> {
    fn drop(&mut self) {
        self.clock.sleepers.send_modify(|sleepers| {
            let own = sleepers.iter().position(|until| *until == self.until);
            sleepers.remove(own.expect("put there by us"));
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_counted_and_never_negative() {
        let noon = Millis(43_200_000);
        assert_eq!(noon.plus(Duration::from_secs(1)), Millis(43_201_000));
        assert_eq!(noon.since(noon.minus(Duration::from_mins(1))), Duration::from_mins(1));
        assert_eq!(noon.since(noon.plus(Duration::from_mins(1))), Duration::ZERO);
        assert_eq!(Millis(i64::MAX).plus(Duration::MAX), Millis(i64::MAX));
    }

    #[test]
    fn times_no_calendar_holds_are_shown_as_its_end() {
        assert_eq!(Millis(i64::MAX).timestamp(), Timestamp::MAX);
        assert_eq!(Millis(i64::MIN).timestamp(), Timestamp::MIN);
        assert_eq!(Millis(0).to_string(), "1970-01-01T00:00:00Z");
    }

    #[tokio::test]
    async fn a_manual_clock_wakes_sleepers_when_turned() {
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep_until(Millis(1_000)).await }
        });
        clock.advance(Duration::from_millis(999));
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        clock.advance(Duration::from_millis(1));
        sleeper.await.unwrap();
    }

    #[test]
    fn elapsed_time_heeds_no_setting_of_the_clock() {
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
        clock.advance(Duration::from_secs(1));
        clock.set_forward(Duration::from_hours(1));
        clock.suspend(Duration::from_secs(2));
        clock.set_back(Duration::from_hours(2));
        assert_eq!((clock.passed(), clock.elapsed()), (Duration::from_secs(1), Moment(3_000)));
        let in_a_second = clock.wall_at(clock.elapsed().plus(Duration::from_secs(1)));
        assert_eq!(in_a_second, clock.now().plus(Duration::from_secs(1)));
        let system = Clock::system();
        assert!(system.elapsed() < Moment(60_000) && system.elapsed() >= Moment(0));
    }

    #[tokio::test]
    async fn a_clock_set_back_does_not_prolong_a_wait() {
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
        let mut sleep = std::pin::pin!(clock.sleep_until(Millis(1_000)));
        let mut is_over = async || tokio::time::timeout(Duration::ZERO, sleep.as_mut()).await.is_ok();
        assert!(!is_over().await);
        clock.set_back(Duration::from_hours(1));
        clock.advance(Duration::from_millis(999));
        assert!(!is_over().await);
        clock.advance(Duration::from_millis(1));
        assert!(is_over().await);
    }
}

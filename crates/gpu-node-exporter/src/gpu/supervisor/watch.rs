//! When to start, give up and replace a probe: the watchdog's decisions, without clock, process or pipe.
//!
//! Time is a [`Duration`] since an origin the caller chooses. The caller reports what it sees and carries out the
//! returned orders; all limits are in [`Limits`]. Which GPUs are left alone, and until when, is
//! [`retrial`](super::retrial)'s.

use std::collections::BTreeMap;
use std::time::Duration;

use super::retrial::{Retrials, Shortfall, doubling};
use crate::gpu::restart::Restart;

/// The limits a probe is held to.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    /// How long one GPU may be silent.
    pub(super) probe_timeout: Duration,
    /// How long the driver, and each GPU before the first sweep is complete, may be silent: the driver initialises a GPU
    /// when it is first touched, which takes seconds where it has to be woken.
    pub(super) start_timeout: Duration,
    /// The pause between sweeps.
    pub(super) sample_interval: Duration,
    /// The pause before a GPU is first tried again. A try can cost the other GPUs a start time-out.
    first_retrial: Duration,
}

impl Limits {
    pub(super) fn new(probe_timeout: Duration, sample_interval: Duration) -> Self {
        Self {
            probe_timeout,
            start_timeout: probe_timeout * 6,
            sample_interval,
            first_retrial: probe_timeout * 12,
        }
    }
}

/// Starts that took too long in a row raise the limit up to so many times: a machine may be slower than we thought.
const MOST_START_TIMEOUTS: u32 = 4;

/// Processes that were given up and have not gone yet. In uninterruptible sleep they can't be killed; more of them
/// would not learn more.
const MAX_ABANDONED: usize = 4;

/// Crashes in a row in calls to the same GPU before it is skipped.
const CRASHES_TO_SKIP: u32 = 2;

/// A probe that worked this long has proven itself: the next failure starts from the first pause.
const PROVEN: Duration = Duration::from_mins(1);

/// Pauses before a probe is started again, by failures in a row.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LAST_PAUSE: Duration = Duration::from_mins(1);

/// What the caller saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The driver is initialised.
    Initialised,
    /// The probe is about to ask this GPU.
    Touching(u32),
    /// A sweep is complete but for these.
    Swept(Shortfall),
    /// The probe said why it can't go on.
    Failed,
    /// The probe is gone.
    Exited(Exit),
    /// No process could be started.
    NotStarted,
    /// An administrator wants the driver free.
    Release,
    /// An administrator gives it back.
    Acquire,
}

/// How a probe ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    Code(i32),
    Signal(i32),
    /// Its pipe closed but the process stays: stuck on its way out.
    Lingering,
}

/// What the caller is to do, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Start a probe that leaves these GPUs alone.
    Start { skip: Vec<u32> },
    /// Ask the probe to leave, and see that it does.
    Stop,
    /// Kill the probe and stop waiting for it; `at` is the GPU that did not answer.
    Abandon { at: Option<u32> },
}

/// What the watchdog is waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// To start a probe.
    Paused { until: Duration },
    /// For the driver to initialise.
    Starting { since: Duration },
    /// For a GPU to answer.
    Touching { gpu: u32, since: Duration },
    /// For the next sweep.
    Resting { since: Duration },
    /// For an administrator.
    Released,
}

/// The watchdog.
#[derive(Debug)]
pub(super) struct Watch {
    limits: Limits,
    state: State,
    retrials: Retrials,
    /// Failures in a row of probes as a whole.
    failures: u32,
    /// Probes in a row that were given up before their first sweep was complete.
    slow_starts: u32,
    /// When the present probe completed its first sweep.
    working_since: Option<Duration>,
    /// The GPU that was asked at the last crashes, and how many there were in a row.
    suspect: Option<(u32, u32)>,
    /// The probe gave its reason before it ended; its exit says nothing more.
    has_failed: bool,
    restarts: BTreeMap<Restart, u64>,
}

impl Watch {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            retrials: Retrials::new(limits.first_retrial),
            limits,
            state: State::Paused { until: Duration::ZERO },
            failures: 0,
            slow_starts: 0,
            working_since: None,
            suspect: None,
            has_failed: false,
            restarts: BTreeMap::new(),
        }
    }

    pub(super) fn is_released(&self) -> bool {
        self.state == State::Released
    }

    /// True once the driver has initialised, while the probe is asking or resting.
    pub(super) fn is_working(&self) -> bool {
        matches!(self.state, State::Touching { .. } | State::Resting { .. })
    }

    /// Probes replaced so far.
    pub(super) fn restarts(&self, reason: Restart) -> u64 {
        self.restarts.get(&reason).copied().unwrap_or(0)
    }

    /// When [`Watch::tick`] next has something to decide; `None` is "not before something happens".
    pub(super) fn deadline(&self, abandoned: usize) -> Option<Duration> {
        match self.state {
            State::Paused { .. } if abandoned >= MAX_ABANDONED => None,
            State::Paused { until } => Some(until),
            State::Resting { .. } if abandoned == 0 => {
                self.overdue_at().into_iter().chain(self.retrials.next()).min()
            }
            _ => self.overdue_at(),
        }
    }

    /// When the probe will have been silent for too long.
    fn overdue_at(&self) -> Option<Duration> {
        let limit = if self.working_since.is_some() {
            self.limits.probe_timeout
        } else {
            doubling(
                self.limits.start_timeout,
                self.limits.start_timeout * MOST_START_TIMEOUTS,
                self.slow_starts + 1,
            )
        };
        match self.state {
            State::Starting { since } | State::Touching { since, .. } => Some(since + limit),
            State::Resting { since } => Some(since + self.limits.sample_interval + limit),
            State::Paused { .. } | State::Released => None,
        }
    }

    /// Takes note of what happened at `now`.
    pub(super) fn on(&mut self, now: Duration, event: &Event) -> Vec<Order> {
        match (event, self.state) {
            (Event::Release, State::Released) => Vec::new(),
            (Event::Release, state) => {
                self.state = State::Released;
                if matches!(state, State::Paused { .. }) { Vec::new() } else { vec![Order::Stop] }
            }
            (Event::Acquire, State::Released) => {
                // The administrator has done something about the GPUs: all get a new chance.
                self.retrials.clear();
                self.failures = 0;
                self.pause(now, Duration::ZERO);
                Vec::new()
            }
            (Event::Acquire, _) | (_, State::Released) => Vec::new(),
            (Event::Initialised, _) => {
                self.state = State::Resting { since: now };
                Vec::new()
            }
            (Event::Touching(gpu), _) => {
                self.state = State::Touching { gpu: *gpu, since: now };
                Vec::new()
            }
            (Event::Swept(shortfall), _) => {
                self.state = State::Resting { since: now };
                self.retrials.settle(now, shortfall);
                self.suspect = None;
                self.slow_starts = 0;
                let working_since = *self.working_since.get_or_insert(now);
                if now.saturating_sub(working_since) >= PROVEN {
                    self.failures = 0;
                }
                Vec::new()
            }
            (Event::Failed, _) => {
                self.has_failed = true;
                Vec::new()
            }
            (Event::Exited(exit), state) => {
                self.exited(now, *exit, state);
                Vec::new()
            }
            (Event::NotStarted, _) => {
                self.fail(now, Restart::Exit);
                Vec::new()
            }
        }
    }

    fn exited(&mut self, now: Duration, exit: Exit, state: State) {
        const SIGKILL: i32 = 9;
        let reason = match exit {
            _ if self.has_failed => Restart::Driver,
            Exit::Signal(SIGKILL) => Restart::Killed,
            Exit::Signal(_) => Restart::Crash,
            Exit::Code(_) => Restart::Exit,
            Exit::Lingering => Restart::Stuck,
        };
        if let (Restart::Crash, State::Touching { gpu, .. }) = (reason, state) {
            let crashes = match self.suspect {
                Some((suspect, crashes)) if suspect == gpu => crashes + 1,
                _ => 1,
            };
            self.suspect = Some((gpu, crashes));
            // A GPU on trial is skipped at its first crash.
            if crashes >= CRASHES_TO_SKIP || self.retrials.is_suspect(gpu) {
                self.leave_alone(now, gpu);
            }
        }
        self.fail(now, reason);
    }

    /// Decides what the clock alone decides. `abandoned` processes are still there.
    pub(super) fn tick(&mut self, now: Duration, abandoned: usize) -> Vec<Order> {
        // While a process hangs in the driver, a retrial would only add another.
        let may_retry = abandoned == 0;
        match self.state {
            State::Paused { until } if now >= until && abandoned < MAX_ABANDONED => {
                self.state = State::Starting { since: now };
                self.working_since = None;
                self.has_failed = false;
                let skip = self.retrials.skipped(now, !may_retry);
                if may_retry {
                    self.retrials.begin(now);
                }
                vec![Order::Start { skip }]
            }
            state if self.overdue_at().is_some_and(|at| now >= at) => vec![self.give_up(now, state)],
            State::Resting { .. } if may_retry && self.retrials.next().is_some_and(|at| now >= at) => {
                self.count(Restart::Retrial);
                self.pause(now, Duration::ZERO);
                vec![Order::Stop]
            }
            _ => Vec::new(),
        }
    }

    /// The probe was silent for too long.
    fn give_up(&mut self, now: Duration, state: State) -> Order {
        if self.working_since.is_none() {
            self.slow_starts += 1;
        }
        let State::Touching { gpu, .. } = state else {
            self.fail(now, Restart::Stuck);
            return Order::Abandon { at: None };
        };
        self.leave_alone(now, gpu);
        self.count(Restart::Stuck);
        // The others wait no longer than they have to.
        self.pause(now, Duration::ZERO);
        Order::Abandon { at: Some(gpu) }
    }

    fn leave_alone(&mut self, now: Duration, gpu: u32) {
        self.retrials.silent(now, gpu);
        self.suspect = None;
    }

    fn fail(&mut self, now: Duration, reason: Restart) {
        self.failures += 1;
        self.count(reason);
        self.pause(now, doubling(FIRST_PAUSE, LAST_PAUSE, self.failures));
    }

    fn count(&mut self, reason: Restart) {
        *self.restarts.entry(reason).or_insert(0) += 1;
    }

    fn pause(&mut self, now: Duration, pause: Duration) {
        self.state = State::Paused { until: now + pause };
    }
}

#[cfg(test)]
mod tests;

//! When to start, give up, skip and retry: the watchdog's decisions, without clock, process or pipe.
//!
//! Time is a [`Duration`] since an origin the caller chooses. The caller reports what it sees and carries out the
//! returned orders; all limits are in [`Limits`].

use std::collections::BTreeMap;
use std::time::Duration;

/// The limits a probe is held to.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    /// How long one GPU may be silent.
    pub(super) probe_timeout: Duration,
    /// How long the driver may take to initialise; it wakes each GPU then.
    pub(super) start_timeout: Duration,
    /// The pause between rounds.
    pub(super) sample_interval: Duration,
}

impl Limits {
    pub(super) fn new(probe_timeout: Duration, sample_interval: Duration) -> Self {
        Self { probe_timeout, start_timeout: probe_timeout * 6, sample_interval }
    }
}

/// Processes that were given up and have not gone yet. In uninterruptible sleep they can't be killed; more of them
/// would not learn more.
const MAX_ABANDONED: usize = 4;

/// Crashes in a row with the same GPU under the hand before it is skipped.
const CRASHES_TO_SKIP: u32 = 2;

/// A probe that worked this long has proven itself: the next failure starts from the first pause.
const PROVEN: Duration = Duration::from_mins(1);

/// Pauses before a probe is started again, by failures in a row.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LAST_PAUSE: Duration = Duration::from_mins(1);

/// Pauses before a skipped GPU is tried again, by failures in a row. A try costs the other GPUs one probe time-out.
const FIRST_RETRIAL: Duration = Duration::from_mins(1);
const LAST_RETRIAL: Duration = Duration::from_hours(1);

/// What the caller saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The driver is initialised.
    Initialised,
    /// The probe turns to this GPU.
    Touching(u32),
    /// A round is complete.
    Swept,
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

/// Why a probe had to be replaced: the `reason` label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Restart {
    /// Silent for too long.
    Stuck,
    /// Ended by itself, by a signal other than kill.
    Crash,
    /// Killed from outside.
    Killed,
    /// Left without a word.
    Exit,
    /// Had no driver to ask.
    Driver,
    /// Replaced to try a skipped GPU again.
    Retrial,
}

impl Restart {
    pub(crate) const ALL: [Self; 6] =
        [Self::Stuck, Self::Crash, Self::Killed, Self::Exit, Self::Driver, Self::Retrial];

    /// The label value.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Stuck => "stuck",
            Self::Crash => "crash",
            Self::Killed => "killed",
            Self::Exit => "exit",
            Self::Driver => "driver",
            Self::Retrial => "retrial",
        }
    }
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
    /// For the next round.
    Resting { since: Duration },
    /// For an administrator.
    Released,
}

/// Until when a GPU is skipped. GPUs are known by index here, since finding out more would mean calling them: should
/// the driver renumber its GPUs meanwhile, another one may be left out until the next retrial.
#[derive(Clone, Copy, Debug)]
struct Quarantine {
    retry_at: Duration,
    failures: u32,
}

/// The watchdog.
#[derive(Debug)]
pub(super) struct Watch {
    limits: Limits,
    state: State,
    quarantine: BTreeMap<u32, Quarantine>,
    /// Failures in a row of probes as a whole.
    failures: u32,
    /// When the present probe completed its first round.
    working_since: Option<Duration>,
    /// The GPU under the hand at the last crashes, and how many they were.
    suspect: Option<(u32, u32)>,
    /// The probe told its reason; its exit is no news.
    has_failed: bool,
    restarts: BTreeMap<Restart, u64>,
}

impl Watch {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            state: State::Paused { until: Duration::ZERO },
            quarantine: BTreeMap::new(),
            failures: 0,
            working_since: None,
            suspect: None,
            has_failed: false,
            restarts: BTreeMap::new(),
        }
    }

    /// The GPUs that are skipped now.
    #[cfg(test)]
    fn stuck(&self) -> Vec<u32> {
        self.quarantine.keys().copied().collect()
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
            State::Starting { since } => Some(since + self.limits.start_timeout),
            State::Touching { since, .. } => Some(since + self.limits.probe_timeout),
            State::Resting { since } => {
                let silent = since + self.limits.sample_interval + self.limits.probe_timeout;
                let retrial =
                    self.quarantine.values().map(|gpu| gpu.retry_at).min().filter(|_| abandoned == 0);
                Some(retrial.map_or(silent, |retrial| retrial.min(silent)))
            }
            State::Released => None,
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
                self.quarantine.clear();
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
            (Event::Swept, _) => {
                self.state = State::Resting { since: now };
                self.suspect = None;
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
            // A GPU on trial has used up its credit.
            if crashes >= CRASHES_TO_SKIP || self.quarantine.contains_key(&gpu) {
                self.quarantine(now, gpu);
            }
        }
        self.fail(now, reason);
    }

    /// Decides what the clock alone decides. `abandoned` processes are still there.
    pub(super) fn tick(&mut self, now: Duration, abandoned: usize) -> Vec<Order> {
        match self.state {
            State::Paused { until } if now >= until && abandoned < MAX_ABANDONED => {
                self.state = State::Starting { since: now };
                self.working_since = None;
                self.has_failed = false;
                vec![Order::Start { skip: self.skip(now, abandoned) }]
            }
            State::Starting { since } if now >= since + self.limits.start_timeout => {
                self.fail(now, Restart::Stuck);
                vec![Order::Abandon { at: None }]
            }
            State::Touching { gpu, since } if now >= since + self.limits.probe_timeout => {
                self.quarantine(now, gpu);
                self.count(Restart::Stuck);
                // The others wait no longer than they have to.
                self.pause(now, Duration::ZERO);
                vec![Order::Abandon { at: Some(gpu) }]
            }
            State::Resting { since }
                if now >= since + self.limits.sample_interval + self.limits.probe_timeout =>
            {
                self.fail(now, Restart::Stuck);
                vec![Order::Abandon { at: None }]
            }
            // While a process hangs in the driver, a retrial would only add another.
            State::Resting { .. } if abandoned == 0 && self.is_retrial_due(now) => {
                self.count(Restart::Retrial);
                self.pause(now, Duration::ZERO);
                vec![Order::Stop]
            }
            _ => Vec::new(),
        }
    }

    fn is_retrial_due(&self, now: Duration) -> bool {
        self.quarantine.values().any(|gpu| now >= gpu.retry_at)
    }

    /// The GPUs a probe started now leaves alone. One due for a retrial is tried, and stays quarantined until a round
    /// with it is complete.
    fn skip(&self, now: Duration, abandoned: usize) -> Vec<u32> {
        let skipped = |gpu: &Quarantine| abandoned > 0 || now < gpu.retry_at;
        self.quarantine.iter().filter(|(_, gpu)| skipped(gpu)).map(|(index, _)| *index).collect()
    }

    /// A complete round answered for this GPU: it is no longer skipped.
    pub(super) fn answered(&mut self, gpu: u32) {
        self.quarantine.remove(&gpu);
    }

    fn quarantine(&mut self, now: Duration, gpu: u32) {
        let failures = self.quarantine.get(&gpu).map_or(1, |gpu| gpu.failures + 1);
        let retry_at = now + doubling(FIRST_RETRIAL, LAST_RETRIAL, failures);
        self.quarantine.insert(gpu, Quarantine { retry_at, failures });
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

/// `first` for the first failure, then twice as long each time, up to `last`.
fn doubling(first: Duration, last: Duration, failures: u32) -> Duration {
    let factor = 2_u32.saturating_pow(failures.saturating_sub(1));
    first.saturating_mul(factor).min(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(5);
    const INTERVAL: Duration = Duration::from_secs(1);

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn watch() -> Watch {
        Watch::new(Limits::new(TIMEOUT, INTERVAL))
    }

    /// A watch whose probe was started at 0 and has completed a round.
    fn working() -> Watch {
        let mut watch = watch();
        assert_eq!(watch.tick(seconds(0), 0), [Order::Start { skip: vec![] }]);
        for event in [Event::Initialised, Event::Touching(0), Event::Touching(1), Event::Swept] {
            assert_eq!(watch.on(seconds(0), &event), []);
        }
        watch
    }

    #[test]
    fn a_silent_gpu_is_skipped_and_tried_again_later() {
        let mut watch = working();
        watch.on(seconds(1), &Event::Touching(0));
        watch.on(seconds(4), &Event::Touching(1));
        assert_eq!(watch.tick(seconds(8), 0), [], "GPU 1 has had four seconds");
        assert_eq!(watch.tick(seconds(9), 0), [Order::Abandon { at: Some(1) }]);
        assert_eq!(watch.tick(seconds(9), 1), [Order::Start { skip: vec![1] }], "at once");
        watch.on(seconds(10), &Event::Initialised);
        watch.on(seconds(10), &Event::Swept);
        assert_eq!((watch.stuck(), watch.restarts(Restart::Stuck)), (vec![1], 1));

        watch.on(seconds(69), &Event::Swept);
        assert_eq!(watch.tick(seconds(69), 1), [], "no retrial while the first process hangs");
        assert_eq!(watch.tick(seconds(69), 0), [Order::Stop]);
        assert_eq!(watch.tick(seconds(69), 0), [Order::Start { skip: vec![] }]);
        watch.on(seconds(70), &Event::Touching(1));
        assert_eq!(watch.tick(seconds(75), 0), [Order::Abandon { at: Some(1) }]);
        assert_eq!(watch.tick(seconds(75), 1), [Order::Start { skip: vec![1] }]);
        watch.on(seconds(76), &Event::Swept);
        assert_eq!(watch.deadline(0), Some(seconds(76) + INTERVAL + TIMEOUT));
        watch.on(seconds(194), &Event::Swept);
        assert_eq!(watch.deadline(0), Some(seconds(75 + 120)), "twice as long the second time");
    }

    #[test]
    fn a_gpu_that_answers_again_is_free() {
        let mut watch = working();
        watch.on(seconds(1), &Event::Touching(1));
        watch.tick(seconds(6), 0);
        assert_eq!(watch.stuck(), [1]);
        watch.answered(1);
        assert_eq!(watch.stuck(), [0; 0]);
    }

    #[test]
    fn one_crash_is_bad_luck_and_two_are_the_gpus() {
        let mut watch = working();
        watch.on(seconds(1), &Event::Touching(1));
        watch.on(seconds(1), &Event::Exited(Exit::Signal(11)));
        assert_eq!(watch.tick(seconds(1), 0), []);
        assert_eq!(watch.tick(seconds(2), 0), [Order::Start { skip: vec![] }], "after a pause");
        watch.on(seconds(2), &Event::Touching(1));
        watch.on(seconds(2), &Event::Exited(Exit::Signal(11)));
        assert_eq!(watch.tick(seconds(4), 0), [Order::Start { skip: vec![1] }], "after twice the pause");
        assert_eq!(watch.restarts(Restart::Crash), 2);
    }

    #[test]
    fn a_kill_from_outside_blames_no_gpu() {
        let mut watch = working();
        for round in 0..5 {
            let now = seconds(100 * (round + 1));
            watch.on(now, &Event::Touching(1));
            watch.on(now, &Event::Exited(Exit::Signal(9)));
            assert_eq!(watch.tick(now + LAST_PAUSE, 0), [Order::Start { skip: vec![] }]);
        }
        assert_eq!((watch.stuck(), watch.restarts(Restart::Killed)), (vec![], 5));
    }

    #[test]
    fn pauses_double_to_a_limit_and_a_proven_probe_resets_them() {
        let mut watch = watch();
        let mut now = seconds(0);
        let mut pauses = Vec::new();
        for _ in 0..8 {
            assert!(matches!(watch.tick(now, 0)[..], [Order::Start { .. }]));
            watch.on(now, &Event::Failed);
            watch.on(now, &Event::Exited(Exit::Code(0)));
            let next = watch.deadline(0).expect("a pause ends");
            pauses.push(next.saturating_sub(now).as_secs());
            now = next;
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(watch.restarts(Restart::Driver), 8);

        watch.tick(now, 0);
        watch.on(now, &Event::Swept);
        watch.on(now + PROVEN, &Event::Swept);
        watch.on(now + PROVEN, &Event::Exited(Exit::Code(1)));
        assert_eq!(watch.deadline(0), Some(now + PROVEN + FIRST_PAUSE));
    }

    #[test]
    fn initialising_may_take_longer_than_a_gpu() {
        let mut watch = watch();
        watch.tick(seconds(0), 0);
        assert_eq!(watch.deadline(0), Some(TIMEOUT * 6));
        assert!(!watch.is_working());
        assert_eq!(watch.tick(TIMEOUT * 6, 0), [Order::Abandon { at: None }]);
        assert_eq!(watch.stuck(), [0; 0]);
    }

    #[test]
    fn abandoned_processes_are_bounded() {
        let mut watch = watch();
        assert_eq!(watch.tick(seconds(0), MAX_ABANDONED), []);
        assert_eq!(watch.deadline(MAX_ABANDONED), None);
        assert_eq!(watch.tick(seconds(1), MAX_ABANDONED - 1), [Order::Start { skip: vec![] }]);
    }

    #[test]
    fn released_means_no_probe_until_acquired() {
        let mut watch = working();
        watch.on(seconds(1), &Event::Touching(1));
        assert_eq!(watch.tick(seconds(6), 0), [Order::Abandon { at: Some(1) }]);
        assert_eq!(watch.on(seconds(6), &Event::Release), [], "there is no probe to stop");
        assert_eq!((watch.tick(seconds(999), 0), watch.deadline(0)), (vec![], None));
        assert_eq!(watch.on(seconds(999), &Event::Release), []);
        watch.on(seconds(999), &Event::Acquire);
        assert_eq!(watch.tick(seconds(999), 0), [Order::Start { skip: vec![] }], "all GPUs get a new chance");
        assert_eq!(watch.on(seconds(1000), &Event::Release), [Order::Stop]);
    }
}

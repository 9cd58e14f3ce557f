//! Which probe reads which GPU, and when a probe is started, given up or sent away: the decisions, without clock, process or pipe.
//!
//! In quiet times one probe reads all GPUs. The rules for the rest:
//!
//! 1. A call that keeps the probe's other GPUs waiting beyond [`Limits::patience`] costs its own GPU alone: the others get a probe
//!    each, all at once, so that any number of GPUs that hang is found in the time of one.
//! 2. A GPU that is silent for the time-out is stuck; one that was never read has six times as long, since it may have to be woken. Its process is killed, and it is tried again in a process of its own, less
//!    and less often. The others are not touched by that.
//! 3. A GPU passes to a newer probe when that one has read it, never before. A probe that has no GPU left leaves.
//! 4. GPUs that have answered apart for a while share one probe again.
//! 5. A GPU whose process cannot be killed gets no other until that one is gone.
//!
//! So there are at most two processes for each GPU (its reader, and one that tries or is to take over), and those that hang in the
//! driver itself ([`MOST_HANGING`]). Time is a [`Duration`] since an origin the caller chooses. The caller reports what it sees and
//! carries out the orders. What the clock alone decides is in `clock`.

mod clock;
mod event;
mod gpu;
mod probe;

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::time::Duration;

pub(super) use self::event::{Event, Exit, Order};
use self::gpu::Gpu;
use self::probe::{Probe, Standing, State};
use super::limits::{FIRST_PAUSE, Limits, pause};
use crate::gpu::restart::Restart;

/// Processes that hang in the driver itself, not in a call to a GPU, and cannot be killed. More of them would not learn more, so no
/// other is started before one is gone.
const MOST_HANGING: usize = 4;

/// Crashes in a row in calls to the same GPU before it counts as stuck.
const CRASHES_TO_SKIP: u32 = 2;

/// After this long without a failure, the next one is the first again.
const PROVEN: Duration = Duration::from_mins(1);

/// The watch.
#[derive(Debug)]
pub(super) struct Watch {
    limits: Limits,
    /// An administrator has the driver.
    is_released: bool,
    /// While no GPU is listed: when a probe for all of them is started.
    starts_at: Duration,
    /// By number; those that were killed or asked to leave are no longer here.
    probes: BTreeMap<u64, Probe>,
    /// Those that the driver lists, by index.
    gpus: BTreeMap<u32, Gpu>,
    /// Probes that left us in the middle of a call and are not gone yet, with the GPU that was called; `None` is the driver.
    hanging: BTreeMap<u64, Option<u32>>,
    unlisted: Unlisted,
    /// The number of the probe started last.
    last_probe: u64,
    /// Ends of probes in a row, and when the last one was.
    failures: u32,
    failed_at: Duration,
    /// Probes in a row that the driver kept waiting for too long.
    slow_starts: u32,
    restarts: BTreeMap<Restart, u64>,
    orders: Vec<Order>,
}

/// GPUs on the PCI bus that the driver should list and does not. It lists those that were there when it was initialised, so now and
/// then a new process is asked for its list.
#[derive(Debug, Default)]
struct Unlisted {
    addresses: BTreeSet<String>,
    failures: u32,
    due: Duration,
}

impl Watch {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            is_released: false,
            starts_at: Duration::ZERO,
            probes: BTreeMap::new(),
            gpus: BTreeMap::new(),
            hanging: BTreeMap::new(),
            unlisted: Unlisted::default(),
            last_probe: 0,
            failures: 0,
            failed_at: Duration::ZERO,
            slow_starts: 0,
            restarts: BTreeMap::new(),
            orders: Vec::new(),
        }
    }

    pub(super) fn is_released(&self) -> bool {
        self.is_released
    }

    /// True while a probe has initialised the driver.
    pub(super) fn is_working(&self) -> bool {
        self.probes.values().any(|probe| !matches!(probe.state, State::Starting { .. }))
    }

    /// Whether another probe than this one has the driver.
    pub(super) fn is_another_working(&self, probe: u64) -> bool {
        let works = |(number, other): (&u64, &Probe)| {
            *number != probe && !other.has_failed() && !matches!(other.state, State::Starting { .. })
        };
        self.probes.iter().any(works)
    }

    /// Whether what this probe says of the GPU counts.
    pub(super) fn is_reader(&self, probe: u64, gpu: u32) -> bool {
        self.gpus.get(&gpu).is_some_and(|known| known.reader == Some(probe))
    }

    /// Whether an XID that this probe heard counts. Several may be registered for a GPU; the one that has read it last is.
    pub(super) fn hears_xids(&self, probe: u64, gpu: u32) -> bool {
        let Some(reader) = self.gpus.get(&gpu).and_then(|known| known.reader) else { return true };
        reader == probe || self.probes.get(&reader).is_none_or(|reader| !reader.has_answered)
    }

    /// Probes replaced so far.
    pub(super) fn restarts(&self, reason: Restart) -> u64 {
        self.restarts.get(&reason).copied().unwrap_or(0)
    }

    /// An administrator wants the driver free.
    pub(super) fn release(&mut self) -> Vec<Order> {
        self.is_released = true;
        self.leave_all();
        mem::take(&mut self.orders)
    }

    /// An administrator gives the driver back, and has done something about the GPUs: all get a new chance.
    pub(super) fn acquire(&mut self, now: Duration) {
        if mem::take(&mut self.is_released) {
            (self.starts_at, self.failures, self.unlisted) = (now, 0, Unlisted::default());
        }
    }

    /// These PCI addresses have GPUs that the driver does not list.
    pub(super) fn unlisted(&mut self, now: Duration, addresses: BTreeSet<String>) {
        if addresses != self.unlisted.addresses {
            self.unlisted = Unlisted { addresses, failures: 1, due: now + self.limits.retrial(1) };
        }
    }

    /// A process that was killed or asked to leave is gone.
    pub(super) fn gone(&mut self, probe: u64) {
        self.hanging.remove(&probe);
    }

    /// Takes note of what a probe did. What one says that was sent away counts no more.
    pub(super) fn on(&mut self, now: Duration, probe: u64, event: &Event) -> Vec<Order> {
        if let Some(speaker) = self.probes.get_mut(&probe) {
            match event {
                Event::Initialised => speaker.state = State::Resting { since: now },
                Event::Listed(count) => self.listed(now, probe, *count),
                Event::Touching(gpu) => {
                    let is_back = speaker.is_stalled() && speaker.touched() != Some(*gpu);
                    speaker.state = State::Touching { gpu: *gpu, since: now };
                    if is_back {
                        self.replace_stalled(now, probe);
                    }
                }
                Event::Told { gpu, is_read } => {
                    speaker.state = State::Resting { since: now };
                    speaker.has_answered |= is_read;
                    if speaker.is_stalled() {
                        self.replace_stalled(now, probe);
                    } else if speaker.gpus.contains(gpu) {
                        self.told(now, probe, *gpu, *is_read);
                    }
                }
                Event::Swept => {
                    speaker.state = State::Resting { since: now };
                    self.slow_starts = 0;
                }
                Event::Failed => speaker.standing = Standing::Failed,
                Event::Exited(exit) => self.exited(now, probe, *exit),
                Event::NotStarted => self.exited(now, probe, Exit::Code(1)),
            }
        }
        mem::take(&mut self.orders)
    }

    fn listed(&mut self, now: Duration, probe: u64, count: u32) {
        let is_news = self.gpus.keys().copied().ne(0..count);
        let Some(speaker) = self.probes.get_mut(&probe) else { return };
        if speaker.takes_all {
            if is_news || count == 0 {
                speaker.gpus = (0..count).collect();
                self.gpus = (0..count).map(|gpu| (gpu, Gpu::read_by(probe))).collect();
                self.orders.push(Order::List { count });
                let others: Vec<_> = self.probes.keys().copied().filter(|other| *other != probe).collect();
                for other in others {
                    self.leave(other);
                }
            }
        } else if is_news {
            // A GPU was added or has gone. The others have other indices now, so all begin anew.
            self.leave_all();
            self.starts_at = now;
        } else if speaker.gpus.is_empty() {
            // It was asked for its list only.
            self.leave(probe);
        }
    }

    fn told(&mut self, now: Duration, probe: u64, gpu: u32, is_read: bool) {
        let Some(known) = self.gpus.get_mut(&gpu) else { return };
        if is_read {
            let before = known.reader.replace(probe);
            if known.state != gpu::State::Answers {
                known.state = gpu::State::Answers;
                known.wait(now, &self.limits);
            }
            known.crashes = 0;
            if let Some(before) = before.filter(|before| *before != probe) {
                self.take_from(before, gpu);
            }
            if now.saturating_sub(self.failed_at) >= PROVEN {
                self.failures = 0;
            }
        } else if known.reader != Some(probe) {
            // A new process sees no more than the one before it.
            self.take_from(probe, gpu);
        } else if known.state != gpu::State::Fails {
            known.state = gpu::State::Fails;
            known.fail(now, &self.limits);
        }
    }

    /// The GPU is no longer this probe's.
    fn take_from(&mut self, probe: u64, gpu: u32) {
        if let Some(other) = self.probes.get_mut(&probe) {
            other.gpus.remove(&gpu);
            if other.gpus.is_empty() {
                self.leave(probe);
            }
        }
    }

    /// A probe goes on that had to give up its other GPUs, and would ask for all of them again.
    fn replace_stalled(&mut self, now: Duration, probe: u64) {
        for known in self.gpus.values_mut().filter(|known| known.reader == Some(probe)) {
            known.reader = None;
            known.due = now;
        }
        self.leave(probe);
    }

    fn exited(&mut self, now: Duration, probe: u64, exit: Exit) {
        const SIGKILL: i32 = 9;
        let Some(gone) = self.probes.remove(&probe) else { return };
        let reason = match exit {
            _ if gone.has_failed() => Restart::Driver,
            Exit::Signal(SIGKILL) => Restart::Killed,
            Exit::Signal(_) => Restart::Crash,
            Exit::Code(_) => Restart::Exit,
            Exit::Lingering => Restart::Stuck,
        };
        self.count(reason);
        let start = now + self.pause(now, gone.has_answered);
        if reason == Restart::Driver && !self.is_another_working(probe) {
            // Nobody has the driver any more.
            self.leave_all();
        }
        self.starts_at = start;
        let suspect = gone.touched().filter(|gpu| reason == Restart::Crash && self.is_reader(probe, *gpu));
        self.set_free(now, probe, &gone.gpus, start);
        if let Some((index, known)) = suspect.and_then(|gpu| Some((gpu, self.gpus.get_mut(&gpu)?))) {
            known.is_apart = true;
            known.crashes += 1;
            known.due = now + FIRST_PAUSE;
            // A GPU on trial counts as stuck at its first crash.
            if known.crashes >= CRASHES_TO_SKIP || known.state == gpu::State::Stuck {
                known.fail(now, &self.limits);
                known.state = gpu::State::Stuck;
                self.orders.push(Order::Stuck { gpu: index });
            }
        }
    }

    /// A probe that had these GPUs is no more. Those that it read get another at `start`.
    fn set_free(&mut self, now: Duration, probe: u64, gpus: &BTreeSet<u32>, start: Duration) {
        for gpu in gpus {
            let Some(known) = self.gpus.get_mut(gpu) else { continue };
            if known.reader == Some(probe) {
                (known.reader, known.due) = (None, start);
            } else {
                // It was to pass to this probe, and stays with its own for now.
                known.is_apart = true;
                known.wait(now, &self.limits);
            }
        }
    }

    /// The pause after a probe that ended.
    fn pause(&mut self, now: Duration, has_answered: bool) -> Duration {
        self.failures += 1;
        self.failed_at = now;
        pause(self.failures, has_answered)
    }

    fn start(&mut self, now: Duration, gpus: Option<Vec<u32>>) {
        self.last_probe += 1;
        self.probes.insert(self.last_probe, Probe::started(now, gpus.as_deref()));
        self.orders.push(Order::Start { probe: self.last_probe, gpus });
    }

    fn leave(&mut self, probe: u64) {
        if let Some(leaving) = self.probes.remove(&probe) {
            if let Some(gpu) = leaving.touched() {
                self.hanging.insert(probe, Some(gpu));
            }
            self.orders.push(Order::Leave { probe });
        }
    }

    fn leave_all(&mut self) {
        let all: Vec<_> = self.probes.keys().copied().collect();
        for probe in all {
            self.leave(probe);
        }
        self.gpus.clear();
    }

    fn kill(&mut self, probe: u64, gpu: Option<u32>) {
        self.probes.remove(&probe);
        self.hanging.insert(probe, gpu);
        self.count(Restart::Stuck);
        self.orders.push(Order::Kill { probe, gpu });
    }

    fn count(&mut self, reason: Restart) {
        *self.restarts.entry(reason).or_insert(0) += 1;
    }
}

#[cfg(test)]
mod tests;

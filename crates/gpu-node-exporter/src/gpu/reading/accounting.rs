//! What the driver has counted of each process since it began, where its accounting mode is on
//! (`nvidia-smi --accounting-mode=1`).
//!
//! The only figures of a process that hold what happened between two looks: the most memory it ever held, and from R610 on a count of samples
//! with the share of each in which its kernels ran. Owns reading them of the processes that are on the GPU now, every five seconds, and how many
//! processes the driver keeps figures of. Their series are made where processes have names (`holders`).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::modes::accounting_mode;
use super::processes;
use crate::family::Family;
use crate::gpu::delta::Diff;
use crate::gpu::nvml::raw::{self, AccountedProcess};
use crate::gpu::nvml::{Ask, Cached, Device, NvmlError, count};
use crate::gpu::subject::{Shown, Subject, each};
use crate::units::{Bytes, Ratio, Seconds};

/// The accounting of one GPU; all of it is unknown where the mode is off.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Accounting {
    /// Processes that there are figures of, those that have ended among them.
    kept: Option<u32>,
    /// Processes that there can be figures of; then the oldest are forgotten.
    room: Option<u32>,
    /// By process number, of those that run.
    pub(crate) processes: BTreeMap<u32, Figures>,
}

/// The figures of one process, since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Figures {
    /// Share of its life in which its kernels ran.
    pub(crate) busy: Option<Ratio>,
    /// Share of its life in which it read or wrote memory.
    pub(crate) memory_busy: Option<Ratio>,
    pub(crate) max_memory: Option<Bytes>,
    /// Since 1970.
    pub(crate) started: Option<Seconds>,
    /// Samples that the driver took.
    pub(crate) samples: Option<u64>,
    /// The same, each by the share of it in which kernels of the process ran.
    pub(crate) busy_samples: Option<f64>,
}

/// All of it travels when anything has changed, since nearly all does every five seconds.
impl Diff for Accounting {
    type Delta = Self;

    fn diff(&self, before: &Self) -> Option<Self> {
        (self != before).then(|| self.clone())
    }

    fn apply(&mut self, delta: Self) {
        *self = delta;
    }
}

/// The readings. While the mode is off the driver refuses them, which is no fault.
const LIST: &str = "processes with accounting";
const ROOM: &str = "room for accounting";
const FIGURES: &str = "accounting of a process";

impl Subject for Accounting {
    type Kept = Cached<Self>;
    type Sums = ();

    fn read(ask: &mut Ask<'_>, kept: &mut Self::Kept) -> Self {
        kept.seldom(ask, |ask| {
            if accounting_mode(ask) != Some(true) {
                return Self::default();
            }
            let room = ask.ask_each_time(ROOM, Device::accounting_buffer_size);
            let list = ask.ask_each_time(LIST, raw::accounted_processes);
            let list = list.and_then(|list| match list {
                Ok(list) => Some(list),
                Err(number) => ask.meaning(LIST, number, |_| None),
            });
            let accounted: BTreeSet<_> = list.iter().flatten().copied().collect();
            let running = processes::list(ask).unwrap_or_default().into_keys();
            let accounted_too = running.filter(|pid| accounted.contains(pid));
            Self {
                kept: list.as_ref().and_then(|list| u32::try_from(list.len()).ok()),
                room: room
                    .and_then(|room| ask.meaning(ROOM, room, |room| (room != u32::MAX).then_some(room))),
                processes: accounted_too.filter_map(|pid| Some((pid, figures(ask, pid)?))).collect(),
            }
        })
    }

    fn families(gpus: &[Shown<'_, Self>]) -> Vec<Family> {
        vec![
            each(
                Family::gauge(
                    "gpu_accounting_processes",
                    "Processes that the driver has figures of by its accounting mode, those that have ended among them.",
                ),
                gpus,
                |gpu| gpu.reading.kept,
            ),
            each(
                Family::gauge(
                    "gpu_accounting_max_processes",
                    "Processes that the driver has room for in its accounting; beyond it the oldest are forgotten.",
                ),
                gpus,
                |gpu| gpu.reading.room,
            ),
        ]
    }
}

/// The figures of a process; `None` when there are none any more, or only those of another that had its number.
fn figures(ask: &mut Ask<'_>, pid: u32) -> Option<Figures> {
    let answer = ask.ask_each_time(FIGURES, |device| match raw::accounted_process(device, pid) {
        Err(NvmlError::NotFound) => Ok(None),
        answer => answer.map(Some),
    });
    let process = answer.flatten().filter(|process| process.is_running)?;
    Some(meaning(ask, process))
}

fn meaning<D>(ask: &mut Ask<'_, D>, process: AccountedProcess) -> Figures {
    // All bits set say that there is no such figure (nvml.h).
    let mut share = |percent: u32| {
        (percent != u32::MAX).then(|| ask.meaning(FIGURES, percent, Ratio::from_percent)).flatten()
    };
    let (busy, memory_busy) = (share(process.busy), share(process.memory_busy));
    let started = count(process.started).filter(|started| *started > 0);
    let samples = process.samples.filter(|(taken, busy)| *taken != u32::MAX && count(*busy).is_some());
    // No sample is busier than all the time.
    let is_possible = |(taken, busy)| (busy <= u64::from(taken) * 10_000).then_some((u64::from(taken), busy));
    let samples = samples.and_then(|samples| ask.meaning(FIGURES, samples, is_possible));
    #[expect(
        clippy::cast_precision_loss,
        reason = "sums of percents and microseconds since 1970 are far below 2^53"
    )]
    let (started, busy_samples) = (
        started.map(|microseconds| Seconds(microseconds as f64 / 1e6)),
        samples.map(|(_, busy)| busy as f64 / 10_000.0),
    );
    Figures {
        busy,
        memory_busy,
        max_memory: count(process.max_memory).map(Bytes),
        started,
        samples: samples.map(|(taken, _)| taken),
        busy_samples,
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::gpu::nvml::{Moment, Support};

    #[test]
    fn figures_that_there_are_not_are_absent_and_impossible_ones_are_faults() {
        let process = AccountedProcess {
            is_running: true,
            busy: 40,
            memory_busy: 20,
            max_memory: 100,
            started: 1_500_000,
            samples: Some((10, 45_000)),
        };
        let figures = Figures {
            busy: Some(Ratio(0.4)),
            memory_busy: Some(Ratio(0.2)),
            max_memory: Some(Bytes(100)),
            started: Some(Seconds(1.5)),
            samples: Some(10),
            busy_samples: Some(4.5),
        };
        let (none, unsampled) = (u32::MAX, Figures { samples: None, busy_samples: None, ..figures });
        for (what, process, expected, faults) in [
            ("all", process, figures, 0),
            ("before R610", AccountedProcess { samples: None, ..process }, unsampled, 0),
            (
                "not available",
                AccountedProcess { busy: none, ..process },
                Figures { busy: None, ..figures },
                0,
            ),
            ("no samples", AccountedProcess { samples: Some((10, u64::MAX)), ..process }, unsampled, 0),
            (
                "a percent too much",
                AccountedProcess { busy: 101, ..process },
                Figures { busy: None, ..figures },
                1,
            ),
            ("busier than ever", AccountedProcess { samples: Some((1, 10_001)), ..process }, unsampled, 1),
            (
                "no memory, no time",
                AccountedProcess { max_memory: u64::MAX, started: 0, ..process },
                Figures { max_memory: None, started: None, ..figures },
                0,
            ),
        ] {
            let mut support = Support::default();
            let moment = Moment { now: Instant::now(), events: 0, losses: 0, longest_gap: Duration::ZERO };
            let mut ask = Ask::new(&(), &mut support, moment);
            ask.ask("another reading", |()| Ok(1));
            assert_eq!(meaning(&mut ask, process), expected, "{what}");
            assert_eq!(ask.into_faults().map(|faults| faults.len()), Ok(faults), "{what}");
        }
    }
}

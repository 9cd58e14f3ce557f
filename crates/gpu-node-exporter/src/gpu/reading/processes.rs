//! The processes on a GPU: memory and share of the SMs of each, by its number on the machine.
//!
//! Who they are is not the driver's to say: that is looked up in the exporter's own process. The lists are read every few seconds, the
//! shares in each sweep. In MIG mode the driver gives no shares.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::family::Family;
use crate::gpu::delta::Diff;
use crate::gpu::nvml::raw::{self, ListedProcess, ProcessList, ProcessSample};
use crate::gpu::nvml::{Ask, Cached, NvmlError, count};
use crate::gpu::subject::{Shown, Subject, each};
use crate::units::{Bytes, Ratio};

/// What one process uses of one GPU. What the driver cannot say is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ProcessUse {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) memory: Option<Bytes>,
    /// Share of time in which its kernels ran on an SM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sm: Option<Ratio>,
    /// In MIG mode.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) gpu_instance: Option<u32>,
}

/// The processes of one GPU.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Processes {
    /// By process number; `None` where the driver gives no list.
    pub(crate) listed: Option<BTreeMap<u32, ProcessUse>>,
}

/// All of them travel when anything of them has changed: while a GPU works, their shares change with each sweep.
impl Diff for Processes {
    type Delta = Self;

    fn diff(&self, before: &Self) -> Option<Self> {
        (self != before).then(|| self.clone())
    }

    fn apply(&mut self, delta: Self) {
        *self = delta;
    }
}

/// The lists, with the names of their readings.
const LISTS: [(ProcessList, &str); 3] = [
    (ProcessList::Compute, "compute processes"),
    (ProcessList::Graphics, "graphics processes"),
    (ProcessList::Mps, "MPS processes"),
];

/// The reading of what each process keeps busy.
const UTILISATION: &str = "utilisation by process";

/// The driver keeps samples of a sixth of a second to a second: those of the last second have one of each process that was active.
const WINDOW: Duration = Duration::from_secs(1);

impl Subject for Processes {
    type Kept = Cached<Option<BTreeMap<u32, ProcessUse>>>;
    type Sums = ();

    fn read(ask: &mut Ask<'_>, kept: &mut Self::Kept) -> Self {
        let mut listed = kept.seldom(ask, list);
        if let Some(processes) = listed.as_mut().filter(|processes| !processes.is_empty()) {
            let shares = shares(ask);
            for (pid, process) in processes {
                // One that was not active has no sample.
                process.sm = shares.as_ref().and_then(|shares| match shares.get(pid) {
                    Some(share) => *share,
                    None => Some(Ratio(0.0)),
                });
            }
        }
        Self { listed }
    }

    fn families(gpus: &[Shown<'_, Self>]) -> Vec<Family> {
        let listed = |gpu: &Shown<'_, Self>| gpu.reading.listed.as_ref().map(|listed| listed.len() as u64);
        vec![each(
            Family::gauge("gpu_processes", "Processes on the GPU, as far as the driver shows them."),
            gpus,
            listed,
        )]
    }
}

/// All processes; `None` also when one of the lists cannot be read, since a part of them is not all.
pub(super) fn list(ask: &mut Ask<'_>) -> Option<BTreeMap<u32, ProcessUse>> {
    let (mut processes, mut is_complete) = (None, true);
    for (list, name) in LISTS {
        match ask.ask(name, |device| raw::processes(device, list)) {
            Some(Ok(listed)) => merge(processes.get_or_insert_default(), listed),
            Some(Err(number)) => is_complete &= ask.meaning(name, number, |_| None::<()>).is_some(),
            None => is_complete &= ask.lacks(name),
        }
    }
    processes.filter(|_| is_complete)
}

/// A process that computes and draws is in two lists, each time with all its memory.
fn merge(processes: &mut BTreeMap<u32, ProcessUse>, listed: Vec<ListedProcess>) {
    for process in listed {
        // In a container with process numbers of its own, another's process may have none.
        if process.pid != 0 {
            let known = processes.entry(process.pid).or_default();
            known.memory = known.memory.max(process.memory.and_then(count).map(Bytes));
            known.gpu_instance = known.gpu_instance.or(process.gpu_instance);
        }
    }
}

/// The shares of the processes that were active; `None` where the driver gives none.
fn shares(ask: &mut Ask<'_>) -> Option<BTreeMap<u32, Option<Ratio>>> {
    let since = (SystemTime::now() - WINDOW).duration_since(UNIX_EPOCH).unwrap_or_default();
    let since = u64::try_from(since.as_micros()).unwrap_or(0);
    let answer = ask.ask(UTILISATION, |device| match raw::process_samples(device, since) {
        Err(NvmlError::NotFound) => Ok(Ok(Vec::new())),
        answer => answer,
    })?;
    match answer {
        Ok(samples) => Some(
            newest(samples)
                .into_iter()
                .map(|(pid, sample)| (pid, ask.meaning(UTILISATION, sample.sm, Ratio::from_percent)))
                .collect(),
        ),
        Err(number) => ask.meaning(UTILISATION, number, |_| None),
    }
}

/// The newest sample of each process.
fn newest(samples: Vec<ProcessSample>) -> BTreeMap<u32, ProcessSample> {
    let mut newest: BTreeMap<u32, ProcessSample> = BTreeMap::new();
    for sample in samples {
        let known = newest.entry(sample.pid).or_insert(sample);
        if sample.time > known.time {
            *known = sample;
        }
    }
    newest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_of_two_lists_counts_once_with_what_is_known() {
        let process = |pid, memory, gpu_instance| ListedProcess { pid, memory, gpu_instance };
        let mut processes = BTreeMap::new();
        merge(
            &mut processes,
            vec![process(7, Some(100), None), process(8, None, Some(2)), process(0, Some(1), None)],
        );
        merge(&mut processes, vec![process(7, Some(100), None), process(8, Some(50), None)]);
        let expected =
            |memory, gpu_instance| ProcessUse { memory: Some(Bytes(memory)), sm: None, gpu_instance };
        assert_eq!(processes, BTreeMap::from([(7, expected(100, None)), (8, expected(50, Some(2)))]));
    }

    #[test]
    fn the_newest_sample_of_a_process_counts() {
        let sample = |pid, time, sm| ProcessSample { pid, time, sm };
        let newest = newest(vec![sample(7, 2, 20), sample(7, 3, 30), sample(7, 1, 10), sample(8, 1, 80)]);
        assert_eq!(newest.values().map(|sample| sample.sm).collect::<Vec<_>>(), [30, 80]);
    }
}

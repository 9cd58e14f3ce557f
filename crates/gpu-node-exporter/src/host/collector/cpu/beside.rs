//! What is read beside the times: sysfs and `/proc/cpuinfo`.
//!
//! Firmware and every CPU have a word in these, so they may take long or hang: they are read by a thread of their own, and the times
//! come without them then. What they say is `devices.rs`'s and `info.rs`'s.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::devices::CpuDevices;
use super::info::CpuInfo;
use crate::collector::{Collected, Fault};
use crate::detached::{Detached, Patience};
use crate::host::kept_file::Buffer;

/// What is read as a whole: a file that hangs costs its part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Part {
    Devices,
    Info,
}

pub(super) struct Beside {
    parts: Vec<Part>,
    /// How often the CPUs in `/proc/stat` were others.
    changes: Arc<AtomicU64>,
    reading: Detached<Part, Collected>,
}

/// Together with the pause after it this is less than a second, after which the whole collector would count as one that hangs.
const PATIENCE: Patience = Patience { first: Duration::from_millis(500), next: Duration::from_millis(20) };

impl Beside {
    /// No file is opened before the first reading.
    pub(super) fn new(devices: CpuDevices, info: Option<CpuInfo>) -> Self {
        let parts = [Some(Part::Devices), info.as_ref().map(|_| Part::Info)].into_iter().flatten().collect();
        let changes = Arc::new(AtomicU64::new(0));
        let seen = Arc::clone(&changes);
        // Each part is locked for as long as it is read, and is not asked for again before that.
        let devices = Mutex::new((devices, 0, Buffer::default()));
        let info = Mutex::new((info, Buffer::default()));
        let read = move |part: &Part| match part {
            Part::Devices => {
                let (devices, scanned, buffer) = &mut *devices.lock().unwrap_or_else(PoisonError::into_inner);
                let changes = seen.load(Ordering::Relaxed);
                let before = std::mem::replace(scanned, changes);
                devices.read(changes != before, buffer)
            }
            Part::Info => {
                let (info, buffer) = &mut *info.lock().unwrap_or_else(PoisonError::into_inner);
                info.as_mut().map_or_else(Collected::default, |info| info.read(buffer))
            }
        };
        Self { parts, changes, reading: Detached::new("read-cpu", PATIENCE, read) }
    }

    /// The CPUs are others: what sysfs has of them is looked for again at the next reading.
    pub(super) fn cpus_changed(&self) {
        self.changes.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn read(&mut self) -> Collected {
        let mut collected = Collected::default();
        for (part, answer) in self.parts.iter().zip(self.reading.ask(self.parts.clone())) {
            collected.extend(answer.unwrap_or_else(|| Collected::failed(late(*part))));
        }
        collected
    }
}

fn late(part: Part) -> Fault {
    Fault::new(match part {
        Part::Devices => "what sysfs says about the CPUs did not come in time",
        Part::Info => "/proc/cpuinfo did not come in time",
    })
}

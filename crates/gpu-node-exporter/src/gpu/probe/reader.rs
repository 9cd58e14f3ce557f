//! One GPU, asked for everything once, and what is kept of each GPU between sweeps.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::heard::{Heard, News};
use super::settings::ProbeSettings;
use crate::gpu::fault::FaultReason;
use crate::gpu::frame::{GpuSweep, Outcome};
use crate::gpu::nvml::{Ask, Library, Moment, Support};
use crate::gpu::reading::{Kept, Reading, Subjects};

/// Reads GPUs, and keeps from sweep to sweep what need not be asked again.
pub(super) struct Reader {
    /// By UUID.
    gpus: BTreeMap<String, KnownGpu>,
    /// Time without readings beyond this is not filled in.
    longest_gap: Duration,
    /// Events so far: what one changes is looked at anew.
    heard: Arc<Heard>,
}

/// One GPU that was asked before.
#[derive(Default)]
struct KnownGpu {
    support: Support,
    /// Where it was when it was asked last.
    index: u32,
    /// How often it was found not to answer.
    losses: u32,
    news: News,
    kept: Kept,
}

impl Reader {
    pub(super) fn new(longest_gap: Duration, heard: Arc<Heard>) -> Self {
        Self { gpus: BTreeMap::new(), longest_gap, heard }
    }

    /// Asks the GPU at this index. A probe that asks once lists the names of what it does not have.
    pub(super) fn read(&mut self, library: &Library, index: u32, settings: &ProbeSettings) -> GpuSweep {
        let outcome = match self.reading(library, index, settings) {
            Ok(reading) => Outcome::Read(Arc::new(reading)),
            Err(reason) => {
                self.lose(index);
                Outcome::Failed(reason)
            }
        };
        GpuSweep { index, outcome }
    }

    fn reading(
        &mut self,
        library: &Library,
        index: u32,
        settings: &ProbeSettings,
    ) -> Result<Reading, FaultReason> {
        let (device, uuid) = library.gpu(index)?;
        let gpu = self.gpus.entry(uuid.clone()).or_default();
        gpu.index = index;
        let now = Instant::now();
        let events = gpu.losses.wrapping_add(gpu.news.times(self.heard.of(&uuid), now));
        let moment = Moment { now, events, losses: gpu.losses, longest_gap: self.longest_gap };
        let mut ask = Ask::new(&device, &mut gpu.support, moment);
        let subjects = Subjects::read(&mut ask, &mut gpu.kept, settings.profile);
        let faults = ask.into_faults()?;
        let unsupported =
            if settings.once { gpu.support.refusals().map(str::to_owned).collect() } else { Vec::new() };
        Ok(Reading { uuid, subjects, faults, unsupported })
    }

    /// The GPU at this index does not answer. One that is lost does not even say which it is.
    fn lose(&mut self, index: u32) {
        for gpu in self.gpus.values_mut().filter(|gpu| gpu.index == index) {
            gpu.losses = gpu.losses.wrapping_add(1);
        }
    }
}

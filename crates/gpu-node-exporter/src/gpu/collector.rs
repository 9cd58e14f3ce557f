//! The `gpu` collector: the last snapshot as families, with what is wrong with it.

use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;

use super::families::{self, Lasting, View};
use super::faults::{COLLECTOR, faults};
use super::holders::{self, Dropped, Holders};
use super::pods::{self, Pods};
use super::runtime::{self, ContainerNames};
use super::settings::GpuSettings;
use super::snapshot::Snapshot;
use crate::collector::{Collected, Collector};

/// About as many as there are beside those that last, so that they need not be moved.
const FAMILIES: usize = 48;

/// Reads what was published of the GPUs and of who holds them, and nothing else.
pub(super) struct GpuCollector {
    pub(super) settings: GpuSettings,
    pub(super) snapshot: Arc<ArcSwap<Snapshot>>,
    pub(super) holders: Arc<ArcSwap<Holders>>,
    /// Families of the last reading that may still hold.
    pub(super) lasting: Lasting,
    pub(super) pods: Arc<ArcSwap<Pods>>,
    pub(super) container_names: Arc<ArcSwap<ContainerNames>>,
    /// Series that pages had no room for.
    pub(super) dropped: Dropped,
    pub(super) expects_all_pci_gpus: bool,
}

impl Collector for GpuCollector {
    fn name(&self) -> &'static str {
        COLLECTOR
    }

    /// By the supervisor, which sees each sweep.
    fn logs_its_faults(&self) -> bool {
        true
    }

    fn collect(&mut self) -> Collected {
        let (snapshot, now) = (self.snapshot.load(), Instant::now());
        let view = View { now, settings: &self.settings, expects_all_pci_gpus: self.expects_all_pci_gpus };
        let mut families = Vec::with_capacity(FAMILIES);
        families.extend(families::families(&snapshot, view, &mut self.lasting));
        let (holders, pods, names) = (self.holders.load(), self.pods.load(), self.container_names.load());
        let left_out = [(pods::INFO, pods.left_out(now)), (runtime::INFO, names.left_out())];
        for (family, series) in left_out {
            // Where nobody asked for these there is nothing to count.
            if let Some(series) = series {
                self.dropped.count(family, series);
            }
        }
        families.extend(holders::families(&snapshot, &holders, &self.settings, now, &mut self.dropped));
        families.extend(pods::families(&pods, now));
        families.extend(runtime::families(&names, &holders));
        let faults = faults(&self.settings, &snapshot, self.expects_all_pci_gpus, now);
        Collected { families, kept: self.lasting.parts(), faults }
    }
}

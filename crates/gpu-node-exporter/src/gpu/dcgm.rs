//! The second face: GPUs under dcgm-exporter's names, so that its scrape jobs, boards and rules read this exporter unchanged.
//!
//! Owns which series there are and how they are labelled. Reads the same snapshot as the native families, and what kubelet said of pods, and asks
//! the driver nothing more.
//! Leaves out serving (`dcgm_service`).

mod counters;
mod events;
mod fields;
mod kind;
mod labels;
mod names;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;

use self::counters::Counter;
pub(crate) use self::counters::{Counters, Findings};
use self::events::Seen;
use self::fields::{Part, Source};
use self::labels::Labelled;
pub(crate) use self::names::Names;
use super::pods::{Given, Pods};
use super::profile::Profile;
use super::reading::{MigInstance, Subjects};
use super::settings::GpuSettings;
use super::snapshot::{Gpu, Presence, Snapshot};
use super::stale::fresh;
use crate::family::Family;

/// What `--dcgm.*` resolve to.
#[derive(Clone, Debug)]
pub(crate) struct DcgmSettings {
    pub(crate) names: Names,
    /// `--gpu.profile`: what is read at all.
    pub(crate) profile: Profile,
    /// `--dcgm.counters-file`; `None` is the default set of these names.
    pub(crate) counters_file: Option<PathBuf>,
    /// Labels as dcgm-exporter's `-o` writes them: `uuid` for `UUID`.
    pub(crate) old_labels: bool,
    /// A GPU that several containers share has the series of each, as dcgm-exporter writes them with `--kubernetes-virtual-gpus`.
    pub(crate) each_container: bool,
}

/// The running face.
pub(crate) struct DcgmFace {
    pub(super) settings: GpuSettings,
    pub(super) snapshot: Arc<ArcSwap<Snapshot>>,
    pub(super) pods: Arc<ArcSwap<Pods>>,
    pub(super) names: Names,
    pub(super) counters: Counters,
    pub(super) old_labels: bool,
    pub(super) each_container: bool,
    /// This machine's name, or the Kubernetes node's.
    pub(super) hostname: String,
}

impl DcgmFace {
    /// The families of the page, by name. Of a GPU that is cut into MIG instances these are shown, as dcgm-exporter does by default.
    pub(crate) fn families(&self, now: Instant) -> Vec<Family> {
        let (snapshot, pods) = (self.snapshot.load(), self.pods.load());
        let given = pods.given(now);
        let mut families: Vec<_> =
            self.counters.values().map(|it| (it, it.kind.family(&it.name, &it.help))).collect();
        families.sort_by_key(|(counter, _)| &counter.name);
        for gpu in &snapshot.gpus {
            self.add(&mut families, &snapshot, &given, gpu, now);
        }
        families.into_iter().map(|(_, family)| family).collect()
    }

    /// Adds what a GPU says, if that is not too old, and what XIDs it had: the one that took it away comes when it says no more.
    fn add(
        &self,
        families: &mut [(&Counter, Family)],
        snapshot: &Snapshot,
        given: &Given<'_>,
        gpu: &Gpu,
        now: Instant,
    ) {
        let Some(uuid) = &gpu.uuid else { return };
        let nothing = Subjects::default();
        let reading = fresh(&self.settings, gpu, now);
        let subjects = reading.map_or(&nothing, |reading| &reading.subjects);
        let of = Labelled {
            gpu: gpu.index,
            is_listed: !matches!(gpu.presence, Presence::Missing),
            uuid,
            identity: &gpu.identity,
            subjects,
            driver: snapshot.driver.as_ref(),
            names: self.names,
            old_labels: self.old_labels,
            hostname: &self.hostname,
        };
        let wanted = self.counters.labels();
        let labels = |instance: Option<&MigInstance>| {
            let holders = given.holders(&of.names_of_device(instance)).into_iter();
            // Of several it names one, as dcgm-exporter does without its flag for shared GPUs.
            let holders = holders.take(if self.each_container { usize::MAX } else { 1 });
            of.labels_by_holder(instance, &wanted, holders)
        };
        let is_named = |instance: &&MigInstance| instance.gpu_instance.is_some();
        let instances: Vec<_> = subjects.mig.iter().filter(is_named).collect();
        let parts: Vec<_> = if instances.is_empty() {
            vec![(Part::Gpu, labels(None))]
        } else {
            instances.iter().map(|instance| (Part::Instance(instance), labels(Some(instance)))).collect()
        };
        // A GPU whose instances are not known does not stand for them.
        let are_unknown =
            instances.is_empty() && reading.is_some_and(|reading| MigInstance::are_unknown(&reading.faults));
        let xids = snapshot.errors.by_uuid(uuid);
        let seen = Seen { names: self.names, xids, sums: &gpu.sums, now };
        for (part, labels) in parts {
            for (counter, family) in families.iter_mut() {
                match counter.source {
                    Some(Source::Event(event)) if reading.is_some() || event.is_of_xids() => {
                        for (more, value) in event.samples(seen) {
                            for labels in &labels {
                                let more = more.iter().map(|(name, value)| (name, value));
                                family.push(labels.and(more), value);
                            }
                        }
                    }
                    Some(source) if are_unknown && !source.is_of_instances_too() => {}
                    Some(source) if reading.is_some() => {
                        if let Some(value) = source.value(part, subjects, &gpu.sums) {
                            for labels in &labels {
                                family.push(labels.clone(), value);
                            }
                        }
                    }
                    _ => {}
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;

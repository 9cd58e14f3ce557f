//! What one GPU says in one sweep, by subject.
//!
//! Each subject is a file and a line in the list below: its reading, how it is asked for, what is summed up of it, and the families
//! that show it. Owns the list, and a GPU's reading as a whole.

mod accounting;
mod c2c;
mod clocks;
mod ecc;
mod ecc_locations;
mod fabric;
mod fans;
mod gpm;
mod identity;
mod inforom;
mod license;
mod load;
mod memory;
mod mig;
mod modes;
mod nvlink;
mod pcie;
mod pcie_errors;
mod power;
mod power_profiles;
mod processes;
mod recovery;
mod remapped_rows;
mod repairs;
mod retired_pages;
mod ring;
mod sram;
mod thermal;
mod throttle;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use self::accounting::Accounting;
pub(crate) use self::accounting::Figures;
use self::c2c::C2cLinks;
use self::clocks::Clocks;
use self::ecc::Ecc;
use self::ecc_locations::EccLocations;
use self::fabric::Fabric;
use self::fans::Fans;
use self::gpm::Gpm;
pub(crate) use self::identity::{Identity, info};
use self::inforom::InfoRom;
use self::license::License;
use self::load::Load;
use self::memory::Memory;
pub(crate) use self::mig::MigInstance;
use self::mig::MigInstances;
use self::modes::Modes;
pub(crate) use self::nvlink::Link;
use self::nvlink::NvLinks;
use self::pcie::Pcie;
use self::pcie_errors::PcieErrors;
use self::power::Power;
use self::power_profiles::PowerProfiles;
pub(crate) use self::processes::ProcessUse;
use self::processes::Processes;
use self::recovery::Recovery;
use self::remapped_rows::RemappedRows;
use self::repairs::Repairs;
use self::retired_pages::RetiredPages;
use self::sram::Sram;
use self::thermal::Thermal;
use self::throttle::Throttle;
use super::delta::Diff;
use super::fault::ReadingFault;
use super::nvml::Ask;
use super::profile::Profile;
use super::subject::{Shown, Step, Subject};
use crate::family::{Family, LabelSets, Labels, MadeSets};

/// Declares all that holds one thing of each subject, and what runs over all of them.
macro_rules! subjects {
    ($($field:ident: $subject:ty => $profile:ident,)*) => {
        /// What one GPU said, by subject.
        #[derive(Clone, Debug, Default, PartialEq)]
        pub(crate) struct Subjects { $(pub(crate) $field: $subject,)* }

        /// What the probe keeps of one GPU from one sweep to the next.
        #[derive(Default)]
        pub(crate) struct Kept { $($field: <$subject as Subject>::Kept,)* }

        /// What the exporter sums up of one GPU.
        #[derive(Clone, Debug, Default)]
        pub(crate) struct Sums { $(pub(crate) $field: <$subject as Subject>::Sums,)* }

        /// The subjects that changed.
        #[derive(Default, Serialize, Deserialize)]
        #[serde(default)]
        pub(crate) struct SubjectsDelta {
            $(#[serde(skip_serializing_if = "Option::is_none")] $field: Option<<$subject as Diff>::Delta>,)*
        }

        impl Diff for Subjects {
            type Delta = SubjectsDelta;

            fn diff(&self, before: &Self) -> Option<SubjectsDelta> {
                (self != before).then(|| SubjectsDelta { $($field: self.$field.diff(&before.$field),)* })
            }

            fn apply(&mut self, delta: SubjectsDelta) {
                $(if let Some(changes) = delta.$field { self.$field.apply(changes); })*
            }
        }

        impl Subjects {
            /// Asks one GPU for all that the profile has. Runs in the probe.
            pub(crate) fn read(ask: &mut Ask<'_>, kept: &mut Kept, profile: Profile) -> Self {
                Self {
                    $($field: if profile.has(Profile::$profile) {
                        <$subject>::read(ask, &mut kept.$field)
                    } else {
                        Default::default()
                    },)*
                }
            }

            /// What a GPU that said this is known to say in a profile.
            #[cfg(test)]
            pub(crate) fn within(self, profile: Profile) -> Self {
                Self {
                    $($field: if profile.has(Profile::$profile) { self.$field } else { Default::default() },)*
                }
            }

            /// Adds this reading to the GPU's sums.
            pub(crate) fn add_to(&self, sums: &mut Sums, step: Step) {
                $(self.$field.add_to(&mut sums.$field, step);)*
            }
        }

        /// The families of each subject, for the GPUs that answer. What no GPU has is left out. A subject of which the GPUs say what they said
        /// before has the families that it had, and others take over the label sets in `made`.
        pub(crate) fn families(
            gpus: &[ShownGpu<'_>],
            before: Option<Before<'_>>,
            made: &mut MadeBySubject,
        ) -> Vec<Arc<Vec<Family>>> {
            let before = before.filter(|before| before.gpus.len() == gpus.len());
            let mut parts = Vec::new();
            $({
                let is_same = |(now, then): (&ShownGpu<'_>, &ShownGpu<'_>)| {
                    now.reading.subjects.$field == then.reading.subjects.$field
                        && now.sums.$field == then.sums.$field
                        && now.labels == then.labels
                };
                let same = before.filter(|before| gpus.iter().zip(before.gpus).all(is_same));
                let known = same.and_then(|before| before.families.get(parts.len()).cloned());
                parts.push(known.unwrap_or_else(|| {
                    let sets = made.sets(parts.len(), gpus);
                    let shown = gpus.iter().zip(&sets).map(|(gpu, labels)| Shown {
                        labels,
                        reading: &gpu.reading.subjects.$field,
                        sums: &gpu.sums.$field,
                    });
                    let mut families = <$subject>::families(&shown.collect::<Vec<_>>());
                    made.keep(parts.len(), sets);
                    families.retain(|family| !family.samples.is_empty());
                    Arc::new(families)
                }));
            })*
            parts
        }
    };
}

// Each with the first profile that has it. Processes are in all, since rules ask whether an inference engine uses a GPU.
subjects! {
    identity: Identity => Minimal,
    inforom: InfoRom => Default,
    license: License => Default,
    modes: Modes => Default,
    memory: Memory => Minimal,
    load: Load => Minimal,
    processes: Processes => Minimal,
    accounting: Accounting => Full,
    gpm: Gpm => Default,
    mig: MigInstances => Default,
    power: Power => Minimal,
    power_profiles: PowerProfiles => Default,
    thermal: Thermal => Minimal,
    fans: Fans => Default,
    clocks: Clocks => Default,
    throttle: Throttle => Minimal,
    pcie: Pcie => Minimal,
    pcie_errors: PcieErrors => Default,
    nvlink: NvLinks => Default,
    c2c: C2cLinks => Default,
    fabric: Fabric => Default,
    ecc: Ecc => Minimal,
    ecc_locations: EccLocations => Default,
    sram: Sram => Default,
    remapped_rows: RemappedRows => Minimal,
    repairs: Repairs => Minimal,
    retired_pages: RetiredPages => Minimal,
    recovery: Recovery => Minimal,
}

/// Everything one GPU said.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Reading {
    pub(crate) uuid: String,
    pub(crate) subjects: Subjects,
    /// Readings that failed this time, though the GPU answers others.
    pub(crate) faults: Vec<ReadingFault>,
    /// Names of readings this GPU does not have; only listed when asked for.
    pub(crate) unsupported: Vec<String>,
}

/// One GPU that answers, as it is to be shown.
pub(crate) struct ShownGpu<'a> {
    /// `gpu` and `uuid`.
    pub(crate) labels: Labels,
    pub(crate) reading: &'a Reading,
    pub(crate) sums: &'a Sums,
}

/// The label sets that were made for each subject of each GPU.
#[derive(Debug, Default)]
pub(crate) struct MadeBySubject(Vec<Vec<MadeSets>>);

impl MadeBySubject {
    /// For the subject at this place, with what was made of it before.
    fn sets<'a>(&mut self, subject: usize, gpus: &'a [ShownGpu<'_>]) -> Vec<LabelSets<'a>> {
        let before = self.0.get_mut(subject).map(std::mem::take).unwrap_or_default();
        let before = before.into_iter().chain(std::iter::repeat_with(MadeSets::default));
        gpus.iter().zip(before).map(|(gpu, made)| LabelSets::new(&gpu.labels, made)).collect()
    }

    fn keep(&mut self, subject: usize, sets: Vec<LabelSets<'_>>) {
        if self.0.len() <= subject {
            self.0.resize_with(subject + 1, Vec::new);
        }
        self.0[subject] = sets.into_iter().map(LabelSets::made).collect();
    }
}

/// GPUs as they were shown before, and their families then.
#[derive(Clone, Copy)]
pub(crate) struct Before<'a> {
    pub(crate) gpus: &'a [ShownGpu<'a>],
    pub(crate) families: &'a [Arc<Vec<Family>>],
}

/// What changed of a GPU's reading.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ReadingDelta {
    /// Only when the reading before was another GPU's, or there was none. What is not here is unknown then, instead of unchanged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) uuid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subjects: Option<SubjectsDelta>,
    #[serde(skip_serializing_if = "Option::is_none")]
    faults: Option<Vec<ReadingFault>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unsupported: Option<Vec<String>>,
}

impl Diff for Reading {
    type Delta = ReadingDelta;

    fn diff(&self, before: &Self) -> Option<ReadingDelta> {
        if self == before {
            return None;
        }
        let nothing = Self::default();
        let is_same_gpu = self.uuid == before.uuid;
        let before = if is_same_gpu { before } else { &nothing };
        Some(ReadingDelta {
            uuid: (!is_same_gpu).then(|| self.uuid.clone()),
            subjects: self.subjects.diff(&before.subjects),
            faults: (self.faults != before.faults).then(|| self.faults.clone()),
            unsupported: (self.unsupported != before.unsupported).then(|| self.unsupported.clone()),
        })
    }

    fn apply(&mut self, delta: ReadingDelta) {
        if let Some(uuid) = delta.uuid {
            *self = Self { uuid, ..Self::default() };
        }
        if let Some(changes) = delta.subjects {
            self.subjects.apply(changes);
        }
        self.faults = delta.faults.unwrap_or_else(|| std::mem::take(&mut self.faults));
        self.unsupported = delta.unsupported.unwrap_or_else(|| std::mem::take(&mut self.unsupported));
    }
}

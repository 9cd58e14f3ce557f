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
use super::clone_on_write::Shared;
use super::delta::Diff;
use super::fault::ReadingFault;
use super::nvml::Ask;
use super::profile::Profile;
use super::subject::{Said, Shown, Step, Subject};
use crate::family::{Family, LabelSets, Labels, MadeSets};

/// Declares all that holds one thing of each subject, and what runs over all of them.
macro_rules! subjects {
    ($($field:ident: $subject:ty => $profile:ident,)*) => {
        /// What one GPU said, by subject.
        #[derive(Clone, Debug, Default, PartialEq)]
        pub(crate) struct Subjects { $(pub(crate) $field: Shared<$subject>,)* }

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
                        <$subject>::read(ask, &mut kept.$field).into()
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

        /// The families of each subject, for the GPUs that answer, in parts. What no GPU has is left out. A part of which the GPUs say what they
        /// said before is the one it was, and others take over the label sets in `made`.
        pub(crate) fn families(
            gpus: &[ShownGpu<'_>],
            before: Option<Before<'_>>,
            made: &mut MadeByPart,
        ) -> Vec<Arc<Vec<Family>>> {
            let before = before.filter(|before| before.gpus.len() == gpus.len());
            let mut parts = Parts { gpus, before, made, done: Vec::new() };
            $(parts.add_subject::<$subject>(|gpu| (&gpu.reading.subjects.$field, &gpu.sums.$field));)*
            parts.done
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

/// The label sets that were made for each part of each GPU.
#[derive(Debug, Default)]
pub(crate) struct MadeByPart(Vec<Vec<MadeSets>>);

impl MadeByPart {
    /// For the part at this place, with what was made of it before.
    fn sets<'a>(&mut self, part: usize, gpus: &'a [ShownGpu<'_>]) -> Vec<LabelSets<'a>> {
        let before = self.0.get_mut(part).map(std::mem::take).unwrap_or_default();
        let before = before.into_iter().chain(std::iter::repeat_with(MadeSets::default));
        gpus.iter().zip(before).map(|(gpu, made)| LabelSets::new(&gpu.labels, made)).collect()
    }

    fn keep(&mut self, part: usize, sets: Vec<LabelSets<'_>>) {
        if self.0.len() <= part {
            self.0.resize_with(part + 1, Vec::new);
        }
        self.0[part] = sets.into_iter().map(LabelSets::made).collect();
    }
}

/// Families that are being made, subject by subject.
struct Parts<'a> {
    gpus: &'a [ShownGpu<'a>],
    before: Option<Before<'a>>,
    made: &'a mut MadeByPart,
    done: Vec<Arc<Vec<Family>>>,
}

impl<'a> Parts<'a> {
    fn add_subject<S: Subject>(&mut self, said: impl Fn(&'a ShownGpu<'a>) -> (&'a Shared<S>, &'a S::Sums)) {
        let is_same = |now, then| said(now) == said(then);
        let is_seldom_same = |now, then| {
            let ((now, sums), (before, sums_before)) = (said(now), said(then));
            now.is(before) && sums == sums_before || S::is_seldom_same((now, sums), (before, sums_before))
        };
        let said = |gpu| {
            let (reading, sums) = said(gpu);
            (&**reading, sums)
        };
        self.add(S::families, is_same, said);
        self.add(S::seldom_families, is_seldom_same, said);
    }

    /// Adds the families of the page before where each GPU says the same; others are made.
    fn add<S: Subject>(
        &mut self,
        make: fn(&[Shown<'_, S>]) -> Vec<Family>,
        is_same: impl Fn(&'a ShownGpu<'a>, &'a ShownGpu<'a>) -> bool,
        said: impl Fn(&'a ShownGpu<'a>) -> Said<'a, S>,
    ) {
        let at = self.done.len();
        let is_same = |(now, then): (&'a ShownGpu<'a>, &'a ShownGpu<'a>)| {
            now.labels == then.labels && is_same(now, then)
        };
        let same = self.before.filter(|before| self.gpus.iter().zip(before.gpus).all(is_same));
        let known = same.and_then(|before| before.families.get(at).cloned());
        self.done.push(known.unwrap_or_else(|| {
            let sets = self.made.sets(at, self.gpus);
            let shown = self.gpus.iter().zip(&sets).map(|(gpu, labels)| {
                let (reading, sums) = said(gpu);
                Shown { labels, reading, sums }
            });
            let mut families = make(&shown.collect::<Vec<_>>());
            self.made.keep(at, sets);
            families.retain(|family| !family.samples.is_empty());
            for family in &mut families {
                family.samples.shrink_to_fit();
            }
            Arc::new(families)
        }));
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

//! GPU instances (MIG): the parts into which a GPU is divided, each with memory and SMs of its own.
//!
//! NVML lists MIG devices: the compute instances. Several of them may share one GPU instance with its memory and its counters, so each
//! GPU instance is shown once. The layout is read again every few seconds, and at once when an instance is not where it was.

use crate::family::{Family, Labels};
use crate::gpu::delta::readings;
use crate::gpu::fault::ReadingFault;
use crate::gpu::nvml::{Ask, Cached, Device, NvmlError, raw};
use crate::gpu::subject::{Shown, Subject, known, known_labels};
use crate::units::{Bytes, Ratio};

use super::gpm::{SHARES, Sampler, Source, array, is_supported, share};
use super::memory::{Memory, Parts};

readings! {
    /// One GPU instance.
    struct MigInstance {
        gpu_instance: u32,
        /// As `3g.40gb`.
        profile: String,
        /// Of its first compute instance.
        uuid: String,
        /// Of its further ones, where it has several.
        other_uuids: Vec<String>,
        total: Bytes,
        used: Bytes,
        free: Bytes,
        reserved: Bytes,
        graphics: Ratio,
        sm: Ratio,
        occupancy: Ratio,
        tensor: Ratio,
        dfma: Ratio,
        hmma: Ratio,
        dmma: Ratio,
        imma: Ratio,
        integer: Ratio,
        dram: Ratio,
        fp64: Ratio,
        fp32: Ratio,
        fp16: Ratio,
    }
}

/// The instances of one GPU; none outside MIG mode.
pub(crate) type MigInstances = Vec<MigInstance>;

/// What the probe keeps of one GPU.
#[derive(Default)]
pub(crate) struct Kept {
    has_counters: Cached<Option<bool>>,
    layout: Cached<Layout>,
    /// Index and GPU instance of each place, when all were last read.
    divided: Option<Vec<(u32, u32)>>,
    /// The layout that the samplers are of.
    sampled: Vec<Place>,
    /// One for each place, and those of places that there were.
    samplers: Vec<Sampler>,
}

/// Where an instance is found, and what it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Place {
    /// The index of its first MIG device.
    index: u32,
    gpu_instance: u32,
    profile: Option<String>,
    uuid: Option<String>,
    other_uuids: Vec<String>,
}

/// The instances there are, as far as they could be read.
#[derive(Clone, Default)]
struct Layout {
    places: Vec<Place>,
    is_whole: bool,
}

/// More MIG devices than any GPU has: that is 7.
const MOST_DEVICES: u32 = 32;

/// An instance was not where it was.
struct Moved;

/// The user may not have the answer.
struct Forbidden;

/// The readings of a layout, the last of which is named where the user may not see the instances.
const COUNT: &str = "MIG devices";
const LAYOUT: &str = "layout of MIG devices";
const INSTANCES: &str = "MIG instances";

impl MigInstance {
    /// Whether it is not known, for these faults, which instances there are.
    pub(crate) fn are_unknown(faults: &[ReadingFault]) -> bool {
        faults.iter().any(|fault| matches!(fault.reading.as_str(), COUNT | LAYOUT | INSTANCES))
    }
}

impl Subject for MigInstances {
    type Kept = Kept;
    type Sums = ();

    fn read(ask: &mut Ask<'_>, kept: &mut Kept) -> Self {
        if !ask.is_divided() {
            kept.note(ask, &Layout { places: Vec::new(), is_whole: true });
            kept.prepare_samplers(&[]);
            return Self::new();
        }
        let has_counters = kept.has_counters.once(ask, is_supported) == Some(true);
        // A layout that changes while it is read is read once more, and then in the next sweep.
        for _ in 0..2 {
            let layout = kept.layout.seldom(ask, layout);
            kept.note(ask, &layout);
            kept.prepare_samplers(&layout.places);
            let instances = layout.places.iter().zip(&mut kept.samplers);
            let read: Result<Self, Moved> = instances
                .map(|(place, sampler)| instance(ask, place, has_counters.then_some(sampler)))
                .collect();
            match read {
                Ok(instances) => return instances,
                Err(Moved) => kept.layout = Cached::default(),
            }
        }
        Self::new()
    }

    fn families(gpus: &[Shown<'_, Self>]) -> Vec<Family> {
        let mut info =
            Family::info("gpu_mig_instance_info", "A GPU instance (MIG) and its first MIG device.");
        for (labels, instance) in instances(gpus) {
            info.push(known_labels(&labels, [("mig_uuid", instance.uuid.as_deref())]), 1_u64);
        }
        let bytes = |name: &'static str, help: &'static str, of: fn(&MigInstance) -> Option<Bytes>| {
            let mut family = Family::gauge(name, help);
            for (labels, instance) in instances(gpus) {
                if let Some(bytes) = of(instance) {
                    family.push(labels, bytes);
                }
            }
            family
        };
        let share = |name: &'static str, help: &'static str, of: fn(&MigInstance) -> Option<Ratio>| {
            let mut family = Family::gauge(name, help);
            for (labels, instance) in instances(gpus) {
                if let Some(share) = of(instance) {
                    family.push(labels, share);
                }
            }
            family
        };
        let mut pipes = Family::gauge(
            "gpu_mig_tensor_pipe_active_ratio",
            "Share of cycles in which a tensor core of the GPU instance worked, by its operation.",
        );
        for (labels, instance) in instances(gpus) {
            let MigInstance { dfma, hmma, dmma, imma, .. } = *instance;
            for (pipe, share) in [("dfma", dfma), ("hmma", hmma), ("dmma", dmma), ("imma", imma)] {
                if let Some(share) = share {
                    pipes.push(labels.and([("pipe", pipe)]), share);
                }
            }
        }
        vec![
            bytes("gpu_mig_memory_total_bytes", "Memory of the GPU instance.", |instance| instance.total),
            bytes("gpu_mig_memory_used_bytes", "Memory of the GPU instance that is allocated.", |instance| {
                instance.used
            }),
            bytes("gpu_mig_memory_free_bytes", "Memory of the GPU instance that is free.", |instance| {
                instance.free
            }),
            bytes(
                "gpu_mig_memory_reserved_bytes",
                "Memory of the GPU instance that driver and firmware hold back.",
                |instance| instance.reserved,
            ),
            share(
                "gpu_mig_graphics_active_ratio",
                "Share of cycles in which the GPU instance had work.",
                |instance| instance.graphics,
            ),
            share(
                "gpu_mig_sm_active_ratio",
                "Share of cycles in which an SM of the GPU instance had work, mean of its SMs.",
                |instance| instance.sm,
            ),
            share(
                "gpu_mig_sm_occupancy_ratio",
                "Warps on the SMs of the GPU instance as a share of the most there can be.",
                |instance| instance.occupancy,
            ),
            share(
                "gpu_mig_tensor_active_ratio",
                "Share of cycles in which a tensor core of the GPU instance worked.",
                |instance| instance.tensor,
            ),
            pipes,
            share(
                "gpu_mig_dram_active_ratio",
                "Memory bandwidth of the GPU instance that was used.",
                |instance| instance.dram,
            ),
            share("gpu_mig_fp64_active_ratio", "Share of cycles with FP64 math.", |instance| instance.fp64),
            share("gpu_mig_fp32_active_ratio", "Share of cycles with FP32 math.", |instance| instance.fp32),
            share("gpu_mig_fp16_active_ratio", "Share of cycles with FP16 math.", |instance| instance.fp16),
            share("gpu_mig_integer_active_ratio", "Share of cycles with integer math.", |instance| {
                instance.integer
            }),
            info,
        ]
    }
}

/// The instances of all GPUs, with their labels. One that is gone has no number.
fn instances<'a>(gpus: &'a [Shown<'_, MigInstances>]) -> impl Iterator<Item = (Labels, &'a MigInstance)> {
    gpus.iter().flat_map(|gpu| {
        gpu.reading.iter().filter_map(|instance| {
            let number = instance.gpu_instance?.to_string();
            let more = [("gpu_instance", Some(number.as_str())), ("profile", instance.profile.as_deref())];
            Some((gpu.labels.and(known(more)), instance))
        })
    })
}

impl Kept {
    /// Notices that the GPU was divided anew. That a layout cannot be read says nothing of that.
    fn note<D>(&mut self, ask: &mut Ask<'_, D>, layout: &Layout) {
        if !layout.is_whole {
            return;
        }
        let divided = layout.places.iter().map(|place| (place.index, place.gpu_instance)).collect();
        if self.divided.as_ref().is_some_and(|before| *before != divided) {
            ask.was_divided_anew();
        }
        self.divided = Some(divided);
    }

    /// Makes a sampler ready for each place: what was read of another instance is forgotten.
    fn prepare_samplers(&mut self, layout: &[Place]) {
        if self.sampled == layout {
            return;
        }
        self.samplers.iter_mut().for_each(Sampler::forget);
        if self.samplers.len() < layout.len() {
            self.samplers.resize_with(layout.len(), Sampler::default);
        }
        self.sampled = layout.to_vec();
    }
}

/// The GPU instances there are, by their first MIG devices.
fn layout(ask: &mut Ask<'_>) -> Layout {
    let possible = |count| (count <= MOST_DEVICES).then_some(count);
    let count = ask.quantity(COUNT, Device::mig_device_count, possible);
    let mut layout = Layout { places: Vec::new(), is_whole: count.is_some() };
    for index in 0..count.unwrap_or(0) {
        match ask.ask_each_time(LAYOUT, |device| permitted(place(device, index))) {
            Some(Ok(Some(place))) => add(&mut layout.places, place),
            Some(Ok(None)) => {}
            Some(Err(Forbidden)) => {
                ask.note_forbidden(INSTANCES);
                layout.is_whole = false;
            }
            None => layout.is_whole = false,
        }
    }
    layout
}

/// The MIG device of this index, if there is one.
fn place(device: &Device<'_>, index: u32) -> Result<Option<Place>, NvmlError> {
    let mig = match device.mig_device_by_index(index) {
        Ok(mig) => mig,
        // There are gaps in the list.
        Err(NvmlError::NotFound | NvmlError::InvalidArg) => return Ok(None),
        Err(error) => return Err(error),
    };
    let profile = mig.name().ok().and_then(|name| profile_of(&name));
    Ok(Some(Place {
        index,
        gpu_instance: raw::gpu_instance_id(&mig)?,
        profile,
        uuid: mig.uuid().ok(),
        other_uuids: Vec::new(),
    }))
}

/// That the user may not have it is an answer: it is told, not taken for something that the card lacks.
fn permitted<T>(answer: Result<T, NvmlError>) -> Result<Result<T, Forbidden>, NvmlError> {
    match answer {
        Err(NvmlError::NoPermission) => Ok(Err(Forbidden)),
        answer => answer.map(Ok),
    }
}

/// Takes in a MIG device: a GPU instance, or a further compute instance of one.
fn add(places: &mut Vec<Place>, place: Place) {
    match places.iter_mut().find(|known| known.gpu_instance == place.gpu_instance) {
        Some(known) => known.other_uuids.extend(place.uuid),
        None => places.push(place),
    }
}

/// The GPU instance's profile in a MIG device's name: `… MIG 1c.3g.40gb` is one compute slice of a `3g.40gb`.
fn profile_of(name: &str) -> Option<String> {
    let (_, profile) = name.split_once("MIG ")?;
    let profile = profile.split_whitespace().next()?;
    let instance = match profile.split_once('.') {
        Some((slices, instance)) if slices.ends_with('c') => instance,
        _ => profile,
    };
    Some(instance.to_owned())
}

/// What one instance says.
#[expect(clippy::similar_names, reason = "the operations of tensor cores as nvml.h names them")]
fn instance(ask: &mut Ask<'_>, place: &Place, sampler: Option<&mut Sampler>) -> Result<MigInstance, Moved> {
    let number = place.gpu_instance;
    let name = format!("memory of MIG instance {number}");
    let parts = match ask.ask_each_time(&name, |device| permitted(parts(device, place))) {
        Some(Ok(None)) => return Err(Moved),
        Some(Ok(parts)) => parts,
        Some(Err(Forbidden)) => {
            ask.note_forbidden(INSTANCES);
            None
        }
        None => None,
    };
    let memory = parts.and_then(|parts| ask.meaning(&name, parts, Parts::memory));
    let Memory { total, used, free, reserved } = memory.unwrap_or_default();
    let measured = sampler.map(|sampler| sampler.measure(ask, Source::Instance(number), &SHARES));
    let shares: Vec<_> = SHARES
        .iter()
        .zip(measured.unwrap_or_default())
        .map(|(metric, percent)| share(ask, metric.name, percent))
        .collect();
    let [graphics, sm, occupancy, integer, tensor, dfma, hmma, dmma, imma, dram, fp64, fp32, fp16] =
        array(&shares);
    Ok(MigInstance {
        gpu_instance: Some(number),
        profile: place.profile.clone(),
        uuid: place.uuid.clone(),
        other_uuids: Some(place.other_uuids.clone()).filter(|uuids| !uuids.is_empty()),
        total,
        used,
        free,
        reserved,
        graphics,
        sm,
        occupancy,
        tensor,
        dfma,
        hmma,
        dmma,
        imma,
        integer,
        dram,
        fp64,
        fp32,
        fp16,
    })
}

/// The memory of the instance, if it is where it was.
fn parts(device: &Device<'_>, place: &Place) -> Result<Option<Parts>, NvmlError> {
    let mig = match device.mig_device_by_index(place.index) {
        Ok(mig) => mig,
        Err(NvmlError::NotFound | NvmlError::InvalidArg) => return Ok(None),
        Err(error) => return Err(error),
    };
    if raw::gpu_instance_id(&mig)? != place.gpu_instance {
        return Ok(None);
    }
    Parts::of(&mig).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::nvml::{Moment, Support};
    use std::time::{Duration, Instant};

    #[test]
    fn compute_instances_of_one_gpu_instance_are_one_place() {
        let device = |index, gpu_instance, uuid: &str| Place {
            index,
            gpu_instance,
            uuid: Some(uuid.to_owned()),
            ..Place::default()
        };
        let mut places = Vec::new();
        for place in [device(0, 1, "MIG-a"), device(1, 1, "MIG-b"), device(2, 5, "MIG-c")] {
            add(&mut places, place);
        }
        let others = vec!["MIG-b".to_owned()];
        assert_eq!(places, [Place { other_uuids: others, ..device(0, 1, "MIG-a") }, device(2, 5, "MIG-c")]);
    }

    #[test]
    fn what_was_lost_stays_lost_until_the_gpu_was_divided_anew() {
        let device = |index, gpu_instance| Place { index, gpu_instance, ..Place::default() };
        let whole = |places: &[Place]| Layout { places: places.to_vec(), is_whole: true };
        let unread = Layout::default();
        let named = Place { uuid: Some("MIG-a".to_owned()), ..device(0, 1) };
        for (layouts, is_forgotten) in [
            (vec![whole(&[]), unread.clone()], false),
            (vec![whole(&[device(0, 1)]), unread.clone(), whole(&[device(0, 1)])], false),
            (vec![whole(&[device(0, 1)]), whole(&[named])], false),
            (vec![whole(&[device(0, 1)]), unread, whole(&[device(0, 2)])], true),
            (vec![whole(&[]), whole(&[device(0, 1)])], true),
            (vec![whole(&[device(0, 1)]), whole(&[])], true),
        ] {
            let (mut support, mut kept) = (Support::default(), Kept::default());
            let moment = Moment { now: Instant::now(), events: 0, losses: 0, longest_gap: Duration::ZERO };
            let mut ask = Ask::new(&(), &mut support, moment);
            kept.note(&mut ask, &layouts[0]);
            ask.ask("rows", |()| Ok(1));
            for layout in &layouts[1..] {
                kept.note(&mut ask, layout);
            }
            ask.ask("rows", |()| Err::<u32, _>(NvmlError::NotSupported));
            let faults = ask.into_faults().map(|faults| faults.len());
            assert_eq!(faults, Ok(usize::from(!is_forgotten)));
        }
    }

    #[test]
    fn the_profile_is_the_gpu_instances() {
        for (name, expected) in [
            ("NVIDIA A100-SXM4-40GB MIG 1g.5gb", Some("1g.5gb")),
            ("A100-SXM4-40GB MIG 1c.3g.20gb", Some("3g.20gb")),
            ("NVIDIA H100 80GB HBM3 MIG 1g.10gb+me", Some("1g.10gb+me")),
            ("NVIDIA H100 80GB HBM3 MIG 3g.40gb (simulated)", Some("3g.40gb")),
            ("NVIDIA H100 80GB HBM3", None),
            ("MIG ", None),
            ("", None),
        ] {
            assert_eq!(profile_of(name).as_deref(), expected, "{name}");
        }
    }
}

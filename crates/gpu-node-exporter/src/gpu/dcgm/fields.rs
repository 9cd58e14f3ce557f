//! DCGM's fields, and the reading that each of them is: by what dcgm-exporter prints, in its units.
//!
//! DCGM 4.x computes its profiling fields on Hopper and later from the same performance counters (GPM) that are read here; before Hopper
//! they need a module that NVML does not have, and are absent.

use super::events::Event;
use super::names::first_name;
use crate::family::Number;
use crate::gpu::reading::{Link, MigInstance, Subjects, Sums};
use crate::units::{Bytes, BytesPerSecond, Celsius, Hertz, Ratio, Seconds};

/// What a value is of.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part<'a> {
    Gpu,
    Instance(&'a MigInstance),
}

type OfGpu = fn(&Subjects) -> Option<Number>;
type OfSums = fn(&Sums) -> Option<Number>;
type OfInstance = fn(&MigInstance) -> Option<Number>;

/// Where a field's value comes from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source {
    /// The GPU; its MIG instances have the same value.
    Gpu(OfGpu),
    /// The GPU; its MIG instances have none.
    GpuAlone(OfGpu),
    /// Two sweeps of the GPU; its MIG instances have none.
    Rate(OfSums),
    /// The GPU, and each of its MIG instances for itself.
    Both(OfGpu, OfInstance),
    /// What has labels of its own.
    Event(Event),
}

impl Source {
    /// Whether a GPU's MIG instances have what the GPU has.
    pub(super) fn is_of_instances_too(self) -> bool {
        matches!(self, Self::Gpu(_) | Self::Event(_))
    }
}

/// DCGM's rates of NVLink are in units of 1,024,000 bytes a second.
const RATE_UNIT: f64 = 1_024_000.0;

/// Fields of subjects that each profile reads.
const CORE: [(&str, Source); 67] = [
    ("DCGM_FI_DEV_MEMORY_TEMP", Source::Gpu(|gpu| celsius(gpu.thermal.memory))),
    ("DCGM_FI_DEV_MEMORY_TEMP_CELSIUS", Source::Gpu(|gpu| celsius(gpu.thermal.memory))),
    ("DCGM_FI_DEV_GPU_TEMP", Source::Gpu(|gpu| celsius(gpu.thermal.gpu))),
    ("DCGM_FI_DEV_GPU_TEMP_CELSIUS", Source::Gpu(|gpu| celsius(gpu.thermal.gpu))),
    ("DCGM_FI_DEV_SLOWDOWN_TEMP", Source::Gpu(|gpu| celsius(gpu.thermal.slowdown))),
    ("DCGM_FI_DEV_SHUTDOWN_TEMP", Source::Gpu(|gpu| celsius(gpu.thermal.shutdown))),
    ("DCGM_FI_DEV_POWER_USAGE", Source::Gpu(|gpu| gpu.power.usage.map(Into::into))),
    ("DCGM_FI_DEV_BOARD_POWER_WATTS", Source::Gpu(|gpu| gpu.power.usage.map(Into::into))),
    ("DCGM_FI_DEV_POWER_USAGE_INSTANT", Source::Gpu(|gpu| gpu.power.gpu_instant.map(Into::into))),
    ("DCGM_FI_DEV_POWER_MGMT_LIMIT", Source::Gpu(|gpu| gpu.power.requested_limit.map(Into::into))),
    ("DCGM_FI_DEV_POWER_MGMT_LIMIT_MIN", Source::Gpu(|gpu| gpu.power.min_limit.map(Into::into))),
    ("DCGM_FI_DEV_POWER_MGMT_LIMIT_MAX", Source::Gpu(|gpu| gpu.power.max_limit.map(Into::into))),
    ("DCGM_FI_DEV_POWER_MGMT_LIMIT_DEF", Source::Gpu(|gpu| gpu.power.default_limit.map(Into::into))),
    ("DCGM_FI_DEV_ENFORCED_POWER_LIMIT", Source::Gpu(|gpu| gpu.power.limit.map(Into::into))),
    (
        "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION",
        Source::Gpu(|gpu| gpu.power.energy.map(|joules| rounded(joules.0 * 1000.0))),
    ),
    ("DCGM_FI_DEV_GPU_ENERGY_JOULES_TOTAL", Source::Gpu(|gpu| gpu.power.energy.map(Into::into))),
    ("DCGM_FI_DEV_PSTATE", Source::Gpu(|gpu| gpu.power.performance_state.map(whole))),
    ("DCGM_FI_DEV_PCIE_REPLAY_COUNTER", Source::Gpu(|gpu| gpu.pcie.replays.map(whole))),
    ("DCGM_FI_DEV_PCIE_REPLAY_TOTAL", Source::Gpu(|gpu| gpu.pcie.replays.map(whole))),
    ("DCGM_FI_DEV_PCIE_LINK_GEN", Source::Gpu(|gpu| gpu.pcie.generation.map(whole))),
    ("DCGM_FI_DEV_PCIE_LINK_WIDTH", Source::Gpu(|gpu| gpu.pcie.width.map(whole))),
    ("DCGM_FI_DEV_PCIE_MAX_LINK_GEN", Source::Gpu(|gpu| gpu.pcie.max_generation.map(whole))),
    ("DCGM_FI_DEV_PCIE_MAX_LINK_WIDTH", Source::Gpu(|gpu| gpu.pcie.max_width.map(whole))),
    ("DCGM_FI_DEV_GPU_UTIL", Source::GpuAlone(|gpu| percent(gpu.load.utilization))),
    ("DCGM_FI_DEV_GPU_UTIL_RATIO", Source::GpuAlone(|gpu| gpu.load.utilization.map(Into::into))),
    ("DCGM_FI_DEV_MEM_COPY_UTIL", Source::GpuAlone(|gpu| percent(gpu.load.memory_controller))),
    ("DCGM_FI_DEV_MEMORY_UTIL_RATIO", Source::GpuAlone(|gpu| gpu.load.memory_controller.map(Into::into))),
    ("DCGM_FI_DEV_ENC_UTIL", Source::GpuAlone(|gpu| percent(gpu.load.encoder))),
    ("DCGM_FI_DEV_ENC_UTIL_RATIO", Source::GpuAlone(|gpu| gpu.load.encoder.map(Into::into))),
    ("DCGM_FI_DEV_DEC_UTIL", Source::GpuAlone(|gpu| percent(gpu.load.decoder))),
    ("DCGM_FI_DEV_DEC_UTIL_RATIO", Source::GpuAlone(|gpu| gpu.load.decoder.map(Into::into))),
    ("DCGM_FI_DEV_CLOCKS_EVENT_REASONS", Source::Gpu(|gpu| gpu.throttle.reasons.map(Into::into))),
    ("DCGM_FI_DEV_CLOCK_THROTTLE_REASONS", Source::Gpu(|gpu| gpu.throttle.reasons.map(Into::into))),
    ("DCGM_FI_DEV_POWER_VIOLATION", Source::Gpu(|gpu| nanoseconds(gpu.throttle.sw_power_cap))),
    ("DCGM_FI_DEV_THERMAL_VIOLATION", Source::Gpu(|gpu| nanoseconds(gpu.throttle.sw_thermal))),
    ("DCGM_FI_DEV_SYNC_BOOST_VIOLATION", Source::Gpu(|gpu| nanoseconds(gpu.throttle.sync_boost))),
    ("DCGM_FI_DEV_BOARD_LIMIT_VIOLATION", Source::Gpu(|gpu| nanoseconds(gpu.throttle.board_limit))),
    ("DCGM_FI_DEV_LOW_UTIL_VIOLATION", Source::Gpu(|gpu| nanoseconds(gpu.throttle.low_utilization))),
    ("DCGM_FI_DEV_RELIABILITY_VIOLATION", Source::Gpu(|gpu| nanoseconds(gpu.throttle.reliability))),
    ("DCGM_FI_DEV_FB_TOTAL", Source::Both(|gpu| mebibytes(gpu.memory.total), |mig| mebibytes(mig.total))),
    (
        "DCGM_FI_DEV_FB_CAPACITY_BYTES",
        Source::Both(|gpu| gpu.memory.total.map(Into::into), |mig| mig.total.map(Into::into)),
    ),
    ("DCGM_FI_DEV_FB_FREE", Source::Both(|gpu| mebibytes(gpu.memory.free), |mig| mebibytes(mig.free))),
    (
        "DCGM_FI_DEV_FB_FREE_BYTES",
        Source::Both(|gpu| gpu.memory.free.map(Into::into), |mig| mig.free.map(Into::into)),
    ),
    ("DCGM_FI_DEV_FB_USED", Source::Both(|gpu| mebibytes(gpu.memory.used), |mig| mebibytes(mig.used))),
    (
        "DCGM_FI_DEV_FB_USED_BYTES",
        Source::Both(|gpu| gpu.memory.used.map(Into::into), |mig| mig.used.map(Into::into)),
    ),
    (
        "DCGM_FI_DEV_FB_RESERVED",
        Source::Both(|gpu| mebibytes(gpu.memory.reserved), |mig| mebibytes(mig.reserved)),
    ),
    (
        "DCGM_FI_DEV_FB_RESERVED_BYTES",
        Source::Both(|gpu| gpu.memory.reserved.map(Into::into), |mig| mig.reserved.map(Into::into)),
    ),
    (
        "DCGM_FI_DEV_FB_USED_PERCENT",
        Source::GpuAlone(|gpu| used_share(gpu.memory.used, gpu.memory.total, gpu.memory.reserved)),
    ),
    ("DCGM_FI_DEV_ECC_SBE_VOL_TOTAL", Source::Gpu(|gpu| gpu.ecc.corrected_volatile.map(Into::into))),
    ("DCGM_FI_DEV_ECC_DBE_VOL_TOTAL", Source::Gpu(|gpu| gpu.ecc.uncorrected_volatile.map(Into::into))),
    ("DCGM_FI_DEV_ECC_SBE_AGG_TOTAL", Source::Gpu(|gpu| gpu.ecc.corrected_aggregate.map(Into::into))),
    ("DCGM_FI_DEV_ECC_DBE_AGG_TOTAL", Source::Gpu(|gpu| gpu.ecc.uncorrected_aggregate.map(Into::into))),
    ("DCGM_FI_DEV_RETIRED_SBE", Source::Gpu(|gpu| gpu.retired_pages.single_bit.map(whole))),
    ("DCGM_FI_DEV_RETIRED_DBE", Source::Gpu(|gpu| gpu.retired_pages.double_bit.map(whole))),
    ("DCGM_FI_DEV_RETIRED_PENDING", Source::Gpu(|gpu| gpu.retired_pages.pending.map(flag))),
    (
        "DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS",
        Source::Gpu(|gpu| gpu.remapped_rows.uncorrectable.map(Into::into)),
    ),
    (
        "DCGM_FI_DEV_ROW_REMAP_UNCORRECTABLE_TOTAL",
        Source::Gpu(|gpu| gpu.remapped_rows.uncorrectable.map(Into::into)),
    ),
    (
        "DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS",
        Source::Gpu(|gpu| gpu.remapped_rows.correctable.map(Into::into)),
    ),
    (
        "DCGM_FI_DEV_ROW_REMAP_CORRECTABLE_TOTAL",
        Source::Gpu(|gpu| gpu.remapped_rows.correctable.map(Into::into)),
    ),
    ("DCGM_FI_DEV_ROW_REMAP_FAILURE", Source::Gpu(|gpu| gpu.remapped_rows.failed.map(flag))),
    ("DCGM_FI_DEV_ROW_REMAP_FAILED", Source::Gpu(|gpu| gpu.remapped_rows.failed.map(flag))),
    ("DCGM_FI_DEV_ROW_REMAP_PENDING", Source::Gpu(|gpu| gpu.remapped_rows.pending.map(flag))),
    ("DCGM_FI_DEV_XID_ERRORS", Source::Event(Event::LastXid)),
    ("DCGM_FI_DEV_XID_ERROR", Source::Event(Event::LastXid)),
    ("DCGM_EXP_XID_ERRORS_TOTAL", Source::Event(Event::Xids)),
    ("DCGM_EXP_XID_ERRORS_COUNT", Source::Event(Event::RecentXids)),
    ("DCGM_EXP_CLOCK_EVENTS_COUNT", Source::Event(Event::RecentClockEvents)),
];

/// Fields of subjects that the least profile does not read.
const MORE: [(&str, Source); 47] = [
    ("DCGM_FI_DEV_SM_CLOCK", Source::Gpu(|gpu| megahertz(gpu.clocks.sm))),
    ("DCGM_FI_DEV_SM_CLOCK_HERTZ", Source::Gpu(|gpu| gpu.clocks.sm.map(Into::into))),
    ("DCGM_FI_DEV_MEM_CLOCK", Source::Gpu(|gpu| megahertz(gpu.clocks.memory))),
    ("DCGM_FI_DEV_MEMORY_CLOCK_HERTZ", Source::Gpu(|gpu| gpu.clocks.memory.map(Into::into))),
    ("DCGM_FI_DEV_VIDEO_CLOCK", Source::Gpu(|gpu| megahertz(gpu.clocks.video))),
    ("DCGM_FI_DEV_MAX_SM_CLOCK", Source::Gpu(|gpu| megahertz(gpu.clocks.max_sm))),
    ("DCGM_FI_DEV_MAX_MEM_CLOCK", Source::Gpu(|gpu| megahertz(gpu.clocks.max_memory))),
    ("DCGM_FI_DEV_MAX_VIDEO_CLOCK", Source::Gpu(|gpu| megahertz(gpu.clocks.max_video))),
    ("DCGM_FI_DEV_FAN_SPEED", Source::Gpu(|gpu| percent(gpu.fans.first().and_then(|fan| fan.speed)))),
    // 0 where the driver has no licences, as DCGM says.
    (
        "DCGM_FI_DEV_VGPU_LICENSE_STATUS",
        Source::Gpu(|gpu| Some(flag(gpu.license.active.unwrap_or_default()))),
    ),
    ("DCGM_FI_PROF_PCIE_TX_BYTES", Source::GpuAlone(|gpu| per_second(gpu.gpm.pcie_transmitted))),
    ("DCGM_FI_PROF_PCIE_RX_BYTES", Source::GpuAlone(|gpu| per_second(gpu.gpm.pcie_received))),
    ("DCGM_FI_PROF_NVLINK_TX_BYTES", Source::GpuAlone(|gpu| per_second(gpu.gpm.nvlink_transmitted))),
    ("DCGM_FI_PROF_NVLINK_RX_BYTES", Source::GpuAlone(|gpu| per_second(gpu.gpm.nvlink_received))),
    ("DCGM_FI_PROF_PIPE_INT_ACTIVE", Source::Both(|gpu| share(gpu.gpm.integer), |mig| share(mig.integer))),
    ("DCGM_FI_DEV_PERSISTENCE_MODE", Source::Gpu(|gpu| gpu.modes.persistence.map(flag))),
    (
        "DCGM_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL",
        Source::GpuAlone(|gpu| over_links(gpu, |link| link.crc_errors)),
    ),
    (
        "DCGM_FI_DEV_NVLINK_CRC_DATA_ERROR_COUNT_TOTAL",
        Source::GpuAlone(|gpu| over_links(gpu, |link| link.crc_data_errors)),
    ),
    (
        "DCGM_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL",
        Source::GpuAlone(|gpu| over_links(gpu, |link| link.replays)),
    ),
    (
        "DCGM_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL",
        Source::GpuAlone(|gpu| over_links(gpu, |link| link.recoveries)),
    ),
    (
        "DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL",
        Source::Rate(|sums| sums.nvlink.traffic.rate.map(|bytes| rounded(bytes / RATE_UNIT))),
    ),
    (
        "DCGM_FI_DEV_NVLINK_THROUGHPUT_BYTES_PER_SECOND",
        Source::Rate(|sums| sums.nvlink.traffic.rate.map(rounded)),
    ),
    ("DCGM_FI_PROF_GR_ENGINE_ACTIVE", Source::Both(|gpu| share(gpu.gpm.graphics), |mig| share(mig.graphics))),
    (
        "DCGM_FI_PROF_GR_ENGINE_UTIL_RATIO",
        Source::Both(|gpu| share(gpu.gpm.graphics), |mig| share(mig.graphics)),
    ),
    ("DCGM_FI_PROF_SM_ACTIVE", Source::Both(|gpu| share(gpu.gpm.sm), |mig| share(mig.sm))),
    ("DCGM_FI_PROF_SM_UTIL_RATIO", Source::Both(|gpu| share(gpu.gpm.sm), |mig| share(mig.sm))),
    ("DCGM_FI_PROF_SM_OCCUPANCY", Source::Both(|gpu| share(gpu.gpm.occupancy), |mig| share(mig.occupancy))),
    ("DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", Source::Both(|gpu| share(gpu.gpm.tensor), |mig| share(mig.tensor))),
    ("DCGM_FI_PROF_TENSOR_UTIL_RATIO", Source::Both(|gpu| share(gpu.gpm.tensor), |mig| share(mig.tensor))),
    ("DCGM_FI_PROF_DRAM_ACTIVE", Source::Both(|gpu| share(gpu.gpm.dram), |mig| share(mig.dram))),
    ("DCGM_FI_PROF_DRAM_UTIL_RATIO", Source::Both(|gpu| share(gpu.gpm.dram), |mig| share(mig.dram))),
    ("DCGM_FI_PROF_PIPE_FP64_ACTIVE", Source::Both(|gpu| share(gpu.gpm.fp64), |mig| share(mig.fp64))),
    ("DCGM_FI_PROF_PIPE_FP32_ACTIVE", Source::Both(|gpu| share(gpu.gpm.fp32), |mig| share(mig.fp32))),
    ("DCGM_FI_PROF_PIPE_FP16_ACTIVE", Source::Both(|gpu| share(gpu.gpm.fp16), |mig| share(mig.fp16))),
    ("DCGM_FI_PROF_PIPE_TENSOR_IMMA_ACTIVE", Source::Both(|gpu| share(gpu.gpm.imma), |mig| share(mig.imma))),
    ("DCGM_FI_PROF_PIPE_TENSOR_HMMA_ACTIVE", Source::Both(|gpu| share(gpu.gpm.hmma), |mig| share(mig.hmma))),
    ("DCGM_FI_PROF_SM_CYCLES_ELAPSED_TOTAL", Source::GpuAlone(|gpu| cycles(gpu, 0))),
    ("DCGM_FI_PROF_SM_CYCLES_ACTIVE_TOTAL", Source::GpuAlone(|gpu| cycles(gpu, 1))),
    ("DCGM_FI_PROF_MMA_CYCLES_ACTIVE_TOTAL", Source::GpuAlone(|gpu| cycles(gpu, 2))),
    ("DCGM_FI_PROF_DMMA_CYCLES_ACTIVE_TOTAL", Source::GpuAlone(|gpu| cycles(gpu, 3))),
    ("DCGM_FI_PROF_HMMA_CYCLES_ACTIVE_TOTAL", Source::GpuAlone(|gpu| cycles(gpu, 4))),
    ("DCGM_FI_PROF_IMMA_CYCLES_ACTIVE_TOTAL", Source::GpuAlone(|gpu| cycles(gpu, 5))),
    ("DCGM_FI_PROF_DFMA_CYCLES_ACTIVE_TOTAL", Source::GpuAlone(|gpu| cycles(gpu, 6))),
    ("DCGM_FI_PROF_INT_CYCLES_ACTIVE_TOTAL", Source::GpuAlone(|gpu| cycles(gpu, 7))),
    ("DCGM_FI_PROF_FP64_CYCLES_ACTIVE_TOTAL", Source::GpuAlone(|gpu| cycles(gpu, 8))),
    ("DCGM_FI_PROF_FP32_CYCLES_ACTIVE_TOTAL", Source::GpuAlone(|gpu| cycles(gpu, 9))),
    ("DCGM_FI_PROF_FP16_CYCLES_ACTIVE_TOTAL", Source::GpuAlone(|gpu| cycles(gpu, 10))),
];

/// Where the value of the field comes from; `None` for one that is not read here.
pub(super) fn source(name: &str) -> Option<Source> {
    let name = first_name(name);
    CORE.iter().chain(&MORE).find(|(known, _)| *known == name).map(|(_, source)| *source)
}

/// All fields that are read here.
#[cfg(test)]
pub(super) fn all() -> impl Iterator<Item = (&'static str, Source)> {
    CORE.into_iter().chain(MORE)
}

/// Whether the least profile does not read what the field tells.
pub(super) fn is_beyond_minimal(name: &str) -> bool {
    let name = first_name(name);
    MORE.iter().any(|(known, _)| *known == name)
}

impl Source {
    /// The value, if this GPU or instance has it. Events have no single value.
    pub(super) fn value(self, part: Part<'_>, gpu: &Subjects, sums: &Sums) -> Option<Number> {
        match (self, part) {
            (Self::Gpu(of_gpu), _) | (Self::GpuAlone(of_gpu) | Self::Both(of_gpu, _), Part::Gpu) => {
                of_gpu(gpu)
            }
            (Self::Both(_, of_instance), Part::Instance(instance)) => of_instance(instance),
            (Self::Rate(rate), Part::Gpu) => rate(sums),
            (Self::GpuAlone(_) | Self::Rate(_), Part::Instance(_)) | (Self::Event(_), _) => None,
        }
    }
}

/// The sum over the links that say it.
fn over_links(gpu: &Subjects, count: fn(&Link) -> Option<u64>) -> Option<Number> {
    let counts = gpu.nvlink.iter().filter_map(count);
    counts.reduce(u64::saturating_add).map(Number::Whole)
}

/// A count of cycles, by its place in GPM's numbering.
fn cycles(gpu: &Subjects, at: usize) -> Option<Number> {
    gpu.gpm.cycles.as_ref()?.get(at).copied().flatten().map(Number::Whole)
}

fn whole(number: u32) -> Number {
    Number::Whole(number.into())
}

fn flag(is_so: bool) -> Number {
    Number::Whole(is_so.into())
}

fn share(ratio: Option<Ratio>) -> Option<Number> {
    ratio.map(Into::into)
}

fn celsius(temperature: Option<Celsius>) -> Option<Number> {
    temperature.map(|temperature| rounded(temperature.0))
}

/// Whole percent, as NVML gives it.
fn percent(ratio: Option<Ratio>) -> Option<Number> {
    ratio.map(|ratio| rounded(ratio.0 * 100.0))
}

fn megahertz(clock: Option<Hertz>) -> Option<Number> {
    clock.map(|clock| rounded(clock.0 / 1e6))
}

/// Whole MiB, rounded down.
fn mebibytes(size: Option<Bytes>) -> Option<Number> {
    size.map(|size| Number::Whole(size.0 >> 20))
}

fn nanoseconds(time: Option<Seconds>) -> Option<Number> {
    time.map(|time| rounded(time.0 * 1e9))
}

fn per_second(rate: Option<BytesPerSecond>) -> Option<Number> {
    rate.map(|rate| rounded(rate.0))
}

/// DCGM writes whole numbers without a point.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "readings are bounded and positive; beyond, the nearest number is meant"
)]
fn rounded(number: f64) -> Number {
    Number::Whole(number.round() as u64)
}

/// Of what is not reserved; 0 to 1, whatever its name says.
#[expect(clippy::cast_precision_loss, reason = "sizes of memory are far below 2^53")]
fn used_share(used: Option<Bytes>, total: Option<Bytes>, reserved: Option<Bytes>) -> Option<Number> {
    let available =
        total?.0.checked_sub(reserved.unwrap_or(Bytes(0)).0).filter(|available| *available > 0)?;
    Some(Number::Real(used?.0 as f64 / available as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_has_the_pipes_of_its_own() {
        let gpu = Subjects::default();
        let instance = MigInstance {
            hmma: Some(Ratio(0.5)),
            imma: Some(Ratio(0.25)),
            integer: Some(Ratio(0.125)),
            ..MigInstance::default()
        };
        for (name, expected) in [
            ("DCGM_FI_PROF_PIPE_TENSOR_HMMA_ACTIVE", 0.5),
            ("DCGM_FI_PROF_PIPE_TENSOR_IMMA_ACTIVE", 0.25),
            ("DCGM_FI_PROF_PIPE_INT_ACTIVE", 0.125),
        ] {
            let source = source(name).expect(name);
            let value = source.value(Part::Instance(&instance), &gpu, &Sums::default());
            assert_eq!(value, Some(Number::Real(expected)), "{name}");
        }
    }

    #[test]
    fn errors_of_links_are_summed_up() {
        let link = |replays| Link { replays, ..Link::default() };
        let links = vec![link(Some(3)), link(None), link(Some(4))];
        let gpu = Subjects { nvlink: links.into(), ..Subjects::default() };
        let instance = MigInstance::default();
        let value = |name, part| source(name).and_then(|source| source.value(part, &gpu, &Sums::default()));
        let replays = "DCGM_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL";
        assert_eq!(value(replays, Part::Gpu), Some(Number::Whole(7)));
        assert_eq!(value(replays, Part::Instance(&instance)), None, "an instance has no links of its own");
        let recoveries = "DCGM_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL";
        assert_eq!(value(recoveries, Part::Gpu), None, "no link says it");
    }
}

//! DCGM's fields, and the reading that each of them is: by what dcgm-exporter prints, in its units.
//!
//! DCGM 4.x computes its profiling fields on Hopper and later from the same performance counters (GPM) that are read here; before Hopper
//! they need a module that NVML does not have, and are absent.

use super::kind::Type;
use super::labels::TEXTS;
use crate::family::Number;
use crate::gpu::reading::{MigInstance, Subjects, Sums};
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

/// Fields of a whole GPU. Its MIG instances have the same value, but for those below.
const FIELDS: [(&str, OfGpu); 78] = [
    ("DCGM_FI_DEV_SM_CLOCK", |gpu| megahertz(gpu.clocks.sm)),
    ("DCGM_FI_DEV_SM_CLOCK_HERTZ", |gpu| gpu.clocks.sm.map(Into::into)),
    ("DCGM_FI_DEV_MEM_CLOCK", |gpu| megahertz(gpu.clocks.memory)),
    ("DCGM_FI_DEV_MEMORY_CLOCK_HERTZ", |gpu| gpu.clocks.memory.map(Into::into)),
    ("DCGM_FI_DEV_VIDEO_CLOCK", |gpu| megahertz(gpu.clocks.video)),
    ("DCGM_FI_DEV_MAX_SM_CLOCK", |gpu| megahertz(gpu.clocks.max_sm)),
    ("DCGM_FI_DEV_MAX_MEM_CLOCK", |gpu| megahertz(gpu.clocks.max_memory)),
    ("DCGM_FI_DEV_MAX_VIDEO_CLOCK", |gpu| megahertz(gpu.clocks.max_video)),
    ("DCGM_FI_DEV_MEMORY_TEMP", |gpu| celsius(gpu.thermal.memory)),
    ("DCGM_FI_DEV_MEMORY_TEMP_CELSIUS", |gpu| celsius(gpu.thermal.memory)),
    ("DCGM_FI_DEV_GPU_TEMP", |gpu| celsius(gpu.thermal.gpu)),
    ("DCGM_FI_DEV_GPU_TEMP_CELSIUS", |gpu| celsius(gpu.thermal.gpu)),
    ("DCGM_FI_DEV_SLOWDOWN_TEMP", |gpu| celsius(gpu.thermal.slowdown)),
    ("DCGM_FI_DEV_SHUTDOWN_TEMP", |gpu| celsius(gpu.thermal.shutdown)),
    ("DCGM_FI_DEV_FAN_SPEED", |gpu| percent(gpu.fans.first().and_then(|fan| fan.speed))),
    ("DCGM_FI_DEV_POWER_USAGE", |gpu| gpu.power.usage.map(Into::into)),
    ("DCGM_FI_DEV_BOARD_POWER_WATTS", |gpu| gpu.power.usage.map(Into::into)),
    ("DCGM_FI_DEV_POWER_USAGE_INSTANT", |gpu| gpu.power.gpu_instant.map(Into::into)),
    ("DCGM_FI_DEV_POWER_MGMT_LIMIT", |gpu| gpu.power.requested_limit.map(Into::into)),
    ("DCGM_FI_DEV_POWER_MGMT_LIMIT_MIN", |gpu| gpu.power.min_limit.map(Into::into)),
    ("DCGM_FI_DEV_POWER_MGMT_LIMIT_MAX", |gpu| gpu.power.max_limit.map(Into::into)),
    ("DCGM_FI_DEV_POWER_MGMT_LIMIT_DEF", |gpu| gpu.power.default_limit.map(Into::into)),
    ("DCGM_FI_DEV_ENFORCED_POWER_LIMIT", |gpu| gpu.power.limit.map(Into::into)),
    ("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", |gpu| gpu.power.energy.map(|joules| rounded(joules.0 * 1000.0))),
    ("DCGM_FI_DEV_GPU_ENERGY_JOULES_TOTAL", |gpu| gpu.power.energy.map(Into::into)),
    ("DCGM_FI_DEV_PSTATE", |gpu| gpu.power.performance_state.map(whole)),
    ("DCGM_FI_DEV_PCIE_REPLAY_COUNTER", |gpu| gpu.pcie.replays.map(whole)),
    ("DCGM_FI_DEV_PCIE_REPLAY_TOTAL", |gpu| gpu.pcie.replays.map(whole)),
    ("DCGM_FI_DEV_PCIE_LINK_GEN", |gpu| gpu.pcie.generation.map(whole)),
    ("DCGM_FI_DEV_PCIE_LINK_WIDTH", |gpu| gpu.pcie.width.map(whole)),
    ("DCGM_FI_DEV_PCIE_MAX_LINK_GEN", |gpu| gpu.pcie.max_generation.map(whole)),
    ("DCGM_FI_DEV_PCIE_MAX_LINK_WIDTH", |gpu| gpu.pcie.max_width.map(whole)),
    ("DCGM_FI_DEV_GPU_UTIL", |gpu| percent(gpu.load.utilization)),
    ("DCGM_FI_DEV_GPU_UTIL_RATIO", |gpu| gpu.load.utilization.map(Into::into)),
    ("DCGM_FI_DEV_MEM_COPY_UTIL", |gpu| percent(gpu.load.memory_controller)),
    ("DCGM_FI_DEV_MEMORY_UTIL_RATIO", |gpu| gpu.load.memory_controller.map(Into::into)),
    ("DCGM_FI_DEV_ENC_UTIL", |gpu| percent(gpu.load.encoder)),
    ("DCGM_FI_DEV_ENC_UTIL_RATIO", |gpu| gpu.load.encoder.map(Into::into)),
    ("DCGM_FI_DEV_DEC_UTIL", |gpu| percent(gpu.load.decoder)),
    ("DCGM_FI_DEV_DEC_UTIL_RATIO", |gpu| gpu.load.decoder.map(Into::into)),
    ("DCGM_FI_DEV_CLOCKS_EVENT_REASONS", |gpu| gpu.throttle.reasons.map(Into::into)),
    ("DCGM_FI_DEV_CLOCK_THROTTLE_REASONS", |gpu| gpu.throttle.reasons.map(Into::into)),
    ("DCGM_FI_DEV_POWER_VIOLATION", |gpu| nanoseconds(gpu.throttle.sw_power_cap)),
    ("DCGM_FI_DEV_THERMAL_VIOLATION", |gpu| nanoseconds(gpu.throttle.sw_thermal)),
    ("DCGM_FI_DEV_SYNC_BOOST_VIOLATION", |gpu| nanoseconds(gpu.throttle.sync_boost)),
    ("DCGM_FI_DEV_BOARD_LIMIT_VIOLATION", |gpu| nanoseconds(gpu.throttle.board_limit)),
    ("DCGM_FI_DEV_LOW_UTIL_VIOLATION", |gpu| nanoseconds(gpu.throttle.low_utilization)),
    ("DCGM_FI_DEV_RELIABILITY_VIOLATION", |gpu| nanoseconds(gpu.throttle.reliability)),
    ("DCGM_FI_DEV_FB_TOTAL", |gpu| mebibytes(gpu.memory.total)),
    ("DCGM_FI_DEV_FB_CAPACITY_BYTES", |gpu| gpu.memory.total.map(Into::into)),
    ("DCGM_FI_DEV_FB_FREE", |gpu| mebibytes(gpu.memory.free)),
    ("DCGM_FI_DEV_FB_FREE_BYTES", |gpu| gpu.memory.free.map(Into::into)),
    ("DCGM_FI_DEV_FB_USED", |gpu| mebibytes(gpu.memory.used)),
    ("DCGM_FI_DEV_FB_USED_BYTES", |gpu| gpu.memory.used.map(Into::into)),
    ("DCGM_FI_DEV_FB_RESERVED", |gpu| mebibytes(gpu.memory.reserved)),
    ("DCGM_FI_DEV_FB_RESERVED_BYTES", |gpu| gpu.memory.reserved.map(Into::into)),
    ("DCGM_FI_DEV_FB_USED_PERCENT", |gpu| used_share(gpu.memory.used, gpu.memory.total, gpu.memory.reserved)),
    ("DCGM_FI_DEV_ECC_SBE_VOL_TOTAL", |gpu| gpu.ecc.corrected_volatile.map(Into::into)),
    ("DCGM_FI_DEV_ECC_DBE_VOL_TOTAL", |gpu| gpu.ecc.uncorrected_volatile.map(Into::into)),
    ("DCGM_FI_DEV_ECC_SBE_AGG_TOTAL", |gpu| gpu.ecc.corrected_aggregate.map(Into::into)),
    ("DCGM_FI_DEV_ECC_DBE_AGG_TOTAL", |gpu| gpu.ecc.uncorrected_aggregate.map(Into::into)),
    ("DCGM_FI_DEV_RETIRED_SBE", |gpu| gpu.retired_pages.single_bit.map(whole)),
    ("DCGM_FI_DEV_RETIRED_DBE", |gpu| gpu.retired_pages.double_bit.map(whole)),
    ("DCGM_FI_DEV_RETIRED_PENDING", |gpu| gpu.retired_pages.pending.map(flag)),
    ("DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS", |gpu| gpu.remapped_rows.uncorrectable.map(Into::into)),
    ("DCGM_FI_DEV_ROW_REMAP_UNCORRECTABLE_TOTAL", |gpu| gpu.remapped_rows.uncorrectable.map(Into::into)),
    ("DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS", |gpu| gpu.remapped_rows.correctable.map(Into::into)),
    ("DCGM_FI_DEV_ROW_REMAP_CORRECTABLE_TOTAL", |gpu| gpu.remapped_rows.correctable.map(Into::into)),
    ("DCGM_FI_DEV_ROW_REMAP_FAILURE", |gpu| gpu.remapped_rows.failed.map(flag)),
    ("DCGM_FI_DEV_ROW_REMAP_FAILED", |gpu| gpu.remapped_rows.failed.map(flag)),
    ("DCGM_FI_DEV_ROW_REMAP_PENDING", |gpu| gpu.remapped_rows.pending.map(flag)),
    // 0 where the driver has no licences, as DCGM says.
    ("DCGM_FI_DEV_VGPU_LICENSE_STATUS", |gpu| Some(flag(gpu.license.active.unwrap_or_default()))),
    ("DCGM_FI_PROF_PCIE_TX_BYTES", |gpu| per_second(gpu.gpm.pcie_transmitted)),
    ("DCGM_FI_PROF_PCIE_RX_BYTES", |gpu| per_second(gpu.gpm.pcie_received)),
    ("DCGM_FI_PROF_NVLINK_TX_BYTES", |gpu| per_second(gpu.gpm.nvlink_transmitted)),
    ("DCGM_FI_PROF_NVLINK_RX_BYTES", |gpu| per_second(gpu.gpm.nvlink_received)),
    ("DCGM_FI_PROF_PIPE_INT_ACTIVE", |gpu| gpu.gpm.integer.map(Into::into)),
    ("DCGM_FI_DEV_PERSISTENCE_MODE", |gpu| gpu.modes.persistence.map(flag)),
];

/// Rates, which need two sweeps. DCGM's own is in units of 1,024,000 bytes a second.
const RATES: [(&str, OfSums); 2] = [
    ("DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL", |sums| sums.nvlink.rate.map(|bytes| rounded(bytes / 1_024_000.0))),
    ("DCGM_FI_DEV_NVLINK_THROUGHPUT_BYTES_PER_SECOND", |sums| sums.nvlink.rate.map(rounded)),
];

/// Profiling fields, of a GPU and of an instance.
const PROFILING: [(&str, OfGpu, OfInstance); 14] = [
    ("DCGM_FI_PROF_GR_ENGINE_ACTIVE", |gpu| share(gpu.gpm.graphics), |mig| share(mig.graphics)),
    ("DCGM_FI_PROF_GR_ENGINE_UTIL_RATIO", |gpu| share(gpu.gpm.graphics), |mig| share(mig.graphics)),
    ("DCGM_FI_PROF_SM_ACTIVE", |gpu| share(gpu.gpm.sm), |mig| share(mig.sm)),
    ("DCGM_FI_PROF_SM_UTIL_RATIO", |gpu| share(gpu.gpm.sm), |mig| share(mig.sm)),
    ("DCGM_FI_PROF_SM_OCCUPANCY", |gpu| share(gpu.gpm.occupancy), |mig| share(mig.occupancy)),
    ("DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", |gpu| share(gpu.gpm.tensor), |mig| share(mig.tensor)),
    ("DCGM_FI_PROF_TENSOR_UTIL_RATIO", |gpu| share(gpu.gpm.tensor), |mig| share(mig.tensor)),
    ("DCGM_FI_PROF_DRAM_ACTIVE", |gpu| share(gpu.gpm.dram), |mig| share(mig.dram)),
    ("DCGM_FI_PROF_DRAM_UTIL_RATIO", |gpu| share(gpu.gpm.dram), |mig| share(mig.dram)),
    ("DCGM_FI_PROF_PIPE_FP64_ACTIVE", |gpu| share(gpu.gpm.fp64), |mig| share(mig.fp64)),
    ("DCGM_FI_PROF_PIPE_FP32_ACTIVE", |gpu| share(gpu.gpm.fp32), |mig| share(mig.fp32)),
    ("DCGM_FI_PROF_PIPE_FP16_ACTIVE", |gpu| share(gpu.gpm.fp16), |mig| share(mig.fp16)),
    ("DCGM_FI_PROF_PIPE_TENSOR_IMMA_ACTIVE", |gpu| share(gpu.gpm.imma), |_| None),
    ("DCGM_FI_PROF_PIPE_TENSOR_HMMA_ACTIVE", |gpu| share(gpu.gpm.hmma), |_| None),
];

/// Memory of an instance.
const INSTANCE_MEMORY: [(&str, OfInstance); 8] = [
    ("DCGM_FI_DEV_FB_TOTAL", |mig| mebibytes(mig.total)),
    ("DCGM_FI_DEV_FB_CAPACITY_BYTES", |mig| mig.total.map(Into::into)),
    ("DCGM_FI_DEV_FB_FREE", |mig| mebibytes(mig.free)),
    ("DCGM_FI_DEV_FB_FREE_BYTES", |mig| mig.free.map(Into::into)),
    ("DCGM_FI_DEV_FB_USED", |mig| mebibytes(mig.used)),
    ("DCGM_FI_DEV_FB_USED_BYTES", |mig| mig.used.map(Into::into)),
    ("DCGM_FI_DEV_FB_RESERVED", |mig| mebibytes(mig.reserved)),
    ("DCGM_FI_DEV_FB_RESERVED_BYTES", |mig| mig.reserved.map(Into::into)),
];

/// What a GPU that is cut into instances does not say of them.
const NOT_OF_INSTANCES: [&str; 5] = ["_UTIL", "_UTIL_RATIO", "FB_USED_PERCENT", "PROF_PCIE_", "PROF_NVLINK_"];

/// The last XID, which has labels of its own.
pub(super) fn is_xid(name: &str) -> bool {
    ["DCGM_FI_DEV_XID_ERRORS", "DCGM_FI_DEV_XID_ERROR"].contains(&name)
}

/// Whether a field of this type is read at all.
pub(super) fn is_known(name: &str, kind: Type) -> bool {
    if kind == Type::Label {
        return TEXTS.contains(&name);
    }
    let has = |known: &str| known == name;
    is_xid(name)
        || FIELDS.iter().any(|(known, _)| has(known))
        || RATES.iter().any(|(known, _)| has(known))
        || PROFILING.iter().any(|(known, ..)| has(known))
}

/// The field's value, if this GPU has it.
pub(super) fn value(name: &str, part: Part<'_>, gpu: &Subjects, sums: &Sums) -> Option<Number> {
    if let Some((_, rate)) = RATES.iter().find(|(known, _)| *known == name) {
        return rate(sums).filter(|_| matches!(part, Part::Gpu));
    }
    let profiling = PROFILING.iter().find(|(known, ..)| *known == name);
    match (part, profiling) {
        (Part::Gpu, Some((_, of_gpu, _))) => of_gpu(gpu),
        (Part::Instance(instance), Some((.., of_instance))) => of_instance(instance),
        (Part::Gpu, None) => whole_gpu(name, gpu),
        (Part::Instance(instance), None) => {
            if let Some((_, of_instance)) = INSTANCE_MEMORY.iter().find(|(known, _)| *known == name) {
                return of_instance(instance);
            }
            let is_of_gpu = NOT_OF_INSTANCES
                .iter()
                .any(|part| name.ends_with(part) || (part.ends_with('_') && name.contains(part)));
            if is_of_gpu { None } else { whole_gpu(name, gpu) }
        }
    }
}

fn whole_gpu(name: &str, gpu: &Subjects) -> Option<Number> {
    let (_, of_gpu) = FIELDS.iter().find(|(known, _)| *known == name)?;
    of_gpu(gpu)
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

//! Calls that read by number: field values, and the driver's ring of samples.

use std::os::raw::{c_int, c_uint, c_ulonglong};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nvml_wrapper_sys::bindings as nvml;
use nvml_wrapper_sys::bindings::field_id;

use super::call::{apply_incidents, number_set};
use super::library::{index, library};
use super::numbers::Numbers;
use super::output::code;
use crate::generation::{Generation, Renumbered};
use crate::health;
use crate::links;
use crate::machine::{Code, Gpu, NOT_SUPPORTED};
use crate::nvlink::{self, NvLink};

/// Fields of nvml.h 13.2.
const REMAPPED_ROWS_COR_INACTIVE: u32 = 301;
const REMAPPED_ROWS_UNC_INACTIVE: u32 = 302;

enum Value {
    Int(c_uint),
    Long(c_ulonglong),
    Signed(c_int),
}

/// The reading behind a field number, where this simulation has it. `scope` is the NVLink, for fields that each link has.
fn field(gpu: Gpu<'_>, generation: Generation, id: u32, scope: u32) -> Result<Value, Code> {
    if !generation.has_field(id) {
        return Err(nvml::nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT);
    }
    let link = || NvLink::of(gpu, scope);
    match id {
        field_id::NVML_FI_DEV_MEMORY_TEMP => gpu.memory_celsius().map(Value::Int),
        field_id::NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION => Ok(Value::Long(gpu.millijoules())),
        // The memory draws a seventh, the CPU of a module 90 W.
        field_id::NVML_FI_DEV_POWER_AVERAGE | field_id::NVML_FI_DEV_POWER_INSTANT => match scope {
            nvml::NVML_POWER_SCOPE_GPU => Ok(Value::Int(gpu.milliwatts())),
            nvml::NVML_POWER_SCOPE_MODULE if gpu.card().c2c_links > 0 => {
                Ok(Value::Int(gpu.milliwatts() + 90_000))
            }
            nvml::NVML_POWER_SCOPE_MEMORY => gpu.data_centre(|| Value::Int(gpu.milliwatts() / 7)),
            _ => Err(NOT_SUPPORTED),
        },
        field_id::NVML_FI_DEV_TEMPERATURE_SHUTDOWN_TLIMIT => {
            let (shutdown, slowdown) = (gpu.card().shutdown_celsius, gpu.card().slowdown_celsius);
            gpu.thermal_margin(|| Value::Signed(slowdown.cast_signed() - shutdown.cast_signed()))
        }
        field_id::NVML_FI_DEV_TEMPERATURE_SLOWDOWN_TLIMIT => gpu.thermal_margin(|| Value::Signed(0)),
        field_id::NVML_FI_DEV_TEMPERATURE_GPU_MAX_TLIMIT => {
            let (maximum, slowdown) = (gpu.card().gpu_max_celsius, gpu.card().slowdown_celsius);
            gpu.thermal_margin(|| Value::Signed(slowdown.cast_signed() - maximum.cast_signed()))
        }
        // Times for which the clocks were held down. The first number is also `CLOCKS_EVENT_REASON_SW_POWER_CAP`, the third
        // `…_SYNC_BOOST`.
        field_id::NVML_FI_DEV_PERF_POLICY_POWER
        | field_id::NVML_FI_DEV_PERF_POLICY_SYNC_BOOST
        | field_id::NVML_FI_DEV_PERF_POLICY_BOARD_LIMIT
        | field_id::NVML_FI_DEV_PERF_POLICY_LOW_UTILIZATION
        | field_id::NVML_FI_DEV_PERF_POLICY_RELIABILITY => gpu.data_centre(|| Value::Long(0)),
        field_id::NVML_FI_DEV_PERF_POLICY_THERMAL => {
            gpu.data_centre(|| Value::Long(gpu.thermal_nanoseconds()))
        }
        251..=273 => match generation.renumbered(id) {
            Renumbered::SoftwareThermalTime | Renumbered::HardwareThermalTime => {
                gpu.data_centre(|| Value::Long(gpu.thermal_nanoseconds()))
            }
            Renumbered::PowerBrakeTime => gpu.data_centre(|| Value::Long(0)),
            // Power smoothing, which is off.
            Renumbered::Other => gpu.data_centre(|| Value::Int(0)),
        },
        field_id::NVML_FI_DEV_REMAPPED_COR
        | field_id::NVML_FI_DEV_REMAPPED_UNC
        | field_id::NVML_FI_DEV_REMAPPED_PENDING
        | field_id::NVML_FI_DEV_REMAPPED_FAILURE => {
            let which = id - field_id::NVML_FI_DEV_REMAPPED_COR;
            health::remapped_rows(gpu).map(|rows| Value::Int(rows[which as usize]))
        }
        REMAPPED_ROWS_COR_INACTIVE | REMAPPED_ROWS_UNC_INACTIVE => {
            health::remapped_rows(gpu).map(|_| Value::Int(0))
        }
        field_id::NVML_FI_DEV_PCIE_COUNT_TX_BYTES => gpu.pcie_transmit_bytes().map(Value::Long),
        field_id::NVML_FI_DEV_PCIE_COUNT_RX_BYTES => gpu.pcie_receive_bytes().map(Value::Long),
        field_id::NVML_FI_DEV_PCIE_REPLAY_ROLLOVER_COUNTER
        | field_id::NVML_FI_DEV_PCIE_L0_TO_RECOVERY_COUNTER
        | field_id::NVML_FI_DEV_PCIE_COUNT_CORRECTABLE_ERRORS..=field_id::NVML_FI_DEV_PCIE_COUNT_LANE_ERROR => {
            gpu.data_centre(|| Value::Int(0))
        }
        field_id::NVML_FI_DEV_C2C_LINK_COUNT..=field_id::NVML_FI_DEV_C2C_LINK_GET_MAX_BW
        | field_id::NVML_FI_DEV_C2C_LINK_ERROR_INTR..=field_id::NVML_FI_DEV_C2C_LINK_ERROR_REPLAY_B2B => {
            links::c2c(gpu, id, scope).map(Value::Int)
        }
        field_id::NVML_FI_DEV_GET_GPU_RECOVERY_ACTION => gpu.recovery_action().map(Value::Int),
        field_id::NVML_FI_DEV_NVLINK_LINK_COUNT => nvlink::count(gpu).map(Value::Int),
        field_id::NVML_FI_DEV_NVLINK_GET_SPEED => link()?.megabytes().map(Value::Int),
        // NVLink 5 counts in bytes, what came before in KiB and errors of its own.
        field_id::NVML_FI_DEV_NVLINK_COUNT_XMIT_PACKETS..=field_id::NVML_FI_DEV_NVLINK_COUNT_SYMBOL_BER => {
            let link = link()?;
            if !link.is_fifth() {
                return Err(NOT_SUPPORTED);
            }
            match id {
                field_id::NVML_FI_DEV_NVLINK_COUNT_XMIT_BYTES => {
                    link.transmitted_kib().map(|kib| Value::Long(kib * 1024))
                }
                field_id::NVML_FI_DEV_NVLINK_COUNT_RCV_BYTES => {
                    link.received_kib().map(|kib| Value::Long(kib * 1024))
                }
                field_id::NVML_FI_DEV_NVLINK_COUNT_LINK_RECOVERY_SUCCESSFUL_EVENTS => {
                    link.recoveries().map(Value::Long)
                }
                field_id::NVML_FI_DEV_NVLINK_COUNT_SYMBOL_ERRORS => link.crc_errors().map(Value::Long),
                // 1e-9, or none.
                field_id::NVML_FI_DEV_NVLINK_COUNT_SYMBOL_BER => {
                    link.crc_errors().map(|errors| Value::Long(if errors > 0 { 0x109 } else { 0xFFF }))
                }
                field_id::NVML_FI_DEV_NVLINK_COUNT_EFFECTIVE_BER => {
                    link.crc_errors().map(|_| Value::Long(0xFFF))
                }
                _ => link.crc_errors().map(|_| Value::Long(0)),
            }
        }
        161..=163 if link().is_ok_and(NvLink::is_fifth) => Err(NOT_SUPPORTED),
        field_id::NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX => link()?.transmitted_kib().map(Value::Long),
        field_id::NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_RX => link()?.received_kib().map(Value::Long),
        field_id::NVML_FI_DEV_NVLINK_ERROR_DL_REPLAY => link()?.replays().map(Value::Long),
        field_id::NVML_FI_DEV_NVLINK_ERROR_DL_RECOVERY => link()?.recoveries().map(Value::Long),
        field_id::NVML_FI_DEV_NVLINK_ERROR_DL_CRC => link()?.crc_errors().map(Value::Long),
        _ => Err(NOT_SUPPORTED),
    }
}

/// The same, or what the scenario sets.
fn answer(gpu: Gpu<'_>, generation: Generation, id: u32, scope: u32) -> Result<Value, Code> {
    let reading = field(gpu, generation, id, scope);
    match (number_set(gpu, FIELD_VALUES), reading) {
        (None, reading) => reading,
        (Some(number), Ok(Value::Int(_))) => Ok(Value::Int(Numbers::all(number))),
        (Some(number), Ok(Value::Signed(_))) => Ok(Value::Signed(Numbers::all(number))),
        (Some(number), _) => Ok(Value::Long(number)),
    }
}

/// The calls' names in scenarios.
const FIELD_VALUES: &str = "nvmlDeviceGetFieldValues";
const SAMPLES: &str = "nvmlDeviceGetSamples";

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetFieldValues(
    device: nvml::nvmlDevice_t,
    count: c_int,
    values: *mut nvml::nvmlFieldValue_t,
) -> Code {
    code((|| {
        let library = library()?;
        let index = index(device)?;
        apply_incidents(&library, index, FIELD_VALUES)?;
        let gpu = library.gpu(index)?;
        let generation = library.scenario.driver.generation();
        let count = usize::try_from(count).map_err(|_| nvml::nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT)?;
        if values.is_null() {
            return Err(nvml::nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT);
        }
        // SAFETY: not null; NVML's contract: `values` has `count` filled entries.
        for entry in unsafe { std::slice::from_raw_parts_mut(values, count) } {
            entry.timestamp = microseconds(SystemTime::now()).cast_signed();
            entry.latencyUsec = 0;
            entry.nvmlReturn = nvml::nvmlReturn_enum_NVML_SUCCESS;
            match answer(gpu, generation, entry.fieldId, entry.scopeId) {
                Ok(Value::Int(value)) => {
                    entry.valueType = nvml::nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_INT;
                    entry.value = nvml::nvmlValue_t { uiVal: value };
                }
                Ok(Value::Long(value)) => {
                    entry.valueType = nvml::nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_LONG_LONG;
                    entry.value = nvml::nvmlValue_t { ullVal: value };
                }
                Ok(Value::Signed(value)) => {
                    entry.valueType = nvml::nvmlValueType_enum_NVML_VALUE_TYPE_SIGNED_INT;
                    entry.value = nvml::nvmlValue_t { siVal: value };
                }
                Err(refused) => entry.nvmlReturn = refused,
            }
        }
        Ok(())
    })())
}

/// How often the simulated driver samples, and how far back it remembers: as seen on real cards.
const SAMPLE_STEP: Duration = Duration::from_millis(100);
const SAMPLES_KEPT: c_uint = 120;

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetSamples(
    device: nvml::nvmlDevice_t,
    kind: nvml::nvmlSamplingType_enum,
    last_seen: c_ulonglong,
    value_type: *mut nvml::nvmlValueType_enum,
    count: *mut c_uint,
    samples: *mut nvml::nvmlSample_t,
) -> Code {
    code((|| {
        let library = library()?;
        let index = index(device)?;
        apply_incidents(&library, index, SAMPLES)?;
        let gpu = library.gpu(index)?;
        let is_power = match kind {
            nvml::nvmlSamplingType_enum_NVML_GPU_UTILIZATION_SAMPLES => false,
            nvml::nvmlSamplingType_enum_NVML_TOTAL_POWER_SAMPLES => true,
            _ => return Err(NOT_SUPPORTED),
        };
        if value_type.is_null() || count.is_null() {
            return Err(nvml::nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT);
        }
        let set = number_set(gpu, SAMPLES);
        if set.is_none() && !is_power {
            gpu.utilization()?;
        }
        // SAFETY: not null; NVML's contract: both point to one value.
        unsafe { value_type.write(nvml::nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_INT) };
        if samples.is_null() {
            // The caller asks how much room to bring; like the driver, answer with the whole ring.
            let room = set.map_or(SAMPLES_KEPT, Numbers::all);
            // SAFETY: as above.
            unsafe { count.write(room) };
            return Ok(());
        }
        // SAFETY: as above.
        let room = unsafe { count.read() } as usize;
        let step = u64::try_from(SAMPLE_STEP.as_micros()).unwrap_or(u64::MAX);
        // Sample times lie on a grid of absolute time, so that two callers see the same samples.
        let newest = microseconds(SystemTime::now()) / step;
        let mut written = 0;
        for tick in (newest.saturating_sub(u64::from(SAMPLES_KEPT) - 1)..=newest)
            .filter(|tick| tick * step > last_seen)
            .take(room)
        {
            let end = library.seconds(UNIX_EPOCH + Duration::from_micros(tick * step));
            if end <= SAMPLE_STEP.as_secs_f64() {
                continue;
            }
            let number = match set {
                Some(number) => Numbers::all(number),
                None if is_power => Gpu { t: end, ..gpu }.milliwatts(),
                None => gpu.utilization_before(end, SAMPLE_STEP.as_secs_f64())?,
            };
            let sample = nvml::nvmlSample_t {
                timeStamp: tick * step,
                sampleValue: nvml::nvmlValue_t { uiVal: number },
            };
            // SAFETY: `written < room`, and NVML's contract: `samples` has room for `count` entries.
            unsafe { samples.add(written).write(sample) };
            written += 1;
        }
        // SAFETY: as above.
        unsafe { count.write(c_uint::try_from(written).unwrap_or(c_uint::MAX)) };
        if written == 0 { Err(nvml::nvmlReturn_enum_NVML_ERROR_NOT_FOUND) } else { Ok(()) }
    })())
}

fn microseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

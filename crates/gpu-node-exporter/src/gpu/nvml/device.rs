//! One GPU, asked everything once.
//!
//! Owns which calls make up a [`Reading`], and what is kept of a GPU between rounds.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use nvml_wrapper::enum_wrappers::device::{
    Clock, EccCounter, MemoryError, RetirementCause, TemperatureSensor, TemperatureThreshold,
};
use nvml_wrapper::enums::device::SampleValue;
use nvml_wrapper::structs::device::FieldId;
use nvml_wrapper::sys_exports::field_id;
use nvml_wrapper::{Device, Nvml};

use super::answer;
use super::asker::{Asker, Unsupported};
use super::busy_time::busy_time;
use super::raw;
use crate::gpu::fault::{FaultReason, ReadingFault};
use crate::gpu::frame::{
    Clocks, GpuSweep, Health, Identity, Load, Memory, Outcome, Pcie, Power, Reading, Thermal, Throttle,
};
use crate::gpu::pci;
use crate::units::{Bytes, Celsius, Hertz, Joules, Ratio, Seconds, Watts};

/// Slow readings are asked for this often at most: they change seldom, and some cost the driver milliseconds.
const SLOW_EVERY: Duration = Duration::from_secs(5);

/// Reads GPUs, and remembers between rounds what need not be asked again.
pub(in crate::gpu) struct Reader {
    gpus: BTreeMap<String, Remembered>,
    /// What is not known for longer than this is not filled in.
    longest_gap: Duration,
}

/// What is kept of one GPU, by UUID.
#[derive(Default)]
struct Remembered {
    unsupported: Unsupported,
    constants: Option<Constants>,
    slow: Slow,
    slow_read: Option<Instant>,
    /// Time of the newest utilisation sample taken, microseconds since 1970.
    newest_sample: Option<u64>,
}

/// What stays the same while the driver is loaded.
struct Constants {
    identity: Identity,
    max_clocks: Clocks,
}

/// What changes seldom.
#[derive(Clone, Default)]
struct Slow {
    power_limit: Option<Watts>,
    limits: Thermal,
    pcie: Pcie,
    health: Health,
    fans: Vec<Option<Ratio>>,
    mig_enabled: Option<bool>,
    /// What failed of these: a fault lasts until they are asked again.
    faults: Vec<ReadingFault>,
}

impl Reader {
    pub(in crate::gpu) fn new(longest_gap: Duration) -> Self {
        Self { gpus: BTreeMap::new(), longest_gap }
    }

    /// Asks the GPU at this index. `tell_unsupported` adds the names of what it does not have.
    pub(in crate::gpu) fn read(&mut self, nvml: &Nvml, index: u32, tell_unsupported: bool) -> GpuSweep {
        let outcome = match self.reading(nvml, index, tell_unsupported) {
            Ok(reading) => Outcome::Read(Box::new(reading)),
            Err(reason) => Outcome::Failed(reason),
        };
        GpuSweep { index, outcome }
    }

    fn reading(&mut self, nvml: &Nvml, index: u32, tell_unsupported: bool) -> Result<Reading, FaultReason> {
        // Handles are taken anew each round: after a loss an old one may mean another GPU or none.
        let device = nvml.device_by_index(index).map_err(|error| answer::reason(&error))?;
        let uuid = device.uuid().map_err(|error| answer::reason(&error))?;
        let kept = self.gpus.entry(uuid.clone()).or_default();

        let mut ask = Asker::new(&mut kept.unsupported);
        let known = kept.constants.take();
        let constants = known.unwrap_or_else(|| constants(&mut ask, &device, uuid));
        let constants_faults = ask.into_faults()?;

        let fresh = kept.slow_read.take().filter(|read| read.elapsed() < SLOW_EVERY);
        if fresh.is_none() {
            let mut ask = Asker::new(&mut kept.unsupported);
            kept.slow = slow(&mut ask, &device);
            kept.slow.faults = ask.into_faults()?;
        }
        let slow_read = fresh.unwrap_or_else(Instant::now);
        let slow = kept.slow.clone();

        let mut ask = Asker::new(&mut kept.unsupported);
        let (throttle, memory_temperature) = throttle_and_memory_temperature(&mut ask, &device);
        let mut reading = Reading {
            memory: memory(&mut ask, &device),
            load: load(&mut ask, &device, slow.mig_enabled, &mut kept.newest_sample, self.longest_gap),
            power: Power {
                usage: ask.ask("power", || device.power_usage()).map(Watts::from_milliwatts),
                limit: slow.power_limit,
                energy: ask.ask("energy", || device.total_energy_consumption()).map(Joules::from_millijoules),
                performance_state: ask
                    .ask("performance state", || device.performance_state())
                    .map(|state| state.as_c())
                    // 32 is NVML's "unknown".
                    .filter(|state| *state < 16),
            },
            thermal: Thermal {
                gpu: celsius(ask.ask("temperature", || device.temperature(TemperatureSensor::Gpu))),
                memory: memory_temperature,
                ..slow.limits
            },
            clocks: clocks(&mut ask, &device),
            max_clocks: constants.max_clocks.clone(),
            throttle,
            pcie: slow.pcie,
            health: slow.health,
            fans: slow.fans,
            identity: constants.identity.clone(),
            faults: ask.into_faults_of_one_that_answers()?,
            unsupported: Vec::new(),
        };
        // Kept for the next round only now: after a loss all is asked again, and so is a constant that failed.
        kept.slow_read = Some(slow_read);
        kept.constants = Some(constants).filter(|_| constants_faults.is_empty());
        reading.faults.extend(constants_faults);
        reading.faults.extend(slow.faults);
        if tell_unsupported {
            reading.unsupported = kept.unsupported.iter().map(ToString::to_string).collect();
        }
        Ok(reading)
    }
}

fn constants(ask: &mut Asker<'_>, device: &Device<'_>, uuid: String) -> Constants {
    Constants { identity: identity(ask, device, uuid), max_clocks: max_clocks(ask, device) }
}

fn identity(ask: &mut Asker<'_>, device: &Device<'_>, uuid: String) -> Identity {
    Identity {
        uuid,
        pci_bus_id: ask.ask("PCI address", || device.pci_info()).map(|pci| pci::sysfs_address(&pci.bus_id)),
        name: ask.ask("name", || device.name()),
        brand: ask.ask("brand", || device.brand()).map(|brand| format!("{brand:?}")),
        architecture: ask
            .ask("architecture", || device.architecture())
            .map(|architecture| architecture.to_string()),
        compute_capability: ask
            .ask("compute capability", || device.cuda_compute_capability())
            .map(|capability| format!("{}.{}", capability.major, capability.minor)),
        serial: ask.ask("serial number", || device.serial()),
        vbios_version: ask.ask("VBIOS version", || device.vbios_version()),
        minor_number: ask.ask("minor number", || device.minor_number()),
    }
}

fn memory(ask: &mut Asker<'_>, device: &Device<'_>) -> Option<Memory> {
    const PRESENT_CALL: &str = "memory";
    let now = ask.ask(PRESENT_CALL, || device.memory_info()).map(|memory| Memory {
        total: Bytes(memory.total),
        used: Bytes(memory.used),
        free: Bytes(memory.free),
        reserved: Some(Bytes(memory.reserved)),
    });
    // Drivers before R510 lack the second version of this call. It must not stand in for one that failed: what it
    // calls used is more.
    if !ask.lacks(PRESENT_CALL) {
        return now;
    }
    ask.ask("memory (first version)", || raw::memory(device)).map(|(total, used, free)| Memory {
        total: Bytes(total),
        used: Bytes(used),
        free: Bytes(free),
        reserved: None,
    })
}

fn load(
    ask: &mut Asker<'_>,
    device: &Device<'_>,
    mig_enabled: Option<bool>,
    newest_sample: &mut Option<u64>,
    longest_gap: Duration,
) -> Load {
    // In MIG mode the whole-GPU figures mean nothing; old drivers answer 0 rather than "not supported".
    if mig_enabled == Some(true) {
        return Load { mig_enabled, ..Load::default() };
    }
    let rates = ask.ask("utilisation", || device.utilization_rates());
    let percent = |percent: u32| Ratio::from_percent(percent);
    Load {
        utilization: rates.as_ref().and_then(|rates| percent(rates.gpu)),
        memory_controller: rates.as_ref().and_then(|rates| percent(rates.memory)),
        encoder: ask
            .ask("encoder", || device.encoder_utilization())
            .and_then(|load| percent(load.utilization)),
        decoder: ask
            .ask("decoder", || device.decoder_utilization())
            .and_then(|load| percent(load.utilization)),
        busy: ask.ask("utilisation samples", || busy_time(device, newest_sample, longest_gap)).flatten(),
        mig_enabled,
    }
}

fn clocks(ask: &mut Asker<'_>, device: &Device<'_>) -> Clocks {
    let mut clock = |name, domain| ask.ask(name, || device.clock_info(domain)).map(Hertz::from_megahertz);
    Clocks {
        graphics: clock("graphics clock", Clock::Graphics),
        sm: clock("SM clock", Clock::SM),
        memory: clock("memory clock", Clock::Memory),
        video: clock("video clock", Clock::Video),
    }
}

fn max_clocks(ask: &mut Asker<'_>, device: &Device<'_>) -> Clocks {
    let mut clock = |name, domain| ask.ask(name, || device.max_clock_info(domain)).map(Hertz::from_megahertz);
    Clocks {
        graphics: clock("maximum graphics clock", Clock::Graphics),
        sm: clock("maximum SM clock", Clock::SM),
        memory: clock("maximum memory clock", Clock::Memory),
        video: clock("maximum video clock", Clock::Video),
    }
}

fn celsius(degrees: Option<u32>) -> Option<Celsius> {
    degrees.and_then(Celsius::from_degrees)
}

fn throttle_reasons(ask: &mut Asker<'_>, device: &Device<'_>) -> Option<u64> {
    const PRESENT_CALL: &str = "clock event reasons";
    let reasons = ask.ask(PRESENT_CALL, || raw::clock_event_reasons(device));
    if !ask.lacks(PRESENT_CALL) {
        return reasons;
    }
    ask.ask("clock throttle reasons", || raw::clock_throttle_reasons(device))
}

fn throttle_and_memory_temperature(ask: &mut Asker<'_>, device: &Device<'_>) -> (Throttle, Option<Celsius>) {
    let reasons = throttle_reasons(ask, device);
    let [sw_power_cap, sync_boost, sw_thermal, hw_thermal, hw_power_brake, memory] = fields(
        ask,
        device,
        "throttle times and memory temperature",
        [
            ("software power cap time", field_id::NVML_FI_DEV_CLOCKS_EVENT_REASON_SW_POWER_CAP),
            ("sync boost time", field_id::NVML_FI_DEV_CLOCKS_EVENT_REASON_SYNC_BOOST),
            ("software thermal slowdown time", field_id::NVML_FI_DEV_CLOCKS_EVENT_REASON_SW_THERM_SLOWDOWN),
            ("hardware thermal slowdown time", field_id::NVML_FI_DEV_CLOCKS_EVENT_REASON_HW_THERM_SLOWDOWN),
            ("hardware power brake time", field_id::NVML_FI_DEV_CLOCKS_EVENT_REASON_HW_POWER_BRAKE_SLOWDOWN),
            ("memory temperature", field_id::NVML_FI_DEV_MEMORY_TEMP),
        ],
    );
    let time = |nanoseconds: Option<u64>| nanoseconds.map(Seconds::from_nanoseconds);
    let throttle = Throttle {
        reasons,
        sw_power_cap: time(sw_power_cap),
        sync_boost: time(sync_boost),
        sw_thermal: time(sw_thermal),
        hw_thermal: time(hw_thermal),
        hw_power_brake: time(hw_power_brake),
    };
    // A card without the sensor says 0, which no running memory has.
    let memory = memory.filter(|degrees| *degrees > 0).and_then(|degrees| u32::try_from(degrees).ok());
    (throttle, celsius(memory))
}

/// Several field values with one call. Each is its own reading: one that is not supported takes none with it.
/// Answers are matched by position, since the driver may return another number than was asked for.
fn fields<const N: usize>(
    ask: &mut Asker<'_>,
    device: &Device<'_>,
    batch: &'static str,
    wanted: [(&'static str, u32); N],
) -> [Option<u64>; N] {
    let mut found = [None; N];
    let asked: Vec<_> = (0..N).filter(|at| !ask.lacks(wanted[*at].0)).collect();
    let ids: Vec<_> = asked.iter().map(|at| FieldId(wanted[*at].1)).collect();
    if ids.is_empty() {
        return found;
    }
    let Some(answers) = ask.batch(batch, || device.field_values_for(&ids)) else { return found };
    for (at, answer) in asked.into_iter().zip(answers) {
        let value = ask.ask(wanted[at].0, || answer.and_then(|sample| sample.value));
        found[at] = value.and_then(|value| match value {
            SampleValue::U32(value) => Some(u64::from(value)),
            SampleValue::U64(value) => Some(value),
            SampleValue::I64(value) => u64::try_from(value).ok(),
            SampleValue::F64(_) => None,
        });
    }
    found
}

fn slow(ask: &mut Asker<'_>, device: &Device<'_>) -> Slow {
    let mut limit = |name, which| {
        celsius(ask.ask(name, || device.temperature_threshold(which)).filter(|degrees| *degrees > 0))
    };
    let limits = Thermal {
        slowdown: limit("slowdown temperature", TemperatureThreshold::Slowdown),
        shutdown: limit("shutdown temperature", TemperatureThreshold::Shutdown),
        gpu_max: limit("maximum GPU temperature", TemperatureThreshold::GpuMax),
        memory_max: limit("maximum memory temperature", TemperatureThreshold::MemoryMax),
        ..Thermal::default()
    };
    let mut fans = Vec::new();
    for fan in 0..ask.ask("fans", || device.num_fans()).unwrap_or_default() {
        let speed = ask.ask(format!("speed of fan {fan}"), || device.fan_speed(fan));
        fans.push(speed.map(Ratio::from_percent_of_nominal));
    }
    Slow {
        power_limit: ask.ask("power limit", || device.enforced_power_limit()).map(Watts::from_milliwatts),
        limits,
        fans,
        mig_enabled: ask.ask("MIG mode", || device.mig_mode()).map(|mode| mode.current == 1),
        health: health(ask, device),
        pcie: pcie(ask, device),
        faults: Vec::new(),
    }
}

fn pcie(ask: &mut Asker<'_>, device: &Device<'_>) -> Pcie {
    let [transmitted, received] = fields(
        ask,
        device,
        "PCIe byte counters",
        [
            ("PCIe bytes transmitted", field_id::NVML_FI_DEV_PCIE_COUNT_TX_BYTES),
            ("PCIe bytes received", field_id::NVML_FI_DEV_PCIE_COUNT_RX_BYTES),
        ],
    );
    Pcie {
        transmitted: transmitted.map(Bytes),
        received: received.map(Bytes),
        replays: ask.ask("PCIe replays", || device.pcie_replay_counter()),
        generation: ask.ask("PCIe generation", || device.current_pcie_link_gen()),
        width: ask.ask("PCIe width", || device.current_pcie_link_width()),
        max_generation: ask.ask("maximum PCIe generation", || device.max_pcie_link_gen()),
        max_width: ask.ask("maximum PCIe width", || device.max_pcie_link_width()),
    }
}

fn health(ask: &mut Asker<'_>, device: &Device<'_>) -> Health {
    let mut ecc = |name, kind, counter| ask.ask(name, || device.total_ecc_errors(kind, counter));
    let corrected_volatile = ecc("corrected ECC errors", MemoryError::Corrected, EccCounter::Volatile);
    let uncorrected_volatile = ecc("uncorrected ECC errors", MemoryError::Uncorrected, EccCounter::Volatile);
    let corrected_aggregate = ecc("corrected ECC errors ever", MemoryError::Corrected, EccCounter::Aggregate);
    let uncorrected_aggregate =
        ecc("uncorrected ECC errors ever", MemoryError::Uncorrected, EccCounter::Aggregate);
    let [correctable, uncorrectable, pending, failed, recovery_action] = fields(
        ask,
        device,
        "row remaps and recovery action",
        [
            ("correctable row remaps", field_id::NVML_FI_DEV_REMAPPED_COR),
            ("uncorrectable row remaps", field_id::NVML_FI_DEV_REMAPPED_UNC),
            ("row remap pending", field_id::NVML_FI_DEV_REMAPPED_PENDING),
            ("row remap failed", field_id::NVML_FI_DEV_REMAPPED_FAILURE),
            ("recovery action", field_id::NVML_FI_DEV_GET_GPU_RECOVERY_ACTION),
        ],
    );
    let mut pages =
        |name, cause| ask.ask(name, || device.retired_pages(cause)).map(|pages| pages.len() as u64);
    Health {
        ecc_corrected_volatile: corrected_volatile,
        ecc_uncorrected_volatile: uncorrected_volatile,
        ecc_corrected_aggregate: corrected_aggregate,
        ecc_uncorrected_aggregate: uncorrected_aggregate,
        remaps_correctable: correctable,
        remaps_uncorrectable: uncorrectable,
        remap_pending: pending.map(|flag| flag != 0),
        remap_failed: failed.map(|flag| flag != 0),
        retired_single_bit: pages("retired pages (single bit)", RetirementCause::MultipleSingleBitEccErrors),
        retired_double_bit: pages("retired pages (double bit)", RetirementCause::DoubleBitEccError),
        recovery_action: recovery_action.and_then(|action| u32::try_from(action).ok()),
    }
}

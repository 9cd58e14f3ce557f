//! The simulated machine at a moment: pure arithmetic from a scenario and a time.
//!
//! Owns every reading's value. Leaves out pointers and error delivery: that is [`abi`](crate::abi)'s.

use nvml_wrapper_sys::bindings as nvml;

use crate::generation::Generation;
use crate::incident::{Incident, Kind};
use crate::model::Card;
use crate::process::Process;
use crate::scenario::{Group, Scenario};

/// An NVML error code.
pub(crate) type Code = nvml::nvmlReturn_enum;

pub(crate) const NOT_SUPPORTED: Code = nvml::nvmlReturn_enum_NVML_ERROR_NOT_SUPPORTED;
pub(crate) const NOT_FOUND: Code = nvml::nvmlReturn_enum_NVML_ERROR_NOT_FOUND;

/// One GPU at one moment.
#[derive(Clone, Copy)]
pub(crate) struct Gpu<'a> {
    pub(crate) index: u32,
    pub(crate) group: &'a Group,
    pub(crate) incidents: &'a [Incident],
    pub(crate) processes: &'a [Process],
    /// Seconds from the scenario's origin of time.
    pub(crate) t: f64,
}

/// Shares of the PCIe link's bandwidth that a busy GPU uses; only has to be plausible.
const PCIE_RECEIVE_BYTES_PER_BUSY_SECOND: f64 = 6e9;
const PCIE_TRANSMIT_BYTES_PER_BUSY_SECOND: f64 = 2e9;

impl<'a> Gpu<'a> {
    /// The GPU with this index at `t` seconds, if the scenario has it.
    pub(crate) fn at(scenario: &'a Scenario, index: u32, t: f64) -> Option<Self> {
        let mut first = 0;
        for group in &scenario.gpus {
            if index < first + group.count {
                let (incidents, processes) = (&scenario.incidents, &scenario.processes);
                return Some(Self { index, group, incidents, processes, t });
            }
            first += group.count;
        }
        None
    }

    /// The incidents of this GPU that last now.
    pub(crate) fn incidents(self) -> impl Iterator<Item = &'a Incident> {
        self.incidents.iter().filter(move |incident| incident.gpu == self.index && incident.lasts_at(self.t))
    }

    /// The processes that are on it now.
    pub(crate) fn processes(self) -> impl Iterator<Item = &'a Process> {
        self.processes.iter().filter(move |process| process.gpu == self.index && process.runs_at(self.t))
    }

    pub(crate) fn card(self) -> &'static Card {
        self.group.model.card()
    }

    pub(crate) fn uuid(self) -> String {
        format!("GPU-51b00000-0000-4000-8000-{:012x}", self.index)
    }

    pub(crate) fn serial(self) -> Result<String, Code> {
        self.data_centre(|| format!("1650{:09}", 100_000_000 + self.index))
    }

    /// The bus number; one GPU a bus, from 0x17 on.
    pub(crate) fn bus(self) -> u32 {
        0x17 + self.index * 3
    }

    fn shift(self) -> f64 {
        f64::from(self.index) / 8.0
    }

    fn load(self) -> f64 {
        self.group.utilization.at(self.t, self.shift())
    }

    /// Seconds of activity since the origin.
    pub(crate) fn busy(self, t: f64) -> f64 {
        self.group.utilization.integral(t, self.shift())
    }

    pub(crate) fn memory_used(self) -> u64 {
        let usable = self.card().memory_total - self.card().memory_reserved;
        whole(self.share_of_memory_used() * usable as f64)
    }

    pub(crate) fn share_of_memory_used(self) -> f64 {
        self.group.memory_used.at(self.t, self.shift())
    }

    pub(crate) fn memory_free(self) -> u64 {
        self.card().memory_total - self.card().memory_reserved - self.memory_used()
    }

    /// Busy time of GPU and memory controller in percent; not reported in MIG mode.
    pub(crate) fn utilization(self) -> Result<(u32, u32), Code> {
        if self.group.mig {
            return Err(NOT_SUPPORTED);
        }
        Ok((small(self.load() * 100.0), small(self.load() * 45.0)))
    }

    /// Busy time of the picture decoder in percent, which cards have since Ampere.
    pub(crate) fn pictures(self) -> Result<u32, Code> {
        if self.card().architecture < nvml::NVML_DEVICE_ARCH_AMPERE {
            return Err(NOT_SUPPORTED);
        }
        self.utilization().map(|(busy, _)| busy / 10)
    }

    /// Mean utilisation in percent over `length` seconds before `end`.
    pub(crate) fn utilization_before(self, end: f64, length: f64) -> Result<u32, Code> {
        if self.group.mig {
            return Err(NOT_SUPPORTED);
        }
        Ok(small((self.busy(end) - self.busy(end - length)) / length * 100.0))
    }

    pub(crate) fn milliwatts(self) -> u32 {
        small((self.card().idle_watts + self.span_watts() * self.load()) * 1000.0)
    }

    pub(crate) fn millijoules(self) -> u64 {
        whole((self.card().idle_watts * self.t + self.span_watts() * self.busy(self.t)) * 1000.0)
    }

    /// A busy card stays a little below its limit.
    fn span_watts(self) -> f64 {
        (self.card().limit_watts - self.card().idle_watts) * 0.95
    }

    /// In milliwatts. A GPU that shares a chip with a CPU has none of its own.
    pub(crate) fn power_limit(self) -> Result<u32, Code> {
        self.own_memory(|| small(self.card().limit_watts * 1000.0))
    }

    pub(crate) fn celsius(self) -> u32 {
        if self.is_hot() {
            return self.card().slowdown_celsius;
        }
        small(self.card().idle_celsius + (self.card().busy_celsius - self.card().idle_celsius) * self.load())
    }

    pub(crate) fn memory_celsius(self) -> Result<u32, Code> {
        if self.card().has_memory_temperature { Ok(self.celsius() + 8) } else { Err(NOT_SUPPORTED) }
    }

    /// Degrees to the slowdown temperature.
    pub(crate) fn slowdown_margin(self) -> i32 {
        self.card().slowdown_celsius.cast_signed() - self.celsius().cast_signed()
    }

    /// For what is said of limits as margins.
    pub(crate) fn thermal_margin<T>(self, reading: impl FnOnce() -> T) -> Result<T, Code> {
        if self.card().has_thermal_margin { Ok(reading()) } else { Err(NOT_SUPPORTED) }
    }

    fn is_hot(self) -> bool {
        self.incidents().any(|incident| incident.kind == Kind::Thermal)
    }

    pub(crate) fn clock_mhz(self, domain: nvml::nvmlClockType_enum) -> Result<u32, Code> {
        let card = self.card();
        let reached = if self.is_hot() { 0.4 } else { 1.0 };
        match domain {
            nvml::nvmlClockType_enum_NVML_CLOCK_GRAPHICS | nvml::nvmlClockType_enum_NVML_CLOCK_SM => {
                let span = f64::from(card.max_graphics_mhz - card.idle_graphics_mhz);
                Ok(card.idle_graphics_mhz + small(span * reached * self.load().min(1.0)))
            }
            nvml::nvmlClockType_enum_NVML_CLOCK_MEM => Ok(card.max_memory_mhz),
            nvml::nvmlClockType_enum_NVML_CLOCK_VIDEO => Ok(card.max_video_mhz),
            _ => Err(nvml::nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT),
        }
    }

    pub(crate) fn max_clock_mhz(self, domain: nvml::nvmlClockType_enum) -> Result<u32, Code> {
        match domain {
            nvml::nvmlClockType_enum_NVML_CLOCK_GRAPHICS | nvml::nvmlClockType_enum_NVML_CLOCK_SM => {
                Ok(self.card().max_graphics_mhz)
            }
            nvml::nvmlClockType_enum_NVML_CLOCK_MEM => Ok(self.card().max_memory_mhz),
            nvml::nvmlClockType_enum_NVML_CLOCK_VIDEO => Ok(self.card().max_video_mhz),
            _ => Err(nvml::nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT),
        }
    }

    /// `nvmlClocksEventReasons` bits.
    pub(crate) fn throttle_reasons(self) -> u64 {
        if self.is_hot() {
            return u64::from(
                nvml::nvmlClocksEventReasonSwThermalSlowdown
                    | nvml::nvmlClocksThrottleReasonHwSlowdown
                    | nvml::nvmlClocksThrottleReasonHwThermalSlowdown,
            );
        }
        if self.load() < 0.01 { u64::from(nvml::nvmlClocksEventReasonGpuIdle) } else { 0 }
    }

    /// Time held down for heat since the origin, in nanoseconds.
    pub(crate) fn thermal_nanoseconds(self) -> u64 {
        let seconds =
            self.incidents.iter().filter(|i| i.gpu == self.index && i.kind == Kind::Thermal).map(|i| {
                let end = i.until.map_or(self.t, |until| until.as_secs_f64().min(self.t));
                (end - i.at.as_secs_f64()).max(0.0)
            });
        whole(seconds.sum::<f64>() * 1e9)
    }

    pub(crate) fn performance_state(self) -> u32 {
        if self.load() < 0.01 && !self.card().data_centre { 8 } else { 0 }
    }

    /// Fan speed in percent of the maximum.
    pub(crate) fn fan_percent(self, fan: u32) -> Result<u32, Code> {
        if self.card().fans == 0 {
            return Err(NOT_SUPPORTED);
        }
        if fan >= self.card().fans {
            return Err(nvml::nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT);
        }
        Ok(small(30.0 + 50.0 * self.load()))
    }

    /// An idle link drops to generation 1, as real ones do.
    pub(crate) fn pcie_generation(self) -> u32 {
        if self.load() < 0.01 { 1 } else { self.card().pcie_generation }
    }

    pub(crate) fn pcie_transmit_bytes(self) -> Result<u64, Code> {
        self.data_centre(|| whole(self.busy(self.t) * PCIE_TRANSMIT_BYTES_PER_BUSY_SECOND))
    }

    pub(crate) fn pcie_receive_bytes(self) -> Result<u64, Code> {
        self.data_centre(|| whole(self.busy(self.t) * PCIE_RECEIVE_BYTES_PER_BUSY_SECOND))
    }

    /// (corrected, uncorrected).
    pub(crate) fn ecc_errors(self) -> Result<(u64, u64), Code> {
        self.data_centre(|| (self.group.ecc.corrected, self.group.ecc.uncorrected))
    }

    /// The events that the driver can report of this card, as bits of nvml.h.
    pub(crate) fn supported_events(self, generation: Generation) -> u64 {
        // XIDs and clocks; then what data-centre cards have: ECC errors and changes of MIG; then what only the newest drivers report.
        let everybodys = XID | 0x14;
        let ecc = if self.card().data_centre { 0x3 } else { 0 };
        let mig = if self.card().has_mig { 0x100 } else { 0 };
        let newest = if self.card().data_centre && generation.has_newest_events() { 0xfe00 } else { 0 };
        everybodys | ecc | mig | newest
    }

    pub(crate) fn mig_mode(self) -> Result<u32, Code> {
        if self.card().has_mig { Ok(self.group.mig.into()) } else { Err(NOT_SUPPORTED) }
    }

    /// 1 (reset) while a fatal XID's incident lasts, else 0.
    pub(crate) fn recovery_action(self) -> Result<u32, Code> {
        self.data_centre(|| {
            u32::from(self.incidents().any(|i| matches!(i.xid, Some(48 | 62 | 64 | 79 | 95 | 119))))
        })
    }

    /// For readings of memory that is the GPU's own.
    pub(crate) fn own_memory<T>(self, reading: impl FnOnce() -> T) -> Result<T, Code> {
        if self.card().memory_total == 0 { Err(NOT_SUPPORTED) } else { Ok(reading()) }
    }

    /// For readings that only data-centre cards have.
    pub(crate) fn data_centre<T>(self, reading: impl FnOnce() -> T) -> Result<T, Code> {
        if self.card().data_centre { Ok(reading()) } else { Err(NOT_SUPPORTED) }
    }
}

/// What the driver reports of a GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// The GPU's index.
    pub(crate) gpu: u32,
    /// What it is, as a bit of nvml.h.
    pub(crate) kind: u64,
    /// The code, of an XID.
    pub(crate) data: u64,
}

/// The bit of an XID.
pub(crate) const XID: u64 = nvml::nvmlEventTypeXidCriticalError as u64;

/// The events raised in the seconds after `from` up to and including `to`, oldest first; of one incident its XID before the other.
pub(crate) fn events_between(scenario: &Scenario, from: f64, to: f64) -> Vec<Event> {
    let mut begun: Vec<_> = scenario
        .incidents
        .iter()
        .map(|incident| (incident.at.as_secs_f64(), incident))
        .filter(|(at, _)| *at > from && *at <= to)
        .collect();
    begun.sort_by(|a, b| a.0.total_cmp(&b.0));
    let events = begun.into_iter().flat_map(|(_, incident)| {
        let gpu = incident.gpu;
        let xid = incident.xid.map(|code| Event { gpu, kind: XID, data: code.into() });
        let other = incident.event.map(|kind| Event { gpu, kind, data: 0 });
        xid.into_iter().chain(other)
    });
    events.collect()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "readings are small and not negative"
)]
pub(crate) fn small(reading: f64) -> u32 {
    reading.round() as u32
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "readings are not negative")]
pub(crate) fn whole(reading: f64) -> u64 {
    reading.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn scenario(text: &str) -> Scenario {
        Scenario::parse(text, Path::new("test")).expect("a good scenario")
    }

    #[test]
    fn memory_parts_add_up_and_energy_follows_power() {
        let scenario = scenario(
            "description: x\ngpus: [{ model: h100-sxm, utilization: { constant: 0.5 }, memory_used: { ramp: { from: 0.1, to: 1.0, over: 1m } } }]",
        );
        let gpu = |t| Gpu::at(&scenario, 0, t).expect("one GPU");
        for t in [0.0, 30.0, 61.0] {
            let total = gpu(t).memory_used() + gpu(t).memory_free() + gpu(t).card().memory_reserved;
            assert_eq!(total, gpu(t).card().memory_total, "at {t}");
        }
        let millijoules = gpu(11.0).millijoules() - gpu(1.0).millijoules();
        assert_eq!(millijoules, u64::from(gpu(5.0).milliwatts()) * 10);
    }

    #[test]
    fn events_come_once_and_in_order() {
        let scenario = scenario(
            "description: x\ngpus: [{ model: h100-sxm, count: 2 }]\nincidents:\n  - { gpu: 1, at: 9s, kind: lost, xid: 79, event: 0x4000 }\n  - { gpu: 0, at: 3s, kind: xid, xid: 94 }\n",
        );
        let raised = |from, to| -> Vec<(u32, u64, u64)> {
            let events = events_between(&scenario, from, to);
            events.into_iter().map(|event| (event.gpu, event.kind, event.data)).collect()
        };
        assert_eq!(raised(0.0, 10.0), [(0, 8, 94), (1, 8, 79), (1, 0x4000, 0)]);
        assert_eq!(raised(3.0, 9.0), [(1, 8, 79), (1, 0x4000, 0)]);
        assert!(raised(9.0, 99.0).is_empty());
    }
}

//! Snapshot → metric families, under our own names. Pure: the present moment is an argument.
//!
//! Series carry `gpu` (index) and `uuid` only; what describes a GPU is in `gpu_info`. The one exception is `gpu_up`,
//! which adds `pci_bus_id`: it must still name the slot when every other series of a lost GPU has stopped, and a GPU
//! that the driver never showed has no other name. XID series stay for a lost GPU, since they say why.

use std::time::Instant;

use super::frame::{Clocks, Reading};
use super::snapshot::{Gpu, Presence, REASONS, Snapshot, WINDOW};
use crate::family::{Family, Labels, Number};

/// How to look at a snapshot.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    pub(super) now: Instant,
    /// The last round is so old that its values are no longer shown.
    pub(super) is_stale: bool,
    /// PCI devices that the driver never showed count as GPUs that are down.
    pub(super) expects_all_pci_gpus: bool,
}

/// A GPU that answers, with its labels.
struct Shown<'a> {
    labels: Labels,
    gpu: &'a Gpu,
    reading: &'a Reading,
}

/// All GPU families; empty ones are left to the encoder to drop.
pub(super) fn families(snapshot: &Snapshot, view: View) -> Vec<Family> {
    let mut families = probe(snapshot, view);
    families.push(up(snapshot, view));
    families.extend(xids(snapshot));
    if view.is_stale {
        return families;
    }
    let shown: Vec<Shown<'_>> = snapshot
        .gpus
        .iter()
        .filter_map(|gpu| match &gpu.presence {
            Presence::Up(reading) => Some(Shown { labels: labels(gpu), gpu, reading }),
            _ => None,
        })
        .collect();
    families.extend(identity(&shown));
    families.extend(memory(&shown, view.now));
    families.extend(load(&shown));
    families.extend(power_and_heat(&shown));
    families.extend(clocks(&shown));
    families.extend(pcie(&shown));
    families.extend(health(&shown));
    families
}

fn labels(gpu: &Gpu) -> Labels {
    let index = Some(("gpu", gpu.index.to_string()));
    Labels::new(index.into_iter().chain(gpu.uuid.clone().map(|uuid| ("uuid", uuid))))
}

fn probe(snapshot: &Snapshot, view: View) -> Vec<Family> {
    let probe = &snapshot.probe;
    let mut restarts =
        Family::counter("gpu_probe_restarts_total", "Replacements of the probe process, by reason.");
    for (reason, count) in &probe.restarts {
        restarts.push(Labels::new([("reason", reason.label())]), *count);
    }
    let mut stuck =
        Family::gauge("gpu_probe_stuck_gpus", "GPUs left alone because calls to them hang or crash.");
    let count = snapshot.gpus.iter().filter(|gpu| matches!(gpu.presence, Presence::Stuck)).count();
    stuck.push(Labels::NONE, count as u64);
    let mut age = Family::gauge("gpu_snapshot_age_seconds", "Age of the GPU readings shown here.");
    if let Some(taken_at) = snapshot.taken_at {
        age.push(Labels::NONE, view.now.saturating_duration_since(taken_at).as_secs_f64());
    }
    let mut driver = Family::info("gpu_driver_info", "The NVIDIA driver; absent while no probe has one.");
    if let Some(known) = snapshot.driver.as_ref().filter(|_| probe.is_up) {
        let versions = [
            ("version", &known.version),
            ("nvml_version", &known.nvml_version),
            ("cuda_version", &known.cuda_version),
        ];
        driver.push(known_labels(&Labels::NONE, versions), 1_u64);
    }
    vec![
        Family::gauge("gpu_probe_up", "Whether a probe process is running and has a driver.")
            .with(Labels::NONE, probe.is_up),
        Family::gauge(
            "gpu_probe_released",
            "Whether an administrator has made the exporter let go of the driver.",
        )
        .with(Labels::NONE, probe.is_released),
        Family::gauge(
            "gpu_probe_abandoned",
            "Probe processes stuck in the driver that could not be ended yet.",
        )
        .with(Labels::NONE, probe.abandoned as u64),
        restarts,
        stuck,
        age,
        driver,
    ]
}

/// The labels whose values are known.
fn known_labels<const N: usize>(first: &Labels, more: [(&'static str, &Option<String>); N]) -> Labels {
    first.and(more.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))))
}

fn up(snapshot: &Snapshot, view: View) -> Family {
    let mut up = Family::gauge("gpu_up", "Whether the GPU answers. A lost one stays at 0 until it returns.");
    // With the driver given away on purpose nothing is known, and nothing is wrong.
    if snapshot.probe.is_released {
        return up;
    }
    let is_expected = view.expects_all_pci_gpus && snapshot.taken_at.is_some();
    let unseen: Vec<_> = snapshot.never_seen().filter(|_| is_expected).collect();
    // One that has not told its name is among those that only the bus names, and counts once: by its slot.
    let nameless = snapshot.gpus.iter().filter(|gpu| gpu.uuid.is_none()).skip(unseen.len());
    let named = snapshot.gpus.iter().filter(|gpu| gpu.uuid.is_some());
    for gpu in named.chain(nameless) {
        let is_up = matches!(gpu.presence, Presence::Up(_)) && !view.is_stale;
        up.push(known_labels(&labels(gpu), [("pci_bus_id", &gpu.pci_bus_id)]), is_up);
    }
    for pci in unseen {
        up.push(Labels::new([("pci_bus_id", pci.address.clone())]), false);
    }
    up
}

fn xids(snapshot: &Snapshot) -> [Family; 2] {
    let mut count =
        Family::counter("gpu_xid_errors_total", "XID errors since the exporter started, by code.");
    let mut last = Family::gauge("gpu_xid_last_timestamp_seconds", "When an XID of this code was last seen.");
    for gpu in &snapshot.gpus {
        let Some(xids) = gpu.uuid.as_ref().and_then(|uuid| snapshot.xids.get(uuid)) else { continue };
        let labels = labels(gpu);
        for (code, xid) in xids.iter() {
            let labels = labels.and([("xid", code.to_string())]);
            if let Some(at) = xid.last {
                last.push(labels.clone(), at);
            }
            count.push(labels, xid.total());
        }
    }
    [count, last]
}

/// Fills a family with one reading of each GPU.
fn each<V: Into<Number>>(
    mut family: Family,
    shown: &[Shown<'_>],
    value: impl Fn(&Shown<'_>) -> Option<V>,
) -> Family {
    for gpu in shown {
        if let Some(value) = value(gpu) {
            family.push(gpu.labels.clone(), value);
        }
    }
    family
}

/// Fills a family with several readings of each GPU, told apart by one label.
fn each_by<V: Into<Number>, const N: usize>(
    mut family: Family,
    label: &'static str,
    shown: &[Shown<'_>],
    values: impl Fn(&Shown<'_>) -> [(&'static str, Option<V>); N],
) -> Family {
    for gpu in shown {
        for (name, value) in values(gpu) {
            if let Some(value) = value {
                family.push(gpu.labels.and([(label, name)]), value);
            }
        }
    }
    family
}

fn identity(shown: &[Shown<'_>]) -> [Family; 1] {
    let mut info = Family::info("gpu_info", "What a GPU is; join on `uuid`.");
    for gpu in shown {
        let known = &gpu.reading.identity;
        let minor = known.minor_number.map(|minor| minor.to_string());
        let more = [
            ("name", &known.name),
            ("pci_bus_id", &known.pci_bus_id),
            ("brand", &known.brand),
            ("architecture", &known.architecture),
            ("compute_capability", &known.compute_capability),
            ("serial", &known.serial),
            ("vbios_version", &known.vbios_version),
            ("minor_number", &minor),
        ];
        info.push(known_labels(&gpu.labels, more), 1_u64);
    }
    [info]
}

fn memory(shown: &[Shown<'_>], now: Instant) -> [Family; 5] {
    let memory = |gpu: &Shown<'_>| gpu.reading.memory;
    let window = format!("{}s", WINDOW.as_secs());
    let mut peak = Family::gauge(
        "gpu_memory_used_max_bytes",
        "Most memory used in the window before this moment, of all samples in it.",
    );
    for gpu in shown {
        if let Some(bytes) = gpu.gpu.memory_used_peak.max(now) {
            peak.push(gpu.labels.and([("window", window.clone())]), bytes);
        }
    }
    [
        each(
            Family::gauge("gpu_memory_total_bytes", "Memory of the GPU, reserved memory included."),
            shown,
            |gpu| memory(gpu).map(|memory| memory.total),
        ),
        each(
            Family::gauge(
                "gpu_memory_used_bytes",
                "Memory allocated, without reserved memory; with it on drivers before R510, which do not tell the two apart.",
            ),
            shown,
            |gpu| memory(gpu).map(|memory| memory.used),
        ),
        each(Family::gauge("gpu_memory_free_bytes", "Memory free to allocate."), shown, |gpu| {
            memory(gpu).map(|memory| memory.free)
        }),
        each(
            Family::gauge("gpu_memory_reserved_bytes", "Memory held back by driver and firmware."),
            shown,
            |gpu| memory(gpu)?.reserved,
        ),
        peak,
    ]
}

fn load(shown: &[Shown<'_>]) -> [Family; 6] {
    [
        each(
            Family::gauge("gpu_utilization_ratio", "Share of the last sample period in which a kernel ran."),
            shown,
            |gpu| gpu.reading.load.utilization,
        ),
        each(
            Family::gauge(
                "gpu_memory_controller_busy_ratio",
                "Share of the last sample period in which memory was read or written; not memory used.",
            ),
            shown,
            |gpu| gpu.reading.load.memory_controller,
        ),
        each(
            Family::counter(
                "gpu_busy_seconds_total",
                "Time in which a kernel ran, from the driver's own samples, since the exporter started.",
            ),
            shown,
            |gpu| gpu.gpu.accumulated.busy,
        ),
        each(
            Family::gauge("gpu_encoder_utilization_ratio", "Share of time the video encoder was busy."),
            shown,
            |gpu| gpu.reading.load.encoder,
        ),
        each(
            Family::gauge("gpu_decoder_utilization_ratio", "Share of time the video decoder was busy."),
            shown,
            |gpu| gpu.reading.load.decoder,
        ),
        each(
            Family::gauge("gpu_mig_enabled", "Whether MIG mode is on; utilisation is absent then."),
            shown,
            |gpu| gpu.reading.load.mig_enabled,
        ),
    ]
}

fn power_and_heat(shown: &[Shown<'_>]) -> [Family; 7] {
    [
        each(Family::gauge("gpu_power_watts", "Power drawn by the board."), shown, |gpu| {
            gpu.reading.power.usage
        }),
        each(Family::gauge("gpu_power_limit_watts", "Power limit in force."), shown, |gpu| {
            gpu.reading.power.limit
        }),
        each(
            Family::counter(
                "gpu_energy_joules_total",
                "Energy used, since the driver was loaded; integrated from power since the exporter started where the driver does not count it.",
            ),
            shown,
            |gpu| gpu.gpu.accumulated.energy(gpu.reading),
        ),
        each_by(
            Family::gauge("gpu_temperature_celsius", "Temperature, by sensor."),
            "sensor",
            shown,
            |gpu| {
                let thermal = &gpu.reading.thermal;
                [("gpu", thermal.gpu), ("memory", thermal.memory)]
            },
        ),
        each_by(
            Family::gauge(
                "gpu_temperature_limit_celsius",
                "Temperatures at which the GPU slows down or stops.",
            ),
            "limit",
            shown,
            |gpu| {
                let thermal = &gpu.reading.thermal;
                [
                    ("slowdown", thermal.slowdown),
                    ("shutdown", thermal.shutdown),
                    ("gpu_max", thermal.gpu_max),
                    ("memory_max", thermal.memory_max),
                ]
            },
        ),
        each(
            Family::gauge("gpu_performance_state", "Performance state: 0 is the fastest, 15 the slowest."),
            shown,
            |gpu| gpu.reading.power.performance_state,
        ),
        fans(shown),
    ]
}

fn fans(shown: &[Shown<'_>]) -> Family {
    let mut fans = Family::gauge("gpu_fan_speed_ratio", "Fan speed as a share of its nominal maximum.");
    for gpu in shown {
        for (fan, speed) in gpu.reading.fans.iter().enumerate() {
            if let Some(speed) = speed {
                fans.push(gpu.labels.and([("fan", fan.to_string())]), *speed);
            }
        }
    }
    fans
}

fn clocks(shown: &[Shown<'_>]) -> [Family; 4] {
    let domains = |clocks: &Clocks| {
        [("graphics", clocks.graphics), ("sm", clocks.sm), ("memory", clocks.memory), ("video", clocks.video)]
    };
    let active = |gpu: &Shown<'_>| {
        REASONS.map(|(bit, name)| (name, gpu.reading.throttle.reasons.map(|reasons| reasons & bit != 0)))
    };
    [
        each_by(Family::gauge("gpu_clock_hertz", "Clock rate, by domain."), "domain", shown, |gpu| {
            domains(&gpu.reading.clocks)
        }),
        each_by(
            Family::gauge("gpu_clock_max_hertz", "Highest clock rate, by domain."),
            "domain",
            shown,
            |gpu| domains(&gpu.reading.max_clocks),
        ),
        each_by(
            Family::gauge("gpu_throttle_active", "Whether this holds the clocks down at the moment."),
            "reason",
            shown,
            active,
        ),
        each_by(
            Family::counter(
                "gpu_throttle_seconds_total",
                "Time in which this held the clocks down: the driver's count, else sampled since the exporter started.",
            ),
            "reason",
            shown,
            |gpu| {
                let mut times = gpu.gpu.accumulated.throttled(gpu.reading).into_iter();
                REASONS.map(|(_, name)| (name, times.next().flatten()))
            },
        ),
    ]
}

fn pcie(shown: &[Shown<'_>]) -> [Family; 7] {
    let gauge = |name: &'static str, help: &'static str, value: fn(&Reading) -> Option<u32>| {
        each(Family::gauge(name, help), shown, |gpu| value(gpu.reading))
    };
    [
        each(Family::counter("gpu_pcie_transmit_bytes_total", "Bytes sent over PCIe."), shown, |gpu| {
            gpu.reading.pcie.transmitted
        }),
        each(Family::counter("gpu_pcie_receive_bytes_total", "Bytes received over PCIe."), shown, |gpu| {
            gpu.reading.pcie.received
        }),
        each(
            Family::counter(
                "gpu_pcie_replays_total",
                "PCIe packets sent again, since the driver was loaded.",
            ),
            shown,
            |gpu| gpu.reading.pcie.replays,
        ),
        gauge(
            "gpu_pcie_link_generation",
            "PCIe generation of the link now; an idle GPU lowers it.",
            |reading| reading.pcie.generation,
        ),
        gauge("gpu_pcie_link_width", "PCIe lanes in use now.", |reading| reading.pcie.width),
        gauge("gpu_pcie_link_max_generation", "Highest PCIe generation of GPU and slot.", |reading| {
            reading.pcie.max_generation
        }),
        gauge("gpu_pcie_link_max_width", "Most PCIe lanes of GPU and slot.", |reading| {
            reading.pcie.max_width
        }),
    ]
}

fn health(shown: &[Shown<'_>]) -> [Family; 6] {
    let mut ecc = Family::counter(
        "gpu_ecc_errors_total",
        "ECC errors: since the driver was loaded (volatile) or over the life of the board (aggregate).",
    );
    for gpu in shown {
        let health = &gpu.reading.health;
        for (kind, scope, count) in [
            ("corrected", "volatile", health.ecc_corrected_volatile),
            ("uncorrected", "volatile", health.ecc_uncorrected_volatile),
            ("corrected", "aggregate", health.ecc_corrected_aggregate),
            ("uncorrected", "aggregate", health.ecc_uncorrected_aggregate),
        ] {
            if let Some(count) = count {
                ecc.push(gpu.labels.and([("kind", kind), ("scope", scope)]), count);
            }
        }
    }
    [
        ecc,
        each_by(
            Family::counter("gpu_row_remaps_total", "Memory rows replaced by spare ones."),
            "cause",
            shown,
            |gpu| {
                let health = &gpu.reading.health;
                [("correctable", health.remaps_correctable), ("uncorrectable", health.remaps_uncorrectable)]
            },
        ),
        each(
            Family::gauge("gpu_row_remap_pending", "Whether a row remap waits for a reset."),
            shown,
            |gpu| gpu.reading.health.remap_pending,
        ),
        each(
            Family::gauge(
                "gpu_row_remap_failed",
                "Whether a row remap has failed: the board is to be replaced.",
            ),
            shown,
            |gpu| gpu.reading.health.remap_failed,
        ),
        each_by(
            Family::gauge("gpu_retired_pages", "Memory pages taken out of use, before Ampere."),
            "cause",
            shown,
            |gpu| {
                let health = &gpu.reading.health;
                [("single_bit", health.retired_single_bit), ("double_bit", health.retired_double_bit)]
            },
        ),
        each(
            Family::gauge(
                "gpu_recovery_action",
                "What the driver asks for: 0 nothing, 1 reset, 2 reboot, 3 drain, 4 drain and reset.",
            ),
            shown,
            |gpu| gpu.reading.health.recovery_action,
        ),
    ]
}

#[cfg(test)]
mod tests;

//! Golden pages: every name, label and unit of the contract, and what is left out when.

use std::time::{Duration, Instant};

use super::*;
use crate::gpu::driver::Driver;
use crate::gpu::fault::FaultReason;
use crate::gpu::frame::{
    GpuSweep, Health, Identity, Load, Memory, Outcome, Pcie, Power, Sweep, Thermal, Throttle,
};
use crate::gpu::pci::PciGpu;
use crate::gpu::restart::Restart;
use crate::gpu::snapshot::XidSource;
use crate::units::{Bytes, Celsius, Hertz, Joules, Ratio, Seconds, Watts};

/// A GPU that says everything there is to say.
fn everything(index: u32) -> Reading {
    let clocks = |megahertz: u32| Clocks {
        graphics: Some(Hertz::from_megahertz(megahertz)),
        sm: Some(Hertz::from_megahertz(megahertz)),
        memory: Some(Hertz::from_megahertz(2619)),
        video: Some(Hertz::from_megahertz(1545)),
    };
    Reading {
        identity: Identity {
            uuid: format!("GPU-{index}"),
            pci_bus_id: Some(format!("0000:{index}7:00.0")),
            name: Some("NVIDIA H100 80GB HBM3".to_owned()),
            brand: Some("Nvidia".to_owned()),
            architecture: Some("Hopper".to_owned()),
            compute_capability: Some("9.0".to_owned()),
            serial: Some("1650".to_owned()),
            vbios_version: Some("96.00".to_owned()),
            minor_number: Some(index),
        },
        memory: Some(Memory { total: Bytes(80), used: Bytes(60), free: Bytes(19), reserved: Some(Bytes(1)) }),
        load: Load {
            utilization: Some(Ratio(0.9)),
            memory_controller: Some(Ratio(0.4)),
            encoder: Some(Ratio(0.0)),
            decoder: Some(Ratio(0.1)),
            busy: Some(Seconds(0.875)),
            mig_enabled: Some(false),
        },
        power: Power {
            usage: Some(Watts(612.5)),
            limit: Some(Watts(700.0)),
            energy: Some(Joules(12_345.5)),
            performance_state: Some(0),
        },
        thermal: Thermal {
            gpu: Some(Celsius(64.0)),
            memory: Some(Celsius(72.0)),
            slowdown: Some(Celsius(89.0)),
            shutdown: Some(Celsius(92.0)),
            gpu_max: Some(Celsius(87.0)),
            memory_max: Some(Celsius(95.0)),
        },
        clocks: clocks(1755),
        max_clocks: clocks(1980),
        throttle: Throttle {
            reasons: Some(0x4),
            sw_power_cap: Some(Seconds(3.5)),
            sync_boost: Some(Seconds(0.0)),
            sw_thermal: Some(Seconds(0.0)),
            hw_thermal: Some(Seconds(0.0)),
            hw_power_brake: Some(Seconds(0.0)),
        },
        pcie: Pcie {
            transmitted: Some(Bytes(1 << 54)),
            received: Some(Bytes((1 << 54) + 1)),
            replays: Some(3),
            generation: Some(5),
            width: Some(16),
            max_generation: Some(5),
            max_width: Some(16),
        },
        health: Health {
            ecc_corrected_volatile: Some(1),
            ecc_uncorrected_volatile: Some(2),
            ecc_corrected_aggregate: Some(3),
            ecc_uncorrected_aggregate: Some(4),
            remaps_correctable: Some(5),
            remaps_uncorrectable: Some(6),
            remap_pending: Some(true),
            remap_failed: Some(false),
            retired_single_bit: Some(7),
            retired_double_bit: Some(8),
            recovery_action: Some(1),
        },
        fans: vec![Some(Ratio(0.5)), None],
        faults: Vec::new(),
        unsupported: Vec::new(),
    }
}

/// A GPU that says only who it is.
fn nothing(index: u32) -> Reading {
    let identity = Identity { uuid: format!("GPU-{index}"), ..Identity::default() };
    Reading { identity, ..Reading::default() }
}

fn read(index: u32, reading: Reading) -> GpuSweep {
    GpuSweep { index, outcome: Outcome::Read(Box::new(reading)) }
}

fn snapshot(sweeps: Vec<Vec<GpuSweep>>, start: Instant) -> Snapshot {
    let driver = Driver {
        version: Some("570.86.15".to_owned()),
        nvml_version: Some("12.570.86.15".to_owned()),
        cuda_version: Some("12.8".to_owned()),
    };
    let mut snapshot = Snapshot::swept_every(Duration::from_secs(1));
    snapshot.driver = Some(driver);
    snapshot.probe.is_up = true;
    snapshot.probe.restarts = Restart::counts(|reason| u64::from(reason == Restart::Stuck));
    for (gpus, second) in sweeps.into_iter().zip(0..) {
        snapshot.absorb(Sweep { gpus }, start + Duration::from_secs(second));
    }
    snapshot
}

fn view(start: Instant) -> View {
    View { now: start + Duration::from_secs(3), is_stale: false, expects_all_pci_gpus: true }
}

/// One line a sample, without the zeros of XID codes that never came.
fn page(snapshot: &Snapshot, view: View) -> String {
    let mut page = String::new();
    for family in families(snapshot, view) {
        for sample in family.samples {
            let labels: Vec<_> =
                sample.labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
            let value = match sample.value {
                Number::Whole(value) => value.to_string(),
                Number::Real(value) => format!("{value:?}"),
            };
            if family.name != "gpu_xid_errors_total" || value != "0" {
                page.extend([&family.name, "{", &labels.join(","), "} ", &value, "\n"]);
            }
        }
    }
    page
}

#[test]
fn everything_has_its_name_and_unit() {
    let start = Instant::now();
    let mut snapshot = snapshot(vec![vec![read(0, everything(0))], vec![read(0, everything(0))]], start);
    snapshot.count_xid("GPU-0", 79, XidSource::Driver, 1_700_000_000.5);
    insta::assert_snapshot!(page(&snapshot, view(start)));
}

#[test]
fn what_is_not_said_is_not_shown() {
    let start = Instant::now();
    let snapshot = snapshot(vec![vec![read(0, nothing(0))], vec![read(0, nothing(0))]], start);
    insta::assert_snapshot!(page(&snapshot, view(start)));
}

#[test]
fn lost_and_unseen_gpus_are_down_and_say_nothing_else() {
    let start = Instant::now();
    let lost = GpuSweep { index: 1, outcome: Outcome::Failed(FaultReason::Lost) };
    let skipped = GpuSweep { index: 2, outcome: Outcome::Skipped };
    let mut snapshot = snapshot(
        vec![vec![read(0, nothing(0)), read(1, everything(1))], vec![read(0, nothing(0)), lost, skipped]],
        start,
    );
    snapshot.pci = vec![PciGpu { address: "0000:aa:00.0".to_owned(), driver: Some("nvidia".to_owned()) }];
    insta::assert_snapshot!(page(&snapshot, view(start)));
    let visible = View { expects_all_pci_gpus: false, ..view(start) };
    assert!(!page(&snapshot, visible).contains("0000:aa:00.0"));
}

#[test]
fn a_gpu_without_a_name_is_counted_once() {
    let start = Instant::now();
    let skipped = |index| GpuSweep { index, outcome: Outcome::Skipped };
    let mut snapshot = snapshot(vec![vec![read(0, everything(0)), skipped(1), skipped(2)]], start);
    let device = |address: &str| PciGpu { address: address.to_owned(), driver: Some("nvidia".to_owned()) };
    let known = r#"gpu_up{gpu="0",uuid="GPU-0",pci_bus_id="0000:07:00.0"} 1"#;
    for (unseen, down) in [
        (vec![], vec![r#"gpu_up{gpu="1"} 0"#, r#"gpu_up{gpu="2"} 0"#]),
        (vec!["0000:1a:00.0"], vec![r#"gpu_up{gpu="2"} 0"#, r#"gpu_up{pci_bus_id="0000:1a:00.0"} 0"#]),
        (
            vec!["0000:1a:00.0", "0000:1d:00.0", "0000:20:00.0"],
            vec![
                r#"gpu_up{pci_bus_id="0000:1a:00.0"} 0"#,
                r#"gpu_up{pci_bus_id="0000:1d:00.0"} 0"#,
                r#"gpu_up{pci_bus_id="0000:20:00.0"} 0"#,
            ],
        ),
    ] {
        snapshot.pci = [&["0000:07:00.0"], &unseen[..]].concat().into_iter().map(device).collect();
        let told = page(&snapshot, view(start));
        let ups: Vec<_> = told.lines().filter(|line| line.starts_with("gpu_up{")).collect();
        assert_eq!(ups, [&[known], &down[..]].concat(), "{unseen:?}");
    }
}

#[test]
fn the_driver_is_told_while_a_probe_has_it() {
    let start = Instant::now();
    let mut snapshot = snapshot(vec![vec![read(0, nothing(0))]], start);
    assert!(page(&snapshot, view(start)).contains("gpu_driver_info{"));
    snapshot.probe.is_up = false;
    assert!(!page(&snapshot, view(start)).contains("gpu_driver_info{"));
}

#[test]
fn old_readings_are_not_shown_as_new() {
    let start = Instant::now();
    let mut snapshot = snapshot(vec![vec![read(0, everything(0))]], start);
    let late = View { now: start + Duration::from_mins(1), is_stale: true, expects_all_pci_gpus: true };
    let told = page(&snapshot, late);
    assert!(told.contains(r#"gpu_up{gpu="0",uuid="GPU-0",pci_bus_id="0000:07:00.0"} 0"#), "{told}");
    assert!(told.contains("gpu_snapshot_age_seconds{} 60.0"), "{told}");
    assert!(!told.contains("gpu_memory") && !told.contains("gpu_info"), "{told}");

    snapshot.probe.is_released = true;
    let told = page(&snapshot, late);
    assert!(!told.contains("gpu_up"), "nobody knows, and nothing is wrong: {told}");
    assert!(told.contains("gpu_probe_released{} 1"), "{told}");
}

#[test]
fn names_are_unique_and_counters_are_named_as_such() {
    let start = Instant::now();
    let snapshot = snapshot(vec![vec![read(0, everything(0))], vec![read(0, everything(0))]], start);
    let families = families(&snapshot, view(start));
    let mut names: Vec<_> = families.iter().map(|family| family.name.as_ref()).collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
    for family in &families {
        let is_counter = family.kind == crate::family::Kind::Counter;
        assert_eq!(is_counter, family.name.ends_with("_total"), "{}", family.name);
    }
}

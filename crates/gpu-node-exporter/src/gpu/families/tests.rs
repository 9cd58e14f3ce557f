//! Golden pages: every name, label and unit of the contract, and what is left out when.

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use super::*;
use crate::family::Number;
use crate::gpu::delta::Diff as _;
use crate::gpu::driver::{ConfidentialComputing, Driver};
use crate::gpu::driver_event::{DriverEvent, EventKind, Watched};
use crate::gpu::fault::FaultReason;
use crate::gpu::pci::PciGpu;
use crate::gpu::reading::Reading;
use crate::gpu::restart::Restart;
use crate::gpu::snapshot::Moment;
use crate::gpu::xid::{KernelRecords, Severities};
use crate::units::Ratio;

/// What a GPU says that says everything there is to say, as it crosses the pipe.
const EVERYTHING: &str = include_str!("testdata/everything.json");

fn everything(index: u32) -> Reading {
    let mut reading = nothing(index);
    reading.subjects.apply(serde_json::from_str(EVERYTHING).expect("changes of all subjects"));
    reading.subjects.identity.pci_bus_id = Some(format!("0000:{index}7:00.0"));
    reading.subjects.identity.minor_number = Some(index);
    reading
}

/// A GPU that says only who it is.
fn nothing(index: u32) -> Reading {
    Reading { uuid: format!("GPU-{index}"), ..Reading::default() }
}

/// A snapshot after these sweeps, a second apart, in which GPUs said this.
fn snapshot(sweeps: Vec<Vec<(u32, Reading)>>, start: Instant) -> Snapshot {
    let driver = Driver {
        version: Some("570.86.15".to_owned()),
        nvml_version: Some("12.570.86.15".to_owned()),
        cuda_version: Some("12.8".to_owned()),
        release_branch: Some("r570_00".to_owned()),
        confidential_computing: Some(ConfidentialComputing::of(2, 1, 0, Some(7))),
    };
    let mut snapshot = Snapshot::swept_every(Duration::from_secs(1), Severities::default());
    snapshot.driver = Some(driver);
    snapshot.probe.is_up = true;
    snapshot.probe.restarts = Restart::counts(|reason| u64::from(reason == Restart::Stuck));
    snapshot.listed(u32::try_from(sweeps[0].len()).expect("a few"));
    for (gpus, second) in sweeps.into_iter().zip(0..) {
        for (index, reading) in gpus {
            snapshot.read(index, Arc::new(reading), start + Duration::from_secs(second));
        }
    }
    snapshot
}

fn settings() -> &'static GpuSettings {
    static SETTINGS: LazyLock<GpuSettings> = LazyLock::new(GpuSettings::default);
    &SETTINGS
}

fn view(start: Instant) -> View<'static> {
    View { now: start + Duration::from_secs(3), settings: settings(), expects_all_pci_gpus: true }
}

/// One line a sample, without the zeros of XID codes that never came.
fn page(snapshot: &Snapshot, view: View<'_>) -> String {
    written(all(snapshot, view, &mut Lasting::default()))
}

/// Those of this moment and the lasting ones.
fn all(snapshot: &Snapshot, view: View<'_>, lasting: &mut Lasting) -> Vec<Family> {
    let mut all = families(snapshot, view, lasting);
    all.extend(lasting.parts().into_iter().flat_map(Arc::unwrap_or_clone));
    all
}

fn written(families: Vec<Family>) -> String {
    let mut page = String::new();
    for family in families {
        for sample in family.samples {
            let labels: Vec<_> =
                sample.labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
            let value = match sample.value {
                Number::Whole(value) => value.to_string(),
                Number::Real(value) => format!("{value:?}"),
            };
            if family.name != "gpu_xid_errors_total" || value != "0" {
                page.extend([&family.name, sample.suffix, "{", &labels.join(","), "} ", &value, "\n"]);
            }
        }
    }
    page
}

#[test]
fn everything_has_its_name_and_unit() {
    let start = Instant::now();
    let mut snapshot = snapshot(vec![vec![(0, everything(0))], vec![(0, everything(0))]], start);
    let moment = Moment { at: 1_700_000_000.5, now: start };
    snapshot.count_xid("GPU-0", 79, moment);
    let kinds = EventKind::LABELS.map(|(_, kind)| kind).to_vec();
    snapshot.watch_events(Watched { uuid: "GPU-0".to_owned(), kinds });
    snapshot.count_event(DriverEvent { uuid: "GPU-0".to_owned(), kind: EventKind::PoisonFatal });
    for record in [
        "3,1,1,-;NVRM: Xid (PCI:0000:99:00): 119, pid=7, Timeout waiting for RPC",
        "3,2,1,-;nvidia-nvswitch0: SXid (PCI:0000:05:00.0): 20034, Fatal, Link 63 LTSSM Fault Up",
    ] {
        snapshot.count_report(KernelRecords::default().read(record).expect(record), moment);
    }
    snapshot.probe.usage = Some(ProbeUsage {
        processes: 1,
        cpu_ticks: 5 * procfs::ticks_per_second() / 2,
        resident_bytes: 9 << 20,
    });
    insta::assert_snapshot!(page(&snapshot, view(start)));
}

#[test]
fn what_is_not_said_is_not_shown() {
    let start = Instant::now();
    let snapshot = snapshot(vec![vec![(0, nothing(0))], vec![(0, nothing(0))]], start);
    insta::assert_snapshot!(page(&snapshot, view(start)));
}

#[test]
fn lost_and_unseen_gpus_are_down_and_say_nothing_else() {
    let start = Instant::now();
    let mut snapshot =
        snapshot(vec![vec![(0, nothing(0)), (1, everything(1))], vec![(0, nothing(0))]], start);
    snapshot.listed(3);
    snapshot.read(0, Arc::new(nothing(0)), start + Duration::from_secs(1));
    snapshot.failed(1, FaultReason::Lost, start);
    snapshot.stuck(2);
    snapshot.pci = vec![PciGpu { address: "0000:aa:00.0".to_owned(), driver: Some("nvidia".to_owned()) }];
    insta::assert_snapshot!(page(&snapshot, view(start)));
    let visible = View { expects_all_pci_gpus: false, ..view(start) };
    assert!(!page(&snapshot, visible).contains("0000:aa:00.0"));
}

/// What it did while it was lost, or while the driver was away, is unknown, however short that was.
#[test]
fn time_in_which_a_gpu_did_not_answer_adds_nothing_to_what_is_summed_up() {
    let (start, second) = (Instant::now(), Duration::from_secs);
    let seconds_around = |away: &dyn Fn(&mut Snapshot)| {
        let mut reading = nothing(0);
        reading.subjects.load.utilization = Some(Ratio(0.5));
        reading.subjects.throttle.reasons = Some(4);
        let reading = Arc::new(reading);
        let mut snapshot = Snapshot::swept_every(second(1), Severities::default());
        snapshot.read(0, Arc::clone(&reading), start);
        away(&mut snapshot);
        snapshot.read(0, Arc::clone(&reading), start + second(45));
        snapshot.read(0, reading, start + second(46));
        let page = page(&snapshot, View { now: start + second(46), ..view(start) });
        let summed = ["gpu_busy_seconds_total", "gpu_throttle_seconds_total"].map(|name| {
            let is_summed = |line: &&str| {
                line.starts_with(name) && (name.contains("busy") || line.contains("sw_power_cap"))
            };
            let line = page.lines().find(is_summed).expect("it is summed up");
            line.rsplit_once(' ').expect("a value").1.to_owned()
        });
        summed.join(" ")
    };
    let lost = |snapshot: &mut Snapshot| snapshot.failed(0, FaultReason::Lost, start + second(1));
    assert_eq!(seconds_around(&|_| {}), "23.0 46.0", "the probe was slow");
    assert_eq!(seconds_around(&lost), "0.5 1.0");
    assert_eq!(seconds_around(&|snapshot| snapshot.stuck(0)), "0.5 1.0");
    assert_eq!(seconds_around(&Snapshot::outdate), "0.5 1.0");
}

#[test]
fn a_gpu_without_a_name_is_counted_once() {
    let start = Instant::now();
    let mut snapshot = snapshot(vec![vec![(0, everything(0))]], start);
    snapshot.listed(3);
    snapshot.read(0, Arc::new(everything(0)), start);
    snapshot.stuck(1);
    snapshot.stuck(2);
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
    let mut snapshot = snapshot(vec![vec![(0, nothing(0))]], start);
    assert!(page(&snapshot, view(start)).contains("gpu_driver_info{"));
    snapshot.probe.is_up = false;
    assert!(!page(&snapshot, view(start)).contains("gpu_driver_info{"));
}

#[test]
fn old_readings_are_not_shown_as_new() {
    let start = Instant::now();
    let mut snapshot = snapshot(vec![vec![(0, everything(0))]], start);
    let late = View { now: start + Duration::from_mins(1), ..view(start) };
    let told = page(&snapshot, late);
    assert!(told.contains(r#"gpu_up{gpu="0",uuid="GPU-0",pci_bus_id="0000:07:00.0"} 0"#), "{told}");
    assert!(told.contains("gpu_snapshot_age_seconds{} 60.0"), "{told}");
    assert!(told.contains("gpu_info{") && !told.contains("gpu_memory"), "{told}");

    snapshot.probe.is_released = true;
    let told = page(&snapshot, late);
    assert!(
        !told.contains("gpu_up") && !told.contains("gpu_info"),
        "nobody knows, and nothing is wrong: {told}"
    );
    assert!(told.contains("gpu_probe_released{} 1"), "{told}");
}

/// A page that follows others is as if it were the first, and what has not changed is the same part.
#[test]
fn what_lasts_is_made_anew_when_it_changes() {
    let start = Instant::now();
    let mut snapshot = snapshot(vec![vec![(0, everything(0)), (1, everything(1))]], start);
    let mut lasting = Lasting::default();
    let mut parts: Vec<Arc<Vec<Family>>> = Vec::new();
    // Returns how many parts are new.
    let mut changed = |snapshot: &Snapshot, view: View<'_>| {
        assert_eq!(
            written(all(snapshot, view, &mut lasting)),
            written(all(snapshot, view, &mut Lasting::default()))
        );
        let before = std::mem::replace(&mut parts, lasting.parts());
        parts.iter().filter(|part| !before.iter().any(|before| Arc::ptr_eq(part, before))).count()
    };
    let view = view(start);
    assert!(changed(&snapshot, view) > 20);
    assert_eq!(changed(&snapshot, view), 0, "nothing was said");
    let mut warmer = everything(1);
    warmer.subjects.thermal.gpu = None;
    snapshot.read(1, Arc::new(warmer), start + Duration::from_secs(1));
    // Memory, load and power note when they were largest.
    assert!((1..=6).contains(&changed(&snapshot, view)), "one subject, and what is summed up");
    snapshot.count_xid("GPU-1", 79, Moment { at: 1.0, now: start });
    assert_eq!(changed(&snapshot, view), 1, "its errors");
    let mut renamed = everything(1);
    renamed.subjects.identity.vbios_version = Some("2".to_owned());
    snapshot.read(1, Arc::new(renamed), start + Duration::from_secs(1));
    assert!(changed(&snapshot, view) >= 2, "its identity");
    snapshot.stuck(1);
    assert!(changed(&snapshot, view) > 20, "it is shown no more");
    snapshot.read(2, Arc::new(everything(1)), start + Duration::from_secs(2));
    assert!(changed(&snapshot, view) > 20, "another index");
    snapshot.probe.is_released = true;
    assert_eq!(changed(&snapshot, view), 1, "nobody knows who it is");
}

/// Each reading on its own, as changes of its subject, or of a part of it, that make it unknown.
fn each_unknown() -> Vec<serde_json::Value> {
    let everything: serde_json::Value = serde_json::from_str(EVERYTHING).expect("changes of all subjects");
    let mut unknown = Vec::new();
    for (subject, readings) in everything.as_object().expect("subjects") {
        for (name, reading) in readings.as_object().expect("readings") {
            match reading.as_object() {
                Some(part) if name.parse::<usize>().is_ok() => unknown.extend(
                    part.keys().map(|of_part| serde_json::json!({ subject: { name: { of_part: null } } })),
                ),
                _ => unknown.push(serde_json::json!({ subject: { name: null } })),
            }
        }
    }
    unknown
}

/// Also where most of what its subject shows stays.
#[test]
fn what_is_said_no_more_is_not_on_the_next_page() {
    let start = Instant::now();
    let mut gone = 0;
    for unknown in each_unknown() {
        let mut lasting = Lasting::default();
        let before = snapshot(vec![vec![(0, everything(0))]], start);
        let said = written(all(&before, view(start), &mut lasting));
        let mut less = everything(0);
        // Not everything can be unknown.
        let Ok(changes) = serde_json::from_value(unknown.clone()) else { continue };
        less.subjects.apply(changes);
        let now = snapshot(vec![vec![(0, less)]], start);
        let says = written(all(&now, view(start), &mut lasting));
        assert_eq!(says, page(&now, view(start)), "{unknown}");
        gone += usize::from(says.len() < said.len());
    }
    assert!(gone > 100, "{gone}");
}

#[test]
fn names_are_unique_and_counters_are_named_as_such() {
    let start = Instant::now();
    let snapshot = snapshot(vec![vec![(0, everything(0))], vec![(0, everything(0))]], start);
    let families = all(&snapshot, view(start), &mut Lasting::default());
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

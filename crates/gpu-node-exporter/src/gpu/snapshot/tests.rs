//! What sweeps make of the snapshot.

use std::sync::Arc;

use super::xids::MAX_XID_CODES;
use super::*;
use crate::gpu::fault::FaultReason;
use crate::gpu::frame::GpuSweep;
use crate::gpu::reading::Reading;

fn read(index: u32, uuid: &str) -> GpuSweep {
    let mut reading = Reading { uuid: uuid.to_owned(), ..Reading::default() };
    reading.subjects.identity.pci_bus_id = Some(format!("0000:{index:02x}:00.0"));
    GpuSweep { index, outcome: Outcome::Read(Arc::new(reading)) }
}

fn seen(snapshot: &Snapshot) -> Vec<String> {
    let line = |gpu: &Gpu| {
        let uuid = gpu.uuid.as_deref().unwrap_or("?");
        format!("{} {uuid} {}", gpu.index, gpu.presence.trouble().unwrap_or("up"))
    };
    snapshot.gpus.iter().map(line).collect()
}

fn after(sweeps: Vec<Vec<GpuSweep>>) -> Snapshot {
    let mut snapshot = Snapshot::default();
    for gpus in sweeps {
        snapshot.absorb(Sweep { gpus }, Instant::now());
    }
    snapshot
}

#[test]
fn a_lost_gpu_is_remembered_by_its_name_and_returns() {
    let lost = GpuSweep { index: 1, outcome: Outcome::Failed(FaultReason::Lost) };
    let snapshot = after(vec![vec![read(0, "A"), read(1, "B")], vec![read(0, "A"), lost]]);
    assert_eq!(seen(&snapshot), ["0 A up", "1 B fallen off the bus"]);
    assert_eq!(snapshot.gpus[1].pci_bus_id.as_deref(), Some("0000:01:00.0"));

    let mut snapshot = snapshot;
    snapshot.absorb(Sweep { gpus: vec![read(0, "A"), read(1, "B")] }, Instant::now());
    assert_eq!(seen(&snapshot), ["0 A up", "1 B up"]);
}

#[test]
fn a_gpu_that_is_no_longer_listed_is_missing_even_if_others_move_up() {
    let snapshot =
        after(vec![vec![read(0, "A"), read(1, "B"), read(2, "C")], vec![read(0, "A"), read(1, "C")]]);
    assert_eq!(seen(&snapshot), ["0 A up", "1 B no longer listed by the driver", "1 C up"]);
}

#[test]
fn a_gpu_that_never_answered_is_shown_while_it_is_tried() {
    let skipped = || GpuSweep { index: 1, outcome: Outcome::Skipped };
    let snapshot = after(vec![vec![read(0, "A"), skipped()], vec![read(0, "A"), skipped()]]);
    assert_eq!(seen(&snapshot), ["0 A up", "1 ? stuck in the driver, left alone for now"]);
    assert_eq!(seen(&after(vec![vec![skipped()], vec![read(1, "B")]])), ["1 B up"]);
}

#[test]
fn devices_on_the_bus_that_the_driver_never_showed_are_named() {
    let mut snapshot = after(vec![vec![read(0x17, "A")]]);
    let device = |address: &str, driver: Option<&str>| PciGpu {
        address: address.to_owned(),
        driver: driver.map(str::to_owned),
    };
    snapshot.pci = vec![
        device("0000:17:00.0", Some("nvidia")),
        device("0000:1a:00.0", None),
        device("0000:1d:00.0", Some("vfio-pci")),
    ];
    let named: Vec<_> = snapshot.never_seen().map(|pci| pci.address.as_str()).collect();
    assert_eq!(named, ["0000:1a:00.0"]);
}

#[test]
fn a_device_the_driver_has_taken_and_does_not_list_is_named() {
    let device =
        |address: &str, driver: &str| PciGpu { address: address.to_owned(), driver: Some(driver.to_owned()) };
    let unlisted = |sweeps| {
        let mut snapshot = after(sweeps);
        snapshot.pci = vec![
            device("0000:00:00.0", "nvidia"),
            device("0000:01:00.0", "nvidia"),
            device("0000:02:00.0", "vfio-pci"),
        ];
        snapshot.unlisted().map(|pci| pci.address.clone()).collect::<Vec<_>>()
    };
    let failed = || GpuSweep { index: 1, outcome: Outcome::Failed(FaultReason::Lost) };
    assert_eq!(unlisted(vec![vec![read(0, "A")]]), ["0000:01:00.0"]);
    assert_eq!(
        unlisted(vec![vec![read(0, "A"), read(1, "B")], vec![read(0, "A")]]),
        ["0000:01:00.0"],
        "though it was there before"
    );
    for listed in [vec![read(0, "A"), read(1, "B")], vec![read(0, "A"), failed()]] {
        assert_eq!(unlisted(vec![listed]), [""; 0]);
    }
}

#[test]
fn xids_of_two_sources_are_not_added_up() {
    let mut snapshot = after(vec![vec![read(0, "A")]]);
    assert_eq!(snapshot.uuid_at("0000:00:00").as_deref(), Some("A"));
    snapshot.count_xid("A", 79, XidSource::Driver, 10.0);
    snapshot.count_xid("A", 79, XidSource::KernelLog, 10.5);
    snapshot.count_xid("A", 79, XidSource::KernelLog, 20.0);
    let counts: BTreeMap<_, _> = snapshot.xids["A"].iter().collect();
    assert_eq!((counts[&79].total(), counts[&79].last), (2, Some(20.0)));
    assert_eq!((counts[&48].total(), counts[&48].last), (0, None), "known codes exist from the start");
    assert!(!counts.contains_key(&31));
    for code in 1000..9000 {
        snapshot.count_xid("A", code, XidSource::KernelLog, 1.0);
    }
    assert_eq!(snapshot.xids["A"].iter().count(), MAX_XID_CODES);
}

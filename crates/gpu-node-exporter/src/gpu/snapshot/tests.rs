//! What sweeps make of the snapshot.

use std::collections::BTreeMap;

use super::errors::MAX_SLOTS;
use super::occurrence::{Occurrence, XidSource};
use super::xids::MAX_XID_CODES;
use super::*;
use crate::gpu::xid::{Detail, Severity};

/// What becomes known of one GPU.
#[derive(Clone)]
enum News {
    Read(u32, &'static str),
    Lost(u32),
    Stuck(u32),
}
use News::{Lost, Read, Stuck};

impl News {
    fn reach(&self, snapshot: &mut Snapshot) {
        match self {
            Read(index, uuid) => {
                let mut reading = Reading { uuid: (*uuid).to_owned(), ..Reading::default() };
                reading.subjects.identity.pci_bus_id = Some(format!("0000:{index:02x}:00.0"));
                snapshot.read(*index, Arc::new(reading), Instant::now());
            }
            Lost(index) => snapshot.failed(*index, FaultReason::Lost, Instant::now()),
            Stuck(index) => snapshot.stuck(*index),
        }
    }
}

fn seen(snapshot: &Snapshot) -> Vec<String> {
    let line = |gpu: &Arc<Gpu>| {
        let uuid = gpu.uuid.as_deref().unwrap_or("?");
        format!("{} {uuid} {}", gpu.index, gpu.presence.trouble().unwrap_or("up"))
    };
    snapshot.gpus.iter().map(line).collect()
}

/// The snapshot after the driver listed GPUs several times, each time with this news of them.
fn after(lists: &[&[News]]) -> Snapshot {
    let mut snapshot = Snapshot::default();
    for news in lists {
        let indices: BTreeSet<u32> = news
            .iter()
            .map(|news| match news {
                Read(index, _) | Lost(index) | Stuck(index) => *index,
            })
            .collect();
        snapshot.listed(u32::try_from(indices.len()).expect("a few"));
        news.iter().for_each(|news| news.reach(&mut snapshot));
    }
    snapshot
}

#[test]
fn a_lost_gpu_is_remembered_by_its_name_and_returns() {
    let mut snapshot = after(&[&[Read(0, "A"), Read(1, "B"), Lost(1)]]);
    assert_eq!(seen(&snapshot), ["0 A up", "1 B fallen off the bus"]);
    assert_eq!(snapshot.gpus[1].pci_bus_id.as_deref(), Some("0000:01:00.0"));
    Read(1, "B").reach(&mut snapshot);
    assert_eq!(seen(&snapshot), ["0 A up", "1 B up"]);
}

#[test]
fn a_gpu_that_is_no_longer_listed_is_missing_even_if_others_move_up() {
    let before = [Read(0, "A"), Read(1, "B"), Read(2, "C")];
    let mut snapshot = after(&[&before]);
    snapshot.listed(2);
    Read(0, "A").reach(&mut snapshot);
    assert_eq!(seen(&snapshot), ["0 A up", "1 B up", "2 C up"], "nobody knows yet which one is missing");
    Read(1, "C").reach(&mut snapshot);
    assert_eq!(seen(&snapshot), ["0 A up", "1 B no longer listed by the driver", "1 C up"]);
    assert_eq!(
        seen(&after(&[&before, &[Read(0, "A"), Lost(1)]])),
        ["0 A up", "1 B fallen off the bus", "2 C no longer listed by the driver"]
    );
    assert_eq!(seen(&after(&[&[Read(0, "A")], &[]])), ["0 A no longer listed by the driver"]);
}

#[test]
fn an_index_that_has_another_gpu_says_nothing_of_the_one_before() {
    let snapshot = after(&[&[Read(0, "A"), Read(1, "B")], &[Read(0, "B"), Stuck(0), Lost(1)]]);
    assert_eq!(
        seen(&snapshot),
        [
            "0 A no longer listed by the driver",
            "0 B stuck in the driver, tried again now and then",
            "1 ? fallen off the bus"
        ]
    );
}

#[test]
fn a_gpu_that_never_answered_is_shown_while_it_is_tried() {
    let mut snapshot = after(&[&[Read(0, "A"), Stuck(1)]]);
    assert_eq!(seen(&snapshot), ["0 A up", "1 ? stuck in the driver, tried again now and then"]);
    Read(1, "B").reach(&mut snapshot);
    assert_eq!(seen(&snapshot), ["0 A up", "1 B up"]);
}

#[test]
fn devices_on_the_bus_that_the_driver_never_showed_are_named() {
    let mut snapshot = after(&[&[Read(0, "A")]]);
    let device = |address: &str, driver: Option<&str>| PciGpu {
        address: address.to_owned(),
        driver: driver.map(str::to_owned),
    };
    snapshot.pci = vec![
        device("0000:00:00.0", Some("nvidia")),
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
    let unlisted = |lists: &[&[News]]| {
        let mut snapshot = after(lists);
        snapshot.pci = vec![
            device("0000:00:00.0", "nvidia"),
            device("0000:01:00.0", "nvidia"),
            device("0000:02:00.0", "vfio-pci"),
        ];
        snapshot.unlisted().map(|pci| pci.address.clone()).collect::<Vec<_>>()
    };
    assert_eq!(unlisted(&[&[Read(0, "A")]]), ["0000:01:00.0"]);
    assert_eq!(
        unlisted(&[&[Read(0, "A"), Read(1, "B")], &[Read(0, "A")]]),
        ["0000:01:00.0"],
        "though it was there before"
    );
    for listed in [[Read(0, "A"), Read(1, "B")], [Read(0, "A"), Lost(1)]] {
        assert_eq!(unlisted(&[&listed]), [""; 0]);
    }
}

/// What the kernel log says of the GPU at a slot, at `at` seconds since 1970.
fn kernel_says(snapshot: &mut Snapshot, slot: &str, code: u32, at: f64) {
    let report = Report::Xid { slot: slot.to_owned(), code, text: String::new(), detail: Detail::default() };
    snapshot.count_report(report, Moment { at, now: Instant::now() });
}

/// At boot a GPU's firmware may time out (119, 120) before the driver ever told its UUID.
#[test]
fn xids_of_a_gpu_without_a_name_are_kept_until_it_has_one() {
    let mut snapshot = after(&[]);
    kernel_says(&mut snapshot, "0000:00:00", 119, 10.0);
    kernel_says(&mut snapshot, "0000:00:00", 119, 11.0);
    kernel_says(&mut snapshot, "0000:99:00", 79, 12.0);
    let of = |xids: &Xids, code| {
        xids.iter().find(|(known, ..)| *known == code).map(|(.., count)| (count.total, count.last))
    };
    assert_eq!(of(&snapshot.errors.by_slot["0000:00:00"], 119), Some((2, Some(11.0))));
    snapshot.listed(1);
    Read(0, "A").reach(&mut snapshot);
    let of_a = snapshot.errors.by_uuid("A").expect("it is known");
    assert_eq!(of(of_a, 119), Some((2, Some(11.0))));
    assert_eq!(of_a.incidents.total(Severity::Fatal), 1);
    assert_eq!(snapshot.errors.by_slot.keys().collect::<Vec<_>>(), ["0000:99:00"]);
    for slot in 0..1_000 {
        kernel_says(&mut snapshot, &format!("0000:{slot:x}:00"), 79, 1.0);
    }
    assert_eq!(snapshot.errors.by_slot.len(), MAX_SLOTS);
}

#[test]
fn xids_of_two_sources_are_not_added_up() {
    let mut snapshot = after(&[&[Read(0, "A")]]);
    snapshot.count_xid("A", 79, Moment { at: 10.0, now: Instant::now() });
    kernel_says(&mut snapshot, "0000:00:00", 79, 10.5);
    kernel_says(&mut snapshot, "0000:00:00", 79, 20.0);
    let xids = snapshot.errors.by_uuid("A").expect("it is known");
    let counts: BTreeMap<_, _> =
        xids.iter().map(|(code, severity, count)| ((code, severity), count)).collect();
    assert_eq!(*counts[&(79, Severity::Fatal)], XidCount { total: 2, last: Some(20.0) });
    assert_eq!(*counts[&(48, Severity::Fatal)], XidCount::default(), "known codes exist from the start");
    assert!(!counts.contains_key(&(31, Severity::Info)));
    for code in 1000..9000 {
        kernel_says(&mut snapshot, "0000:00:00", code, 1.0);
    }
    let xids = snapshot.errors.by_uuid("A").expect("it is known");
    assert_eq!(xids.iter().map(|(code, ..)| code).collect::<BTreeSet<_>>().len(), MAX_XID_CODES);
}

#[test]
fn the_last_xid_is_the_one_that_came_last_whatever_the_clock_says() {
    let mut snapshot = after(&[&[Read(0, "A")]]);
    let start = Instant::now();
    let mut come = |code, at, second| {
        let now = start + Duration::from_secs(second);
        snapshot.count_xid("A", code, Moment { at, now });
        snapshot.errors.by_uuid("A").and_then(Xids::latest)
    };
    assert_eq!(come(79, 5_000.0, 0), Some(79));
    assert_eq!(come(31, 1_000.0, 1), Some(31), "the clock was set back");
    // What was counted before the GPU had a name came before.
    let mut errors = Xids::default();
    let mut earlier = Xids::default();
    for (xids, code, second) in [(&mut errors, 13, 2), (&mut earlier, 94, 1)] {
        let moment = Moment { at: 1.0, now: start + Duration::from_secs(second) };
        xids.count(Occurrence::new(code, Severity::Fatal, XidSource::Driver, moment));
    }
    errors.add(earlier);
    assert_eq!(errors.latest(), Some(13));
}

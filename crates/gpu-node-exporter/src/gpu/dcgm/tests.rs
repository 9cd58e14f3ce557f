//! The page of the second face, as a whole.

use std::time::Duration;

use super::*;
use crate::exposition::{Format, Page};
use crate::gpu::delta::Diff as _;
use crate::gpu::driver::Driver;
use crate::gpu::fault::{FaultReason, ReadingFault};
use crate::gpu::reading::{Reading, Subjects, Sums};
use crate::gpu::snapshot::Moment;
use crate::gpu::xid::Severities;
use crate::units::Bytes;

/// A GPU that says everything; with `is_cut` it has MIG instances.
fn reading(is_cut: bool) -> Reading {
    let mut reading = Reading { uuid: "GPU-0".to_owned(), ..Reading::default() };
    let everything = include_str!("../families/testdata/everything.json");
    reading.subjects.apply(serde_json::from_str(everything).expect("changes of all subjects"));
    reading.subjects.identity.pci_bus_id = Some("0000:1a:00.0".to_owned());
    if !is_cut {
        reading.subjects.mig.clear();
    }
    reading
}

/// What the face shows of one GPU that is up.
fn page(names: Names, counters: &str, is_cut: bool, xid: Option<u32>, old_labels: bool) -> Page {
    let (mut face, now) = face(names, counters, is_cut, xid);
    face.old_labels = old_labels;
    shown(&face, now)
}

fn shown(face: &DcgmFace, now: Instant) -> Page {
    let page = Page::new(vec![Arc::new(face.families(now))], None);
    assert_eq!(page.refused().told, Vec::<String>::new());
    page
}

/// The face of one GPU that is up, and the moment.
fn face(names: Names, counters: &str, is_cut: bool, xid: Option<u32>) -> (DcgmFace, Instant) {
    let start = Instant::now();
    let mut snapshot = Snapshot::swept_every(Duration::from_secs(1), Severities::default());
    snapshot.driver = Some(Driver { version: Some("570.86.15".to_owned()), ..Driver::default() });
    snapshot.listed(1);
    snapshot.read(0, Arc::new(reading(is_cut)), start);
    let mut later = reading(is_cut);
    for link in later.subjects.nvlink.iter_mut() {
        link.transmitted = link.transmitted.map(|bytes| Bytes(bytes.0 + 10_240_000));
    }
    snapshot.read(0, Arc::new(later), start + Duration::from_secs(1));
    if let Some(xid) = xid {
        snapshot.count_xid("GPU-0", xid, Moment { at: 1.0, now: start });
    }
    let (counters, findings) = Counters::parse(counters);
    assert_eq!(findings, Findings::default());
    let face = DcgmFace {
        settings: GpuSettings::default(),
        snapshot: Arc::new(ArcSwap::from_pointee(snapshot)),
        pods: Arc::default(),
        names,
        counters,
        old_labels: false,
        each_container: false,
        hostname: "node-1".to_owned(),
    };
    (face, start + Duration::from_secs(1))
}

#[test]
fn the_default_sets_are_dcgm_exporters() {
    for (word, names) in Names::WORDS {
        let page = page(names, names.default_counters(), false, None, false);
        insta::assert_snapshot!(
            format!("default_{word}"),
            page.write(Format::Classic, None, String::new()).text()
        );
    }
}

#[test]
fn instances_stand_for_the_gpu_that_is_cut_into_them() {
    let page = page(Names::Classic, Names::Classic.default_counters(), true, None, false);
    insta::assert_snapshot!(page.write(Format::Classic, None, String::new()).text());
}

/// A layout that cannot be read is a fault. One without instances is none: the GPU is whole then, as for dcgm-exporter.
#[test]
fn a_gpu_does_not_stand_for_instances_that_are_not_known() {
    let counters = "DCGM_FI_DEV_FB_USED, gauge, x\nDCGM_FI_DEV_FB_USED_PERCENT, gauge, x\nDCGM_FI_DEV_GPU_TEMP, gauge, x";
    let names = |faulty: Option<&str>| {
        let (face, now) = face(Names::Classic, counters, false, None);
        let mut reading = reading(false);
        let fault = |reading: &str| ReadingFault {
            reading: reading.to_owned(),
            reason: FaultReason::Unknown,
            found: None,
        };
        reading.faults.extend(faulty.map(fault));
        let mut snapshot = Snapshot::clone(&face.snapshot.load_full());
        snapshot.read(0, Arc::new(reading), now);
        face.snapshot.store(Arc::new(snapshot));
        let families = face.families(now);
        let shown = families.iter().filter(|family| !family.samples.is_empty());
        shown.map(|family| family.name.to_string()).collect::<Vec<_>>().join(" ")
    };
    let all = "DCGM_FI_DEV_FB_USED DCGM_FI_DEV_FB_USED_PERCENT DCGM_FI_DEV_GPU_TEMP";
    assert_eq!((names(None).as_str(), names(Some("power")).as_str()), (all, all));
    for reading in ["MIG devices", "layout of MIG devices", "MIG instances"] {
        assert_eq!(names(Some(reading)), "DCGM_FI_DEV_GPU_TEMP", "{reading}");
    }
}

#[test]
fn the_last_xid_has_its_words() {
    let counters = "DCGM_FI_DEV_XID_ERRORS, gauge, x";
    let text = |names, xid| {
        page(names, counters, false, xid, false).write(Format::Classic, None, String::new()).text()
    };
    let seen = text(Names::Classic, Some(79));
    assert!(seen.contains(r#",err_code="79",err_msg="GPU has fallen off the bus"} 79"#), "{seen}");
    let before = text(Names::Classic, None);
    assert!(before.contains(r#"Hostname="node-1",err_code="0",err_msg="No Error"} 0"#), "{before}");
    assert!(text(Names::V49, None).is_empty(), "newer versions have no series before the first");
}

/// An alert on the code would end before it began if the series did: XID 79 is the last that such a GPU has.
#[test]
fn the_xids_of_a_gpu_that_says_no_more_are_there() {
    let counters = "DCGM_FI_DEV_XID_ERRORS, gauge, x\nDCGM_EXP_XID_ERRORS_TOTAL, counter, x\nDCGM_EXP_CLOCK_EVENTS_COUNT, counter, x\n\
                    DCGM_FI_DEV_GPU_TEMP, gauge, x\nDCGM_FI_DEV_VGPU_LICENSE_STATUS, gauge, x";
    let xids = |happens: fn(&mut Snapshot), given: &str| {
        let (mut face, now) = face(Names::Classic, counters, true, Some(79));
        let mut snapshot = Snapshot::clone(&face.snapshot.load_full());
        happens(&mut snapshot);
        face.snapshot.store(Arc::new(snapshot));
        face.pods = Arc::new(ArcSwap::from_pointee(Pods::that_have(&[given.to_owned()], now)));
        let text = shown(&face, now).write(Format::Classic, None, String::new()).text();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.filter(|line| !line.contains("UUID=\"GPU-1\"")).map(str::to_owned).collect::<Vec<_>>()
    };
    let expected = |pod: &str| {
        let labels = format!(
            "gpu=\"0\",UUID=\"GPU-0\",pci_bus_id=\"00000000:1A:00.0\",device=\"nvidia0\",modelName=\"NVIDIA H100 80GB HBM3\",Hostname=\"node-1\"{pod}"
        );
        [
            format!("DCGM_EXP_XID_ERRORS_TOTAL{{{labels},xid=\"79\"}} 1"),
            format!(
                "DCGM_FI_DEV_XID_ERRORS{{{labels},err_code=\"79\",err_msg=\"GPU has fallen off the bus\"}} 79"
            ),
        ]
    };
    let pod = ",container=\"main\",namespace=\"ai\",pod=\"pod-0\"";
    let lost = |snapshot: &mut Snapshot| snapshot.failed(0, FaultReason::Lost, Instant::now());
    assert_eq!(xids(lost, "GPU-0"), expected(pod));
    assert_eq!(xids(lost, "0"), expected(pod));
    assert_eq!(xids(|snapshot| snapshot.stuck(0), "another"), expected(""));
    // Another GPU has its index now, and so the pod that was given this index.
    let replaced = |snapshot: &mut Snapshot| {
        snapshot.listed(1);
        let other = Reading { uuid: "GPU-1".to_owned(), ..Reading::default() };
        snapshot.read(0, Arc::new(other), Instant::now());
    };
    assert_eq!(xids(replaced, "0"), expected(""));
}

#[test]
fn a_device_is_called_by_its_index() {
    let (mut face, now) = face(Names::Classic, "DCGM_FI_DEV_GPU_TEMP, gauge, x", false, None);
    let mut snapshot = Snapshot::clone(&face.snapshot.load_full());
    let mut other = reading(false);
    other.subjects.identity.minor_number = Some(5);
    snapshot.read(0, Arc::new(other), now);
    face.snapshot.store(Arc::new(snapshot));
    face.pods = Arc::new(ArcSwap::from_pointee(Pods::that_have(&["nvidia5".to_owned()], now)));
    let text = shown(&face, now).write(Format::Classic, None, String::new()).text();
    assert!(text.contains("device=\"nvidia0\"") && text.contains("pod=\"pod-0\""), "{text}");
}

#[test]
fn a_counter_without_its_suffix_has_no_type_in_openmetrics() {
    let counters = "DCGM_FI_DEV_PCIE_REPLAY_COUNTER, counter, x\nDCGM_FI_DEV_PCIE_REPLAY_TOTAL, counter, x";
    let page = page(Names::Classic, counters, false, None, true);
    let text = page.write(Format::OpenMetrics, None, String::new()).text();
    assert!(
        text.contains(
            "# TYPE DCGM_FI_DEV_PCIE_REPLAY_COUNTER unknown\nDCGM_FI_DEV_PCIE_REPLAY_COUNTER{gpu=\"0\",uuid="
        ),
        "{text}"
    );
    assert!(
        page.write(Format::Classic, None, String::new())
            .text()
            .contains("# TYPE DCGM_FI_DEV_PCIE_REPLAY_COUNTER counter\n")
    );
}

#[test]
fn series_have_the_labels_of_the_pod_that_has_the_gpu() {
    let counters = "DCGM_FI_DEV_GPU_TEMP, gauge, x\nDCGM_FI_DEV_FB_USED, gauge, x";
    let (whole, cut) = (("GPU-0", false), ("MIG-1", true));
    let check = |(device, is_cut), given: &[&str], each_container, old_labels, expected: &[&str]| {
        let (mut face, now) = face(Names::Classic, counters, is_cut, None);
        let given: Vec<_> = given.iter().map(|rest| format!("{device}{rest}")).collect();
        face.pods = Arc::new(ArcSwap::from_pointee(Pods::that_have(&given, now)));
        (face.each_container, face.old_labels) = (each_container, old_labels);
        let text = shown(&face, now).write(Format::Classic, None, String::new()).text();
        let of_pods: Vec<_> = text
            .lines()
            .filter_map(|line| Some(line.split_once("node-1\"")?.1.rsplit_once('}')?.0))
            .collect();
        assert_eq!(of_pods, expected, "{text}");
    };
    let first = ",container=\"main\",namespace=\"ai\",pod=\"pod-0\"";
    check(whole, &[""], false, false, &[first, first]);
    let old = ",container_name=\"main\",pod_namespace=\"ai\",pod_name=\"pod-0\"";
    check(whole, &[""], false, true, &[old, old]);
    check(whole, &["-another"], false, false, &["", ""]);
    // The second instance is nobody's, and says nothing of its memory.
    check(cut, &[""], false, false, &[first, first, ""]);
    let shares = [
        ",container=\"main\",namespace=\"ai\",pod=\"pod-0\",vgpu=\"7\"",
        ",container=\"main\",namespace=\"ai\",pod=\"pod-1\",vgpu=\"3\"",
    ];
    check(whole, &["::7", "::3"], false, false, &[shares[0], shares[0]]);
    check(whole, &["::7", "::3"], true, false, &[shares[0], shares[1], shares[0], shares[1]]);
}

#[test]
fn events_are_counted_by_their_kind() {
    let counters = "DCGM_EXP_XID_ERRORS_COUNT, counter, x\nDCGM_EXP_XID_ERRORS_TOTAL, counter, x\nDCGM_EXP_CLOCK_EVENTS_COUNT, counter, x";
    let shown = |xid, later| {
        let (face, now) = face(Names::V49, counters, false, xid);
        let later = now + Duration::from_secs(later);
        let snapshot = face.snapshot.load_full();
        let mut snapshot = Snapshot::clone(&snapshot);
        snapshot.read(0, Arc::new(reading(false)), later);
        face.snapshot.store(Arc::new(snapshot));
        let text = shown(&face, later).write(Format::Classic, None, String::new()).text();
        let lines = text.lines().filter_map(|line| {
            let (name, rest) = line.split_once("{gpu=")?;
            Some(format!("{name}{}", rest.split_once("node-1\"")?.1))
        });
        lines.collect::<Vec<_>>()
    };
    let window = "window_size_in_ms=\"300000\"";
    let clocks =
        |count: u32| format!("DCGM_EXP_CLOCK_EVENTS_COUNT,clock_event=\"power_cap\",{window}}} {count}");
    let count = |labels: &str, count: u32| format!("DCGM_EXP_XID_ERRORS_COUNT,{window}{labels}}} {count}");
    let total = "DCGM_EXP_XID_ERRORS_TOTAL,xid=\"79\"} 1".to_owned();
    let expected = |clock_events, xids: &[String]| [&[clocks(clock_events)], xids].concat();
    assert_eq!(shown(None, 1), expected(3, &[count("", 0)]));
    assert_eq!(shown(Some(79), 1), expected(3, &[count(",xid=\"79\"", 1), total.clone()]));
    assert_eq!(shown(Some(79), 302), expected(1, &[count("", 0), total]), "the window has passed");
}

#[test]
fn the_least_profile_has_the_fields_that_it_says() {
    let all = |profile| {
        let reading = reading(false);
        reading.subjects.within(profile)
    };
    let (whole, least) = (all(Profile::Full), all(Profile::Minimal));
    for (name, source) in fields::all() {
        let says = |subjects: &Subjects| source.value(Part::Gpu, subjects, &Sums::default()).is_some();
        let is_beyond = fields::is_beyond_minimal(name);
        // A licence that nothing is known of counts as none, and is told apart by its name alone.
        if says(&whole) && !name.contains("LICENSE") {
            assert_eq!(says(&least), !is_beyond, "{name}");
        }
    }
    let (counters, left_out) = Counters::default_of(Names::Classic).within(Profile::Minimal);
    assert_eq!(
        left_out.join(" "),
        "DCGM_FI_DEV_SM_CLOCK DCGM_FI_DEV_MEM_CLOCK DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL DCGM_FI_DEV_VGPU_LICENSE_STATUS \
         DCGM_FI_PROF_GR_ENGINE_ACTIVE DCGM_FI_PROF_PIPE_TENSOR_ACTIVE DCGM_FI_PROF_DRAM_ACTIVE DCGM_FI_PROF_PCIE_TX_BYTES \
         DCGM_FI_PROF_PCIE_RX_BYTES"
    );
    assert_eq!(counters.values().count(), 25 - 9);
    assert_eq!(Counters::default_of(Names::Classic).within(Profile::Default).1, Vec::<String>::new());
}

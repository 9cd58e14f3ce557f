//! The page of the second face, as a whole.

use std::time::Duration;

use super::*;
use crate::exposition::{Format, Page};
use crate::gpu::delta::Diff as _;
use crate::gpu::driver::Driver;
use crate::gpu::profile::Profile;
use crate::gpu::reading::Reading;
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
    let start = Instant::now();
    let mut snapshot = Snapshot::swept_every(Duration::from_secs(1), Severities::default());
    snapshot.driver = Some(Driver { version: Some("570.86.15".to_owned()), ..Driver::default() });
    snapshot.listed(1);
    snapshot.read(0, Arc::new(reading(is_cut)), start);
    let mut later = reading(is_cut);
    for link in &mut later.subjects.nvlink {
        link.transmitted = link.transmitted.map(|bytes| Bytes(bytes.0 + 10_240_000));
    }
    snapshot.read(0, Arc::new(later), start + Duration::from_secs(1));
    if let Some(xid) = xid {
        snapshot.count_xid("GPU-0", xid, Moment { at: 1.0, now: start });
    }
    let (counters, findings) = Counters::parse(counters);
    assert_eq!(findings, Findings::default());
    let face = DcgmFace {
        settings: GpuSettings {
            library: None,
            sample_interval: Duration::from_secs(1),
            probe_timeout: Duration::from_secs(5),
            severities: Severities::default(),
            profile: Profile::default(),
            processes: false,
            containers: true,
            pods: None,
            proc: "/proc".into(),
            sysfs: PathBuf::from("/sys"),
        },
        snapshot: Arc::new(ArcSwap::from_pointee(snapshot)),
        names,
        counters,
        old_labels,
        hostname: "node-1".to_owned(),
    };
    let page = Page::new(vec![Arc::new(face.families(start + Duration::from_secs(1)))], None);
    assert_eq!(page.refused().told, Vec::<String>::new());
    page
}

#[test]
fn the_default_sets_are_dcgm_exporters() {
    for (word, names) in Names::WORDS {
        let page = page(names, names.default_counters(), false, None, false);
        insta::assert_snapshot!(
            format!("default_{word}"),
            page.write(Format::Classic, None).text.to_string()
        );
    }
}

#[test]
fn instances_stand_for_the_gpu_that_is_cut_into_them() {
    let page = page(Names::Classic, Names::Classic.default_counters(), true, None, false);
    insta::assert_snapshot!(page.write(Format::Classic, None).text.to_string());
}

#[test]
fn the_last_xid_has_its_words() {
    let counters = "DCGM_FI_DEV_XID_ERRORS, gauge, x";
    let text =
        |names, xid| page(names, counters, false, xid, false).write(Format::Classic, None).text.to_string();
    let seen = text(Names::Classic, Some(79));
    assert!(seen.contains(r#",err_code="79",err_msg="GPU has fallen off the bus"} 79"#), "{seen}");
    assert!(text(Names::Classic, None).contains(r#"Hostname="node-1"} 0"#));
    assert!(text(Names::V49, None).is_empty(), "newer versions have no series before the first");
}

#[test]
fn a_counter_without_its_suffix_has_no_type_in_openmetrics() {
    let counters = "DCGM_FI_DEV_PCIE_REPLAY_COUNTER, counter, x\nDCGM_FI_DEV_PCIE_REPLAY_TOTAL, counter, x";
    let page = page(Names::Classic, counters, false, None, true);
    let text = page.write(Format::OpenMetrics, None).text.to_string();
    assert!(
        text.contains(
            "# TYPE DCGM_FI_DEV_PCIE_REPLAY_COUNTER unknown\nDCGM_FI_DEV_PCIE_REPLAY_COUNTER{gpu=\"0\",uuid="
        ),
        "{text}"
    );
    assert!(
        page.write(Format::Classic, None)
            .text
            .to_string()
            .contains("# TYPE DCGM_FI_DEV_PCIE_REPLAY_COUNTER counter\n")
    );
}

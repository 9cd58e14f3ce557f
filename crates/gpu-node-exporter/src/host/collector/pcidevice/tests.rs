//! A machine with one GPU, and what its files may hold.

use super::*;
use crate::host::testing::{collector, values};

const PLACE: &str = "devices/pci0000:15/0000:15:01.0/0000:18:00.0";

/// A machine with one GPU that also has these files.
fn sys(files: &[(&str, &str)]) -> tempfile::TempDir {
    let sys = tempfile::tempdir().unwrap();
    let identity = [
        ("class", "0x030200\n"),
        ("vendor", "0x10de\n"),
        ("device", "0x2330\n"),
        ("subsystem_vendor", "0x10de\n"),
        ("subsystem_device", "0x16c1\n"),
        ("revision", "0xa1\n"),
    ];
    std::fs::create_dir_all(sys.path().join(PLACE)).unwrap();
    for (file, text) in identity.iter().chain(files) {
        std::fs::write(sys.path().join(PLACE).join(file), text).unwrap();
    }
    let bus = sys.path().join("bus/pci/devices");
    std::fs::create_dir_all(&bus).unwrap();
    std::os::unix::fs::symlink(Path::new("../../..").join(PLACE), bus.join("0000:18:00.0")).unwrap();
    sys
}

fn read(sys: &tempfile::TempDir, written: &[&str]) -> (Vec<String>, Vec<String>) {
    let Collected { families, faults, .. } =
        collector(&ENTRY, "/nonexistent".as_ref(), sys.path(), written).collect();
    let place = r#"segment="0000",bus="18",device="00",function="0""#;
    let lines = values(&families).into_iter().map(|line| line.replace(place, "GPU"));
    (lines.collect(), faults.iter().map(ToString::to_string).collect())
}

#[test]
fn a_link_that_is_down_is_not_known() {
    let files =
        [("current_link_speed", "Unknown\n"), ("max_link_speed", "32.0 GT/s PCIe\n"), ("numa_node", "-1\n")];
    let (lines, faults) = read(&sys(&files), &[]);
    assert_eq!(faults, [] as [&str; 0]);
    assert_eq!(lines[0], "node_pcidevice_max_link_transfers_per_second{GPU} 32000000000");
    assert!(
        lines.contains(&"node_pcidevice_current_link_transfers_per_second{GPU} -1".to_owned()),
        "{lines:#?}"
    );
    assert!(!lines.iter().any(|line| line.contains("numa_node")), "{lines:#?}");
    let info = lines.last().unwrap();
    let parent =
        r#"parent_segment="0000",parent_bus="15",parent_device="01",parent_function="0",class_id="0x030200""#;
    assert!(info.contains(parent) && info.ends_with(r#"revision="0xa1"} 1"#), "{info}");
}

#[test]
fn an_odd_file_costs_itself() {
    let (lines, faults) = read(&sys(&[("current_link_speed", "warp 9\n"), ("power_state", "D0\n")]), &[]);
    assert!(
        faults.len() == 1 && faults[0].contains("current_link_speed: expected a number or a speed"),
        "{faults:?}"
    );
    assert!(lines.contains(&r#"node_pcidevice_power_state{GPU,state="D0"} 1"#.to_owned()), "{lines:#?}");
    let (lines, faults) = read(&sys(&[("class", "display\n")]), &[]);
    assert_eq!(lines, [] as [&str; 0]);
    assert!(faults.len() == 1 && faults[0].contains("/class: expected a number"), "{faults:?}");
}

#[test]
fn names_come_from_the_database() {
    let sys = sys(&[]);
    let ids = sys.path().join("pci.ids");
    std::fs::write(&ids, "10de  NVIDIA Corporation\n\t2330  GH100\n").unwrap();
    let flag = format!("--collector.pcidevice.idsfile={}", ids.display());
    let (lines, faults) = read(&sys, &["--collector.pcidevice.names", &flag]);
    assert_eq!(faults, [] as [&str; 0]);
    let info = lines.last().unwrap();
    assert!(info.contains(r#"vendor_name="NVIDIA Corporation",device_name="GH100""#), "{info}");
    std::fs::remove_file(&ids).unwrap();
    let (lines, faults) = read(&sys, &["--collector.pcidevice.names", &flag]);
    assert!(lines.last().unwrap().contains(r#"device_name="2330""#), "{lines:#?}");
    assert!(faults.len() == 1 && faults[0].starts_with(&ids.display().to_string()), "{faults:?}");
}

#[test]
fn a_machine_without_it_says_so() {
    let (lines, faults) = read(&tempfile::tempdir().unwrap(), &[]);
    assert_eq!((lines, faults), (vec![], vec!["pcidevice: there is no /sys/bus/pci/devices".to_owned()]));
}

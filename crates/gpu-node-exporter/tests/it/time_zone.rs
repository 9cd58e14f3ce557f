//! The time zone of the running program: from `TZ`, and from `/etc/localtime`.

use std::fs;
use std::os::unix::fs::symlink;

use crate::exporter::Exporter;

/// Only the collector under test.
const FLAGS: [&str; 2] = ["--collector.disable-defaults", "--collector.time"];

#[track_caller]
fn check(exporter: &Exporter, zone: &str, seconds: f64) {
    let page = exporter.scrape();
    let label = format!("time_zone=\"{zone}\"");
    assert!(
        page.says("node_time_zone_offset_seconds", &[&label], seconds),
        "expected {label} {seconds}\n{}",
        page.0
    );
}

#[test]
fn a_named_zone() {
    for (named, zone, seconds) in [
        ("Asia/Shanghai", "CST", 28_800.0),
        (":Asia/Kathmandu", "+0545", 20_700.0),
        ("/usr/share/zoneinfo/Asia/Tokyo", "JST", 32_400.0),
        ("HST10", "HST", -36_000.0),
        ("UTC", "UTC", 0.0),
        ("", "UTC", 0.0),
        ("Nowhere/Atall", "UTC", 0.0),
    ] {
        check(&Exporter::with_variable("TZ", named, &FLAGS), zone, seconds);
    }
}

#[test]
fn the_machines_zone() {
    let etc = tempfile::tempdir().expect("a folder");
    check(&Exporter::with_etc(etc.path(), &FLAGS), "UTC", 0.0);

    let localtime = etc.path().join("localtime");
    symlink("/usr/share/zoneinfo/Asia/Shanghai", &localtime).expect("a link");
    check(&Exporter::with_etc(etc.path(), &FLAGS), "CST", 28_800.0);

    fs::remove_file(&localtime).expect("it is there");
    fs::write(&localtime, zone_file("+0545", 20_700)).expect("writable");
    check(&Exporter::with_etc(etc.path(), &FLAGS), "+0545", 20_700.0);
}

/// A file as `tzfile(5)` describes it, of a zone that is always so many seconds ahead of UTC.
fn zone_file(name: &str, seconds: i32) -> Vec<u8> {
    let mut file = Vec::new();
    // Twice: readers of version 1 stop after the first block.
    for _ in 0..2 {
        file.extend(b"TZif2");
        file.extend([0; 15]);
        let name_length = u32::try_from(name.len() + 1).expect("a short name");
        for count in [0, 0, 0, 0, 1, name_length] {
            file.extend(count.to_be_bytes());
        }
        file.extend(seconds.to_be_bytes());
        file.extend([0, 0]);
        file.extend(name.as_bytes());
        file.push(0);
    }
    file.extend(format!("\n<{name}>-5:45\n").bytes());
    file
}

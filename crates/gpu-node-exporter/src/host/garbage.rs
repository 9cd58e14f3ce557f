//! A garbled file costs its collector's success, and nothing in a file can make a collector panic.

use std::path::Path;

use proptest::prelude::*;

use super::HostSettings;
use crate::args::{self, Command};
use crate::host;

/// The files of `/proc` and `/sys` that collectors read, each with the collectors that cannot do without it.
const FILES: [(&str, &[&str]); 16] = [
    ("proc/stat", &["cpu", "stat"]),
    ("proc/meminfo", &["meminfo"]),
    ("proc/loadavg", &["loadavg"]),
    ("proc/diskstats", &["diskstats"]),
    ("proc/vmstat", &["vmstat"]),
    ("proc/cpuinfo", &["cpu"]),
    ("proc/net/dev", &["netdev"]),
    ("proc/1/mountinfo", &["filesystem"]),
    ("proc/pressure/cpu", &["pressure"]),
    ("proc/pressure/io", &["pressure"]),
    ("proc/pressure/memory", &["pressure"]),
    ("proc/pressure/irq", &["pressure"]),
    ("sys/devices/system/cpu/isolated", &["cpu"]),
    ("sys/devices/system/cpu/cpu0/topology/core_id", &["cpu"]),
    ("sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count", &["cpu"]),
    ("sys/class/net/eth0/mtu", &["netclass"]),
];

/// Files that may hold any text; only what is no text is garbled.
const TEXTS: [&str; 2] = ["sys/class/net/eth0/operstate", "sys/class/net/eth0/address"];

/// A root with every file in order, taken from the captures; what they lack is written here.
fn root() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let captures = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/host/testdata/node_exporter");
    for (file, _) in FILES {
        let text = match file {
            "proc/net/dev" => "a\nb\n lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n".to_owned(),
            "proc/1/mountinfo" => "36 35 98:0 / /nonexistent rw - ext3 /dev/root rw\n".to_owned(),
            other => std::fs::read_to_string(captures.join(other)).unwrap(),
        };
        write(root.path(), file, text.as_bytes());
    }
    for file in TEXTS {
        write(root.path(), file, b"up\n");
    }
    let package = "sys/devices/system/cpu/cpu0/topology/physical_package_id";
    write(root.path(), package, b"0\n");
    root
}

fn write(root: &Path, file: &str, bytes: &[u8]) {
    let path = root.join(file);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

fn settings(root: &Path) -> HostSettings {
    let under = |flag: &str, path: &str| format!("--path.{flag}={}", root.join(path).display());
    let flags = [
        under("procfs", "proc"),
        under("sysfs", "sys"),
        under("udev.data", "udev"),
        "--collector.cpu.info".to_owned(),
        "--no-collector.netdev.netlink".to_owned(),
        "--collector.stat.softirq".to_owned(),
    ];
    match args::parse(flags.map(Into::into)) {
        Ok(Command::Serve(settings)) => settings.host,
        other => panic!("{other:?}"),
    }
}

/// The collectors that did not read everything.
fn failed(settings: &HostSettings) -> Vec<&'static str> {
    let mut failed = Vec::new();
    for mut collector in host::lanes(settings).into_iter().flat_map(|(_, collectors)| collectors) {
        if !collector.collect().faults.is_empty() {
            failed.push(collector.name());
        }
    }
    failed
}

#[test]
fn a_garbled_file_costs_its_collectors_and_no_other() {
    let root = root();
    let settings = settings(root.path());
    assert_eq!(failed(&settings), [] as [&str; 0], "with every file in order");
    for (file, readers) in FILES {
        let path = root.path().join(file);
        let good = std::fs::read(&path).unwrap();
        for garbage in [&b"\x00\xff\xfe"[..], b"Segmentation fault\n", b"1 2 three\n{}\n"] {
            std::fs::write(&path, garbage).unwrap();
            assert_eq!(failed(&settings), readers, "{file} with {garbage:?}");
        }
        std::fs::write(&path, good).unwrap();
    }
    for file in TEXTS {
        std::fs::write(root.path().join(file), b"\x00\xff\xfe").unwrap();
        assert_eq!(failed(&settings), ["netclass"], "{file}");
        std::fs::write(root.path().join(file), b"up\n").unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn no_file_makes_a_collector_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let root = tempfile::tempdir().unwrap();
        for (file, _) in FILES {
            write(root.path(), file, &bytes);
        }
        failed(&settings(root.path()));
    }

    /// Lines of the right shape with wrong words get deeper into a parser than noise does.
    #[test]
    fn no_damage_makes_a_collector_panic(at in 0_usize..4000, word in "[0-9a-z:=,./ \n-]{0,12}") {
        let root = root();
        for (file, _) in FILES {
            let path = root.path().join(file);
            let mut text = std::fs::read(&path).unwrap();
            let from = at % text.len().max(1);
            let to = (from + word.len()).min(text.len());
            text.splice(from..to, word.bytes());
            std::fs::write(&path, text).unwrap();
        }
        failed(&settings(root.path()));
    }
}

//! Files that never answer: named pipes that nobody writes to stand for them, which the kernel keeps waiting to be opened.

use std::fs;
use std::path::Path;

use rustix::fs::{CWD, Mode, mkfifoat};

use crate::exporter::{Exporter, Page};

/// A `/proc`, `/sys` and udev database with what some collectors read.
struct Machine {
    root: tempfile::TempDir,
}

const DISK: &str = "8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n8 16 sdb 1 2 3 4 5 6 7 8 9 10 11\n";

impl Machine {
    fn new() -> Self {
        let machine = Self { root: tempfile::tempdir().expect("a folder") };
        for (path, text) in [
            ("proc/loadavg", "0.21 0.37 0.39 1/719 19737\n"),
            ("proc/meminfo", "MemTotal: 1 kB\n"),
            ("proc/vmstat", "pgpgin 1\n"),
            ("proc/diskstats", DISK),
            ("proc/stat", "cpu  1 2 3 4\ncpu0 100 2 3 4\n"),
            ("proc/cpuinfo", "processor\t: 0\nmodel name\t: one\n"),
            ("sys/devices/system/cpu/cpu0/online", "1\n"),
            ("sys/devices/system/cpu/cpu0/topology/core_id", "0\n"),
            ("sys/devices/system/cpu/cpu0/topology/physical_package_id", "0\n"),
            ("sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count", "7\n"),
            ("proc/net/dev", "a\nb\n eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"),
            ("sys/block/sda/queue/rotational", "1\n"),
            ("sys/class/net/eth0/operstate", "up\n"),
            ("sys/class/net/eth1/operstate", "up\n"),
            ("udev/b8:0", "E:ID_MODEL=one\n"),
            ("udev/b8:16", "E:ID_MODEL=two\n"),
        ] {
            let path = machine.path(path);
            fs::create_dir_all(path.parent().expect("it has one")).expect("a folder");
            fs::write(path, text).expect("writable");
        }
        machine
    }

    fn path(&self, path: &str) -> std::path::PathBuf {
        self.root.path().join(path)
    }

    /// Lets a file hang.
    fn hang(&self, path: &str) {
        let path = self.path(path);
        // It need not have been there.
        let _ = fs::remove_file(&path);
        mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR).expect("a named pipe");
    }

    /// Lets it answer: a pipe that is opened for writing and closed is an empty file to who waits.
    fn answer(path: &Path) {
        let _ = fs::OpenOptions::new().write(true).open(path);
    }

    fn exporter(&self) -> Exporter {
        let flags = [
            format!("--path.procfs={}", self.path("proc").display()),
            format!("--path.sysfs={}", self.path("sys").display()),
            format!("--path.udev.data={}", self.path("udev").display()),
            "--collector.disable-defaults".to_owned(),
            "--no-collector.netdev.netlink".to_owned(),
            "--collector.cpu.info".to_owned(),
        ];
        let on = COLLECTORS.map(|name| format!("--collector.{name}"));
        let flags: Vec<_> = flags.iter().chain(&on).map(String::as_str).collect();
        Exporter::with_flags(&flags)
    }
}

const COLLECTORS: [&str; 7] = ["cpu", "diskstats", "loadavg", "meminfo", "netclass", "netdev", "vmstat"];

/// Whether all succeed but one, which never does. A busy machine may make others late now and then.
#[track_caller]
fn only_fails(page: &Page, failing: &str) -> bool {
    let has_succeeded = |name: &str, success| {
        page.says("node_scrape_collector_success", &[&format!("collector=\"{name}\"")], success)
    };
    assert!(has_succeeded(failing, 0.0), "{failing} hangs\n{}", page.0);
    COLLECTORS.iter().all(|name| *name == failing || has_succeeded(name, 1.0))
}

#[test]
fn a_file_that_hangs_costs_its_collector_and_no_other() {
    for (file, collector) in [
        ("udev/b8:0", "diskstats"),
        ("sys/block/sdb/queue/rotational", "diskstats"),
        ("sys/class/net/eth0/speed", "netclass"),
        ("proc/net/dev", "netdev"),
        ("proc/loadavg", "loadavg"),
        ("proc/diskstats", "diskstats"),
        ("proc/stat", "cpu"),
        ("proc/cpuinfo", "cpu"),
        ("sys/devices/system/cpu/isolated", "cpu"),
        ("sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count", "cpu"),
    ] {
        let machine = Machine::new();
        let folder = machine.path(file);
        fs::create_dir_all(folder.parent().expect("it has one")).expect("a folder");
        machine.hang(file);
        let exporter = machine.exporter();
        for _ in 0..3 {
            exporter.wait_within(
                "4",
                &format!("none fails but {collector}, of which {file} hangs"),
                |page| only_fails(page, collector),
            );
        }
        // The thread that waits must not outlive the test.
        Machine::answer(&machine.path(file));
    }
}

#[test]
fn a_disk_whose_properties_hang_keeps_its_counters() {
    let machine = Machine::new();
    machine.hang("udev/b8:0");
    let exporter = machine.exporter();
    let is_known = |page: &Page| {
        for disk in ["device=\"sda\"", "device=\"sdb\""] {
            assert!(page.says("node_disk_reads_completed_total", &[disk], 1.0), "{}", page.0);
        }
        assert!(!page.0.contains("model=\"one\""), "{}", page.0);
        page.says("node_disk_info", &["device=\"sdb\"", "model=\"two\""], 1.0)
    };
    for _ in 0..2 {
        exporter.wait_until("what is known of the other disk is there", is_known);
    }
    exporter.wait_for_log("what udev and sysfs say about the disk `sda` did not come in time");
    let pipe = machine.path("udev/b8:0");
    Machine::answer(&pipe);
    fs::remove_file(&pipe).expect("it is there");
    fs::write(&pipe, "E:ID_MODEL=one\n").expect("writable");
    exporter.wait_until("the disk's properties are back", |page| {
        page.says("node_disk_info", &["device=\"sda\"", "model=\"one\""], 1.0)
            && page.says("node_scrape_collector_success", &["collector=\"diskstats\""], 1.0)
    });
}

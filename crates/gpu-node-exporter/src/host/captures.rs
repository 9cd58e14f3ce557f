//! All collectors on a copy of the captures in `testdata`, with what may happen to the files.
//!
//! A garbled file costs its collector's success, nothing in a file can make a collector panic, and making a collector
//! reads no file.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::testing::{flags, testdata, values};
use super::{COLLECTORS, Host};
use crate::collector::Collector;
use crate::flags::Takes;

/// Collectors that read no file of `/proc` or `/sys`.
const READ_NO_CAPTURE: [&str; 2] = ["textfile", "uname"];

/// Series that follow from the machine and the moment of the test.
const LIVE: [&str; 3] = ["node_time_seconds", "node_time_zone_offset_seconds", "node_network_address_info"];

/// A copy of the captures, with the files that they lack because `node_exporter`'s tests ask the machine.
struct Root {
    directory: tempfile::TempDir,
    /// Each file, with what it holds when it is in order.
    files: Vec<(PathBuf, Vec<u8>)>,
}

impl Root {
    fn new() -> Self {
        let root = Self::without_files();
        root.write();
        root
    }

    fn without_files() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut good = vec![
            ("proc/net/dev".into(), b"a\nb\n lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n".to_vec()),
            ("proc/1/mountinfo".into(), b"36 35 98:0 / /nonexistent rw - ext3 /dev/root rw\n".to_vec()),
        ];
        for file in ["proc", "sys"].iter().flat_map(|folder| files(&testdata().join(folder))) {
            good.push((file.strip_prefix(testdata()).unwrap().to_owned(), fs::read(&file).unwrap()));
        }
        let files = good.into_iter().map(|(file, bytes)| (directory.path().join(file), bytes));
        Self { files: files.collect(), directory }
    }

    fn write(&self) {
        for (path, bytes) in &self.files {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }
}

/// Every file under a directory, in order.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(self::files(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}

/// What one collector gave.
#[derive(Debug, PartialEq)]
struct Given {
    collector: &'static str,
    series: Vec<String>,
    faults: Vec<String>,
}

/// All collectors, each asked for all it can read: every switch is the opposite of its default.
fn collectors(root: &Path) -> Vec<Box<dyn Collector>> {
    let mut written = vec![
        format!("--path.procfs={}", root.join("proc").display()),
        format!("--path.sysfs={}", root.join("sys").display()),
        "--path.udev.data=/nonexistent".to_owned(),
    ];
    for entry in COLLECTORS {
        written.push(format!("--collector.{}", entry.name));
        written.extend(entry.flags.iter().filter_map(|flag| match flag.takes {
            Takes::Switch { on } => Some(format!("--{}{}", if on { "no-" } else { "" }, flag.name)),
            Takes::Value { .. } | Takes::Values { .. } => None,
        }));
    }
    let written: Vec<_> = written.iter().map(String::as_str).collect();
    let host = Host::new(&mut flags(&written));
    host.collectors.into_iter().map(|(_, collector)| collector).collect()
}

fn read(collectors: Vec<Box<dyn Collector>>) -> Vec<Given> {
    let given = collectors.into_iter().map(|mut collector| {
        let collected = collector.collect();
        let mut series = values(&collected.families);
        series.retain(|line| !LIVE.iter().any(|live| line.starts_with(live)));
        let faults = collected.faults.iter().map(ToString::to_string).collect();
        Given { collector: collector.name(), series, faults }
    });
    given.collect()
}

#[test]
fn making_a_collector_reads_no_file() {
    let root = Root::without_files();
    let made_before = collectors(root.path());
    root.write();
    assert_eq!(read(made_before), read(collectors(root.path())));
}

#[test]
fn a_garbled_file_costs_its_collectors_success() {
    let root = Root::new();
    let good = read(collectors(root.path()));
    assert_eq!(good.len(), COLLECTORS.len());
    for given in &good {
        assert_eq!(given.faults, [] as [&str; 0], "{} with every file in order", given.collector);
    }
    let mut readers = BTreeSet::new();
    for (path, bytes) in &root.files {
        let is_number = String::from_utf8_lossy(bytes).trim().parse::<i64>().is_ok();
        let may_be_any_text = path.starts_with(root.path().join("sys")) && !is_number;
        for garbage in [&b"\x00\xff\xfe"[..], b"Segmentation fault\n", b"1 2 three\n{}\n"] {
            fs::write(path, garbage).unwrap();
            for (good, given) in
                good.iter().zip(read(collectors(root.path()))).filter(|(good, given)| **good != *given)
            {
                let is_text = str::from_utf8(garbage).is_ok() && may_be_any_text;
                let name = given.collector;
                assert!(
                    !given.faults.is_empty() || is_text,
                    "{name} took `{}` in {} for a reading, instead of {:?}:\n{:#?}",
                    garbage.escape_ascii(),
                    path.display(),
                    String::from_utf8_lossy(bytes),
                    given.series.iter().filter(|line| !good.series.contains(line)).collect::<Vec<_>>()
                );
                readers.insert(name);
            }
        }
        fs::write(path, bytes).unwrap();
    }
    let all: BTreeSet<_> = COLLECTORS.iter().map(|entry| entry.name).collect();
    let unread: Vec<_> = all.difference(&readers).collect();
    assert_eq!(unread, READ_NO_CAPTURE.each_ref(), "these collectors have no capture in testdata");
}

/// Lets every file hold something else, many times over.
fn garble<S: Strategy>(strategy: S, garbled: impl Fn(&[u8], &S::Value) -> Vec<u8>) {
    let root = Root::new();
    let mut runner =
        TestRunner::new(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(40) });
    let panics = runner.run(&strategy, |value| {
        for (path, bytes) in &root.files {
            fs::write(path, garbled(bytes, &value)).unwrap();
        }
        read(collectors(root.path()));
        Ok(())
    });
    panics.unwrap();
}

#[test]
fn no_noise_makes_a_collector_panic() {
    garble(prop::collection::vec(any::<u8>(), 0..300), |_, noise| noise.clone());
}

/// Lines of the right shape with wrong words get deeper into a parser than noise does.
#[test]
fn no_damage_makes_a_collector_panic() {
    garble((0_usize..4000, "[0-9a-z:=,./ \n-]{0,12}"), |good, (at, word)| {
        let mut text = good.to_vec();
        let from = at % text.len().max(1);
        let to = (from + word.len()).min(text.len());
        text.splice(from.min(to)..to, word.bytes());
        text
    });
}

//! All collectors on a copy of the captures in `testdata`, with what may happen to the files.
//!
//! A garbled file costs its collector's success, nothing in a file can make a collector panic, and making a collector
//! reads no file.

use std::collections::BTreeSet;
use std::fs;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::COLLECTORS;
use super::testing::{Captures, collectors, read};

/// Collectors that read no file of `/proc` or `/sys`.
const READ_NO_CAPTURE: [&str; 2] = ["textfile", "uname"];

#[test]
fn making_a_collector_reads_no_file() {
    let root = Captures::without_files();
    let made_before = collectors(root.path());
    root.write();
    assert_eq!(read(made_before), read(collectors(root.path())));
}

#[test]
fn a_garbled_file_costs_its_collectors_success() {
    let root = Captures::new();
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
    let root = Captures::new();
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

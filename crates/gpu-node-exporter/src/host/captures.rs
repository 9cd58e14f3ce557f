//! Each collector on a copy of the captures in `testdata`, with what may happen to the files.
//!
//! A garbled file costs its collector's success, nothing in a file can make a collector panic, and making a collector
//! reads no file.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use super::COLLECTORS;
use super::entry::Entry;
use super::garbled;
use super::testing::{Captures, on_captures, read};

#[test]
fn making_a_collector_reads_no_file() {
    let root = Captures::without_files();
    let mut made_before: Vec<_> = COLLECTORS.iter().map(|entry| on_captures(entry, root.path())).collect();
    root.write();
    for (made_before, entry) in made_before.iter_mut().zip(COLLECTORS) {
        assert_eq!(read(&mut **made_before), read(&mut *on_captures(entry, root.path())));
    }
}

/// Files that hold a word, though what was captured is a number.
const WORDS: [&str; 2] = ["cntlid", "serial_number"];

/// Collectors that show what firmware or an administrator called a device, in whatever bytes.
const TAKE_ANY_BYTES: [&str; 6] = ["dmi", "edac", "hwmon", "powersupplyclass", "rapl", "thermal_zone"];

#[test]
fn a_garbled_file_costs_its_collectors_success() {
    on_each_collector(|root, entry, files| {
        let good = read(&mut *on_captures(entry, root));
        assert_eq!(good.faults, [] as [&str; 0], "{} with every file in order", entry.name);
        let mut reads_any = false;
        for (path, bytes) in files {
            let is_number = String::from_utf8_lossy(bytes).trim().parse::<i64>().is_ok();
            let is_word = WORDS.iter().any(|word| path.ends_with(word));
            let may_be_any_text = path.starts_with(root.join("sys")) && (!is_number || is_word);
            for garbage in [&b"\x00\xff\xfe"[..], b"Segmentation fault\n", b"1 2 three\n{}\n"] {
                fs::write(path, garbage).unwrap();
                let given = read(&mut *on_captures(entry, root));
                if given != good {
                    let may_be_these =
                        str::from_utf8(garbage).is_ok() || TAKE_ANY_BYTES.contains(&entry.name);
                    let is_text = may_be_these && may_be_any_text;
                    assert!(
                        !given.faults.is_empty() || is_text,
                        "{} took `{}` in {} for a reading, instead of {:?}:\n{:#?}",
                        entry.name,
                        garbage.escape_ascii(),
                        path.display(),
                        String::from_utf8_lossy(bytes),
                        given.series.iter().filter(|line| !good.series.contains(line)).collect::<Vec<_>>()
                    );
                    reads_any = true;
                }
            }
            fs::write(path, bytes).unwrap();
        }
        assert!(reads_any, "{} reads no file of its captures", entry.name);
    });
}

#[test]
fn no_noise_makes_a_collector_panic() {
    garble(|random, _| garbled::noise(random));
}

/// Lines of the right shape with wrong words get deeper into a parser than noise does.
#[test]
fn no_damage_makes_a_collector_panic() {
    const WORDS: &[u8] = b"0123456789abcxyz:=,./ \n-";
    garble(|random, good| garbled::damaged(random, good, WORDS));
}

/// Lets every file hold something else, many times over.
fn garble(garbled: impl Fn(&mut fastrand::Rng, &[u8]) -> Vec<u8> + Sync) {
    let cases = garbled::cases();
    on_each_collector(|root, entry, files| {
        let mut random = fastrand::Rng::with_seed(entry.name.len() as u64);
        let mut collector = on_captures(entry, root);
        for _ in 0..cases.div_ceil(files.len()) {
            let written: Vec<_> =
                files.iter().map(|(path, good)| (path, garbled(&mut random, good))).collect();
            for (path, bytes) in &written {
                fs::write(path, bytes).unwrap();
            }
            let end = catch_unwind(AssertUnwindSafe(|| collector.collect()));
            assert!(end.is_ok(), "{} panics on {written:?}", entry.name);
        }
        for (path, good) in files {
            fs::write(path, good).unwrap();
        }
    });
}

/// Calls this with each collector that has captures, and the files that it may read.
fn on_each_collector(check: impl Fn(&Path, &Entry, &[(PathBuf, Vec<u8>)]) + Sync) {
    // Two halves, as many as the machines have that run this.
    let check = &check;
    let (first, second) = COLLECTORS.split_at(COLLECTORS.len() / 2);
    std::thread::scope(|scope| {
        for part in [first, second] {
            scope.spawn(move || {
                let root = Captures::new();
                for entry in part {
                    let files = root.files_of(entry);
                    if files.is_empty() {
                        let names_captures =
                            ["/proc/", "/sys/"].iter().any(|path| entry.reads.contains(path));
                        assert!(!names_captures, "{} has no capture in testdata", entry.name);
                    } else {
                        check(root.path(), entry, &files);
                    }
                }
            });
        }
    });
}

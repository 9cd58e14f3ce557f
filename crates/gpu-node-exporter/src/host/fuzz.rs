//! What fuzzers drive of the host's side.

#![expect(
    clippy::missing_panics_doc,
    reason = "a panic is how a fuzzer is told that something does not hold"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use super::COLLECTORS;
use super::collector::textfile::limits::Limits;
use super::collector::textfile::parse;
use super::dbus;
use super::entry::Entry;
use super::netlink::{attribute, read_datagram, text};
use super::testing::{Captures, on_captures};
use crate::exposition::{Format, Page};
use crate::family::{Family, is_label_name, is_metric_name};

/// One file of `/proc` or `/sys`, by its number in the captures, and what it holds instead: the collector that reads it gives families
/// that make a page which reads back.
pub fn kernel_files(bytes: &[u8]) {
    let Some((&[high, low], content)) = bytes.split_first_chunk() else { return };
    TREE.with(|tree| {
        let (entry, path, good) =
            &tree.files[usize::from(u16::from_be_bytes([high, low])) % tree.files.len()];
        fs::write(path, content).expect("a temporary file takes it");
        reads_back(on_captures(entry, tree.captures.path()).collect().families);
        fs::write(path, good).expect("a temporary file takes it");
    });
}

/// The captures, with what each collector reads of them.
struct Tree {
    captures: Captures,
    files: Vec<(&'static Entry, PathBuf, Vec<u8>)>,
}

impl Tree {
    fn new() -> Self {
        let captures = Captures::new();
        let files_of = |entry: &&'static Entry| {
            let entry = *entry;
            captures.files_of(entry).into_iter().map(move |(path, bytes)| (entry, path, bytes))
        };
        let files = COLLECTORS.iter().flat_map(files_of).collect();
        Self { captures, files }
    }
}

thread_local! {
    // A fuzzer calls the target a million times; the files are made once.
    static TREE: Tree = Tree::new();
}

/// A datagram of netlink: no message is longer than what came, and a text has no zero.
pub fn netlink(bytes: &[u8]) {
    let mut taken = 0;
    let _ = read_datagram(bytes, 0x6161_6161, 0x6161, |message| {
        taken += message.len();
        for kind in 0..64 {
            if let Some(payload) = attribute(message, kind) {
                assert!(payload.len() + 4 <= message.len());
                assert!(!text(payload).contains('\0'));
            }
        }
    });
    assert!(taken <= bytes.len());
}

/// What a bus says: nothing is taken that did not come, of its errors, of a list of names with their paths, or of a property.
pub fn dbus(bytes: &[u8]) {
    let mut taken = 0;
    for answer in dbus::answers(bytes).expect("a pair of sockets can be made") {
        taken += match answer {
            Err(name) => name.len(),
            Ok(values) => {
                let element = |reader: &mut dbus::Reader<'_>| {
                    reader.align(8)?;
                    Some(reader.text()?.len() + reader.text()?.len())
                };
                let list = values.read("a(so)", |reader| reader.array(8, element));
                let property = match values.property() {
                    Some(dbus::Value::Text(text)) => text.len(),
                    Some(dbus::Value::Whole(_) | dbus::Value::Bool(_)) | None => 0,
                };
                list.map_or(property, |lengths| lengths.iter().sum())
            }
        };
    }
    assert!(taken <= bytes.len());
}

/// A text file: what is taken from it makes a page that reads back, and the page's text in the old format is a good text file with the
/// same samples.
pub fn text_files(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let parse = |text: &str| parse::parse(text, &Limits::DEFAULT, usize::MAX);
    let Ok(families) = parse(text) else { return };
    let pages = reads_back(families.clone());
    let again = parse(&pages.classic).expect("our own page is a good text file");
    assert_eq!(reads_back(again).classic, pages.classic);
}

/// The page of these families in both formats.
struct Pages {
    classic: String,
}

/// A scraper finds each series once, under a name and labels that Prometheus takes.
fn reads_back(families: Vec<Family>) -> Pages {
    let page = Page::new(vec![Arc::new(families)], None);
    let [classic, openmetrics] =
        [Format::Classic, Format::OpenMetrics].map(|format| page.write(format, None, String::new()).text());
    for text in [&classic, &openmetrics] {
        let mut series = BTreeSet::new();
        for sample in test_peers::page::Page(text.clone()).samples() {
            assert!(is_metric_name(&sample.name), "the name {:?}", sample.name);
            for label in sample.labels.keys() {
                assert!(is_label_name(label), "the label {label:?}");
            }
            let key = (sample.name, sample.labels);
            assert!(!series.contains(&key), "{key:?} is there twice");
            series.insert(key);
        }
    }
    assert!(openmetrics.ends_with("# EOF\n"));
    Pages { classic }
}

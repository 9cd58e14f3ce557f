//! What the collectors' tests are written with.

#![expect(clippy::unwrap_used, reason = "who calls is a test or a fuzzer, which fails with the panic")]

use std::fs;
use std::path::{Path, PathBuf};

use super::root;
use super::{COLLECTORS, Host};
use crate::collector::Collector;
use crate::family::{Family, Number};
use crate::flags::{DISABLE_DEFAULTS, Flags, Grammar, Takes};

/// Where `node_exporter`'s captures are.
pub(crate) fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/host/testdata/node_exporter")
}

/// What was written, read with the flags of all host collectors.
pub(crate) fn flags(written: &[&str]) -> Flags {
    let mut grammar = Grammar::default();
    for flag in root::FLAGS.into_iter().chain([&DISABLE_DEFAULTS]) {
        grammar.flag(flag, "");
    }
    Host::add_flags(&mut grammar, "");
    let flags = grammar.read(written.iter().map(Into::into).collect()).unwrap();
    assert_eq!(flags.mistakes, [] as [&str; 0], "{written:?}");
    flags
}

/// One collector with these flags, reading `/proc` and `/sys` from these directories and nothing from elsewhere.
#[cfg(test)]
pub(crate) fn collector(
    entry: &super::entry::Entry,
    proc: &Path,
    sys: &Path,
    written: &[&str],
) -> Box<dyn Collector> {
    let none = Path::new("/nonexistent");
    let root = root::Root { proc: proc.into(), sys: sys.into(), rootfs: none.into(), udev: none.into() };
    (entry.new)(&mut flags(written), &root)
}

/// Every sample of the families as `name{label="value"} number`, in order.
pub(crate) fn values(families: &[Family]) -> Vec<String> {
    let mut lines = Vec::new();
    for family in families {
        for sample in &family.samples {
            let labels: Vec<String> =
                sample.labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
            let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
            let number = match sample.value {
                Number::Whole(whole) => whole.to_string(),
                Number::Real(real) => real.to_string(),
            };
            lines.push(format!("{}{}{labels} {number}", family.name, sample.suffix));
        }
    }
    lines
}

/// Each text must be a fault; none may panic.
#[cfg(test)]
pub(crate) fn check_garbage(faults: impl Fn(&str) -> Vec<crate::collector::Fault>, texts: &[&str]) {
    for text in texts {
        assert!(!faults(text).is_empty(), "{text:?} was taken for a reading");
    }
}

/// Series that follow from the machine and the moment of the test.
const LIVE: [&str; 3] = ["node_time_seconds", "node_time_zone_offset_seconds", "node_network_address_info"];

/// A copy of the captures, with the files that they lack because `node_exporter`'s tests ask the machine.
pub(crate) struct Captures {
    directory: tempfile::TempDir,
    /// Each file, with what it holds when it is in order.
    pub(crate) files: Vec<(PathBuf, Vec<u8>)>,
}

impl Captures {
    pub(crate) fn new() -> Self {
        let root = Self::without_files();
        root.write();
        root
    }

    pub(crate) fn without_files() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut good = vec![
            ("proc/net/dev".into(), b"a\nb\n lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n".to_vec()),
            ("proc/1/mountinfo".into(), b"36 35 98:0 / /nonexistent rw - ext3 /dev/root rw\n".to_vec()),
        ];
        for file in ["proc", "sys"].iter().flat_map(|folder| files_under(&testdata().join(folder))) {
            good.push((file.strip_prefix(testdata()).unwrap().to_owned(), fs::read(&file).unwrap()));
        }
        let files = good.into_iter().map(|(file, bytes)| (directory.path().join(file), bytes));
        Self { files: files.collect(), directory }
    }

    pub(crate) fn write(&self) {
        for (path, bytes) in &self.files {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }
}

/// Every file under a directory, in order.
fn files_under(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(files_under(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}

/// What one collector gave.
#[derive(Debug, PartialEq)]
pub(crate) struct Given {
    pub(crate) collector: &'static str,
    pub(crate) series: Vec<String>,
    pub(crate) faults: Vec<String>,
}

/// All collectors, each asked for all it can read: every switch is the opposite of its default.
pub(crate) fn collectors(root: &Path) -> Vec<Box<dyn Collector>> {
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

pub(crate) fn read(collectors: Vec<Box<dyn Collector>>) -> Vec<Given> {
    let given = collectors.into_iter().map(|mut collector| {
        let collected = collector.collect();
        let mut series = values(&collected.families);
        series.retain(|line| !LIVE.iter().any(|live| line.starts_with(live)));
        let faults = collected.faults.iter().map(ToString::to_string).collect();
        Given { collector: collector.name(), series, faults }
    });
    given.collect()
}

//! What the collectors' tests are written with.

#![expect(clippy::unwrap_used, reason = "who calls is a test or a fuzzer, which fails with the panic")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::Host;
use super::entry::Entry;
use super::root;
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
pub(crate) fn collector(entry: &Entry, proc: &Path, sys: &Path, written: &[&str]) -> Box<dyn Collector> {
    let none = Path::new("/nonexistent");
    let root = root::Root { proc: proc.into(), sys: sys.into(), rootfs: none.into(), udev: none.into() };
    (entry.new)(&mut flags(written), &root)
}

/// What one reading gave: every sample as [`values`] writes it, and the faults.
#[cfg(test)]
pub(crate) fn reading(collector: &mut dyn Collector) -> (Vec<String>, Vec<String>) {
    let Given { series, faults, .. } = read(collector);
    (series, faults)
}

/// What a collector gives on a `/sys` that has these files below a directory, which is left out of the texts.
#[cfg(test)]
pub(crate) fn on_sysfs(
    entry: &Entry,
    below: &str,
    files: &[(&str, &str)],
    written: &[&str],
) -> (Vec<String>, Vec<String>) {
    let sys = tempfile::tempdir().unwrap();
    for (file, text) in files {
        let path = sys.path().join(below).join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let root = sys.path().display().to_string();
    let plain = |texts: Vec<String>| texts.into_iter().map(|text| text.replace(&root, "")).collect();
    let (series, faults) = reading(&mut *collector(entry, Path::new("/nonexistent"), sys.path(), written));
    (plain(series), plain(faults))
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

/// Series that follow from the machine and the moment of the test, whatever the captures hold: its clock, its network,
/// and the file system that the captures stand on, which other tests fill and empty meanwhile.
const LIVE: [&str; 11] = [
    "node_time_seconds",
    "node_time_zone_offset_seconds",
    "node_timex_",
    "node_ethtool_",
    "node_network_address_info",
    "node_network_route",
    "node_qdisc_",
    "node_tcp_connection_states",
    "node_filesystem_avail_bytes",
    "node_filesystem_free_bytes",
    "node_filesystem_files_free",
];

/// A copy of the captures, with the files that they lack because `node_exporter`'s tests ask the machine.
pub(crate) struct Captures {
    directory: tempfile::TempDir,
}

/// What the captures lack.
const BESIDE: [(&str, &str); 5] = [
    ("proc/net/dev", "a\nb\n lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"),
    ("sys/class/drm/card0/device/uevent", "DRIVER=amdgpu\n"),
    ("sys/class/drm/card0/device/gpu_busy_percent", "4\n"),
    ("sys/fs/cgroup/cgroup.controllers", "cpu memory\n"),
    ("sys/fs/cgroup/system.slice/memory.events", "low 0\noom 1\noom_kill 1\n"),
];

impl Captures {
    pub(crate) fn new() -> Self {
        let root = Self::without_files();
        root.write();
        root
    }

    pub(crate) fn without_files() -> Self {
        // In memory, where it is there: each file is written some thousand times.
        let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        Self { directory: directory.unwrap() }
    }

    pub(crate) fn write(&self) {
        for folder in ["proc", "sys", "udev", "usr"] {
            copy(&testdata().join(folder), &self.path().join(folder));
        }
        for (path, text) in BESIDE {
            let path = self.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The files that a collector may read, each with what it holds when it is in order: all under the paths that its entry names.
    pub(crate) fn files_of(&self, entry: &Entry) -> Vec<(PathBuf, Vec<u8>)> {
        let mut found = Files::default();
        for word in entry.reads.split([' ', ',']) {
            if let Some(path) =
                word.strip_prefix('/').filter(|path| path.starts_with("proc/") || path.starts_with("sys/"))
            {
                for path in matching(self.path(), path) {
                    found.add(&path);
                }
            }
        }
        let read = |path| {
            let bytes = fs::read(&path).unwrap();
            (path, bytes)
        };
        found.files.into_iter().map(read).collect()
    }
}

/// What is there under a path below `root` in which a part that ends in `*` stands for all names that begin so.
fn matching(root: &Path, path: &str) -> Vec<PathBuf> {
    path.split('/').fold(vec![root.to_owned()], |found, part| match part.split_once('*') {
        None => found.into_iter().map(|folder| folder.join(part)).collect(),
        Some((start, _)) => {
            let entries = found.into_iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten();
            let names = entries.map(|entry| entry.unwrap());
            names
                .filter(|entry| entry.file_name().to_string_lossy().starts_with(start))
                .map(|entry| entry.path())
                .collect()
        }
    })
}

/// Copies a tree; links stay links, which in sysfs are what leads from a class to its devices.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (kind, path, copied) = (entry.file_type().unwrap(), entry.path(), to.join(entry.file_name()));
        if kind.is_symlink() {
            symlink(fs::read_link(path).unwrap(), copied).unwrap();
        } else if kind.is_dir() {
            copy(&path, &copied);
        } else {
            fs::copy(path, copied).unwrap();
        }
    }
}

/// Files below some directories, each once, whatever links lead to it.
#[derive(Default)]
struct Files {
    directories: BTreeSet<PathBuf>,
    files: BTreeSet<PathBuf>,
}

impl Files {
    fn add(&mut self, path: &Path) {
        // A link of the captures may lead out of them.
        let Ok(path) = path.canonicalize() else { return };
        if path.is_file() {
            // Git knows no empty directory.
            self.files.extend((!path.ends_with(".keep")).then_some(path));
        } else if self.directories.insert(path.clone()) {
            for entry in fs::read_dir(&path).unwrap() {
                self.add(&entry.unwrap().path());
            }
        }
    }
}

/// What one collector gave.
#[derive(Debug, PartialEq)]
pub(crate) struct Given {
    pub(crate) collector: &'static str,
    pub(crate) series: Vec<String>,
    pub(crate) faults: Vec<String>,
}

/// What a collector reads of the captures only when it is named.
const NAMED: [&str; 2] = [
    "--collector.sysctl.include=fs.file-nr:total,current,max",
    "--collector.sysctl.include=kernel.threads-max",
];

/// One collector on these captures, asked for all it can read: every switch is the opposite of its default.
pub(crate) fn on_captures(entry: &Entry, root: &Path) -> Box<dyn Collector> {
    let mut written = vec![
        format!("--path.procfs={}", root.join("proc").display()),
        format!("--path.sysfs={}", root.join("sys").display()),
        format!("--path.rootfs={}", root.display()),
        "--path.udev.data=/nonexistent".to_owned(),
    ];
    written.extend(entry.flags.iter().filter_map(|flag| match flag.takes {
        Takes::Switch { on } => Some(format!("--{}{}", if on { "no-" } else { "" }, flag.name)),
        Takes::Value { .. } | Takes::Values { .. } => None,
    }));
    let own = format!("--collector.{}.", entry.name);
    let named = NAMED.into_iter().filter(|flag| flag.starts_with(&own));
    let written: Vec<_> = written.iter().map(String::as_str).chain(named).collect();
    let mut flags = flags(&written);
    let root = root::Root::new(&flags);
    (entry.new)(&mut flags, &root)
}

pub(crate) fn read(collector: &mut dyn Collector) -> Given {
    let collected = collector.collect();
    let kept = collected.kept.iter().flat_map(|part| part.iter().cloned());
    let families: Vec<Family> = collected.families.into_iter().chain(kept).collect();
    let mut series = values(&families);
    series.retain(|line| !LIVE.iter().any(|live| line.starts_with(live)));
    let faults = collected.faults.iter().map(ToString::to_string).collect();
    Given { collector: collector.name(), series, faults }
}

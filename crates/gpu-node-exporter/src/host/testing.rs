//! What the collectors' tests are written with.

use std::path::{Path, PathBuf};

use super::Host;
use super::entry::Entry;
use super::root::{self, Root};
use crate::collector::Collector;
use crate::family::{Family, Number};
use crate::flags::{DISABLE_DEFAULTS, Flags, Grammar};

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
pub(crate) fn collector(entry: &Entry, proc: &Path, sys: &Path, written: &[&str]) -> Box<dyn Collector> {
    let none = Path::new("/nonexistent");
    let root = Root { proc: proc.into(), sys: sys.into(), rootfs: none.into(), udev: none.into() };
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

/// Each text must be refused; none may panic.
pub(crate) fn check_garbage<T, E>(parse: impl Fn(&str) -> Result<T, E>, texts: &[&str]) {
    for text in texts {
        assert!(parse(text).is_err(), "{text:?} was taken for a reading");
    }
}

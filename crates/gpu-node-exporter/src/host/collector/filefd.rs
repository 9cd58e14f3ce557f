//! File handles of the whole machine, from `/proc/sys/fs/file-nr` (see the kernel's `admin-guide/sysctl/fs.rst`).
//!
//! Owns how many are allocated and how many may be. Leaves out the second number of the file, which has been 0 since Linux 2.6.

use crate::collector::{Collected, Collector, Fault, WaitsFor};
use crate::family::{Family, Labels};
use crate::host::entry::Entry;
use crate::host::excerpt::excerpt;
use crate::host::kept_file::KeptFile;
use crate::host::proc_file::ProcFile;

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "filefd",
    help: "file handles in use",
    reads: "/proc/sys/fs/file-nr",
    is_default: true,
    waits_for: WaitsFor::Nothing,
    flags: &[],
    new: |_, root| {
        Box::new(FileHandleCollector(
            ProcFile::of_few_lines(root, "sys/fs/file-nr").known(KeptFile::of_one_text),
        ))
    },
};

struct FileHandleCollector(ProcFile);

impl Collector for FileHandleCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        self.0.read().map_err(Fault::from).and_then(parse).map(|handles| families(&handles)).into()
    }
}

/// How many file handles there are.
struct Handles {
    allocated: u64,
    maximum: u64,
}

fn parse(text: &str) -> Result<Handles, Fault> {
    let odd = || Fault::with_excerpt("file-nr: expected three numbers", excerpt(text));
    let mut words = text.split_ascii_whitespace();
    let mut number = || words.next().and_then(|word| word.parse().ok()).ok_or_else(odd);
    let (allocated, _, maximum) = (number()?, number()?, number()?);
    Ok(Handles { allocated, maximum })
}

fn families(handles: &Handles) -> Vec<Family> {
    vec![
        Family::gauge("node_filefd_allocated", "File descriptor statistics: allocated.")
            .with(Labels::NONE, handles.allocated),
        Family::gauge("node_filefd_maximum", "File descriptor statistics: maximum.")
            .with(Labels::NONE, handles.maximum),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::{check_garbage, values};

    #[test]
    fn the_largest_maximum_stays_exact() {
        // What systemd sets.
        let handles = parse("1024\t0\t9223372036854775807\n").unwrap();
        assert_eq!(
            values(&families(&handles)),
            ["node_filefd_allocated 1024", "node_filefd_maximum 9223372036854775807"]
        );
    }

    #[test]
    fn garbage_is_a_fault() {
        check_garbage(
            |text| parse(text).err().into_iter().collect(),
            &["", "1\t0\n", "1\t0\t-1\n", "a\t0\t1\n"],
        );
    }
}

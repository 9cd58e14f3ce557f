//! The kernel's random numbers, from `/proc/sys/kernel/random` (see `random(4)`).
//!
//! Owns how many bits of entropy there are. Since Linux 5.18 both are 256 for ever once the generator is ready.

use crate::collector::{Collected, Collector, Fault, WaitsFor};
use crate::family::Labels;
use crate::host::entry::Entry;
use crate::host::kept_file::Buffer;
use crate::host::root::Root;
use crate::host::sysfs::{Attribute, AttributeFiles, families};

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "entropy",
    help: "bits of entropy for random numbers",
    reads: "/proc/sys/kernel/random",
    is_default: true,
    waits_for: WaitsFor::Nothing,
    flags: &[],
    new: |_, root| Box::new(EntropyCollector::new(root)),
};

static NUMBERS: [Attribute; 2] = [
    Attribute::gauge("entropy_avail", "node_entropy_available_bits", "Bits of available entropy."),
    Attribute::gauge("poolsize", "node_entropy_pool_size_bits", "Bits of entropy pool."),
];

struct EntropyCollector {
    files: AttributeFiles,
    buffer: Buffer,
}

impl EntropyCollector {
    fn new(root: &Root) -> Self {
        let directory = root.proc.join("sys/kernel/random");
        Self { files: AttributeFiles::new(&NUMBERS, &directory, Labels::NONE), buffer: Buffer::default() }
    }
}

impl Collector for EntropyCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        let mut families = families(&NUMBERS);
        let mut faults = self.files.read(&mut self.buffer, &mut families);
        // Every kernel has both files.
        if faults.is_empty() && families.iter().any(|family| family.samples.is_empty()) {
            faults.push(Fault::new("entropy: /proc/sys/kernel/random lacks entropy_avail or poolsize"));
        }
        Collected::new(families, faults)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::{collector, values};

    #[test]
    fn a_file_that_is_missing_is_told() {
        let proc = tempfile::tempdir().unwrap();
        let directory = proc.path().join("sys/kernel/random");
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("poolsize"), "256\n").unwrap();
        let collected = collector(&ENTRY, proc.path(), "/nonexistent".as_ref(), &[]).collect();
        assert_eq!(values(&collected.families), ["node_entropy_pool_size_bits 256"]);
        assert_eq!(collected.faults.len(), 1);
    }
}

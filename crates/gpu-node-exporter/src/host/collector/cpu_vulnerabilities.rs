//! Which weaknesses the CPUs have and what the kernel does about them, from `/sys/devices/system/cpu/vulnerabilities`
//! (see the kernel's `ABI/testing/sysfs-devices-system-cpu`).
//!
//! Owns the kernel's verdict on each. Leaves out the CPU's own flags and bugs, which are `cpu`'s.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::collector::{Collected, Collector, Fault, WaitsFor};
use crate::family::{Family, Labels};
use crate::host::entry::Entry;
use crate::host::kept_file::{Buffer, KeptFile, ReadError};
use crate::host::root::Root;
use crate::host::sysfs::text;
use crate::host::utf8::escaped;

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "cpu_vulnerabilities",
    help: "weaknesses of the CPUs and what is done about them",
    reads: "/sys/devices/system/cpu/vulnerabilities",
    is_default: false,
    waits_for: WaitsFor::Nothing,
    flags: &[],
    new: |_, root| Box::new(VulnerabilitiesCollector::new(root)),
};

struct VulnerabilitiesCollector {
    directory: PathBuf,
    /// By the name of the weakness; the kernel's list does not change while it runs.
    files: BTreeMap<String, KeptFile>,
    buffer: Buffer,
}

impl VulnerabilitiesCollector {
    fn new(root: &Root) -> Self {
        let directory = root.sys.join("devices/system/cpu/vulnerabilities");
        Self { directory, files: BTreeMap::new(), buffer: Buffer::default() }
    }

    /// An architecture that knows none of them has no such directory, which is no fault, as in `node_exporter`.
    fn find(&mut self) -> Result<(), ReadError> {
        if !self.files.is_empty() {
            return Ok(());
        }
        let unreadable = |error| ReadError::new(&self.directory, error);
        let entries = match std::fs::read_dir(&self.directory).map_err(unreadable) {
            Ok(entries) => entries,
            Err(error) if error.is_absent() => return Ok(()),
            Err(error) => return Err(error),
        };
        let mut files = BTreeMap::new();
        for entry in entries {
            let entry = entry.map_err(unreadable)?;
            let name = escaped(entry.file_name().as_encoded_bytes()).into_owned();
            files.insert(name, KeptFile::attribute(entry.path()));
        }
        self.files = files;
        Ok(())
    }
}

impl Collector for VulnerabilitiesCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        if let Err(error) = self.find() {
            return Collected::failed(error.into());
        }
        let mut family = Family::info(
            "node_cpu_vulnerabilities_info",
            "Details of each CPU vulnerability reported by sysfs. The value of the series is an int encoded state of \
             the vulnerability. The same state is stored as a string in the label",
        );
        let mut faults: Vec<Fault> = Vec::new();
        for (name, file) in &mut self.files {
            match text(file, &mut self.buffer) {
                Ok(Some(said)) => {
                    let (state, mitigation) = verdict(&said);
                    let labels =
                        [("codename", name.as_str()), ("state", state), ("mitigation", mitigation.as_str())];
                    family.push(Labels::new(labels), 1_u64);
                }
                Ok(None) => {}
                Err(fault) => faults.push(fault),
            }
        }
        Collected::new(vec![family], faults)
    }
}

/// The state, and what is said after it: `Mitigation: PTI`, `Vulnerable: Clear CPU buffers attempted, no microcode`.
fn verdict(said: &str) -> (&'static str, String) {
    let begins = |state: &str| said.get(..state.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(state));
    if begins("not affected") {
        return ("not affected", String::new());
    }
    let state = ["vulnerable", "mitigation", "unknown"].into_iter().find(|state| begins(state));
    // What is not known is shown whole.
    let skipped = usize::from(state.is_some());
    let words: Vec<_> = said.split_whitespace().skip(skipped).collect();
    (state.unwrap_or("unknown"), words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::{collector, values};

    #[test]
    fn a_verdict_is_a_state_and_the_rest() {
        let check = |said, state, mitigation: &str| {
            assert_eq!(verdict(said), (state, mitigation.to_owned()), "{said:?}");
        };
        check("Not affected", "not affected", "");
        check("Vulnerable", "vulnerable", "");
        check(
            "Vulnerable: Clear CPU buffers attempted, no microcode",
            "vulnerable",
            "Clear CPU buffers attempted, no microcode",
        );
        check("Mitigation: PTI", "mitigation", "PTI");
        check("Unknown: No mitigations", "unknown", "No mitigations");
        check("KVM: Mitigation: VMX disabled", "unknown", "KVM: Mitigation: VMX disabled");
        check("Processor vulnerable", "unknown", "Processor vulnerable");
        check("", "unknown", "");
        check("é", "unknown", "é");
    }

    #[test]
    fn a_file_that_cannot_be_read_costs_itself() {
        let sys = tempfile::tempdir().unwrap();
        let shown = || {
            let Collected { families, faults, .. } =
                collector(&ENTRY, "/nonexistent".as_ref(), sys.path(), &[]).collect();
            (values(&families), faults.len())
        };
        assert_eq!(shown(), (vec![], 0), "an architecture without the directory");
        let directory = sys.path().join("devices/system/cpu/vulnerabilities");
        std::fs::create_dir_all(directory.join("srso")).unwrap();
        std::fs::write(directory.join("mds"), "Not affected\n").unwrap();
        let mds = r#"node_cpu_vulnerabilities_info{codename="mds",state="not affected",mitigation=""} 1"#;
        assert_eq!(shown(), (vec![mds.to_owned()], 1));
    }
}

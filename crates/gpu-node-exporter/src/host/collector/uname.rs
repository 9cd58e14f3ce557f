//! The kernel's name and version, from `uname(2)`.
//!
//! Owns one info series. It describes the running kernel whatever the roots are, as in `node_exporter`.

use std::ffi::CStr;

use crate::collector::{Collected, Collector, WaitsFor};
use crate::family::{Family, Labels};
use crate::host::entry::Entry;

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "uname",
    help: "the kernel's name and version",
    reads: "uname(2)",
    is_default: true,
    waits_for: WaitsFor::Nothing,
    flags: &[],
    new: |_, _| Box::new(UnameCollector),
};

struct UnameCollector;

impl Collector for UnameCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        let uname = rustix::system::uname();
        let text = |field: &CStr| field.to_string_lossy().into_owned();
        let labels = Labels::new([
            ("sysname", text(uname.sysname())),
            ("release", text(uname.release())),
            ("version", text(uname.version())),
            ("machine", text(uname.machine())),
            ("nodename", text(uname.nodename())),
            ("domainname", text(uname.domainname())),
        ]);
        let help = "Labeled system information as provided by the uname system call.";
        Collected::complete(vec![Family::info("node_uname_info", help).with(labels, 1_u64)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_this_kernel() {
        let collected = UnameCollector.collect();
        let labels = &collected.families[0].samples[0].labels;
        assert_eq!(labels.iter().next().unwrap().1, "Linux");
        assert_eq!(labels.iter().count(), 6);
    }
}

//! Tasks that the kernel found hung, from `/proc/sys/kernel/hung_task_detect_count` (see the kernel's
//! `admin-guide/sysctl/kernel.rst`).
//!
//! Owns their number since boot, which Linux has told since 6.13. A driver that does not answer shows here.

use crate::collector::{Collected, Collector, Fault, WaitsFor};
use crate::family::Labels;
use crate::host::entry::Entry;
use crate::host::excerpt::excerpt;
use crate::host::integer::integer;
use crate::host::kept_file::{Buffer, KeptFile};
use crate::host::root::Root;
use crate::host::sysfs::Attribute;

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "kernel_hung",
    help: "tasks that the kernel found hung",
    reads: "/proc/sys/kernel/hung_task_detect_count",
    is_default: true,
    waits_for: WaitsFor::Nothing,
    flags: &[],
    new: |_, root| Box::new(KernelHungCollector::new(root)),
};

static TASKS: Attribute = Attribute::counter(
    "hung_task_detect_count",
    "node_kernel_hung_tasks_total",
    "Total number of tasks that have been detected as hung since the system booted.",
);

struct KernelHungCollector {
    file: KeptFile,
    buffer: Buffer,
}

impl KernelHungCollector {
    fn new(root: &Root) -> Self {
        let file = KeptFile::attribute(root.proc.join("sys/kernel").join(TASKS.file));
        Self { file, buffer: Buffer::default() }
    }
}

impl Collector for KernelHungCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        let text = match self.file.read(&mut self.buffer) {
            Ok(text) => text,
            Err(error) => return Collected::failed(error.no_data_if_absent(ENTRY.name)),
        };
        let Some(count) = integer(text.trim()) else {
            let found = excerpt(text.trim());
            return Collected::failed(Fault::new(format!(
                "{}: expected a number, found `{found}`",
                ENTRY.reads
            )));
        };
        let mut family = TASKS.family();
        TASKS.push(&mut family, &Labels::NONE, count);
        Collected::complete(vec![family])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::{collector, values};

    #[test]
    fn a_kernel_that_does_not_count_is_told() {
        let proc = tempfile::tempdir().unwrap();
        let check = |lines: &[&str], said: &str| {
            let collected = collector(&ENTRY, proc.path(), "/nonexistent".as_ref(), &[]).collect();
            assert_eq!(values(&collected.families), lines);
            let faults: Vec<_> = collected.faults.iter().map(ToString::to_string).collect();
            assert_eq!(faults.len(), usize::from(!said.is_empty()), "{faults:?}");
            assert!(faults.iter().all(|fault| fault.contains(said)), "{faults:?}");
        };
        check(&[], "kernel_hung: there is no /");
        std::fs::create_dir_all(proc.path().join("sys/kernel")).unwrap();
        let file = proc.path().join("sys/kernel/hung_task_detect_count");
        std::fs::write(&file, "3\n").unwrap();
        check(&["node_kernel_hung_tasks_total 3"], "");
        std::fs::write(&file, "many\n").unwrap();
        check(&[], "expected a number, found `many`");
    }
}

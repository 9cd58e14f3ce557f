//! How many processes and threads there are and what they do, from `/proc/PID/stat` and `/proc/PID/task/TID/stat` (see
//! `proc_pid_stat(5)`).
//!
//! Owns the counts by state and the kernel's limits. Leaves out which processes they are.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::collector::{Collected, Collector, Fault, WaitsFor};
use crate::family::{Family, Labels};
use crate::host::entry::Entry;
use crate::host::kept_file::{Buffer, ReadError};
use crate::host::process_stat::{Stat, numbers_in, read_stat};
use crate::host::root::Root;
use crate::host::sysfs::{Attribute, AttributeFiles, families};

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "processes",
    help: "processes and threads by state",
    reads: "/proc/*/stat, /proc/*/task, /proc/sys/kernel",
    is_default: false,
    waits_for: WaitsFor::Nothing,
    flags: &[],
    new: |_, root| Box::new(ProcessesCollector::new(root)),
};

static LIMITS: [Attribute; 2] = [
    Attribute::gauge("threads-max", "node_processes_max_threads", "Limit of threads in the system"),
    Attribute::gauge("pid_max", "node_processes_max_processes", "Number of max PIDs limit"),
];

struct ProcessesCollector {
    proc: PathBuf,
    limits: AttributeFiles,
    buffer: Buffer,
}

impl ProcessesCollector {
    fn new(root: &Root) -> Self {
        let limits = AttributeFiles::new(&LIMITS, &root.proc.join("sys/kernel"), Labels::NONE);
        Self { proc: root.proc.clone(), limits, buffer: Buffer::default() }
    }
}

impl Collector for ProcessesCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        let processes = match numbers_in(&self.proc) {
            Ok(processes) => processes,
            Err(error) => return Collected::failed(ReadError::new(&self.proc, error).into()),
        };
        let mut counts = Counts::default();
        for process in processes {
            counts.add(&self.proc.join(process.to_string()), process);
        }
        let mut limits = families(&LIMITS);
        let mut faults = self.limits.read(&mut self.buffer, &mut limits);
        faults.extend(counts.fault());
        Collected::new(counts.families().into_iter().chain(limits).collect(), faults)
    }
}

/// What the processes say, summed up.
#[derive(Default)]
struct Counts {
    processes: u64,
    threads: u64,
    processes_by_state: BTreeMap<char, u64>,
    threads_by_state: BTreeMap<char, u64>,
    /// How many could not be read, and why the first of them could not.
    unread: Option<(u64, Fault)>,
}

impl Counts {
    /// Adds a process and its threads. One that ended meanwhile counts for nothing.
    fn add(&mut self, directory: &Path, process: u32) {
        let Some(stat) = self.read(&directory.join("stat")) else { return };
        self.processes += 1;
        self.threads = self.threads.saturating_add(stat.threads);
        *self.processes_by_state.entry(stat.state).or_default() += 1;
        let task = directory.join("task");
        // Most processes have one thread, which is in the process's own state.
        if stat.threads <= 1 && task.is_dir() {
            *self.threads_by_state.entry(stat.state).or_default() += 1;
            return;
        }
        match numbers_in(&task) {
            Ok(threads) => {
                for thread in threads {
                    let state = if thread == process {
                        Some(stat.state)
                    } else {
                        self.read(&task.join(format!("{thread}/stat"))).map(|stat| stat.state)
                    };
                    if let Some(state) = state {
                        *self.threads_by_state.entry(state).or_default() += 1;
                    }
                }
            }
            Err(error) => self.unread(&task, error),
        }
    }

    fn read(&mut self, path: &Path) -> Option<Stat> {
        match read_stat(path) {
            Ok(stat) => Some(stat),
            Err(error) => {
                self.unread(path, error);
                None
            }
        }
    }

    fn unread(&mut self, path: &Path, error: io::Error) {
        if matches!(Errno::from_io_error(&error), Some(Errno::NOENT | Errno::SRCH)) {
            return;
        }
        let (count, _) = self.unread.get_or_insert_with(|| (0, ReadError::new(path, error).into()));
        *count += 1;
    }

    /// One for all that could not be read: there may be thousands.
    fn fault(&self) -> Option<Fault> {
        let (count, first) = self.unread.as_ref()?;
        Some(Fault::with_excerpt("processes: some could not be read", format!("{count}, the first: {first}")))
    }

    fn families(self) -> Vec<Family> {
        let gauge = |name: &'static str, help: &'static str| Family::gauge(name, help);
        let by_state = |mut family: Family, label: &str, counts: BTreeMap<char, u64>| {
            for (state, count) in counts {
                family.push(Labels::new([(label, state.to_string())]), count);
            }
            family
        };
        vec![
            gauge("node_processes_threads", "Allocated threads in system").with(Labels::NONE, self.threads),
            gauge("node_processes_pids", "Number of PIDs").with(Labels::NONE, self.processes),
            by_state(
                gauge("node_processes_state", "Number of processes in each state."),
                "state",
                self.processes_by_state,
            ),
            by_state(
                gauge("node_processes_threads_state", "Number of threads in each state."),
                "thread_state",
                self.threads_by_state,
            ),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::{collector, values};

    fn stat(name: &str, state: &str, threads: &str) -> String {
        format!("7 ({name}) {state} 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 {threads} 0 11 12 13\n")
    }

    #[test]
    fn processes_and_threads_are_counted_by_state() {
        let proc = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = proc.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        put("sys/kernel/threads-max", "100\n");
        put("sys/kernel/pid_max", "200\n");
        put("1/stat", &stat("init", "S", "1"));
        put("1/task/1/stat", &stat("init", "S", "1"));
        put("7/stat", &stat("a", "S", "3"));
        put("7/task/7/stat", &stat("a", "S", "3"));
        put("7/task/8/stat", &stat("a", "D", "3"));
        // A thread, and a process, that ended meanwhile.
        std::fs::create_dir_all(proc.path().join("7/task/9")).unwrap();
        std::fs::create_dir_all(proc.path().join("10")).unwrap();
        put("self/stat", "not a number");
        let mut collector = collector(&ENTRY, proc.path(), "/nonexistent".as_ref(), &[]);
        let expected = [
            "node_processes_threads 4",
            "node_processes_pids 2",
            r#"node_processes_state{state="S"} 2"#,
            r#"node_processes_threads_state{thread_state="D"} 1"#,
            r#"node_processes_threads_state{thread_state="S"} 2"#,
            "node_processes_max_threads 100",
            "node_processes_max_processes 200",
        ];
        let Collected { families, faults, .. } = collector.collect();
        assert_eq!((values(&families), faults), (expected.map(str::to_owned).to_vec(), vec![]));

        put("11/stat", "garbage");
        put("12/stat", "garbage");
        let Collected { families, faults, .. } = collector.collect();
        assert_eq!(values(&families), expected, "the others are served");
        let [fault] = &faults[..] else { panic!("{faults:?}") };
        let fault = fault.to_string();
        assert!(
            fault.contains("some could not be read: `2, the first: ")
                && fault.contains("/stat: expected a process"),
            "{fault}"
        );
    }
}

//! Threads that wait for hardware or a file system and cannot be woken (state `D`), from `/proc/PID/task/TID` (see `proc_pid_stat(5)` and
//! `proc_pid_wchan(5)`).
//!
//! Owns, beyond `node_exporter`: how many there are, and in which function of the kernel they wait. A driver that hangs shows here as threads that stay in one of its
//! functions. Off by default, since every thread of the machine is looked at. Only root may know the function.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::collector::{Collected, Collector, Fault, WaitsFor};
use crate::family::{Family, Labels};
use crate::host::entry::Entry;
use crate::host::kept_file::{ReadError, read_whole};
use crate::host::process_stat::{Stat, numbers_in, read_stat};

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "uninterruptible",
    help: "threads that wait in the kernel and cannot be woken, by function",
    reads: "/proc/*/stat, /proc/*/task, /proc/*/wchan",
    is_default: false,
    // Nothing of it waits, but there can be a hundred thousand threads, and other collectors should not.
    waits_for: WaitsFor::Firmware,
    flags: &[],
    new: |_, root| Box::new(UninterruptibleCollector { proc: root.proc.clone() }),
};

struct UninterruptibleCollector {
    proc: PathBuf,
}

impl Collector for UninterruptibleCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        let processes = match numbers_in(&self.proc) {
            Ok(processes) => processes,
            Err(error) => return Collected::failed(ReadError::new(&self.proc, error).into()),
        };
        let mut waiting = Waiting::new(MOST_THREADS);
        for process in processes {
            waiting.add_process(&self.proc.join(process.to_string()), process);
        }
        let faults = waiting.faults();
        Collected::new(waiting.families(), faults)
    }
}

/// So many threads are looked at. A machine with 192 CPUs and eight GPUs has some ten thousand.
const MOST_THREADS: usize = 131_072;

/// So many functions have a series of their own: those in which the most threads wait.
const MOST_CHANNELS: usize = 32;

/// The threads that wait, by the function they wait in.
struct Waiting {
    channels: BTreeMap<String, u64>,
    /// How many more threads may be looked at.
    left: usize,
    /// Why the first could not be read, and how many.
    unread: Option<(u64, Fault)>,
}

impl Waiting {
    fn new(left: usize) -> Self {
        Self { channels: BTreeMap::new(), left, unread: None }
    }

    fn add_process(&mut self, directory: &Path, process: u32) {
        let Some(stat) = self.stat(directory) else { return };
        // The first thread is in the process's own state; most processes have no other.
        self.add(directory, &stat);
        if stat.threads <= 1 {
            return;
        }
        let task = directory.join("task");
        match numbers_in(&task) {
            Ok(threads) => {
                for thread in threads.into_iter().filter(|thread| *thread != process) {
                    let directory = task.join(thread.to_string());
                    if let Some(stat) = self.stat(&directory) {
                        self.add(&directory, &stat);
                    }
                }
            }
            Err(error) => self.unread(&task, error),
        }
    }

    fn stat(&mut self, directory: &Path) -> Option<Stat> {
        self.left = self.left.checked_sub(1)?;
        let path = directory.join("stat");
        read_stat(&path).map_err(|error| self.unread(&path, error)).ok()
    }

    fn add(&mut self, directory: &Path, stat: &Stat) {
        if stat.state == 'D' {
            *self.channels.entry(channel(directory)).or_default() += 1;
        }
    }

    fn unread(&mut self, path: &Path, error: io::Error) {
        // It ended meanwhile.
        if matches!(Errno::from_io_error(&error), Some(Errno::NOENT | Errno::SRCH)) {
            return;
        }
        let (count, _) = self.unread.get_or_insert_with(|| (0, ReadError::new(path, error).into()));
        *count += 1;
    }

    fn faults(&self) -> Vec<Fault> {
        let unread = self.unread.as_ref().map(|(count, first)| {
            Fault::with_excerpt(
                "uninterruptible: some could not be read",
                format!("{count}, the first: {first}"),
            )
        });
        let too_many = (self.left == 0).then(|| {
            Fault::new(format!("uninterruptible: no more than {MOST_THREADS} threads are looked at"))
        });
        unread.into_iter().chain(too_many).collect()
    }

    fn families(self) -> Vec<Family> {
        let mut threads = Family::gauge(
            "node_uninterruptible_threads",
            "Threads that wait in the kernel and cannot be woken (state D).",
        );
        let mut by_channel = Family::gauge(
            "node_uninterruptible_threads_by_wait_channel",
            "The same by the function of the kernel they wait in: the 32 with the most, and other for the rest. A user who is not root sees unknown.",
        );
        threads.push(Labels::NONE, self.channels.values().sum::<u64>());
        let mut channels: Vec<(String, u64)> = self.channels.into_iter().collect();
        channels.sort_by(|(_, one), (_, other)| other.cmp(one));
        let other: u64 = channels.iter().skip(MOST_CHANNELS).map(|(_, count)| count).sum();
        channels.truncate(MOST_CHANNELS);
        if other > 0 {
            channels.push(("other".to_owned(), other));
        }
        for (channel, count) in channels {
            by_channel.push(Labels::new([("wait_channel", channel)]), count);
        }
        vec![threads, by_channel]
    }
}

/// The function that a thread waits in. The kernel writes 0 when it does not know, and to those who may not.
fn channel(directory: &Path) -> String {
    let is_function =
        |name: &str| !name.is_empty() && name != "0" && name.bytes().all(|byte| byte.is_ascii_graphic());
    let name = read_whole(&directory.join("wchan")).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    name.filter(|name| is_function(name)).unwrap_or_else(|| "unknown".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::{collector, values};

    /// A `/proc` with these files.
    fn proc(files: &[(&str, &str)]) -> tempfile::TempDir {
        let proc = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = proc.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        proc
    }

    fn stat(state: &str, threads: u32) -> String {
        format!("7 (a) {state} 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 {threads} 0 11 12 13\n")
    }

    fn read(proc: &tempfile::TempDir) -> (Vec<String>, Vec<String>) {
        let Collected { families, faults, .. } =
            collector(&ENTRY, proc.path(), "/nonexistent".as_ref(), &[]).collect();
        (values(&families), faults.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn threads_are_counted_where_they_wait() {
        let files = [
            ("1/stat", &*stat("S", 1)),
            ("1/wchan", "ep_poll"),
            ("7/stat", &stat("S", 3)),
            ("7/task/7/stat", &stat("S", 3)),
            ("7/task/8/stat", &stat("D", 3)),
            ("7/task/8/wchan", "nvidia_ioctl"),
            ("7/task/9/stat", &stat("D", 3)),
            ("7/task/9/wchan", "0"),
            ("10/stat", &stat("D", 1)),
            ("10/wchan", "nvidia_ioctl"),
            // Ended meanwhile.
            ("11/wchan", ""),
            ("self/stat", "x"),
        ];
        let (lines, faults) = read(&proc(&files));
        let by = "node_uninterruptible_threads_by_wait_channel";
        assert_eq!(
            lines,
            [
                "node_uninterruptible_threads 3".to_owned(),
                format!(r#"{by}{{wait_channel="nvidia_ioctl"}} 2"#),
                format!(r#"{by}{{wait_channel="unknown"}} 1"#),
            ]
        );
        assert_eq!(faults, [] as [&str; 0]);
    }

    #[test]
    fn a_machine_where_none_waits_says_zero() {
        assert_eq!(
            read(&proc(&[("1/stat", &stat("S", 1))])),
            (vec!["node_uninterruptible_threads 0".to_owned()], vec![])
        );
    }

    #[test]
    fn odd_processes_are_told_once() {
        let (lines, faults) = read(&proc(&[("1/stat", "x"), ("2/stat", "y"), ("3/stat", &stat("D", 1))]));
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(faults.len() == 1 && faults[0].contains("could not be read: `2, the first: "), "{faults:?}");
    }

    #[test]
    fn functions_beyond_the_bound_are_other() {
        let mut waiting = Waiting::new(1);
        for number in 0..MOST_CHANNELS as u64 + 3 {
            waiting.channels.insert(format!("f{number}"), number + 1);
        }
        let lines = values(&waiting.families());
        assert_eq!(lines.len(), 1 + MOST_CHANNELS + 1);
        assert!(lines[1].ends_with(r#"{wait_channel="f34"} 35"#), "{lines:#?}");
        assert!(lines.last().unwrap().ends_with(r#"{wait_channel="other"} 6"#), "{lines:#?}");
    }

    #[test]
    fn threads_beyond_the_bound_are_told() {
        let proc = proc(&[("1/stat", &stat("D", 1)), ("2/stat", &stat("D", 1)), ("3/stat", &stat("D", 1))]);
        let mut waiting = Waiting::new(2);
        for process in 1..=3 {
            waiting.add_process(&proc.path().join(process.to_string()), process);
        }
        assert_eq!(waiting.channels.values().sum::<u64>(), 2);
        let faults: Vec<_> = waiting.faults().iter().map(ToString::to_string).collect();
        assert_eq!(faults, ["uninterruptible: no more than 131072 threads are looked at"]);
    }
}

//! Looking processes up beneath procfs, with the families of those that belong to an inference engine.
//!
//! `cmdline` waits for whoever changes the process' memory, so each process is read by a thread that can be left behind with it. A process
//! that hangs in the driver is such a case: it is taken for what it was when it last answered, until its `stat` says that it has ended.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::descent::{Descendants, MOST_ABOVE};
use super::engines::Processes;
use super::process_files::{self, Process, Stat};
use crate::detached::{Detached, Patience};

/// More processes than are looked up at a time: on GPUs, and of engines beside those.
const MOST_PROCESSES: usize = 4096;

/// What the files of one process may take.
const PATIENCE: Patience = Patience { first: Duration::from_secs(1), next: Duration::from_millis(100) };

/// Looks processes up. One whose files keep it waiting costs itself alone.
pub(super) struct Lookup {
    files: Detached<u32, io::Result<Option<Process>>>,
    /// Asked of those whose other files do not answer.
    stats: Detached<u32, io::Result<Option<Stat>>>,
    /// As they were at the last look.
    known: Processes,
    descendants: Descendants,
    /// How many are looked up at a time.
    most: usize,
}

impl Lookup {
    /// Beneath this procfs. No thread is started before the first process is looked up.
    pub(super) fn new(proc: PathBuf) -> Self {
        let stats = {
            let proc = proc.clone();
            Detached::new("gpu-process", PATIENCE, move |pid: &u32| process_files::stat(&proc, *pid))
        };
        let files = Detached::new("gpu-process", PATIENCE, move |pid| process_files::read(&proc, *pid));
        Self {
            files,
            stats,
            known: Processes::new(),
            descendants: Descendants::default(),
            most: MOST_PROCESSES,
        }
    }

    /// Each of these processes that runs; of those that belong to an engine also the parents and children, and theirs; of others some parents. One that keeps us
    /// waiting, or cannot be read, is as it was; nothing is known of one that never answered, and of those beyond the most.
    pub(super) fn read(&mut self, pids: BTreeSet<u32>) -> Processes {
        let pids: BTreeSet<u32> = pids.into_iter().chain(self.descendants.pids()).collect();
        // How many generations above these are looked up, however they are called.
        let mut above: BTreeMap<u32, usize> = pids.iter().map(|pid| (*pid, MOST_ABOVE)).collect();
        let (mut processes, mut asked, mut next) = (Processes::new(), BTreeSet::<u32>::new(), pids.clone());
        while !next.is_empty() && asked.len() < self.most {
            let asking: Vec<u32> = next.iter().copied().take(self.most - asked.len()).collect();
            asked.extend(&asking);
            let answers = self.files.ask(asking.clone());
            next = BTreeSet::new();
            let silent = asking.iter().zip(&answers).filter(|(_, answer)| !matches!(answer, Some(Ok(_))));
            let mut as_it_was = self.as_they_were(silent.map(|(pid, _)| *pid).collect());
            for (pid, answer) in asking.into_iter().zip(answers) {
                let process = match answer {
                    Some(Ok(process)) => process,
                    Some(Err(_)) | None => as_it_was.remove(&pid),
                };
                let Some(process) = process else { continue };
                if process.title.is_some() {
                    next.extend(process.children.iter().chain([&process.parent]).filter(|pid| **pid != 0));
                } else if let Some(left) = above.get(&pid).and_then(|left| left.checked_sub(1))
                    && process.parent != 0
                {
                    above.entry(process.parent).or_insert(left);
                    next.insert(process.parent);
                }
                processes.insert(pid, process);
            }
            next.retain(|pid| !asked.contains(pid));
        }
        self.files.forget(|pid| !asked.contains(pid));
        self.stats.forget(|pid| !asked.contains(pid));
        self.known.clone_from(&processes);
        self.descendants.count(&pids, &mut processes);
        processes
    }

    /// Those of these processes that were known and have not ended since, as far as can be told.
    fn as_they_were(&mut self, mut silent: Vec<u32>) -> Processes {
        silent.retain(|pid| self.known.contains_key(pid));
        if silent.is_empty() {
            return Processes::new();
        }
        let stats = self.stats.ask(silent.clone());
        self.stats.end_idle_thread();
        let still = |(pid, stat): (u32, Option<io::Result<Option<Stat>>>)| {
            let known = self.known.get(&pid)?.clone();
            let process = match stat {
                Some(Ok(stat)) => {
                    let Stat { parent, comm, .. } = stat.filter(|stat| stat.start == known.start)?;
                    Process { parent, comm, ..known }
                }
                Some(Err(_)) | None => known,
            };
            Some((pid, process))
        };
        silent.into_iter().zip(stats).filter_map(still).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::holders::title::Role;
    use std::fs;

    /// A `/proc` of processes with these parents, children and command lines.
    fn proc(processes: &[(u32, u32, &str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a folder");
        for (pid, parent, children, command_line) in processes {
            let folder = root.path().join(pid.to_string());
            fs::create_dir_all(folder.join(format!("task/{pid}"))).expect("a folder");
            let stat = format!("{pid} (name) S {parent} 7 7 0 -1 4 1 2 3 4 5 6 7 8 20 0 9 0 123 1\n");
            let cgroup = format!("0::/docker/{pid:064x}\n");
            let children = children.to_string();
            let files = [("stat", stat), ("cgroup", cgroup), ("cmdline", command_line.to_string())];
            for (name, text) in files.into_iter().chain([(&*format!("task/{pid}/children"), children)]) {
                fs::write(folder.join(name), text).expect("writable");
            }
        }
        root
    }

    #[test]
    fn the_family_of_an_engines_process_is_found_and_nobody_elses() {
        let root = proc(&[
            (1, 0, "9 50", "systemd"),
            (9, 1, "10", "containerd-shim"),
            (10, 9, "11 20", "python3\0/usr/bin/vllm\0serve\0"),
            (11, 10, "12 13", "VLLM::EngineCore"),
            (12, 11, "", "VLLM::Worker_TP0"),
            (13, 11, "", "VLLM::Worker_TP1"),
            (20, 10, "21", "python3\0-c\0resource_tracker"),
            (21, 20, "", "sleep"),
            (50, 1, "51", "train"),
            (51, 50, "", "data"),
        ]);
        let mut lookup = Lookup::new(root.path().to_owned());
        let found = |lookup: &mut Lookup, pids: &[u32]| -> Vec<u32> {
            lookup.read(pids.iter().copied().collect()).into_keys().collect()
        };
        assert_eq!(found(&mut lookup, &[12, 50, 99]), [1, 9, 10, 11, 12, 13, 20, 50]);
        fs::remove_dir_all(root.path().join("13")).expect("there");
        assert_eq!(found(&mut lookup, &[12]), [9, 10, 11, 12, 20]);
        assert_eq!(found(&mut lookup, &[]), [0; 0]);
    }

    /// As vLLM 0.10.0 runs: no process but the server says what it is.
    #[test]
    fn a_process_on_a_gpu_without_a_title_is_a_worker_of_the_server_that_it_descends_from() {
        const SPAWNED: &str = "python3\0-c\0from multiprocessing.spawn import spawn_main\0";
        for server in [
            "python3\0bin/vllm\0serve\0m\0",
            "python3\0-m\0vllm.entrypoints.openai.api_server\0",
            "python3\0-m\0sglang.launch_server\0",
        ] {
            let root = proc(&[
                (1, 0, "10 50", "systemd"),
                (10, 1, "11 20", server),
                (11, 10, "12 13", SPAWNED),
                (12, 11, "", SPAWNED),
                (13, 11, "", SPAWNED),
                (20, 10, "", "python3\0-c\0resource_tracker"),
                (50, 1, "51", "python3\0train.py\0"),
                (51, 50, "", SPAWNED),
            ]);
            let mut lookup = Lookup::new(root.path().to_owned());
            let roles = |lookup: &mut Lookup, pids: &[u32]| -> Vec<(u32, Role, u32)> {
                let processes = lookup.read(pids.iter().copied().collect());
                let titled =
                    |(pid, process): (u32, Process)| Some((pid, process.title?.role, process.parent));
                processes.into_iter().filter_map(titled).collect()
            };
            let whole = [(10, Role::Server, 1), (12, Role::Worker, 10), (13, Role::Worker, 10)];
            assert_eq!(roles(&mut lookup, &[12, 13, 51]), whole, "{server:?}");
            assert_eq!(roles(&mut lookup, &[10]), whole, "while no GPU answers");
            fs::remove_dir_all(root.path().join("13")).expect("there");
            assert_eq!(roles(&mut lookup, &[10, 12]), whole[..2]);
            fs::remove_dir_all(root.path().join("10")).expect("there");
            assert_eq!(roles(&mut lookup, &[12]), [(12, Role::Worker, 1)], "left behind");
            fs::remove_dir_all(root.path().join("12")).expect("there");
            assert_eq!(roles(&mut lookup, &[]), []);
        }
    }

    /// A server further up than any starts its workers is another's.
    #[test]
    fn only_some_generations_above_a_process_without_a_title_are_looked_up() {
        let root = proc(&[
            (10, 1, "11", "python3\0bin/vllm\0serve\0m\0"),
            (11, 10, "12", "a"),
            (12, 11, "13", "b"),
            (13, 12, "14", "c"),
            (14, 13, "", "d"),
        ]);
        let mut lookup = Lookup::new(root.path().to_owned());
        assert_eq!(lookup.read([14].into()).into_keys().collect::<Vec<_>>(), [11, 12, 13, 14]);
    }

    /// A file that keeps its reader waiting is a named pipe that nobody writes to.
    #[test]
    fn a_process_that_keeps_us_waiting_is_as_it_was_until_it_has_ended() {
        let root = proc(&[
            (10, 1, "11", "python3\0/usr/bin/vllm\0serve\0"),
            (11, 10, "12", "VLLM::EngineCore"),
            (12, 11, "", "VLLM::Worker_TP0"),
            (20, 1, "", "VLLM::EngineCore"),
        ]);
        let mut lookup = Lookup::new(root.path().to_owned());
        let mut look = || lookup.read([10, 11, 20].into());
        let before = look();
        assert_eq!(before.len(), 4);
        let hanging = [10, 12, 20].map(|pid| root.path().join(format!("{pid}/cmdline")));
        for file in &hanging {
            fs::remove_file(file).expect("there");
            rustix::fs::mkfifoat(rustix::fs::CWD, file, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR)
                .expect("a named pipe");
        }
        for _ in 0..2 {
            assert_eq!(look(), before);
        }
        // The server ends, which gives its child another parent; a worker's number is used again; a file cannot be read.
        let stat = |pid: u32, parent: u32, start: u32| {
            let text = format!("{pid} (name) S {parent} 7 7 0 -1 4 1 2 3 4 5 6 7 8 20 0 9 0 {start} 1\n");
            fs::write(root.path().join(format!("{pid}/stat")), text).expect("writable");
        };
        fs::rename(root.path().join("10"), root.path().join("gone")).expect("there");
        stat(11, 1, 123);
        stat(12, 11, 456);
        fs::write(root.path().join("20/stat"), "garbled").expect("writable");
        let after = look();
        assert_eq!(after.keys().copied().collect::<Vec<_>>(), [11, 20]);
        assert_eq!((after[&11].parent, &after[&20]), (1, &before[&20]));
        // The threads that wait must not outlive the test.
        for file in ["gone/cmdline", "12/cmdline", "20/cmdline"] {
            let _ = fs::OpenOptions::new().write(true).open(root.path().join(file));
        }
    }

    #[test]
    fn a_family_without_an_end_is_not_followed_to_it() {
        let processes: Vec<(u32, u32, String)> =
            (1..=60).map(|pid| (pid, pid - 1, (pid + 1).to_string())).collect();
        let listed: Vec<_> = processes
            .iter()
            .map(|(pid, parent, child)| (*pid, *parent, child.as_str(), "VLLM::EngineCore"))
            .collect();
        let root = proc(&listed);
        let mut lookup = Lookup { most: 40, ..Lookup::new(root.path().to_owned()) };
        assert_eq!(lookup.read([1].into()).len(), 40);
    }
}

//! Processes on GPUs that do not say what they are, and descend from an engine's server: its workers, where no process of it says that it is one.
//!
//! vLLM 0.10.0 and others of its time write no titles. A process that was spawned is called as any program then, and one that was forked as
//! its server. Owns which of them count to which engine, and remembers it: what was a worker stays one when its server has ended. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::engines::{Processes, first, is_called_as_its_parent};
use super::process_files::Process;
use super::title::{Engine, Listens, Role, Title};

/// Generations between a process and its server, with the server: the server starts a core, and that its workers.
pub(super) const MOST_ABOVE: usize = 3;

/// Who takes in what a server left behind.
const INIT: u32 = 1;

/// A process by its number and its start.
type Known = (u32, u64);

/// Those that counted at the last look.
#[derive(Debug, Default)]
pub(super) struct Descendants(BTreeMap<Known, Descendant>);

#[derive(Clone, Debug)]
struct Descendant {
    /// What it counts as.
    title: Title,
    server: Known,
}

/// From a process up to its server.
struct Line {
    engine: Engine,
    server: Known,
    /// Those between that were forked: they are called as the server is.
    cores: Vec<u32>,
}

impl Descendants {
    /// Their numbers.
    pub(super) fn pids(&self) -> impl Iterator<Item = u32> {
        self.0.keys().map(|(pid, _)| *pid)
    }

    /// Gives those of `pids` that do not say what they are the title of a worker or a core, and makes them children of their server, whatever
    /// stands between. What one server left behind becomes one family.
    pub(super) fn count(&mut self, pids: &BTreeSet<u32>, processes: &mut Processes) {
        let before = std::mem::take(&mut self.0);
        let titled = with_titles(processes);
        let mut found: BTreeMap<u32, (Engine, Role, Known)> = BTreeMap::new();
        let mut left_behind: BTreeMap<u32, &Descendant> = BTreeMap::new();
        for pid in pids {
            let Some(process) = processes.get(pid) else { continue };
            if let Some(Line { engine, server, cores }) = line(processes, *pid) {
                if !titled.contains(&first(processes, server.0, engine)) {
                    found.entry(*pid).or_insert((engine, Role::Worker, server));
                    found.extend(cores.into_iter().map(|core| (core, (engine, Role::Core, server))));
                }
            } else if let Some(known) = before.get(&(*pid, process.start)).filter(|_| says_nothing(process)) {
                left_behind.insert(*pid, known);
            }
        }
        for (pid, (engine, role, server)) in found {
            let Some(process) = processes.get_mut(&pid) else { continue };
            let known = before.get(&(pid, process.start)).map(|known| &known.title);
            // A name that changes would be another series each time.
            let name = known.or(process.title.as_ref()).map_or(&process.comm, |title| &title.name).clone();
            process.parent = server.0;
            let title = Title { engine, role, name, listens: Listens::Somewhere, is_by_descent: true };
            self.take(pid, process, Descendant { title, server });
        }
        let mut firsts: BTreeMap<Known, u32> = BTreeMap::new();
        for (pid, known) in left_behind {
            let Some(process) = processes.get_mut(&pid) else { continue };
            let first = *firsts.entry(known.server).or_insert(pid);
            process.parent = if first == pid { INIT } else { first };
            self.take(pid, process, known.clone());
        }
    }

    fn take(&mut self, pid: u32, process: &mut Process, descendant: Descendant) {
        process.title = Some(descendant.title.clone());
        self.0.insert((pid, process.start), descendant);
    }
}

/// The first processes of the engines that have workers, or cores, that say so. What else of them is on a GPU helps them for a while.
fn with_titles(processes: &Processes) -> BTreeSet<u32> {
    let titled = processes.iter().filter_map(|(pid, process)| {
        let title = process.title.as_ref()?;
        matches!(title.role, Role::Core | Role::Worker).then(|| first(processes, *pid, title.engine))
    });
    titled.collect()
}

/// Whether it has no title, but that of a server at most.
fn says_nothing(process: &Process) -> bool {
    process.title.as_ref().is_none_or(|title| title.role == Role::Server)
}

/// From a process that does not say what it is to the nearest one that does, if that is a server.
fn line(processes: &Processes, pid: u32) -> Option<Line> {
    let (mut at, mut cores) = (pid, Vec::new());
    for _ in 0..=MOST_ABOVE {
        let process = processes.get(&at)?;
        match &process.title {
            Some(title) if title.role != Role::Server => return None,
            Some(title) if !is_called_as_its_parent(processes, process) => {
                let server = (at, process.start);
                return (at != pid).then_some(Line { engine: title.engine, server, cores });
            }
            Some(_) if at != pid => cores.push(at),
            _ => {}
        }
        at = process.parent;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::holders::cgroup::Owner;
    use crate::gpu::holders::title::title;

    const SERVE: &str = "python3\0/usr/bin/vllm\0serve\0m\0";
    const SPAWNED: &str = "python3\0-c\0from multiprocessing.spawn import spawn_main\0";

    /// Processes with these parents and command lines.
    fn processes(listed: &[(u32, u32, &str)]) -> Processes {
        let process = |(pid, parent, command_line): &(u32, u32, &str)| {
            let process = Process {
                start: 100,
                parent: *parent,
                comm: "python3".to_owned(),
                owner: Owner::default(),
                title: title(command_line),
                children: Vec::new(),
                ports: None,
            };
            (*pid, process)
        };
        listed.iter().map(process).collect()
    }

    /// What has a title at a look at which these are on GPUs, and under whom.
    fn look(
        descendants: &mut Descendants,
        on_gpus: &[u32],
        listed: &[(u32, u32, &str)],
    ) -> Vec<(u32, Role, u32)> {
        let mut processes = processes(listed);
        let pids = on_gpus.iter().copied().chain(descendants.pids()).collect();
        descendants.count(&pids, &mut processes);
        let titled = |(pid, process): (u32, Process)| Some((pid, process.title?.role, process.parent));
        processes.into_iter().filter_map(titled).collect()
    }

    #[test]
    fn where_workers_say_that_they_are_nothing_else_counts_as_one() {
        let with_core = [(10, 1, SERVE), (11, 10, "VLLM::EngineCore"), (20, 10, SPAWNED), (21, 10, SERVE)];
        let mut descendants = Descendants::default();
        assert_eq!(
            look(&mut descendants, &[11, 20, 21], &with_core),
            [(10, Role::Server, 1), (11, Role::Core, 10), (21, Role::Server, 10)]
        );
        assert_eq!(descendants.pids().count(), 0);
        // Another engine's core says nothing of this one's.
        let beside = [(10, 1, SERVE), (20, 10, SPAWNED), (30, 1, SERVE), (31, 30, "VLLM::EngineCore")];
        let found = look(&mut descendants, &[20, 31], &beside);
        assert_eq!(found[1], (20, Role::Worker, 10));
    }

    #[test]
    fn what_was_forked_and_is_on_a_gpu_is_no_server_and_outlives_it_as_what_it_was() {
        let one = [(10, 1, SERVE), (11, 10, SERVE)];
        let mut descendants = Descendants::default();
        assert_eq!(look(&mut descendants, &[], &one), [(10, Role::Server, 1), (11, Role::Server, 10)]);
        for on_gpus in [&[11][..], &[]] {
            let found = look(&mut descendants, on_gpus, &one);
            assert_eq!(found, [(10, Role::Server, 1), (11, Role::Worker, 10)], "on GPUs: {on_gpus:?}");
        }
        assert_eq!(look(&mut descendants, &[11], &[(11, 1, SERVE)]), [(11, Role::Worker, 1)]);

        // The core of several workers, forked or spawned, need not be on a GPU.
        for worker in [SERVE, SPAWNED] {
            let several = [(10, 1, SERVE), (11, 10, SERVE), (12, 11, worker), (13, 11, worker)];
            let mut descendants = Descendants::default();
            for _ in 0..2 {
                assert_eq!(
                    look(&mut descendants, &[12, 13], &several),
                    [
                        (10, Role::Server, 1),
                        (11, Role::Core, 10),
                        (12, Role::Worker, 10),
                        (13, Role::Worker, 10)
                    ]
                );
            }
            let left_behind = [(11, 1, SERVE), (12, 11, worker), (13, 11, worker)];
            assert_eq!(
                look(&mut descendants, &[12, 13], &left_behind),
                [(11, Role::Core, 1), (12, Role::Worker, 11), (13, Role::Worker, 11)]
            );
        }
    }

    #[test]
    fn what_one_server_left_behind_is_one_family() {
        let mut engines = vec![(5, 1, SPAWNED), (6, 1, SPAWNED), (10, 1, SERVE), (40, 1, SERVE)];
        engines.extend([12, 13, 14].map(|pid| (pid, 10, SPAWNED)));
        engines.extend([42, 43].map(|pid| (pid, 40, SPAWNED)));
        let mut descendants = Descendants::default();
        let on_gpus = [12, 13, 14, 42, 43];
        look(&mut descendants, &on_gpus, &engines);
        let left_behind = [12, 13, 14, 42, 43].map(|pid| (pid, 5, SPAWNED));
        let families = |of: [(u32, u32); 5]| of.map(|(pid, parent)| (pid, Role::Worker, parent));
        let expected = families([(12, 1), (13, 12), (14, 12), (42, 1), (43, 42)]);
        assert_eq!(look(&mut descendants, &on_gpus, &left_behind), expected);
        let first_gone = look(&mut descendants, &on_gpus[1..], &left_behind[1..]);
        assert_eq!(first_gone[..2], [(13, Role::Worker, 1), (14, Role::Worker, 13)]);
    }

    #[test]
    fn a_worker_is_called_as_it_was_first() {
        let mut descendants = Descendants::default();
        for (comm, server) in [("python3", 10), ("pt_main_thread", 10), ("cuda", 1)] {
            let mut processes =
                processes(&[(server, 1, SERVE), (11, server, SPAWNED)][usize::from(server == 1)..]);
            processes.get_mut(&11).expect("there").comm = comm.to_owned();
            descendants.count(&[11].into(), &mut processes);
            assert_eq!(processes[&11].title.as_ref().map(|title| title.name.as_str()), Some("python3"));
        }
    }
}

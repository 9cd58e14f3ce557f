//! What processes cost, as the kernel counts it: CPU time and memory.

use std::collections::BTreeMap;
use std::fs;
use std::iter::Sum;

use anyhow::{Context as _, Result};

/// A program and the children it has at this moment.
///
/// # Errors
/// When the program itself has ended.
pub(crate) fn family(pid: u32) -> Result<Vec<u32>> {
    let mut found = vec![pid];
    for task in tasks(pid)? {
        // A thread that ended in between has no children left.
        let Ok(children) = fs::read_to_string(format!("{task}/children")) else { continue };
        found.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
    }
    Ok(found)
}

/// The CPU time that a program and its children use from a moment on.
///
/// Each thread is measured by its own difference, so that processes and threads may come and go meanwhile, as the exporter's probes do: one
/// that ended counts with what was last read of it, one that began counts from its start.
pub(crate) struct CpuWatch {
    program: u32,
    processes: BTreeMap<u32, Watched>,
}

/// One process that was seen.
struct Watched {
    name: String,
    has_ended: bool,
    threads: BTreeMap<String, Thread>,
}

/// CPU time of one thread in nanoseconds.
struct Thread {
    name: String,
    at_start: f64,
    last: f64,
}

/// What was used.
#[derive(Debug, Default)]
pub(crate) struct Spent {
    /// CPU time of each thread in nanoseconds, by its name.
    threads: Vec<(String, f64)>,
    /// The processes that ended meanwhile, by name and number.
    pub(crate) ended: Vec<String>,
}

impl CpuWatch {
    /// From now on.
    pub(crate) fn start(program: u32) -> Result<Self> {
        let mut watch = Self { program, processes: BTreeMap::new() };
        watch.look(true)?;
        Ok(watch)
    }

    /// Reads all there is once more, so that little is lost of a process that ends before the next time.
    pub(crate) fn read(&mut self) -> Result<()> {
        self.look(false)
    }

    /// What was used until now.
    pub(crate) fn spent(mut self) -> Result<Spent> {
        self.look(false)?;
        let (mut threads, mut ended) = (Vec::new(), Vec::new());
        for (pid, process) in self.processes {
            threads.extend(
                process.threads.into_values().map(|thread| (thread.name, thread.last - thread.at_start)),
            );
            if process.has_ended {
                ended.push(format!("{} {pid}", process.name));
            }
        }
        Ok(Spent { threads, ended })
    }

    fn look(&mut self, is_first: bool) -> Result<()> {
        let present = family(self.program)?;
        for pid in &present {
            // One that ended in between is missing the next time too.
            let Ok(tasks) = tasks(*pid) else { continue };
            let process = self.processes.entry(*pid).or_insert_with(|| Watched {
                name: name(&format!("/proc/{pid}")),
                has_ended: false,
                threads: BTreeMap::new(),
            });
            for task in tasks {
                let Some(ran) = ran_ns(&task)? else { continue };
                let at_start = if is_first { ran } else { 0.0 };
                let new = |task: &String| Thread { name: name(task), at_start, last: ran };
                process.threads.entry(task).or_insert_with_key(new).last = ran;
            }
        }
        for (pid, process) in &mut self.processes {
            process.has_ended = !present.contains(pid);
        }
        Ok(())
    }
}

impl Spent {
    /// In nanoseconds, of all threads.
    pub(crate) fn ns(&self) -> f64 {
        self.of(|_| true)
    }

    /// In nanoseconds, of the threads with these names.
    pub(crate) fn of(&self, is_wanted: impl Fn(&str) -> bool) -> f64 {
        self.threads.iter().filter(|(name, _)| is_wanted(name)).map(|(_, ns)| ns).sum()
    }
}

/// The name of a process or thread in /proc; empty for one that has ended.
fn name(folder: &str) -> String {
    fs::read_to_string(format!("{folder}/comm")).unwrap_or_default().trim_end().to_owned()
}

/// CPU time of a thread so far in nanoseconds: the first field of `schedstat` (Documentation/scheduler/sched-stats.rst).
/// Exact where `utime` and `stime` count in hundredths of a second. `None` for one that has ended.
fn ran_ns(task: &str) -> Result<Option<f64>> {
    let Ok(line) = fs::read_to_string(format!("{task}/schedstat")) else { return Ok(None) };
    let ran = line.split_whitespace().next().and_then(|field| field.parse().ok());
    ran.map(Some).with_context(|| format!("{task}/schedstat is not as the kernel documents it"))
}

/// CPU time of a process so far in milliseconds, that of its ended threads with it (`utime` and `stime` of
/// `proc_pid_stat(5)`, in steps of a clock tick).
pub(crate) fn cpu_with_ended_threads_ms(pid: u32) -> Result<f64> {
    stat_ms(&pid.to_string(), 11)
}

/// CPU time of a program and all the children it ever had, so far in milliseconds.
pub(crate) fn cpu_of_family_ms(program: u32) -> Result<f64> {
    let (own, ended) = (cpu_with_ended_threads_ms(program)?, stat_ms(&program.to_string(), 13)?);
    let children = family(program)?.into_iter().filter(|pid| *pid != program);
    // A child that ends in between is among the ended the next time.
    let living = children.filter_map(|pid| cpu_with_ended_threads_ms(pid).ok());
    Ok(own + ended + living.sum::<f64>())
}

/// CPU time in milliseconds of the children of this process that have ended and were waited for (`cutime` and `cstime`).
pub(crate) fn cpu_of_ended_children_ms() -> Result<f64> {
    stat_ms("self", 13)
}

/// The sum of two neighbouring times, the first so many fields behind the state.
fn stat_ms(process: &str, first: usize) -> Result<f64> {
    let path = format!("/proc/{process}/stat");
    let line = fs::read_to_string(&path).with_context(|| format!("failed to read {path}: did it end?"))?;
    let ticks = ticks(&line, first).with_context(|| format!("{path} is not as the kernel documents it"))?;
    Ok(ticks * 1e3 / rustix::param::clock_ticks_per_second() as f64)
}

/// The program's name may hold spaces and parentheses.
fn ticks(line: &str, first: usize) -> Option<f64> {
    let (_, fields) = line.rsplit_once(") ")?;
    let mut fields = fields.split_whitespace().skip(first);
    Some(fields.next()?.parse::<f64>().ok()? + fields.next()?.parse::<f64>().ok()?)
}

fn tasks(pid: u32) -> Result<Vec<String>> {
    let folder = format!("/proc/{pid}/task");
    let entries = fs::read_dir(&folder).with_context(|| format!("failed to list {folder}: did it end?"))?;
    Ok(entries.filter_map(|entry| Some(entry.ok()?.path().to_string_lossy().into_owned())).collect())
}

/// Memory of some processes, in megabytes (10^6 bytes).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Memory {
    /// Pages that no other process maps (`Private_*`, USS): what the end of the process would free.
    pub(crate) private: f64,
    /// Each page divided by the number of processes that map it (`Pss`).
    pub(crate) proportional: f64,
    /// Every page that is mapped and in memory (`Rss`).
    pub(crate) resident: f64,
}

impl Sum for Memory {
    fn sum<I: Iterator<Item = Self>>(each: I) -> Self {
        each.fold(Self::default(), |sum, next| Self {
            private: sum.private + next.private,
            proportional: sum.proportional + next.proportional,
            resident: sum.resident + next.resident,
        })
    }
}

/// Memory of one process over all its mappings but those of files whose path contains `without`: the driver's library
/// does not count as the exporter's. Without that exception the sums are those of `smaps_rollup`.
pub(crate) fn memory(pid: u32, without: Option<&str>) -> Result<Memory> {
    let path = format!("/proc/{pid}/smaps");
    let smaps = fs::read_to_string(&path).with_context(|| format!("failed to read {path}"))?;
    Ok(of_smaps(&smaps, without))
}

/// A mapping is one line with its address range and path, then `Name: value kB` lines (`proc_pid_smaps(5)`).
fn of_smaps(smaps: &str, without: Option<&str>) -> Memory {
    let (mut sum, mut is_counted) = (Memory::default(), true);
    for line in smaps.lines() {
        let mut words = line.split_whitespace();
        let name = words.next().unwrap_or_default();
        if !name.ends_with(':') {
            is_counted = without.is_none_or(|file| !line.contains(file));
        } else if is_counted {
            let kibibytes = words.next().and_then(|value| value.parse::<f64>().ok());
            let megabytes = kibibytes.map_or(f64::NAN, |kibibytes| kibibytes * 1024.0 / 1e6);
            match name {
                "Private_Clean:" | "Private_Dirty:" | "Private_Hugetlb:" => sum.private += megabytes,
                "Pss:" => sum.proportional += megabytes,
                "Rss:" => sum.resident += megabytes,
                _ => {}
            }
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::process::{Command, Stdio};

    use super::*;

    /// A process may end while it is measured, and another begin.
    #[test]
    fn processes_that_come_and_go_are_counted_by_what_was_seen_of_them() {
        let script = "sleep 1000 & echo $!; read go; kill $!; wait $!; sleep 1000 & read end; kill $!";
        let mut shell = Command::new("bash");
        let mut shell =
            shell.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut first = String::new();
        BufReader::new(shell.stdout.take().unwrap()).read_line(&mut first).unwrap();
        let mut watch = CpuWatch::start(shell.id()).unwrap();
        assert_eq!(watch.processes.len(), 2);
        shell.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
        // The second child begins once the first has ended.
        let is_second = |pid: &u32| *pid != shell.id() && pid.to_string() != first.trim();
        while !watch.processes.keys().any(is_second) {
            watch.read().unwrap();
            std::thread::yield_now();
        }
        let of_second = watch.processes.iter().find(|(pid, _)| is_second(pid)).unwrap().1;
        assert!(of_second.threads.values().all(|thread| thread.at_start == 0.0), "from its start");
        let spent = watch.spent().unwrap();
        assert_eq!(spent.ended.len(), 1, "{spent:?}");
        assert!(spent.ended[0].ends_with(first.trim()), "{spent:?}");
        assert!(spent.threads.iter().all(|(_, ns)| *ns >= 0.0), "{spent:?}");
        drop(shell.stdin.take());
        shell.wait().unwrap();
    }

    #[test]
    fn times_stand_behind_the_name() {
        let line = "7 (a b) c) S 1 7 7 0 -1 4194560 120 30 0 0 41 2 500 60 20 0 1 0 100";
        assert_eq!(ticks(line, 11), Some(43.0));
        assert_eq!(ticks(line, 13), Some(560.0));
        assert_eq!(ticks("7 (a) S 1", 11), None);
    }

    #[test]
    fn memory_is_summed_over_mappings() {
        let mapping = |path: &str| {
            format!(
                "7f00-7f01 r-xp 00000000 fe:00 123 {path}\nSize: 9000 kB\nRss: 3000 kB\nPss: 2000 kB\nPss_Dirty: 7 kB\n\
                 Shared_Clean: 2000 kB\nPrivate_Clean: 600 kB\nPrivate_Dirty: 400 kB\nVmFlags: rd ex mr\n"
            )
        };
        let smaps = [mapping("/usr/bin/program"), mapping("/usr/lib/libdriver.so"), mapping("")].concat();
        let one = Memory { private: 1.024, proportional: 2.048, resident: 3.072 };
        let check = |without, mappings: usize| {
            let (found, expected) =
                (of_smaps(&smaps, without), std::iter::repeat_n(one, mappings).sum::<Memory>());
            let close = |found: f64, expected: f64| (found - expected).abs() < 1e-9;
            assert!(close(found.private, expected.private), "{found:?}");
            assert!(close(found.proportional, expected.proportional), "{found:?}");
            assert!(close(found.resident, expected.resident), "{found:?}");
        };
        check(None, 3);
        check(Some("libdriver"), 2);
    }
}

//! Events that the kernel and the CPUs count (see `perf_event_open(2)`): cycles, cache misses, context switches, tracepoints.
//!
//! Owns which events are counted on which CPUs, and their families. `perf/events.rs` knows the events, `perf/cpus.rs` the list of CPUs in
//! a flag, and `perf/open.rs` asks the kernel. A counter stays open as long as its CPU runs: it counts from its opening on. An event that
//! this machine's CPUs do not have has no series, which is no fault: a virtual machine often has no counters at all.

mod cpus;
mod events;
mod open;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::path::PathBuf;

use rustix::io::Errno;

use crate::collector::{Collected, Collector, Fault, WaitsFor};
use crate::descriptors::beyond_kept;
use crate::family::Family;
use crate::flags::{Flag, Flags};
use crate::host::cpu_labels::CpuLabels;
use crate::host::cpu_list::cpu_list;
use crate::host::entry::Entry;
use crate::host::kept_file::{Buffer, KeptFile};
use crate::host::root::Root;
use crate::host::sysfs::read_once;
use cpus::cpus;
use events::{CACHE, Event, Group, HARDWARE, SOFTWARE, Source, TRACEPOINT, tracepoint};

static CPUS: Flag = Flag::value(
    "collector.perf.cpus",
    "LIST",
    "",
    "CPUs whose events are counted, like 0,2-5,8-16:4; all that run without it",
);
static TRACEPOINTS: Flag =
    Flag::values("collector.perf.tracepoint", "SUBSYSTEM:EVENT", "", "A tracepoint to count");
static NO_HARDWARE: Flag = Flag::switch(
    "collector.perf.disable-hardware-profilers",
    false,
    "Count no hardware events (cycles, instructions, branches)",
);
static HARDWARE_EVENTS: Flag = Flag::values(
    "collector.perf.hardware-profilers",
    "EVENT",
    "",
    "A hardware event to count; all without it",
);
static NO_SOFTWARE: Flag = Flag::switch(
    "collector.perf.disable-software-profilers",
    false,
    "Count no events of the kernel (page faults, context switches)",
);
static SOFTWARE_EVENTS: Flag = Flag::values(
    "collector.perf.software-profilers",
    "EVENT",
    "",
    "An event of the kernel to count; all without it",
);
static NO_CACHE: Flag =
    Flag::switch("collector.perf.disable-cache-profilers", false, "Count no events of the CPUs' caches");
static CACHE_EVENTS: Flag = Flag::values(
    "collector.perf.cache-profilers",
    "EVENT",
    "",
    "An event of the caches to count; all without it",
);

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "perf",
    help: "events that the kernel and the CPUs count",
    reads: "perf_event_open(2) on each CPU that runs",
    is_default: false,
    waits_for: WaitsFor::Nothing,
    flags: &[
        &CPUS,
        &TRACEPOINTS,
        &NO_HARDWARE,
        &HARDWARE_EVENTS,
        &NO_SOFTWARE,
        &SOFTWARE_EVENTS,
        &NO_CACHE,
        &CACHE_EVENTS,
    ],
    new: |flags, root| Box::new(PerfCollector::new(flags, root)),
};

/// On a machine with 192 CPUs all events are 5,760 counters.
const MOST_COUNTERS: usize = 16_384;

struct PerfCollector {
    /// Where the numbers of tracepoints are, in the order in which they are looked for.
    tracefs: [PathBuf; 2],
    /// Those that a flag names; `None` for all that run.
    cpus: Option<Vec<u32>>,
    online: KeptFile,
    buffer: Buffer,
    events: Vec<Event>,
    counting: BTreeMap<u32, Counting>,
    labels: CpuLabels,
}

/// The counters of one CPU.
#[derive(Default)]
struct Counting {
    /// By the places of the events.
    counters: Vec<(usize, File)>,
    /// Why others could not be opened.
    faults: Vec<Fault>,
    /// How many others are beyond the bounds.
    left_out: usize,
}

impl PerfCollector {
    fn new(flags: &mut Flags, root: &Root) -> Self {
        let list = Some(flags.value(&CPUS)).filter(|list| !list.is_empty());
        let cpus = list.map(|list| {
            cpus(&list).unwrap_or_else(|wrong| {
                flags.mistakes.push(format!("`--{}={list}`: {wrong}", CPUS.name));
                Vec::new()
            })
        });
        let mut events = Vec::new();
        for (group, off, named) in [
            (&HARDWARE, &NO_HARDWARE, &HARDWARE_EVENTS),
            (&SOFTWARE, &NO_SOFTWARE, &SOFTWARE_EVENTS),
            (&CACHE, &NO_CACHE, &CACHE_EVENTS),
        ] {
            let wanted = wanted(group, named, flags);
            if !flags.is_on(off) {
                events.extend(wanted);
            }
        }
        let written = written(flags, &TRACEPOINTS);
        events.extend(written.iter().filter_map(|written| {
            let event = tracepoint(written);
            if event.is_none() {
                flags.mistakes.push(format!(
                    "`--{}={written}`: expected a tracepoint like sched:sched_process_exec",
                    TRACEPOINTS.name
                ));
            }
            event
        }));
        Self {
            tracefs: ["kernel/tracing", "kernel/debug/tracing"]
                .map(|path| root.sys.join(path).join("events")),
            cpus,
            online: KeptFile::attribute(root.sys.join("devices/system/cpu/online")),
            buffer: Buffer::default(),
            events,
            counting: BTreeMap::new(),
            labels: CpuLabels::default(),
        }
    }

    /// Begins to count on CPUs that are new, and forgets those that are gone. Returns which of those that a flag names do not run.
    fn follow_cpus(&mut self) -> Result<Vec<u32>, Fault> {
        let mut cpus: BTreeSet<u32> = cpu_list(self.online.read(&mut self.buffer)?)?.into_iter().collect();
        let mut off = Vec::new();
        if let Some(named) = &self.cpus {
            off = named.iter().copied().filter(|cpu| !cpus.contains(cpu)).collect();
            cpus = named.iter().copied().filter(|cpu| cpus.contains(cpu)).collect();
        }
        self.counting.retain(|cpu, _| cpus.contains(cpu));
        for cpu in cpus {
            if !self.counting.contains_key(&cpu) {
                let counters = self.counting.values().map(|counting| counting.counters.len()).sum();
                let counting = Counting::start(&self.events, &self.tracefs, cpu, counters);
                self.counting.insert(cpu, counting);
            }
        }
        Ok(off)
    }
}

/// The values of a flag that were written.
fn written(flags: &Flags, flag: &Flag) -> Vec<String> {
    let mut values = flags.values(flag);
    values.retain(|value| !value.is_empty());
    values
}

/// The events of a group that a flag names; all of them where it names none.
fn wanted(group: &Group, flag: &Flag, flags: &mut Flags) -> Vec<Event> {
    let written = written(flags, flag);
    if written.is_empty() {
        return group.events.iter().filter_map(|(called, ..)| group.event(called)).collect();
    }
    // An event written twice is counted once.
    let mut events: Vec<Event> = Vec::new();
    for called in written {
        match group.event(&called) {
            Some(event) if !events.contains(&event) => events.push(event),
            Some(_) => {}
            None => flags.warnings.push(format!("--{} names no event that is counted: {called}", flag.name)),
        }
    }
    events
}

impl Counting {
    /// Opens the counters of one CPU, beside as many of others.
    fn start(events: &[Event], tracefs: &[PathBuf], cpu: u32, others: usize) -> Self {
        let mut counting = Self::default();
        for (place, event) in events.iter().enumerate() {
            if others + counting.counters.len() == MOST_COUNTERS {
                counting.left_out += 1;
                continue;
            }
            match start(event, tracefs, cpu) {
                Ok(Some(counter)) => counting.counters.push((place, counter)),
                Ok(None) => counting.left_out += 1,
                Err(NotCounted::Absent) => {}
                Err(NotCounted::Fault(fault)) if counting.faults.contains(&fault) => {}
                Err(NotCounted::Fault(fault)) => counting.faults.push(fault),
            }
        }
        counting
    }
}

/// Why an event is not counted.
enum NotCounted {
    /// This machine's CPUs do not have it.
    Absent,
    Fault(Fault),
}

/// `None` where too few open files would be left.
fn start(event: &Event, tracefs: &[PathBuf], cpu: u32) -> Result<Option<File>, NotCounted> {
    let (kind, config) = match &event.source {
        Source::Number(kind, config) => (*kind, *config),
        Source::Tracepoint { subsystem, event } => {
            (TRACEPOINT, tracepoint_number(tracefs, subsystem, event).map_err(NotCounted::Fault)?)
        }
    };
    open::open(kind, config, cpu).and_then(|counter| beyond_kept(&counter)).map_err(|error| {
        let errno = Errno::from_io_error(&error);
        match errno {
            Some(Errno::NOENT | Errno::OPNOTSUPP | Errno::INVAL) => NotCounted::Absent,
            Some(Errno::NODEV) => NotCounted::Fault(Fault::new(format!("perf: there is no CPU {cpu}"))),
            Some(Errno::ACCESS | Errno::PERM) => NotCounted::Fault(Fault::new(
                "perf: perf_event_open(2) is not allowed here (hint: CAP_PERFMON, or kernel.perf_event_paranoid=0)",
            )),
            _ => NotCounted::Fault(Fault::new(format!("perf: perf_event_open(2): {error}"))),
        }
    })
}

/// The number in the tracepoint's file `id`.
fn tracepoint_number(tracefs: &[PathBuf], subsystem: &str, event: &str) -> Result<u64, Fault> {
    for events in tracefs {
        let path = events.join(subsystem).join(event).join("id");
        if let Some(text) = read_once(&path)? {
            return text.parse().map_err(|_| Fault::new(format!("{}: expected a number", path.display())));
        }
    }
    Err(Fault::new(format!("perf: there is no tracepoint {subsystem}:{event}, or tracefs is not mounted")))
}

impl Collector for PerfCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        let off = match self.follow_cpus() {
            Ok(off) => off,
            Err(fault) => return Collected::failed(fault),
        };
        let empty = |event: &Event| Family::counter(event.family.clone(), event.help.clone());
        let mut families: Vec<Family> = self.events.iter().map(empty).collect();
        let mut left_out = 0;
        let mut faults: Vec<Fault> = off
            .first()
            .map(|cpu| {
                Fault::new(format!(
                    "perf: --{} names {} CPUs that do not run, {cpu} first",
                    CPUS.name,
                    off.len()
                ))
            })
            .into_iter()
            .collect();
        let mut add = |fault: Fault| {
            if !faults.contains(&fault) {
                faults.push(fault);
            }
        };
        for (cpu, counting) in &self.counting {
            for (place, counter) in &counting.counters {
                match open::value(counter) {
                    Ok(Some(count)) => families[*place].push(self.labels.of(*cpu), count),
                    Ok(None) => {}
                    Err(error) => add(unreadable(*cpu, &error)),
                }
            }
            counting.faults.iter().cloned().for_each(&mut add);
            left_out += counting.left_out;
        }
        if left_out > 0 {
            faults.push(Fault::new(format!(
                "perf: {left_out} counters are left out, beyond {MOST_COUNTERS} or three quarters of the files that may be open"
            )));
        }
        Collected::new(families, faults)
    }
}

fn unreadable(cpu: u32, error: &io::Error) -> Fault {
    Fault::new(format!("perf: a counter of CPU {cpu}: {error}"))
}

#[cfg(test)]
mod tests;

//! CPU time, from `/proc/stat` (see `proc_stat(5)`), and what `/sys/devices/system/cpu` says about the CPUs.
//!
//! Owns the times; `cpu/devices.rs` owns thermal throttles and which CPUs are online or isolated, `cpu/info.rs` owns `/proc/cpuinfo`. Parsed by hand: procfs's type drops the CPUs' numbers, so labels would be wrong while a CPU is
//! offline. Leaves out how frequencies are set, which is `cpufreq`'s.

use std::collections::{BTreeMap, BTreeSet};

use crate::collector::{Collected, Collector, Fault, WaitsFor};
use crate::family::{Family, Labels};
use crate::flags::{Flag, Flags};
use crate::host::entry::Entry;
use crate::host::kept_file::{Buffer, KeptFile};
use crate::host::lines::{Lines, numbered_lines};
use crate::host::root::Root;

mod devices;
mod info;

use devices::CpuDevices;
use info::CpuInfo;

static GUEST: Flag = Flag::switch("collector.cpu.guest", true, "Leave out node_cpu_guest_seconds_total");

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "cpu",
    help: "CPU times, throttles and which CPUs run",
    reads: "/proc/stat, /sys/devices/system/cpu, /proc/cpuinfo",
    is_default: true,
    waits_for: WaitsFor::Firmware,
    flags: &[&GUEST, &info::INFO, &info::FLAGS_INCLUDE, &info::BUGS_INCLUDE],
    new: |flags, root| Box::new(CpuCollector::new(flags, root)),
};

struct CpuCollector {
    guest: bool,
    stat: KeptFile,
    buffer: Buffer,
    /// What was served last, by CPU number.
    times: BTreeMap<u32, Served>,
    devices: CpuDevices,
    /// Whether the CPUs are others than at the last reading.
    are_others: bool,
    info: Option<CpuInfo>,
}

impl CpuCollector {
    fn new(flags: &mut Flags, root: &Root) -> Self {
        Self {
            guest: flags.is_on(&GUEST),
            stat: KeptFile::new(root.proc.join("stat")).of_one_text(),
            buffer: Buffer::default(),
            times: BTreeMap::new(),
            devices: CpuDevices::new(root),
            are_others: false,
            info: CpuInfo::new(flags, root),
        }
    }

    fn read_times(&mut self) -> Result<Vec<Fault>, Fault> {
        let Lines { read: times, faults } = parse(self.stat.read(&mut self.buffer)?);
        let same_cpus = self.times.keys().eq(times.iter().map(|(cpu, _)| cpu));
        self.are_others = !same_cpus;
        if self.are_others {
            let cpus: BTreeSet<u32> = times.iter().map(|(cpu, _)| *cpu).collect();
            self.times.retain(|served, _| cpus.contains(served));
        }
        for (cpu, times) in times {
            self.times.entry(cpu).or_insert_with(|| Served::new(cpu)).advance(times);
        }
        Ok(faults)
    }
}

impl Collector for CpuCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        let mut collected = Collected::default();
        match self.read_times() {
            Ok(faults) => {
                collected.families.extend(time_families(&self.times, self.guest));
                collected.faults.extend(faults);
            }
            Err(fault) => collected.faults.push(fault),
        }
        collected.extend(self.devices.read(self.are_others, &mut self.buffer));
        if let Some(info) = &mut self.info {
            collected.extend(info.read(&mut self.buffer));
        }
        collected
    }
}

/// The columns of a `cpuN` line; guest time is also counted in user and nice time.
const MODES: [&str; 10] =
    ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal", "guest", "guest_nice"];
const GUEST_USER: usize = 8;
const GUEST_NICE: usize = 9;
const IDLE: usize = 3;

/// Clock ticks since boot, in the order of [`MODES`].
type Times = [u64; MODES.len()];

/// The lines `cpuN`; the one without a number sums up the others.
fn parse(text: &str) -> Lines<(u32, Times)> {
    let of_cpus =
        text.lines().enumerate().filter(|(_, line)| line.starts_with("cpu") && !line.starts_with("cpu "));
    numbered_lines("stat", of_cpus, |line| parse_line(line.strip_prefix("cpu")?))
}

fn parse_line(line: &str) -> Option<(u32, Times)> {
    let mut words = line.split_ascii_whitespace();
    let cpu = words.next()?.parse().ok()?;
    let mut times = [0; MODES.len()];
    // Steal and the guest times came with Linux 2.6.11 and later; an older kernel's line is shorter, and 0 is right.
    let mut columns = 0;
    for (time, word) in times.iter_mut().zip(words) {
        *time = word.parse().ok()?;
        columns += 1;
    }
    (columns > IDLE).then_some((cpu, times))
}

/// A CPU's times as served, and its labels.
struct Served {
    times: Times,
    modes: [Labels; GUEST_USER],
    guest_user: Labels,
    guest_nice: Labels,
}

impl Served {
    fn new(cpu: u32) -> Self {
        let labels = |mode: &str| Labels::new([("cpu", cpu.to_string()), ("mode", mode.to_owned())]);
        Self {
            times: [0; MODES.len()],
            modes: std::array::from_fn(|mode| labels(MODES[mode])),
            guest_user: labels("user"),
            guest_nice: labels("nice"),
        }
    }

    /// Idle and iowait time can step back a little (`proc_stat(5)`), which a counter must not. A step of seconds means
    /// that the CPU was offline and starts anew.
    fn advance(&mut self, now: Times) {
        let restart = 3 * rustix::param::clock_ticks_per_second();
        if now[IDLE].saturating_add(restart) <= self.times[IDLE] {
            self.times = now;
        }
        for (served, now) in self.times.iter_mut().zip(now) {
            *served = (*served).max(now);
        }
    }
}

fn time_families(cpus: &BTreeMap<u32, Served>, guest: bool) -> Vec<Family> {
    let per_second = rustix::param::clock_ticks_per_second() as f64;
    let mut times = Family::counter("node_cpu_seconds_total", "Seconds the CPUs spent in each mode.");
    let mut guests = Family::counter(
        "node_cpu_guest_seconds_total",
        "Seconds the CPUs spent in guests (VMs) for each mode.",
    );
    times.samples.reserve(cpus.len() * GUEST_USER);
    for cpu in cpus.values() {
        for (labels, ticks) in cpu.modes.iter().zip(cpu.times) {
            times.push(labels.clone(), ticks as f64 / per_second);
        }
        if guest {
            guests.push(cpu.guest_user.clone(), cpu.times[GUEST_USER] as f64 / per_second);
            guests.push(cpu.guest_nice.clone(), cpu.times[GUEST_NICE] as f64 / per_second);
        }
    }
    vec![times, guests]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::{check_garbage, values};

    #[test]
    fn keeps_the_numbers_of_the_cpus() {
        let text =
            "cpu  301854 612 111922\ncpu0 44490 19 21045 1087069 220 1 3410 0 2 1\ncpu7 1 2 3 4\nintr 1\n";
        let cpus = parse(text).read;
        assert_eq!(cpus[0], (0, [44490, 19, 21045, 1_087_069, 220, 1, 3410, 0, 2, 1]));
        assert_eq!(cpus[1], (7, [1, 2, 3, 4, 0, 0, 0, 0, 0, 0]));
        let mut served = Served::new(0);
        served.advance(cpus[0].1);
        let families = time_families(&BTreeMap::from([(0, served)]), true);
        let lines = values(&families);
        assert_eq!(lines[0], "node_cpu_seconds_total{cpu=\"0\",mode=\"user\"} 444.9");
        assert_eq!(lines[7], "node_cpu_seconds_total{cpu=\"0\",mode=\"steal\"} 0");
        assert_eq!(lines[8], "node_cpu_guest_seconds_total{cpu=\"0\",mode=\"user\"} 0.02");
        assert_eq!(lines[9], "node_cpu_guest_seconds_total{cpu=\"0\",mode=\"nice\"} 0.01");
    }

    #[test]
    fn a_small_step_back_is_held_and_a_large_one_is_a_restart() {
        let mut served = Served::new(0);
        let times = |user, idle| [user, 0, 0, idle, 0, 0, 0, 0, 0, 0];
        served.advance(times(50, 10_000));
        served.advance(times(60, 9_900));
        assert_eq!((served.times[0], served.times[IDLE]), (60, 10_000));
        served.advance(times(5, 7));
        assert_eq!((served.times[0], served.times[IDLE]), (5, 7));
    }

    #[test]
    fn an_odd_line_costs_itself() {
        let Lines { read, faults } = parse("cpu  1\ncpu0 1 2 3 4\ncpu1 1 2 -3 4\ncpu2 1 2 3 4\nintr x\n");
        assert_eq!(read.iter().map(|(cpu, _)| *cpu).collect::<Vec<_>>(), [0, 2]);
        assert_eq!(faults[0].to_string(), "stat: cannot read line 3: `cpu1 1 2 -3 4`");
    }

    #[test]
    fn garbage_is_a_fault() {
        check_garbage(
            |text| parse(text).faults,
            &["", "cpu  1 2 3 4", "cpu0", "cpu0 1 2 3", "cpu0 1 2 3 x", "cpux 1 2 3 4", "cpu0 1 2 3 -4"],
        );
    }
}

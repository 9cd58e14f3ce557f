//! Frequencies of the CPUs and who chooses them, from `/sys/devices/system/cpu/cpu*/cpufreq` (see the kernel's
//! `admin-guide/pm/cpufreq.rst`).
//!
//! Owns what the frequency driver says. The frequencies in `/proc/cpuinfo` are `cpu`'s.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::collector::{Collected, Collector, Fault, WaitsFor};
use crate::family::{Family, Labels};
use crate::host::entry::Entry;
use crate::host::kept_file::{Buffer, KeptFile};
use crate::host::root::Root;
use crate::host::sysfs::{Attribute, number, numbered, read_once, text};

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "cpufreq",
    help: "CPU frequencies and governors",
    reads: "/sys/devices/system/cpu/cpu*/cpufreq",
    is_default: true,
    waits_for: WaitsFor::Firmware,
    flags: &[],
    new: |_, root| Box::new(FrequencyCollector::new(root)),
};

struct FrequencyCollector {
    directory: PathBuf,
    cpus: Vec<Cpu>,
    /// `None` before the first reading, and when the last search failed.
    find_again: Option<Instant>,
    buffer: Buffer,
}

/// CPUs go offline and come back; they are looked for again after this long.
const FIND_AGAIN: Duration = Duration::from_mins(1);

/// The files say kilohertz.
const KILOHERTZ: f64 = 1e3;

const FREQUENCIES: [Attribute; 6] = [
    // Only root may read this one, which asks the hardware.
    Attribute::gauge(
        "cpuinfo_cur_freq",
        "node_cpu_frequency_hertz",
        "CPU frequency in hertz from /proc/cpuinfo.",
    )
    .times(KILOHERTZ),
    Attribute::gauge(
        "cpuinfo_min_freq",
        "node_cpu_frequency_min_hertz",
        "The lowest frequency the CPU can have.",
    )
    .times(KILOHERTZ),
    Attribute::gauge(
        "cpuinfo_max_freq",
        "node_cpu_frequency_max_hertz",
        "The highest frequency the CPU can have.",
    )
    .times(KILOHERTZ),
    Attribute::gauge(
        "scaling_cur_freq",
        "node_cpu_scaling_frequency_hertz",
        "Current scaled CPU thread frequency in hertz.",
    )
    .times(KILOHERTZ),
    Attribute::gauge(
        "scaling_min_freq",
        "node_cpu_scaling_frequency_min_hertz",
        "Minimum scaled CPU thread frequency in hertz.",
    )
    .times(KILOHERTZ),
    Attribute::gauge(
        "scaling_max_freq",
        "node_cpu_scaling_frequency_max_hertz",
        "Maximum scaled CPU thread frequency in hertz.",
    )
    .times(KILOHERTZ),
];

impl FrequencyCollector {
    fn new(root: &Root) -> Self {
        let directory = root.sys.join("devices/system/cpu");
        Self { directory, cpus: Vec::new(), find_again: None, buffer: Buffer::default() }
    }

    fn find(&mut self, now: Instant) -> Result<(), Fault> {
        if self.find_again.is_some_and(|then| now < then) {
            return Ok(());
        }
        self.find_again = None;
        let numbers = numbered(&self.directory, "cpu")?;
        let cpus = numbers.into_iter().map(|number| Cpu::open(&self.directory, number));
        self.cpus = cpus.collect::<Result<_, _>>()?;
        self.find_again = Some(now + FIND_AGAIN);
        Ok(())
    }
}

impl Collector for FrequencyCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        if let Err(fault) = self.find(Instant::now()) {
            return Collected::failed(fault);
        }
        let mut families = FREQUENCIES.each_ref().map(Attribute::family);
        let mut governors =
            Family::gauge("node_cpu_scaling_governor", "Current enabled CPU frequency governor.");
        let mut faults = Vec::new();
        for cpu in &mut self.cpus {
            faults.extend(cpu.read(&mut self.buffer, &mut families, &mut governors));
        }
        Collected::new(families.into_iter().chain([governors]).collect(), faults)
    }
}

/// The files of one CPU that are there and may be read; none on a machine that does not let its frequency be chosen.
struct Cpu {
    labels: Labels,
    /// With the place of the file's attribute in [`FREQUENCIES`].
    frequencies: Vec<(usize, KeptFile)>,
    governor: KeptFile,
    /// Those the CPU could have.
    governors: Vec<(String, Labels)>,
}

impl Cpu {
    fn open(directory: &Path, cpu: u32) -> Result<Self, Fault> {
        let directory = directory.join(format!("cpu{cpu}/cpufreq"));
        let labels = Labels::new([("cpu", cpu.to_string())]);
        let readable = FREQUENCIES.iter().map(|attribute| directory.join(attribute.file)).enumerate();
        let readable = readable.filter(|(_, path)| File::open(path).is_ok());
        let frequencies = readable.map(|(place, path)| (place, KeptFile::attribute(path))).collect();
        let available = read_once(&directory.join("scaling_available_governors"))?.unwrap_or_default();
        let governors = available.split_ascii_whitespace();
        let governors = governors.map(|name| (name.to_owned(), labels.and([("governor", name)]))).collect();
        Ok(Self {
            labels,
            frequencies,
            governor: KeptFile::attribute(directory.join("scaling_governor")),
            governors,
        })
    }

    fn read(&mut self, buffer: &mut Buffer, families: &mut [Family], governors: &mut Family) -> Vec<Fault> {
        let mut faults = Vec::new();
        for (place, file) in &mut self.frequencies {
            match number(file, buffer) {
                Ok(Some(value)) => FREQUENCIES[*place].push(&mut families[*place], &self.labels, value),
                Ok(None) => {}
                Err(fault) => faults.push(fault),
            }
        }
        if !self.governors.is_empty() {
            match text(&mut self.governor, buffer) {
                Ok(Some(governor)) => {
                    for (name, labels) in &self.governors {
                        governors.push(labels.clone(), *name == governor);
                    }
                }
                Ok(None) => {}
                Err(fault) => faults.push(fault),
            }
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::values;

    fn cpu(files: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
        let sys = tempfile::tempdir().unwrap();
        let directory = sys.path().join("devices/system/cpu/cpu3/cpufreq");
        std::fs::create_dir_all(&directory).unwrap();
        for (file, text) in files {
            std::fs::write(directory.join(file), text).unwrap();
        }
        let root = Root { proc: "/".into(), sys: sys.path().into(), rootfs: "/".into(), udev: "/".into() };
        let Collected { families, faults, .. } = FrequencyCollector::new(&root).collect();
        (values(&families), faults.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn kilohertz_become_hertz_and_what_is_not_there_is_absent() {
        let files = [
            ("scaling_cur_freq", "1699981\n"),
            ("scaling_governor", "powersave\n"),
            ("scaling_available_governors", "performance powersave \n"),
        ];
        let (lines, faults) = cpu(&files);
        assert_eq!(
            lines,
            [
                r#"node_cpu_scaling_frequency_hertz{cpu="3"} 1699981000"#,
                r#"node_cpu_scaling_governor{cpu="3",governor="performance"} 0"#,
                r#"node_cpu_scaling_governor{cpu="3",governor="powersave"} 1"#,
            ]
        );
        assert_eq!(faults, [] as [&str; 0]);
        assert_eq!(cpu(&[]), (vec![], vec![]), "a machine that does not let its frequency be chosen");
    }

    #[test]
    fn a_garbled_file_costs_only_itself() {
        let (lines, faults) = cpu(&[("scaling_cur_freq", "fast\n"), ("scaling_max_freq", "3700000\n")]);
        assert_eq!(lines, [r#"node_cpu_scaling_frequency_max_hertz{cpu="3"} 3700000000"#]);
        assert!(faults.len() == 1 && faults[0].contains("scaling_cur_freq: "), "{faults:?}");
    }

    #[test]
    fn cpus_are_looked_for_again_after_a_while() {
        let sys = tempfile::tempdir().unwrap();
        let cpus = sys.path().join("devices/system/cpu");
        let root = Root { proc: "/".into(), sys: sys.path().into(), rootfs: "/".into(), udev: "/".into() };
        let mut collector = FrequencyCollector::new(&root);
        let start = Instant::now();
        let mut found = |now: Instant| {
            collector.find(now).unwrap();
            collector.cpus.len()
        };
        assert_eq!(found(start), 0, "no sysfs");
        std::fs::create_dir_all(cpus.join("cpu0")).unwrap();
        assert_eq!(found(start + FIND_AGAIN / 2), 0);
        assert_eq!(found(start + FIND_AGAIN), 1);
    }
}

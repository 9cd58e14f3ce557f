//! What the CPUs say they are, from `/proc/cpuinfo`.
//!
//! Owns model, flags, bugs and the present frequency of each CPU. x86's names of the fields are `node_exporter`'s
//! labels; what another architecture does not name is an empty label there, and here.

use regex_lite::Regex;

use crate::collector::{Collected, Fault};
use crate::family::{Family, Labels};
use crate::flags::{Flag, Flags};
use crate::host::excerpt::excerpt;
use crate::host::kept_file::{Buffer, KeptFile};
use crate::host::root::Root;

pub(super) static INFO: Flag = Flag::switch("collector.cpu.info", false, "Show node_cpu_info");
pub(super) static FLAGS_INCLUDE: Flag =
    Flag::regex("collector.cpu.info.flags-include", "", "CPU flags to show in node_cpu_flag_info");
pub(super) static BUGS_INCLUDE: Flag =
    Flag::regex("collector.cpu.info.bugs-include", "", "CPU bugs to show in node_cpu_bug_info");

/// The part of the collector that `--collector.cpu.info` turns on, or asking for CPU flags or bugs.
pub(super) struct CpuInfo {
    file: KeptFile,
    flags: Option<Regex>,
    bugs: Option<Regex>,
    frequency: bool,
}

impl CpuInfo {
    /// `None` when nothing of it is asked for.
    pub(super) fn new(flags: &mut Flags, root: &Root) -> Option<Self> {
        let (words, bugs) = (flags.regex(&FLAGS_INCLUDE), flags.regex(&BUGS_INCLUDE));
        (flags.is_on(&INFO) || words.is_some() || bugs.is_some()).then(|| Self {
            // Some two kilobytes for each of up to 8192 CPUs.
            file: KeptFile::new(root.proc.join("cpuinfo")).at_most(32 * 1024 * 1024),
            flags: words,
            bugs,
            // As in node_exporter, which leaves out all frequencies with its collector for them.
            frequency: flags.runs("cpufreq", true),
        })
    }

    pub(super) fn read(&mut self, buffer: &mut Buffer) -> Collected {
        let cpus = match self.file.read(buffer).map_err(Fault::from).and_then(parse) {
            Ok(cpus) => cpus,
            Err(fault) => return Collected::failed(fault),
        };
        let mut collected = Collected::complete(vec![info(&cpus)]);
        if self.frequency {
            collected.extend(frequencies(&cpus));
        }
        let families = &mut collected.families;
        families.extend(words(&cpus, "flags", "flag", self.flags.as_ref(), "node_cpu_flag_info"));
        families.extend(words(&cpus, "bugs", "bug", self.bugs.as_ref(), "node_cpu_bug_info"));
        collected
    }
}

/// One CPU's paragraph: the lines `key : value`.
struct Paragraph<'text>(Vec<(&'text str, &'text str)>);

impl<'text> Paragraph<'text> {
    fn field(&self, key: &str) -> Option<&'text str> {
        self.0.iter().find(|(found, _)| *found == key).map(|(_, value)| *value)
    }
}

fn parse(text: &str) -> Result<Vec<Paragraph<'_>>, Fault> {
    let paragraphs = text.split("\n\n").map(|paragraph| {
        let lines = paragraph.lines().filter_map(|line| line.split_once(':'));
        Paragraph(lines.map(|(key, value)| (key.trim(), value.trim())).collect())
    });
    let cpus: Vec<_> = paragraphs.filter(|paragraph| paragraph.field("processor").is_some()).collect();
    if cpus.is_empty() {
        return Err(Fault::new("cpuinfo: no processor in it"));
    }
    Ok(cpus)
}

fn info(cpus: &[Paragraph<'_>]) -> Family {
    const FIELDS: [(&str, &str); 10] = [
        ("package", "physical id"),
        ("core", "core id"),
        ("cpu", "processor"),
        ("vendor", "vendor_id"),
        ("family", "cpu family"),
        ("model", "model"),
        ("model_name", "model name"),
        ("microcode", "microcode"),
        ("stepping", "stepping"),
        ("cachesize", "cache size"),
    ];
    let mut family = Family::info("node_cpu_info", "CPU information from /proc/cpuinfo.");
    for cpu in cpus {
        let label = |(label, key)| (label, cpu.field(key).unwrap_or(""));
        family.push(Labels::new(FIELDS.map(label)), 1_u64);
    }
    family
}

fn frequencies(cpus: &[Paragraph<'_>]) -> Collected {
    let mut faults = Vec::new();
    let mut family = Family::gauge("node_cpu_frequency_hertz", "CPU frequency in hertz from /proc/cpuinfo.");
    for cpu in cpus {
        // Only x86 has it here.
        let Some(megahertz) = cpu.field("cpu MHz") else { continue };
        let Ok(megahertz) = megahertz.parse::<f64>() else {
            let cpu = excerpt(cpu.field("processor").unwrap_or(""));
            faults.push(Fault::with_excerpt(format!("cpuinfo: cpu MHz of {cpu}"), excerpt(megahertz)));
            continue;
        };
        let fields = [("core", "core id"), ("cpu", "processor"), ("package", "physical id")];
        let labels = fields.map(|(label, key)| (label, cpu.field(key).unwrap_or("")));
        family.push(Labels::new(labels), megahertz * 1e6);
    }
    Collected::new(vec![family], faults)
}

/// The first CPU's words under `key` that the expression matches.
fn words(
    cpus: &[Paragraph<'_>],
    key: &str,
    label: &'static str,
    include: Option<&Regex>,
    name: &'static str,
) -> Option<Family> {
    let include = include?;
    let text = cpus.first()?.field(key)?;
    let mut family = Family::info(
        name,
        format!("The `{key}` field of CPU information from /proc/cpuinfo taken from the first core."),
    );
    for word in text.split_ascii_whitespace().filter(|word| include.is_match(word)) {
        family.push(Labels::new([(label, word)]), 1_u64);
    }
    Some(family)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::{check_garbage, flags, values};

    const TEXT: &str = "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu MHz\t\t: 799.998\nphysical id\t: 0\ncore id\t\t: 3\n\
                        flags\t\t: fpu aes avx\nbugs\t\t: mds\n\nprocessor\t: 1\n\n";

    #[test]
    fn absent_fields_are_empty_labels_and_no_frequency() {
        let cpus = parse(TEXT).unwrap();
        let lines = values(&[vec![info(&cpus)], frequencies(&cpus).families].concat());
        assert_eq!(
            lines,
            [
                "node_cpu_info{package=\"0\",core=\"3\",cpu=\"0\",vendor=\"GenuineIntel\",family=\"\",model=\"\",model_name=\"\",microcode=\"\",stepping=\"\",cachesize=\"\"} 1",
                "node_cpu_info{package=\"\",core=\"\",cpu=\"1\",vendor=\"\",family=\"\",model=\"\",model_name=\"\",microcode=\"\",stepping=\"\",cachesize=\"\"} 1",
                "node_cpu_frequency_hertz{core=\"3\",cpu=\"0\",package=\"0\"} 799998000",
            ]
        );
    }

    #[test]
    fn frequencies_are_shown_while_the_collector_for_them_runs() {
        let shows = |written: &[&str]| {
            let root = Root::new(&flags(&[]));
            let info = CpuInfo::new(&mut flags(written), &root);
            info.map(|info| info.frequency)
        };
        assert_eq!(shows(&[]), None, "nothing of /proc/cpuinfo is asked for");
        assert_eq!(shows(&["--collector.cpu.info"]), Some(true));
        assert_eq!(shows(&["--collector.cpu.info.bugs-include=mds", "--no-collector.cpufreq"]), Some(false));
        let named = ["--collector.disable-defaults", "--collector.cpu", "--collector.cpu.info"];
        assert_eq!(shows(&named), Some(false));
        assert_eq!(shows(&[&named[..], &["--collector.cpufreq"]].concat()), Some(true));
    }

    #[test]
    fn shows_the_words_asked_for() {
        let cpus = parse(TEXT).unwrap();
        let include = Regex::new("^a").unwrap();
        let family = words(&cpus, "flags", "flag", Some(&include), "node_cpu_flag_info").unwrap();
        assert_eq!(
            values(&[family]),
            ["node_cpu_flag_info{flag=\"aes\"} 1", "node_cpu_flag_info{flag=\"avx\"} 1"]
        );
        assert!(words(&cpus, "flags", "flag", None, "node_cpu_flag_info").is_none());
    }

    #[test]
    fn garbage_is_a_fault() {
        check_garbage(|text| parse(text).err().into_iter().collect(), &["", "\n\n", "processor 0", "\u{0}"]);
        let text = "processor: 0\ncpu MHz: fast\n\nprocessor: 1\ncpu MHz: 1\n";
        let Collected { families, faults, .. } = frequencies(&parse(text).unwrap());
        assert_eq!((families[0].samples.len(), faults.len()), (1, 1));
    }
}

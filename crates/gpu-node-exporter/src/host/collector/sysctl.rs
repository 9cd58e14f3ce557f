//! Settings of the kernel that flags name, from `/proc/sys` (see `proc_sys(5)` and the kernel's `admin-guide/sysctl`).
//!
//! Owns what a flag asks for and how its values become series. Of unknown type, since a setting may be anything.

use crate::collector::{Collected, Collector, Fault, WaitsFor};
use crate::family::{Family, Labels, Number};
use crate::flags::{Flag, Flags};
use crate::host::entry::Entry;
use crate::host::excerpt::excerpt;
use crate::host::kept_file::{Buffer, KeptFile};
use crate::host::root::Root;
use crate::host::series_name::series_name;

static INCLUDE: Flag = Flag::values(
    "collector.sysctl.include",
    "NAME[:KEY,...]",
    "",
    "A setting that is a number, or several: with keys each has its own family",
);
static INCLUDE_INFO: Flag =
    Flag::values("collector.sysctl.include-info", "NAME", "", "A setting that is words, which become labels");

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "sysctl",
    help: "settings of the kernel that flags name",
    reads: "/proc/sys",
    is_default: false,
    waits_for: WaitsFor::Nothing,
    flags: &[&INCLUDE, &INCLUDE_INFO],
    new: |flags, root| Box::new(SysctlCollector::new(flags, root)),
};

struct SysctlCollector {
    settings: Vec<Setting>,
    buffer: Buffer,
}

impl SysctlCollector {
    fn new(flags: &mut Flags, root: &Root) -> Self {
        let mut settings = Vec::new();
        for (flag, is_info) in [(&INCLUDE, false), (&INCLUDE_INFO, true)] {
            let mut written = flags.values(flag);
            // What is asked for twice is shown once.
            written.sort_unstable();
            written.dedup();
            settings.extend(written.iter().map(|text| Setting::new(text, is_info, root)));
        }
        if settings.iter().any(|setting| setting.is_info && !setting.keys.is_empty()) {
            let name = INCLUDE_INFO.name;
            flags.mistakes.push(format!("`--{name}`: words have no keys (hint: write NAME alone)"));
        }
        Self { settings, buffer: Buffer::default() }
    }
}

impl Collector for SysctlCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        let mut families = Vec::new();
        let mut info = Family::info("node_sysctl_info", "sysctl info");
        let mut faults = Vec::new();
        for setting in &mut self.settings {
            let read = match setting.file.read(&mut self.buffer) {
                Ok(text) if setting.is_info => setting.words(text, &mut info),
                Ok(text) => setting.families(text).map(|read| families.extend(read)),
                Err(error) => Err(error.into()),
            };
            faults.extend(read.err());
        }
        families.push(info);
        Collected::new(families, faults)
    }
}

/// One setting, as a flag names it: `fs.file-nr` or `fs.file-nr:total,current,max`.
struct Setting {
    name: String,
    keys: Vec<String>,
    is_info: bool,
    file: KeptFile,
}

impl Setting {
    fn new(written: &str, is_info: bool, root: &Root) -> Self {
        let (name, keys) = match written.split_once(':') {
            Some((name, keys)) => (name, keys.split(',').map(str::to_owned).collect()),
            None => (written, Vec::new()),
        };
        let file = KeptFile::of_few_lines(root.proc.join("sys").join(name.replace('.', "/")));
        Self { name: name.to_owned(), keys, is_info, file }
    }

    fn family(&self, key: &str) -> String {
        format!("node_sysctl_{}", series_name(&format!("{}{key}", self.name)))
    }

    fn families(&self, text: &str) -> Result<Vec<Family>, Fault> {
        let name = &self.name;
        let values: Vec<_> = text.split_ascii_whitespace().collect();
        let numbers =
            values.iter().map(|value| number(value)).collect::<Option<Vec<_>>>().ok_or_else(|| {
                Fault::with_excerpt(format!("sysctl {name}: expected numbers"), excerpt(text))
            })?;
        let help = format!("sysctl {name}");
        match (numbers.as_slice(), self.keys.as_slice()) {
            ([], _) => Err(Fault::new(format!("sysctl {name}: there is nothing in it"))),
            ([one], []) => Ok(vec![Family::unknown(self.family(""), help).with(Labels::NONE, *one)]),
            (several, []) => {
                let mut family = Family::unknown(self.family(""), help);
                for (index, number) in several.iter().enumerate() {
                    family.push(Labels::new([("index", index.to_string())]), *number);
                }
                Ok(vec![family])
            }
            (several, keys) if several.len() == keys.len() => {
                let fields = several.iter().zip(keys).enumerate();
                let fields = fields.map(|(place, (number, key))| {
                    let help = format!("sysctl {name}, field {place}");
                    Family::unknown(self.family(&format!("_{key}")), help).with(Labels::NONE, *number)
                });
                Ok(fields.collect())
            }
            (several, keys) => Err(Fault::new(format!(
                "sysctl {name}: it has {} values, and --{} names {} keys",
                several.len(),
                INCLUDE.name,
                keys.len()
            ))),
        }
    }

    fn words(&self, text: &str, info: &mut Family) -> Result<(), Fault> {
        let name = &self.name;
        if text.trim().is_empty() {
            return Err(Fault::new(format!("sysctl {name}: there is nothing in it")));
        }
        for (index, word) in text.split_ascii_whitespace().enumerate() {
            let index = index.to_string();
            info.push(
                Labels::new([("name", name.as_str()), ("value", word), ("index", index.as_str())]),
                1_u64,
            );
        }
        Ok(())
    }
}

/// A setting may be as large as the kernel's largest number, or negative.
fn number(text: &str) -> Option<Number> {
    let whole = text.parse::<u64>().ok().map(Number::Whole);
    whole.or_else(|| text.parse::<i64>().ok().map(|negative| Number::Real(negative as f64)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::{collector, flags, values};

    #[test]
    fn a_setting_is_a_number_or_several_or_words() {
        let proc = tempfile::tempdir().unwrap();
        for (file, text) in [
            ("fs/file-nr", "1024\t0\t18446744073709551615\n"),
            ("kernel/threads-max", "7801\n"),
            ("kernel/sched_rt_runtime_us", "-1\n"),
            ("kernel/seccomp/actions_avail", "kill_process trap\n"),
            ("kernel/empty", "\n"),
        ] {
            let path = proc.path().join("sys").join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let check = |written: &[&str], expected: &[&str], faults: &[&str]| {
            let Collected { families, faults: found, .. } =
                collector(&ENTRY, proc.path(), "/nonexistent".as_ref(), written).collect();
            assert_eq!(values(&families), expected, "{written:?}");
            let found: Vec<_> = found.iter().map(ToString::to_string).collect();
            assert_eq!(found.len(), faults.len(), "{found:?}");
            for (found, fault) in found.iter().zip(faults) {
                assert!(found.contains(fault), "{found}");
            }
        };
        check(&[], &[], &[]);
        check(
            &[
                "--collector.sysctl.include=kernel.threads-max",
                "--collector.sysctl.include=kernel.threads-max",
            ],
            &["node_sysctl_kernel_threads_max 7801"],
            &[],
        );
        check(
            &["--collector.sysctl.include=kernel.sched_rt_runtime_us"],
            &["node_sysctl_kernel_sched_rt_runtime_us -1"],
            &[],
        );
        check(
            &["--collector.sysctl.include=fs.file-nr"],
            &[
                r#"node_sysctl_fs_file_nr{index="0"} 1024"#,
                r#"node_sysctl_fs_file_nr{index="1"} 0"#,
                r#"node_sysctl_fs_file_nr{index="2"} 18446744073709551615"#,
            ],
            &[],
        );
        check(
            &["--collector.sysctl.include=fs.file-nr:total,current,max"],
            &[
                "node_sysctl_fs_file_nr_total 1024",
                "node_sysctl_fs_file_nr_current 0",
                "node_sysctl_fs_file_nr_max 18446744073709551615",
            ],
            &[],
        );
        check(
            &["--collector.sysctl.include-info=kernel.seccomp.actions_avail"],
            &[
                r#"node_sysctl_info{name="kernel.seccomp.actions_avail",value="kill_process",index="0"} 1"#,
                r#"node_sysctl_info{name="kernel.seccomp.actions_avail",value="trap",index="1"} 1"#,
            ],
            &[],
        );
        check(
            &[
                "--collector.sysctl.include=fs.file-nr:total,current",
                "--collector.sysctl.include=kernel.empty",
                "--collector.sysctl.include=kernel.nothing",
                "--collector.sysctl.include=kernel.seccomp.actions_avail",
                "--collector.sysctl.include=kernel.threads-max",
                "--collector.sysctl.include-info=kernel.empty",
            ],
            &["node_sysctl_kernel_threads_max 7801"],
            &[
                "fs.file-nr: it has 3 values, and --collector.sysctl.include names 2 keys",
                "kernel.empty: there is nothing in it",
                "/sys/kernel/nothing: ",
                "kernel.seccomp.actions_avail: expected numbers: `kill_process trap",
                "kernel.empty: there is nothing in it",
            ],
        );
    }

    #[test]
    fn words_have_no_keys() {
        let mut flags = flags(&["--collector.sysctl.include-info=kernel.a:b"]);
        let root = Root { proc: "/".into(), sys: "/".into(), rootfs: "/".into(), udev: "/".into() };
        SysctlCollector::new(&mut flags, &root);
        assert_eq!(
            flags.mistakes,
            ["`--collector.sysctl.include-info`: words have no keys (hint: write NAME alone)"]
        );
    }
}

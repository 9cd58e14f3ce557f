//! Processes that the kernel killed for want of memory, by control group, from `memory.events` (see the kernel's
//! `admin-guide/cgroup-v2.rst`).
//!
//! Owns, beyond `node_exporter`: whose processes they were. A group counts for all groups below it, also for those that are gone with their container, so only groups with a
//! kill are looked into. Those at the top are shown from 0 on, so that the first kill is an increase; those below once it happened. Without version 2
//! of control groups there is nothing to read; `node_vmstat_oom_kill` counts for the whole machine.

use std::path::{Path, PathBuf};

use crate::collector::{Collected, Collector, Fault, WaitsFor};
use crate::family::{Family, Labels};
use crate::host::entry::Entry;
use crate::host::excerpt::excerpt;
use crate::host::kept_file::{ReadError, read_whole};
use crate::host::root::Root;
use crate::host::utf8::escaped;

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "oom_kills",
    help: "processes killed for want of memory, by control group",
    reads: "/sys/fs/cgroup",
    is_default: true,
    waits_for: WaitsFor::Nothing,
    flags: &[],
    new: |_, root| Box::new(OomCollector::new(root)),
};

struct OomCollector {
    directory: PathBuf,
}

impl OomCollector {
    fn new(root: &Root) -> Self {
        Self { directory: root.sys.join("fs/cgroup") }
    }
}

impl Collector for OomCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        if !self.directory.join("cgroup.controllers").exists() {
            let directory = self.directory.display();
            return Collected::failed(Fault::no_data(format!(
                "oom_kills: there are no control groups of version 2 in {directory}"
            )));
        }
        let mut groups = Groups { kills: Vec::new(), left: MOST_READ, faults: Vec::new() };
        groups.look(&self.directory, "", 0);
        groups.collected()
    }
}

/// So many groups are looked at. Of those without a kill it is only the ones at the top.
const MOST_READ: usize = 4_096;

/// So many groups are shown: those with the most kills.
const MOST_SHOWN: usize = 256;

/// Deeper than systemd, Kubernetes and Slurm nest them.
const DEEPEST: usize = 16;

/// What the groups say.
struct Groups {
    /// By path.
    kills: Vec<(String, u64)>,
    /// How many more may be looked at.
    left: usize,
    faults: Vec<Fault>,
}

impl Groups {
    /// Looks at a group, and into it when something in it was killed. The root group counts nothing; that of a container does.
    fn look(&mut self, directory: &Path, path: &str, depth: usize) {
        let Some(left) = self.left.checked_sub(1) else { return };
        self.left = left;
        match kills(&directory.join("memory.events")) {
            Ok(Some(kills)) => {
                if depth <= 1 || kills > 0 {
                    let path = if path.is_empty() { "/" } else { path };
                    self.kills.push((path.to_owned(), kills));
                }
                if depth > 0 && kills == 0 {
                    return;
                }
            }
            // A group that went away, or whose memory is counted with the one above it.
            Ok(None) if depth > 0 => return,
            Ok(None) => {}
            Err(fault) => {
                self.faults.push(fault);
                return;
            }
        }
        if depth == DEEPEST {
            return;
        }
        for name in directories(directory) {
            self.look(
                &directory.join(&name),
                &format!("{path}/{}", escaped(name.as_encoded_bytes())),
                depth + 1,
            );
        }
    }

    fn collected(mut self) -> Collected {
        let mut family = Family::counter(
            "node_cgroup_oom_kills_total",
            "Processes in a control group, or in groups below it, that the kernel killed for want of memory.",
        );
        if self.left == 0 {
            self.faults.push(Fault::new(format!(
                "oom_kills: no more than {MOST_READ} control groups are looked at"
            )));
        }
        self.kills.sort_by(|(_, one), (_, other)| other.cmp(one));
        if self.kills.len() > MOST_SHOWN {
            let more = self.kills.len() - MOST_SHOWN;
            let what = "oom_kills: control groups with fewer kills are not shown";
            self.faults.push(Fault::with_excerpt(what, more.to_string()));
            self.kills.truncate(MOST_SHOWN);
        }
        for (path, kills) in self.kills {
            family.push(Labels::new([("cgroup", path)]), kills);
        }
        Collected::new(vec![family], self.faults)
    }
}

fn directories(directory: &Path) -> Vec<std::ffi::OsString> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let directories = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let mut names: Vec<_> = directories.map(|entry| entry.file_name()).collect();
    names.sort_unstable();
    names
}

/// The kills of one group; `None` when the kernel does not count its memory apart, or it went away.
fn kills(path: &Path) -> Result<Option<u64>, Fault> {
    let bytes = match read_whole(path) {
        Ok(bytes) => bytes,
        Err(error) if error.is_no_answer() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let text = escaped(&bytes);
    let odd = || {
        let error = std::io::Error::other(format!("expected a number of kills in `{}`", excerpt(&text)));
        ReadError::new(path, error).into()
    };
    parse(&text).ok_or_else(odd).map(Some)
}

/// The line `oom_kill 3`.
fn parse(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("oom_kill "))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::{check_garbage, collector, values};

    /// Control groups with so many kills.
    fn sys(groups: &[(&str, &str)]) -> tempfile::TempDir {
        let sys = tempfile::tempdir().unwrap();
        let root = sys.path().join("fs/cgroup");
        std::fs::create_dir_all(&root).unwrap();
        std::fs::write(root.join("cgroup.controllers"), "memory\n").unwrap();
        for (group, kills) in groups {
            std::fs::create_dir_all(root.join(group)).unwrap();
            let text = format!("low 0\nmax 9\noom 1\noom_kill {kills}\noom_group_kill 0\n");
            std::fs::write(root.join(group).join("memory.events"), text).unwrap();
        }
        sys
    }

    fn read(sys: &tempfile::TempDir) -> (Vec<String>, Vec<String>) {
        let Collected { families, faults, .. } =
            collector(&ENTRY, "/nonexistent".as_ref(), sys.path(), &[]).collect();
        let shown = |line: String| line.trim_start_matches("node_cgroup_oom_kills_total").to_owned();
        (values(&families).into_iter().map(shown).collect(), faults.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn groups_with_kills_are_looked_into() {
        let groups = [
            ("init.scope", "0"),
            ("kubepods.slice", "3"),
            ("kubepods.slice/pod1", "3"),
            ("kubepods.slice/pod1/a", "0"),
            ("kubepods.slice/pod2", "0"),
            ("kubepods.slice/pod2/a", "7"),
            ("system.slice", "0"),
            ("system.slice/a", "7"),
        ];
        let (lines, faults) = read(&sys(&groups));
        assert_eq!(
            lines,
            [
                r#"{cgroup="/kubepods.slice"} 3"#,
                r#"{cgroup="/kubepods.slice/pod1"} 3"#,
                r#"{cgroup="/init.scope"} 0"#,
                r#"{cgroup="/system.slice"} 0"#,
            ]
        );
        assert_eq!(faults, [] as [&str; 0]);
    }

    #[test]
    fn a_container_sees_its_own_group() {
        let sys = sys(&[("init.scope", "1")]);
        std::fs::write(sys.path().join("fs/cgroup/memory.events"), "oom_kill 2\n").unwrap();
        let (lines, _) = read(&sys);
        assert_eq!(lines, [r#"{cgroup="/"} 2"#, r#"{cgroup="/init.scope"} 1"#]);
    }

    #[test]
    fn an_odd_group_costs_itself() {
        let (lines, faults) = read(&sys(&[("a.slice", "many"), ("b.slice", "1")]));
        assert_eq!(lines, [r#"{cgroup="/b.slice"} 1"#]);
        assert!(
            faults.len() == 1 && faults[0].contains("a.slice/memory.events: expected a number of kills"),
            "{faults:?}"
        );
    }

    #[test]
    fn groups_beyond_the_bounds_are_told() {
        let names: Vec<String> = (0..MOST_SHOWN + 2).map(|number| format!("g{number:04}")).collect();
        let groups: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "1")).collect();
        let (lines, faults) = read(&sys(&groups));
        assert_eq!(lines.len(), MOST_SHOWN);
        assert_eq!(faults, ["oom_kills: control groups with fewer kills are not shown: `2`"]);

        let sys = sys(&[("a", "1"), ("b", "1"), ("c", "1")]);
        let mut groups = Groups { kills: Vec::new(), left: 3, faults: Vec::new() };
        groups.look(&sys.path().join("fs/cgroup"), "", 0);
        let collected = groups.collected();
        assert_eq!(collected.families[0].samples.len(), 2);
        assert_eq!(
            collected.faults[0].to_string(),
            "oom_kills: no more than 4096 control groups are looked at"
        );
    }

    #[test]
    fn groups_are_not_looked_into_without_end() {
        let path = vec!["a"; DEEPEST + 3].join("/");
        let groups: Vec<String> = (1..=DEEPEST + 3).map(|depth| path[..2 * depth - 1].to_owned()).collect();
        let groups: Vec<(&str, &str)> = groups.iter().map(|group| (group.as_str(), "1")).collect();
        assert_eq!(read(&sys(&groups)).0.len(), DEEPEST);
    }

    #[test]
    fn a_machine_with_version_1_says_so() {
        let (lines, faults) = read(&tempfile::tempdir().unwrap());
        assert_eq!(lines, [] as [&str; 0]);
        assert!(
            faults.len() == 1 && faults[0].starts_with("oom_kills: there are no control groups of version 2"),
            "{faults:?}"
        );
    }

    #[test]
    fn garbage_is_no_count() {
        check_garbage(
            |text| parse(text).is_none().then(|| Fault::new("odd")).into_iter().collect(),
            &["", "oom 1\n", "oom_kill\n", "oom_kill -1\n", "oom_kill 18446744073709551616\n"],
        );
    }
}

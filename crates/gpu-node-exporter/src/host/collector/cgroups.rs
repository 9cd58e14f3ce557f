//! Controllers of control groups, from `/proc/cgroups` (see `cgroups(7)`).
//!
//! Owns which controllers there are and how many groups each has. Leaves out what the groups use.

use crate::collector::{Collected, Collector, WaitsFor};
use crate::family::{Family, Labels};
use crate::host::entry::Entry;
use crate::host::lines::{Lines, numbered_lines};
use crate::host::proc_file::ProcFile;

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "cgroups",
    help: "controllers of control groups",
    reads: "/proc/cgroups",
    is_default: false,
    waits_for: WaitsFor::Nothing,
    flags: &[],
    new: |_, root| Box::new(CgroupsCollector { file: ProcFile::of_few_lines(root, "cgroups") }),
};

struct CgroupsCollector {
    file: ProcFile,
}

impl Collector for CgroupsCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        match self.file.read() {
            Ok(text) => {
                let Lines { read, faults } = parse(text);
                Collected::new(families(&read), faults)
            }
            Err(error) => Collected::failed(error.no_data_if_absent(ENTRY.name)),
        }
    }
}

/// One line: `memory  7  234  1`.
struct Controller<'text> {
    name: &'text str,
    groups: u64,
    enabled: u64,
}

fn parse(text: &str) -> Lines<Controller<'_>> {
    let controllers = text.lines().enumerate().filter(|(_, line)| !line.starts_with('#'));
    numbered_lines("cgroups", controllers, |line| {
        let mut words = line.split_ascii_whitespace();
        let name = words.next()?;
        words.next()?.parse::<u64>().ok()?;
        let (groups, enabled) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        Some(Controller { name, groups, enabled })
    })
}

fn families(controllers: &[Controller<'_>]) -> Vec<Family> {
    // node_exporter has one help text for both.
    const HELP: &str = "Current cgroup number of the subsystem.";
    let mut groups = Family::gauge("node_cgroups_cgroups", HELP);
    let mut enabled = Family::gauge("node_cgroups_enabled", HELP);
    for controller in controllers {
        let labels = Labels::new([("subsys_name", controller.name)]);
        groups.push(labels.clone(), controller.groups);
        enabled.push(labels, controller.enabled);
    }
    vec![groups, enabled]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::{check_garbage, values};

    #[test]
    fn a_controller_has_its_groups_and_whether_it_is_enabled() {
        let Lines { read, faults } =
            parse("#subsys_name\thierarchy\tnum_cgroups\tenabled\nmemory\t7\t234\t0\n");
        assert_eq!(
            values(&families(&read)),
            [
                r#"node_cgroups_cgroups{subsys_name="memory"} 234"#,
                r#"node_cgroups_enabled{subsys_name="memory"} 0"#
            ]
        );
        assert_eq!(faults, []);
    }

    #[test]
    fn garbage_is_a_fault() {
        check_garbage(
            |text| parse(text).faults,
            &["", "#subsys_name\n", "memory 7 234\n", "memory 7 -1 1\n", "memory x 1 1\n", "\n"],
        );
    }
}

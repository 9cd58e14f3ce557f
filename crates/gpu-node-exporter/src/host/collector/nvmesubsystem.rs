//! `NVMe` subsystems and the paths to them, from `/sys/class/nvme-subsystem` (see the kernel's
//! `admin-guide/nvme-multipath.rst`).
//!
//! Owns which controllers lead to a subsystem and in what state they are. Leaves out the controllers' own properties, which are
//! `nvme`'s.

use std::path::Path;

use crate::collector::{Collected, Collector, Fault, WaitsFor};
use crate::family::{Family, Labels};
use crate::host::entry::Entry;
use crate::host::kept_file::{Buffer, KeptFile};
use crate::host::root::Root;
use crate::host::sysfs::{Devices, text};

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "nvmesubsystem",
    help: "NVMe subsystems and the paths to them",
    reads: "/sys/class/nvme-subsystem",
    is_default: false,
    waits_for: WaitsFor::Nothing,
    flags: &[],
    new: |_, root| Box::new(SubsystemCollector::new(root)),
};

struct SubsystemCollector {
    subsystems: Devices<Subsystem>,
    buffer: Buffer,
}

impl SubsystemCollector {
    fn new(root: &Root) -> Self {
        let subsystems = Devices::new(root.sys.join("class/nvme-subsystem"));
        Self { subsystems, buffer: Buffer::default() }
    }
}

impl Collector for SubsystemCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        let open = |directory: &Path, name: &str| {
            name.starts_with("nvme-subsys").then(|| Subsystem::new(directory, name))
        };
        let subsystems = match self.subsystems.find(open) {
            Ok(subsystems) => subsystems,
            Err(error) => return Collected::failed(error.no_data_if_absent(ENTRY.name)),
        };
        let mut families = Families::new();
        let mut faults = Vec::new();
        for subsystem in subsystems {
            faults.extend(subsystem.read(&mut self.buffer, &mut families));
        }
        Collected::new(families.into_vec(), faults)
    }
}

/// The files that are labels of a subsystem's info, with the labels.
const TEXTS: [(&str, &str); 4] =
    [("subsysnqn", "nqn"), ("model", "model"), ("serial", "serial"), ("iopolicy", "iopolicy")];

/// What a controller can be, in the order in which it is shown.
const STATES: [&str; 7] = ["connecting", "dead", "deleting", "live", "new", "resetting", "unknown"];

/// As `/sys` says it, to one of [`STATES`].
fn state(said: &str) -> &'static str {
    let said = if said == "deleting (no IO)" { "deleting" } else { said };
    STATES.into_iter().find(|state| *state == said).unwrap_or("unknown")
}

struct Subsystem {
    name: String,
    labels: Labels,
    /// In the order of [`TEXTS`].
    texts: [KeptFile; TEXTS.len()],
    below: Devices<Below>,
}

/// What a subsystem has among its directories.
enum Below {
    Controller {
        name: String,
        state: KeptFile,
        transport: KeptFile,
    },
    /// The name of a block device.
    Namespace(String),
}

impl Below {
    /// `nvme0` is a controller, `nvme0n1` a namespace.
    fn new(directory: &Path, name: &str) -> Option<Self> {
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let numbers = name.strip_prefix("nvme")?;
        if is_number(numbers) {
            let file = |file: &str| KeptFile::attribute(directory.join(file));
            return Some(Self::Controller {
                name: name.to_owned(),
                state: file("state"),
                transport: file("transport"),
            });
        }
        let (controller, namespace) = numbers.split_once('n')?;
        (is_number(controller) && is_number(namespace)).then(|| Self::Namespace(name.to_owned()))
    }
}

impl Subsystem {
    fn new(directory: &Path, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            labels: Labels::new([("subsystem", name)]),
            texts: TEXTS.map(|(file, _)| KeptFile::attribute(directory.join(file))),
            below: Devices::new(directory.to_owned()),
        }
    }

    fn read(&mut self, buffer: &mut Buffer, families: &mut Families) -> Vec<Fault> {
        let mut faults = Vec::new();
        match self.info(buffer) {
            Ok(labels) => families.info.push(labels, 1_u64),
            Err(fault) => faults.push(fault),
        }
        let below = match self.below.find(Below::new) {
            Ok(below) => below,
            // The subsystem went away.
            Err(error) if error.is_absent() => return faults,
            Err(error) => return vec![error.into()],
        };
        let (mut paths, mut live) = (0_u64, 0_u64);
        for below in below {
            match below {
                Below::Namespace(device) => {
                    families.namespaces.push(self.labels.and([("device", device)]), 1_u64);
                }
                Below::Controller { name, state: file, transport } => {
                    let read = text(file, buffer).and_then(|said| Ok((said, text(transport, buffer)?)));
                    match read {
                        Ok((Some(said), transport)) => {
                            let present = state(&said);
                            paths += 1;
                            live += u64::from(present == "live");
                            let transport = transport.unwrap_or_default();
                            let labels =
                                self.labels.and([("controller", name.as_str()), ("transport", &transport)]);
                            for state in STATES {
                                families.states.push(labels.and([("state", state)]), state == present);
                            }
                        }
                        Ok((None, _)) => {}
                        Err(fault) => faults.push(fault),
                    }
                }
            }
        }
        families.paths.push(self.labels.clone(), paths);
        families.live.push(self.labels.clone(), live);
        faults
    }

    /// What the subsystem does not have is an empty label.
    fn info(&mut self, buffer: &mut Buffer) -> Result<Labels, Fault> {
        let mut labels = vec![("subsystem", self.name.clone())];
        for ((_, label), file) in TEXTS.into_iter().zip(&mut self.texts) {
            labels.push((label, text(file, buffer)?.unwrap_or_default()));
        }
        Ok(Labels::new(labels))
    }
}

struct Families {
    info: Family,
    namespaces: Family,
    paths: Family,
    live: Family,
    states: Family,
}

impl Families {
    fn new() -> Self {
        Self {
            info: Family::info("node_nvmesubsystem_info", "Non-numeric information about an NVMe subsystem."),
            namespaces: Family::info(
                "node_nvmesubsystem_namespace_info",
                "Maps an NVMe namespace block device to its subsystem.",
            ),
            paths: Family::gauge(
                "node_nvmesubsystem_paths",
                "Number of controller paths for an NVMe subsystem.",
            ),
            live: Family::gauge(
                "node_nvmesubsystem_paths_live",
                "Number of controller paths in live state for an NVMe subsystem.",
            ),
            states: Family::gauge(
                "node_nvmesubsystem_path_state",
                "Current NVMe controller path state (1 for the current state, 0 for all others).",
            ),
        }
    }

    fn into_vec(self) -> Vec<Family> {
        vec![self.info, self.namespaces, self.paths, self.live, self.states]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::{collector, testdata, values};

    #[test]
    fn a_state_is_one_of_those_that_are_known() {
        for (said, shown) in [
            ("live", "live"),
            ("deleting", "deleting"),
            ("deleting (no IO)", "deleting"),
            ("dreaming", "unknown"),
            ("", "unknown"),
        ] {
            assert_eq!(state(said), shown, "{said}");
        }
    }

    /// `node_exporter` leaves the collector off in its end-to-end test; the captures have a subsystem with four paths.
    #[test]
    fn a_subsystem_has_its_paths_and_namespaces() {
        let none = "/nonexistent".as_ref();
        let Collected { families, faults, .. } =
            collector(&ENTRY, none, &testdata().join("sys"), &[]).collect();
        assert_eq!(faults, []);
        let lines = values(&families);
        let has = |line: &str| assert!(lines.iter().any(|found| found == line), "{line}: {lines:#?}");
        has(r#"node_nvmesubsystem_namespace_info{subsystem="nvme-subsys0",device="nvme0n1"} 1"#);
        has(r#"node_nvmesubsystem_paths{subsystem="nvme-subsys0"} 4"#);
        let live = lines.iter().filter(|line| line.contains(r#"state="live"} 1"#)).count();
        has(&format!(r#"node_nvmesubsystem_paths_live{{subsystem="nvme-subsys0"}} {live}"#));
        let states = lines.iter().filter(|line| line.starts_with("node_nvmesubsystem_path_state")).count();
        assert_eq!(states, 4 * STATES.len());
        let infos = lines.iter().filter(|line| line.starts_with("node_nvmesubsystem_info")).count();
        assert_eq!(infos, 1);

        let missing = collector(&ENTRY, none, none, &[]).collect();
        assert!(missing.faults[0].is_no_data() && missing.families.is_empty(), "{:?}", missing.faults);
    }

    #[test]
    fn a_controller_that_went_away_is_no_path() {
        let sys = tempfile::tempdir().unwrap();
        let directory = sys.path().join("class/nvme-subsystem/nvme-subsys1");
        std::fs::create_dir_all(directory.join("nvme7")).unwrap();
        std::fs::create_dir_all(directory.join("power")).unwrap();
        let Collected { families, faults, .. } =
            collector(&ENTRY, "/nonexistent".as_ref(), sys.path(), &[]).collect();
        assert_eq!(
            values(&families),
            [
                r#"node_nvmesubsystem_info{subsystem="nvme-subsys1",nqn="",model="",serial="",iopolicy=""} 1"#,
                r#"node_nvmesubsystem_paths{subsystem="nvme-subsys1"} 0"#,
                r#"node_nvmesubsystem_paths_live{subsystem="nvme-subsys1"} 0"#,
            ]
        );
        assert_eq!(faults, []);
    }
}

//! What `/sys/devices/system/cpu` says about the CPUs (see the kernel's `ABI/testing/sysfs-devices-system-cpu`).
//!
//! Owns thermal throttles, and which CPUs are online or isolated.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::collector::{Collected, Fault};
use crate::family::{Family, Labels, Number};
use crate::host::cpu_list::cpu_list;
use crate::host::kept_file::{Buffer, KeptFile};
use crate::host::root::Root;
use crate::host::sysfs::{self, numbered, read_once};

/// What sysfs says about CPUs: found once, and again when the CPUs in `/proc/stat` are others.
pub(super) struct CpuDevices {
    directory: PathBuf,
    isolated: KeptFile,
    files: Files,
    /// What kept the last scan from finding everything; the next reading scans again.
    unfound: Vec<Fault>,
}

/// The files of each CPU, core and package.
#[derive(Default)]
struct Files {
    online: Vec<(Labels, KeptFile)>,
    cores: Vec<(Labels, KeptFile)>,
    packages: Vec<(Labels, KeptFile)>,
}

impl CpuDevices {
    /// Nothing is found before it is told for the first time that the CPUs are others.
    pub(super) fn new(root: &Root) -> Self {
        let directory = root.sys.join("devices/system/cpu");
        let isolated = KeptFile::attribute(directory.join("isolated"));
        Self { directory, isolated, files: Files::default(), unfound: Vec::new() }
    }

    /// `are_others`: the CPUs are not those of the last reading.
    pub(super) fn read(&mut self, are_others: bool, buffer: &mut Buffer) -> Collected {
        if are_others || !self.unfound.is_empty() {
            self.scan();
        }
        let mut collected = Collected::new(Vec::new(), self.unfound.clone());
        self.files.read(buffer, &mut collected);
        match isolated(&mut self.isolated, buffer) {
            Ok(family) => collected.families.extend(family),
            Err(fault) => collected.faults.push(fault),
        }
        collected
    }

    fn scan(&mut self) {
        self.unfound.clear();
        self.files = Files::find(&self.directory, &mut self.unfound);
    }
}

impl Files {
    /// Thermal throttles are counted for each core and each package, and every thread of them has the count: it is read from the first
    /// that has the file.
    fn find(directory: &Path, faults: &mut Vec<Fault>) -> Self {
        let cpus = numbered(directory, "cpu").unwrap_or_else(|fault| {
            faults.push(fault);
            Vec::new()
        });
        let mut cores = BTreeMap::new();
        let mut packages = BTreeMap::new();
        let mut online = Vec::new();
        for cpu in &cpus {
            let directory = directory.join(format!("cpu{cpu}"));
            online.push((
                Labels::new([("cpu", cpu.to_string())]),
                KeptFile::attribute(directory.join("online")),
            ));
            let mut number = |file: &str| {
                topology(&directory.join("topology").join(file)).unwrap_or_else(|fault| {
                    faults.push(fault);
                    None
                })
            };
            let (Some(package), Some(core)) = (number("physical_package_id"), number("core_id")) else {
                continue;
            };
            let count = |file: &str| {
                let path = directory.join("thermal_throttle").join(file);
                path.exists().then(|| KeptFile::attribute(path))
            };
            if !cores.contains_key(&(package, core))
                && let Some(file) = count("core_throttle_count")
            {
                cores.insert((package, core), file);
            }
            if !packages.contains_key(&package)
                && let Some(file) = count("package_throttle_count")
            {
                packages.insert(package, file);
            }
        }
        // CPU 0 usually cannot be taken offline; without its file there is no word about any, as in node_exporter.
        if !directory.join("cpu0/online").exists() {
            online.clear();
        }
        let package_label = |package: u64| ("package", package.to_string());
        let core_labels =
            |core: u64, package| Labels::new([("core", core.to_string()), package_label(package)]);
        Self {
            online,
            cores: cores
                .into_iter()
                .map(|((package, core), file)| (core_labels(core, package), file))
                .collect(),
            packages: packages
                .into_iter()
                .map(|(package, file)| (Labels::new([package_label(package)]), file))
                .collect(),
        }
    }

    /// A file without an answer leaves its sample out: a CPU may go offline at any moment.
    fn read(&mut self, buffer: &mut Buffer, collected: &mut Collected) {
        let mut read = |mut family: Family, files: &mut Vec<(Labels, KeptFile)>| {
            for (labels, file) in files {
                match count(file, buffer) {
                    Ok(Some(count)) => family.push(labels.clone(), count),
                    Ok(None) => {}
                    Err(fault) => collected.faults.push(fault),
                }
            }
            collected.families.push(family);
        };
        read(
            Family::gauge("node_cpu_online", "1 for each CPU that runs, 0 for one taken offline."),
            &mut self.online,
        );
        read(
            Family::counter(
                "node_cpu_core_throttles_total",
                "Number of times this CPU core has been throttled.",
            ),
            &mut self.cores,
        );
        read(
            Family::counter(
                "node_cpu_package_throttles_total",
                "Number of times this CPU package has been throttled.",
            ),
            &mut self.packages,
        );
    }
}

/// A CPU that is offline has no topology.
fn topology(path: &Path) -> Result<Option<u64>, Fault> {
    let Some(text) = read_once(path)? else { return Ok(None) };
    // The kernel says -1 where it does not know; what node_exporter cannot read as a number it leaves out.
    let number = text
        .parse::<i64>()
        .map_err(|_| Fault::new(format!("{}: expected a number, found {text:?}", path.display())))?;
    Ok(u64::try_from(number).ok())
}

fn count(file: &mut KeptFile, buffer: &mut Buffer) -> Result<Option<u64>, Fault> {
    let number = sysfs::number(file, buffer)?;
    match number {
        Some(Number::Whole(count)) => Ok(Some(count)),
        Some(Number::Real(number)) => Err(file.fault(&format!("expected a count, found {number}"))),
        None => Ok(None),
    }
}

/// Kernels without the file, and machines without isolated CPUs, have nothing to show.
fn isolated(file: &mut KeptFile, buffer: &mut Buffer) -> Result<Option<Family>, Fault> {
    let text = match file.read(buffer) {
        Ok(text) => text,
        Err(error) if error.is_absent() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut family = Family::gauge(
        "node_cpu_isolated",
        "Whether each core is isolated, information from /sys/devices/system/cpu/isolated.",
    );
    for cpu in cpu_list(text)? {
        family.push(Labels::new([("cpu", cpu.to_string())]), 1_u64);
    }
    Ok(Some(family))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::values;

    #[test]
    fn a_bad_file_costs_nothing_else_and_is_looked_for_again() {
        let directory = tempfile::tempdir().unwrap();
        let cpus = directory.path().join("devices/system/cpu");
        let write = |file: &str, text: &str| {
            std::fs::create_dir_all(cpus.join(file).parent().unwrap()).unwrap();
            std::fs::write(cpus.join(file), text).unwrap();
        };
        for (file, text) in [
            ("cpu0/topology/physical_package_id", "0\n"),
            ("cpu0/topology/core_id", "what\n"),
            ("cpu0/thermal_throttle/core_throttle_count", "5\n"),
            ("cpu1/topology/physical_package_id", "0\n"),
            ("cpu1/topology/core_id", "1\n"),
            ("cpu1/thermal_throttle/core_throttle_count", "7\n"),
            ("isolated", "what\n"),
        ] {
            write(file, text);
        }
        let sys = directory.path().into();
        let root = Root { proc: "/".into(), sys, rootfs: "/".into(), udev: "/".into() };
        let mut devices = CpuDevices::new(&root);
        devices.scan();
        let mut read = || {
            let Collected { families, faults, .. } = devices.read(false, &mut Buffer::default());
            (values(&families), faults.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        let second = r#"node_cpu_core_throttles_total{core="1",package="0"} 7"#;
        let (lines, faults) = read();
        assert_eq!(lines, [second]);
        assert!(faults.len() == 2 && faults[0].contains("cpu0/topology/core_id: "), "{faults:?}");
        assert!(faults[1].contains("list of CPUs"), "{faults:?}");

        write("cpu0/topology/core_id", "0\n");
        write("isolated", "1\n");
        let (lines, faults) = read();
        let first = r#"node_cpu_core_throttles_total{core="0",package="0"} 5"#;
        assert_eq!(lines, [first, second, r#"node_cpu_isolated{cpu="1"} 1"#]);
        assert_eq!(faults, [] as [&str; 0]);

        write("cpu1/thermal_throttle/core_throttle_count", "many\n");
        let (lines, faults) = read();
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(faults.len() == 1 && faults[0].contains("core_throttle_count: "), "{faults:?}");
    }
}

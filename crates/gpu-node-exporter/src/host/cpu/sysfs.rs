//! What `/sys/devices/system/cpu` tells about the CPUs (see the kernel's `ABI/testing/sysfs-devices-system-cpu`).
//!
//! Owns thermal throttles, and which CPUs are online or isolated.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::collector::Fault;
use crate::family::{Family, Labels};
use crate::host::root::{Buffer, KeptFile, Root, read_once};

/// What sysfs tells about CPUs: found once, and again when the CPUs in `/proc/stat` are others.
pub(super) struct Sysfs {
    directory: PathBuf,
    isolated: KeptFile,
    online: Vec<(Labels, KeptFile)>,
    cores: Vec<(Labels, KeptFile)>,
    packages: Vec<(Labels, KeptFile)>,
}

impl Sysfs {
    /// Nothing is found before the first [`Sysfs::scan`].
    pub(super) fn new(root: &Root) -> Self {
        let directory = root.sys.join("devices/system/cpu");
        let isolated = KeptFile::attribute(directory.join("isolated"));
        Self { directory, isolated, online: Vec::new(), cores: Vec::new(), packages: Vec::new() }
    }

    pub(super) fn read(&mut self, buffer: &mut Buffer) -> Result<Vec<Family>, Fault> {
        let mut families = self.counters(buffer);
        families.extend(isolated(&mut self.isolated, buffer)?);
        Ok(families)
    }

    /// Thermal throttles are counted for each core and each package, and told by every thread of them: the first one
    /// that has the file is read.
    pub(super) fn scan(&mut self) {
        let directory = &self.directory;
        let names =
            std::fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.file_name());
        let mut cpus: Vec<u32> =
            names.filter_map(|name| name.to_str()?.strip_prefix("cpu")?.parse().ok()).collect();
        cpus.sort_unstable();

        let mut cores = BTreeMap::new();
        let mut packages = BTreeMap::new();
        let mut online = Vec::new();
        for cpu in &cpus {
            let directory = directory.join(format!("cpu{cpu}"));
            online.push((
                Labels::new([("cpu", cpu.to_string())]),
                KeptFile::attribute(directory.join("online")),
            ));
            let number = |file: &str| read_once(&directory.join(file))?.parse::<u64>().ok();
            let (Some(package), Some(core)) =
                (number("topology/physical_package_id"), number("topology/core_id"))
            else {
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
        self.online = online;
        self.cores = cores
            .into_iter()
            .map(|((package, core), file)| {
                (Labels::new([("core", core.to_string()), package_label(package)]), file)
            })
            .collect();
        self.packages = packages
            .into_iter()
            .map(|(package, file)| (Labels::new([package_label(package)]), file))
            .collect();
    }

    /// A file that does not answer leaves its sample out: a CPU may go offline at any moment.
    fn counters(&mut self, buffer: &mut Buffer) -> Vec<Family> {
        let mut read = |mut family: Family, files: &mut Vec<(Labels, KeptFile)>| {
            for (labels, file) in files {
                if let Ok(Ok(value)) = file.read(buffer).map(|text| text.trim().parse::<u64>()) {
                    family.push(labels.clone(), value);
                }
            }
            family
        };
        vec![
            read(
                Family::gauge("node_cpu_online", "1 for each CPU that runs, 0 for one taken offline."),
                &mut self.online,
            ),
            read(
                Family::counter(
                    "node_cpu_core_throttles_total",
                    "Times the core was slowed down because of heat.",
                ),
                &mut self.cores,
            ),
            read(
                Family::counter(
                    "node_cpu_package_throttles_total",
                    "Times the package was slowed down because of heat.",
                ),
                &mut self.packages,
            ),
        ]
    }
}

/// Kernels without the file, and machines without isolated CPUs, have nothing to show.
fn isolated(file: &mut KeptFile, buffer: &mut Buffer) -> Result<Option<Family>, Fault> {
    let text = match file.read(buffer) {
        Ok(text) => text,
        Err(error) if error.is_absent() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut family = Family::gauge("node_cpu_isolated", "1 for each CPU that the scheduler leaves alone.");
    for cpu in cpu_list(text)? {
        family.push(Labels::new([("cpu", cpu.to_string())]), 1_u64);
    }
    Ok(Some(family))
}

/// The kernel's list format: `1,3-5,9`.
fn cpu_list(text: &str) -> Result<Vec<u32>, Fault> {
    let mut cpus = Vec::new();
    for range in text.trim().split(',').filter(|range| !range.is_empty()) {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        match (first.parse::<u32>(), last.parse::<u32>()) {
            // NR_CPUS is at most 8192; a wider range is garbage that must not fill the memory.
            (Ok(first), Ok(last)) if first <= last && last < 65_536 => cpus.extend(first..=last),
            _ => return Err(Fault::new(format!("cannot read the list of CPUs {:?}", text.trim()))),
        }
    }
    Ok(cpus)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::check_garbage;

    #[test]
    fn lists_of_cpus() {
        assert_eq!(cpu_list("1,3-5,9\n").unwrap(), [1, 3, 4, 5, 9]);
        assert!(cpu_list("\n").unwrap().is_empty());
    }

    #[test]
    fn garbage_is_a_fault() {
        check_garbage(cpu_list, &["a", "3-1", "1-", "0-4294967295", "1;2"]);
    }
}

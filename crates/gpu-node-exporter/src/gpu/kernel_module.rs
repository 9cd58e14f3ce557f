//! The NVIDIA driver's kernel module, from sysfs: it has to be of the same version as the library that asks it.

use std::path::Path;

/// The module as the kernel has it loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KernelModule {
    /// As `570.86.15`; modules without a version have no such file.
    pub(crate) version: Option<String>,
}

impl KernelModule {
    /// The module in `SYSFS/module/nvidia` (kernel documentation, ABI/stable/sysfs-module), if it is loaded.
    pub(crate) fn loaded(sysfs: &Path) -> Option<Self> {
        let directory = sysfs.join("module/nvidia");
        if !directory.is_dir() {
            return None;
        }
        let version = std::fs::read_to_string(directory.join("version")).ok();
        Some(Self { version: version.map(|version| version.trim().to_owned()) })
    }

    /// Its name and version, for people.
    pub(crate) fn name(&self) -> String {
        self.version.as_ref().map_or_else(
            || "kernel module nvidia".to_owned(),
            |version| format!("kernel module nvidia {version}"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn its_version_is_known_where_it_says_so() {
        let sysfs = tempfile::tempdir().expect("a folder");
        assert_eq!(KernelModule::loaded(sysfs.path()), None);
        fs::create_dir_all(sysfs.path().join("module/nvidia")).expect("a folder");
        let name = || KernelModule::loaded(sysfs.path()).expect("it is loaded").name();
        assert_eq!(name(), "kernel module nvidia");
        fs::write(sysfs.path().join("module/nvidia/version"), "550.54.15\n").expect("writable");
        assert_eq!(name(), "kernel module nvidia 550.54.15");
    }
}

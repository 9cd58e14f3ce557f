//! `SELinux`: whether it is on, and whether it enforces (see `selinux(8)`).
//!
//! Owns the modes. Leaves out the statistics of its caches.

use std::path::PathBuf;

use crate::collector::{Collected, Collector, Fault, WaitsFor};
use crate::family::{Family, Labels};
use crate::host::entry::Entry;
use crate::host::kept_file::{Buffer, KeptFile, ReadError, read_whole};
use crate::host::root::Root;
use crate::host::utf8::escaped;

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "selinux",
    help: "whether SELinux is on and enforces",
    reads: "selinuxfs, etc/selinux/config under --path.rootfs",
    is_default: true,
    waits_for: WaitsFor::FileSystems,
    flags: &[],
    new: |_, root| Box::new(SelinuxCollector::new(root)),
};

struct SelinuxCollector {
    enforce: KeptFile,
    context: PathBuf,
    /// An editor puts a new file in its place, so it is not kept open.
    config: PathBuf,
    buffer: Buffer,
}

impl SelinuxCollector {
    fn new(root: &Root) -> Self {
        Self {
            enforce: KeptFile::attribute(root.sys.join("fs/selinux/enforce")).of_some_machines(),
            context: root.proc.join("self/attr/current"),
            config: root.rootfs.join("etc/selinux/config"),
            buffer: Buffer::default(),
        }
    }

    /// `None` where `SELinux` is off: its file system is not mounted, or it has no policy yet and everything is of the kernel.
    fn current(&mut self) -> Result<Option<Mode>, Fault> {
        let current = match self.enforce.read(&mut self.buffer).map(str::trim) {
            Ok("1") => Mode::Enforcing,
            Ok("0") => Mode::Permissive,
            Ok(_) => return Err(self.enforce.fault("expected 0 or 1")),
            Err(error) if error.is_absent() => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let context = read_whole(&self.context).unwrap_or_default();
        let context = context.trim_ascii_end();
        Ok((context.strip_suffix(b"\0").unwrap_or(context) != b"kernel").then_some(current))
    }
}

/// Numbered as `SELinux` numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Enforcing = 1,
    Permissive = 0,
    Disabled = -1,
}

impl Collector for SelinuxCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        let current = match self.current() {
            Ok(current) => current,
            Err(fault) => return Collected::failed(fault),
        };
        let enabled = Family::gauge("node_selinux_enabled", "SELinux is enabled, 1 is true, 0 is false");
        let mut collected = Collected::complete(vec![enabled.with(Labels::NONE, current.is_some())]);
        let Some(current) = current else { return collected };
        let mode = |family: Family, mode: Mode| family.with(Labels::NONE, f64::from(mode as i8));
        match configured(read_whole(&self.config)) {
            Ok(configured) => collected.families.push(mode(
                Family::gauge("node_selinux_config_mode", "Configured SELinux enforcement mode"),
                configured,
            )),
            Err(fault) => collected.faults.push(fault),
        }
        collected.families.push(mode(
            Family::gauge("node_selinux_current_mode", "Current SELinux enforcement mode"),
            current,
        ));
        collected
    }
}

/// What the next boot will do: `SELINUX=enforcing` in the configuration. Without one it is off.
fn configured(config: Result<Vec<u8>, ReadError>) -> Result<Mode, Fault> {
    let config = match config {
        Ok(config) => config,
        Err(error) if error.is_absent() => return Ok(Mode::Disabled),
        Err(error) => return Err(error.into()),
    };
    let config = escaped(&config);
    let mut values = config.lines().filter_map(|line| line.trim().strip_prefix("SELINUX=").map(str::trim));
    Ok(match values.next_back() {
        Some("enforcing") => Mode::Enforcing,
        Some("permissive") => Mode::Permissive,
        _ => Mode::Disabled,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::values;

    fn shown(files: &[(&str, &str)]) -> (Vec<String>, usize) {
        let directory = tempfile::tempdir().unwrap();
        for (file, text) in files {
            let path = directory.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let under = |name: &str| directory.path().join(name);
        let root = Root { proc: under("proc"), sys: under("sys"), rootfs: under(""), udev: under("udev") };
        let Collected { families, faults, .. } = SelinuxCollector::new(&root).collect();
        (values(&families), faults.len())
    }

    const ENFORCES: (&str, &str) = ("sys/fs/selinux/enforce", "1");

    #[test]
    fn a_machine_without_selinux_says_so() {
        let off = (vec!["node_selinux_enabled 0".to_owned()], 0);
        assert_eq!(shown(&[]), off);
        assert_eq!(shown(&[ENFORCES, ("proc/self/attr/current", "kernel\0")]), off, "no policy is loaded");
    }

    #[test]
    fn what_is_configured_and_what_is_are_told_apart() {
        let check = |config: &str, mode: &str| {
            let context = ("proc/self/attr/current", "system_u:system_r:init_t:s0\0");
            let (lines, faults) = shown(&[ENFORCES, context, ("etc/selinux/config", config)]);
            let configured = format!("node_selinux_config_mode {mode}");
            assert_eq!(lines, ["node_selinux_enabled 1", &configured, "node_selinux_current_mode 1"]);
            assert_eq!(faults, 0);
        };
        check("# SELINUX=enforcing\nSELINUX=permissive\nSELINUXTYPE=targeted\n", "0");
        check("SELINUX=enforcing\n", "1");
        check("SELINUX=disabled\n", "-1");
        check("", "-1");
    }

    #[test]
    fn garbage_is_a_fault() {
        assert_eq!(shown(&[("sys/fs/selinux/enforce", "maybe")]), (vec![], 1));
    }
}

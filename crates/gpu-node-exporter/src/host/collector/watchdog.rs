//! Watchdog timers, from `/sys/class/watchdog` (see the kernel's `ABI/testing/sysfs-class-watchdog`).
//!
//! Owns what each timer says about itself. Leaves out feeding one: that is the service manager's.

use std::path::Path;

use crate::collector::{Collected, Collector, Fault, WaitsFor};
use crate::family::{Family, Labels};
use crate::host::entry::Entry;
use crate::host::kept_file::{Buffer, KeptFile};
use crate::host::root::Root;
use crate::host::sysfs::{Attribute, AttributeFiles, Devices, families, text};

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "watchdog",
    help: "watchdog timers",
    reads: "/sys/class/watchdog",
    is_default: true,
    // The time left is asked from the timer itself.
    waits_for: WaitsFor::Firmware,
    flags: &[],
    new: |_, root| Box::new(WatchdogCollector::new(root)),
};

static NUMBERS: [Attribute; 7] = [
    Attribute::gauge(
        "bootstatus",
        "node_watchdog_bootstatus",
        "Value of /sys/class/watchdog/<watchdog>/bootstatus",
    ),
    Attribute::gauge(
        "fw_version",
        "node_watchdog_fw_version",
        "Value of /sys/class/watchdog/<watchdog>/fw_version",
    ),
    Attribute::gauge(
        "nowayout",
        "node_watchdog_nowayout",
        "Value of /sys/class/watchdog/<watchdog>/nowayout",
    ),
    Attribute::gauge(
        "timeleft",
        "node_watchdog_timeleft_seconds",
        "Value of /sys/class/watchdog/<watchdog>/timeleft",
    ),
    Attribute::gauge(
        "timeout",
        "node_watchdog_timeout_seconds",
        "Value of /sys/class/watchdog/<watchdog>/timeout",
    ),
    Attribute::gauge(
        "pretimeout",
        "node_watchdog_pretimeout_seconds",
        "Value of /sys/class/watchdog/<watchdog>/pretimeout",
    ),
    Attribute::gauge(
        "access_cs0",
        "node_watchdog_access_cs0",
        "Value of /sys/class/watchdog/<watchdog>/access_cs0",
    ),
];

/// The files that are labels of the info series.
const TEXTS: [&str; 5] = ["options", "identity", "state", "status", "pretimeout_governor"];

struct WatchdogCollector {
    timers: Devices<Timer>,
    buffer: Buffer,
}

impl WatchdogCollector {
    fn new(root: &Root) -> Self {
        Self { timers: Devices::new(root.sys.join("class/watchdog")), buffer: Buffer::default() }
    }
}

impl Collector for WatchdogCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        let timers = match self.timers.find(|directory, name| Some(Timer::new(directory, name))) {
            Ok(timers) => timers,
            Err(error) => return Collected::failed(error.no_data_if_absent(ENTRY.name)),
        };
        let mut families = families(&NUMBERS);
        let mut info = Family::info("node_watchdog_info", "Info of /sys/class/watchdog/<watchdog>");
        let mut faults = Vec::new();
        for timer in timers {
            faults.extend(timer.numbers.read(&mut self.buffer, &mut families));
            match timer.info(&mut self.buffer) {
                Ok(labels) => info.push(labels, 1_u64),
                Err(fault) => faults.push(fault),
            }
        }
        families.push(info);
        Collected::new(families, faults)
    }
}

/// One timer's files.
struct Timer {
    name: String,
    numbers: AttributeFiles,
    /// In the order of [`TEXTS`].
    texts: [KeptFile; TEXTS.len()],
}

impl Timer {
    fn new(directory: &Path, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            numbers: AttributeFiles::new(&NUMBERS, directory, Labels::new([("name", name)])),
            texts: TEXTS.map(|file| KeptFile::attribute(directory.join(file))),
        }
    }

    /// A text that the timer does not have is an empty label.
    fn info(&mut self, buffer: &mut Buffer) -> Result<Labels, Fault> {
        let mut labels = vec![("name", self.name.clone())];
        for (label, file) in TEXTS.into_iter().zip(&mut self.texts) {
            labels.push((label, text(file, buffer)?.unwrap_or_default()));
        }
        Ok(Labels::new(labels))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::{collector, reading};

    fn shown(sys: &Path) -> (Vec<String>, Vec<String>) {
        reading(&mut *collector(&ENTRY, Path::new("/nonexistent"), sys, &[]))
    }

    #[test]
    fn what_a_timer_does_not_have_is_an_empty_label() {
        let sys = tempfile::tempdir().unwrap();
        let timer = sys.path().join("class/watchdog/watchdog0");
        std::fs::create_dir_all(&timer).unwrap();
        std::fs::write(timer.join("identity"), "iTCO_wdt\n").unwrap();
        std::fs::write(timer.join("timeout"), "30\n").unwrap();
        std::fs::write(timer.join("timeleft"), "soon\n").unwrap();
        let (lines, faults) = shown(sys.path());
        assert_eq!(
            lines,
            [
                r#"node_watchdog_timeout_seconds{name="watchdog0"} 30"#,
                r#"node_watchdog_info{name="watchdog0",options="",identity="iTCO_wdt",state="",status="",pretimeout_governor=""} 1"#,
            ]
        );
        assert!(faults.len() == 1 && faults[0].contains("timeleft: expected a number"), "{faults:?}");
    }

    #[test]
    fn a_machine_without_timers_is_told() {
        let (lines, faults) = shown(Path::new("/nonexistent"));
        assert_eq!(lines, [] as [&str; 0]);
        assert_eq!(faults, ["watchdog: there is no /nonexistent/class/watchdog"]);
    }
}

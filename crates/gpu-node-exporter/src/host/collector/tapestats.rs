//! Tape drives, from `/sys/class/scsi_tape` (see the kernel's `scsi/st.rst`).
//!
//! Owns their I/O counters. Each drive is there once for every way of using it (`nst0`, `st0a`…); the counters are those of
//! `st0`.

use std::path::Path;

use crate::collector::{Collected, Collector, WaitsFor};
use crate::family::Labels;
use crate::flags::{Flag, Flags};
use crate::host::entry::Entry;
use crate::host::filter::Filter;
use crate::host::kept_file::Buffer;
use crate::host::root::Root;
use crate::host::sysfs::{Attribute, AttributeFiles, Devices, families};

static IGNORED_DEVICES: Flag =
    Flag::regex("collector.tapestats.ignored-devices", "^$", "Tape drives that tapestats leaves out");

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "tapestats",
    help: "I/O of tape drives",
    reads: "/sys/class/scsi_tape",
    is_default: true,
    waits_for: WaitsFor::Nothing,
    flags: &[&IGNORED_DEVICES],
    new: |flags, root| Box::new(TapeCollector::new(flags, root)),
};

const NANOSECONDS: f64 = 1e-9;

static COUNTERS: [Attribute; 10] = [
    Attribute::gauge(
        "stats/in_flight",
        "node_tape_io_now",
        "The number of I/Os currently outstanding to this device.",
    ),
    Attribute::counter(
        "stats/io_ns",
        "node_tape_io_time_seconds_total",
        "The amount of time spent waiting for all I/O to complete (including read and write). This includes tape movement commands such as seeking between file or set marks and implicit tape movement such as when rewind on close tape devices are used.",
    )
    .times(NANOSECONDS),
    Attribute::counter(
        "stats/other_cnt",
        "node_tape_io_others_total",
        "The number of I/Os issued to the tape drive other than read or write commands. The time taken to complete these commands uses the following calculation io_time_seconds_total-read_time_seconds_total-write_time_seconds_total",
    ),
    Attribute::counter(
        "stats/read_byte_cnt",
        "node_tape_read_bytes_total",
        "The number of bytes read from the tape drive.",
    ),
    Attribute::counter(
        "stats/read_cnt",
        "node_tape_reads_completed_total",
        "The number of read requests issued to the tape drive.",
    ),
    Attribute::counter(
        "stats/read_ns",
        "node_tape_read_time_seconds_total",
        "The amount of time spent waiting for read requests to complete.",
    )
    .times(NANOSECONDS),
    Attribute::counter(
        "stats/resid_cnt",
        "node_tape_residual_total",
        "The number of times during a read or write we found the residual amount to be non-zero. This should mean that a program is issuing a read larger thean the block size on tape. For write not all data made it to tape.",
    ),
    Attribute::counter(
        "stats/write_byte_cnt",
        "node_tape_written_bytes_total",
        "The number of bytes written to the tape drive.",
    ),
    Attribute::counter(
        "stats/write_cnt",
        "node_tape_writes_completed_total",
        "The number of write requests issued to the tape drive.",
    ),
    Attribute::counter(
        "stats/write_ns",
        "node_tape_write_time_seconds_total",
        "The amount of time spent waiting for write requests to complete.",
    )
    .times(NANOSECONDS),
];

struct TapeCollector {
    filter: Filter,
    drives: Devices<AttributeFiles>,
    buffer: Buffer,
}

impl TapeCollector {
    fn new(flags: &mut Flags, root: &Root) -> Self {
        Self {
            filter: Filter { exclude: flags.regex(&IGNORED_DEVICES), include: None },
            drives: Devices::new(root.sys.join("class/scsi_tape")),
            buffer: Buffer::default(),
        }
    }
}

impl Collector for TapeCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        let is_shown = |name: &str| is_drive(name) && self.filter.keeps(name);
        let open = |directory: &Path, name: &str| {
            let files = || AttributeFiles::new(&COUNTERS, directory, Labels::new([("device", name)]));
            is_shown(name).then(files)
        };
        let drives = match self.drives.find(open) {
            Ok(drives) => drives,
            Err(error) => return Collected::failed(error.no_data_if_absent(ENTRY.name)),
        };
        let mut families = families(&COUNTERS);
        let mut faults = Vec::new();
        for drive in drives {
            faults.extend(drive.read(&mut self.buffer, &mut families));
        }
        Collected::new(families, faults)
    }
}

/// `st0`, not `nst0` or `st0a`.
fn is_drive(name: &str) -> bool {
    name.strip_prefix("st")
        .is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::{collector, values};

    #[test]
    fn each_drive_is_shown_once_and_an_odd_file_costs_itself() {
        let sys = tempfile::tempdir().unwrap();
        for drive in ["st0", "nst0", "st0a", "st1"] {
            let directory = sys.path().join("class/scsi_tape").join(drive).join("stats");
            std::fs::create_dir_all(&directory).unwrap();
            std::fs::write(directory.join("read_byte_cnt"), "18446744073709551615\n").unwrap();
            std::fs::write(directory.join("io_ns"), "1500000000\n").unwrap();
            std::fs::write(directory.join("in_flight"), "few\n").unwrap();
        }
        let ignored = ["--collector.tapestats.ignored-devices=1$"];
        let collected = collector(&ENTRY, "/nonexistent".as_ref(), sys.path(), &ignored).collect();
        assert_eq!(
            values(&collected.families),
            [
                r#"node_tape_io_time_seconds_total{device="st0"} 1.5"#,
                r#"node_tape_read_bytes_total{device="st0"} 18446744073709551615"#,
            ]
        );
        assert_eq!(collected.faults.len(), 1, "{:?}", collected.faults);
    }

    #[test]
    fn a_machine_without_drives_is_told() {
        let none = Path::new("/nonexistent");
        let faults = collector(&ENTRY, none, none, &[]).collect().faults;
        assert!(faults.len() == 1 && faults[0].is_no_data(), "{faults:?}");
    }
}

//! Disks, from `/proc/diskstats` (see the kernel's `admin-guide/iostats.rst`), with what udev knows about them.
//!
//! Owns I/O counters and the info series. Parsed by hand: procfs's type takes a garbled discard column for an absent
//! one. What is known about each disk is `diskstats/disk.rs`'s, and what udev's database holds `diskstats/udev.rs`'s. Both
//! are asked from a thread that can be left behind: a queue's attribute waits while its driver does, and the counters do not.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use crate::collector::{Collected, Collector, Fault, WaitsFor};
use crate::detached::{Detached, Patience};
use crate::family::{Family, Kind, Labels};
use crate::flags::Flag;
use crate::host::entry::Entry;
use crate::host::filter::Filter;
use crate::host::lines::{Lines, lines};
use crate::host::proc_file::ProcFile;
use crate::host::root::Root;

mod disk;
mod udev;

use disk::{DeviceNumber, Disk};

static EXCLUDE: Flag = Flag::regex(
    "collector.diskstats.device-exclude",
    r"^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$",
    "Disks to leave out (not together with device-include)",
)
.formerly(&["collector.diskstats.ignored-devices"]);
static INCLUDE: Flag = Flag::regex("collector.diskstats.device-include", "", "The only disks to show");

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "diskstats",
    help: "I/O and properties of disks",
    reads: "/proc/diskstats, udev's database",
    is_default: true,
    waits_for: WaitsFor::Nothing,
    flags: &[&EXCLUDE, &INCLUDE],
    new: |flags, root| {
        let filter = Filter::new(flags, &EXCLUDE, &INCLUDE);
        let shown = Shown::new(filter, root);
        Box::new(DiskCollector { file: ProcFile::new(root, "diskstats"), shown })
    },
};

struct DiskCollector {
    file: ProcFile,
    shown: Shown,
}

impl Collector for DiskCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        match self.file.read().map(parse) {
            Ok(Lines { read, mut faults }) => {
                let (disks, of_disks) = self.shown.of(&read);
                faults.extend(of_disks);
                Collected::new(families(&disks), faults)
            }
            Err(error) => Collected::failed(error.into()),
        }
    }
}

/// "Sectors" are 512 bytes here, whatever the disk's own sectors are (`admin-guide/iostats.rst`).
const SECTOR_BYTES: f64 = 512.0;
const SECONDS_PER_TICK: f64 = 1.0 / 1000.0;

/// A counter's column: its name, what it is called here, and one unit of it.
struct Column {
    name: &'static str,
    help: &'static str,
    kind: Kind,
    /// `None` is a plain count.
    unit: Option<f64>,
}

const fn count(name: &'static str, help: &'static str) -> Column {
    Column { name, help, kind: Kind::Counter, unit: None }
}

const fn bytes(name: &'static str, help: &'static str) -> Column {
    Column { name, help, kind: Kind::Counter, unit: Some(SECTOR_BYTES) }
}

const fn seconds(name: &'static str, help: &'static str) -> Column {
    Column { name, help, kind: Kind::Counter, unit: Some(SECONDS_PER_TICK) }
}

/// The columns after the device's name. Discards came with Linux 4.18, flushes with 5.5: older kernels' lines end
/// earlier, and what they do not count is absent.
const COLUMNS: [Column; 17] = [
    count("node_disk_reads_completed_total", "The total number of reads completed successfully."),
    count("node_disk_reads_merged_total", "The total number of reads merged."),
    bytes("node_disk_read_bytes_total", "The total number of bytes read successfully."),
    seconds("node_disk_read_time_seconds_total", "The total number of seconds spent by all reads."),
    count("node_disk_writes_completed_total", "The total number of writes completed successfully."),
    count("node_disk_writes_merged_total", "The number of writes merged."),
    bytes("node_disk_written_bytes_total", "The total number of bytes written successfully."),
    seconds("node_disk_write_time_seconds_total", "This is the total number of seconds spent by all writes."),
    Column {
        name: "node_disk_io_now",
        help: "The number of I/Os currently in progress.",
        kind: Kind::Gauge,
        unit: None,
    },
    seconds("node_disk_io_time_seconds_total", "Total seconds spent doing I/Os."),
    seconds("node_disk_io_time_weighted_seconds_total", "The weighted # of seconds spent doing I/Os."),
    count("node_disk_discards_completed_total", "The total number of discards completed successfully."),
    count("node_disk_discards_merged_total", "The total number of discards merged."),
    count("node_disk_discarded_sectors_total", "The total number of sectors discarded successfully."),
    seconds(
        "node_disk_discard_time_seconds_total",
        "This is the total number of seconds spent by all discards.",
    ),
    count("node_disk_flush_requests_total", "The total number of flush requests completed successfully"),
    seconds(
        "node_disk_flush_requests_time_seconds_total",
        "This is the total number of seconds spent by all flush requests.",
    ),
];

/// Lines of Linux 2.6 and later have at least the columns up to the weighted time.
const LEAST_COLUMNS: usize = 11;

/// One line of the file.
#[derive(Debug)]
struct Line<'text> {
    device: &'text str,
    number: DeviceNumber,
    counts: [u64; COLUMNS.len()],
    columns: usize,
}

fn parse(text: &str) -> Lines<Line<'_>> {
    lines("diskstats", text, parse_line)
}

fn parse_line(line: &str) -> Option<Line<'_>> {
    let mut words = line.split_ascii_whitespace();
    let number = DeviceNumber(words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let device = words.next()?;
    let mut counts = [0; COLUMNS.len()];
    let mut columns = 0;
    for (count, word) in counts.iter_mut().zip(words) {
        *count = word.parse().ok()?;
        columns += 1;
    }
    (columns >= LEAST_COLUMNS).then_some(Line { device, number, counts, columns })
}

/// The disks of the last reading: the filter is asked, and udev's database read, when a disk is new.
struct Shown {
    filter: Filter,
    details: Detached<(String, DeviceNumber), Disk>,
    /// `None` for a disk that the filter leaves out.
    disks: HashMap<String, Option<Known>>,
}

/// A disk that is shown.
struct Known {
    device: Labels,
    /// `None` while udev's files or the attributes of its queue do not answer.
    disk: Option<Disk>,
}

/// udev's database and sysfs are in memory. Together with the pause after it this is less than a second, after which the
/// whole collector would count as one that hangs.
const PATIENCE: Patience = Patience { first: Duration::from_millis(500), next: Duration::from_millis(20) };

impl Shown {
    fn new(filter: Filter, root: &Root) -> Self {
        let root = root.clone();
        let find = move |(device, number): &(String, DeviceNumber)| {
            Disk::find(&root, device, *number, Instant::now())
        };
        Self { filter, details: Detached::new("read-disk", PATIENCE, find), disks: HashMap::new() }
    }

    /// The lines that pass the filter, each with what is known about its disk, and what could not be read about them.
    fn of<'a>(&'a mut self, lines: &'a [Line<'_>]) -> (Vec<(&'a Line<'a>, &'a Known)>, Vec<Fault>) {
        let now = Instant::now();
        let devices: HashSet<&str> = lines.iter().map(|line| line.device).collect();
        self.disks.retain(|device, _| devices.contains(device.as_str()));
        self.details.forget(|(device, _)| !devices.contains(device.as_str()));
        let mut unknown = Vec::new();
        for line in lines {
            if !self.disks.contains_key(line.device) {
                let device = Labels::new([("device", line.device)]);
                let known = self.filter.keeps(line.device).then_some(Known { device, disk: None });
                self.disks.insert(line.device.to_owned(), known);
            }
            let known = self.disks.get(line.device).and_then(Option::as_ref);
            if let Some(Known { disk, .. }) = known
                && !disk.as_ref().is_some_and(|disk| disk.is_known(line.number, now))
            {
                unknown.push((line.device.to_owned(), line.number));
            }
        }
        for ((device, _), disk) in unknown.clone().into_iter().zip(self.details.ask(unknown)) {
            if let Some(Some(known)) = self.disks.get_mut(&device) {
                known.disk = disk;
            }
        }
        // Disks are seldom new.
        self.details.end_idle_thread();
        let shown = lines.iter().filter_map(|line| Some((line, self.disks.get(line.device)?.as_ref()?)));
        let shown: Vec<_> = shown.collect();
        let mut faults = Vec::new();
        for (line, known) in &shown {
            match &known.disk {
                Some(disk) => faults.extend(disk.faults.iter().cloned()),
                None => faults.push(Fault::new(format!(
                    "what udev and sysfs say about the disk `{}` did not come in time",
                    line.device
                ))),
            }
        }
        (shown, faults)
    }
}

fn families(disks: &[(&Line<'_>, &Known)]) -> Vec<Family> {
    let mut families = Vec::with_capacity(COLUMNS.len() + 6);
    for (index, column) in COLUMNS.iter().enumerate() {
        let mut family = match column.kind {
            Kind::Gauge => Family::gauge(column.name, column.help),
            _ => Family::counter(column.name, column.help),
        };
        for (line, known) in disks.iter().filter(|(line, _)| index < line.columns) {
            let count = line.counts[index];
            match column.unit {
                Some(unit) => family.push(known.device.clone(), count as f64 * unit),
                None => family.push(known.device.clone(), count),
            }
        }
        families.push(family);
    }

    let mut info = Family::info("node_disk_info", "Info of /sys/block/<block_device>.");
    let mut filesystem = Family::info("node_disk_filesystem_info", "Info about disk filesystem.");
    let mut device_mapper = Family::info("node_disk_device_mapper_info", "Info about disk device mapper.");
    let mut ata: Vec<Family> = udev::ATA.iter().map(|(_, name, help)| Family::gauge(*name, *help)).collect();
    for (_, known) in disks {
        let Some(disk) = &known.disk else { continue };
        info.push(disk.info.clone(), 1_u64);
        for (family, labels) in
            [(&mut filesystem, &disk.filesystem), (&mut device_mapper, &disk.device_mapper)]
        {
            if let Some(labels) = labels {
                family.push(labels.clone(), 1_u64);
            }
        }
        for (name, value) in &disk.ata {
            if let Some(family) = ata.iter_mut().find(|family| family.name == *name) {
                family.push(known.device.clone(), *value);
            }
        }
    }
    families.extend([info, filesystem, device_mapper]);
    families.append(&mut ata);
    families
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::{check_garbage, values};

    const SDC: &str = "   8      32 sdc 126552 141 1657779 14 11822 1895 172905 1007 0 10730 17070 18851 0 125173784 11130 1555 1944\n";

    fn shown(text: &str) -> Vec<String> {
        let root = Root {
            proc: "/".into(),
            sys: "/nonexistent".into(),
            rootfs: "/".into(),
            udev: "/nonexistent".into(),
        };
        let exclude = regex_lite::Regex::new("^ram").unwrap();
        let mut shown = Shown::new(Filter { exclude: Some(exclude), include: None }, &root);
        values(&families(&shown.of(&parse(text).read).0))
    }

    #[test]
    fn units_are_bytes_and_seconds() {
        let lines = shown(SDC);
        for expected in [
            "node_disk_reads_completed_total{device=\"sdc\"} 126552",
            "node_disk_read_bytes_total{device=\"sdc\"} 848782848",
            "node_disk_io_time_seconds_total{device=\"sdc\"} 10.73",
            "node_disk_discarded_sectors_total{device=\"sdc\"} 125173784",
            "node_disk_flush_requests_time_seconds_total{device=\"sdc\"} 1.944",
        ] {
            assert!(lines.iter().any(|line| line == expected), "{expected} is not in {lines:#?}");
        }
    }

    #[test]
    fn what_an_older_kernel_does_not_count_is_absent() {
        let lines = shown("8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n1 0 ram0 1 2 3 4 5 6 7 8 9 10 11\n");
        assert_eq!(lines.iter().filter(|line| line.contains("_total")).count(), 10);
        assert!(!lines.iter().any(|line| line.contains("discard") || line.contains("ram0")), "{lines:#?}");
    }

    #[test]
    fn an_odd_line_costs_itself() {
        let check = |text: &str, read: usize, fault: &str| {
            let lines = parse(text);
            let faults: Vec<_> = lines.faults.iter().map(ToString::to_string).collect();
            assert_eq!((lines.read.len(), faults), (read, vec![fault.to_owned()]));
        };
        check(
            include_str!("../testdata/odd_lines/diskstats_old_partition_line"),
            1,
            "diskstats: cannot read line 2: `   8       1 sda1 1 2 3 4`",
        );
        check(
            include_str!("../testdata/odd_lines/diskstats_nul_padded"),
            51,
            &format!("diskstats: cannot read line 52: `{}…`", "\u{fffd}".repeat(60)),
        );
    }

    #[test]
    fn garbage_is_a_fault() {
        check_garbage(
            |text| parse(text).faults,
            &[
                "\n",
                "8 0 sda",
                "8 0 sda 1 2 3 4 5 6 7 8 9 10",
                "8 x sda 1 2 3 4 5 6 7 8 9 10 11",
                "8 0 sda 1 2 3 4 5 6 7 8 9 10 -11",
                "8 0 sda 1 2 3 4 5 6 7 8 9 10 11 x",
            ],
        );
    }
}

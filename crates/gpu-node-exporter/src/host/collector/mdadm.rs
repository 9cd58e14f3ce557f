//! Software RAID, from `/proc/mdstat` and `/sys/block/md*/md` (see the kernel's `admin-guide/md.rst`).
//!
//! Owns state, disks and progress of each array. `/proc/mdstat` says what becomes of an array in words for people; `parse` has the
//! rules.

use std::time::Instant;

use crate::collector::{Collected, Collector, Fault, WaitsFor};
use crate::family::{Family, Labels, Number};
use crate::host::entry::Entry;
use crate::host::inventory::{Inventory, Item};
use crate::host::kept_file::{Buffer, KeptFile};
use crate::host::lines::{Lines, numbered_lines};
use crate::host::number_files::{number, text};
use crate::host::proc_file::ProcFile;
use crate::host::root::Root;

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "mdadm",
    help: "software RAID",
    reads: "/proc/mdstat, /sys/block/md*/md",
    is_default: true,
    waits_for: WaitsFor::Nothing,
    flags: &[],
    new: |_, root| Box::new(RaidCollector::new(root)),
};

struct RaidCollector {
    mdstat: ProcFile,
    inventory: Inventory<Vec<Array>>,
    buffer: Buffer,
}

impl RaidCollector {
    fn new(root: &Root) -> Self {
        let inventory = Inventory::new(root.sys.join("block"));
        Self {
            mdstat: ProcFile::new(root, "mdstat").known(KeptFile::of_some_machines),
            inventory,
            buffer: Buffer::default(),
        }
    }
}

impl Collector for RaidCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        let mut collected = match self.mdstat.read() {
            Ok(text) => {
                let Lines { read, faults } = parse(text);
                Collected::new(families(&read), faults)
            }
            Err(error) => return Collected::failed(error.no_data_if_absent(ENTRY.name)),
        };
        match self.inventory.look(Instant::now(), arrays) {
            Ok(arrays) => collected.extend(read_arrays(arrays, &mut self.buffer)),
            Err(error) if error.is_absent() => {}
            Err(error) => collected.faults.push(error.into()),
        }
        collected
    }
}

/// What `/proc/mdstat` says of one array.
#[derive(Debug, PartialEq)]
struct Status<'text> {
    name: &'text str,
    /// The word of the state in [`STATES`]; another for states that have no series.
    state: &'text str,
    /// Of an array that is not active, nothing is known of its disks: 0, as in `node_exporter`.
    active: u64,
    required: u64,
    failed: u64,
    spare: u64,
    /// In the blocks of 1024 bytes that the file counts in.
    blocks: u64,
    /// `None` when the file does not say.
    synced: Option<u64>,
}

/// The states that have a series, with the words of the file.
const STATES: [(&str, &str); 5] = [
    ("active", "active"),
    ("inactive", "inactive"),
    ("recovering", "recovery"),
    ("resync", "resync"),
    ("check", "check"),
];

fn parse(text: &str) -> Lines<Status<'_>> {
    let has_head = text.starts_with("Personalities :");
    let mut sections = sections(text).peekable();
    if has_head && sections.peek().is_none() {
        return Lines { read: Vec::new(), faults: Vec::new() };
    }
    numbered_lines("mdstat", sections, parse_section)
}

/// The lines of each array as one text, with the place of the first: the others begin with blanks.
fn sections(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_first = |line: &str| {
        let is_of_all = line.starts_with("Personalities :") || line.starts_with("unused devices:");
        !line.starts_with([' ', '\t']) && !line.trim().is_empty() && !is_of_all
    };
    let mut rest = text;
    let mut place = 0;
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let first = rest.split_inclusive('\n').next().unwrap_or_default();
            let of_it = |line: &&str| line.starts_with([' ', '\t']);
            let more = rest[first.len()..].split_inclusive('\n').take_while(of_it);
            let (count, bytes) =
                more.fold((1, first.len()), |(count, bytes), line| (count + 1, bytes + line.len()));
            let (section, after) = rest.split_at(bytes);
            let at = place;
            (rest, place) = (after, place + count);
            if is_first(first) {
                return Some((at, section));
            }
        }
        None
    })
}

/// `md6 : active raid1 sdb2[2](F) sdc[1](S) sda2[0]`, `195310144 blocks [2/1] [U_]`, and a line while it is synchronised.
fn parse_section(section: &str) -> Option<Status<'_>> {
    let mut lines = section.lines();
    let (device, status) = (lines.next()?, lines.next()?);
    let mut words = device.split_ascii_whitespace();
    let (name, state) = (words.next()?, words.nth(1)?);
    let blocks = status.split_ascii_whitespace().next()?.parse().ok()?;
    let is_plain = words.any(|word| matches!(word, "raid0" | "linear"));
    let (required, active) = if is_plain {
        // Each disk has its number in brackets, and none can be missed.
        let disks = device.matches('[').count() as u64;
        (disks, disks)
    } else if state == "inactive" {
        (0, 0)
    } else {
        let of_disks = |word: &str| word.strip_prefix('[')?.strip_suffix(']')?.split_once('/').map(pair)?;
        status.split_ascii_whitespace().find_map(of_disks)?
    };
    let progress = lines.find(|line| !line.contains("bitmap")).unwrap_or_default();
    let doing = ["recovery", "reshape", "check", "resync"].into_iter().find(|word| progress.contains(word));
    let synced = match doing {
        None => Some(blocks),
        Some(_) if ["PENDING", "DELAYED"].iter().any(|word| progress.contains(word)) => Some(0),
        Some(_) => done(progress),
    };
    Some(Status {
        name,
        state: doing.unwrap_or(state),
        active,
        required,
        failed: device.matches("(F)").count() as u64,
        spare: device.matches("(S)").count() as u64,
        blocks,
        synced,
    })
}

fn pair((one, other): (&str, &str)) -> Option<(u64, u64)> {
    Some((one.parse().ok()?, other.parse().ok()?))
}

/// The blocks that are done of `recovery =  8.5% (16775552/195310144) finish=17.0min`.
fn done(progress: &str) -> Option<u64> {
    let (_, rest) = progress.split_once('(')?;
    let (done, _) = rest.split_once(')')?.0.split_once('/').map(pair)??;
    Some(done)
}

fn families(arrays: &[Status<'_>]) -> Vec<Family> {
    let mut required = Family::gauge("node_md_disks_required", "Total number of disks of device.");
    let mut disks = Family::gauge("node_md_disks", "Number of active/failed/spare disks of device.");
    let mut states = Family::gauge("node_md_state", "Indicates the state of md-device.");
    let mut blocks = Family::gauge("node_md_blocks", "Total number of blocks on device.");
    let mut synced = Family::gauge("node_md_blocks_synced", "Number of blocks synced on device.");
    for array in arrays {
        let labels = Labels::new([("device", array.name)]);
        for (state, count) in [("active", array.active), ("failed", array.failed), ("spare", array.spare)] {
            disks.push(labels.and([("state", state)]), count);
        }
        for (state, word) in STATES {
            states.push(labels.and([("state", state)]), array.state == word);
        }
        required.push(labels.clone(), array.required);
        blocks.push(labels.clone(), array.blocks);
        if let Some(done) = array.synced {
            synced.push(labels, done);
        }
    }
    vec![required, disks, states, blocks, synced]
}

/// The files of one array in sysfs.
struct Array {
    labels: Labels,
    level: KeptFile,
    disks: KeptFile,
    degraded: KeptFile,
}

/// How many disks an array has when it is whole, and how many of them it lacks.
struct Disks {
    has: Option<u64>,
    lacks: Option<Number>,
}

fn arrays(items: Vec<Item>) -> Vec<Array> {
    let is_array = |item: &Item| item.name.starts_with("md") && item.directory.join("md").is_dir();
    let array = |item: Item| {
        let file = |file: &str| KeptFile::attribute(item.directory.join("md").join(file));
        let labels = Labels::new([("device", &item.name)]);
        Array { labels, level: file("level"), disks: file("raid_disks"), degraded: file("degraded") }
    };
    items.into_iter().filter(is_array).map(array).collect()
}

fn read_arrays(arrays: &mut [Array], buffer: &mut Buffer) -> Collected {
    let mut disks = Family::gauge("node_md_raid_disks", "Number of raid disks on device.");
    let mut degraded = Family::gauge("node_md_degraded", "Number of degraded disks on device.");
    let mut faults = Vec::new();
    for array in arrays {
        match array.read(buffer) {
            Ok(Some(Disks { has, lacks })) => {
                if let Some(has) = has {
                    disks.push(array.labels.clone(), has);
                }
                if let Some(lacks) = lacks {
                    degraded.push(array.labels.clone(), lacks);
                }
            }
            Ok(None) => {}
            Err(fault) => faults.push(fault),
        }
    }
    Collected::new(vec![disks, degraded], faults)
}

impl Array {
    /// `None` when it went away.
    fn read(&mut self, buffer: &mut Buffer) -> Result<Option<Disks>, Fault> {
        let Some(level) = text(&mut self.level, buffer)? else { return Ok(None) };
        let disks = match level.as_str() {
            // What holds the metadata of other arrays has no disks of its own.
            "" | "container" | "imsm" | "ddf" => None,
            _ => match text(&mut self.disks, buffer)?.filter(|text| !text.is_empty()) {
                Some(text) => {
                    Some(raid_disks(&text).ok_or_else(|| self.disks.fault("expected a number of disks"))?)
                }
                None => None,
            },
        };
        let degraded = match level.as_str() {
            "raid1" | "raid4" | "raid5" | "raid6" | "raid10" => number(&mut self.degraded, buffer)?,
            // No disk of the others can be missed.
            _ => Some(Number::Whole(0)),
        };
        Ok(Some(Disks { has: disks, lacks: degraded }))
    }
}

/// `11`, and `11 (10)` while an array that had ten grows.
fn raid_disks(text: &str) -> Option<u64> {
    let (now, before) = text.split_once(' ').unwrap_or((text, "(0)"));
    before.strip_prefix('(')?.strip_suffix(')')?.parse::<u64>().ok()?;
    now.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::{check_garbage, collector, values};

    const HEAD: &str = "Personalities : [raid1]\n\n";

    #[track_caller]
    fn check(lines: &str, expected: &Status<'_>) {
        let text = format!("{HEAD}{lines}\nunused devices: <none>\n");
        let Lines { read, faults } = parse(&text);
        assert_eq!(faults, [], "{lines}");
        assert_eq!(read, [Status { name: expected.name, state: expected.state, ..*expected }]);
    }

    #[test]
    fn arrays_are_read_while_they_are_synchronised_and_when_they_are_not_active() {
        let idle = Status {
            name: "md1",
            state: "active",
            active: 1,
            required: 2,
            failed: 1,
            spare: 1,
            blocks: 100,
            synced: Some(100),
        };
        let device =
            "md1 : active raid1 sdb2[2](F) sdc[1](S) sda2[0]\n      100 blocks super 1.2 [2/1] [U_]\n";
        check(device, &idle);
        check(&format!("{device}      bitmap: 0/30 pages [0KB], 65536KB chunk\n"), &idle);
        let progress = |line: &str| format!("{device}      bitmap: 0/30 pages\n      {line}\n");
        let state = |state, synced| Status { state, synced, ..idle };
        check(&progress("[=>....]  recovery =  8.5% (7/100) finish=17.0min"), &state("recovery", Some(7)));
        check(&progress("[=>....]  reshape =  8.5% (8/100) finish=17.0min"), &state("reshape", Some(8)));
        check(&progress("resync=DELAYED"), &state("resync", Some(0)));
        check(&progress("resync=REMOTE"), &state("resync", None));
        let stopped = Status { state: "inactive", active: 0, required: 0, failed: 0, spare: 3, ..idle };
        check(
            "md1 : inactive sdb[2](S) sdc[1](S) sda[0](S)\n      100 blocks super external:imsm\n",
            &stopped,
        );
    }

    #[test]
    fn a_machine_without_arrays_has_no_fault() {
        let Lines { read, faults } = parse("Personalities : \nunused devices: <none>\n");
        assert_eq!((read, faults), (vec![], vec![]));
    }

    #[test]
    fn an_odd_array_costs_itself() {
        let good = "md2 : active raid0 sda[0] sdb[1]\n      9 blocks super 1.2 512k chunks\n";
        let text = format!("{HEAD}md1 : active raid1 sda[0]\n      ? blocks\n\n{good}");
        let Lines { read, faults } = parse(&text);
        assert_eq!(read.iter().map(|array| (array.name, array.active)).collect::<Vec<_>>(), [("md2", 2)]);
        assert_eq!(faults.len(), 1);
        assert!(
            faults[0].to_string().starts_with("mdstat: cannot read line 3: `md1 : active raid1"),
            "{faults:?}"
        );
    }

    #[test]
    fn arrays_in_sysfs_are_read_by_their_level() {
        let (proc, sys) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(proc.path().join("mdstat"), HEAD).unwrap();
        let arrays = [
            ("md0", "raid5", "11 (10)", "1"),
            ("md1", "container", "0", "x"),
            ("md2", "raid1", "", "many"),
            ("sda", "raid1", "1", "1"),
        ];
        for (name, level, disks, degraded) in arrays {
            let directory = sys.path().join("block").join(name).join("md");
            std::fs::create_dir_all(&directory).unwrap();
            for (file, text) in [("level", level), ("raid_disks", disks), ("degraded", degraded)] {
                std::fs::write(directory.join(file), format!("{text}\n")).unwrap();
            }
        }
        std::fs::create_dir(sys.path().join("block/md_d3")).unwrap();
        let Collected { families, faults, .. } = collector(&ENTRY, proc.path(), sys.path(), &[]).collect();
        assert_eq!(
            values(&families),
            [
                r#"node_md_raid_disks{device="md0"} 11"#,
                r#"node_md_degraded{device="md0"} 1"#,
                r#"node_md_degraded{device="md1"} 0"#
            ]
        );
        assert_eq!(faults.len(), 1);
        assert!(
            faults[0].to_string().ends_with("md2/md/degraded: expected a number, found `many`"),
            "{faults:?}"
        );
    }

    #[test]
    fn garbage_is_a_fault() {
        check_garbage(
            |text| parse(text).faults,
            &[
                "",
                "x\n",
                "md1 : active raid1 sda[0]\n",
                "md1 : active raid1 sda[0]\n 1 blocks [2\n",
                "md1 :\n 1 blocks [2/2]\n",
            ],
        );
    }
}

//! Mounts of NFS as their client counts them, from `/proc/self/mountstats` (see `proc_pid_mountstats(5)` and
//! `mountstats(8)`).
//!
//! `mountstats/columns.rs` has the families, `mountstats/mounts.rs` reads the files. Owns which mounts share their numbers:
//! those of one export, protocol and server, which are shown once. `nfs` has the sums of all mounts.

mod columns;
mod mounts;

use std::collections::HashSet;

use crate::collector::{Collected, Collector, WaitsFor};
use crate::family::{Family, Labels};
use crate::host::entry::Entry;
use crate::host::proc_file::ProcFile;
use columns::{AGE, BYTES, EVENTS, OPERATION, TRANSPORT};
use mounts::{Mount, Servers, mounts};

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "mountstats",
    help: "mounts of NFS",
    reads: "/proc/self/mountstats, /proc/self/mountinfo",
    is_default: false,
    waits_for: WaitsFor::FileSystems,
    flags: &[],
    new: |_, root| {
        Box::new(MountstatsCollector {
            stats: ProcFile::at_most(root, "self/mountstats", MOST),
            info: ProcFile::new(root, "self/mountinfo"),
        })
    },
};

/// A mount has some 6 KB: 5,000 of them fit.
const MOST: usize = 32 * 1024 * 1024;

struct MountstatsCollector {
    stats: ProcFile,
    info: ProcFile,
}

impl Collector for MountstatsCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        let stats = match self.stats.read() {
            Ok(text) => text,
            Err(error) => return Collected::failed(error.into()),
        };
        let (mounts, mut faults) = mounts(stats);
        match self.info.read() {
            Ok(text) => {
                let (servers, odd) = Servers::read(text);
                faults.extend(odd);
                Collected::new(families(&mounts, &servers), faults)
            }
            Err(error) => Collected::failed(error.into()),
        }
    }
}

/// All families, being filled mount by mount.
struct Families {
    info: Family,
    age: Family,
    bytes: Vec<Family>,
    events: Vec<Option<Family>>,
    transports: Vec<Option<Family>>,
    operations: Vec<Family>,
}

fn families(mounts: &[Mount<'_>], servers: &Servers<'_>) -> Vec<Family> {
    let empty = |columns: &[Option<columns::Column>]| {
        columns.iter().map(|column| column.map(columns::Column::family)).collect()
    };
    let mut families = Families {
        info: Family::info("node_mountstats_nfs_mountpoint_info", "Info metric for an NFS mountpoint."),
        age: AGE.family(),
        bytes: BYTES.iter().map(|column| column.family()).collect(),
        events: empty(&EVENTS),
        transports: empty(&TRANSPORT),
        operations: OPERATION.iter().map(|column| column.family()).collect(),
    };
    let (mut points, mut exports) = (HashSet::new(), HashSet::new());
    for mount in mounts {
        let address = servers.address(mount);
        for transport in &mount.transports {
            let labels = Labels::new([
                ("export", mount.export),
                ("protocol", transport.protocol),
                ("mountaddr", address),
            ]);
            let point = labels.and([("mountpoint", mount.point)]);
            if points.insert(point.clone()) {
                families.info.push(point, 1_u64);
            }
            // Its other connections, and another mount of the same, have the same numbers.
            if !exports.insert(labels.clone()) {
                break;
            }
            families.add(mount, &labels);
        }
    }
    families.into_vec()
}

impl Families {
    fn add(&mut self, mount: &Mount<'_>, labels: &Labels) {
        if let Some(age) = mount.age {
            self.age.push(labels.clone(), age);
        }
        for (family, number) in self.bytes.iter_mut().zip(mount.bytes.into_iter().flatten()) {
            family.push(labels.clone(), number);
        }
        for (family, number) in self.events.iter_mut().zip(mount.events.into_iter().flatten()) {
            if let Some(family) = family {
                family.push(labels.clone(), number);
            }
        }
        for (place, transport) in mount.transports.iter().enumerate() {
            let labels = labels.and([("transport", place.to_string())]);
            for (place, (family, number)) in self.transports.iter_mut().zip(transport.numbers).enumerate() {
                if let Some(family) = family {
                    family.push(labels.clone(), if place == IDLE { wrapped(number) } else { number });
                }
            }
        }
        for (name, numbers) in &mount.operations {
            let labels = labels.and([("operation", name)]);
            for (place, (family, number)) in self.operations.iter_mut().zip(numbers).enumerate() {
                if place < FIRST_DURATION {
                    family.push(labels.clone(), *number);
                } else {
                    family.push(labels.clone(), wrapped(*number) as f64 / 1000.0);
                }
            }
        }
    }

    fn into_vec(self) -> Vec<Family> {
        let mut all = vec![self.info, self.age];
        all.extend(self.bytes);
        all.extend(self.events.into_iter().flatten());
        all.extend(self.transports.into_iter().flatten());
        all.extend(self.operations);
        all
    }
}

/// The place of the idle time in [`TRANSPORT`].
const IDLE: usize = 4;
/// The place of the first duration in [`OPERATION`], in milliseconds.
const FIRST_DURATION: usize = 5;

/// The kernel's durations were seen to go below zero, which is a number near 2^64; `node_exporter` shows their rest modulo 2^53.
fn wrapped(duration: u64) -> u64 {
    duration % (1 << 53)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::values;

    #[test]
    fn connections_of_one_mount_are_told_apart_and_counted_once() {
        let xprt = "\txprt: tcp 832 0 1 0 11 6428 6428 0 12154 0 24 26 5726\n";
        let text = format!(
            "device b:/ mounted on /b with fstype nfs4 statvers=1.1\n\tage: 7\n{xprt}{xprt}\tREAD: 1 1 0 2 3 1500 2500 0\n"
        );
        let (mounts, faults) = mounts(&text);
        assert_eq!(faults, []);
        let (servers, faults) = Servers::read("1 2 3:4 / /b rw - nfs4 b:/ rw,clientaddr=x,addr=10.0.0.1\n");
        assert_eq!(faults, []);
        let lines = values(&families(&mounts, &servers));
        let of = |name: &str| {
            let begin = format!("node_mountstats_nfs_{name}{{");
            lines.iter().filter_map(|line| line.strip_prefix(&begin)).collect::<Vec<_>>()
        };
        let labels = r#"export="b:/",protocol="tcp",mountaddr="10.0.0.1""#;
        assert_eq!(of("age_seconds_total"), [format!("{labels}}} 7")]);
        assert_eq!(of("mountpoint_info"), [format!(r#"{labels},mountpoint="/b"}} 1"#)]);
        assert_eq!(
            of("transport_sends_total"),
            [format!(r#"{labels},transport="0"}} 6428"#), format!(r#"{labels},transport="1"}} 6428"#)]
        );
        assert_eq!(
            of("operations_queue_time_seconds_total"),
            [format!(r#"{labels},operation="READ"}} 1.5"#)]
        );
        assert_eq!(
            of("operations_response_time_seconds_total"),
            [format!(r#"{labels},operation="READ"}} 2.5"#)]
        );
        assert_eq!(of("read_bytes_total"), [] as [&str; 0], "a line that is not there");
        assert_eq!(wrapped(u64::MAX), (1 << 53) - 1);
    }
}

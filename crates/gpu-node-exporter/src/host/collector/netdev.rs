//! Traffic of the network devices.
//!
//! Owns the counters' names: the ones of `/proc/net/dev` that everybody knows, or one for each kind of error with
//! `--collector.netdev.enable-detailed-metrics`. Where they come from is a child's: the kernel's answer over netlink
//! (`netdev/link.rs`), which counts packets nobody wanted too, or `/proc/net/dev` (`netdev/proc.rs`), which can be
//! read under another root. Addresses are `netdev/address.rs`'s. Leaves out what a device is, which is `netclass`'s.

use std::collections::HashMap;

use crate::collector::{Collected, Collector, Fault, WaitsFor};
use crate::family::{Family, Labels};
use crate::flags::{Flag, Flags};
use crate::host::entry::Entry;
use crate::host::filter::Filter;
use crate::host::netlink::Socket;
use crate::host::proc_file::ProcFile;
use crate::host::root::Root;
use crate::host::sysfs::read_once;

mod address;
mod link;
mod proc;

static DEVICE_EXCLUDE: Flag =
    Flag::regex("collector.netdev.device-exclude", "", "Network devices that netdev leaves out")
        .formerly(&["collector.netdev.device-blacklist"]);
static DEVICE_INCLUDE: Flag =
    Flag::regex("collector.netdev.device-include", "", "The only network devices netdev shows")
        .formerly(&["collector.netdev.device-whitelist"]);
static NETLINK_SOURCE: Flag = Flag::switch(
    "collector.netdev.netlink",
    true,
    "Read PROCFS/net/dev rather than ask the kernel over netlink",
);
static DETAILED: Flag = Flag::switch(
    "collector.netdev.enable-detailed-metrics",
    false,
    "Show each kind of error apart, under its own name",
);
static LABEL_IFALIAS: Flag =
    Flag::switch("collector.netdev.label-ifalias", false, "Add a label with the device's alias");
static ADDRESS_INFO: Flag =
    Flag::switch("collector.netdev.address-info", false, "Show node_network_address_info");

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "netdev",
    help: "traffic of network devices",
    reads: "netlink, or /proc/net/dev with --no-collector.netdev.netlink",
    is_default: true,
    waits_for: WaitsFor::NetworkLock,
    flags: &[&DEVICE_EXCLUDE, &DEVICE_INCLUDE, &NETLINK_SOURCE, &DETAILED, &LABEL_IFALIAS, &ADDRESS_INFO],
    new: |flags, root| Box::new(NetdevCollector::new(flags, root)),
};

struct NetdevCollector {
    root: Root,
    filter: Filter,
    source: Source,
    /// One family for each kind of error.
    detailed: bool,
    /// Label with the device's alias.
    label_ifalias: bool,
    address_info: bool,
    socket: Socket,
    /// By device and alias; `None` for a device that the filter leaves out.
    labels: HashMap<(String, String), Option<Labels>>,
}

/// Where the counters come from.
enum Source {
    /// The kernel's answer over netlink.
    Netlink,
    /// `/proc/net/dev`.
    Proc(ProcFile),
}

impl NetdevCollector {
    fn new(flags: &mut Flags, root: &Root) -> Self {
        Self {
            root: root.clone(),
            filter: Filter::new(flags, &DEVICE_EXCLUDE, &DEVICE_INCLUDE),
            source: if flags.is_on(&NETLINK_SOURCE) {
                Source::Netlink
            } else {
                Source::Proc(ProcFile::new(root, "net/dev"))
            },
            detailed: flags.is_on(&DETAILED),
            label_ifalias: flags.is_on(&LABEL_IFALIAS),
            address_info: flags.is_on(&ADDRESS_INFO),
            socket: Socket::default(),
            labels: HashMap::new(),
        }
    }

    fn read(&mut self) -> Result<Vec<Device>, Fault> {
        let mut devices = match &mut self.source {
            Source::Netlink => return link::devices(&mut self.socket),
            Source::Proc(file) => proc::parse(file.read()?)?,
        };
        if self.label_ifalias {
            self.read_aliases(&mut devices)?;
        }
        Ok(devices)
    }

    /// Netlink tells the alias with the counters; `/proc/net/dev` has no room for it.
    fn read_aliases(&self, devices: &mut [Device]) -> Result<(), Fault> {
        for device in devices {
            let file = self.root.sys.join("class/net").join(&device.name).join("ifalias");
            device.alias = read_once(&file)?.unwrap_or_default();
        }
        Ok(())
    }

    /// The addresses of the devices that pass the filter; only netlink tells them.
    fn addresses(&mut self) -> Result<Family, Fault> {
        let addresses = address::addresses(&mut self.socket)?;
        let shown = addresses.iter().filter(|(device, _)| self.filter.keeps(device));
        Ok(address::family(shown))
    }

    /// The devices that pass the filter, with their labels; the filter is asked when a device is new.
    fn shown(&mut self, devices: Vec<Device>) -> Vec<(Labels, Counters)> {
        let mut shown = Vec::with_capacity(devices.len());
        let mut known = HashMap::with_capacity(devices.len());
        for Device { name, alias, counters } in devices {
            let key = (name, alias);
            let labels = self.labels.remove(&key).unwrap_or_else(|| {
                let (name, alias) = &key;
                self.filter.keeps(name).then(|| {
                    if self.label_ifalias {
                        Labels::new([("device", name), ("ifalias", alias)])
                    } else {
                        Labels::new([("device", name)])
                    }
                })
            });
            shown.extend(labels.clone().map(|labels| (labels, counters)));
            known.insert(key, labels);
        }
        self.labels = known;
        shown
    }
}

impl Collector for NetdevCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        let detailed = self.detailed;
        let counted = self.read().map(|devices| families(&self.shown(devices), detailed));
        let mut collected = Collected::from(counted);
        if self.address_info {
            match self.addresses() {
                Ok(family) => collected.families.push(family),
                Err(fault) => collected.faults.push(fault),
            }
        }
        collected
    }
}

/// A device as it was read.
struct Device {
    name: String,
    alias: String,
    counters: Counters,
}

/// Counts since the device was made.
#[derive(Clone, Copy)]
enum Counters {
    /// `struct rtnl_link_stats64`, in its order (`include/uapi/linux/if_link.h`), as far as this kernel fills it.
    Netlink { words: [u64; NETLINK.len()], filled: usize },
    /// The columns of `/proc/net/dev`.
    Proc([u64; PROC.len()]),
}

/// The names of the fields of `struct rtnl_link_stats64`. Multicast packets were received, and collisions happen while
/// sending; the detailed names keep the struct's words.
const NETLINK: [&str; 24] = [
    "receive_packets",
    "transmit_packets",
    "receive_bytes",
    "transmit_bytes",
    "receive_errors",
    "transmit_errors",
    "receive_dropped",
    "transmit_dropped",
    "multicast",
    "collisions",
    "receive_length_errors",
    "receive_over_errors",
    "receive_crc_errors",
    "receive_frame_errors",
    "receive_fifo_errors",
    "receive_missed_errors",
    "transmit_aborted_errors",
    "transmit_carrier_errors",
    "transmit_fifo_errors",
    "transmit_heartbeat_errors",
    "transmit_window_errors",
    "receive_compressed",
    "transmit_compressed",
    "receive_nohandler",
];

/// The names of the columns of `/proc/net/dev` when shown in detail.
const PROC: [&str; 16] = [
    "receive_bytes",
    "receive_packets",
    "receive_errors",
    "receive_dropped",
    "receive_fifo",
    "receive_frame",
    "receive_compressed",
    "receive_multicast",
    "transmit_bytes",
    "transmit_packets",
    "transmit_errors",
    "transmit_dropped",
    "transmit_fifo",
    "transmit_colls",
    "transmit_carrier",
    "transmit_compressed",
];

/// The usual names, and the detailed counters that each sums up, as the kernel does for `/proc/net/dev`
/// (`dev_seq_printf_stats` in `net/core/net-procfs.c`).
const SUMS: [(&str, &[&str]); 17] = [
    ("receive_bytes", &["receive_bytes"]),
    ("receive_packets", &["receive_packets"]),
    ("receive_errs", &["receive_errors"]),
    ("receive_drop", &["receive_dropped", "receive_missed_errors"]),
    ("receive_fifo", &["receive_fifo_errors", "receive_fifo"]),
    (
        "receive_frame",
        &[
            "receive_frame_errors",
            "receive_length_errors",
            "receive_over_errors",
            "receive_crc_errors",
            "receive_frame",
        ],
    ),
    ("receive_compressed", &["receive_compressed"]),
    ("receive_multicast", &["multicast", "receive_multicast"]),
    ("receive_nohandler", &["receive_nohandler"]),
    ("transmit_bytes", &["transmit_bytes"]),
    ("transmit_packets", &["transmit_packets"]),
    ("transmit_errs", &["transmit_errors"]),
    ("transmit_drop", &["transmit_dropped"]),
    ("transmit_fifo", &["transmit_fifo_errors", "transmit_fifo"]),
    ("transmit_colls", &["collisions", "transmit_colls"]),
    (
        "transmit_carrier",
        &[
            "transmit_carrier_errors",
            "transmit_aborted_errors",
            "transmit_heartbeat_errors",
            "transmit_window_errors",
            "transmit_carrier",
        ],
    ),
    ("transmit_compressed", &["transmit_compressed"]),
];

impl Counters {
    /// The detailed counters with their names.
    fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let (names, words): (&[&'static str], &[u64]) = match self {
            Self::Netlink { words, filled } => (&NETLINK, &words[..*filled]),
            Self::Proc(words) => (&PROC, words),
        };
        names.iter().copied().zip(words.iter().copied())
    }

    /// The sum of those of the named counters that this kernel has.
    fn sum(&self, names: &[&str]) -> Option<u64> {
        let found = self.iter().filter(|(name, _)| names.contains(name)).map(|(_, count)| count);
        found.reduce(u64::wrapping_add)
    }
}

fn families(devices: &[(Labels, Counters)], detailed: bool) -> Vec<Family> {
    let family = |name: &str| {
        Family::counter(format!("node_network_{name}_total"), format!("Network device statistic {name}."))
    };
    if detailed {
        let mut families: Vec<(&str, Family)> = Vec::new();
        for (labels, counters) in devices {
            for (name, count) in counters.iter() {
                let index = families.iter().position(|(known, _)| *known == name).unwrap_or_else(|| {
                    families.push((name, family(name)));
                    families.len() - 1
                });
                families[index].1.push(labels.clone(), count);
            }
        }
        return families.into_iter().map(|(_, family)| family).collect();
    }
    let summed = |(name, parts): (&str, &[&str])| {
        let mut family = family(name);
        for (labels, counters) in devices {
            if let Some(sum) = counters.sum(parts) {
                family.push(labels.clone(), sum);
            }
        }
        family
    };
    SUMS.into_iter().map(summed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::{collector, values};

    /// What the collector shows under a root, with these flags.
    fn shown(root: &std::path::Path, flags: &[&str]) -> Vec<String> {
        let Collected { families, faults } = collector(&ENTRY, root, root, flags).collect();
        assert_eq!(faults, []);
        values(&families)
    }

    #[test]
    fn without_netlink_the_alias_comes_from_sysfs() {
        let root = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| {
            std::fs::create_dir_all(root.path().join(file).parent().unwrap()).unwrap();
            std::fs::write(root.path().join(file), text).unwrap();
        };
        let numbers = "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16";
        write("net/dev", &format!("a\nb\n eth0: {numbers}\n eth1: {numbers}\n"));
        write("class/net/eth0/ifalias", "uplink\n");
        let lines =
            shown(root.path(), &["--no-collector.netdev.netlink", "--collector.netdev.label-ifalias"]);
        assert_eq!(
            lines[..2],
            [
                r#"node_network_receive_bytes_total{device="eth0",ifalias="uplink"} 1"#,
                r#"node_network_receive_bytes_total{device="eth1",ifalias=""} 1"#,
            ]
        );
    }

    #[test]
    fn addresses_are_shown_when_asked_for() {
        let line =
            r#"node_network_address_info{device="lo",address="127.0.0.1",netmask="8",scope="link-local"} 1"#;
        let has_it = |flags: &[&str]| shown("/".as_ref(), flags).iter().any(|shown| shown == line);
        assert!(has_it(&["--collector.netdev.address-info"]));
        assert!(!has_it(&["--collector.netdev.address-info", "--collector.netdev.device-exclude=^lo$"]));
        assert!(!has_it(&[]));
    }

    fn counted() -> Counters {
        // Each counter is its place plus one, so that a sum shows what went into it.
        Counters::Netlink { words: std::array::from_fn(|place| place as u64 + 1), filled: NETLINK.len() }
    }

    #[test]
    fn sums_as_the_kernel_does() {
        let lines = values(&families(&[(Labels::NONE, counted())], false));
        assert_eq!(
            lines,
            [
                "node_network_receive_bytes_total 3",
                "node_network_receive_packets_total 1",
                "node_network_receive_errs_total 5",
                "node_network_receive_drop_total 23",
                "node_network_receive_fifo_total 15",
                "node_network_receive_frame_total 50",
                "node_network_receive_compressed_total 22",
                "node_network_receive_multicast_total 9",
                "node_network_receive_nohandler_total 24",
                "node_network_transmit_bytes_total 4",
                "node_network_transmit_packets_total 2",
                "node_network_transmit_errs_total 6",
                "node_network_transmit_drop_total 8",
                "node_network_transmit_fifo_total 19",
                "node_network_transmit_colls_total 10",
                "node_network_transmit_carrier_total 76",
                "node_network_transmit_compressed_total 23",
            ]
        );
    }

    #[test]
    fn detail_keeps_each_counter_apart() {
        let lines = values(&families(&[(Labels::NONE, counted())], true));
        assert_eq!(lines.len(), NETLINK.len());
        assert!(lines.contains(&"node_network_receive_crc_errors_total 13".to_owned()), "{lines:#?}");
    }
}

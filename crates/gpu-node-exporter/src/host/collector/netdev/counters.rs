//! The counters of a network device, and their names.
//!
//! Owns the names: the ones of `/proc/net/dev` that everybody knows, or one for each kind of error with
//! `--collector.netdev.enable-detailed-metrics`.

use crate::family::{Family, Labels};

/// A device as it was read.
pub(super) struct Device {
    pub(super) name: String,
    pub(super) alias: String,
    pub(super) counters: Counters,
}

/// Counts since the device was made.
#[derive(Clone, Copy)]
pub(super) enum Counters {
    /// `struct rtnl_link_stats64`, in its order (`include/uapi/linux/if_link.h`), as far as this kernel fills it.
    Netlink { words: [u64; NETLINK.len()], filled: usize },
    /// The columns of `/proc/net/dev`.
    Proc([u64; PROC.len()]),
}

/// The names of the fields of `struct rtnl_link_stats64`. Multicast packets were received, and collisions happen while
/// sending; the detailed names keep the struct's words.
pub(super) const NETLINK: [&str; 24] = [
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
pub(super) const PROC: [&str; 16] = [
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

    /// The sum of those counters that this kernel has.
    fn sum(&self, sum: &Sum) -> Option<u64> {
        let (places, words): (&[usize], &[u64]) = match self {
            Self::Netlink { words, filled } => (&sum.netlink, &words[..*filled]),
            Self::Proc(words) => (&sum.proc, words),
        };
        places.iter().filter_map(|place| words.get(*place)).copied().reduce(u64::wrapping_add)
    }
}

#[cfg(test)]
impl Counters {
    /// The detailed counter of this name, if this kernel has it.
    pub(super) fn count(&self, name: &str) -> Option<u64> {
        self.iter().find(|(known, _)| *known == name).map(|(_, count)| count)
    }
}

/// What is shown as one number, made once.
pub(super) struct Sum {
    /// Its empty family.
    family: Family,
    /// Where its counters are, in each source.
    netlink: Vec<usize>,
    proc: Vec<usize>,
}

/// All that are shown when not each counter is.
pub(super) fn sums() -> Vec<Sum> {
    let places = |names: &[&str], parts: &[&str]| {
        let named = names.iter().enumerate().filter(|(_, name)| parts.contains(name));
        named.map(|(place, _)| place).collect()
    };
    let sum = |(name, parts): (&str, &[&str])| Sum {
        family: family(name),
        netlink: places(&NETLINK, parts),
        proc: places(&PROC, parts),
    };
    SUMS.into_iter().map(sum).collect()
}

fn family(name: &str) -> Family {
    Family::counter(format!("node_network_{name}_total"), format!("Network device statistic {name}."))
}

/// The families of all devices: each counter, or the sums where there are any.
pub(super) fn families(devices: &[(Labels, Counters)], sums: Option<&[Sum]>) -> Vec<Family> {
    if let Some(sums) = sums {
        let summed = |sum: &Sum| {
            let mut family = sum.family.clone();
            for (labels, counters) in devices {
                if let Some(count) = counters.sum(sum) {
                    family.push(labels.clone(), count);
                }
            }
            family
        };
        return sums.iter().map(summed).collect();
    }
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
    families.into_iter().map(|(_, family)| family).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::values;

    fn counted() -> Counters {
        // Each counter is its place plus one, so that a sum shows what went into it.
        Counters::Netlink { words: std::array::from_fn(|place| place as u64 + 1), filled: NETLINK.len() }
    }

    #[test]
    fn sums_as_the_kernel_does() {
        let lines = values(&families(&[(Labels::NONE, counted())], Some(&sums())));
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
        let lines = values(&families(&[(Labels::NONE, counted())], None));
        assert_eq!(lines.len(), NETLINK.len());
        assert!(lines.contains(&"node_network_receive_crc_errors_total 13".to_owned()), "{lines:#?}");
    }
}

//! Fibre Channel host adapters, from `/sys/class/fc_host` (see the kernel's `scsi/scsi_fc_transport.rst`).
//!
//! Owns their properties and counters. What an adapter does not count is absent, also while it is disabled, where
//! `node_exporter` shows 0.

use std::path::Path;

use crate::collector::{Collected, Collector, Fault, WaitsFor};
use crate::family::{Family, Labels, Number};
use crate::host::entry::Entry;
use crate::host::kept_file::{Buffer, KeptFile};
use crate::host::root::Root;
use crate::host::sysfs::{Attribute, Devices, families, number, text};

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "fibrechannel",
    help: "Fibre Channel host adapters",
    reads: "/sys/class/fc_host",
    is_default: true,
    // The counters are asked from the adapter's firmware.
    waits_for: WaitsFor::Firmware,
    flags: &[],
    new: |_, root| Box::new(FibreChannelCollector::new(root)),
};

static COUNTERS: [Attribute; 14] = [
    Attribute::counter(
        "statistics/dumped_frames",
        "node_fibrechannel_dumped_frames_total",
        "Number of dumped frames",
    ),
    Attribute::counter(
        "statistics/error_frames",
        "node_fibrechannel_error_frames_total",
        "Number of errors in frames",
    ),
    Attribute::counter(
        "statistics/invalid_crc_count",
        "node_fibrechannel_invalid_crc_total",
        "Invalid Cyclic Redundancy Check count",
    ),
    Attribute::counter(
        "statistics/rx_frames",
        "node_fibrechannel_rx_frames_total",
        "Number of frames received",
    ),
    Attribute::counter(
        "statistics/rx_words",
        "node_fibrechannel_rx_words_total",
        "Number of words received by host port",
    ),
    Attribute::counter(
        "statistics/tx_frames",
        "node_fibrechannel_tx_frames_total",
        "Number of frames transmitted by host port",
    ),
    Attribute::counter(
        "statistics/tx_words",
        "node_fibrechannel_tx_words_total",
        "Number of words transmitted by host port",
    ),
    Attribute::counter(
        "statistics/seconds_since_last_reset",
        "node_fibrechannel_seconds_since_last_reset_total",
        "Number of seconds since last host port reset",
    ),
    Attribute::counter(
        "statistics/invalid_tx_word_count",
        "node_fibrechannel_invalid_tx_words_total",
        "Number of invalid words transmitted by host port",
    ),
    Attribute::counter(
        "statistics/link_failure_count",
        "node_fibrechannel_link_failure_total",
        "Number of times the host port link has failed",
    ),
    Attribute::counter(
        "statistics/loss_of_sync_count",
        "node_fibrechannel_loss_of_sync_total",
        "Number of failures on either bit or transmission word boundaries",
    ),
    Attribute::counter(
        "statistics/loss_of_signal_count",
        "node_fibrechannel_loss_of_signal_total",
        "Number of times signal has been lost",
    ),
    Attribute::counter(
        "statistics/nos_count",
        "node_fibrechannel_nos_total",
        "Number Not_Operational Primitive Sequence received by host port",
    ),
    Attribute::counter(
        "statistics/fcp_packet_aborts",
        "node_fibrechannel_fcp_packet_aborts_total",
        "Number of aborted packets",
    ),
];

/// What the kernel says of a counter that the adapter does not have.
const NOT_COUNTED: Number = Number::Whole(u64::MAX);

/// The labels of the info series after the name, with the number of characters that are left out of the file: the `0x` of
/// a number.
const TEXTS: [(&str, usize); 9] = [
    ("speed", 0),
    ("port_state", 0),
    ("port_type", 0),
    ("port_id", 2),
    ("port_name", 2),
    ("fabric_name", 2),
    ("symbolic_name", 0),
    ("supported_classes", 0),
    ("supported_speeds", 0),
];

struct FibreChannelCollector {
    hosts: Devices<Host>,
    buffer: Buffer,
}

impl FibreChannelCollector {
    fn new(root: &Root) -> Self {
        Self { hosts: Devices::new(root.sys.join("class/fc_host")), buffer: Buffer::default() }
    }
}

impl Collector for FibreChannelCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        let hosts = match self.hosts.find(|directory, name| Some(Host::new(directory, name))) {
            Ok(hosts) => hosts,
            Err(error) => return Collected::failed(error.no_data_if_absent(ENTRY.name)),
        };
        let mut families = families(&COUNTERS);
        let mut info = Family::info(
            "node_fibrechannel_info",
            "Non-numeric data from /sys/class/fc_host/<host>, value is always 1.",
        );
        let mut faults = Vec::new();
        for host in hosts {
            faults.extend(host.read(&mut self.buffer, &mut families));
            match host.info(&mut self.buffer) {
                Ok(labels) => info.push(labels, 1_u64),
                Err(fault) => faults.push(fault),
            }
        }
        families.push(info);
        Collected::new(families, faults)
    }
}

/// One adapter's files.
struct Host {
    labels: Labels,
    /// In the order of [`COUNTERS`].
    counters: Vec<KeptFile>,
    /// In the order of [`TEXTS`].
    texts: [KeptFile; TEXTS.len()],
    /// Seconds after which a port that went away is given up.
    loss_timeout: KeptFile,
}

impl Host {
    fn new(directory: &Path, name: &str) -> Self {
        let file = |file: &str| KeptFile::attribute(directory.join(file));
        Self {
            labels: Labels::new([("fc_host", name)]),
            counters: COUNTERS.iter().map(|counter| file(counter.file)).collect(),
            texts: TEXTS.map(|(name, _)| file(name)),
            loss_timeout: file("dev_loss_tmo"),
        }
    }

    fn read(&mut self, buffer: &mut Buffer, families: &mut [Family]) -> Vec<Fault> {
        let mut faults = Vec::new();
        for ((file, counter), family) in self.counters.iter_mut().zip(&COUNTERS).zip(families) {
            match number(file, buffer) {
                Ok(Some(count)) if count != NOT_COUNTED => counter.push(family, &self.labels, count),
                Ok(_) => {}
                Err(fault) => faults.push(fault),
            }
        }
        faults
    }

    /// A text that the adapter does not have is an empty label.
    fn info(&mut self, buffer: &mut Buffer) -> Result<Labels, Fault> {
        let mut labels = Vec::with_capacity(TEXTS.len() + 1);
        for ((label, left_out), file) in TEXTS.into_iter().zip(&mut self.texts) {
            let said = text(file, buffer)?.unwrap_or_default();
            let shown = if said.len() > left_out { said.get(left_out..) } else { Some(&*said) };
            labels.push((label, shown.unwrap_or(&said).to_owned()));
        }
        let seconds = match number(&mut self.loss_timeout, buffer)? {
            Some(Number::Whole(seconds)) => seconds.to_string(),
            Some(Number::Real(seconds)) => seconds.to_string(),
            None => String::new(),
        };
        labels.push(("dev_loss_tmo", seconds));
        Ok(self.labels.and(labels))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::{collector, values};

    #[test]
    fn what_an_adapter_does_not_count_is_absent() {
        let sys = tempfile::tempdir().unwrap();
        let host = sys.path().join("class/fc_host/host3");
        std::fs::create_dir_all(host.join("statistics")).unwrap();
        for (file, text) in [
            ("port_state", "Unknown\n"),
            ("port_name", "0x1000e0071bce95f2\n"),
            ("port_id", "0\n"),
            ("fabric_name", "é\n"),
            ("statistics/rx_frames", "0x3\n"),
            ("statistics/tx_frames", "0xffffffffffffffff\n"),
            ("statistics/nos_count", "0xfffffffffffffffe\n"),
            ("statistics/error_frames", "none\n"),
        ] {
            std::fs::write(host.join(file), text).unwrap();
        }
        let collected = collector(&ENTRY, "/nonexistent".as_ref(), sys.path(), &[]).collect();
        assert_eq!(
            values(&collected.families),
            [
                r#"node_fibrechannel_rx_frames_total{fc_host="host3"} 3"#,
                r#"node_fibrechannel_nos_total{fc_host="host3"} 18446744073709551614"#,
                r#"node_fibrechannel_info{fc_host="host3",speed="",port_state="Unknown",port_type="",port_id="0",port_name="1000e0071bce95f2",fabric_name="é",symbolic_name="",supported_classes="",supported_speeds="",dev_loss_tmo=""} 1"#,
            ]
        );
        assert_eq!(collected.faults.len(), 1, "{:?}", collected.faults);
    }
}

//! Replicated block devices of DRBD 8, from `/proc/drbd` (see `drbd(8)`). DRBD 9 shows its devices elsewhere.
//!
//! Owns the table of the fields. A machine without the module has no such file.

use crate::collector::{Collected, Collector, Fault, WaitsFor};
use crate::family::{Family, Kind, Labels};
use crate::host::entry::Entry;
use crate::host::excerpt::excerpt;
use crate::host::proc_file::ProcFile;

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "drbd",
    help: "replicated block devices (DRBD 8)",
    reads: "/proc/drbd",
    is_default: false,
    waits_for: WaitsFor::Nothing,
    flags: &[],
    new: |_, root| Box::new(DrbdCollector { file: ProcFile::new(root, "drbd") }),
};

/// A field that is a number.
struct Number {
    key: &'static str,
    family: &'static str,
    help: &'static str,
    kind: Kind,
    /// How many of the family's units one of the field's is.
    times: u64,
}

const fn number(
    key: &'static str,
    family: &'static str,
    help: &'static str,
    kind: Kind,
    times: u64,
) -> Number {
    Number { key, family, help, kind, times }
}

const NUMBERS: [Number; 12] = [
    number(
        "ns",
        "node_drbd_network_sent_bytes_total",
        "Total number of bytes sent via the network.",
        Kind::Counter,
        1024,
    ),
    // DRBD counts this one in KiB too; node_exporter shows it as it is written, and its dashboards multiply it.
    number(
        "nr",
        "node_drbd_network_received_bytes_total",
        "Total number of bytes received via the network.",
        Kind::Counter,
        1,
    ),
    number(
        "dw",
        "node_drbd_disk_written_bytes_total",
        "Net data written on local hard disk; in bytes.",
        Kind::Counter,
        1024,
    ),
    number(
        "dr",
        "node_drbd_disk_read_bytes_total",
        "Net data read from local hard disk; in bytes.",
        Kind::Counter,
        1024,
    ),
    number(
        "al",
        "node_drbd_activitylog_writes_total",
        "Number of updates of the activity log area of the meta data.",
        Kind::Counter,
        1,
    ),
    number(
        "bm",
        "node_drbd_bitmap_writes_total",
        "Number of updates of the bitmap area of the meta data.",
        Kind::Counter,
        1,
    ),
    number(
        "lo",
        "node_drbd_local_pending",
        "Number of open requests to the local I/O sub-system.",
        Kind::Gauge,
        1,
    ),
    number(
        "pe",
        "node_drbd_remote_pending",
        "Number of requests sent to the peer, but that have not yet been answered by the latter.",
        Kind::Gauge,
        1,
    ),
    number(
        "ua",
        "node_drbd_remote_unacknowledged",
        "Number of requests received by the peer via the network connection, but that have not yet been answered.",
        Kind::Gauge,
        1,
    ),
    number(
        "ap",
        "node_drbd_application_pending",
        "Number of block I/O requests forwarded to DRBD, but not yet answered by DRBD.",
        Kind::Gauge,
        1,
    ),
    number("ep", "node_drbd_epochs", "Number of Epochs currently on the fly.", Kind::Gauge, 1),
    number(
        "oos",
        "node_drbd_out_of_sync_bytes",
        "Amount of data known to be out of sync; in bytes.",
        Kind::Gauge,
        1024,
    ),
];

/// A field that is a state here and one at the peer, `Primary/Secondary`; the family; the state that is 1.
const PAIRS: [(&str, &str, &str, &str); 2] = [
    (
        "ro",
        "node_drbd_node_role_is_primary",
        "Whether the role of the node is in the primary state.",
        "Primary",
    ),
    ("ds", "node_drbd_disk_state_is_up_to_date", "Whether the disk of the node is up to date.", "UpToDate"),
];

struct DrbdCollector {
    file: ProcFile,
}

impl Collector for DrbdCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        match self.file.read() {
            Ok(text) => collected(text),
            Err(error) => Collected::failed(error.no_data_if_absent(ENTRY.name)),
        }
    }
}

/// The file is words; ` 1:` begins a device, and what follows is about it.
fn collected(text: &str) -> Collected {
    let mut numbers = NUMBERS.map(|Number { family, help, kind, .. }| match kind {
        Kind::Counter => Family::counter(family, help),
        _ => Family::gauge(family, help),
    });
    let mut pairs = PAIRS.map(|(_, family, help, _)| Family::gauge(family, help));
    let mut connected = Family::gauge("node_drbd_connected", "Whether DRBD is connected to the peer.");
    let mut faults = Vec::new();
    if !text.starts_with("version:") {
        faults.push(Fault::with_excerpt(
            "drbd: expected a version",
            excerpt(text.lines().next().unwrap_or_default()),
        ));
    }
    let mut device = None;
    for (key, value) in text.split_ascii_whitespace().filter_map(|word| word.split_once(':')) {
        if value.is_empty()
            && let Ok(number) = key.parse::<u64>()
        {
            device = Some(Labels::new([("device", format!("drbd{number}"))]));
            continue;
        }
        let Some(device) = &device else { continue };
        let odd = || Fault::with_excerpt(format!("drbd: cannot read {key}"), excerpt(value));
        if let Some(place) = NUMBERS.iter().position(|number| number.key == key) {
            match value.parse::<u64>().ok().and_then(|count| count.checked_mul(NUMBERS[place].times)) {
                Some(count) => numbers[place].push(device.clone(), count),
                None => faults.push(odd()),
            }
        } else if let Some(place) = PAIRS.iter().position(|(known, ..)| *known == key) {
            let Some((local, remote)) = value.split_once('/') else {
                faults.push(odd());
                continue;
            };
            for (node, state) in [("local", local), ("remote", remote)] {
                pairs[place].push(device.and([("node", node)]), state == PAIRS[place].3);
            }
        } else if key == "cs" {
            connected.push(device.clone(), value == "Connected");
        }
    }
    Collected::new(numbers.into_iter().chain(pairs).chain([connected]).collect(), faults)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::{check_garbage, values};

    const HEAD: &str = "version: 8.4.3 (api:1/proto:86-101)\nsrcversion: 1A9F77B1CA5FF92235C2213\n\n";

    #[test]
    fn a_device_has_what_stands_behind_its_number() {
        let text = format!(
            "{HEAD} 0: cs:Connected ro:Primary/Secondary ds:UpToDate/Diskless C r-----\n    ns:2 nr:3 wo:d oos:0\n 1: cs:Unconfigured\n"
        );
        let Collected { families, faults, .. } = collected(&text);
        assert_eq!(
            values(&families),
            [
                r#"node_drbd_network_sent_bytes_total{device="drbd0"} 2048"#,
                r#"node_drbd_network_received_bytes_total{device="drbd0"} 3"#,
                r#"node_drbd_out_of_sync_bytes{device="drbd0"} 0"#,
                r#"node_drbd_node_role_is_primary{device="drbd0",node="local"} 1"#,
                r#"node_drbd_node_role_is_primary{device="drbd0",node="remote"} 0"#,
                r#"node_drbd_disk_state_is_up_to_date{device="drbd0",node="local"} 1"#,
                r#"node_drbd_disk_state_is_up_to_date{device="drbd0",node="remote"} 0"#,
                r#"node_drbd_connected{device="drbd0"} 1"#,
                r#"node_drbd_connected{device="drbd1"} 0"#,
            ]
        );
        assert_eq!(faults, []);
    }

    #[test]
    fn garbage_is_a_fault() {
        let fields = ["ns:x", "ns:-1", "dw:18446744073709551615", "ro:Primary"];
        let texts: Vec<_> = fields.iter().map(|field| format!("{HEAD} 0: {field}\n")).collect();
        let texts: Vec<_> = texts.iter().map(String::as_str).chain(["", " 0: cs:Connected\n"]).collect();
        check_garbage(|text| collected(text).faults, &texts);
    }
}

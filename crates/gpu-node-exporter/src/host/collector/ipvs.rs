//! The kernel's load balancer IPVS (see `ipvsadm(8)`), from `/proc/net/ip_vs_stats` and `/proc/net/ip_vs`.
//!
//! Owns its totals, and connections and weight of each real server. The servers' table is read by `ipvs/table.rs`.

use std::collections::HashMap;

use crate::collector::{Collected, Collector, Fault, WaitsFor};
use crate::family::{Family, Labels};
use crate::flags::{Flag, Flags};
use crate::host::entry::Entry;
use crate::host::excerpt::excerpt;
use crate::host::kept_file::KeptFile;
use crate::host::lines::Lines;
use crate::host::proc_file::ProcFile;
use crate::host::root::Root;

mod table;

use table::Server;

static BACKEND_LABELS: Flag = Flag::value(
    "collector.ipvs.backend-labels",
    "NAMES",
    "local_address,local_port,remote_address,remote_port,proto,local_mark",
    "The labels of real servers; those that are alike in them are summed up",
);

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "ipvs",
    help: "connections and servers of the kernel's load balancer",
    reads: "/proc/net/ip_vs_stats, /proc/net/ip_vs",
    is_default: true,
    waits_for: WaitsFor::Nothing,
    flags: &[&BACKEND_LABELS],
    new: |flags, root| Box::new(IpvsCollector::new(flags, root)),
};

struct IpvsCollector {
    totals: ProcFile,
    servers: ProcFile,
    /// Of [`LABELS`], in its order.
    labels: Vec<&'static Label>,
}

/// A label that a real server can have.
struct Label {
    name: &'static str,
    value: fn(&Server<'_>) -> String,
}

const LABELS: [Label; 6] = [
    Label {
        name: "local_address",
        value: |server| server.local.map_or(String::new(), |local| local.address.to_string()),
    },
    Label { name: "local_port", value: |server| server.local.map_or(0, |local| local.port).to_string() },
    Label { name: "remote_address", value: |server| server.remote.address.to_string() },
    Label { name: "remote_port", value: |server| server.remote.port.to_string() },
    Label { name: "proto", value: |server| server.protocol.to_owned() },
    Label { name: "local_mark", value: |server| server.mark.to_owned() },
];

impl IpvsCollector {
    fn new(flags: &mut Flags, root: &Root) -> Self {
        let written = flags.value(&BACKEND_LABELS);
        let names: Vec<&str> = written.split(',').filter(|name| !name.is_empty()).collect();
        for unknown in names.iter().filter(|name| LABELS.iter().all(|label| label.name != **name)) {
            let name = BACKEND_LABELS.name;
            flags.mistakes.push(format!("`--{name}={written}`: no real server has a label `{unknown}`"));
        }
        Self {
            totals: ProcFile::of_few_lines(root, "net/ip_vs_stats").known(KeptFile::of_some_machines),
            servers: ProcFile::new(root, "net/ip_vs"),
            labels: LABELS.iter().filter(|label| names.contains(&label.name)).collect(),
        }
    }
}

fn labels_of(shown: &[&Label], server: &Server<'_>) -> Labels {
    Labels::new(shown.iter().map(|label| (label.name, (label.value)(server))))
}

impl Collector for IpvsCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        let mut collected: Collected = match self.totals.read() {
            Ok(text) => totals(text).into(),
            Err(error) => return Collected::failed(error.no_data_if_absent(ENTRY.name)),
        };
        let Lines { read, faults } = match self.servers.read() {
            Ok(text) => table::parse(text),
            Err(error) => Lines { read: Vec::new(), faults: vec![error.into()] },
        };
        collected.faults.extend(faults);
        let labelled = read.iter().flatten().map(|server| (labels_of(&self.labels, server), server.counts));
        collected.families.extend(server_families(&summed(labelled)));
        collected
    }
}

/// The servers' counts; those with equal labels are one.
fn summed(
    servers: impl Iterator<Item = (Labels, [u64; SERVER.len()])>,
) -> Vec<(Labels, [u64; SERVER.len()])> {
    let mut sums: Vec<(Labels, [u64; SERVER.len()])> = Vec::new();
    let mut places = HashMap::new();
    for (labels, counts) in servers {
        let place = *places.entry(labels.clone()).or_insert(sums.len());
        match sums.get_mut(place) {
            Some((_, sum)) => {
                for (sum, count) in sum.iter_mut().zip(counts) {
                    *sum = sum.saturating_add(count);
                }
            }
            None => sums.push((labels, counts)),
        }
    }
    sums
}

/// In the order of the counts of a [`Server`].
const SERVER: [(&str, &str); 3] = [
    ("node_ipvs_backend_weight", "The current backend weight by local and remote address."),
    ("node_ipvs_backend_connections_active", "The current active connections by local and remote address."),
    (
        "node_ipvs_backend_connections_inactive",
        "The current inactive connections by local and remote address.",
    ),
];

fn server_families(servers: &[(Labels, [u64; SERVER.len()])]) -> Vec<Family> {
    let mut families = SERVER.map(|(name, help)| Family::gauge(name, help));
    for (labels, counts) in servers {
        for (family, count) in families.iter_mut().zip(counts) {
            family.push(labels.clone(), *count);
        }
    }
    families.into()
}

/// The columns of the totals.
const TOTALS: [(&str, &str); 5] = [
    ("node_ipvs_connections_total", "The total number of connections made."),
    ("node_ipvs_incoming_packets_total", "The total number of incoming packets."),
    ("node_ipvs_outgoing_packets_total", "The total number of outgoing packets."),
    ("node_ipvs_incoming_bytes_total", "The total amount of incoming data."),
    ("node_ipvs_outgoing_bytes_total", "The total amount of outgoing data."),
];

/// The third line, after two that name the columns; its numbers are hexadecimal.
fn totals(text: &str) -> Result<Vec<Family>, Fault> {
    let line = text.lines().nth(2).unwrap_or_default();
    let numbers: Option<Vec<u64>> =
        line.split_ascii_whitespace().map(|word| u64::from_str_radix(word, 16).ok()).collect();
    let numbers = numbers.filter(|numbers| numbers.len() == TOTALS.len()).ok_or_else(|| {
        Fault::with_excerpt("net/ip_vs_stats: expected five numbers in line 3", excerpt(line))
    })?;
    let families = TOTALS.iter().zip(numbers);
    Ok(families
        .map(|((name, help), number)| Family::counter(*name, *help).with(Labels::NONE, number))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::{check_garbage, collector, flags, values};

    const TOTALS: &str = "Total Incoming Outgoing\nConns Packets\n1 2 A FFFFFFFFFFFFFFFF 0\n\n";
    const SERVERS: &str = "\
IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
TCP  C0A80016:0CEA wlc
  -> C0A85216:0CEA      Tunnel  100    248        2
  -> C0A85217:0CEA      Tunnel  50     2          1
";

    fn shown(written: &[&str]) -> Vec<String> {
        let proc = tempfile::tempdir().unwrap();
        std::fs::create_dir(proc.path().join("net")).unwrap();
        std::fs::write(proc.path().join("net/ip_vs_stats"), TOTALS).unwrap();
        std::fs::write(proc.path().join("net/ip_vs"), SERVERS).unwrap();
        let collected = collector(&ENTRY, proc.path(), "/nonexistent".as_ref(), written).collect();
        assert_eq!(collected.faults, []);
        values(&collected.families)
    }

    #[test]
    fn servers_that_are_alike_are_summed_up() {
        let lines = shown(&["--collector.ipvs.backend-labels=proto,local_port"]);
        assert_eq!(
            lines[5..],
            [
                r#"node_ipvs_backend_weight{local_port="3306",proto="TCP"} 150"#,
                r#"node_ipvs_backend_connections_active{local_port="3306",proto="TCP"} 250"#,
                r#"node_ipvs_backend_connections_inactive{local_port="3306",proto="TCP"} 3"#,
            ]
        );
        assert_eq!(shown(&["--collector.ipvs.backend-labels="])[5], "node_ipvs_backend_weight 150");
        assert_eq!(shown(&[]).len(), 11);
    }

    #[test]
    fn totals_are_hexadecimal() {
        assert_eq!(
            shown(&[])[..5],
            [
                "node_ipvs_connections_total 1",
                "node_ipvs_incoming_packets_total 2",
                "node_ipvs_outgoing_packets_total 10",
                "node_ipvs_incoming_bytes_total 18446744073709551615",
                "node_ipvs_outgoing_bytes_total 0",
            ]
        );
    }

    #[test]
    fn a_label_that_no_server_has_is_a_mistake() {
        let mut flags = flags(&["--collector.ipvs.backend-labels=proto,colour"]);
        let root = Root::new(&flags);
        IpvsCollector::new(&mut flags, &root);
        assert_eq!(
            flags.mistakes,
            ["`--collector.ipvs.backend-labels=proto,colour`: no real server has a label `colour`"]
        );
    }

    #[test]
    fn garbage_is_a_fault() {
        check_garbage(
            |text| totals(text).err().into_iter().collect(),
            &["", "a\nb\n", "a\nb\n1 2 3 4\n", "a\nb\n1 2 3 4 x\n", "a\nb\n1 2 3 4 10000000000000000\n"],
        );
    }
}

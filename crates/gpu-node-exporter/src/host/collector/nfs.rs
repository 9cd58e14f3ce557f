//! The NFS client, from `/proc/net/rpc/nfs` (see `nfsstat(8)`).
//!
//! Owns its calls by procedure, and those of the RPC layer below. Leaves out single mounts.

use crate::collector::WaitsFor;
use crate::family::Family;
use crate::host::columns::Column;
use crate::host::entry::Entry;
use crate::host::nfs_procedures::{Procedures, VERSION_2, VERSION_3};
use crate::host::rpc_statistics::RpcStatistics;

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "nfs",
    help: "calls of the NFS client",
    reads: "/proc/net/rpc/nfs",
    is_default: true,
    waits_for: WaitsFor::Nothing,
    flags: &[],
    new: |_, root| Box::new(RpcStatistics::new(root, "nfs", &ENTRY, &COLUMNS, &PROCEDURES, calls)),
};

static COLUMNS: [Column; 6] = [
    Column::counter(
        "net",
        1,
        "node_nfs_packets_total",
        "Total NFSd network packets (sent+received) by protocol type.",
    )
    .labelled("protocol", "udp"),
    Column::counter(
        "net",
        2,
        "node_nfs_packets_total",
        "Total NFSd network packets (sent+received) by protocol type.",
    )
    .labelled("protocol", "tcp"),
    Column::counter("net", 3, "node_nfs_connections_total", "Total number of NFSd TCP connections."),
    Column::counter("rpc", 0, "node_nfs_rpcs_total", "Total number of RPCs performed."),
    Column::counter("rpc", 1, "node_nfs_rpc_retransmissions_total", "Number of RPC transmissions performed."),
    Column::counter(
        "rpc",
        2,
        "node_nfs_rpc_authentication_refreshes_total",
        "Number of RPC authentication refreshes performed.",
    ),
];

static PROCEDURES: [Procedures; 3] = [
    Procedures { line: "proc2", proto: "2", names: VERSION_2, is_counted: true, least: VERSION_2.len() },
    Procedures { line: "proc3", proto: "3", names: VERSION_3, is_counted: true, least: VERSION_3.len() },
    Procedures { line: "proc4", proto: "4", names: VERSION_4, is_counted: true, least: 0 },
];

/// In the order of `nfs4_procedures` in the kernel's `fs/nfs/nfs4xdr.c`, which has grown with the protocol.
const VERSION_4: &[&str] = &[
    "Null",
    "Read",
    "Write",
    "Commit",
    "Open",
    "OpenConfirm",
    "OpenNoattr",
    "OpenDowngrade",
    "Close",
    "Setattr",
    "FsInfo",
    "Renew",
    "SetClientID",
    "SetClientIDConfirm",
    "Lock",
    "Lockt",
    "Locku",
    "Access",
    "Getattr",
    "Lookup",
    "LookupRoot",
    "Remove",
    "Rename",
    "Link",
    "Symlink",
    "Create",
    "Pathconf",
    "StatFs",
    "ReadLink",
    "ReadDir",
    "ServerCaps",
    "DelegReturn",
    "GetACL",
    "SetACL",
    "FsLocations",
    "ReleaseLockowner",
    "Secinfo",
    "FsidPresent",
    "ExchangeID",
    "CreateSession",
    "DestroySession",
    "Sequence",
    "GetLeaseTime",
    "ReclaimComplete",
    "GetDeviceInfo",
    "LayoutGet",
    "LayoutCommit",
    "LayoutReturn",
    "SecinfoNoName",
    "TestStateID",
    "FreeStateID",
    "GetDeviceList",
    "BindConnToSession",
    "DestroyClientID",
    "Seek",
    "Allocate",
    "DeAllocate",
    "LayoutStats",
    "Clone",
];

fn calls() -> Family {
    Family::counter("node_nfs_requests_total", "Number of NFS procedures invoked.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collector::Collected;
    use crate::host::testing::{collector, values};

    #[test]
    fn a_line_of_another_version_costs_nothing() {
        let proc = tempfile::tempdir().unwrap();
        // Made anew each time: a file that is not there is looked for once a minute.
        let collect = || collector(&ENTRY, proc.path(), "/nonexistent".as_ref(), &[]).collect();
        let Collected { families, faults, .. } = collect();
        assert!(families.is_empty() && faults.len() == 1 && faults[0].is_no_data(), "{faults:?}");

        std::fs::create_dir_all(proc.path().join("net/rpc")).unwrap();
        let text = "net 0 0 0 0\nrpc 5 1 2\nproc4 2 0 7\nproc5 1 9\n";
        std::fs::write(proc.path().join("net/rpc/nfs"), text).unwrap();
        let Collected { families, faults, .. } = collect();
        assert_eq!(faults, []);
        let lines = values(&families);
        for line in [
            "node_nfs_rpcs_total 5",
            r#"node_nfs_requests_total{proto="4",method="Read"} 7"#,
            r#"node_nfs_requests_total{proto="4",method="Clone"} 0"#,
            r#"node_nfs_requests_total{proto="2",method="Read"} 0"#,
        ] {
            assert!(lines.iter().any(|shown| shown == line), "{line} is not in {lines:#?}");
        }
    }
}

//! The NFS server, from `/proc/net/rpc/nfsd` (see `nfsstat(8)`).
//!
//! Owns its calls by procedure, its cache and its threads. Leaves out single exports and clients.

use crate::collector::WaitsFor;
use crate::family::Family;
use crate::host::columns::Column;
use crate::host::entry::Entry;
use crate::host::nfs_procedures::{Procedures, VERSION_2, VERSION_3};
use crate::host::rpc_statistics::RpcStatistics;

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "nfsd",
    help: "calls to the NFS server",
    reads: "/proc/net/rpc/nfsd",
    is_default: true,
    waits_for: WaitsFor::Nothing,
    flags: &[],
    new: |_, root| Box::new(RpcStatistics::new(root, "nfsd", &ENTRY, &COLUMNS, &PROCEDURES, calls)),
};

/// The read-ahead cache went with Linux 5.4: a newer kernel has no line `ra`.
static COLUMNS: [Column; 16] = [
    Column::counter(
        "rc",
        0,
        "node_nfsd_reply_cache_hits_total",
        "Total number of NFSd Reply Cache hits (client lost server response).",
    ),
    Column::counter(
        "rc",
        1,
        "node_nfsd_reply_cache_misses_total",
        "Total number of NFSd Reply Cache an operation that requires caching (idempotent).",
    ),
    Column::counter(
        "rc",
        2,
        "node_nfsd_reply_cache_nocache_total",
        "Total number of NFSd Reply Cache non-idempotent operations (rename/delete/…).",
    ),
    Column::counter("fh", 0, "node_nfsd_file_handles_stale_total", "Total number of NFSd stale file handles"),
    Column::counter("io", 0, "node_nfsd_disk_bytes_read_total", "Total NFSd bytes read."),
    Column::counter("io", 1, "node_nfsd_disk_bytes_written_total", "Total NFSd bytes written."),
    Column::gauge(
        "th",
        0,
        "node_nfsd_server_threads",
        "Total number of NFSd kernel threads that are running.",
    ),
    Column::gauge(
        "ra",
        0,
        "node_nfsd_read_ahead_cache_size_blocks",
        "How large the read ahead cache is in blocks.",
    ),
    Column::counter(
        "ra",
        11,
        "node_nfsd_read_ahead_cache_not_found_total",
        "Total number of NFSd read ahead cache not found.",
    ),
    Column::counter(
        "net",
        1,
        "node_nfsd_packets_total",
        "Total NFSd network packets (sent+received) by protocol type.",
    )
    .labelled("proto", "udp"),
    Column::counter(
        "net",
        2,
        "node_nfsd_packets_total",
        "Total NFSd network packets (sent+received) by protocol type.",
    )
    .labelled("proto", "tcp"),
    Column::counter("net", 3, "node_nfsd_connections_total", "Total number of NFSd TCP connections."),
    Column::counter("rpc", 2, "node_nfsd_rpc_errors_total", "Total number of NFSd RPC errors by error type.")
        .labelled("error", "fmt"),
    Column::counter("rpc", 3, "node_nfsd_rpc_errors_total", "Total number of NFSd RPC errors by error type.")
        .labelled("error", "auth"),
    Column::counter("rpc", 4, "node_nfsd_rpc_errors_total", "Total number of NFSd RPC errors by error type.")
        .labelled("error", "cInt"),
    Column::counter("rpc", 0, "node_nfsd_server_rpcs_total", "Total number of NFSd RPCs."),
];

static PROCEDURES: [Procedures; 4] = [
    Procedures { line: "proc2", proto: "2", names: CALLS_2, is_counted: true, least: CALLS_2.len() },
    Procedures { line: "proc3", proto: "3", names: CALLS_3, is_counted: true, least: CALLS_3.len() },
    // An operation came with each minor version; 39 are those of 4.0 but for the last.
    Procedures { line: "proc4ops", proto: "4", names: OPERATIONS_4, is_counted: true, least: 39 },
    Procedures { line: "wdeleg_getattr", proto: "4", names: &["WdelegGetattr"], is_counted: false, least: 1 },
];

/// `node_exporter` does not show who asks whether the server is there.
const CALLS_2: &[&str] = &without_null::<{ VERSION_2.len() }>(VERSION_2);
const CALLS_3: &[&str] = &without_null::<{ VERSION_3.len() }>(VERSION_3);

const fn without_null<const N: usize>(names: &'static [&'static str]) -> [&'static str; N] {
    let mut shown = [""; N];
    let mut place = 1;
    while place < N {
        shown[place] = names[place];
        place += 1;
    }
    shown
}

/// In the order of `nfs_opnum4` in the kernel's `include/linux/nfs4.h`, as far as `node_exporter` shows them.
const OPERATIONS_4: &[&str] = &[
    "",
    "",
    "",
    "Access",
    "Close",
    "Commit",
    "Create",
    "DelegPurge",
    "DelegReturn",
    "GetAttr",
    "GetFH",
    "Link",
    "Lock",
    "Lockt",
    "Locku",
    "Lookup",
    "LookupRoot",
    "Nverify",
    "Open",
    "OpenAttr",
    "OpenConfirm",
    "OpenDgrd",
    "PutFH",
    "",
    "",
    "Read",
    "ReadDir",
    "ReadLink",
    "Remove",
    "Rename",
    "Renew",
    "RestoreFH",
    "SaveFH",
    "SecInfo",
    "SetAttr",
    "SetClientID",
    "SetClientIDConfirm",
    "Verify",
    "Write",
    "RelLockOwner",
];

fn calls() -> Family {
    Family::counter("node_nfsd_requests_total", "Total number NFSd Requests by method and protocol.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collector::Collected;
    use crate::host::testing::{collector, values};

    #[test]
    fn what_a_newer_kernel_lacks_is_absent() {
        let proc = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(proc.path().join("net/rpc")).unwrap();
        let text = format!("rc 1 2 3\nth 16 0 0.000\nnet 1 2\nproc4ops 40 0 0 0 7{}\n", " 0".repeat(36));
        std::fs::write(proc.path().join("net/rpc/nfsd"), text).unwrap();
        let Collected { families, faults, .. } =
            collector(&ENTRY, proc.path(), "/nonexistent".as_ref(), &[]).collect();
        let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(faults, ["/proc/net/rpc/nfsd: cannot read line 3: `net 1 2`"]);
        let lines = values(&families);
        assert_eq!(lines[3], "node_nfsd_server_threads 16");
        let called: Vec<_> =
            lines.iter().filter(|line| line.contains("requests_total") && !line.ends_with(" 0")).collect();
        assert_eq!(called, [r#"node_nfsd_requests_total{proto="4",method="Access"} 7"#]);
        assert!(!lines.iter().any(|line| line.contains("Null") || line.contains("read_ahead")), "{lines:#?}");
    }
}

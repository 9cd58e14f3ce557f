//! The families of `mountstats`, each at the place of its number in the file (see `fs/nfs/super.c` and
//! `net/sunrpc/stats.c` of the kernel).

use crate::family::Family;

/// A number of a line, and the family it becomes.
#[derive(Clone, Copy)]
pub(super) struct Column {
    family: &'static str,
    help: &'static str,
    is_counter: bool,
}

impl Column {
    /// The empty family.
    pub(super) fn family(self) -> Family {
        if self.is_counter {
            Family::counter(self.family, self.help)
        } else {
            Family::gauge(self.family, self.help)
        }
    }
}

const fn counter(family: &'static str, help: &'static str) -> Column {
    Column { family, help, is_counter: true }
}

const fn gauge(family: &'static str, help: &'static str) -> Column {
    Column { family, help, is_counter: false }
}

/// The line `age:`, in seconds.
pub(super) const AGE: Column =
    counter("node_mountstats_nfs_age_seconds_total", "The age of the NFS mount in seconds.");

/// The line `bytes:`; the last two are pages.
pub(super) const BYTES: [Column; 8] = [
    counter("node_mountstats_nfs_read_bytes_total", "Number of bytes read using the read() syscall."),
    counter("node_mountstats_nfs_write_bytes_total", "Number of bytes written using the write() syscall."),
    counter(
        "node_mountstats_nfs_direct_read_bytes_total",
        "Number of bytes read using the read() syscall in O_DIRECT mode.",
    ),
    counter(
        "node_mountstats_nfs_direct_write_bytes_total",
        "Number of bytes written using the write() syscall in O_DIRECT mode.",
    ),
    counter(
        "node_mountstats_nfs_total_read_bytes_total",
        "Number of bytes read from the NFS server, in total.",
    ),
    counter(
        "node_mountstats_nfs_total_write_bytes_total",
        "Number of bytes written to the NFS server, in total.",
    ),
    counter("node_mountstats_nfs_read_pages_total", "Number of pages read directly via mmap()'d files."),
    counter("node_mountstats_nfs_write_pages_total", "Number of pages written directly via mmap()'d files."),
];

/// The line `events:`; the one without a family waits for congestion, which the kernel no longer does.
pub(super) const EVENTS: [Option<Column>; 27] = [
    Some(counter(
        "node_mountstats_nfs_event_inode_revalidate_total",
        "Number of times cached inode attributes are re-validated from the server.",
    )),
    Some(counter(
        "node_mountstats_nfs_event_dnode_revalidate_total",
        "Number of times cached dentry nodes are re-validated from the server.",
    )),
    Some(counter(
        "node_mountstats_nfs_event_data_invalidate_total",
        "Number of times an inode cache is cleared.",
    )),
    Some(counter(
        "node_mountstats_nfs_event_attribute_invalidate_total",
        "Number of times cached inode attributes are invalidated.",
    )),
    Some(counter(
        "node_mountstats_nfs_event_vfs_open_total",
        "Number of times cached inode attributes are invalidated.",
    )),
    Some(counter(
        "node_mountstats_nfs_event_vfs_lookup_total",
        "Number of times a directory lookup has occurred.",
    )),
    Some(counter(
        "node_mountstats_nfs_event_vfs_access_total",
        "Number of times permissions have been checked.",
    )),
    Some(counter(
        "node_mountstats_nfs_event_vfs_update_page_total",
        "Number of updates (and potential writes) to pages.",
    )),
    Some(counter(
        "node_mountstats_nfs_event_vfs_read_page_total",
        "Number of pages read directly via mmap()'d files.",
    )),
    Some(counter(
        "node_mountstats_nfs_event_vfs_read_pages_total",
        "Number of times a group of pages have been read.",
    )),
    Some(counter(
        "node_mountstats_nfs_event_vfs_write_page_total",
        "Number of pages written directly via mmap()'d files.",
    )),
    Some(counter(
        "node_mountstats_nfs_event_vfs_write_pages_total",
        "Number of times a group of pages have been written.",
    )),
    Some(counter(
        "node_mountstats_nfs_event_vfs_getdents_total",
        "Number of times directory entries have been read with getdents().",
    )),
    Some(counter(
        "node_mountstats_nfs_event_vfs_setattr_total",
        "Number of times directory entries have been read with getdents().",
    )),
    Some(counter(
        "node_mountstats_nfs_event_vfs_flush_total",
        "Number of pending writes that have been forcefully flushed to the server.",
    )),
    Some(counter(
        "node_mountstats_nfs_event_vfs_fsync_total",
        "Number of times fsync() has been called on directories and files.",
    )),
    Some(counter(
        "node_mountstats_nfs_event_vfs_lock_total",
        "Number of times locking has been attempted on a file.",
    )),
    Some(counter(
        "node_mountstats_nfs_event_vfs_file_release_total",
        "Number of times files have been closed and released.",
    )),
    None,
    Some(counter("node_mountstats_nfs_event_truncation_total", "Number of times files have been truncated.")),
    Some(counter(
        "node_mountstats_nfs_event_write_extension_total",
        "Number of times a file has been grown due to writes beyond its existing end.",
    )),
    Some(counter(
        "node_mountstats_nfs_event_silly_rename_total",
        "Number of times a file was removed while still open by another process.",
    )),
    Some(counter(
        "node_mountstats_nfs_event_short_read_total",
        "Number of times the NFS server gave less data than expected while reading.",
    )),
    Some(counter(
        "node_mountstats_nfs_event_short_write_total",
        "Number of times the NFS server wrote less data than expected while writing.",
    )),
    Some(counter(
        "node_mountstats_nfs_event_jukebox_delay_total",
        "Number of times the NFS server indicated EJUKEBOX; retrieving data from offline storage.",
    )),
    Some(counter("node_mountstats_nfs_event_pnfs_read_total", "Number of NFS v4.1+ pNFS reads.")),
    Some(counter("node_mountstats_nfs_event_pnfs_write_total", "Number of NFS v4.1+ pNFS writes.")),
];

/// The line `xprt:` behind the protocol, as TCP has it.
pub(super) const TRANSPORT: [Option<Column>; 13] = [
    None,
    Some(counter(
        "node_mountstats_nfs_transport_bind_total",
        "Number of times the client has had to establish a connection from scratch to the NFS server.",
    )),
    Some(counter(
        "node_mountstats_nfs_transport_connect_total",
        "Number of times the client has made a TCP connection to the NFS server.",
    )),
    None,
    Some(gauge(
        "node_mountstats_nfs_transport_idle_time_seconds",
        "Duration since the NFS mount last saw any RPC traffic, in seconds.",
    )),
    Some(counter(
        "node_mountstats_nfs_transport_sends_total",
        "Number of RPC requests for this mount sent to the NFS server.",
    )),
    Some(counter(
        "node_mountstats_nfs_transport_receives_total",
        "Number of RPC responses for this mount received from the NFS server.",
    )),
    Some(counter(
        "node_mountstats_nfs_transport_bad_transaction_ids_total",
        "Number of times the NFS server sent a response with a transaction ID unknown to this client.",
    )),
    None,
    Some(counter(
        "node_mountstats_nfs_transport_backlog_queue_total",
        "Total number of items added to the RPC backlog queue.",
    )),
    Some(gauge(
        "node_mountstats_nfs_transport_maximum_rpc_slots",
        "Maximum number of simultaneously active RPC requests ever used.",
    )),
    Some(counter(
        "node_mountstats_nfs_transport_sending_queue_total",
        "Total number of items added to the RPC transmission sending queue.",
    )),
    Some(counter(
        "node_mountstats_nfs_transport_pending_queue_total",
        "Total number of items added to the RPC transmission pending queue.",
    )),
];

/// A line of an operation; the last three are milliseconds in the file.
pub(super) const OPERATION: [Column; 8] = [
    counter(
        "node_mountstats_nfs_operations_requests_total",
        "Number of requests performed for a given operation.",
    ),
    counter(
        "node_mountstats_nfs_operations_transmissions_total",
        "Number of times an actual RPC request has been transmitted for a given operation.",
    ),
    counter(
        "node_mountstats_nfs_operations_major_timeouts_total",
        "Number of times a request has had a major timeout for a given operation.",
    ),
    counter(
        "node_mountstats_nfs_operations_sent_bytes_total",
        "Number of bytes sent for a given operation, including RPC headers and payload.",
    ),
    counter(
        "node_mountstats_nfs_operations_received_bytes_total",
        "Number of bytes received for a given operation, including RPC headers and payload.",
    ),
    counter(
        "node_mountstats_nfs_operations_queue_time_seconds_total",
        "Duration all requests spent queued for transmission for a given operation before they were sent, in seconds.",
    ),
    counter(
        "node_mountstats_nfs_operations_response_time_seconds_total",
        "Duration all requests took to get a reply back after a request for a given operation was transmitted, in seconds.",
    ),
    counter(
        "node_mountstats_nfs_operations_request_time_seconds_total",
        "Duration all requests took from when a request was enqueued to when it was completely handled for a given operation, in seconds.",
    ),
];

//! What the NFS client and the NFS server tell in the same way: a file of `/proc/net/rpc` with numbers and with calls by procedure.
//!
//! Owns reading such a file. Leaves out which numbers and procedures there are, which is the collector's table.

use super::columns::{Column, families, numbers};
use super::entry::Entry;
use super::kept_file::KeptFile;
use super::nfs_procedures::{ProcedureCounts, Procedures};
use super::proc_file::ProcFile;
use super::root::Root;
use crate::collector::{Collected, Collector};
use crate::family::{Family, Labels};

/// A collector that reads one of the files.
pub(crate) struct RpcStatistics {
    entry: &'static Entry,
    columns: &'static [Column],
    /// The family of the calls, without samples.
    calls: fn() -> Family,
    file: ProcFile,
    procedures: ProcedureCounts,
}

impl RpcStatistics {
    /// `file` is below `/proc/net/rpc`.
    pub(crate) fn new(
        root: &Root,
        file: &str,
        entry: &'static Entry,
        columns: &'static [Column],
        procedures: &'static [Procedures],
        calls: fn() -> Family,
    ) -> Self {
        let file = ProcFile::of_few_lines(root, &format!("net/rpc/{file}")).known(KeptFile::of_some_machines);
        Self { entry, columns, calls, file, procedures: ProcedureCounts::new(procedures) }
    }
}

impl Collector for RpcStatistics {
    fn name(&self) -> &'static str {
        self.entry.name
    }

    fn collect(&mut self) -> Collected {
        let Self { entry, columns, .. } = *self;
        let text = match self.file.read() {
            Ok(text) => text,
            Err(error) => return Collected::failed(error.no_data_if_absent(entry.name)),
        };
        let (numbers, mut faults) = numbers(columns, entry.reads, text);
        let mut families = families(columns, &[(Labels::NONE, numbers)]);
        let mut calls = (self.calls)();
        faults.extend(self.procedures.read(entry.reads, text, &mut calls));
        families.push(calls);
        Collected::new(families, faults)
    }
}

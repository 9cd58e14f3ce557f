//! Series that other programs leave in `*.prom` files.
//!
//! Owns which directories are read, and what the page says of the files. Which files are opened is
//! `textfile/directory.rs`'s, what one may hold `textfile/parse.rs`'s and `textfile/composed.rs`'s, families of one name
//! `textfile/merge.rs`'s, how much there may be `textfile/limits.rs`'s, `*` and `?` in directories `textfile/glob.rs`'s. As in
//! `node_exporter` a bad file shows in `node_textfile_scrape_error`, and the collector itself succeeds. The files may lie
//! on a file server.

use std::collections::HashSet;
use std::path::PathBuf;

use crate::collector::{Collected, Collector, Fault, WaitsFor};
use crate::family::{Family, Labels};
use crate::fault_log::FaultLog;
use crate::flags::Flag;
use crate::host::entry::Entry;

mod composed;
mod directory;
mod glob;
pub(in crate::host) mod limits;
mod merge;
mod mistake;
pub(in crate::host) mod parse;
mod series;

use directory::Found;
use limits::Limits;
use merge::Merged;

static DIRECTORY: Flag = Flag::values(
    "collector.textfile.directory",
    "DIRECTORY",
    "",
    "Where to read *.prom files; may hold * and ?",
);

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "textfile",
    help: "series other programs leave in *.prom files",
    reads: "the directories of --collector.textfile.directory",
    is_default: true,
    waits_for: WaitsFor::TextFiles,
    flags: &[&DIRECTORY],
    new: |flags, _| {
        Box::new(TextfileCollector { directories: flags.values(&DIRECTORY), log: FaultLog::new(ENTRY.name) })
    },
};

struct TextfileCollector {
    /// May hold wildcards.
    directories: Vec<String>,
    log: FaultLog,
}

impl Collector for TextfileCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        // Two patterns can match one directory.
        let mut seen = HashSet::new();
        let directories = self.directories.iter().flat_map(|pattern| glob::expand(pattern));
        let directories: Vec<PathBuf> =
            directories.filter(|directory| seen.insert(directory.clone())).collect();
        let (families, mistakes) = read(&directories, &Limits::DEFAULT);
        // A bad file stays bad for many scrapes.
        self.log.log(&mistakes);
        Collected::complete(families)
    }
}

/// The page's part, and what is wrong with the files.
fn read(directories: &[PathBuf], limits: &Limits) -> (Vec<Family>, Vec<Fault>) {
    let Found { files, mut mistakes } = directory::read(directories, limits);
    let mut modified =
        Family::gauge("node_textfile_mtime_seconds", "Unixtime mtime of textfiles successfully read.");
    for file in &files {
        modified.push(Labels::new([("file", file.path.as_str())]), file.modified);
    }
    let Merged { mut families, mistakes: of_merging } = merge::merge(files, limits);
    mistakes.extend(of_merging);
    families.push(modified);
    families.push(
        Family::gauge(
            "node_textfile_scrape_error",
            "1 if there was an error opening or reading a file, 0 otherwise",
        )
        .with(Labels::NONE, !mistakes.is_empty()),
    );
    (families, mistakes.into_iter().map(Fault::new).collect())
}

#[cfg(test)]
mod tests;

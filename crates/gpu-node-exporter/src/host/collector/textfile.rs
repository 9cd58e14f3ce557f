//! Series that other programs leave in `*.prom` files.
//!
//! Owns finding the files, reading each whole or not at all, and merging families of the same name. What a file may
//! hold is `textfile/parse.rs`'s and `textfile/composed.rs`'s, `*` and `?` in directories `textfile/glob.rs`'s. As in
//! `node_exporter` a bad file shows in `node_textfile_scrape_error`, and the collector itself succeeds. The files may lie
//! on a file server.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use crate::collector::{Collected, Collector, WaitsFor};
use crate::family::{Family, Labels, Sample};
use crate::flags::Flag;
use crate::host::entry::Entry;
use crate::host::kept_file::ReadError;

mod composed;
mod glob;
pub(in crate::host) mod parse;

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
        Box::new(TextfileCollector { directories: flags.values(&DIRECTORY), logged: BTreeSet::new() })
    },
};

struct TextfileCollector {
    /// May hold wildcards.
    directories: Vec<String>,
    /// What was logged and still holds.
    logged: BTreeSet<String>,
}

impl TextfileCollector {
    /// Logs what is new; a bad file stays bad for many scrapes.
    fn log(&mut self, mistakes: Vec<String>) {
        let mistakes: BTreeSet<String> = mistakes.into_iter().collect();
        for mistake in mistakes.difference(&self.logged) {
            tracing::warn!(collector = ENTRY.name, "{mistake}");
        }
        self.logged = mistakes;
    }
}

impl Collector for TextfileCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        let mut directories: Vec<PathBuf> =
            self.directories.iter().flat_map(|pattern| glob::expand(pattern)).collect();
        directories.dedup();
        let Found { files, mistakes } = read(&directories);
        let families = families(files, !mistakes.is_empty());
        self.log(mistakes.into_iter().chain(families.mistakes).collect());
        Collected::complete(families.families)
    }
}

/// A file that was read to its end without a mistake.
struct File {
    path: String,
    /// Whole seconds since 1970.
    modified: u64,
    families: Vec<Family>,
}

#[derive(Default)]
struct Found {
    files: Vec<File>,
    mistakes: Vec<String>,
}

fn read(directories: &[PathBuf]) -> Found {
    let mut found = Found::default();
    for directory in directories {
        match prom_files(directory) {
            Ok(paths) => {
                for path in paths {
                    match read_file(&path) {
                        Ok(file) => found.files.push(file),
                        Err(mistake) => found.mistakes.push(mistake),
                    }
                }
            }
            Err(error) => found.mistakes.push(error.to_string()),
        }
    }
    found
}

fn prom_files(directory: &Path) -> Result<Vec<PathBuf>, ReadError> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory).map_err(|error| ReadError::new(directory, error))? {
        let path = entry.map_err(|error| ReadError::new(directory, error))?.path();
        paths.extend(Some(path).filter(|path| path.extension().is_some_and(|extension| extension == "prom")));
    }
    paths.sort();
    Ok(paths)
}

/// A file is small text written by a script; more than this is something else.
const LARGEST_FILE: u64 = 16 * 1024 * 1024;

fn read_file(path: &Path) -> Result<File, String> {
    let unreadable = |error| ReadError::new(path, error).to_string();
    let metadata = fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() || metadata.len() > LARGEST_FILE {
        return Err(format!("{}: is not a regular file of at most {LARGEST_FILE} bytes", path.display()));
    }
    let text = fs::read_to_string(path).map_err(unreadable)?;
    let families = parse::parse(&text).map_err(|mistake| format!("{}: {mistake}", path.display()))?;
    let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let modified = modified.map_or(0, |since| since.as_secs());
    Ok(File { path: path.display().to_string(), modified, families })
}

struct Merged {
    families: Vec<Family>,
    mistakes: Vec<String>,
}

fn families(files: Vec<File>, mut failed: bool) -> Merged {
    let mut mistakes = Vec::new();
    let mut modified = Family::gauge(
        "node_textfile_mtime_seconds",
        "When the file was last written, of the files that were read.",
    );
    let mut by_name: BTreeMap<String, (Family, Vec<String>)> = BTreeMap::new();
    for File { path, modified: seconds, families } in files {
        modified.push(Labels::new([("file", path.as_str())]), seconds);
        for family in families {
            let Some((first, paths)) = by_name.get_mut(&*family.name) else {
                by_name.insert(family.name.to_string(), (family, vec![path.clone()]));
                continue;
            };
            let differs = if family.kind != first.kind {
                "another type"
            } else if !family.help.is_empty() && !first.help.is_empty() && family.help != first.help {
                "another help text"
            } else {
                ""
            };
            if !differs.is_empty() {
                failed = true;
                mistakes.push(format!("{path}: `{}` has {differs} than in {}", family.name, paths[0]));
                continue;
            }
            if first.help.is_empty() {
                first.help = family.help;
            }
            first.samples.extend(family.samples);
            paths.push(path.clone());
        }
    }
    let mut families: Vec<Family> = by_name
        .into_values()
        .map(|(mut family, paths)| {
            if family.help.is_empty() {
                family.help = format!("Metric read from {}", paths.join(", ")).into();
            }
            same_labels(&mut family.samples);
            family
        })
        .collect();
    families.push(modified);
    families.push(
        Family::gauge("node_textfile_scrape_error", "1 when a file or directory could not be read, else 0.")
            .with(Labels::NONE, failed),
    );
    Merged { families, mistakes }
}

/// Series of one family get the same label names, empty where they had none, as `node_exporter` shows them. `le` and
/// `quantile` belong to single samples and stay as they are.
fn same_labels(samples: &mut [Sample]) {
    let is_common = |name: &str| name != "le" && name != "quantile";
    let names: BTreeSet<String> = samples
        .iter()
        .flat_map(|sample| sample.labels.iter().map(|(name, _)| name.to_string()))
        .filter(|name| is_common(name))
        .collect();
    for sample in samples {
        let has = |name: &str| sample.labels.iter().any(|(known, _)| known == name);
        let missing: Vec<&String> = names.iter().filter(|name| !has(name)).collect();
        if !missing.is_empty() {
            sample.labels = sample.labels.and(missing.into_iter().map(|name| (name, "")));
        }
    }
}

#[cfg(test)]
mod tests;

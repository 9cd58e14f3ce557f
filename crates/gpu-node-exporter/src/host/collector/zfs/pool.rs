//! The files of one pool: its state, its I/O, and the I/O of each of its datasets.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::kstat::{self, Statistic};
use crate::collector::Fault;
use crate::family::{Family, Labels, Number};
use crate::host::kept_file::{Buffer, KeptFile, ReadError};
use crate::host::lines::{Lines, numbered_lines};
use crate::host::named_families::NamedFamilies;

/// A pool's files.
pub(super) struct Pool {
    labels: Labels,
    directory: PathBuf,
    io: KeptFile,
    state: KeptFile,
    /// One for each dataset that is mounted, by the file's name.
    datasets: BTreeMap<OsString, KeptFile>,
}

/// A pool with more datasets shows so many of them: each is a file to read at every scrape.
const MOST_DATASETS: usize = 10_000;

/// The states that a pool can be in.
const STATES: [&str; 7] = ["online", "degraded", "faulted", "offline", "removed", "unavail", "suspended"];

/// The empty family of all pools' states.
pub(super) fn state_family() -> Family {
    Family::gauge("node_zfs_zpool_state", "kstat.zfs.misc.state")
}

impl Pool {
    pub(super) fn new(directory: &Path, name: &str) -> Self {
        Self {
            labels: Labels::new([("zpool", name)]),
            io: KeptFile::of_few_lines(directory.join("io")),
            state: KeptFile::of_few_lines(directory.join("state")),
            directory: directory.to_owned(),
            datasets: BTreeMap::new(),
        }
    }

    /// Adds the pool's samples. What goes away with a pool that is exported just now is no fault.
    pub(super) fn read(
        &mut self,
        buffer: &mut Buffer,
        families: &mut NamedFamilies,
        states: &mut Family,
    ) -> Vec<Fault> {
        let mut faults = Vec::new();
        match self.io.read(buffer).map(io) {
            Ok(Ok(columns)) => {
                for (key, number) in columns {
                    let series = format!("node_zfs_zpool_{}", kstat::in_a_name(key));
                    let new = |series| Family::unknown(series, format!("kstat.zfs.misc.io.{key}"));
                    faults.extend(families.push(series, new, self.labels.clone(), number).err());
                }
            }
            Ok(Err(fault)) => faults.push(fault),
            Err(error) if error.is_no_answer() => {}
            Err(error) => faults.push(error.into()),
        }
        match self.state.read(buffer) {
            Ok(state) => {
                let state = state.lines().next().unwrap_or_default().trim().to_ascii_lowercase();
                if STATES.contains(&&*state) {
                    for known in STATES {
                        states.push(self.labels.and([("state", known)]), known == state);
                    }
                } else {
                    faults.push(self.state.fault("expected a pool's state"));
                }
            }
            // ZFS before 0.8 does not tell it.
            Err(error) if error.is_no_answer() => {}
            Err(error) => faults.push(error.into()),
        }
        if let Err(fault) = self.find_datasets() {
            faults.push(fault);
        }
        for file in self.datasets.values_mut() {
            match file.read(buffer).map(dataset) {
                Ok((name, Lines { read, faults: odd })) => {
                    faults.extend(odd);
                    let Some(name) = name else { continue };
                    let labels = self.labels.and([("dataset", name)]);
                    for (key, number) in read {
                        let series = format!("node_zfs_zpool_dataset_{}", kstat::in_a_name(key));
                        let new = |series| Family::unknown(series, format!("kstat.zfs.misc.objset.{key}"));
                        faults.extend(families.push(series, new, labels.clone(), number).err());
                    }
                }
                Err(error) if error.is_no_answer() => {}
                Err(error) => faults.push(error.into()),
            }
        }
        faults
    }

    fn find_datasets(&mut self) -> Result<(), Fault> {
        let unreadable = |error| ReadError::new(&self.directory, error);
        let mut found = BTreeMap::new();
        let entries = match std::fs::read_dir(&self.directory).map_err(unreadable) {
            Ok(entries) => entries,
            Err(error) if error.is_no_answer() => {
                self.datasets.clear();
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let mut beyond = 0_usize;
        for entry in entries {
            let name = entry.map_err(unreadable)?.file_name();
            if !name.as_encoded_bytes().starts_with(b"objset-") {
                continue;
            }
            if found.len() == MOST_DATASETS {
                beyond += 1;
                continue;
            }
            let open = || KeptFile::of_few_lines(self.directory.join(&name));
            let file = self.datasets.remove(&name).unwrap_or_else(open);
            found.insert(name, file);
        }
        self.datasets = found;
        if beyond > 0 {
            let directory = self.directory.display();
            return Err(Fault::with_excerpt(
                format!("{directory}: only {MOST_DATASETS} datasets are shown, not the others"),
                beyond.to_string(),
            ));
        }
        Ok(())
    }
}

/// A line of names that begins with `nread`, and a line of numbers.
fn io(text: &str) -> Result<Vec<(&str, Number)>, Fault> {
    let mut lines = text.lines().skip_while(|line| !line.starts_with("nread"));
    let pair = lines.next().zip(lines.next());
    let columns = pair.and_then(|(names, numbers)| {
        let names: Vec<_> = names.split_ascii_whitespace().collect();
        let numbers: Vec<u64> =
            numbers.split_ascii_whitespace().map(|word| word.parse().ok()).collect::<Option<_>>()?;
        (names.len() == numbers.len()).then(|| names.into_iter().zip(numbers.into_iter().map(Number::from)))
    });
    columns
        .map(Iterator::collect)
        .ok_or_else(|| Fault::new("zfs: a pool's io: expected names and as many numbers"))
}

/// The dataset's name and its statistics.
fn dataset(text: &str) -> (Option<&str>, Lines<(&str, Number)>) {
    const FILE: &str = "zfs: a dataset's objset";
    let Some(lines) = kstat::after_head(text) else { return (None, kstat::without_head(FILE)) };
    let mut name = None;
    let Lines { read, mut faults } = numbered_lines(FILE, lines, |line| {
        if line.split_ascii_whitespace().next() == Some("dataset_name") {
            name = third_word(line);
            return name.map(|_| Statistic::Text);
        }
        kstat::parse_line(line)
    });
    if name.is_none() && faults.is_empty() {
        faults.push(Fault::new(format!("{FILE}: expected a line `dataset_name`")));
    }
    (name, Lines { read: read.into_iter().filter_map(Statistic::number).collect(), faults })
}

/// All from the third word on: the name of a dataset may hold spaces.
fn third_word(line: &str) -> Option<&str> {
    let mut rest = line.trim();
    for _ in 0..2 {
        let end = rest.find([' ', '\t'])?;
        rest = rest[end..].trim_start();
    }
    (!rest.is_empty()).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::check_garbage;

    #[test]
    fn a_name_may_hold_spaces() {
        assert_eq!(
            third_word("dataset_name                    7    pool3/with  two"),
            Some("pool3/with  two")
        );
        assert_eq!(third_word("dataset_name 7"), None);
    }

    #[test]
    fn more_datasets_than_the_bound_are_told() {
        let directory = tempfile::tempdir().unwrap();
        for number in 0..MOST_DATASETS + 3 {
            std::fs::write(directory.path().join(format!("objset-{number}")), "").unwrap();
        }
        let mut pool = Pool::new(directory.path(), "tank");
        let said = pool.find_datasets().unwrap_err().to_string();
        assert!(said.ends_with(": only 10000 datasets are shown, not the others: `3`"), "{said}");
        assert_eq!(pool.datasets.len(), MOST_DATASETS);
    }

    #[test]
    fn garbage_is_a_fault() {
        check_garbage(
            |text| io(text).err().into_iter().collect(),
            &["", "x\n", "nread\n", "nread reads\n1\n", "nread\n-1\n", "nread\nx\n"],
        );
        let head = "name type data\n";
        check_garbage(
            |text| dataset(text).1.faults,
            &["", "x\n", head, &format!("{head}writes 4 1\n"), &format!("{head}dataset_name 7\n")],
        );
    }
}

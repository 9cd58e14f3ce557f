//! What a collector knows of the hardware in one directory of sysfs, such as `/sys/class/hwmon`.
//!
//! Owns when it looks again: when an entry came or went, and after a minute, since what is in an entry changes too (a port, a
//! namespace, a label). In between, the files it found stay open. Leaves out what there is to find. For devices that come and
//! go all the time, each by itself, there is `sysfs::Devices`.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::directory::each_device;
use super::kept_file::ReadError;
use super::utf8::escaped;

/// What is known of one directory.
pub(crate) struct Inventory<T> {
    directory: PathBuf,
    known: Option<Known<T>>,
}

struct Known<T> {
    names: BTreeSet<OsString>,
    /// When it was found.
    since: Instant,
    hardware: T,
}

/// After this long all is looked at again.
const LOOK_AGAIN: Duration = Duration::from_mins(1);

/// One entry of the directory.
pub(crate) struct Item {
    /// As a label shows it.
    pub(crate) name: String,
    /// Where its files are.
    pub(crate) directory: PathBuf,
}

impl<T> Inventory<T> {
    /// Nothing is read before the first [`Inventory::look`].
    pub(crate) fn new(directory: PathBuf) -> Self {
        Self { directory, known: None }
    }

    /// What there is at the time `now`. `find` is asked when it has to be looked at, with the entries by name; plain files are none.
    pub(crate) fn look(
        &mut self,
        now: Instant,
        find: impl FnOnce(Vec<Item>) -> T,
    ) -> Result<&mut T, ReadError> {
        let names = names(&self.directory)?;
        let is_known = |known: &Known<T>| known.names == names && now < known.since + LOOK_AGAIN;
        // What was found before goes first, and closes its files.
        let known = self.known.take().filter(is_known).unwrap_or_else(|| {
            let items = names.iter().map(|name| Item {
                name: escaped(name.as_encoded_bytes()).into_owned(),
                directory: self.directory.join(name),
            });
            let hardware = find(items.collect());
            Known { names: names.clone(), since: now, hardware }
        });
        Ok(&mut self.known.insert(known).hardware)
    }
}

fn names(directory: &Path) -> Result<BTreeSet<OsString>, ReadError> {
    let mut names = BTreeSet::new();
    each_device(directory, |name| {
        names.insert(name.to_owned());
    })
    .map_err(|error| ReadError::new(directory, error))?;
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_looked_at_when_an_entry_comes_or_goes_and_after_a_minute() {
        let root = tempfile::tempdir().unwrap();
        let mut inventory = Inventory::new(root.path().into());
        let start = Instant::now();
        let mut times = 0;
        let mut look = |now: Instant| {
            let found = inventory.look(now, |items| {
                times += 1;
                assert!(items.iter().all(|item| item.directory == root.path().join(&item.name)));
                (times, items.into_iter().map(|item| item.name).collect::<Vec<_>>())
            });
            let (times, names) = found.unwrap();
            (*times, names.join(" "))
        };
        let soon = start + LOOK_AGAIN / 2;
        assert_eq!(look(start), (1, String::new()));
        assert_eq!(look(soon), (1, String::new()));
        std::fs::create_dir(root.path().join("hwmon1")).unwrap();
        std::fs::create_dir(root.path().join("hwmon0")).unwrap();
        std::fs::write(root.path().join("uevent"), "").unwrap();
        assert_eq!(look(soon), (2, "hwmon0 hwmon1".to_owned()));
        std::fs::remove_dir(root.path().join("hwmon1")).unwrap();
        assert_eq!(look(soon), (3, "hwmon0".to_owned()));
        assert_eq!(look(soon + LOOK_AGAIN / 2), (3, "hwmon0".to_owned()));
        assert_eq!(look(soon + LOOK_AGAIN), (4, "hwmon0".to_owned()));
    }

    #[test]
    fn a_directory_that_is_not_there_is_told_by_name() {
        let error =
            Inventory::<()>::new("/nonexistent/class".into()).look(Instant::now(), |_| ()).unwrap_err();
        assert!(error.is_absent());
        assert!(error.to_string().starts_with("/nonexistent/class: "), "{error}");
    }
}

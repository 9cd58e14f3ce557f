//! What a collector knows of the hardware in one directory of sysfs, such as `/sys/class/hwmon`.
//!
//! Owns when it looks again: after a minute, also for a directory that was not there. In between, the files it found stay open, and those
//! of hardware that goes have no answer. Leaves out what there is to find. For devices that come and go all the time there is
//! `sysfs::Devices`.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::directory::each_device;
use super::kept_file::ReadError;
use super::utf8::escaped;

/// What is known of one directory.
pub(crate) struct Inventory<T> {
    directory: PathBuf,
    known: Option<Known<T>>,
}

struct Known<T> {
    /// When it was found.
    since: Instant,
    /// `None` where the directory is not there.
    hardware: Option<T>,
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
        // What was found before goes first, and closes its files.
        let known = match self.known.take().filter(|known| now < known.since + LOOK_AGAIN) {
            Some(known) => known,
            None => Known { since: now, hardware: self.find(find)? },
        };
        let hardware = self.known.insert(known).hardware.as_mut();
        hardware.ok_or_else(|| ReadError::new(&self.directory, Errno::NOENT.into()))
    }

    /// `None` where the directory is not there.
    fn find(&self, find: impl FnOnce(Vec<Item>) -> T) -> Result<Option<T>, ReadError> {
        let names = match names(&self.directory) {
            Ok(names) => names,
            Err(error) if error.is_absent() => return Ok(None),
            Err(error) => return Err(error),
        };
        let items = names.iter().map(|name| Item {
            name: escaped(name.as_encoded_bytes()).into_owned(),
            directory: self.directory.join(name),
        });
        Ok(Some(find(items.collect())))
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
    fn it_is_looked_at_once_a_minute() {
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
        assert_eq!(look(soon), (1, String::new()));
        assert_eq!(look(start + LOOK_AGAIN), (2, "hwmon0 hwmon1".to_owned()));
        std::fs::remove_dir(root.path().join("hwmon1")).unwrap();
        assert_eq!(look(soon + LOOK_AGAIN), (2, "hwmon0 hwmon1".to_owned()));
        assert_eq!(look(start + 2 * LOOK_AGAIN), (3, "hwmon0".to_owned()));
    }

    #[test]
    fn a_directory_that_is_not_there_is_told_by_name_and_looked_for_once_a_minute() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("class");
        let (mut inventory, start) = (Inventory::new(directory.clone()), Instant::now());
        let mut look = |now| inventory.look(now, |items| items.len()).map(|found| *found);
        for now in [start, start + LOOK_AGAIN / 2] {
            let error = look(now).unwrap_err();
            assert!(error.is_absent());
            assert!(error.to_string().starts_with(&format!("{}: ", directory.display())), "{error}");
            std::fs::create_dir_all(directory.join("hwmon0")).unwrap();
        }
        assert_eq!(look(start + LOOK_AGAIN).unwrap(), 1);
    }
}

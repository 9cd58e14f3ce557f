//! Space on the disk that is kept for delivering.
//!
//! To send what is stored, claims, attempts and ends have to be written; on a full disk they find room in what this file gives up, and so
//! does a start after a crash. Owns the file and how much of it there is. Leaves out what is refused meanwhile, which is the writer's.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate, statvfs};
use rustix::io::Errno;

use crate::outbox::error::StoreError;

/// Bytes kept. The log of the store is written back at 4 MiB, or after one webhook that is larger (8 MiB), into a file that has to grow by as
/// much; what deliveries write after that goes over the log again, and needs hardly any space.
pub(super) const WHOLE: u64 = 16 << 20;

/// Less is not worth keeping, and this much has to be left beside a whole one.
const LEAST: u64 = 1 << 20;

/// The file beside the store, `.reserve` after its name.
#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
    bytes: u64,
    is_used: bool,
}

impl Reserve {
    /// What an earlier process has left of it beside the store at `store`.
    pub(super) fn of(store: &Path) -> Self {
        let mut path = store.as_os_str().to_owned();
        path.push(".reserve");
        let path = PathBuf::from(path);
        let found = std::fs::symlink_metadata(&path).ok().filter(std::fs::Metadata::is_file);
        // Not its length: a copy may be all holes, which give nothing back.
        let bytes =
            found.as_ref().map_or(0, |file| file.len().min(file.blocks().saturating_mul(512)).min(WHOLE));
        Self { path, bytes, is_used: found.is_some() && bytes < WHOLE }
    }

    /// One of which nothing is left, on a disk without space.
    #[cfg(test)]
    pub(super) fn used_up() -> Self {
        Self { path: PathBuf::from("/dev/null/none/relay.db.reserve"), bytes: 0, is_used: true }
    }

    /// Whether it has given up space that it has not got back.
    pub(super) fn is_used(&self) -> bool {
        self.is_used
    }

    /// Gives half of what is left back to the disk, or all of little, because of `error`. `false`: there was nothing left.
    pub(super) fn release(&mut self, error: &StoreError) -> bool {
        if self.bytes == 0 {
            return false;
        }
        let left = if self.bytes / 2 < LEAST { 0 } else { self.bytes / 2 };
        let (path, given) = (self.path.display(), self.bytes - left);
        match self.open().and_then(|file| file.set_len(left)) {
            Ok(()) => tracing::warn!(
                %error, given, left,
                "{path} gives up {given} bytes, so that what is stored is delivered; nothing new is taken meanwhile: {error}"
            ),
            Err(refused) => tracing::warn!(%error, "{path} cannot give up space ({refused}): {error}"),
        }
        self.bytes = left;
        self.is_used = true;
        true
    }

    /// Makes it whole, if the disk has the space and some more. `false`: it is not whole.
    pub(super) fn refill(&mut self) -> bool {
        if self.bytes >= WHOLE {
            return true;
        }
        if !self.has_room() {
            return false;
        }
        let is_new = self.bytes == 0 && !self.is_used;
        let made = self.open().and_then(|file| {
            allocate(&file).inspect_err(|_no_space| {
                // Part of it is taken from others and helps nobody.
                let _kept = file.set_len(self.bytes);
            })
        });
        if let Err(error) = made {
            let is_about_space =
                matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
            if self.is_used && !is_about_space {
                // Webhooks do not wait for what no space brings back.
                self.is_used = false;
                let path = self.path.display();
                tracing::warn!(%error, "{path} cannot be made: {error}; once the disk is full, nothing is delivered");
            }
            return false;
        }
        if !is_new {
            tracing::info!("the disk of the store has space again: {} is whole", self.path.display());
        }
        self.bytes = WHOLE;
        self.is_used = false;
        true
    }

    fn has_room(&self) -> bool {
        let directory = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        statvfs(directory.unwrap_or(Path::new("."))).is_ok_and(|disk| {
            disk.f_bavail.saturating_mul(disk.f_frsize)
                >= WHOLE.saturating_sub(self.bytes).saturating_add(LEAST)
        })
    }

    /// Not through a link, which might lead to another file of ours, and no pipe, which would wait for somebody.
    fn open(&self) -> io::Result<File> {
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(&self.path)?;
        let found = file.metadata()?;
        if found.is_file() && found.nlink() == 1 {
            Ok(file)
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file of its own"))
        }
    }
}

/// Has the file system set the space aside; where it cannot, the space is written.
fn allocate(file: &File) -> io::Result<()> {
    match fallocate(file, FallocateFlags::empty(), 0, WHOLE) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => {
            let mut file = file;
            io::copy(&mut io::repeat(0).take(WHOLE), &mut file).map(drop)
        }
        allocated => Ok(allocated?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> StoreError {
        StoreError::Full { detail: "test".to_owned() }
    }

    #[test]
    fn it_gives_up_half_each_time_and_is_whole_again_later() {
        let directory = tempfile::tempdir().unwrap();
        let store = directory.path().join("relay.db");
        let mut reserve = Reserve::of(&store);
        assert!(!reserve.release(&full()), "there is none yet");
        assert!(!reserve.is_used());
        assert!(reserve.refill());
        let length = || std::fs::metadata(directory.path().join("relay.db.reserve")).unwrap().len();
        assert_eq!(length(), WHOLE);
        // Another process finds what this one left.
        assert!(Reserve::of(&store).release(&full()));
        let mut reserve = Reserve::of(&store);
        assert!(reserve.is_used());
        let mut left = vec![length()];
        while reserve.release(&full()) {
            left.push(length());
        }
        assert_eq!(left, [WHOLE / 2, WHOLE / 4, WHOLE / 8, WHOLE / 16, 0]);
        assert!(Reserve::of(&store).is_used(), "used up is not the same as never made");
        assert!(reserve.refill());
        assert_eq!((length(), reserve.is_used()), (WHOLE, false));
    }

    #[test]
    fn what_is_not_a_file_of_its_own_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let (store, reserve) = (directory.path().join("relay.db"), directory.path().join("relay.db.reserve"));
        let precious = directory.path().join("precious");
        std::fs::write(&precious, "not empty").unwrap();
        for link in [std::fs::hard_link::<&Path, &Path>, std::os::unix::fs::symlink] {
            link(&precious, &reserve).unwrap();
            let mut reserve_of = Reserve::of(&store);
            assert!(!reserve_of.refill());
            assert!(!reserve_of.is_used(), "nothing would be taken for ever");
            while reserve_of.release(&full()) {}
            assert_eq!(std::fs::read_to_string(&precious).unwrap(), "not empty");
            std::fs::remove_file(&reserve).unwrap();
        }
        // Holes give nothing back.
        File::create(&reserve).unwrap().set_len(WHOLE).unwrap();
        assert!(!Reserve::of(&store).release(&full()));
    }
}

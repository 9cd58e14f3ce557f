//! The lock that lets one process write the file.
//!
//! `SQLite`'s own locks would let two relays share a file, and each would take the other's leases for those of a dead one. With
//! one owner, the leases found at the start belong to a dead process and end at once.

use std::fs::{File, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::outbox::error::StoreError;

/// Held by the one process that may write a file.
#[derive(Debug)]
pub(in crate::outbox) struct Ownership {
    /// Never read: the system ends the lock with the process, however that ends.
    _lock: File,
}

impl Ownership {
    /// Becomes the owner of the store at `path`, unless another process is.
    pub(in crate::outbox) fn take(path: &Path) -> Result<Self, StoreError> {
        let cannot_open = |error: std::io::Error| StoreError::CannotOpen {
            path: path.to_owned(),
            detail: error.to_string(),
        };
        // Not through a link, which might lead to another file of ours; and nothing is ever in it that could be truncated.
        let lock = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW)
            .open(lock_path(path))
            .map_err(cannot_open)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse { path: path.to_owned() }),
            Err(TryLockError::Error(error)) => Err(cannot_open(error)),
        }
    }
}

/// Whether another process owns the store at `path`. Makes no file.
pub(in crate::outbox) fn is_held(path: &Path) -> bool {
    File::open(lock_path(path)).is_ok_and(|lock| matches!(lock.try_lock(), Err(TryLockError::WouldBlock)))
}

fn lock_path(store: &Path) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

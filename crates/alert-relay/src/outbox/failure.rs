//! What the driver's errors mean for the store.

use std::path::{Path, PathBuf};

use crate::outbox::error::StoreError;

/// Sorts a driver's error by `SQLite`'s primary result code (<https://www.sqlite.org/rescode.html>).
pub(super) fn store_error(error: &sqlx::Error) -> StoreError {
    let detail = error.to_string();
    let code = match error {
        sqlx::Error::Database(database) => database.code().and_then(|code| code.parse::<i32>().ok()),
        sqlx::Error::PoolClosed => return StoreError::Closed,
        sqlx::Error::PoolTimedOut => return StoreError::Overloaded,
        _ => None,
    };
    // The low byte is the primary code, the rest refines it.
    match code.map(|code| code & 0xff) {
        Some(13) => StoreError::Full { detail },
        Some(3 | 8 | 23) => StoreError::ReadOnly { detail },
        Some(5 | 6) => StoreError::Locked { detail },
        Some(11 | 26) => StoreError::Damaged { detail },
        Some(14) => StoreError::CannotOpen { path: PathBuf::new(), detail },
        _ => StoreError::Failed { detail },
    }
}

/// The same while a file is being opened, whose name the driver does not say.
pub(super) fn open_error(path: &Path, error: &sqlx::Error) -> StoreError {
    match store_error(error) {
        StoreError::CannotOpen { detail, .. } => StoreError::CannotOpen { path: path.to_owned(), detail },
        other => other,
    }
}

//! What the drivers' errors mean for the store.

use std::path::{Path, PathBuf};

use crate::outbox::error::StoreError;

/// Sorts a driver's error: by `SQLite`'s primary result code (<https://www.sqlite.org/rescode.html>), or by the SQLSTATE of PostgreSQL
/// (<https://www.postgresql.org/docs/15/errcodes-appendix.html>).
pub(super) fn store_error(error: &sqlx::Error) -> StoreError {
    let detail = error.to_string();
    if is_broken(error) {
        return StoreError::Unreachable { detail };
    }
    if let Some(state) = sql_state(error) {
        return by_sql_state(&state, detail);
    }
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

fn by_sql_state(state: &str, detail: String) -> StoreError {
    match state {
        "53100" => StoreError::Full { detail },
        // Data or an index that is not what it should be.
        "XX001" | "XX002" => StoreError::Damaged { detail },
        // Resources, permissions, a server that takes no writes; and limits of ours that a lock or a slow server has reached.
        "25006" | "42501" | "42P01" | "55P03" | "57014" | "40001" | "40P01" => {
            StoreError::Unreachable { detail }
        }
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

/// Whether the connection is of no more use, or there is none to be had.
pub(super) fn is_broken(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) => true,
        // Connections; insufficient resources but a full disk; who may connect; an operator, a crash, a start.
        _ => sql_state(error).is_some_and(|state| {
            state.starts_with("08")
                || (state.starts_with("53") && state != "53100")
                || state.starts_with("28")
                || state.starts_with("3D")
                || state.starts_with("57P")
                || state == "25P03"
        }),
    }
}

/// Whether PostgreSQL has ended a transaction for the sake of others that it stood in the way of.
pub(super) fn is_deadlock(error: &sqlx::Error) -> bool {
    sql_state(error).is_some_and(|state| matches!(state.as_str(), "40P01" | "40001"))
}

/// `None`: not an error of PostgreSQL.
fn sql_state(error: &sqlx::Error) -> Option<String> {
    let database = error.as_database_error()?;
    database.try_downcast_ref::<sqlx::postgres::PgDatabaseError>().map(|error| error.code().to_owned())
}

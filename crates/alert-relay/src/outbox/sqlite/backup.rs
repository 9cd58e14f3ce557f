//! A consistent copy of the file, also while its owner writes.
//!
//! `VACUUM INTO` (<https://www.sqlite.org/lang_vacuum.html>) copies what was committed at one moment. Its owner goes on meanwhile; its log
//! cannot become shorter until the copy is made.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};

use crate::outbox::error::{ReadError, StoreError};
use crate::outbox::failure::{open_error, store_error};

/// What was copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Backup {
    /// Size of the copy.
    pub(crate) bytes: u64,
    /// Webhooks in it.
    pub(crate) notifications: u64,
    /// Deliveries in it.
    pub(crate) deliveries: u64,
    /// Those of them that wait.
    pub(crate) pending: u64,
}

/// Copies to a file that must not be there yet. It appears under its name once it is whole, checked, and on the disk; whatever goes wrong
/// leaves nothing behind.
pub(in crate::outbox) async fn to(
    connection: &mut SqliteConnection,
    file: &Path,
) -> Result<Backup, ReadError> {
    let failed = |source: io::Error| {
        let hint = match source.kind() {
            io::ErrorKind::AlreadyExists => " (hint: a file that is there already is not replaced)",
            _ => "",
        };
        ReadError::Backup { file: file.to_owned(), reason: format!("{source}{hint}") }
    };
    if file.try_exists().map_err(failed)? {
        return Err(failed(io::ErrorKind::AlreadyExists.into()));
    }
    let unfinished = Unfinished::beside(file);
    sqlx::query("VACUUM INTO $1")
        .bind(unfinished.0.to_string_lossy().into_owned())
        .execute(connection)
        .await
        // Of the copy, where it is about a file: the store itself is open.
        .map_err(|error| match store_error(&error) {
            StoreError::Full { detail }
            | StoreError::ReadOnly { detail }
            | StoreError::CannotOpen { detail, .. } => {
                ReadError::Backup { file: file.to_owned(), reason: detail }
            }
            other => other.into(),
        })?;
    let backup = check(&unfinished.0).await?;
    let copied = File::open(&unfinished.0).and_then(|copy| copy.sync_all());
    // Unlike a renaming, it replaces nothing.
    copied.and_then(|()| std::fs::hard_link(&unfinished.0, file)).map_err(failed)?;
    drop(unfinished);
    let directory = file.parent().filter(|directory| !directory.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))
        .and_then(|directory| directory.sync_all())
        .map_err(failed)?;
    Ok(backup)
}

/// A copy that is being made; it goes when this is dropped.
struct Unfinished(PathBuf);

impl Unfinished {
    fn beside(file: &Path) -> Self {
        let mut name = file.as_os_str().to_owned();
        name.push(format!(".unfinished-{}", std::process::id()));
        Self(name.into())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let _gone = std::fs::remove_file(&self.0);
    }
}

/// Reads the copy from end to end (`PRAGMA integrity_check`), and counts what is in it.
async fn check(copy: &Path) -> Result<Backup, ReadError> {
    let options = SqliteConnectOptions::new().filename(copy).read_only(true).immutable(true);
    let connection = options.disable_statement_logging().connect().await;
    let mut connection = connection.map_err(|error| open_error(copy, &error))?;
    let read = async {
        let said: String = sqlx::query_scalar("PRAGMA integrity_check(1)").fetch_one(&mut connection).await?;
        let (notifications, deliveries, pending): (i64, i64, i64) = sqlx::query_as(
            "SELECT (SELECT COUNT(*) FROM notifications), (SELECT COUNT(*) FROM deliveries), \
             (SELECT COUNT(*) FROM deliveries WHERE state = 'pending')",
        )
        .fetch_one(&mut connection)
        .await?;
        connection.close().await?;
        Ok::<_, sqlx::Error>((said, [notifications, deliveries, pending]))
    };
    let (said, counts) = read.await.map_err(|error| store_error(&error))?;
    if said != "ok" {
        let reason = format!("the copy is damaged, and so perhaps the store: {said}");
        return Err(ReadError::Backup { file: copy.to_owned(), reason });
    }
    let [notifications, deliveries, pending] = counts.map(|count| u64::try_from(count).unwrap_or(0));
    let bytes = std::fs::metadata(copy).map_or(0, |copy| copy.len());
    Ok(Backup { bytes, notifications, deliveries, pending })
}

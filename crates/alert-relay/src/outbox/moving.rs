//! Moving a store from a file into a PostgreSQL database: all of it in one transaction, or nothing.
//!
//! Owns which tables and columns there are to be copied. The file is read and stays as it is; the database has to be empty, and no relay
//! may work on either meanwhile.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use settings_document::Secret;
use sqlx::AssertSqlSafe;

use crate::outbox::error::{ReadError, StoreError};
use crate::outbox::failure::store_error;
use crate::outbox::moving::tables::Kind::{Bytes, Number, Text};
use crate::outbox::moving::tables::{TABLES, Table};
use crate::outbox::postgres;
use crate::outbox::session::{Row, Session};
use crate::outbox::sqlite::ownership::Ownership;
use crate::outbox::sqlite::read_only;
use crate::outbox::statements::rows::{parameters, values};

mod tables;

/// Rows of each table that were copied.
pub(crate) type Moved = BTreeMap<&'static str, u64>;

/// A store that was not moved. The file is as it was, and nothing is in the database.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MoveError {
    /// The file cannot be read.
    #[error("the store that is to be moved: {0}")]
    Source(#[from] ReadError),
    /// The database cannot be written.
    #[error("the database: {0}")]
    Target(StoreError),
    /// A database with records in it.
    #[error(
        "the database has a store already: its table {table} is not empty (hint: name an empty database or schema)"
    )]
    NotEmpty {
        /// Where the first rows were found.
        table: &'static str,
    },
    /// A relay works on it.
    #[error("a relay works on the database (hint: stop it first)")]
    TargetInUse,
    /// What was counted after copying differs.
    #[error(
        "{copied} of {found} rows of {table} have arrived in the database: nothing was moved (hint: please report it)"
    )]
    Miscounted {
        /// Which table.
        table: &'static str,
        /// Rows in the file.
        found: u64,
        /// Rows in the database.
        copied: u64,
    },
    /// A file that somebody else has open, or that cannot be locked.
    #[error("`{}`: {error}", path.display())]
    SourceInUse {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: StoreError,
    },
}

/// Copies the store in this file into the database at this address.
pub(crate) async fn move_store(from: &Path, to: &Secret) -> Result<Moved, MoveError> {
    let in_use = |error| MoveError::SourceInUse { path: from.to_owned(), error };
    if !from.exists() {
        return Err(ReadError::Missing { path: from.to_owned() }.into());
    }
    let _ours = Ownership::take(from).map_err(in_use)?;
    let (mut file, tag) = read_only::open(from).await?;
    let mut database = postgres::open_to_fill(to).await.map_err(MoveError::Target)?;
    if !database.is_ours().await.map_err(|error| MoveError::Target(store_error(&error)))? {
        return Err(MoveError::TargetInUse);
    }
    let mut source = Session::Sqlite(&mut file);
    let mut target = Session::Postgres(&mut database.connection);
    let mut moment = target.moment().await.map_err(|error| MoveError::Target(store_error(&error)))?;
    let moved = fill(&mut source, &mut moment.session(), &tag).await?;
    moment.commit().await.map_err(|error| MoveError::Target(store_error(&error)))?;
    Ok(moved)
}

/// What else the table `store` has that holds of the rows, by name: up to when rows were pruned, and when the store was checked.
const MOMENTS: [&str; 2] = ["pruned_before", "checked_at"];

async fn fill(source: &mut Session<'_>, target: &mut Session<'_>, tag: &str) -> Result<Moved, MoveError> {
    let read = |error: sqlx::Error| MoveError::Source(store_error(&error).into());
    let write = |error: sqlx::Error| MoveError::Target(store_error(&error));
    // Whoever accepts meanwhile waits, and finds all of it.
    target.run("LOCK TABLE notifications, tally IN EXCLUSIVE MODE").await.map_err(write)?;
    for table in TABLES {
        if count(target, table.name).await.map_err(write)? > 0 {
            return Err(MoveError::NotEmpty { table: table.name });
        }
    }
    let mut moved = Moved::new();
    for table in TABLES {
        let mut last = None;
        loop {
            let rows = page(source, table, last.as_ref()).await.map_err(read)?;
            if rows.is_empty() {
                break;
            }
            insert(target, table, &rows).await.map_err(write)?;
            last = rows.into_iter().next_back();
        }
        let (found, copied) =
            (count(source, table.name).await.map_err(read)?, count(target, table.name).await.map_err(write)?);
        if found != copied {
            return Err(MoveError::Miscounted { table: table.name, found, copied });
        }
        moved.insert(table.name, copied);
    }
    // Ids that were seen outside stay what they are, and none is given twice.
    let mut kept = vec![("tag", tag.to_owned())];
    for name in MOMENTS {
        let found = source.query("SELECT value FROM store WHERE name = $1").bind(name).fetch_optional().await;
        if let Some(row) = found.map_err(read)? {
            kept.push((name, row.try_get("value").map_err(read)?));
        }
    }
    for (name, value) in kept {
        let query = target.query("INSERT INTO store (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value");
        query.bind(name).bind(value).execute().await.map_err(write)?;
    }
    for table in TABLES.iter().filter(|table| table.columns[0] == ("id", Number)) {
        let name = table.name;
        let sequence = source.query("SELECT seq FROM sqlite_sequence WHERE name = $1").bind(name);
        let last = sequence.fetch_optional().await.map_err(read)?;
        let last: i64 = last.map_or(Ok(0), |row| row.try_get(0)).map_err(read)?;
        let set =
            format!("SELECT setval(pg_get_serial_sequence('{name}', 'id'), GREATEST($1, 0) + 1, false)");
        target.query(AssertSqlSafe(set)).bind(last).fetch_one().await.map_err(write)?;
    }
    Ok(moved)
}

async fn count(session: &mut Session<'_>, table: &str) -> Result<u64, sqlx::Error> {
    let rows: i64 =
        session.query(AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}"))).fetch_value().await?;
    Ok(u64::try_from(rows).unwrap_or(0))
}

/// The next rows after this one.
async fn page(session: &mut Session<'_>, table: &Table, last: Option<&Row>) -> Result<Vec<Row>, sqlx::Error> {
    let columns: Vec<&str> = table.columns.iter().map(|(name, _)| *name).collect();
    let (key, columns) = (columns[..table.key].join(", "), columns.join(", "));
    let after = match last {
        Some(_) => format!("WHERE ({key}) > {}", parameters(1, table.key)),
        None => String::new(),
    };
    let sql = format!("SELECT {columns} FROM {} {after} ORDER BY {key} LIMIT {}", table.name, table.page);
    let mut query = session.query(AssertSqlSafe(sql));
    for (place, (_, kind)) in table.columns[..table.key].iter().enumerate() {
        if let Some(last) = last {
            query = match kind {
                Number => query.bind(last.try_get::<i64>(place)?),
                Text | Bytes => query.bind(last.try_get::<&str>(place)?),
            };
        }
    }
    query.fetch_all().await
}

async fn insert(session: &mut Session<'_>, table: &Table, rows: &[Row]) -> Result<(), sqlx::Error> {
    let columns: Vec<&str> = table.columns.iter().map(|(name, _)| *name).collect();
    let sql = format!(
        "INSERT INTO {} ({}) VALUES {}",
        table.name,
        columns.join(", "),
        values(session, rows.len(), columns.len())
    );
    let mut query = session.query(AssertSqlSafe(sql));
    for row in rows {
        for (place, (_, kind)) in table.columns.iter().enumerate() {
            query = match kind {
                Number => query.bind(row.try_get::<Option<i64>>(place)?),
                Text => query.bind(row.try_get::<Option<&str>>(place)?),
                Bytes => query.bind(row.try_get::<Option<Vec<u8>>>(place)?.as_deref()),
            };
        }
    }
    query.execute().await.map(drop)
}

#[cfg(test)]
mod tests;

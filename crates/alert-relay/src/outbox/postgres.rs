//! The store in a PostgreSQL database, on which several relays may work: all accept, one delivers.
//!
//! Owns the connections, the tables, and which relay delivers. The statements are in `statements`.

use std::sync::Arc;

use settings_document::Secret;
use sqlx::{PgConnection, PgPool};
use tokio::sync::Notify;

use crate::clock::Millis;
use crate::outbox::error::{ReadError, StoreError};
use crate::outbox::failure::store_error;
use crate::outbox::postgres::link::Link;
use crate::outbox::postgres::terms::Terms;
use crate::outbox::session::Session;
use crate::outbox::statements::take_over;

mod connect;
pub(super) mod link;
mod schema;
pub(super) mod terms;

/// Connections for reading: the deliverer's claims, the counts.
const READERS: u32 = 3;

/// Questions of an operator that are answered at the same time.
const OPERATING: u32 = 2;

/// The database, for one of its relays.
#[derive(Debug)]
pub(super) struct Opened {
    /// Of the one writer.
    pub(super) link: Link,
    /// Of those who only read.
    pub(super) readers: PgPool,
    /// For an operator's questions.
    pub(super) operating: PgPool,
    /// Makes the deliveries unlike those of any other store.
    pub(super) tag: String,
    /// The right to deliver.
    pub(super) terms: Arc<Terms>,
}

/// Opens the database, makes the tables or brings them up to date. Takes nothing over: that is the deliverer's.
pub(super) async fn open(url: &Secret, now: Millis, arrived: Arc<Notify>) -> Result<Opened, StoreError> {
    let options = connect::options(url)?;
    let writing = connect::writing(options.clone());
    let mut connection = connect::connect(&writing).await.map_err(|error| store_error(&error))?;
    schema::migrate(&mut connection).await?;
    let tag = take_over::tag(&mut Session::Postgres(&mut connection), now)
        .await
        .map_err(|error| store_error(&error))?;
    let terms = Arc::new(Terms::new(options.clone(), own_name(now).into(), arrived));
    let (readers, operating) = (connect::reading(&options, READERS), connect::reading(&options, OPERATING));
    Ok(Opened { link: Link::new(writing, connection, Arc::clone(&terms)), readers, operating, tag, terms })
}

/// A connection that changes nothing, and the tag.
pub(super) async fn open_read_only(url: &Secret) -> Result<(PgConnection, String), ReadError> {
    let options = connect::options(url)?.options([("default_transaction_read_only", "on")]);
    let mut connection = connect::connect(&options).await.map_err(|error| store_error(&error))?;
    let found = schema::version(&mut connection).await.map_err(|error| store_error(&error))?;
    match found {
        0 => return Err(ReadError::NoTables),
        found if found > schema::NEWEST => {
            return Err(StoreError::TooNew { found, known: schema::NEWEST }.into());
        }
        found if found < schema::NEWEST => return Err(ReadError::TooOld { found, known: schema::NEWEST }),
        _ => {}
    }
    let tag = Session::Postgres(&mut connection)
        .query("SELECT value FROM store WHERE name = 'tag'")
        .fetch_value()
        .await
        .map_err(|error| store_error(&error))?;
    Ok((connection, tag))
}

/// Who this relay is to the others, and unlike any other.
fn own_name(now: Millis) -> String {
    let host = rustix::system::uname();
    let host = host.nodename().to_string_lossy().into_owned();
    format!("{host} pid {} since {now} {:06x}", std::process::id(), fastrand::u32(..0x0100_0000))
}

/// A database that is to be filled.
#[derive(Debug)]
pub(super) struct ToFill {
    pub(super) connection: PgConnection,
}

impl ToFill {
    /// Takes the deliverer's place for as long as the connection lives; `false`: a relay has it.
    pub(super) async fn is_ours(&mut self) -> Result<bool, sqlx::Error> {
        terms::try_lock(&mut self.connection).await
    }
}

/// A connection to a database that gets its tables where it has none. Copying takes as long as it takes.
pub(super) async fn open_to_fill(url: &Secret) -> Result<ToFill, StoreError> {
    let options = connect::options(url)?.options([("statement_timeout", "0")]);
    let mut connection = connect::connect(&options).await.map_err(|error| store_error(&error))?;
    schema::migrate(&mut connection).await?;
    Ok(ToFill { connection })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::Notify;

    use crate::clock::Millis;
    use crate::outbox::postgres::link::Work;
    use crate::outbox::postgres::{connect, open};
    use crate::outbox::testing::{Stage, accepted, firing, postgres};

    /// The server keeps the plan that it made for a statement while the tables were empty.
    #[tokio::test]
    async fn tables_that_have_filled_since_are_still_read_by_key() {
        let stage = Stage::with(postgres).await;
        for transaction in 0..10 {
            let webhooks = (0..8).map(|group| {
                let outbox = stage.outbox.clone();
                let webhook = accepted(&format!("{transaction} {group}"), vec![firing("a", 10)], &["chat"]);
                tokio::spawn(async move { outbox.accept(webhook).await.unwrap() })
            });
            for webhook in webhooks.collect::<Vec<_>>() {
                webhook.await.unwrap();
            }
        }
        let writer = &stage.outbox.store.writer;
        writer.statement("SELECT pg_stat_force_next_flush()").await.unwrap();
        writer
            .statement(
                "DO $$ DECLARE whole TEXT; BEGIN \
                   SELECT string_agg(relname || ' ' || seq_tup_read, ', ') INTO whole FROM pg_stat_user_tables \
                   WHERE schemaname = current_schema() AND relname IN ('notifications', 'senders', 'deliveries') \
                     AND seq_tup_read > 0; \
                   ASSERT whole IS NULL, 'read as a whole: ' || whole; \
                 END $$",
            )
            .await
            .unwrap();
    }

    /// However long a transaction of the deliverer takes, it does not lose its term by it; and no new term begins meanwhile.
    #[tokio::test]
    async fn a_term_is_renewed_while_its_deliverer_writes() {
        let directory = tempfile::tempdir().unwrap();
        let url = postgres(directory.path()).postgres.unwrap();
        let mut opened = open(&url, Millis(0), Arc::new(Notify::new())).await.unwrap();
        opened.terms.begin().await;
        let work = Work { is_delivering: true, ..Work::default() };
        let (_writing, owner) = opened.link.begin(work).await.unwrap();
        assert!(owner.is_some());

        let options = connect::options(&url).unwrap().options([("lock_timeout", "100ms")]);
        let mut other = connect::connect(&options).await.unwrap();
        let renew = "UPDATE deliverer SET renewed_at = clock_timestamp()";
        sqlx::raw_sql(renew).execute(&mut other).await.unwrap();
        let take = "UPDATE deliverer SET term = term + 1";
        let error = sqlx::raw_sql(take).execute(&mut other).await.unwrap_err();
        assert!(error.to_string().contains("lock timeout"), "{error}");
    }
}

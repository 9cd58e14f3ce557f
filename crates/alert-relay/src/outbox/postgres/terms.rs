//! The right to deliver: of all relays on one database one has it, for a term.
//!
//! A session advisory lock says who. It ends with its session, so that the next relay takes over at once when a process dies. A frozen
//! process, or one that is cut off, keeps its session: so the holder also renews a row by the database's clock, and once that is old the
//! next relay ends the session (`pg_terminate_backend`, which a role may do to its own). Each term has a number. What only a deliverer
//! may write is written under its number (`link`), so that one that wakes up in a later term writes nothing, and sends nothing.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, PgConnection, Row as _};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::clock::since_boot;
use crate::outbox::postgres::connect;

/// A holder that has not renewed its term for so long has lost it.
pub(in crate::outbox) const LEASE: Duration = Duration::from_secs(5);

/// How often a term is renewed.
const RENEW_EVERY: Duration = Duration::from_secs(1);

/// How often the holder looks whether another relay has accepted something.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How often another relay tries to become the holder.
const TRY_EVERY: Duration = Duration::from_millis(500);

// Less than ten seconds without a deliverer are promised (README.md); a third of that is left to what a try and the store take.
const _: () = assert!(LEASE.as_millis() + 2 * TRY_EVERY.as_millis() <= 10_000 * 2 / 3);

/// The first key of our advisory locks; the second is the table's own number, so that schemas do not disturb each other.
const LOCK: &str = "1634497140, 'deliverer'::regclass::oid::int4";

/// Where to try for a term, and what became of it.
#[derive(Debug)]
pub(in crate::outbox) struct Terms {
    options: PgConnectOptions,
    name: Arc<str>,
    held: watch::Sender<Option<Held>>,
    arrived: Arc<Notify>,
    keeper: Mutex<Option<JoinHandle<()>>>,
}

/// A term of ours.
#[derive(Clone, Debug)]
pub(in crate::outbox) struct Held {
    /// Its number.
    pub(in crate::outbox) number: i64,
    /// Who we are in `lease_owner`.
    pub(in crate::outbox) owner: Arc<str>,
    /// By the time since the machine was started, suspended or not.
    until: Duration,
}

/// How a term began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::outbox) struct Begun {
    /// The former holder's process has ended, as far as one can tell.
    pub(in crate::outbox) has_died: bool,
}

impl Terms {
    /// For the relay of this name, which no other has. `arrived` is told what other relays accept.
    pub(super) fn new(options: PgConnectOptions, name: Arc<str>, arrived: Arc<Notify>) -> Self {
        Self { options, name, held: watch::Sender::new(None), arrived, keeper: Mutex::new(None) }
    }

    /// The present term, if it is ours for certain.
    pub(in crate::outbox) fn held(&self) -> Option<Held> {
        self.held.borrow().clone().filter(|held| since_boot() < held.until)
    }

    /// Returns once the term is over.
    pub(in crate::outbox) async fn lost(&self) {
        let mut held = self.held.subscribe();
        // The sender is ours.
        let _ended = held.wait_for(Option::is_none).await;
    }

    /// Waits until a term is ours.
    pub(in crate::outbox) async fn begin(&self) -> Begun {
        let mut connection = None;
        let mut has_ended_a_session = false;
        let mut said = None;
        loop {
            match timeout(LEASE, self.try_once(&mut connection, &mut has_ended_a_session)).await {
                Ok(Ok(Some(begun))) => return begun,
                Ok(Ok(None)) => said = None,
                failed => {
                    connection = None;
                    let error = match failed {
                        Ok(Err(error)) => error.to_string(),
                        _ => "no answer".to_owned(),
                    };
                    if said.as_ref() != Some(&error) {
                        tracing::warn!(%error, "cannot ask the database which relay delivers, and tries again: {error}");
                        said = Some(error);
                    }
                }
            }
            tokio::time::sleep(TRY_EVERY).await;
        }
    }

    async fn try_once(
        &self,
        kept: &mut Option<PgConnection>,
        has_ended_a_session: &mut bool,
    ) -> Result<Option<Begun>, sqlx::Error> {
        let mut connection = match kept.take() {
            Some(connection) => connection,
            None => connect::connect(&self.options).await?,
        };
        if !try_lock(&mut connection).await? {
            *has_ended_a_session |= end_silent_holder(&mut connection).await?;
            *kept = Some(connection);
            return Ok(None);
        }
        let asked_at = since_boot();
        let row = sqlx::query(
            "WITH former AS (SELECT holder, renewed_at FROM deliverer) \
             UPDATE deliverer SET term = term + 1, holder = $1, backend = pg_backend_pid(), renewed_at = clock_timestamp() \
             FROM former RETURNING term, former.holder, former.renewed_at > pg_postmaster_start_time() AS is_since_start",
        )
        .bind(&*self.name)
        .fetch_one(&mut connection)
        .await?;
        let (number, former): (i64, String) = (row.try_get("term")?, row.try_get("holder")?);
        // A renewal that a crash of the database forgets makes us late, no more.
        sqlx::raw_sql("SET synchronous_commit = off").execute(&mut connection).await?;
        // A session that the database ended, or that we ended, says nothing of its process.
        let is_since_start: bool = row.try_get("is_since_start")?;
        let has_died = !former.is_empty() && *former != *self.name && is_since_start && !*has_ended_a_session;
        let owner = format!("{} term {number}", self.name).into();
        self.held.send_replace(Some(Held { number, owner, until: asked_at + LEASE }));
        let keeper = Keeper { held: self.held.clone(), number, arrived: Arc::clone(&self.arrived) };
        let keeper = tokio::spawn(keeper.keep(connection));
        let former_keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner).replace(keeper);
        if let Some(former) = former_keeper {
            former.abort();
        }
        Ok(Some(Begun { has_died }))
    }

    /// Gives the term back, so that the next relay need not wait.
    pub(in crate::outbox) async fn end(&self) {
        let keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.held.send_replace(None);
        if let Some(keeper) = keeper {
            // Its session ends with it.
            keeper.abort();
            let _aborted = keeper.await;
        }
    }
}

impl Drop for Terms {
    fn drop(&mut self) {
        let keeper = self.keeper.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(keeper) = keeper {
            keeper.abort();
        }
    }
}

/// Whether the lock of the deliverer is this session's from now on.
pub(super) async fn try_lock(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let lock = AssertSqlSafe(format!("SELECT pg_try_advisory_lock({LOCK})"));
    sqlx::query_scalar(lock).fetch_one(connection).await
}

/// Ends the session of a holder that has not renewed its term in time. Whether there was one.
///
/// One statement, so that the database's clock judges what it sees at that moment: a relay that was frozen itself while it looked ends
/// nobody. A holder that froze between its lock and its row is known by its session's last statement.
async fn end_silent_holder(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let seconds = LEASE.as_secs();
    let silent = AssertSqlSafe(format!(
        "SELECT locks.pid, deliverer.holder, pg_terminate_backend(locks.pid) AS is_ended FROM pg_locks AS locks CROSS JOIN deliverer \
         WHERE locks.locktype = 'advisory' AND locks.granted AND locks.classid = 1634497140 AND locks.objsubid = 2 \
           AND locks.objid = 'deliverer'::regclass::oid \
           AND locks.database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
           AND CASE WHEN locks.pid = deliverer.backend THEN deliverer.renewed_at < clock_timestamp() - interval '{seconds} seconds' \
             ELSE (SELECT activity.state_change < clock_timestamp() - interval '{seconds} seconds' \
               FROM pg_stat_activity AS activity WHERE activity.pid = locks.pid) END"
    ));
    let rows = sqlx::query(silent).fetch_all(connection).await?;
    for row in &rows {
        let holder: String = row.try_get("holder")?;
        tracing::warn!(
            %holder,
            "the relay that delivers ({holder}) has said nothing to the database for {seconds} s: its session is ended, so that another takes over"
        );
    }
    Ok(!rows.is_empty())
}

/// Renews one term for as long as that is possible.
struct Keeper {
    held: watch::Sender<Option<Held>>,
    number: i64,
    arrived: Arc<Notify>,
}

impl Keeper {
    async fn keep(self, mut connection: PgConnection) {
        let mut newest = None;
        let mut renewed_at = since_boot();
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let Some(until) = self.held.borrow().as_ref().map(|held| held.until) else { return };
            let asked_at = since_boot();
            let left = until.saturating_sub(asked_at);
            let is_renewal = asked_at.saturating_sub(renewed_at) >= RENEW_EVERY;
            match timeout(left, self.look(&mut connection, is_renewal, &mut newest)).await {
                Ok(Ok(true)) if is_renewal => {
                    renewed_at = asked_at;
                    self.held.send_modify(|held| {
                        if let Some(held) = held {
                            held.until = asked_at + LEASE;
                        }
                    });
                }
                Ok(Ok(true)) => {}
                Ok(Ok(false)) => return self.end("another relay has taken over"),
                Ok(Err(error)) => return self.end(&error.to_string()),
                Err(_elapsed) => return self.end("the database did not answer in time"),
            }
        }
    }

    /// Whether the term is still ours.
    async fn look(
        &self,
        connection: &mut PgConnection,
        is_renewal: bool,
        newest: &mut Option<i64>,
    ) -> Result<bool, sqlx::Error> {
        if is_renewal {
            let renewed = sqlx::query("UPDATE deliverer SET renewed_at = clock_timestamp() WHERE term = $1")
                .bind(self.number)
                .execute(&mut *connection)
                .await?;
            if renewed.rows_affected() == 0 {
                return Ok(false);
            }
        }
        let found: Option<i64> =
            sqlx::query_scalar("SELECT MAX(id) FROM deliveries").fetch_one(connection).await?;
        if found != *newest {
            *newest = found;
            self.arrived.notify_one();
        }
        Ok(true)
    }

    fn end(&self, reason: &str) {
        tracing::warn!(reason, "this relay delivers no more: {reason}");
        self.held.send_replace(None);
    }
}

//! Connections for what only reads: on SQLite they never wait for the writer.

use std::collections::BTreeMap;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{PgPool, Postgres, Sqlite, SqlitePool};

use crate::clock::{BootTime, Millis};
use crate::delivery::{
    Claim, DeliveryKey, DueDelivery, PastAttempt, TargetCount, UrgencyFilter, Vanished, Waiting,
};
use crate::outbox::error::StoreError;
use crate::outbox::failure::store_error;
use crate::outbox::postgres::terms;
use crate::outbox::session::Session;
use crate::outbox::statements::beats::{self, StoredBeat};
use crate::outbox::statements::{alarms, claimed, due, holder, size, standing, webhooks};
use crate::store_size::StoreSize;
use crate::story::Received;

/// A database on another machine that has not answered by now may never do.
const PATIENCE: Duration = Duration::from_secs(10);

/// The connections that only read.
#[derive(Debug)]
pub(super) enum Readers {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// One of them, while it is used.
pub(super) enum Lent {
    Sqlite(PoolConnection<Sqlite>),
    Postgres(PoolConnection<Postgres>),
}

impl Lent {
    pub(super) fn session(&mut self) -> Session<'_> {
        match self {
            Self::Sqlite(connection) => Session::Sqlite(connection),
            Self::Postgres(connection) => Session::Postgres(connection),
        }
    }
}

/// What comes of a reading, in time.
pub(super) async fn within<T>(
    reading: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, StoreError> {
    match tokio::time::timeout(PATIENCE, reading).await {
        Ok(read) => read.map_err(|error| store_error(&error)),
        Err(_elapsed) => {
            Err(StoreError::Unreachable { detail: format!("no answer within {} s", PATIENCE.as_secs()) })
        }
    }
}

impl Readers {
    pub(super) async fn lend(&self) -> Result<Lent, StoreError> {
        match self {
            Self::Sqlite(pool) => pool.acquire().await.map(Lent::Sqlite).map_err(|error| store_error(&error)),
            Self::Postgres(pool) => pool.acquire().await.map(Lent::Postgres).map_err(|error| match error {
                // The driver goes on trying to connect, and does not say why in vain.
                sqlx::Error::PoolTimedOut => {
                    StoreError::Unreachable { detail: "there is no connection to be had".to_owned() }
                }
                error => store_error(&error),
            }),
        }
    }

    pub(super) async fn due(
        &self,
        target: &str,
        urgency: UrgencyFilter,
        now: Millis,
        limit: u32,
    ) -> Result<Vec<DueDelivery>, StoreError> {
        within(due::due(&mut self.lend().await?.session(), target, urgency, now, limit)).await
    }

    pub(super) async fn next_due(
        &self,
        target: &str,
        urgency: UrgencyFilter,
        now: Millis,
    ) -> Result<Option<Millis>, StoreError> {
        within(due::next_due(&mut self.lend().await?.session(), target, urgency, now)).await
    }

    pub(super) async fn claimed(&self, key: &DeliveryKey, owner: &str) -> Result<Option<Claim>, StoreError> {
        within(claimed::claimed(&mut self.lend().await?.session(), key, owner)).await
    }

    pub(super) async fn waiting(&self, key: &DeliveryKey) -> Result<Waiting, StoreError> {
        within(claimed::waiting(&mut self.lend().await?.session(), key)).await
    }

    pub(super) async fn counts(&self) -> Result<BTreeMap<String, TargetCount>, StoreError> {
        within(standing::counts(&mut self.lend().await?.session())).await
    }

    pub(super) async fn past_attempts(
        &self,
        span: Duration,
        now: Millis,
        booted: &BootTime,
    ) -> Result<Vec<PastAttempt>, StoreError> {
        within(standing::past_attempts(&mut self.lend().await?.session(), span, now, booted)).await
    }

    pub(super) async fn vanished(&self, accepted_after: Millis) -> Result<Vec<Vanished>, StoreError> {
        within(standing::vanished(&mut self.lend().await?.session(), accepted_after)).await
    }

    pub(super) async fn held(&self, until: Millis, longest: Millis) -> Result<Vec<DeliveryKey>, StoreError> {
        within(standing::held(&mut self.lend().await?.session(), until, longest)).await
    }

    pub(super) async fn size(&self) -> Result<StoreSize, StoreError> {
        within(size::size(&mut self.lend().await?.session())).await
    }

    pub(super) async fn first_over(&self) -> Result<Option<Millis>, StoreError> {
        within(size::first_over(&mut self.lend().await?.session())).await
    }

    pub(super) async fn ended(&self, others: u64) -> Result<Option<Millis>, StoreError> {
        within(size::ended(&mut self.lend().await?.session(), others)).await
    }

    pub(super) async fn pending_bytes(&self) -> Result<u64, StoreError> {
        within(size::pending_bytes(&mut self.lend().await?.session())).await
    }

    pub(super) async fn newest(&self, group_id: &str) -> Result<Option<Received>, StoreError> {
        within(webhooks::newest(&mut self.lend().await?.session(), group_id)).await
    }

    /// When each heartbeat was last heard by any relay, and how long ago that is.
    pub(super) async fn beats(&self) -> Result<Vec<StoredBeat>, StoreError> {
        within(beats::read(&mut self.lend().await?.session())).await
    }

    /// The targets that know of an alarm, by the heartbeat's name.
    pub(super) async fn alarms(&self) -> Result<BTreeMap<String, Vec<String>>, StoreError> {
        within(alarms::known(&mut self.lend().await?.session())).await
    }

    /// How the relay that delivers calls itself.
    pub(super) async fn deliverer(&self) -> Result<Option<String>, StoreError> {
        within(holder::read(&mut self.lend().await?.session(), terms::LEASE)).await
    }

    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

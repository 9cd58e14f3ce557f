//! Connections to the PostgreSQL database, and the settings under which its sessions work for us.
//!
//! A relay that is frozen keeps its sessions, and with them whatever they have locked. So the server itself ends a transaction that is
//! left open, and a connection whose other end is gone.

use std::str::FromStr as _;
use std::time::Duration;

use settings_document::Secret;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions as _, PgConnection, PgPool};

use crate::outbox::error::StoreError;

/// How long a connection, or a statement's turn, is waited for. Below Alertmanager's patience.
pub(super) const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// Settings of every session (<https://www.postgresql.org/docs/15/runtime-config-client.html>).
const SESSION: [(&str, &str); 7] = [
    // Row locks of a relay that is frozen within a transaction; others wait for them as long as `lock_timeout`.
    ("idle_in_transaction_session_timeout", "3s"),
    ("lock_timeout", "5s"),
    ("statement_timeout", "10s"),
    ("tcp_keepalives_idle", "10"),
    ("tcp_keepalives_interval", "5"),
    ("tcp_keepalives_count", "3"),
    ("tcp_user_timeout", "25s"),
];

/// How the writer's statements find their rows (<https://www.postgresql.org/docs/15/runtime-config-query.html>): each wants a few, by their
/// keys. A plan is kept as long as the statement is prepared, and one of a moment when the tables were empty would read all of them for each
/// webhook, until the server has analyzed them.
const BY_KEY: [(&str, &str); 3] =
    [("enable_seqscan", "off"), ("enable_hashjoin", "off"), ("enable_mergejoin", "off")];

/// What the driver is told of the address in `store.url`. It may say where by a Unix socket's directory, and which certificates count.
pub(super) fn options(url: &Secret) -> Result<PgConnectOptions, StoreError> {
    // The driver's words may repeat what they are about.
    let options = PgConnectOptions::from_str(url.reveal()).map_err(|_said| StoreError::Unreachable {
        detail:
            "`store.url` is not an address of PostgreSQL: expected `postgres://USER:PASSWORD@HOST/DATABASE`"
                .to_owned(),
    })?;
    Ok(options
        .application_name("alert-relay")
        .options(SESSION)
        .statement_cache_capacity(128)
        .disable_statement_logging())
}

/// For the connection of the writer.
pub(super) fn writing(options: PgConnectOptions) -> PgConnectOptions {
    options.options(BY_KEY)
}

/// One connection.
pub(super) async fn connect(options: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    match tokio::time::timeout(CONNECT_LIMIT, options.connect()).await {
        Ok(connected) => connected,
        Err(_elapsed) => Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())),
    }
}

/// Connections that only read, made as they are needed.
pub(super) fn reading(options: &PgConnectOptions, most: u32) -> PgPool {
    PgPoolOptions::new()
        .max_connections(most)
        .acquire_timeout(CONNECT_LIMIT)
        .connect_lazy_with(options.clone().options([("default_transaction_read_only", "on")]))
}

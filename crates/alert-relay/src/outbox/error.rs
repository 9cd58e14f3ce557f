//! What can go wrong with the store, in words that say what to do.

use std::path::PathBuf;

use rustix::process::geteuid;

use crate::offload::NoThread;

/// The store could not do it. Nothing was written: every change is one transaction.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// `SQLITE_FULL`: no space, or a quota.
    #[error(
        "the disk of the store is full: {detail} (hint: free space on it; a relay that runs then takes webhooks again by itself)"
    )]
    Full {
        /// `SQLite`'s words.
        detail: String,
    },
    /// What is pending fills it.
    #[error(
        "the store is larger than `store.max_bytes` ({max_bytes}), and all of it is pending or has just ended: nothing new is taken (hint: \
         `alert-relay list` shows what waits, and for which target; put that right, or raise `store.max_bytes`)"
    )]
    MaxBytes {
        /// The setting.
        max_bytes: u64,
    },
    /// `SQLITE_READONLY`, `SQLITE_PERM`, `SQLITE_AUTH`.
    #[error(
        "the store cannot be written: {detail} (hint: user {user}, as which the relay runs, needs write permission on the file \
         and its directory; see \"When it does not start\" in deploy/README.md)", user = geteuid()
    )]
    ReadOnly {
        /// `SQLite`'s words.
        detail: String,
    },
    /// `SQLITE_BUSY`, `SQLITE_LOCKED`: somebody else held the file for longer than we wait.
    #[error(
        "the store is locked by another program: {detail} (hint: end open transactions in `sqlite3`; a backup should use `.backup`)"
    )]
    Locked {
        /// `SQLite`'s words.
        detail: String,
    },
    /// `SQLITE_CORRUPT`, `SQLITE_NOTADB`.
    #[error(
        "the store is damaged or not a database: {detail} (hint: stop the relay, keep a copy, try `sqlite3 FILE .recover`; with the file moved \
         away the relay starts a new one)"
    )]
    Damaged {
        /// `SQLite`'s words.
        detail: String,
    },
    /// `SQLITE_CANTOPEN`.
    #[error(
        "cannot open the store `{}`: {detail} (hint: `store.url` names a file in a directory that exists and that user {user}, as which this \
         runs, may write; see \"When it does not start\" in deploy/README.md)", path.display(), user = geteuid()
    )]
    CannotOpen {
        /// The file of `store.url`.
        path: PathBuf,
        /// `SQLite`'s or the system's words.
        detail: String,
    },
    /// A file of the store was deleted or replaced while the relay runs.
    #[error(
        "the store's file `{}` was deleted or replaced: what is stored now would be gone after a stop (hint: put nothing in its place; once \
         nothing is pending, restart the relay)", path.display()
    )]
    Gone {
        /// Which.
        path: PathBuf,
    },
    /// Another relay has the file.
    #[error("the store `{}` is in use by another alert-relay (hint: stop it, or give this one its own `store.url`)", path.display())]
    InUse {
        /// The file of `store.url`.
        path: PathBuf,
    },
    /// The file was written by a later version.
    #[error(
        "the store has schema version {found}, this alert-relay knows {known} (hint: use the newer alert-relay, or its backup from before the upgrade)"
    )]
    TooNew {
        /// The version in the file.
        found: i64,
        /// The last version this program knows.
        known: i64,
    },
    /// The database on another machine, or its connection, is not what it should be now.
    #[error(
        "the store's database cannot be used now: {detail} (hint: `store.url` names it; what is accepted stays in it)"
    )]
    Unreachable {
        /// The driver's words.
        detail: String,
    },
    /// Another relay delivers now: what only the deliverer may write is refused.
    #[error("this relay no longer delivers: another one has taken over")]
    Deposed,
    /// More waits to be written than we are willing to hold in memory.
    #[error("too many requests wait for the store (hint: a slow disk; the sender tries again)")]
    Overloaded,
    /// The system refuses another thread.
    #[error("a large webhook cannot be stored now: {0}")]
    NoThread(String),
    /// The relay is stopping.
    #[error("the store is closed (hint: the relay is stopping)")]
    Closed,
    /// Everything else, with the driver's words.
    #[error("the store failed: {detail}")]
    Failed {
        /// The driver's words.
        detail: String,
    },
}

impl<W> From<NoThread<W>> for StoreError {
    fn from(refused: NoThread<W>) -> Self {
        Self::NoThread(refused.to_string())
    }
}

impl StoreError {
    /// Every value of [`kind`](Self::kind), for a metric that starts at 0.
    pub(crate) const KINDS: [&str; 15] = [
        "full",
        "max_bytes",
        "read_only",
        "locked",
        "damaged",
        "cannot_open",
        "gone",
        "in_use",
        "too_new",
        "unreachable",
        "deposed",
        "overloaded",
        "no_thread",
        "closed",
        "failed",
    ];

    /// A bounded word for the metric label.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Full { .. } => "full",
            Self::MaxBytes { .. } => "max_bytes",
            Self::ReadOnly { .. } => "read_only",
            Self::Locked { .. } => "locked",
            Self::Damaged { .. } => "damaged",
            Self::CannotOpen { .. } => "cannot_open",
            Self::Gone { .. } => "gone",
            Self::InUse { .. } => "in_use",
            Self::TooNew { .. } => "too_new",
            Self::Unreachable { .. } => "unreachable",
            Self::Deposed => "deposed",
            Self::Overloaded => "overloaded",
            Self::NoThread(_) => "no_thread",
            Self::Closed => "closed",
            Self::Failed { .. } => "failed",
        }
    }

    /// Whether the same statement for another request would fail too: the store as a whole is in trouble.
    pub(super) fn is_about_the_store(&self) -> bool {
        !matches!(self, Self::Failed { .. })
    }
}

/// A store could not be read beside its owner.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// No file.
    #[error("there is no store at `{}` (hint: `store.url` names it; the relay makes it at its first start)", path.display())]
    Missing {
        /// The file of `store.url`.
        path: PathBuf,
    },
    /// A database of another program.
    #[error("`{}` is not a store of alert-relay (hint: `store.url` names the file)", path.display())]
    NotAStore {
        /// The file of `store.url`.
        path: PathBuf,
    },
    /// A database without tables of a relay.
    #[error(
        "the database of `store.url` has no store of alert-relay (hint: the relay makes it at its first start)"
    )]
    NoTables,
    /// The file was last written by an earlier version, and a reader changes nothing.
    #[error(
        "the store has schema version {found}, this alert-relay reads {known} (hint: a relay of this version brings it up to date when it starts)"
    )]
    TooOld {
        /// The version in the file.
        found: i64,
        /// The version this program reads.
        known: i64,
    },
    /// The delivery is named after another store.
    #[error("this is the id of a delivery in another store: the ids of this one begin with `{tag}-`")]
    AnotherStore {
        /// The tag of this store.
        tag: String,
    },
    /// A copy could not be made.
    #[error("there is no backup `{}`: {reason}", file.display())]
    Backup {
        /// The file to make.
        file: PathBuf,
        /// What went wrong.
        reason: String,
    },
    /// What can go wrong for a relay too.
    #[error(transparent)]
    Store(#[from] StoreError),
}

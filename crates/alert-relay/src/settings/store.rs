//! `store:`, where accepted notifications are kept.

use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::Url;
use settings_document::{Secret, Section};

/// What has ended is needed a while longer: to recognise copies, to see that an alert has vanished, and to count budgets.
const LEAST_RETENTION: Duration = Duration::from_hours(24);

/// Some large webhooks and what the store keeps beside them.
const LEAST_MAX_BYTES: u64 = 64 << 20;

/// Where the store is while nobody says.
const DEFAULT: &str = "sqlite:///var/lib/alert-relay/relay.db";

/// What the address may be.
const EXPECTED: &str = "expected `sqlite:///path/to/relay.db` or `postgres://USER:PASSWORD@HOST/DATABASE`";

/// `store:`
#[derive(Clone, Debug)]
pub(crate) struct StoreSettings {
    /// The `SQLite` file, from `url: sqlite:///path`. With PostgreSQL it is `relay` in `directory`: what stands beside it (the lock, the
    /// control socket) belongs to this machine alone.
    pub(crate) path: PathBuf,
    /// `url`, or what is in `url_file`, if it is the address of a PostgreSQL database; it may hold a password.
    pub(crate) postgres: Option<Secret>,
    /// `retention`: how long ended deliveries stay readable.
    pub(crate) retention: Duration,
    /// `max_bytes`: a larger store is made smaller by what ended first; `None`: it may grow.
    pub(crate) max_bytes: Option<u64>,
}

impl StoreSettings {
    /// Whether both mean the same place.
    pub(crate) fn is_at(&self, other: &Self) -> bool {
        self.path == other.path && self.postgres == other.postgres
    }
}

/// Where the store is.
enum Address {
    File(PathBuf),
    Postgres(Secret),
}

pub(super) fn read(mut section: Section<'_>) -> Option<StoreSettings> {
    let address = read_address(&mut section);
    let retention = section.duration("retention");
    if retention.is_some_and(|retention| retention < LEAST_RETENTION) {
        section.problem("retention", "too short: expected at least `1d` (hint: copies are recognised, and budgets counted, by what is kept)");
    }
    let max_bytes = section.count("max_bytes", i64::MAX.unsigned_abs());
    if max_bytes.is_some_and(|bytes| bytes < LEAST_MAX_BYTES) {
        let least = LEAST_MAX_BYTES;
        section.problem(
            "max_bytes",
            format!("too small: expected at least {least} (64 MiB) (hint: what is pending has to fit)"),
        );
    }
    let directory = section.path("directory");
    section.finish();
    // What is wrong with the retention has been noted, and still lets the path be tried.
    let retention = retention.unwrap_or_default();
    Some(match address? {
        Address::File(path) => StoreSettings { path, postgres: None, retention, max_bytes },
        Address::Postgres(url) => {
            StoreSettings { path: directory?.join("relay"), postgres: Some(url), retention, max_bytes }
        }
    })
}

/// The messages show no more than the scheme: a database address may hold a password.
fn read_address(section: &mut Section<'_>) -> Option<Address> {
    let (has_url, has_file) = (section.has("url"), section.has("url_file"));
    let is_given = has_url || has_file;
    let secret = if is_given { section.secret("url", "url_file")? } else { Secret::new(DEFAULT) };
    let said_by = if has_file { "url_file" } else { "url" };
    let url = secret.reveal();
    match url.split_once(':') {
        Some(("sqlite", path)) => read_path(section, said_by, path).map(Address::File),
        Some(("postgres" | "postgresql", _)) => {
            let is_usable = Url::parse(url).is_ok_and(|url| url.path().len() > 1);
            if !is_usable {
                section.problem(said_by, "expected `postgres://USER:PASSWORD@HOST/DATABASE` (hint: `%` and two digits stand for a character that an address does not take: `@` is `%40`)");
            }
            is_usable.then_some(Address::Postgres(secret))
        }
        _ => {
            section.problem(said_by, EXPECTED);
            None
        }
    }
}

fn read_path(section: &Section<'_>, said_by: &'static str, path: &str) -> Option<PathBuf> {
    let path = path.strip_prefix("//").unwrap_or(path);
    if path.is_empty() || path.starts_with(':') || path.contains('?') {
        section.problem(
            said_by,
            "expected the path of a file after `sqlite://`, without parameters \
             (hint: a store in memory would lose what was accepted)",
        );
        return None;
    }
    Some(section.directory().join(Path::new(path)))
}

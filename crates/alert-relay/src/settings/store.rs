//! `store:`, where accepted notifications are kept.

use std::path::{Path, PathBuf};
use std::time::Duration;

use settings_document::Section;

/// What has ended is needed a while longer: to recognise copies, to see that an alert has vanished, and to count budgets.
const LEAST_RETENTION: Duration = Duration::from_hours(24);

/// `store:`
#[derive(Clone, Debug)]
pub(crate) struct StoreSettings {
    /// `url`: the `SQLite` file, from `sqlite:///path`.
    pub(crate) path: PathBuf,
    /// `retention`: how long ended deliveries stay readable.
    pub(crate) retention: Duration,
}

pub(super) fn read(mut section: Section<'_>) -> Option<StoreSettings> {
    let path = read_path(&mut section);
    let retention = section.duration("retention");
    if retention.is_some_and(|retention| retention < LEAST_RETENTION) {
        section.problem("retention", "too short: expected at least `1d` (hint: copies are recognised, and budgets counted, by what is kept)");
    }
    section.finish();
    // What is wrong with the retention has been noted, and still lets the path be tried.
    Some(StoreSettings { path: path?, retention: retention.unwrap_or_default() })
}

/// The messages show no more than the scheme: a database address may hold a password.
fn read_path(section: &mut Section<'_>) -> Option<PathBuf> {
    let url = section.required_text("url", "`sqlite:///path/to/relay.db`")?;
    let Some(path) = url.strip_prefix("sqlite:") else {
        let message = match url.split_once(':') {
            Some(("postgres" | "postgresql", _)) => {
                "PostgreSQL is not in this version: expected `sqlite:///path/to/relay.db`"
            }
            _ => "expected `sqlite:///path/to/relay.db`",
        };
        section.problem("url", message);
        return None;
    };
    let path = path.strip_prefix("//").unwrap_or(path);
    if path.is_empty() || path.starts_with(':') || path.contains('?') {
        section.problem(
            "url",
            "expected the path of a file after `sqlite://`, without parameters \
             (hint: a store in memory would lose what was accepted)",
        );
        return None;
    }
    Some(section.directory().join(Path::new(path)))
}

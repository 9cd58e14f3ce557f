//! What fuzzers drive of the files of processes.

#![expect(
    clippy::missing_panics_doc,
    reason = "a panic is how a fuzzer is told that something does not hold"
)]

use super::cgroup::{OwnerKind, owner};
use super::process_files::{listening_sockets, parse_stat};
use super::title::title;

/// The files of a process, each of the bytes read as all of them: an owner has a short name or none, and a title is bounded.
pub fn process_files(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let owner = owner(&text);
    let is_nobody = matches!(owner.kind, OwnerKind::None);
    assert_eq!(is_nobody, owner.id.is_empty(), "{owner:?}");
    assert!(owner.id.len() <= 255 && !owner.id.contains(['/', '\n']), "{owner:?}");
    assert!(owner.pod_uid.is_none_or(|uid| uid.len() <= 36));
    assert!(title(&text).is_none_or(|title| title.name.chars().count() <= 64));
    let _ = parse_stat(&text);
    assert!(listening_sockets(&text).count() <= text.lines().count());
}

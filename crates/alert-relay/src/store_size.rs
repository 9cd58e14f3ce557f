//! How much the store may hold, and what is done about more (pure).
//!
//! What has ended makes room, the oldest first, until the store fits. What is pending never does: where it fills the store alone, nothing
//! new is taken. Leaves out measuring (`outbox`) and doing it (`deliver`).

use std::time::Duration;

use crate::clock::Millis;

/// What has ended later than this is needed: copies are recognised by it (four minutes), and a chat that goes on is explained by it.
pub(crate) const LEAST_KEPT: Duration = Duration::from_mins(5);

/// How large the store is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StoreSize {
    /// Bytes that it takes: of a file those in use, of a database's tables all.
    pub(crate) bytes: u64,
    /// Whether what is deleted is no longer in `bytes`. A database's tables keep the space for what comes next.
    pub(crate) shrinks: bool,
}

/// What is done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing.
    Fits,
    /// What has ended is deleted, the oldest first.
    MakeRoom,
    /// Nothing can be deleted: nothing new is taken, if what is pending takes this much.
    FullIfPending(u64),
}

/// Judges a size. Of what is over the first was so at `first_over`, and what was over before `deletable_before` may be deleted;
/// `room_made_at` is how large tables were that do not shrink when room was last made in them.
pub(crate) fn judge(
    size: StoreSize,
    max_bytes: u64,
    first_over: Option<Millis>,
    deletable_before: Millis,
    room_made_at: u64,
) -> Verdict {
    if size.bytes <= max_bytes {
        return Verdict::Fits;
    }
    if first_over.is_none_or(|over| over >= deletable_before) {
        // Tables that have been large stay so: only what is in them tells.
        return Verdict::FullIfPending(if size.shrinks { 0 } else { max_bytes / 2 });
    }
    if !size.shrinks && size.bytes <= room_made_at { Verdict::Fits } else { Verdict::MakeRoom }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: u64 = 100;
    const BEFORE: Millis = Millis(1_000);

    fn check(bytes: u64, shrinks: bool, first_over: Option<i64>, room_made_at: u64, expected: Verdict) {
        let size = StoreSize { bytes, shrinks };
        let verdict = judge(size, MAX, first_over.map(Millis), BEFORE, room_made_at);
        assert_eq!(verdict, expected, "{size:?}, first over {first_over:?}, room made at {room_made_at}");
    }

    #[test]
    fn what_has_ended_makes_room_and_what_is_pending_closes_the_store() {
        for shrinks in [true, false] {
            check(100, shrinks, Some(0), 0, Verdict::Fits);
            check(101, shrinks, Some(999), 0, Verdict::MakeRoom);
        }
        for young in [None, Some(1_000)] {
            check(101, true, young, 0, Verdict::FullIfPending(0));
            check(101, false, young, 0, Verdict::FullIfPending(50));
        }
    }

    #[test]
    fn tables_that_do_not_shrink_make_room_once_until_they_grow() {
        check(120, false, Some(0), 120, Verdict::Fits);
        check(121, false, Some(0), 120, Verdict::MakeRoom);
        check(120, true, Some(0), 120, Verdict::MakeRoom);
    }
}

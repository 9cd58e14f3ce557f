//! Which tables and columns both databases have.

use Kind::{Bytes, Number, Text};

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Number,
    Text,
    Bytes,
}

/// A table, with its key first.
pub(super) struct Table {
    pub(super) name: &'static str,
    /// How many of the columns are the key.
    pub(super) key: usize,
    pub(super) columns: &'static [(&'static str, Kind)],
    /// Rows copied at a time: fewer of those that hold a webhook.
    pub(super) page: i64,
}

/// In an order in which each row finds those it refers to.
pub(super) const TABLES: &[Table] = &[
    Table {
        name: "notifications",
        key: 1,
        page: 8,
        columns: &[
            ("id", Number),
            ("endpoint", Text),
            ("receiver", Text),
            ("group_id", Text),
            ("group_key", Text),
            ("dedup_key", Text),
            ("duplicate_of", Number),
            ("accepted_at", Number),
            ("payload", Bytes),
            ("unrouted", Text),
            ("source", Text),
            ("sender", Text),
            ("address", Text),
        ],
    },
    Table {
        name: "deliveries",
        key: 1,
        page: 256,
        columns: &[
            ("id", Number),
            ("notification", Number),
            ("target", Text),
            ("group_id", Text),
            ("alerts", Text),
            ("quiet", Text),
            ("mentions", Text),
            ("routes", Text),
            ("is_urgent", Number),
            ("is_revision", Number),
            ("state", Text),
            ("accepted_at", Number),
            ("next_at", Number),
            ("lease_owner", Text),
            ("lease_until", Number),
            ("is_preparing", Number),
            ("deaths", Number),
            ("attempts", Number),
            ("via", Text),
            ("fit", Text),
            ("rendered_at", Number),
            ("parts", Number),
            ("parts_done", Number),
            ("recipients", Text),
            ("is_straggling", Number),
            ("ended_at", Number),
            ("end_reason", Text),
            ("superseded_by", Number),
            ("names", Text),
            ("settled", Text),
        ],
    },
    Table {
        name: "subjects",
        key: 1,
        page: 256,
        columns: &[("notification", Number), ("names", Text), ("text", Text), ("unrouted", Text)],
    },
    Table {
        name: "attempts",
        key: 1,
        page: 512,
        columns: &[
            ("id", Number),
            ("delivery", Number),
            ("via", Text),
            ("robot", Text),
            ("fit", Text),
            ("part", Number),
            ("started_at", Number),
            ("ended_at", Number),
            ("outcome", Text),
            ("reason", Text),
            ("detail", Text),
            ("pause_until", Number),
        ],
    },
    Table {
        name: "told",
        key: 3,
        page: 256,
        columns: &[
            ("target", Text),
            ("group_id", Text),
            ("fingerprint", Text),
            ("status", Text),
            ("starts_at", Number),
            ("labels", Text),
            ("annotations", Text),
            ("generator_url", Text),
            ("told_at", Number),
            ("ends_at", Number),
            ("tellers", Text),
            ("ended_by", Text),
            ("held_until", Number),
        ],
    },
    Table {
        name: "missed",
        key: 3,
        page: 64,
        columns: &[
            ("target", Text),
            ("group_id", Text),
            ("recipient", Text),
            ("alerts", Text),
            ("missed_at", Number),
        ],
    },
    Table {
        name: "senders",
        key: 2,
        page: 512,
        columns: &[("group_id", Text), ("sender", Text), ("notification", Number), ("heard_at", Number)],
    },
    Table {
        name: "last_results",
        key: 1,
        page: 256,
        columns: &[
            ("target", Text),
            ("success_at", Number),
            ("error_at", Number),
            ("reason", Text),
            ("detail", Text),
        ],
    },
    Table {
        name: "audit_trail",
        key: 1,
        page: 512,
        columns: &[
            ("id", Number),
            ("at", Number),
            ("who", Text),
            ("address", Text),
            ("action", Text),
            ("subject", Text),
            ("is_done", Number),
            ("result", Text),
        ],
    },
    Table {
        name: "tally",
        key: 2,
        page: 512,
        columns: &[("target", Text), ("what", Text), ("count", Number)],
    },
];

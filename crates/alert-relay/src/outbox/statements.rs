//! The statements: one text for each, which SQLite and PostgreSQL run alike.
//!
//! Owns what is asked of the tables and how a record becomes rows. Leaves out the tables themselves, which each database has in its own
//! words (`sqlite`, `postgres`), and the transactions (`writer`).

pub(super) mod accept;
pub(super) mod audit_trail;
pub(super) mod beats;
pub(super) mod changes;
pub(super) mod claimed;
pub(super) mod dead_letters;
pub(super) mod diagnosis;
pub(super) mod due;
pub(super) mod gathered;
pub(super) mod last_results;
mod ledger;
pub(super) mod lists;
mod missed;
pub(super) mod open_alerts;
pub(super) mod renaming;
pub(super) mod revisions;
pub(super) mod rows;
pub(super) mod senders;
mod sent_parts;
pub(super) mod size;
pub(super) mod standing;
pub(super) mod stories;
mod subjects;
pub(super) mod take_over;
pub(super) mod webhooks;

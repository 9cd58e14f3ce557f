//! The statements: one text for each, which SQLite and PostgreSQL run alike.
//!
//! Owns what is asked of the tables and how a record becomes rows. Leaves out the tables themselves, which each database has in its own
//! words (`sqlite`, `postgres`), and the transactions (`writer`).
//!
//! A bound is written `LIMIT $3 + 0`: of a parameter alone SQLite plans the statement anew whenever a number is bound to it.

pub(super) mod accept;
pub(super) mod alarms;
pub(super) mod audit_trail;
pub(super) mod beats;
pub(super) mod changes;
pub(super) mod claimed;
pub(super) mod dead_letters;
pub(super) mod diagnosis;
pub(super) mod due;
pub(super) mod gathered;
pub(super) mod holder;
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
pub(super) mod test_attempts;
pub(super) mod webhooks;

#[cfg(test)]
mod tests {
    #[test]
    fn no_bound_is_a_parameter_alone() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/outbox/statements");
        let mut bounds = 0;
        for file in std::fs::read_dir(folder).unwrap() {
            let file = file.unwrap().path();
            for after in std::fs::read_to_string(&file).unwrap().split("LIMIT $").skip(1) {
                let after = after.trim_start_matches(|symbol: char| symbol.is_ascii_digit());
                assert!(after.starts_with(" + 0"), "{}: LIMIT $…{:.20}", file.display(), after);
                bounds += 1;
            }
        }
        assert!(bounds > 10, "{bounds}");
    }
}

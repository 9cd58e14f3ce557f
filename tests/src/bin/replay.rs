//! Replays simulated series of memories and disks through the exporter's estimate and the shipped rules, and prints how many were told in
//! time: the tables of `rules/README.md`.

use std::io::Write as _;

use anyhow::Result;
use e2e::replay::subject::Subject;
use e2e::replay::table::{markdown, rows};

/// Two corpora. The estimate was made with others, too.
const SEEDS: [u64; 2] = [1, 2];

fn main() -> Result<()> {
    for subject in Subject::ALL {
        let rows = rows(subject, &SEEDS, 1)?;
        writeln!(std::io::stdout(), "{subject:?}\n\n{}", markdown(&rows))?;
        for outcome in rows.iter().flat_map(|row| &row.outcomes).filter(|outcome| !outcome.is_good()) {
            writeln!(std::io::stdout(), "not good: {outcome:?}")?;
        }
    }
    Ok(())
}

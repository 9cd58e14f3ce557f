//! A sample of what `replay` measures of all shapes: simulated memories and disks, the exporter's estimate, and the shipped rules.

use e2e::replay::subject::Subject;
use e2e::replay::table::{Outcome, rows};

/// One of so many shapes is replayed; always the same ones.
const ONE_OF: usize = 9;

/// Of those that fill; in noise of 2 and 3 % fewer of the shorter ones are told in five minutes.
const LEAST_OF_SAMPLE: f64 = 0.9;

#[test]
fn what_fills_is_told_in_time_and_nothing_else_is_told() {
    for subject in Subject::ALL {
        let outcomes: Vec<Outcome> = rows(subject, &[1], ONE_OF)
            .unwrap()
            .into_iter()
            .filter(|row| !row.kind.ends_with("noise of 2 and 3 %"))
            .flat_map(|row| row.outcomes)
            .collect();
        let wrong: Vec<_> = outcomes.iter().filter(|outcome| outcome.is_false).collect();
        assert!(wrong.is_empty(), "{subject:?}: {wrong:#?}");
        let filling: Vec<_> = outcomes.iter().filter(|outcome| outcome.fills.is_some()).collect();
        let late: Vec<_> = filling.iter().filter(|outcome| !outcome.is_good()).collect();
        let in_time = 1.0 - late.len() as f64 / filling.len() as f64;
        assert!(in_time >= LEAST_OF_SAMPLE, "{subject:?}: {late:#?}");
    }
}

//! A sample of what `make mutants` does with all: changed rules, which the rules' tests have to notice.

use std::collections::BTreeSet;

use e2e::mutation::mutant::{self, EQUIVALENT, Mutant};
use e2e::mutation::report::Report;
use e2e::mutation::trial::{Control, Trials};

use crate::files::path;

/// So many mutants are tried, from all rules alike and always the same ones.
const SAMPLE: usize = 100;

/// Of all mutants 95 % have to be noticed, which `make mutants` holds. Of a hundred, chance alone leaves fewer.
const LEAST_OF_SAMPLE: f64 = 0.9;

fn all(trials: &Trials) -> Vec<Mutant> {
    trials.rules().iter().flat_map(|file| mutant::all(file).unwrap()).collect()
}

#[test]
fn a_sample_of_changed_rules_is_noticed() {
    let trials = Trials::of(&path("rules")).unwrap();
    let mutants = all(&trials);
    let step = mutants.len().div_ceil(SAMPLE);
    let sample: Vec<_> = mutants.into_iter().step_by(step).collect();
    trials.check(&sample, Control::FirstOfEach).unwrap();
    let noticed = trials.run_all(&sample, |_, _, _| ()).unwrap();
    let report = Report::new(&sample, &noticed);
    assert!(report.share() >= LEAST_OF_SAMPLE && report.wrongly_excused().next().is_none(), "{report}");
}

#[test]
fn names_of_mutants_are_unlike_and_what_is_excused_exists() {
    let mutants = all(&Trials::of(&path("rules")).unwrap());
    let names: BTreeSet<_> = mutants.iter().map(|mutant| mutant.name.as_str()).collect();
    assert_eq!(names.len(), mutants.len());
    for (name, reason) in EQUIVALENT {
        assert!(names.contains(name), "`{name}` is no mutant (any more)");
        assert!(!reason.is_empty(), "`{name}` has no reason");
    }
}

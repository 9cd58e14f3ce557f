//! What became of the mutants: how many the tests notice, rule by rule, and which they do not.

use std::collections::BTreeMap;
use std::fmt;

use super::mutant::Mutant;

/// The share of the mutants that the tests have to notice, those apart that no test can.
pub const LEAST_NOTICED: f64 = 0.95;

/// Mutants with what became of them.
#[derive(Debug)]
pub struct Report<'mutants> {
    outcomes: Vec<(&'mutants Mutant, bool)>,
}

impl<'mutants> Report<'mutants> {
    /// Of mutants and, in the same order, whether each was noticed.
    pub fn new(mutants: &'mutants [Mutant], noticed: &[bool]) -> Self {
        Self { outcomes: mutants.iter().zip(noticed.iter().copied()).collect() }
    }

    /// Mutants that no test noticed, and one could.
    pub fn survivors(&self) -> impl Iterator<Item = &'mutants Mutant> {
        self.judged().filter(|(_, noticed)| !noticed).map(|(mutant, _)| mutant)
    }

    /// Mutants that are said to behave as the rule does, and were noticed all the same.
    pub fn wrongly_excused(&self) -> impl Iterator<Item = &'mutants Mutant> {
        self.outcomes
            .iter()
            .filter(|(mutant, noticed)| *noticed && mutant.equivalence().is_some())
            .map(|(mutant, _)| *mutant)
    }

    /// The share that was noticed, of those that can be; 1 when there is none.
    pub fn share(&self) -> f64 {
        share(self.judged())
    }

    /// Whether enough was noticed, and nothing excused wrongly.
    pub fn is_good(&self) -> bool {
        self.share() >= LEAST_NOTICED && self.wrongly_excused().next().is_none()
    }

    fn judged(&self) -> impl Iterator<Item = (&'mutants Mutant, bool)> {
        self.outcomes.iter().copied().filter(|(mutant, _)| mutant.equivalence().is_none())
    }
}

fn share<'mutants>(outcomes: impl Iterator<Item = (&'mutants Mutant, bool)>) -> f64 {
    let (mut count, mut noticed) = (0.0, 0.0);
    for (_, is_noticed) in outcomes {
        count += 1.0;
        noticed += f64::from(u8::from(is_noticed));
    }
    if count == 0.0 { 1.0 } else { noticed / count }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rules: BTreeMap<(&str, &str), Vec<(&Mutant, bool)>> = BTreeMap::new();
        for (mutant, noticed) in self.judged() {
            rules.entry((&mutant.file, &mutant.rule)).or_default().push((mutant, noticed));
        }
        for ((file, rule), outcomes) in rules {
            let noticed = outcomes.iter().filter(|(_, noticed)| *noticed).count();
            writeln!(f, "{file}  {rule}: {noticed} of {}", outcomes.len())?;
            for (mutant, _) in outcomes.iter().filter(|(_, noticed)| !noticed) {
                writeln!(f, "    survived  {}", mutant.name)?;
                let expression = mutant.changed["expr"].as_str().unwrap_or_default();
                let words: Vec<_> = expression.split_whitespace().collect();
                writeln!(f, "              {}", words.join(" "))?;
            }
        }
        for mutant in self.wrongly_excused() {
            writeln!(f, "noticed, though the list of equivalent mutants has it: {}", mutant.name)?;
        }
        let excused = self.outcomes.len() - self.judged().count();
        write!(
            f,
            "{:.1} % of {} mutants are noticed; {excused} more behave as their rule does",
            self.share() * 100.0,
            self.judged().count()
        )
    }
}

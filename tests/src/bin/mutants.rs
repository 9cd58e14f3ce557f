//! `make mutants`: changes the shipped rules in every small way there is, and says which changes the rules' tests do not notice.
//!
//! Texts after the program's name keep it to the mutants whose names, or whose rules' files, begin so: `mutants Host gpu-links`.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use e2e::mutation::mutant::{self, EQUIVALENT, Mutant};
use e2e::mutation::report::Report;
use e2e::mutation::trial::{Control, Trials};
use e2e::programs;

/// Mutants between two lines that say how far it is.
const TOLD_EVERY: usize = 50;

fn main() -> ExitCode {
    let beginnings: Vec<String> = std::env::args().skip(1).collect();
    match judge(&beginnings) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            tell(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// On standard error, beside the report.
fn tell(line: &str) {
    // Nobody to tell when it is closed.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Whether the tests notice enough.
fn judge(beginnings: &[String]) -> Result<bool> {
    let trials = Trials::of(&programs::checkout().join("rules"))?;
    let mut all: Vec<Mutant> = Vec::new();
    for file in trials.rules() {
        all.extend(mutant::all(file)?);
    }
    for (name, _) in EQUIVALENT {
        ensure!(
            all.iter().any(|mutant| mutant.name == *name),
            "the list of equivalent mutants has `{name}`, which is none"
        );
    }
    let begins = |text: &str| beginnings.iter().any(|beginning| text.starts_with(beginning));
    all.retain(|mutant| beginnings.is_empty() || begins(&mutant.name) || begins(&mutant.file));
    ensure!(!all.is_empty(), "no mutant begins with any of {beginnings:?}");
    trials.check(&all, Control::All)?;
    let start = Instant::now();
    let noticed = trials.run_all(&all, |mutant, noticed, known| {
        if !noticed && mutant.equivalence().is_none() {
            tell(&format!("survived: {} ({known} of {})", mutant.name, all.len()));
        } else if known % TOLD_EVERY == 0 {
            tell(&format!("{known} of {}", all.len()));
        }
    })?;
    let report = Report::new(&all, &noticed);
    writeln!(std::io::stdout(), "{report} ({} s)", start.elapsed().as_secs()).context("failed to print")?;
    Ok(report.is_good())
}

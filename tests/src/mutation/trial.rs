//! Running `promtool` on changed rules, several at a time.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::mutant::Mutant;
use super::rules::{self, RuleFile, name};
use super::test_files::{self, TestFile, concerned, mentions};
use crate::programs;

/// The rules, their tests, and the program that runs them.
#[derive(Debug)]
pub struct Trials {
    promtool: PathBuf,
    rules: Vec<RuleFile>,
    tests: Vec<TestFile>,
    folder: tempfile::TempDir,
}

/// Which tests have to pass on the unchanged rules, before a failure on a changed one says anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Every test.
    All,
    /// The first of each file: that files are written as they were read. `promtool` runs all of them elsewhere.
    FirstOfEach,
}

impl Trials {
    /// Reads `folder`, which has the rules and their tests.
    pub fn of(folder: &Path) -> Result<Self> {
        Ok(Self {
            promtool: programs::debian("promtool")?,
            rules: rules::read(folder)?,
            tests: test_files::read(folder)?,
            folder: tempfile::tempdir().context("failed to make a temporary folder")?,
        })
    }

    /// The files of rules.
    pub fn rules(&self) -> &[RuleFile] {
        &self.rules
    }

    /// Makes sure of what the rest rests on: the tests pass on the rules as they are, and Prometheus would load every mutant. A
    /// mutant that fails for being invalid would count as noticed.
    pub fn check(&self, mutants: &[Mutant], control: Control) -> Result<()> {
        let unchanged = self.folder.path().join("unchanged");
        let tests = self.tests.iter().map(|file| match control {
            Control::All => (&*file.name, file.whole().clone()),
            Control::FirstOfEach => (&*file.name, file.first()),
        });
        lay_out(&unchanged, &self.rules, tests)?;
        let output = self.test(&unchanged)?;
        if !output.status.success() {
            bail!("the tests fail on the rules as they are:\n{}", said(&output));
        }
        let groups: Vec<_> =
            mutants.iter().map(|mutant| json!({ "name": mutant.name, "rules": [mutant.changed] })).collect();
        let file = self.folder.path().join("mutants.yml");
        write(&file, &json!({ "groups": groups }))?;
        let output = self.run(self.folder.path(), &["check", "rules", "--lint=none", "mutants.yml"])?;
        if !output.status.success() {
            bail!("some mutants are no rules:\n{}", said(&output));
        }
        Ok(())
    }

    /// Whether the tests notice each mutant, in the order given. Each is told as it is known, with how many are.
    pub fn run_all(
        &self,
        mutants: &[Mutant],
        tell: impl Fn(&Mutant, bool, usize) + Sync,
    ) -> Result<Vec<bool>> {
        let next = AtomicUsize::new(0);
        let outcomes = Mutex::new(Vec::new());
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| {
                    loop {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        let Some(mutant) = mutants.get(at) else { return };
                        let outcome = self.is_noticed(mutant, at);
                        if let Ok(mut outcomes) = outcomes.lock() {
                            if let Ok(noticed) = outcome {
                                tell(mutant, noticed, outcomes.len() + 1);
                            }
                            outcomes.push((at, outcome));
                        }
                    }
                });
            }
        });
        let mut outcomes = outcomes.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        outcomes.sort_by_key(|(at, _)| *at);
        outcomes.into_iter().map(|(_, outcome)| outcome).collect()
    }

    fn is_noticed(&self, mutant: &Mutant, at: usize) -> Result<bool> {
        let names = concerned(name(&mutant.changed), &self.rules);
        let rules: Vec<_> = self
            .rules
            .iter()
            .map(|file| {
                let is_changed = file.name == mutant.file;
                if is_changed { file.with(mutant.place, mutant.changed.clone()) } else { file.clone() }
            })
            .collect();
        let about = |file: &TestFile| file.about(&names);
        let mut tests: Vec<_> =
            self.tests.iter().filter(|file| file.loads(&mutant.file)).flat_map(about).collect();
        // One is enough to notice it: likely one that names the rule itself, and a short one is quick.
        let own = BTreeSet::from([name(&mutant.changed).to_owned()]);
        tests.sort_by_cached_key(|test| {
            let text = test.to_string();
            (!mentions(&text, &own), text.len())
        });
        let folder = self.folder.path().join(at.to_string());
        lay_out(&folder, &rules, [])?;
        let mut is_noticed = false;
        for test in tests {
            write(&folder.join("one.test.yml"), &test)?;
            is_noticed = !self.test(&folder)?.status.success();
            if is_noticed {
                break;
            }
        }
        std::fs::remove_dir_all(&folder).with_context(|| format!("failed to remove {}", folder.display()))?;
        Ok(is_noticed)
    }

    /// `promtool test rules` on every test file of a folder.
    fn test(&self, folder: &Path) -> Result<Output> {
        let files = rules::files(folder, ".test.yml")?;
        let names: Vec<_> = files.iter().map(|path| rules::file_name(path)).collect();
        let arguments: Vec<&str> =
            ["test", "rules"].into_iter().chain(names.iter().map(String::as_str)).collect();
        self.run(folder, &arguments)
    }

    fn run(&self, folder: &Path, arguments: &[&str]) -> Result<Output> {
        Command::new(&self.promtool)
            .args(arguments)
            .current_dir(folder)
            // One thread a process, of which there is one a core, and a heap that may grow: each lives for a second.
            .env("GOMAXPROCS", "1")
            .env("GOGC", "400")
            .output()
            .with_context(|| format!("failed to run {}", self.promtool.display()))
    }
}

/// Writes a folder of rules and tests.
fn lay_out<'name>(
    folder: &Path,
    rules: &[RuleFile],
    tests: impl IntoIterator<Item = (&'name str, Value)>,
) -> Result<()> {
    std::fs::create_dir(folder).with_context(|| format!("failed to make the folder {}", folder.display()))?;
    for file in rules {
        write(&folder.join(&file.name), &file.document)?;
    }
    for (name, document) in tests {
        write(&folder.join(name), &document)?;
    }
    Ok(())
}

fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|stream| String::from_utf8_lossy(stream)).concat()
}

/// JSON is YAML, and needs no care about what a word might be read as.
fn write(path: &Path, document: &Value) -> Result<()> {
    std::fs::write(path, document.to_string()).with_context(|| format!("failed to write {}", path.display()))
}

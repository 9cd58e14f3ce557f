//! The cases of the rules' tests (`rules/*.test.yml`), as histories that a running Prometheus can be given.
//!
//! A case says how series ran until an alert fires. `promtool` computes what was recorded on the way; `history` moves all of it to the
//! present; `live` has a Prometheus judge it with the shipped alerts. Leaves out what becomes of an alert that fires.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::mutation::test_files;
use crate::time_lapse;

pub mod evaluation;
pub mod history;
pub mod live;
pub mod notation;
pub mod selection;

use notation::Labels;

/// Series that have run until some moment, and the rules that judge them.
#[derive(Clone, Debug)]
pub struct Case {
    /// The file it stands in: `gpu.test.yml`.
    pub file: String,
    /// What the file calls it.
    pub name: String,
    /// The files of rules that it is about.
    pub rule_files: Vec<String>,
    /// The order of their groups, where it is said.
    group_order: Value,
    /// The time between two samples, in milliseconds.
    interval: i64,
    /// The time between two evaluations of the rules, in milliseconds.
    step: i64,
    /// When it has been told whole, in milliseconds from its beginning.
    end: i64,
    /// The series, in `promtool`'s notation.
    series: Vec<(Labels, Vec<Option<f64>>)>,
    /// The same as it was written.
    input: Value,
    /// All that was written, for the names in it.
    text: String,
}

/// The cases of every test file of a folder, in the order of the files.
pub fn read(folder: &Path) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for file in test_files::read(folder)? {
        let document = file.whole();
        for test in list(&document["tests"]) {
            let case = Case::of(&file.name, document, test);
            cases.push(case.with_context(|| format!("{}: `{}`", file.name, test["name"]))?);
        }
    }
    Ok(cases)
}

impl Case {
    /// A test of a document in `promtool`'s format.
    pub fn of(file: &str, document: &Value, test: &Value) -> Result<Self> {
        let written = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let series = list(&test["input_series"])
            .iter()
            .map(|series| {
                Ok((
                    notation::labels(&written(&series["series"]))?,
                    notation::values(&written(&series["values"]))?,
                ))
            })
            .collect::<Result<Vec<_>>>()?;
        let asked = list(&test["promql_expr_test"]).iter().chain(list(&test["alert_rule_test"]));
        let ends = asked.map(|asked| milliseconds(&asked["eval_time"])).collect::<Result<Vec<_>>>()?;
        Ok(Self {
            file: file.to_owned(),
            name: written(&test["name"]),
            rule_files: list(&document["rule_files"]).iter().map(written).collect(),
            group_order: document["group_eval_order"].clone(),
            interval: milliseconds(&test["interval"])?,
            step: milliseconds(&document["evaluation_interval"])?,
            end: ends.into_iter().max().context("it asks nothing")?,
            series,
            input: test["input_series"].clone(),
            text: test.to_string(),
        })
    }

    /// When it has been told whole, in milliseconds from its beginning.
    pub fn end(&self) -> i64 {
        self.end
    }

    /// Whether an alert of this name is in it.
    fn mentions(&self, alert: &str) -> bool {
        self.text.split(|symbol: char| !symbol.is_ascii_alphanumeric()).any(|word| word == alert)
    }

    /// The names of its series.
    fn metrics(&self) -> BTreeSet<&str> {
        self.series.iter().map(|(labels, _)| labels[notation::NAME].as_str()).collect()
    }
}

fn milliseconds(duration: &Value) -> Result<i64> {
    let text = duration.as_str().context("a duration is missing")?;
    let time = time_lapse::parse(text).with_context(|| format!("`{text}` is no duration"))?;
    let milliseconds = i64::try_from(time.as_millis()).context("a duration is too long")?;
    ensure!(milliseconds >= 0, "`{text}` is negative");
    Ok(milliseconds)
}

/// The values of a list; none where there is no list.
fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

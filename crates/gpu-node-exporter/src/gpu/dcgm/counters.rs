//! The file that says which series there are: dcgm-exporter's CSV, a line `FIELD, gauge|counter|label, help` each, `#` before a comment.

use std::borrow::Cow;

use super::fields::{self, Source};
use super::kind::Type;
use super::labels::{self, TEXTS};
use super::names::{Names, first_name};
use crate::family::is_metric_name;
use crate::gpu::profile::Profile;

/// The fields of a file, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counters(Vec<Counter>);

/// A line of a file.
#[derive(Clone, Debug)]
pub(super) struct Counter {
    pub(super) name: String,
    pub(super) kind: Type,
    pub(super) help: String,
    /// `None` for a label, and for a field that is not read here.
    pub(super) source: Option<Source>,
}

/// Lines of a file: DCGM has some 400 fields.
const MOST_LINES: usize = 2_000;

/// What is wrong with a file, one text each; and what is accepted but should be known.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Findings {
    pub(crate) mistakes: Vec<String>,
    pub(crate) warnings: Vec<String>,
}

impl Counters {
    /// The default set of a generation of names.
    pub(crate) fn default_of(names: Names) -> Self {
        Self::parse(names.default_counters()).0
    }

    /// The fields that could be read, and every line that is wrong.
    pub(crate) fn parse(text: &str) -> (Self, Findings) {
        let (mut counters, mut findings) = (Self::default(), Findings::default());
        // Spreadsheets begin a file with a byte order mark.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (number, line) in (1..).zip(text.lines().take(MOST_LINES)) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match counter(line) {
                Ok(Counter { name, .. }) if counters.0.iter().any(|known| known.name == name) => {
                    findings.warnings.push(format!("line {number}: {name} is there twice; the first counts"));
                }
                Ok(counter) => {
                    if let Some(reason) = counter.unread() {
                        findings.warnings.push(format!("line {number}: {} {reason}", counter.name));
                    }
                    counters.0.push(counter);
                }
                Err(reason) => findings.mistakes.push(format!("line {number}: {reason}")),
            }
        }
        if text.lines().nth(MOST_LINES).is_some() {
            findings.mistakes.push(format!("it has more than {MOST_LINES} lines"));
        }
        (counters, findings)
    }

    /// Without what this profile does not read; returns the names of that.
    pub(crate) fn within(mut self, profile: Profile) -> (Self, Vec<String>) {
        let mut left_out = Vec::new();
        if !profile.has(Profile::Default) {
            self.0.retain(|counter| {
                let is_beyond = counter.is_beyond_minimal();
                if is_beyond {
                    left_out.push(counter.name.clone());
                }
                !is_beyond
            });
        }
        (self, left_out)
    }

    /// What has a value.
    pub(super) fn values(&self) -> impl Iterator<Item = &Counter> {
        self.0.iter().filter(|counter| counter.kind != Type::Label)
    }

    /// The names of what is a label, in the order of labels.
    pub(super) fn labels(&self) -> Vec<&str> {
        let labels = self.0.iter().filter(|counter| counter.kind == Type::Label);
        let mut names: Vec<_> = labels.map(|counter| counter.name.as_str()).collect();
        names.sort_unstable();
        names
    }
}

impl Counter {
    fn is_beyond_minimal(&self) -> bool {
        match self.kind {
            Type::Label => labels::is_beyond_minimal(&self.name),
            Type::Gauge | Type::Counter => fields::is_beyond_minimal(&self.name),
        }
    }

    /// Why it has neither a series nor a label.
    fn unread(&self) -> Option<&'static str> {
        let is_text = TEXTS.contains(&first_name(&self.name));
        match self.kind {
            Type::Label if is_text => None,
            Type::Label if fields::source(&self.name).is_some() => {
                Some("is a number, so it makes no label (hint: gauge or counter)")
            }
            Type::Label => Some("is not read here, so it makes no label"),
            Type::Gauge | Type::Counter if self.source.is_some() => None,
            Type::Gauge | Type::Counter if is_text => Some("is a text, so it has no series (hint: label)"),
            Type::Gauge | Type::Counter => Some("is not read here, so it has no series"),
        }
    }
}

fn counter(line: &str) -> Result<Counter, String> {
    let mut cells = line.splitn(3, ',').map(unquoted);
    let (Some(name), Some(kind), help) = (cells.next(), cells.next(), cells.next()) else {
        return Err("expected FIELD, gauge or counter or label, help".to_owned());
    };
    let (name, kind) = (&*name, kind.to_ascii_lowercase());
    let kind = match kind.as_str() {
        "gauge" => Type::Gauge,
        "counter" => Type::Counter,
        "label" => Type::Label,
        "histogram" | "summary" => return Err(format!("{name}: no field is a {kind}")),
        other => return Err(format!("{name}: {other:?} is no type (hint: gauge, counter or label)")),
    };
    if !name.starts_with("DCGM_") || !is_metric_name(name) {
        return Err(format!("{name:?} is no field of DCGM (hint: like DCGM_FI_DEV_GPU_TEMP)"));
    }
    let source = if kind == Type::Label { None } else { fields::source(name) };
    Ok(Counter { name: name.to_owned(), kind, help: help.unwrap_or_default().into_owned(), source })
}

/// The text of a cell (RFC 4180): quotes around it are none of it, and two in it are one. What is quoted in part only stays as it is.
fn unquoted(cell: &str) -> Cow<'_, str> {
    let cell = cell.trim();
    let inner = cell.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    match inner {
        Some(inner) if inner.replace("\"\"", "").contains('"') => cell.into(),
        Some(inner) => inner.replace("\"\"", "\"").trim().to_owned().into(),
        None => cell.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_a_field() {
        let (counters, findings) = Counters::parse(
            "\u{feff}# a comment\n\nDCGM_FI_DEV_GPU_TEMP, gauge, Temperature, in C.\n  DCGM_FI_DRIVER_VERSION ,label, Driver\nDCGM_FI_DEV_PCIE_REPLAY_COUNTER,Counter,Replays",
        );
        assert_eq!(findings, Findings::default());
        assert_eq!(
            counters.values().map(|it| (it.name.as_str(), it.kind, it.help.as_str())).collect::<Vec<_>>(),
            [
                ("DCGM_FI_DEV_GPU_TEMP", Type::Gauge, "Temperature, in C."),
                ("DCGM_FI_DEV_PCIE_REPLAY_COUNTER", Type::Counter, "Replays"),
            ]
        );
        assert_eq!(counters.labels(), ["DCGM_FI_DRIVER_VERSION"]);
        // The names of DCGM 4.6 are known, too.
        let (counters, findings) =
            Counters::parse("DCGM_FI_DEV_GPU_PSTATE, gauge, x\nDCGM_FI_DEV_BOARD_SERIAL, label, x");
        assert_eq!((findings, counters.labels()), (Findings::default(), vec!["DCGM_FI_DEV_BOARD_SERIAL"]));
    }

    #[test]
    fn quotes_are_read_as_in_csv() {
        for (written, help) in [
            (r#""GPU temperature, in C.""#, "GPU temperature, in C."),
            (r#""the ""hot"" one""#, r#"the "hot" one"#),
            (r#" "" "#, ""),
            (r#""one" and "another""#, r#""one" and "another""#),
            (r#"the "hot" one"#, r#"the "hot" one"#),
            ("\"", "\""),
        ] {
            let (counters, findings) =
                Counters::parse(&format!("\"DCGM_FI_DEV_GPU_TEMP\", \"gauge\",{written}"));
            assert_eq!(findings, Findings::default());
            let helps: Vec<_> = counters.values().map(|counter| counter.help.as_str()).collect();
            assert_eq!(helps, [help], "{written}");
        }
    }

    #[test]
    fn each_mistake_is_named_by_its_line() {
        let (counters, findings) = Counters::parse(
            "DCGM_FI_DEV_GPU_TEMP\nDCGM_FI_DEV_GPU_TEMP, gage, x\nGPU_TEMP, gauge, x\nDCGM_FI_DEV_GPU TEMP, gauge, x\n\
             DCGM_FI_DEV_GPU_TEMP, gauge, x\nDCGM_FI_DEV_GPU_TEMP, gauge, y\nDCGM_FI_DEV_DIAG_STATUS, gauge, z\nDCGM_FI_X, histogram, x\n\
             DCGM_FI_DEV_BRAND, gauge, x\nDCGM_FI_DEV_POWER_USAGE, label, x\nDCGM_FI_Y, label, x",
        );
        assert_eq!(
            findings.mistakes,
            [
                "line 1: expected FIELD, gauge or counter or label, help",
                "line 2: DCGM_FI_DEV_GPU_TEMP: \"gage\" is no type (hint: gauge, counter or label)",
                "line 3: \"GPU_TEMP\" is no field of DCGM (hint: like DCGM_FI_DEV_GPU_TEMP)",
                "line 4: \"DCGM_FI_DEV_GPU TEMP\" is no field of DCGM (hint: like DCGM_FI_DEV_GPU_TEMP)",
                "line 8: DCGM_FI_X: no field is a histogram",
            ]
        );
        assert_eq!(
            findings.warnings,
            [
                "line 6: DCGM_FI_DEV_GPU_TEMP is there twice; the first counts",
                "line 7: DCGM_FI_DEV_DIAG_STATUS is not read here, so it has no series",
                "line 9: DCGM_FI_DEV_BRAND is a text, so it has no series (hint: label)",
                "line 10: DCGM_FI_DEV_POWER_USAGE is a number, so it makes no label (hint: gauge or counter)",
                "line 11: DCGM_FI_Y is not read here, so it makes no label",
            ]
        );
        assert_eq!(counters.values().count(), 3);
        let (_, findings) = Counters::parse(&"#\n".repeat(3_000));
        assert_eq!(findings.mistakes, ["it has more than 2000 lines"]);
    }

    #[test]
    fn the_default_sets_are_read_whole() {
        for (word, names) in Names::WORDS {
            let (counters, findings) = Counters::parse(names.default_counters());
            assert_eq!(findings, Findings::default(), "{word}");
            assert_eq!(counters.values().count(), if names == Names::Classic { 25 } else { 26 }, "{word}");
            assert_eq!(counters.labels().len(), 1, "{word}");
        }
    }
}

//! A question to Prometheus, and how its answer is drawn.

use super::colour::Colour;
use super::unit::Unit;

/// Stands for the matchers of the chosen machines.
const NODE: (&str, &str) = ("@node", "node=~\"$node\"");
/// Stands for the matchers of the chosen machines and GPUs.
const GPU: (&str, &str) = ("@gpu", "node=~\"$node\",gpu=~\"$gpu\"");

/// Stands for the matchers of the chosen machines and models.
const MODEL: (&str, &str) = ("@model", "node=~\"$node\",model_name=~\"$model\"");

/// What a line of `week:value_before:avg1h` is called, which is of a day like today.
pub(crate) const ALIKE: &str = "相似的一周前 a week that was alike";

/// An expression and what its series are called.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    pub(crate) expression: String,
    pub(crate) legend: String,
    pub(crate) role: Role,
}

/// What a series is beside the others of its panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// What the panel is about.
    Value,
    /// A line that the value should keep away from: dashed.
    Limit(Colour),
    /// The same some time ago: dotted.
    Past,
    /// Drawn downwards, as what is received below what is sent.
    Below,
    /// In another unit, on an axis of its own: dashed.
    Aside(Unit),
}

/// A query whose `@node`, `@gpu` and `@model` stand for the board's variables.
pub(crate) fn ask(expression: &str, legend: &str) -> Query {
    Query { expression: expanded(expression), legend: legend.to_owned(), role: Role::Value }
}

/// An expression with its placeholders filled in.
pub(crate) fn expanded(expression: &str) -> String {
    [NODE, GPU, MODEL]
        .iter()
        .fold(expression.to_owned(), |text, (mark, matchers)| text.replace(mark, matchers))
}

impl Query {
    pub(crate) fn limit(self, colour: Colour) -> Self {
        Self { role: Role::Limit(colour), ..self }
    }

    pub(crate) fn past(self) -> Self {
        Self { role: Role::Past, ..self }
    }

    pub(crate) fn below(self) -> Self {
        Self { role: Role::Below, ..self }
    }

    pub(crate) fn aside(self, unit: Unit) -> Self {
        Self { role: Role::Aside(unit), ..self }
    }
}

/// One line a machine for a limit that most of its GPUs share: the highest, and the lowest where they differ.
pub(crate) fn shared_limit(expression: &str, legend: &str, colour: Colour) -> [Query; 2] {
    let highest = ask(&format!("max by (node) ({expression})"), &format!("{{{{node}}}} {legend}"));
    let lowest = ask(
        &format!("min by (node) ({expression}) < max by (node) ({expression})"),
        &format!("{{{{node}}}} {legend} (最低 lowest)"),
    );
    [highest.limit(colour), lowest.limit(colour)]
}

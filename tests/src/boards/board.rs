//! A board: its variables, what it notes on its graphs, and its panels in sections.

use super::panel::Panel;
use super::words::{Words, words};

/// A dashboard.
#[derive(Debug)]
pub(crate) struct Board {
    /// For ever: links in messages have it.
    pub(crate) uid: &'static str,
    pub(crate) title: Words,
    pub(crate) about: Words,
    /// How far back it shows when it is opened.
    pub(crate) since: &'static str,
    pub(crate) variables: Vec<Variable>,
    pub(crate) sections: Vec<Section>,
}

/// A choice above the board, of a label's values.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Variable {
    pub(crate) name: &'static str,
    pub(crate) title: Words,
    /// Of which metric, with its matchers, which label.
    pub(crate) of: (&'static str, &'static str),
    pub(crate) choice: Choice,
}

/// How much of a variable may be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// Any number of values, or all, whatever this matches.
    Many { all: &'static str },
    /// One value.
    One,
    /// The first value, unseen: other texts are filled in from it.
    Hidden,
}

/// Panels under a heading.
#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) title: Option<Words>,
    /// From left to right, and then on the next line.
    pub(crate) panels: Vec<Panel>,
}

const NODES: (&str, &str) = ("up{job=\"node\"}", "node");
const GPUS: (&str, &str) = ("gpu_up{node=~\"$node\"}", "gpu");

/// Machines, all at first.
pub(crate) const NODE: Variable =
    Variable { name: "node", title: words("节点", "Node"), of: NODES, choice: Choice::Many { all: ".+" } };
/// One machine.
pub(crate) const ONE_NODE: Variable = Variable { choice: Choice::One, ..NODE };
/// GPUs of the chosen machines, all at first. One on the PCI bus that the driver does not list has no index.
pub(crate) const GPU: Variable =
    Variable { name: "gpu", title: words("GPU", "GPU"), of: GPUS, choice: Choice::Many { all: ".*" } };
/// One GPU of the chosen machine.
pub(crate) const ONE_GPU: Variable = Variable { choice: Choice::One, ..GPU };
/// Models that engines of the chosen machines serve.
pub(crate) const MODEL: Variable = Variable {
    name: "model",
    title: words("模型", "Model"),
    of: ("inference:requests_running{node=~\"$node\"}", "model_name"),
    choice: Choice::Many { all: ".*" },
};
/// Where the chosen machine's exporter listens, as Prometheus calls it.
pub(crate) const INSTANCE: Variable = Variable {
    name: "instance",
    title: words("导出器", "Exporter"),
    of: ("gpu_up{node=~\"$node\"}", "instance"),
    choice: Choice::Hidden,
};

impl Section {
    /// What stands on top, without a heading.
    pub(crate) fn first(panels: Vec<Panel>) -> Self {
        Self { title: None, panels }
    }

    pub(crate) fn of(title: Words, panels: Vec<Panel>) -> Self {
        Self { title: Some(title), panels }
    }
}

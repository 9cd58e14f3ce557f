//! Metric families: what every collector produces, and what `exposition` alone turns into a page.
//!
//! Owns the shape of a metric family; label sets are `family/labels.rs`'s and `family/label_sets.rs`'s, and which names there may be
//! `family/names.rs`'s; `family/text.rs` is what names and helps are. Leaves out how a page is written.

mod label_sets;
mod labels;
mod names;
mod text;

pub(crate) use label_sets::{LabelSets, MadeSets};
pub(crate) use labels::{Labels, closing_quote, unescaped};
pub(crate) use names::{is_label_name, is_metric_name, wrong_label};
pub(crate) use text::Text;

/// What a family's samples mean, in the words of `OpenMetrics` 1.0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Grows until the source restarts. The name ends in `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Constant 1 with descriptive labels. The name ends in `_info`.
    Info,
    /// The source does not say (`untyped` in text 0.0.4).
    Unknown,
    /// Buckets, sum and count under suffixed names.
    Histogram,
    /// Quantiles, sum and count under suffixed names; only the textfile collector has these.
    Summary,
}

/// One metric family: a name, what it means, and its samples.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Family {
    /// The full sample name as text 0.0.4 writes it: with `_total` on counters and `_info` on infos.
    pub(crate) name: Text,
    /// One sentence for people; may hold any character, escaping is the encoder's work.
    pub(crate) help: Text,
    /// What the samples mean.
    pub(crate) kind: Kind,
    /// The samples; a family without any is dropped before encoding.
    pub(crate) samples: Vec<Sample>,
}

impl Family {
    /// An empty counter family; `name` ends in `_total`.
    pub(crate) fn counter(name: impl Into<Text>, help: impl Into<Text>) -> Self {
        Self::new(name, help, Kind::Counter)
    }

    /// An empty gauge family.
    pub(crate) fn gauge(name: impl Into<Text>, help: impl Into<Text>) -> Self {
        Self::new(name, help, Kind::Gauge)
    }

    /// An empty histogram family; its samples have suffixes.
    pub(crate) fn histogram(name: impl Into<Text>, help: impl Into<Text>) -> Self {
        Self::new(name, help, Kind::Histogram)
    }

    /// An empty info family; `name` ends in `_info`, every sample is 1.
    pub(crate) fn info(name: impl Into<Text>, help: impl Into<Text>) -> Self {
        Self::new(name, help, Kind::Info)
    }

    /// An empty family of unknown type.
    pub(crate) fn unknown(name: impl Into<Text>, help: impl Into<Text>) -> Self {
        Self::new(name, help, Kind::Unknown)
    }

    fn new(name: impl Into<Text>, help: impl Into<Text>, kind: Kind) -> Self {
        Self { name: name.into(), help: help.into(), kind, samples: Vec::new() }
    }

    /// Adds one sample under the family's own name.
    pub(crate) fn push(&mut self, labels: Labels, value: impl Into<Number>) {
        self.samples.push(Sample { suffix: "", labels, value: value.into() });
    }

    /// The family with one more sample: for families built in one expression.
    #[must_use]
    pub(crate) fn with(mut self, labels: Labels, value: impl Into<Number>) -> Self {
        self.push(labels, value);
        self
    }
}

/// One line of the page.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sample {
    /// Appended to the family's name: empty, or `_bucket`, `_sum`, `_count` of a histogram or summary.
    pub(crate) suffix: &'static str,
    /// What distinguishes this sample from the others of its family.
    pub(crate) labels: Labels,
    /// The reading.
    pub(crate) value: Number,
}

/// A reading: whole numbers stay exact past 2^53.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Number {
    /// A count, an identifier or a size.
    Whole(u64),
    /// Anything else; NaN and the infinities are valid.
    Real(f64),
}

impl Number {
    /// Whether both are written alike, as far as numbers tell: NaN is, and the two zeros are not.
    pub(crate) fn is_written_as(self, other: Self) -> bool {
        match (self, other) {
            (Self::Whole(one), Self::Whole(other)) => one == other,
            (Self::Real(one), Self::Real(other)) => one.to_bits() == other.to_bits(),
            _ => false,
        }
    }
}

impl From<u64> for Number {
    fn from(value: u64) -> Self {
        Self::Whole(value)
    }
}

impl From<u32> for Number {
    fn from(value: u32) -> Self {
        Self::Whole(u64::from(value))
    }
}

impl From<f64> for Number {
    fn from(value: f64) -> Self {
        Self::Real(value)
    }
}

impl From<bool> for Number {
    fn from(value: bool) -> Self {
        Self::Whole(u64::from(value))
    }
}

//! What a field goes out as.

use crate::family::Family;

/// What a field goes out as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Gauge,
    Counter,
    /// A label on every series.
    Label,
}

impl Type {
    pub(super) fn family(self, name: &str, help: &str) -> Family {
        let (name, help) = (name.to_owned(), help.to_owned());
        match self {
            Self::Counter => Family::counter(name, help),
            Self::Gauge | Self::Label => Family::gauge(name, help),
        }
    }
}

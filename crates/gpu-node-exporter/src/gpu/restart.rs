//! Why probes are replaced: the reasons that users see.

/// Why a probe had to be replaced: the `reason` label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Restart {
    /// Silent for too long.
    Stuck,
    /// Ended by itself, by a signal other than kill.
    Crash,
    /// Killed from outside.
    Killed,
    /// Exited by itself without reporting why.
    Exit,
    /// Had no driver to ask.
    Driver,
    /// Replaced to try a skipped GPU again.
    Retrial,
}

impl Restart {
    pub(crate) const ALL: [Self; 6] =
        [Self::Stuck, Self::Crash, Self::Killed, Self::Exit, Self::Driver, Self::Retrial];

    /// The label value.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Stuck => "stuck",
            Self::Crash => "crash",
            Self::Killed => "killed",
            Self::Exit => "exit",
            Self::Driver => "driver",
            Self::Retrial => "retrial",
        }
    }

    /// All reasons with their counts: each is shown from the start.
    pub(crate) fn counts(count: impl Fn(Self) -> u64) -> Vec<(Self, u64)> {
        Self::ALL.map(|reason| (reason, count(reason))).to_vec()
    }
}

//! How a message is put into words for a channel: at full size, in smaller parts, plain, or as one bare line.

/// How a message is to be cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wording {
    /// As large as the channel allows.
    #[default]
    Normal,
    /// Half of that, after [`TooLarge`](crate::outcome::Outcome::TooLarge).
    Smaller,
    /// Plain words without markup or links, after [`Rejected`](crate::outcome::Outcome::Rejected).
    Plain,
    /// One line of our own words: how many alerts, how bad, where to look. For a text that is refused however it is put.
    Bare,
}

impl Wording {
    /// Whether it is sent as text without markup.
    pub(crate) fn is_text(self) -> bool {
        matches!(self, Self::Plain | Self::Bare)
    }
}

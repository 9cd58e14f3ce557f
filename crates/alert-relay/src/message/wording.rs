//! How a message is put into words for a channel: at full size, in smaller parts, plain, or as one bare line.

use std::str::FromStr;

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
    /// Every wording.
    pub(crate) const ALL: [Self; 4] = [Self::Normal, Self::Smaller, Self::Plain, Self::Bare];

    /// The word in the store and in the API.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Smaller => "smaller",
            Self::Plain => "plain",
            Self::Bare => "bare",
        }
    }

    /// Whether it is sent as text without markup.
    pub(crate) fn is_text(self) -> bool {
        matches!(self, Self::Plain | Self::Bare)
    }
}

impl FromStr for Wording {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let found = Self::ALL.into_iter().find(|wording| wording.as_str() == text);
        found.ok_or("expected one of normal, smaller, plain, bare")
    }
}

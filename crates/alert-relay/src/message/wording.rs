//! How a message is put into words for a channel: at full size, in smaller parts, or plain.

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
}

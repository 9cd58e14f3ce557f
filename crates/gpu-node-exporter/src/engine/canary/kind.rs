//! What canaries ask for, and what can come of them: the labels `kind` and `result`.

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Kind {
    /// One token that goes on from a text.
    Text,
    /// The same from a text with a picture.
    Image,
}

impl Kind {
    pub(in crate::engine) const ALL: [Self; 2] = [Self::Text, Self::Image];

    /// As the label has it.
    pub(in crate::engine) fn label(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Image => "image",
        }
    }
}

/// What came of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Outcome {
    /// A choice with something in it, of the model that was asked.
    Right,
    /// Status 200, and not that.
    Wrong,
    /// Any status from 400 to 499 but the next two: the engine takes no such question.
    Refused,
    /// Status 401 or 403: it wants a key, or another one.
    Unauthorized,
    /// Status 429.
    Busy,
    /// A status from 500 on.
    Failed,
    /// No answer in time.
    Timeout,
    /// No connection, or one that ended before the answer.
    Unreachable,
}

impl Outcome {
    pub(in crate::engine) const ALL: [Self; 8] = [
        Self::Right,
        Self::Wrong,
        Self::Refused,
        Self::Unauthorized,
        Self::Busy,
        Self::Failed,
        Self::Timeout,
        Self::Unreachable,
    ];

    /// As the label has it.
    pub(in crate::engine) fn label(self) -> &'static str {
        match self {
            Self::Right => "right",
            Self::Wrong => "wrong",
            Self::Refused => "refused",
            Self::Unauthorized => "unauthorized",
            Self::Busy => "busy",
            Self::Failed => "failed",
            Self::Timeout => "timeout",
            Self::Unreachable => "unreachable",
        }
    }

    /// Whether the engine works; `None` where the answer does not tell, since its front answered in its place.
    pub(in crate::engine) fn is_alive(self) -> Option<bool> {
        match self {
            Self::Right => Some(true),
            Self::Wrong | Self::Failed | Self::Timeout | Self::Unreachable => Some(false),
            Self::Refused | Self::Unauthorized | Self::Busy => None,
        }
    }
}

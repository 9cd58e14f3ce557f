//! `20/1m`: how many sends a target may see in any window of time.

use std::str::FromStr;
use std::time::Duration;

/// A sliding window, never a bucket that refills (a bucket of 20 a minute was measured to send 39 in one).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Budget {
    /// Sends allowed in any window.
    pub(crate) sends: u32,
    /// The window's length.
    pub(crate) window: Duration,
}

impl Budget {
    /// For `DingTalk` and `WeCom` robots. Both allow 20 messages a minute, count by their own clock, and `DingTalk` mutes a
    /// robot for ten minutes that sends more; two sends of margin cover the difference of the clocks.
    pub(crate) const ROBOT: Self = Self { sends: 18, window: Duration::from_mins(1) };
    /// For mail: no provider's limit is known here, so only a flood is slowed.
    pub(crate) const MAIL: Self = Self { sends: 60, window: Duration::from_mins(1) };
}

/// Why a text is no budget.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BudgetError {
    /// No slash.
    #[error("there is no `/` in it")]
    NoSlash,
    /// Not a number, or 0.
    #[error("the number before `/` must be a whole number above zero")]
    Sends,
    /// Not a duration, or zero.
    #[error("what stands after `/` must be a duration such as `1m`")]
    Window,
}

impl FromStr for Budget {
    type Err = BudgetError;

    fn from_str(text: &str) -> Result<Self, BudgetError> {
        let (sends, window) = text.split_once('/').ok_or(BudgetError::NoSlash)?;
        let sends = sends.trim().parse().ok().filter(|sends| *sends > 0).ok_or(BudgetError::Sends)?;
        let window = humantime::parse_duration(window.trim())
            .ok()
            .filter(|window| !window.is_zero())
            .ok_or(BudgetError::Window)?;
        Ok(Self { sends, window })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_sends_and_window() {
        let check = |text: &str, expected| assert_eq!(text.parse::<Budget>(), expected, "{text}");
        let budget = |sends, seconds| Ok(Budget { sends, window: Duration::from_secs(seconds) });
        check("20/1m", budget(20, 60));
        check(" 5 / 10s ", budget(5, 10));
        check("1/1h 30m", budget(1, 5400));
        check("20", Err(BudgetError::NoSlash));
        check("0/1m", Err(BudgetError::Sends));
        check("-3/1m", Err(BudgetError::Sends));
        check("20/m", Err(BudgetError::Window));
        check("20/0s", Err(BudgetError::Window));
    }
}

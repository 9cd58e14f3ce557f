//! What one target would be sent: messages, parts, and the most in one window of its budget.

use std::collections::VecDeque;

use serde::Serialize;

use crate::budget::Budget;
use crate::channel::Part;
use crate::clock::Millis;

/// How much one target would be sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Load {
    /// Messages that have something to tell.
    pub(crate) messages: u64,
    /// Sends they take; of a mail, one for each recipient.
    pub(crate) parts: u64,
    /// Messages that do not have everything in them: the channel's limits are too small for it.
    pub(crate) cut: u64,
    /// The most sends within one window of the budget.
    pub(crate) most_in_window: u64,
    /// The budget, `18/1m`; `None`: the settings have no such target.
    pub(crate) budget: Option<String>,
}

/// The same, while it is counted.
#[derive(Debug, Default)]
pub(super) struct Counted {
    load: Load,
    budget: Option<Budget>,
    /// When each send of the window was.
    window: VecDeque<Millis>,
}

impl Counted {
    /// Of a target with this budget.
    pub(super) fn within(budget: Option<Budget>) -> Self {
        Self { budget, ..Self::default() }
    }

    /// A message that is sent at this time; without `parts` it is only counted.
    pub(super) fn add(&mut self, at: Millis, parts: &[Part]) {
        self.load.messages += 1;
        self.load.parts += parts.len() as u64;
        self.load.cut += u64::from(parts.iter().any(|part| !part.is_whole()));
        let Some(budget) = self.budget else { return };
        self.window.extend(parts.iter().map(|_| at));
        while self.window.front().is_some_and(|first| at.since(*first) >= budget.window) {
            self.window.pop_front();
        }
        self.load.most_in_window = self.load.most_in_window.max(self.window.len() as u64);
    }

    pub(super) fn into_load(self) -> Load {
        let written =
            |budget: Budget| format!("{}/{}", budget.sends, humantime::format_duration(budget.window));
        Load { budget: self.budget.map(written), ..self.load }
    }
}

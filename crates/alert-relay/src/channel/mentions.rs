//! Whom a message mentions, by the ids that a robot knows.
//!
//! Each person is mentioned once, by the first id the robot knows. Two people with the same id are not merged. How a mention is
//! written is the vendor's (`body`).

use crate::message::Message;
use crate::people::Person;

/// People mentioned in one message; how many more there are is written behind them.
const MOST: usize = 20;

/// The mentions of one message.
#[derive(Debug, Default)]
pub(super) struct Mentions {
    /// By the vendor's own user id.
    pub(super) users: Vec<String>,
    /// By phone number, where no user id is known.
    pub(super) mobiles: Vec<String>,
    /// The user id `@all`.
    pub(super) everyone: bool,
    /// How many people more would have been mentioned.
    left_out: usize,
}

impl Mentions {
    /// Nobody, unless alerts are new: a repeat or an all-clear rings no phone. `user` is the person's id with the vendor.
    pub(super) fn of(message: &Message, user: impl Fn(&Person) -> Option<&str>) -> Self {
        let mut mentions = Self::default();
        if message.changes.new.is_empty() {
            return mentions;
        }
        mentions.left_out = message.mentions.len().saturating_sub(MOST);
        for person in message.mentions.iter().take(MOST) {
            match (user(person), &person.mobile) {
                (Some("@all"), _) => mentions.everyone = true,
                (Some(id), _) => mentions.users.push(id.to_owned()),
                (None, Some(number)) => mentions.mobiles.push(number.clone()),
                (None, None) => {}
            }
        }
        mentions
    }

    /// What is mentioned in the text, with how many are not: `@a @b …+3`.
    pub(super) fn in_text(&self, names: impl Iterator<Item = String>) -> String {
        let rest = (self.left_out > 0).then(|| format!("…+{}", self.left_out));
        names.chain(rest).collect::<Vec<_>>().join(" ")
    }
}

//! Who is sent a message whose text a channel refuses, and how (pure).
//!
//! Owns the order: the whole message through the first channel that may take it, the target's own or a fallback's; then, as one bare
//! line, through the first of them; and nobody only once all of them have refused both. Leaves out what counts as a refusal (each channel's
//! table of codes) and which channels there are (`schedule`).

use std::collections::BTreeSet;

use crate::message::Wording;

/// How much of a message a channel is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Extent {
    /// All of it, with markup or without.
    Whole,
    /// One line of our own words: [`Wording::Bare`].
    BareLine,
}

/// Which channels have refused a message, by their targets' names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Refusals(BTreeSet<(String, Extent)>);

impl Refusals {
    /// The channel of `via` has refused this wording and every one before it.
    pub(crate) fn add(&mut self, via: &str, wording: Wording) {
        match wording {
            // Another wording may be taken.
            Wording::Normal | Wording::Smaller => {}
            Wording::Plain => {
                self.0.insert((via.to_owned(), Extent::Whole));
            }
            Wording::Bare => {
                self.0.extend([(via.to_owned(), Extent::Whole), (via.to_owned(), Extent::BareLine)]);
            }
        }
    }

    /// Whether no channel has refused it.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn has(&self, via: &str, extent: Extent) -> bool {
        // Few channels, few entries: a key of two parts cannot be looked up without an owned name.
        self.0.iter().any(|(other, refused)| other == via && *refused == extent)
    }
}

/// A target on a message's way: its own, or one along its fallbacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Channel {
    /// The target's name.
    pub(crate) name: String,
    /// Whether it takes messages at present.
    pub(crate) is_ready: bool,
}

/// What is done about a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recourse<'a> {
    /// It is sent through this target's channel.
    Send(&'a str, Extent),
    /// All that take messages now refuse it; one that does not may take it later.
    Wait,
    /// Every channel has refused it in full and as a bare line.
    GiveUp,
}

/// Decides by who has refused it. `channels` are the target's own, if it is used, and its fallbacks, in the order in which they are asked.
pub(crate) fn decide<'a>(refusals: &Refusals, channels: &'a [Channel]) -> Recourse<'a> {
    let open = |extent: Extent| channels.iter().filter(move |channel| !refusals.has(&channel.name, extent));
    let ready = |extent| open(extent).find(|channel| channel.is_ready);
    if let Some(channel) = ready(Extent::Whole) {
        Recourse::Send(&channel.name, Extent::Whole)
    } else if let Some(channel) = ready(Extent::BareLine) {
        Recourse::Send(&channel.name, Extent::BareLine)
    } else if open(Extent::BareLine).next().is_some() {
        Recourse::Wait
    } else {
        Recourse::GiveUp
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `chat mail-` are a chat that is ready and a mail target that is not; `chat:plain` has refused plain text.
    fn check(channels: &str, refused: &str, expected: Recourse<'_>) {
        let channels: Vec<Channel> = channels
            .split_whitespace()
            .map(|word| Channel {
                name: word.trim_end_matches('-').to_owned(),
                is_ready: !word.ends_with('-'),
            })
            .collect();
        let mut refusals = Refusals::default();
        for (name, wording) in refused.split_whitespace().filter_map(|word| word.split_once(':')) {
            refusals.add(
                name,
                match wording {
                    "normal" => Wording::Normal,
                    "smaller" => Wording::Smaller,
                    "plain" => Wording::Plain,
                    _ => Wording::Bare,
                },
            );
        }
        assert_eq!(decide(&refusals, &channels), expected, "{channels:?} {refused}");
    }

    #[test]
    fn a_fallback_is_asked_before_the_bare_line_and_nobody_last() {
        use Extent::{BareLine, Whole};
        use Recourse::{GiveUp, Send, Wait};
        check("chat", "", Send("chat", Whole));
        check("chat", "chat:normal chat:smaller", Send("chat", Whole));
        check("chat", "chat:plain", Send("chat", BareLine));
        check("chat", "chat:bare", GiveUp);
        check("chat mail", "chat:plain", Send("mail", Whole));
        check("chat mail", "chat:plain mail:plain", Send("chat", BareLine));
        check("chat mail", "chat:bare mail:plain", Send("mail", BareLine));
        check("chat mail", "chat:bare mail:bare", GiveUp);
        check("chat mail pager", "chat:plain mail:plain", Send("pager", Whole));
        // A fallback that is down is not waited for while the robot takes a bare line.
        check("chat mail-", "chat:plain", Send("chat", BareLine));
        check("chat mail-", "chat:bare", Wait);
        check("chat- mail", "mail:bare", Wait);
        check("chat- mail", "mail:bare chat:bare", GiveUp);
        check("", "", GiveUp);
    }
}

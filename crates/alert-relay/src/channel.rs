//! The ways a message leaves the relay: one folder and one line in [`KINDS`] each.
//!
//! A channel turns a [`Message`](crate::message::Message) into parts that fit its limits (pure), sends one part (the only I/O, beside looking
//! whether its other end can be reached), and reads the verdict from the reply (pure). It uses no other part of the relay and does not retry. What a channel is
//! stands in `kind`.
//!
//! To find why a reply counts as it does, look into the vendor's `codes.rs` (mail: `verdict.rs`); whom a message mentions is in `mentions.rs`
//! and the vendor's `body.rs`.
//!
//! To add a channel:
//! 1. `mod NAME;` here; `channel/NAME.rs` with its `KIND`, `open` (reads the section `NAME:` and builds the channel; many keys go into
//!    `NAME/settings.rs`) and `send`; and a folder beside it: `body.rs` renders, `codes.rs` classifies. A robot behind one fixed address
//!    is a `Robot`; any other HTTP call goes through `Outgoing`.
//! 2. Limits as constants with their source; measure in bytes after encoding and leave a margin.
//! 3. `codes.rs`: a table over every code the vendor documents, tested line by line. Success is what the vendor calls success and nothing
//!    else; an unknown code is a retry.
//! 4. A dialect in [`Markup`](crate::render::markup::Markup) if none fits: escaping, links, emphasis. The built-in texts follow.
//! 5. A line in [`KINDS`], its keys in `settings/default.yml`, and its example in `testing::all`: the tests of every channel run over it.
//! 6. NAME in the `alert-relay/channel` line of ARCHITECTURE.md, and out of `LATER` in `settings/target.rs` if it is there. If it mentions
//!    people, their id in `people.rs` and `settings/person.rs`. README and CHANGELOG.

pub(crate) mod kind;
pub(crate) mod part;
pub(crate) mod reach;

mod json_body;
mod mentions;
mod outgoing;
mod reply;
mod robot;
mod robot_id;
mod roots;
mod texts;

mod dingtalk;
mod email;
mod webhook;
mod wecom;

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
#[cfg(test)]
pub(crate) mod scripted;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub(crate) use kind::{Channel, Kind, Setup};
pub(crate) use outgoing::look;
pub(crate) use part::{Part, Stamp, text_hash};
pub(crate) use roots::Roots;

/// Every channel there is, in the order in which they are named to people.
pub(crate) const KINDS: &[&Kind] = &[&dingtalk::KIND, &wecom::KIND, &email::KIND, &webhook::KIND];

//! Reading a settings file key by key: every mistake at once, each with its line, its key and what was expected.
//!
//! A [`Document`] is the file as YAML with the line of every key. A [`Reading`] collects what is wrong; each [`Section`] of it
//! checks its own keys and notes the unknown ones. The values are the `config` crate's, so that layers can be laid over each other
//! before they are read. Which keys there are, and what they mean, is the caller's.
//!
//! The modules, bottom up: secret, suggestion, problem, document, reading, section.

mod document;
mod problem;
mod reading;
mod secret;
mod section;
mod suggestion;

pub use config::{Map, Value, ValueKind};
pub use document::{Document, Mistake};
pub use problem::Problem;
pub use reading::Reading;
pub use secret::Secret;
pub use section::{Item, Section};
pub use suggestion::no_such;

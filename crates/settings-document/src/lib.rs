//! Reading a settings file key by key: every mistake at once, each with its line, its key and what was expected.
//!
//! A [`Document`] is the file as YAML with the line of every key. A [`Reading`] collects what is wrong; each [`Section`] of it
//! checks its own keys and notes the unknown ones. Between the two, a caller can lay documents over each other. Which keys
//! there are, and what they mean, is the caller's.
//!
//! The modules, bottom up: reader, secret, suggestion, problem, value, document, reading, item, section.

mod document;
mod item;
mod problem;
mod reader;
mod reading;
mod secret;
mod section;
mod suggestion;
mod value;

pub use document::{Document, Mistake};
pub use item::Item;
pub use problem::Problem;
pub use reader::reader_hint;
pub use reading::Reading;
pub use secret::Secret;
pub use section::Section;
pub use suggestion::no_such;
pub use value::{Table, Value};

//! How long until something that rises steadily is full: a GPU's memory, a file system, a machine's memory.
//!
//! Each reading is a level and the room above it. They are kept as cells at several scales (`scale`), so that a series costs the same
//! few kilobytes however long it is watched. A rise is steady when a line explains it and each part of the window has its share of it
//! (`rise`); one that is like others before, which came back by themselves, is none (`returned`). One that has just begun is held against
//! the level before it (`onset`), and against a step (`bend`), as far as the level swings by itself (`unrest`). `forecast` puts them together.
//! `loading` says which part of a GPU's memory counts: a process that loads its model takes what it needs and stops.
//!
//! Pure: readings and their times are arguments. Leaves out who reads, and who is told.

mod point;

mod bend;
mod fluctuation;
mod returned;
mod rise;
mod scale;
mod unrest;

mod onset;
mod watch;

mod forecast;

mod loading;

pub use forecast::{Level, TimeToFull};
pub use loading::{Counted, Loading, Process, Standing};

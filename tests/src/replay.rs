//! The replay: hundreds of courses that a memory or a disk may take, each with what is true of it, and what the shipped rules say of them.
//!
//! `course` is how a level runs without noise, `shape` one series with its noise, its processes and its truth, `corpus` the list of all
//! shapes, made from a seed. `readings` is what an exporter reads of one, `subject` what is replayed and what the exporter would show,
//! `promtool` asks the rules, and `table` counts.

pub mod course;

pub mod shape;

pub mod corpus;
pub mod readings;

pub mod subject;

pub mod promtool;

pub mod table;

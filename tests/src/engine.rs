//! A simulated inference engine: what vLLM or `SGLang` of a chosen release looks like from outside, healthy and broken.
//!
//! Owns the load, the scheduling, the faults, the pages and the endpoint of the program `engine-sim`. Names, types, labels and buckets
//! are those of the captured pages in `tests/engines/`. The core (`machine` and what it uses) is pure: the time is an argument,
//! chance has a seed. Leaves out GPUs, which are `nvml-sim`'s.

pub mod api;
pub mod captured;
mod ending;
pub mod fault;
pub mod machine;
mod names;
mod page;
pub mod play;
pub mod processes;
pub mod release;
pub mod request;
mod scheduler;
pub mod serving;
pub mod started;
pub mod tally;
mod template;

//! NVIDIA GPU and host metrics for Prometheus from one small process.
//!
//! The modules stand in the order of their imports: each uses only those above it. A number travels the same way: a
//! collector reads it, `scrape` asks the collectors, `exposition` writes the page, `service` answers with it.

mod descriptors;
mod family;
mod heap;

mod collector;
mod detached;
mod fault_log;
mod flags;
mod units;
mod user;

mod gpu;
mod host;

mod engine;

mod scrape;

mod self_metrics;

mod exposition;

mod compressor;

mod answer;

mod landing;
mod selection;

mod counters_file;
mod dcgm_service;
mod service;

mod logging;

mod args;

mod check;

mod app;

#[cfg(any(test, fuzzing))]
pub mod fuzz;

pub use app::main;

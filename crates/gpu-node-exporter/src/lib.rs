//! NVIDIA GPU and host metrics for Prometheus from one small process.
//!
//! The modules stand in the order a number travels: a collector reads it on its lane, `family` carries it, `exposition`
//! writes it, `service` answers with it.

mod collector;
mod descriptors;
mod family;
mod fault_log;
mod units;

mod gpu;
mod host;

mod scrape;

mod self_metrics;

mod exposition;

mod landing;
mod selection;
mod service;

mod args;
mod logging;

mod check;

mod app;

pub use app::main;

//! The whole chain with real programs: what the end-to-end tests, `make demo`, `make up` and `make bench` share.
//!
//! Owns finding and running programs, deriving one running chain from the files in `deploy/` and `rules/`, and endpoints
//! that behave as the vendors do; and the dashboards' source. Leaves out every judgement about the product, which is the tests'.

pub mod boards;
pub mod cases;
pub mod chain;
pub mod chaos;
pub mod engine;
pub mod host_tree;
pub mod http;
pub mod incident;
pub mod inference_node;
pub mod mutation;
pub mod node_exporter;
pub mod pictures;
pub mod ports;
pub mod process;
pub mod programs;
pub mod promql;
pub mod remote_write;
pub mod replay;
pub mod stop;
pub mod terminal;
pub mod time_lapse;
pub mod vendor;
pub mod wait;

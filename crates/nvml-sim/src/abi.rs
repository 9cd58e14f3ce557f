//! NVML's C interface over the simulated machine.
//!
//! The exports are in the children, by subject. They share the `library`'s state, the way of a `call` to its GPU, and the `output` to the
//! caller's pointers.

mod accounting;
mod call;
mod device;
mod events;
mod fabric;
mod fields;
mod gpm;
mod health;
mod library;
mod license;
mod memory;
mod mig;
mod modes;
mod numbers;
mod nvlink;
mod output;
mod processes;
mod system;
mod thermal;

//! A simulated `libnvidia-ml.so.1`, loaded by path like the real driver library.
//!
//! A scenario file describes machines as functions of time; `abi` answers NVML's C interface from it. What a
//! program is shown is always marked: device names and the driver version end in ` (simulated)`.
//! Owns nothing about how readings are used. Struct layouts come from `nvml-wrapper-sys`, never by hand.
//!
//! The modules stand in the order an answer is made: `abi` is asked, `machine` computes from a `scenario`'s
//! `curve`s and the card's `model`.
#![expect(unsafe_code, reason = "this crate is a C interface: every export takes raw pointers")]

mod abi;
mod curve;
mod duration;
mod generation;
mod gpm;
mod health;
mod incident;
mod links;
mod machine;
mod memory_health;
mod mig;
mod model;
mod nvlink;
mod process;
mod scenario;

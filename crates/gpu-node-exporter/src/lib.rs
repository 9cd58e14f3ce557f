//! NVIDIA GPU and host metrics for Prometheus from one small process.
//!
//! The modules stand in the order a number travels: a collector reads it, `family` carries it, `exposition` writes it.

mod collector;
mod family;
mod gpu;

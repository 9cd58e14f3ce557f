//! What reaches the supervisor's thread.

use std::sync::mpsc::Sender;

use super::kernel_log::News;
use super::process::ProbeOutput;

/// One message to the supervisor.
pub(in crate::gpu) enum Message {
    /// The probe with this number wrote something.
    Probe(u64, ProbeOutput),
    /// The kernel log reports an error, or has ended.
    Kernel(News),
    /// Let go of the driver; answer whether it is free.
    Release(Sender<bool>),
    /// Take it again.
    Acquire,
    /// End the probe and the thread.
    Stop,
}

//! What the watch is told, and what it orders.

/// What a probe did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::gpu::supervisor) enum Event {
    /// The driver is initialised.
    Initialised,
    /// The driver lists so many GPUs.
    Listed(u32),
    /// The probe is about to ask this GPU.
    Touching(u32),
    /// A GPU answered: with a reading, or that it fails.
    Told { gpu: u32, is_read: bool },
    /// The probe has been at all its GPUs and rests.
    Swept,
    /// The probe said why it can't go on.
    Failed,
    /// The probe is gone.
    Exited(Exit),
    /// No process could be started.
    NotStarted,
}

/// How a probe ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::gpu::supervisor) enum Exit {
    Code(i32),
    Signal(i32),
    /// Its pipe closed but the process stays: stuck on its way out.
    Lingering,
}

/// What the caller is to do, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::gpu::supervisor) enum Order {
    /// Start the probe with this number for these GPUs; `None` is all that the driver lists.
    Start { probe: u64, gpus: Option<Vec<u32>> },
    /// Ask the probe to leave, and see that it does.
    Leave { probe: u64 },
    /// Kill the probe; `gpu` is the one that did not answer.
    Kill { probe: u64, gpu: Option<u32> },
    /// Tell people: the driver lists so many GPUs, and what was known by index holds no more.
    List { count: u32 },
    /// Tell people: calls to this GPU do not return, or crash.
    Stuck { gpu: u32 },
}

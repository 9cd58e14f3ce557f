//! Waiting for XIDs and other events.
//!
//! Owns registration and the wait, and what nvml.h's bits mean. Leaves out counting: an exporter outlives this process.

use std::sync::atomic::{AtomicBool, Ordering};

use nvml_wrapper::EventSet;
use nvml_wrapper::bitmasks::event::EventTypes;
use nvml_wrapper::error::NvmlError;

use super::library::Library;
use super::raw;
use crate::gpu::driver_event::{DriverEvent, EventKind, Watched};
use crate::gpu::xid::XidEvent;

/// Longest single wait; also the longest a waiting thread delays the end of the process.
const WAIT_MS: u32 = 500;

/// `nvmlEventTypeXidCriticalError`.
const XID: u64 = 0x8;

/// The other events, by their bits. Drivers up to 2025 know those up to 0x100.
const KINDS: [(u64, EventKind); 9] = [
    (0x2, EventKind::EccDoubleBit),
    (0x100, EventKind::MigConfigChange),
    (0x200, EventKind::EccSingleBitStorm),
    (0x400, EventKind::DramRetirement),
    (0x800, EventKind::DramRetirementFailure),
    (0x1000, EventKind::PoisonNonfatal),
    (0x2000, EventKind::PoisonFatal),
    (0x4000, EventKind::Unavailable),
    (0x8000, EventKind::RecoveryAction),
];

/// The GPUs whose events are reported.
pub(crate) struct Events<'nvml> {
    set: EventSet<'nvml>,
    gpus: Vec<Registered>,
}

/// A GPU as the set knows it.
struct Registered {
    address: usize,
    uuid: String,
    bits: u64,
}

/// Something that the driver reported.
pub(crate) enum Reported {
    Xid(XidEvent),
    Other(DriverEvent),
}

impl<'nvml> Events<'nvml> {
    /// Registers all these GPUs that have events; `None` when there is none. Touches the GPUs, so `announce` is called before each.
    ///
    /// A refused registration frees the set (the wrapper's contract), so after each refusal it is built again: with the XIDs alone of the GPU
    /// that refused, and if it refuses those too, without it.
    pub(crate) fn register<E>(
        library: &'nvml Library,
        indices: Vec<u32>,
        announce: impl Fn(u32) -> Result<(), E>,
    ) -> Result<Option<Self>, E> {
        let mut wanted: Vec<(u32, u64)> = indices.into_iter().map(|index| (index, all())).collect();
        'again: loop {
            let Ok(mut set) = library.0.create_event_set() else { return Ok(None) };
            let mut gpus = Vec::new();
            for at in 0..wanted.len() {
                let (index, bits) = wanted[at];
                announce(index)?;
                let Ok(device) = library.0.device_by_index(index) else { continue };
                let (Ok(uuid), Ok(supported)) = (device.uuid(), raw::supported_events(&device)) else {
                    continue;
                };
                let bits = bits & supported;
                if bits == 0 {
                    continue;
                }
                let address = raw::handle_address(&device);
                if let Ok(kept) = device.register_events(EventTypes::from_bits_retain(bits), set) {
                    set = kept;
                    gpus.push(Registered { address, uuid, bits });
                } else {
                    if bits & !XID == 0 {
                        wanted.remove(at);
                    } else {
                        wanted[at].1 = XID;
                    }
                    continue 'again;
                }
            }
            return Ok((!gpus.is_empty()).then_some(Self { set, gpus }));
        }
    }

    /// What would be reported of each GPU beside XIDs.
    pub(crate) fn watched(&self) -> impl Iterator<Item = Watched> {
        self.gpus.iter().map(|gpu| Watched { uuid: gpu.uuid.clone(), kinds: kinds(gpu.bits).collect() })
    }

    /// Calls `on_event` for every XID and other event until `stop` is set, or until the wait fails: a lost GPU spoils the whole set.
    pub(crate) fn wait(&self, stop: &AtomicBool, on_event: impl Fn(Reported)) {
        while !stop.load(Ordering::Relaxed) {
            match raw::wait(&self.set, WAIT_MS) {
                Ok(raised) => self.report(&raised, &on_event),
                Err(NvmlError::Timeout) => {}
                Err(_) => return,
            }
        }
    }

    fn report(&self, raised: &raw::Raised, on_event: &impl Fn(Reported)) {
        let Some(gpu) = self.gpus.iter().find(|gpu| gpu.address == raised.address) else { return };
        let uuid = || gpu.uuid.clone();
        if raised.kinds & XID != 0 {
            on_event(Reported::Xid(XidEvent { uuid: uuid(), xid: raised.data }));
        }
        for kind in kinds(raised.kinds) {
            on_event(Reported::Other(DriverEvent { uuid: uuid(), kind }));
        }
    }
}

/// The bits of everything that is wanted.
fn all() -> u64 {
    KINDS.iter().fold(XID, |all, (bit, _)| all | bit)
}

/// What these bits mean.
fn kinds(bits: u64) -> impl Iterator<Item = EventKind> {
    KINDS.into_iter().filter(move |(bit, _)| bits & bit != 0).map(|(_, kind)| kind)
}

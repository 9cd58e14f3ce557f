//! Waiting for XIDs.
//!
//! Owns registration and the wait. Leaves out counting: an exporter outlives this process.

use std::sync::atomic::{AtomicBool, Ordering};

use nvml_wrapper::EventSet;
use nvml_wrapper::bitmasks::event::EventTypes;
use nvml_wrapper::enums::event::XidError;
use nvml_wrapper::error::NvmlError;

use super::library::Library;
use super::raw;
use crate::gpu::xid::XidEvent;

/// Longest single wait; also the longest a waiting thread delays the end of the process.
const WAIT_MS: u32 = 500;

/// The code NVML gives when it does not know which XID it was (nvml.h).
const UNKNOWN_XID: u64 = 999;

/// The GPUs whose XIDs are reported.
pub(crate) struct XidEvents<'nvml> {
    set: EventSet<'nvml>,
    gpus: Vec<Registered>,
}

/// A GPU as the set knows it.
struct Registered {
    address: usize,
    uuid: String,
}

impl<'nvml> XidEvents<'nvml> {
    /// Registers all these GPUs that have XID events; `None` when there is none. Touches the GPUs, so `announce` is
    /// called before each.
    ///
    /// A refused registration frees the set (the wrapper's contract), so after each refusal it is built again without
    /// the GPU that refused.
    pub(crate) fn register<E>(
        library: &'nvml Library,
        mut indices: Vec<u32>,
        announce: impl Fn(u32) -> Result<(), E>,
    ) -> Result<Option<Self>, E> {
        'again: loop {
            let Ok(mut set) = library.0.create_event_set() else { return Ok(None) };
            let mut gpus = Vec::new();
            for index in &indices {
                announce(*index)?;
                let Ok(device) = library.0.device_by_index(*index) else { continue };
                let (Ok(uuid), Ok(events)) = (device.uuid(), device.supported_event_types()) else {
                    continue;
                };
                if !events.contains(EventTypes::CRITICAL_XID_ERROR) {
                    continue;
                }
                let address = raw::handle_address(&device);
                if let Ok(kept) = device.register_events(EventTypes::CRITICAL_XID_ERROR, set) {
                    set = kept;
                    gpus.push(Registered { address, uuid });
                } else {
                    let refused = *index;
                    indices.retain(|index| *index != refused);
                    continue 'again;
                }
            }
            return Ok((!gpus.is_empty()).then_some(Self { set, gpus }));
        }
    }

    /// Calls `on_xid` for every XID until `stop` is set, or until the wait fails: a lost GPU spoils the whole set.
    pub(crate) fn wait(&self, stop: &AtomicBool, on_xid: impl Fn(XidEvent)) {
        while !stop.load(Ordering::Relaxed) {
            match self.set.wait(WAIT_MS) {
                Ok(event) => {
                    let address = raw::handle_address(&event.device);
                    let gpu = self.gpus.iter().find(|gpu| gpu.address == address);
                    let xid = event.event_data.map(|xid| match xid {
                        XidError::Value(code) => code,
                        XidError::Unknown => UNKNOWN_XID,
                    });
                    if let (Some(gpu), Some(xid)) = (gpu, xid) {
                        on_xid(XidEvent { uuid: gpu.uuid.clone(), xid });
                    }
                }
                Err(NvmlError::Timeout) => {}
                Err(_) => return,
            }
        }
    }
}

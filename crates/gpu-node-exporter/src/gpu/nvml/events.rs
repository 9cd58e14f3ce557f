//! Waiting for XIDs.
//!
//! Owns registration and the wait. Leaves out counting: an exporter outlives this process.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use nvml_wrapper::bitmasks::event::EventTypes;
use nvml_wrapper::enums::event::XidError;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{EventSet, Nvml};

use super::raw;
use crate::gpu::frame::XidEvent;

/// Longest single wait; also the longest this thread delays the end of the process.
const WAIT_MS: u32 = 500;

/// Pauses after a failed registration or wait: from the first to the last, doubling.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LAST_PAUSE: Duration = Duration::from_secs(30);

/// The code NVML gives when it does not know which XID it was (nvml.h).
const UNKNOWN_XID: u64 = 999;

/// Calls `on_xid` for every XID of the GPUs not in `skip`, until `stop` is closed.
pub(in crate::gpu) fn watch_xids(nvml: &Nvml, skip: &[u32], stop: &Receiver<()>, on_xid: impl Fn(XidEvent)) {
    let mut pause = FIRST_PAUSE;
    while wait_for(stop, Duration::ZERO) == Wait::GoOn {
        let registered = register(nvml, skip);
        if let Some((set, gpus)) = &registered {
            while wait_for(stop, Duration::ZERO) == Wait::GoOn {
                match set.wait(WAIT_MS) {
                    Ok(event) => {
                        pause = FIRST_PAUSE;
                        let address = raw::handle_address(&event.device);
                        let gpu = gpus.iter().find(|gpu| gpu.address == address);
                        let xid = event.event_data.map(|xid| match xid {
                            XidError::Value(code) => code,
                            XidError::Unknown => UNKNOWN_XID,
                        });
                        if let (Some(gpu), Some(xid)) = (gpu, xid) {
                            on_xid(XidEvent { uuid: gpu.uuid.clone(), xid });
                        }
                    }
                    Err(NvmlError::Timeout) => {}
                    // A lost GPU spoils the whole set: register the others again, later.
                    Err(_) => break,
                }
            }
        }
        if wait_for(stop, pause) == Wait::Leave {
            return;
        }
        pause = (pause * 2).min(LAST_PAUSE);
    }
}

#[derive(PartialEq, Eq)]
enum Wait {
    GoOn,
    Leave,
}

fn wait_for(stop: &Receiver<()>, pause: Duration) -> Wait {
    match stop.recv_timeout(pause) {
        Err(RecvTimeoutError::Timeout) => Wait::GoOn,
        Ok(()) | Err(RecvTimeoutError::Disconnected) => Wait::Leave,
    }
}

/// A GPU as the set knows it.
struct Registered {
    address: usize,
    uuid: String,
}

/// One set over all GPUs that have XID events. A refused registration frees the set (the wrapper's contract), so
/// after each refusal it is built again without the GPU that refused.
fn register<'nvml>(nvml: &'nvml Nvml, skip: &[u32]) -> Option<(EventSet<'nvml>, Vec<Registered>)> {
    let mut refused = skip.to_vec();
    'again: loop {
        let mut set = nvml.create_event_set().ok()?;
        let mut gpus = Vec::new();
        for index in (0..nvml.device_count().ok()?).filter(|index| !refused.contains(index)) {
            let Ok(device) = nvml.device_by_index(index) else { continue };
            let (Ok(uuid), Ok(events)) = (device.uuid(), device.supported_event_types()) else { continue };
            if !events.contains(EventTypes::CRITICAL_XID_ERROR) {
                continue;
            }
            let address = raw::handle_address(&device);
            if let Ok(kept) = device.register_events(EventTypes::CRITICAL_XID_ERROR, set) {
                set = kept;
                gpus.push(Registered { address, uuid });
            } else {
                refused.push(index);
                continue 'again;
            }
        }
        return (!gpus.is_empty()).then_some((set, gpus));
    }
}

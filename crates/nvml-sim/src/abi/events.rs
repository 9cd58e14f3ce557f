//! Event sets: how XIDs and other events reach a program.

use std::os::raw::{c_uint, c_ulonglong};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant, SystemTime};

use nvml_wrapper_sys::bindings as nvml;

use super::call::apply_incidents;
use super::library::{handle, index, library};
use super::output::{code, give};
use crate::incident::{Incident, Kind};
use crate::machine::{Code, Event, events_between};

/// What an event set handle points to.
struct EventSet {
    /// The GPUs that are registered, with what for.
    gpus: Vec<(u32, c_ulonglong)>,
    /// Up to when events have been taken from the scenario, in seconds; only later ones are news.
    taken_until: f64,
    /// Taken and not yet delivered, oldest first.
    waiting: Vec<Event>,
}

/// The waiting call's name in scenarios.
const WAIT: &str = "nvmlEventSetWait_v2";

/// How often a waiting call looks at the scenario.
const LOOK_EVERY: Duration = Duration::from_millis(20);

fn set<'a>(set: nvml::nvmlEventSet_t) -> Result<&'a Mutex<EventSet>, Code> {
    // SAFETY: NVML's contract: a set is null or came from nvmlEventSetCreate and was not freed, so it points to the
    // Mutex that was leaked there.
    unsafe { set.cast::<Mutex<EventSet>>().as_ref() }.ok_or(nvml::nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlEventSetCreate(out: *mut nvml::nvmlEventSet_t) -> Code {
    let answer = library().map(|library| {
        let set = EventSet { gpus: Vec::new(), taken_until: library.now(), waiting: Vec::new() };
        Box::into_raw(Box::new(Mutex::new(set))).cast()
    });
    // SAFETY: NVML's contract: `out` points to a handle.
    unsafe { give(out, answer) }
}

#[unsafe(no_mangle)]
extern "C" fn nvmlDeviceRegisterEvents(
    device: nvml::nvmlDevice_t,
    events: c_ulonglong,
    events_set: nvml::nvmlEventSet_t,
) -> Code {
    code((|| {
        let library = library()?;
        let gpu = index(device)?;
        apply_incidents(&library, gpu, "nvmlDeviceRegisterEvents")?;
        let supported = library.gpu(gpu)?.supported_events(library.scenario.driver.generation());
        if events == 0 || events & !supported != 0 {
            return Err(nvml::nvmlReturn_enum_NVML_ERROR_NOT_SUPPORTED);
        }
        set(events_set)?.lock().unwrap_or_else(PoisonError::into_inner).gpus.push((gpu, events));
        Ok(())
    })())
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlEventSetWait_v2(
    events_set: nvml::nvmlEventSet_t,
    out: *mut nvml::nvmlEventData_t,
    timeout_ms: c_uint,
) -> Code {
    let answer = (|| {
        let deadline = Instant::now() + Duration::from_millis(timeout_ms.into());
        loop {
            // Before the triggers are looked at: one that is pulled meanwhile is news the next time.
            let looked_at = SystemTime::now();
            let library = library()?;
            {
                let mut set = set(events_set)?.lock().unwrap_or_else(PoisonError::into_inner);
                let now = library.seconds(looked_at).max(set.taken_until);
                let raised = events_between(&library.scenario, set.taken_until, now);
                set.taken_until = now;
                let is_registered = |event: &Event| {
                    set.gpus.iter().any(|(gpu, events)| *gpu == event.gpu && events & event.kind != 0)
                };
                let mine: Vec<_> = raised.into_iter().filter(is_registered).collect();
                set.waiting.extend(mine);
                if !set.waiting.is_empty() {
                    let event = set.waiting.remove(0);
                    return Ok(nvml::nvmlEventData_t {
                        device: handle(event.gpu),
                        eventType: event.kind,
                        eventData: event.data,
                        gpuInstanceId: c_uint::MAX,
                        computeInstanceId: c_uint::MAX,
                    });
                }
            }
            let gpus = set(events_set)?.lock().unwrap_or_else(PoisonError::into_inner).gpus.clone();
            for (gpu, _) in gpus {
                // A lost GPU ends the wait for all; other incidents concern calls to the GPU itself.
                let concerns = |incident: &Incident| {
                    incident.kind == Kind::Lost || incident.call.as_deref() == Some(WAIT)
                };
                if library.gpu(gpu)?.incidents().any(concerns) {
                    apply_incidents(&library, gpu, WAIT)?;
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(nvml::nvmlReturn_enum_NVML_ERROR_TIMEOUT);
            }
            // Where nothing can happen it costs as little as a driver's wait, or it would count as the program's.
            let pause = if library.scenario.incidents.is_empty() { left } else { left.min(LOOK_EVERY) };
            #[expect(clippy::disallowed_methods, reason = "simulated time has no event to wait for")]
            std::thread::sleep(pause);
        }
    })();
    // SAFETY: NVML's contract: `out` points to one struct.
    unsafe { give(out, answer) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlEventSetFree(set: nvml::nvmlEventSet_t) -> Code {
    if !set.is_null() {
        // SAFETY: NVML's contract: the set came from nvmlEventSetCreate and is freed once.
        drop(unsafe { Box::from_raw(set.cast::<Mutex<EventSet>>()) });
    }
    nvml::nvmlReturn_enum_NVML_SUCCESS
}

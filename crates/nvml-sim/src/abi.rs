//! NVML's C interface over the simulated machine.
//!
//! Owns the process-wide state (the interface is global by nature), how a call finds its GPU, and how values reach
//! the caller's pointers. The exports themselves are in the children, by subject.

mod device;
mod events;
mod fields;
mod nvlink;
mod system;

use std::os::raw::{c_char, c_uint};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nvml_wrapper_sys::bindings as nvml;

use crate::machine::{Code, Gpu};
use crate::scenario::{Init, Kind, Scenario};

/// What all calls share between `nvmlInit` and the last `nvmlShutdown`.
#[derive(Clone)]
struct Library {
    scenario: Scenario,
    /// The scenario's origin of time.
    origin: SystemTime,
    users: u32,
}

static LIBRARY: Mutex<Option<Arc<Library>>> = Mutex::new(None);

/// The machine as it is now.
fn library() -> Result<Arc<Library>, Code> {
    let library = LIBRARY
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone()
        .ok_or(nvml::nvmlReturn_enum_NVML_ERROR_UNINITIALIZED)?;
    if !library.scenario.has_triggers() {
        return Ok(library);
    }
    let Library { mut scenario, origin, users } = Library::clone(&library);
    scenario.pull_triggers(|path| {
        let written = std::fs::metadata(path).and_then(|file| file.modified()).ok()?;
        Some(written.duration_since(origin).unwrap_or(Duration::ZERO))
    });
    Ok(Arc::new(Library { scenario, origin, users }))
}

impl Library {
    /// Seconds from the origin; an origin still to come counts as now.
    fn now(&self) -> f64 {
        self.seconds(SystemTime::now())
    }

    fn seconds(&self, time: SystemTime) -> f64 {
        time.duration_since(self.origin).unwrap_or(Duration::ZERO).as_secs_f64()
    }

    fn gpu(&self, index: u32) -> Result<Gpu<'_>, Code> {
        Gpu::at(&self.scenario, index, self.now()).ok_or(nvml::nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT)
    }

    fn gpu_count(&self) -> u32 {
        self.scenario.gpus.iter().map(|group| group.count).sum()
    }
}

/// Loads the scenario on the first call; counts the users after.
fn initialise() -> Result<(), Code> {
    let mut slot = LIBRARY.lock().unwrap_or_else(PoisonError::into_inner);
    let (scenario, origin, users) = if let Some(library) = slot.as_deref() {
        (library.scenario.clone(), library.origin, library.users)
    } else {
        let path = std::env::var_os("NVML_SIM_SCENARIO").filter(|path| !path.is_empty()).map(PathBuf::from);
        let scenario = Scenario::load(path.as_deref()).map_err(|error| report(&error.to_string()))?;
        (scenario, origin()?, 0)
    };
    let mut library = Library { scenario, origin, users: users + 1 };
    if users == 0 {
        let now = library.now();
        library.scenario.freeze(now);
    }
    let driver = &library.scenario.driver;
    if driver.init_until.is_none_or(|until| library.now() < until.as_secs_f64()) {
        match driver.init {
            Init::Ok => {}
            Init::DriverNotLoaded => return Err(nvml::nvmlReturn_enum_NVML_ERROR_DRIVER_NOT_LOADED),
            Init::LibRmVersionMismatch => {
                return Err(nvml::nvmlReturn_enum_NVML_ERROR_LIB_RM_VERSION_MISMATCH);
            }
            Init::Unknown => return Err(nvml::nvmlReturn_enum_NVML_ERROR_UNKNOWN),
            Init::Hang => hang(),
        }
    }
    *slot = Some(Arc::new(library));
    Ok(())
}

/// `NVML_SIM_START`, or this moment: a restarted process then starts the scenario over.
fn origin() -> Result<SystemTime, Code> {
    match std::env::var("NVML_SIM_START") {
        Err(_) => Ok(SystemTime::now()),
        Ok(text) => text.parse().map(|ms| UNIX_EPOCH + Duration::from_millis(ms)).map_err(|_| {
            report(&format!("nvml-sim: NVML_SIM_START is `{text}` (hint: expected milliseconds since 1970, as `date +%s%3N` prints)"))
        }),
    }
}

/// A mistake in the simulation's own settings can't be reported through NVML's codes, so it goes to stderr.
#[expect(
    clippy::print_stderr,
    reason = "a library loaded into a foreign process has no other way to say what is wrong"
)]
fn report(message: &str) -> Code {
    eprintln!("{message}");
    nvml::nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT
}

fn shut_down() -> Result<(), Code> {
    let mut slot = LIBRARY.lock().unwrap_or_else(PoisonError::into_inner);
    let library = slot.take().ok_or(nvml::nvmlReturn_enum_NVML_ERROR_UNINITIALIZED)?;
    if library.users > 1 {
        let Library { scenario, origin, users } = &*library;
        *slot = Some(Arc::new(Library { scenario: scenario.clone(), origin: *origin, users: users - 1 }));
    }
    Ok(())
}

fn hang() -> ! {
    loop {
        std::thread::park();
    }
}

/// A device handle is the index plus one as a pointer: never dereferenced, never null.
fn handle(index: u32) -> nvml::nvmlDevice_t {
    std::ptr::without_provenance_mut(index as usize + 1)
}

fn index(device: nvml::nvmlDevice_t) -> Result<u32, Code> {
    device
        .addr()
        .checked_sub(1)
        .and_then(|index| u32::try_from(index).ok())
        .ok_or(nvml::nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT)
}

/// Does what the scenario's incidents do to calls to this GPU, or to this one call.
fn apply_incidents(library: &Library, index: u32, call: &str) -> Result<(), Code> {
    if library.scenario.driver.missing.iter().any(|missing| missing == call) {
        return Err(nvml::nvmlReturn_enum_NVML_ERROR_FUNCTION_NOT_FOUND);
    }
    let mut wait = library.scenario.driver.latency;
    for incident in library.gpu(index)?.incidents().filter(|incident| incident.concerns(call)) {
        match incident.kind {
            Kind::Error => return Err(incident.code.unwrap_or(nvml::nvmlReturn_enum_NVML_ERROR_UNKNOWN)),
            Kind::Lost => return Err(nvml::nvmlReturn_enum_NVML_ERROR_GPU_IS_LOST),
            Kind::Hang => hang(),
            Kind::Abort => std::process::abort(),
            // SAFETY: none; the invalid write is the point, it ends the process with SIGSEGV.
            Kind::Crash => unsafe { std::ptr::without_provenance_mut::<u8>(8).write_volatile(0) },
            Kind::Slow => wait += incident.latency.unwrap_or(Duration::ZERO),
            Kind::Thermal | Kind::Xid | Kind::NvlinkDown | Kind::NvlinkErrors => {}
        }
    }
    if !wait.is_zero() {
        #[expect(clippy::disallowed_methods, reason = "the scenario asks for calls that take this long")]
        std::thread::sleep(wait);
    }
    Ok(())
}

/// One reading of one GPU by the call of this name, after whatever happens to calls on it.
fn read<T>(
    device: nvml::nvmlDevice_t,
    call: &str,
    reading: impl FnOnce(Gpu<'_>) -> Result<T, Code>,
) -> Result<T, Code> {
    let library = library()?;
    let index = index(device)?;
    apply_incidents(&library, index, call)?;
    reading(library.gpu(index)?)
}

/// The answer as NVML's return code.
fn code(answer: Result<(), Code>) -> Code {
    match answer {
        Ok(()) => nvml::nvmlReturn_enum_NVML_SUCCESS,
        Err(code) => code,
    }
}

/// Writes a value where the caller wants it.
///
/// # Safety
/// `out` is null or valid for writing one `T`.
unsafe fn give<T>(out: *mut T, answer: Result<T, Code>) -> Code {
    code(answer.and_then(|value| {
        if out.is_null() {
            return Err(nvml::nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT);
        }
        // SAFETY: not null, and valid by this function's contract.
        unsafe { out.write(value) };
        Ok(())
    }))
}

/// Writes a text with its closing zero.
///
/// # Safety
/// `out` is null or valid for writing `length` bytes.
unsafe fn give_text(out: *mut c_char, length: c_uint, answer: Result<String, Code>) -> Code {
    code(answer.and_then(|text| {
        if out.is_null() {
            return Err(nvml::nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT);
        }
        if text.len() >= length as usize {
            return Err(nvml::nvmlReturn_enum_NVML_ERROR_INSUFFICIENT_SIZE);
        }
        // SAFETY: the text and its zero fit into `length` bytes, which are valid by this function's contract.
        unsafe {
            std::ptr::copy_nonoverlapping(text.as_ptr().cast(), out, text.len());
            out.add(text.len()).write(0);
        }
        Ok(())
    }))
}

/// Fills one of the fixed text fields of a struct, cutting what does not fit.
fn fill(field: &mut [c_char], text: &str) {
    let room = field.len() - 1;
    for (to, from) in field.iter_mut().zip(text.bytes().take(room)) {
        *to = c_char::from_ne_bytes([from]);
    }
}

/// What ends every name a person could mistake for real hardware.
const MARK: &str = " (simulated)";

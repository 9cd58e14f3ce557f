//! The loaded library: its scenario, from the first `nvmlInit` to the last `nvmlShutdown`, and how a handle names a GPU.
//!
//! This is the one global state of the workspace: NVML's interface is global by nature.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nvml_wrapper_sys::bindings as nvml;

use crate::machine::{Code, Gpu};
use crate::scenario::{Init, Scenario};

/// What ends every name a person could mistake for real hardware.
pub(super) const MARK: &str = " (simulated)";

/// What all calls share between `nvmlInit` and the last `nvmlShutdown`.
#[derive(Clone)]
pub(super) struct Library {
    pub(super) scenario: Scenario,
    /// The scenario's origin of time.
    origin: SystemTime,
    users: u32,
}

static LIBRARY: Mutex<Option<Arc<Library>>> = Mutex::new(None);

/// The machine as it is now.
pub(super) fn library() -> Result<Arc<Library>, Code> {
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
    pub(super) fn now(&self) -> f64 {
        self.seconds(SystemTime::now())
    }

    pub(super) fn seconds(&self, time: SystemTime) -> f64 {
        time.duration_since(self.origin).unwrap_or(Duration::ZERO).as_secs_f64()
    }

    pub(super) fn gpu(&self, index: u32) -> Result<Gpu<'_>, Code> {
        Gpu::at(&self.scenario, index, self.now()).ok_or(nvml::nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT)
    }

    pub(super) fn gpu_count(&self) -> u32 {
        self.scenario.gpus.iter().map(|group| group.count).sum()
    }
}

/// Loads the scenario on the first call; counts the users after.
pub(super) fn initialise() -> Result<(), Code> {
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

pub(super) fn shut_down() -> Result<(), Code> {
    let mut slot = LIBRARY.lock().unwrap_or_else(PoisonError::into_inner);
    let library = slot.take().ok_or(nvml::nvmlReturn_enum_NVML_ERROR_UNINITIALIZED)?;
    if library.users > 1 {
        let Library { scenario, origin, users } = &*library;
        *slot = Some(Arc::new(Library { scenario: scenario.clone(), origin: *origin, users: users - 1 }));
    }
    Ok(())
}

pub(super) fn hang() -> ! {
    loop {
        std::thread::park();
    }
}

/// A device handle is the index plus one as a pointer: never dereferenced, never null.
pub(super) fn handle(index: u32) -> nvml::nvmlDevice_t {
    std::ptr::without_provenance_mut(index as usize + 1)
}

pub(super) fn index(device: nvml::nvmlDevice_t) -> Result<u32, Code> {
    device
        .addr()
        .checked_sub(1)
        .and_then(|index| u32::try_from(index).ok())
        .ok_or(nvml::nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT)
}

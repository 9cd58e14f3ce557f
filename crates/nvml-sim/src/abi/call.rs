//! What every call to a GPU goes through: the incidents of the scenario, then the reading.

use std::time::Duration;

use nvml_wrapper_sys::bindings as nvml;

use super::library::{Library, hang, index, library};
use super::numbers::Numbers;
use crate::incident::Kind;
use crate::machine::{Code, Gpu};

/// Does what the scenario's incidents do to calls to this GPU, or to this one call.
pub(super) fn apply_incidents(library: &Library, index: u32, call: &str) -> Result<(), Code> {
    let driver = &library.scenario.driver;
    if !driver.generation().has_call(call) || driver.missing.iter().any(|missing| missing == call) {
        return Err(nvml::nvmlReturn_enum_NVML_ERROR_FUNCTION_NOT_FOUND);
    }
    let mut wait = driver.latency;
    for incident in library.gpu(index)?.incidents().filter(|incident| incident.concerns(call)) {
        match incident.kind {
            Kind::Error => return Err(incident.code.unwrap_or(nvml::nvmlReturn_enum_NVML_ERROR_UNKNOWN)),
            Kind::Lost => return Err(nvml::nvmlReturn_enum_NVML_ERROR_GPU_IS_LOST),
            Kind::Hang => hang(),
            Kind::Abort => std::process::abort(),
            // SAFETY: none; the invalid write is the point, it ends the process with SIGSEGV.
            Kind::Crash => unsafe { std::ptr::without_provenance_mut::<u8>(8).write_volatile(0) },
            Kind::Slow => wait += incident.latency.unwrap_or(Duration::ZERO),
            Kind::Thermal
            | Kind::Xid
            | Kind::Event
            | Kind::Answer
            | Kind::MigLayout
            | Kind::NvlinkDown
            | Kind::NvlinkErrors => {}
        }
    }
    if !wait.is_zero() {
        #[expect(clippy::disallowed_methods, reason = "the scenario asks for calls that take this long")]
        std::thread::sleep(wait);
    }
    Ok(())
}

/// One reading of one GPU by the call of this name, after whatever happens to calls on it.
pub(super) fn read<T>(
    device: nvml::nvmlDevice_t,
    call: &str,
    reading: impl FnOnce(Gpu<'_>) -> Result<T, Code>,
) -> Result<T, Code> {
    let library = library()?;
    let index = index(device)?;
    apply_incidents(&library, index, call)?;
    reading(library.gpu(index)?)
}

/// The same for an answer of numbers, which the scenario may set.
pub(super) fn read_numbers<T: Numbers>(
    device: nvml::nvmlDevice_t,
    call: &str,
    reading: impl FnOnce(Gpu<'_>) -> Result<T, Code>,
) -> Result<T, Code> {
    read(device, call, |gpu| number_set(gpu, call).map_or_else(|| reading(gpu), |number| Ok(T::all(number))))
}

/// The number that the scenario sets in this call's answers.
pub(super) fn number_set(gpu: Gpu<'_>, call: &str) -> Option<u64> {
    gpu.incidents().filter(|incident| incident.concerns(call)).find_map(|incident| incident.number)
}

//! Calls about the library, the driver and the list of devices.

use std::ffi::CStr;
use std::os::raw::{c_char, c_int, c_uint};

use nvml_wrapper_sys::bindings as nvml;

use super::call::apply_incidents;
use super::library::{MARK, handle, initialise, library, shut_down};
use super::output::{code, give, give_text};
use crate::machine::{Code, Gpu};

#[unsafe(no_mangle)]
extern "C" fn nvmlInit_v2() -> Code {
    code(initialise())
}

#[unsafe(no_mangle)]
extern "C" fn nvmlInitWithFlags(_flags: c_uint) -> Code {
    code(initialise())
}

#[unsafe(no_mangle)]
extern "C" fn nvmlShutdown() -> Code {
    code(shut_down())
}

#[unsafe(no_mangle)]
extern "C" fn nvmlErrorString(result: Code) -> *const c_char {
    let text: &CStr = match result {
        nvml::nvmlReturn_enum_NVML_SUCCESS => c"The operation was successful",
        nvml::nvmlReturn_enum_NVML_ERROR_NOT_SUPPORTED => c"Not Supported",
        nvml::nvmlReturn_enum_NVML_ERROR_DRIVER_NOT_LOADED => c"Driver Not Loaded",
        nvml::nvmlReturn_enum_NVML_ERROR_GPU_IS_LOST => c"GPU is lost",
        nvml::nvmlReturn_enum_NVML_ERROR_LIB_RM_VERSION_MISMATCH => c"Driver/library version mismatch",
        _ => c"Simulated error",
    };
    text.as_ptr()
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlSystemGetDriverVersion(version: *mut c_char, length: c_uint) -> Code {
    let answer = library().map(|library| format!("{}{MARK}", library.scenario.driver.version));
    // SAFETY: NVML's contract: `version` has `length` bytes.
    unsafe { give_text(version, length, answer) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlSystemGetNVMLVersion(version: *mut c_char, length: c_uint) -> Code {
    let answer = library().map(|library| format!("12.{}", library.scenario.driver.version));
    // SAFETY: NVML's contract: `version` has `length` bytes.
    unsafe { give_text(version, length, answer) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlSystemGetCudaDriverVersion(version: *mut c_int) -> Code {
    // SAFETY: NVML's contract: `version` points to an int.
    unsafe { give(version, library().map(|library| library.scenario.driver.cuda)) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlSystemGetCudaDriverVersion_v2(version: *mut c_int) -> Code {
    // SAFETY: NVML's contract: `version` points to an int.
    unsafe { give(version, library().map(|library| library.scenario.driver.cuda)) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetCount_v2(count: *mut c_uint) -> Code {
    // SAFETY: NVML's contract: `count` points to an unsigned int.
    unsafe { give(count, library().map(|library| library.gpu_count())) }
}

/// The handle of the first GPU that `is_it` accepts; a lost GPU's lookup fails like any other call to it.
fn find(call: &str, is_it: impl Fn(Gpu<'_>) -> bool) -> Result<nvml::nvmlDevice_t, Code> {
    let library = library()?;
    for index in 0..library.gpu_count() {
        if is_it(library.gpu(index)?) {
            apply_incidents(&library, index, call)?;
            return Ok(handle(index));
        }
    }
    Err(nvml::nvmlReturn_enum_NVML_ERROR_NOT_FOUND)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetHandleByIndex_v2(index: c_uint, device: *mut nvml::nvmlDevice_t) -> Code {
    let answer = find("nvmlDeviceGetHandleByIndex_v2", |gpu| gpu.index == index).map_err(|code| match code {
        nvml::nvmlReturn_enum_NVML_ERROR_NOT_FOUND => nvml::nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT,
        other => other,
    });
    // SAFETY: NVML's contract: `device` points to a handle.
    unsafe { give(device, answer) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetHandleByUUID(uuid: *const c_char, device: *mut nvml::nvmlDevice_t) -> Code {
    // SAFETY: NVML's contract: `uuid` is a C string, `device` points to a handle.
    unsafe {
        give(
            device,
            text(uuid).and_then(|wanted| find("nvmlDeviceGetHandleByUUID", |gpu| gpu.uuid() == wanted)),
        )
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetHandleByPciBusId_v2(
    id: *const c_char,
    device: *mut nvml::nvmlDevice_t,
) -> Code {
    // SAFETY: NVML's contract: `id` is a C string, `device` points to a handle.
    unsafe {
        give(
            device,
            text(id).and_then(|wanted| {
                let wanted = wanted.to_ascii_lowercase();
                find("nvmlDeviceGetHandleByPciBusId_v2", |gpu| {
                    wanted.ends_with(&format!(":{:02x}:00.0", gpu.bus()))
                })
            }),
        )
    }
}

/// # Safety
/// `text` is null or a C string.
unsafe fn text<'a>(text: *const c_char) -> Result<&'a str, Code> {
    if text.is_null() {
        return Err(nvml::nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT);
    }
    // SAFETY: not null, and a C string by this function's contract.
    unsafe { CStr::from_ptr(text) }.to_str().map_err(|_| nvml::nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT)
}

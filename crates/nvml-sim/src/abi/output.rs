//! How values and return codes reach the caller's pointers.

use std::os::raw::{c_char, c_uint};

use nvml_wrapper_sys::bindings as nvml;

use crate::machine::Code;

/// The answer as NVML's return code.
pub(super) fn code(answer: Result<(), Code>) -> Code {
    match answer {
        Ok(()) => nvml::nvmlReturn_enum_NVML_SUCCESS,
        Err(code) => code,
    }
}

/// Writes a value where the caller wants it.
///
/// # Safety
/// `out` is null or valid for writing one `T`.
pub(super) unsafe fn give<T>(out: *mut T, answer: Result<T, Code>) -> Code {
    code(answer.and_then(|value| {
        if out.is_null() {
            return Err(nvml::nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT);
        }
        // SAFETY: not null, and valid by this function's contract.
        unsafe { out.write(value) };
        Ok(())
    }))
}

/// The version that the caller has written into a struct's first field, if it is this one of nvml.h: the struct's size, and the
/// version's number in the top byte (`NVML_STRUCT_VERSION`).
///
/// # Safety
/// `out` is null or points to a struct that begins with its version.
pub(super) unsafe fn is_version<T>(out: *const T, number: c_uint) -> Result<c_uint, Code> {
    if out.is_null() {
        return Err(nvml::nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT);
    }
    // SAFETY: not null, and its first field is a version by this function's contract.
    let version = unsafe { out.cast::<c_uint>().read() };
    if u64::from(version) == size_of::<T>() as u64 | u64::from(number) << 24 {
        Ok(version)
    } else {
        Err(nvml::nvmlReturn_enum_NVML_ERROR_ARGUMENT_VERSION_MISMATCH)
    }
}

/// Writes a text with its closing zero.
///
/// # Safety
/// `out` is null or valid for writing `length` bytes.
pub(super) unsafe fn give_text(out: *mut c_char, length: c_uint, answer: Result<String, Code>) -> Code {
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
pub(super) fn fill(field: &mut [c_char], text: &str) {
    let room = field.len() - 1;
    for (to, from) in field.iter_mut().zip(text.bytes().take(room)) {
        *to = c_char::from_ne_bytes([from]);
    }
}

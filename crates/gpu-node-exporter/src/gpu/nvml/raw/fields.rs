//! Field values (`nvmlDeviceGetFieldValues`): many readings by number with one call.
//!
//! The wrapper's call always asks for scope 0, knows no signed integers, and takes the numbers 251 to 273 for what they were in one
//! driver generation only. So the call is made here, and numbers go out as they are given.

use nvml_wrapper::Device;
use nvml_wrapper::error::{NvmlError, nvml_sym, nvml_try};
use nvml_wrapper_sys::bindings as nvml;

use crate::gpu::nvml::value::Value;

/// The answers to these (number, scope), in the order they were asked for: the driver may return another number.
pub(in crate::gpu::nvml) fn field_values(
    device: &Device<'_>,
    ids: &[(u32, u32)],
) -> Result<Vec<Result<Value, NvmlError>>, NvmlError> {
    let call = nvml_sym(device.nvml().lib().nvmlDeviceGetFieldValues.as_ref())?;
    let mut values: Vec<_> = ids
        .iter()
        .map(|(id, scope)| nvml::nvmlFieldValue_t {
            fieldId: *id,
            scopeId: *scope,
            timestamp: 0,
            latencyUsec: 0,
            valueType: 0,
            nvmlReturn: 0,
            value: nvml::nvmlValue_t { ullVal: 0 },
        })
        .collect();
    let count = i32::try_from(values.len()).map_err(|_| NvmlError::InvalidArg)?;
    // SAFETY: the handle is valid while `device` borrows the library; `values` has `count` entries, which the call fills in.
    nvml_try(unsafe { call(device.handle(), count, values.as_mut_ptr()) })?;
    Ok(values.iter().map(value).collect())
}

/// One answer. A type that is newer than this program is no value.
fn value(field: &nvml::nvmlFieldValue_t) -> Result<Value, NvmlError> {
    nvml_try(field.nvmlReturn)?;
    let value = field.value;
    // SAFETY: the driver says which member it has filled in, the whole union was set before, and all bit patterns are numbers.
    unsafe {
        Ok(match field.valueType {
            nvml::nvmlValueType_enum_NVML_VALUE_TYPE_DOUBLE => Value::Real(value.dVal),
            nvml::nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_SHORT => Value::Short(value.usVal),
            nvml::nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_INT => Value::Int(value.uiVal),
            nvml::nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_LONG
            | nvml::nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_LONG_LONG => Value::Long(value.ullVal),
            nvml::nvmlValueType_enum_NVML_VALUE_TYPE_SIGNED_INT => Value::SignedInt(value.siVal),
            nvml::nvmlValueType_enum_NVML_VALUE_TYPE_SIGNED_LONG_LONG => Value::SignedLong(value.sllVal),
            unknown => return Err(NvmlError::UnexpectedVariant(unknown)),
        })
    }
}

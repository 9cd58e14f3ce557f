//! Calls that read one GPU.

use std::os::raw::{c_char, c_int, c_uint, c_ulonglong};

use nvml_wrapper_sys::bindings as nvml;

use super::call::{read, read_numbers};
use super::library::{MARK, library};
use super::mig::read_instance;
use super::output::{code, fill, give, give_text};
use crate::machine::{Code, Gpu, NOT_SUPPORTED};

/// Exports of the most common form: a device, and one place for the answer.
macro_rules! readings {
    ($(fn $name:ident -> $out:ty = |$gpu:ident| $reading:expr;)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(device: nvml::nvmlDevice_t, out: *mut $out) -> Code {
            // SAFETY: NVML's contract: `out` points to one value of this type.
            unsafe { give(out, read_numbers(device, stringify!($name), |$gpu: Gpu<'_>| $reading)) }
        }
    )*};
}

readings! {
    fn nvmlDeviceGetIndex -> c_uint = |gpu| Ok(gpu.index);
    fn nvmlDeviceGetMinorNumber -> c_uint = |gpu| Ok(gpu.index);
    fn nvmlDeviceGetBrand -> nvml::nvmlBrandType_enum = |gpu| Ok(gpu.card().brand);
    fn nvmlDeviceGetArchitecture -> nvml::nvmlDeviceArchitecture_t = |gpu| Ok(gpu.card().architecture);
    fn nvmlDeviceGetUtilizationRates -> nvml::nvmlUtilization_t = |gpu| {
        let (gpu, memory) = gpu.utilization()?;
        Ok(nvml::nvmlUtilization_t { gpu, memory })
    };
    fn nvmlDeviceGetPowerUsage -> c_uint = |gpu| Ok(gpu.milliwatts());
    fn nvmlDeviceGetEnforcedPowerLimit -> c_uint = |gpu| gpu.power_limit();
    fn nvmlDeviceGetPowerManagementLimit -> c_uint = |gpu| gpu.power_limit();
    fn nvmlDeviceGetPowerManagementDefaultLimit -> c_uint = |gpu| gpu.power_limit();
    fn nvmlDeviceGetTotalEnergyConsumption -> c_ulonglong = |gpu| Ok(gpu.millijoules());
    fn nvmlDeviceGetCurrentClocksThrottleReasons -> c_ulonglong = |gpu| Ok(gpu.throttle_reasons());
    fn nvmlDeviceGetCurrentClocksEventReasons -> c_ulonglong = |gpu| Ok(gpu.throttle_reasons());
    fn nvmlDeviceGetPerformanceState -> nvml::nvmlPStates_enum = |gpu| Ok(gpu.performance_state());
    fn nvmlDeviceGetNumFans -> c_uint = |gpu| Ok(gpu.card().fans);
    fn nvmlDeviceGetPcieReplayCounter -> c_uint = |gpu| gpu.data_centre(|| 0);
    fn nvmlDeviceGetCurrPcieLinkGeneration -> c_uint = |gpu| Ok(gpu.pcie_generation());
    fn nvmlDeviceGetCurrPcieLinkWidth -> c_uint = |gpu| Ok(gpu.card().pcie_width);
    fn nvmlDeviceGetMaxPcieLinkGeneration -> c_uint = |gpu| Ok(gpu.card().pcie_generation);
    fn nvmlDeviceGetMaxPcieLinkWidth -> c_uint = |gpu| Ok(gpu.card().pcie_width);
    fn nvmlDeviceGetPersistenceMode -> nvml::nvmlEnableState_enum = |_gpu| Ok(1);
    fn nvmlDeviceGetComputeMode -> nvml::nvmlComputeMode_enum = |_gpu| Ok(nvml::nvmlComputeMode_enum_NVML_COMPUTEMODE_DEFAULT);
    // The one fan that drivers before R510 speak of.
    fn nvmlDeviceGetFanSpeed -> c_uint = |gpu| gpu.fan_percent(0);
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetSupportedEventTypes(
    device: nvml::nvmlDevice_t,
    out: *mut c_ulonglong,
) -> Code {
    let answer = library().and_then(|library| {
        let generation = library.scenario.driver.generation();
        read_numbers(device, "nvmlDeviceGetSupportedEventTypes", |gpu| Ok(gpu.supported_events(generation)))
    });
    // SAFETY: NVML's contract: `out` points to one number.
    unsafe { give(out, answer) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetPciInfo_v3(
    device: nvml::nvmlDevice_t,
    out: *mut nvml::nvmlPciInfo_t,
) -> Code {
    // SAFETY: NVML's contract: `out` points to one struct.
    unsafe { give(out, read(device, "nvmlDeviceGetPciInfo_v3", |gpu| Ok(pci_info(gpu)))) }
}

fn pci_info(gpu: Gpu<'_>) -> nvml::nvmlPciInfo_t {
    let mut info = nvml::nvmlPciInfo_t {
        busIdLegacy: [0; 16],
        domain: 0,
        bus: gpu.bus(),
        device: 0,
        pciDeviceId: gpu.card().pci_device,
        pciSubSystemId: gpu.card().pci_device,
        busId: [0; 32],
    };
    fill(&mut info.busIdLegacy, &format!("0000:{:02X}:00.0", gpu.bus()));
    fill(&mut info.busId, &format!("00000000:{:02X}:00.0", gpu.bus()));
    info
}

/// Exports that answer with a text.
macro_rules! texts {
    ($(fn $name:ident = |$gpu:ident| $reading:expr;)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(device: nvml::nvmlDevice_t, out: *mut c_char, length: c_uint) -> Code {
            // SAFETY: NVML's contract: `out` has `length` bytes.
            unsafe { give_text(out, length, read(device, stringify!($name), |$gpu: Gpu<'_>| $reading)) }
        }
    )*};
}

texts! {
    fn nvmlDeviceGetInforomImageVersion = |gpu| gpu.data_centre(|| "G520.0200.00.05".to_owned());
    fn nvmlDeviceGetSerial = |gpu| gpu.serial();
    fn nvmlDeviceGetVbiosVersion = |gpu| Ok(gpu.card().vbios.to_owned());
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetInforomVersion(
    device: nvml::nvmlDevice_t,
    object: nvml::nvmlInforomObject_enum,
    out: *mut c_char,
    length: c_uint,
) -> Code {
    let version = match object {
        nvml::nvmlInforomObject_enum_NVML_INFOROM_OEM => Ok("2.1"),
        nvml::nvmlInforomObject_enum_NVML_INFOROM_ECC => Ok("7.16"),
        _ => Err(NOT_SUPPORTED),
    };
    let answer =
        read(device, "nvmlDeviceGetInforomVersion", |gpu| gpu.data_centre(|| version.map(str::to_owned))?);
    // SAFETY: NVML's contract: `out` has `length` bytes.
    unsafe { give_text(out, length, answer) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetName(device: nvml::nvmlDevice_t, out: *mut c_char, length: c_uint) -> Code {
    const CALL: &str = "nvmlDeviceGetName";
    let answer = read_instance(device, CALL, |instance| Ok(format!("{}{MARK}", instance.name())))
        .unwrap_or_else(|| read(device, CALL, |gpu| Ok(format!("{}{MARK}", gpu.card().name))));
    // SAFETY: NVML's contract: `out` has `length` bytes.
    unsafe { give_text(out, length, answer) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetUUID(device: nvml::nvmlDevice_t, out: *mut c_char, length: c_uint) -> Code {
    const CALL: &str = "nvmlDeviceGetUUID";
    let answer = read_instance(device, CALL, |instance| Ok(instance.uuid()))
        .unwrap_or_else(|| read(device, CALL, |gpu| Ok(gpu.uuid())));
    // SAFETY: NVML's contract: `out` has `length` bytes.
    unsafe { give_text(out, length, answer) }
}

/// Exports that read one of several: a device, which one, and one place for the answer.
macro_rules! chosen_readings {
    ($(fn $name:ident($choice:ty) -> $out:ty = |$gpu:ident, $which:ident| $reading:expr;)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(device: nvml::nvmlDevice_t, $which: $choice, out: *mut $out) -> Code {
            // SAFETY: NVML's contract: `out` points to one value of this type.
            unsafe { give(out, read_numbers(device, stringify!($name), |$gpu: Gpu<'_>| $reading)) }
        }
    )*};
}

chosen_readings! {
    fn nvmlDeviceGetClockInfo(nvml::nvmlClockType_enum) -> c_uint = |gpu, domain| gpu.clock_mhz(domain);
    fn nvmlDeviceGetMaxClockInfo(nvml::nvmlClockType_enum) -> c_uint = |gpu, domain| gpu.max_clock_mhz(domain);
    fn nvmlDeviceGetFanSpeed_v2(c_uint) -> c_uint = |gpu, fan| gpu.fan_percent(fan);
}

/// Exports with two places for the answer.
macro_rules! pairs {
    ($(fn $name:ident -> ($first:ty, $second:ty) = |$gpu:ident| $reading:expr;)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(device: nvml::nvmlDevice_t, first: *mut $first, second: *mut $second) -> Code {
            let answer = read_numbers(device, stringify!($name), |$gpu: Gpu<'_>| $reading);
            // SAFETY: NVML's contract: both point to one value of their type.
            code(answer.and_then(|(a, b)| unsafe {
                match (give(first, Ok(a)), give(second, Ok(b))) {
                    (nvml::nvmlReturn_enum_NVML_SUCCESS, nvml::nvmlReturn_enum_NVML_SUCCESS) => Ok(()),
                    _ => Err(nvml::nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT),
                }
            }))
        }
    )*};
}

/// The period over which the encoder's and decoder's load is measured, in microseconds.
const CODEC_PERIOD: c_uint = 167_000;

pairs! {
    fn nvmlDeviceGetCudaComputeCapability -> (c_int, c_int) = |gpu| Ok(gpu.card().compute_capability);
    fn nvmlDeviceGetEncoderUtilization -> (c_uint, c_uint) = |_gpu| Ok((0, CODEC_PERIOD));
    fn nvmlDeviceGetDecoderUtilization -> (c_uint, c_uint) = |gpu| {
        // Decoding of pictures and video goes with the load of a vision model.
        gpu.utilization().map(|(busy, _)| (busy / 5, CODEC_PERIOD))
    };
    fn nvmlDeviceGetJpgUtilization -> (c_uint, c_uint) = |gpu| gpu.pictures().map(|busy| (busy, CODEC_PERIOD));
    fn nvmlDeviceGetOfaUtilization -> (c_uint, c_uint) = |gpu| gpu.pictures().map(|_| (0, CODEC_PERIOD));
    fn nvmlDeviceGetMigMode -> (c_uint, c_uint) = |gpu| gpu.mig_mode().map(|mode| (mode, mode));
    fn nvmlDeviceGetEccMode -> (nvml::nvmlEnableState_enum, nvml::nvmlEnableState_enum) = |gpu| gpu.data_centre(|| (1, 1));
    fn nvmlDeviceGetPowerManagementLimitConstraints -> (c_uint, c_uint) = |gpu| gpu.power_limit().map(|limit| (limit / 3, limit));
}

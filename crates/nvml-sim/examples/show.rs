//! Prints what a simulated (or real) library answers: `cargo run -p nvml-sim --example show [LIBRARY]`.
//!
//! Without an argument it loads the library built beside it; scenario and origin of time come from
//! `NVML_SIM_SCENARIO` and `NVML_SIM_START` as always. One line a GPU, then XIDs for as long as
//! `NVML_SIM_SHOW_EVENTS_MS` says.
#![expect(clippy::print_stdout, reason = "printing is what this program is for")]

use std::fmt::Display;
use std::path::PathBuf;

use nvml_wrapper::Nvml;
use nvml_wrapper::bitmasks::event::EventTypes;
use nvml_wrapper::enum_wrappers::device::{Clock, EccCounter, MemoryError, Sampling, TemperatureSensor};
use nvml_wrapper::enums::event::XidError;
use nvml_wrapper::error::{NvmlError, NvmlErrorWithSource};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let library = match std::env::args_os().nth(1) {
        Some(path) => PathBuf::from(path),
        None => std::env::current_exe()?.with_file_name("../libnvml_sim.so"),
    };
    let nvml = Nvml::builder().lib_path(library.as_os_str()).init()?;
    println!("driver {} cuda {}", nvml.sys_driver_version()?, nvml.sys_cuda_driver_version()?);
    let count = nvml.device_count()?;
    println!("{count} GPUs");
    for index in 0..count {
        match nvml.device_by_index(index) {
            Ok(device) => println!("{index}: {}", line(&device)),
            Err(error) => println!("{index}: {error:?}"),
        }
    }
    if let Ok(wait) = std::env::var("NVML_SIM_SHOW_EVENTS_MS") {
        events(&nvml, count, wait.parse()?)?;
    }
    Ok(())
}

fn line(device: &nvml_wrapper::Device<'_>) -> String {
    let mib = |bytes: u64| format!("{} MiB", bytes >> 20);
    let readings = [
        ("name", said(device.name())),
        ("memory", said(device.memory_info().map(|m| format!("{} of {}", mib(m.used), mib(m.total))))),
        ("busy", said(device.utilization_rates().map(|u| format!("{} %", u.gpu)))),
        ("samples", said(device.samples(Sampling::GpuUtilization, None).map(|samples| samples.len()))),
        ("power", said(device.power_usage().map(|mw| format!("{mw} mW")))),
        ("energy", said(device.total_energy_consumption().map(|mj| format!("{mj} mJ")))),
        ("temperature", said(device.temperature(TemperatureSensor::Gpu))),
        ("clock", said(device.clock_info(Clock::SM))),
        ("ecc", said(device.total_ecc_errors(MemoryError::Uncorrected, EccCounter::Volatile))),
        ("fan", said(device.fan_speed(0))),
    ];
    readings.map(|(name, value)| format!("{name}={value}")).join(" ")
}

fn said<T: Display>(answer: Result<T, NvmlError>) -> String {
    answer.map_or_else(|error| format!("{error:?}"), |value| value.to_string())
}

fn events(nvml: &Nvml, count: u32, wait_ms: u32) -> Result<(), NvmlErrorWithSource> {
    let mut set = nvml.create_event_set()?;
    for index in 0..count {
        set = nvml.device_by_index(index)?.register_events(EventTypes::CRITICAL_XID_ERROR, set)?;
    }
    println!("waiting for events");
    loop {
        match set.wait(wait_ms) {
            Ok(event) => {
                if let Some(XidError::Value(xid)) = event.event_data {
                    println!("xid {xid} on {}", event.device.index()?);
                }
            }
            Err(NvmlError::Timeout) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

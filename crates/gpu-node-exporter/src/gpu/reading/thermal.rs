//! Temperatures, and the limits that act on them.

use crate::family::Family;
use crate::gpu::delta::readings;
use crate::gpu::nvml::enum_wrappers::device::{TemperatureSensor, TemperatureThreshold};
use crate::gpu::nvml::{Ask, Cached, Device, Field, field_id};
use crate::gpu::subject::{Shown, Subject, each_by};
use crate::units::Celsius;

readings! {
    /// The temperatures of one GPU.
    struct Thermal {
        gpu: Celsius,
        memory: Celsius,
        slowdown: Celsius,
        shutdown: Celsius,
        gpu_max: Celsius,
        memory_max: Celsius,
    }
}

impl Subject for Thermal {
    /// The limits.
    type Kept = Cached<Self>;
    type Sums = ();

    fn read(ask: &mut Ask<'_>, kept: &mut Self::Kept) -> Self {
        let limits = kept.seldom(ask, limits);
        let sensor = |device: &Device<'_>| device.temperature(TemperatureSensor::Gpu);
        let gpu = ask.quantity("temperature", sensor, Celsius::from_degrees);
        let field = Field::new("memory temperature", field_id::NVML_FI_DEV_MEMORY_TEMP);
        let [memory] = ask.fields("memory temperature field", [field]);
        Self {
            gpu,
            // A card without the sensor says 0, which no running memory has.
            memory: memory.filter(|degrees| *degrees > 0).and_then(|degrees| {
                let celsius = |degrees| Celsius::from_degrees(u32::try_from(degrees).ok()?);
                ask.meaning(field.name, degrees, celsius)
            }),
            ..limits
        }
    }

    fn families(gpus: &[Shown<'_, Self>]) -> Vec<Family> {
        vec![
            each_by(
                Family::gauge("gpu_temperature_celsius", "Temperature, by sensor."),
                "sensor",
                gpus,
                |gpu| [("gpu", gpu.reading.gpu), ("memory", gpu.reading.memory)],
            ),
            each_by(
                Family::gauge(
                    "gpu_temperature_limit_celsius",
                    "Temperatures at which the GPU slows down or stops.",
                ),
                "limit",
                gpus,
                |gpu| {
                    [
                        ("slowdown", gpu.reading.slowdown),
                        ("shutdown", gpu.reading.shutdown),
                        ("gpu_max", gpu.reading.gpu_max),
                        ("memory_max", gpu.reading.memory_max),
                    ]
                },
            ),
        ]
    }
}

/// A limit of 0 is one that the card does not have.
fn limits(ask: &mut Ask<'_>) -> Thermal {
    let mut limit = |name, which| {
        let degrees = ask.ask(name, |device| device.temperature_threshold(which));
        let degrees = degrees.filter(|degrees| *degrees > 0)?;
        ask.meaning(name, degrees, Celsius::from_degrees)
    };
    Thermal {
        slowdown: limit("slowdown temperature", TemperatureThreshold::Slowdown),
        shutdown: limit("shutdown temperature", TemperatureThreshold::Shutdown),
        gpu_max: limit("maximum GPU temperature", TemperatureThreshold::GpuMax),
        memory_max: limit("maximum memory temperature", TemperatureThreshold::MemoryMax),
        ..Thermal::default()
    }
}

//! Temperatures, the limits that act on them, and how far away these are.

use crate::family::Family;
use crate::gpu::delta::readings;
use crate::gpu::nvml::enum_wrappers::device::{TemperatureSensor, TemperatureThreshold};
use crate::gpu::nvml::{Ask, Cached, Device, Field, Value, field_id, raw};
use crate::gpu::subject::{Said, Shown, Subject, each, each_by};
use crate::units::Celsius;

readings! {
    /// The temperatures of one GPU.
    struct Thermal {
        gpu: Celsius,
        memory: Celsius,
        /// To the nearest temperature at which it slows down.
        margin: Celsius,
        slowdown: Celsius,
        shutdown: Celsius,
        gpu_max: Celsius,
        memory_max: Celsius,
        /// The same limits as margins (T.Limit): reached when `margin` falls to them.
        margin_slowdown: Celsius,
        margin_shutdown: Celsius,
        margin_gpu_max: Celsius,
        margin_memory_max: Celsius,
    }
}

/// The reading by `nvmlDeviceGetTemperatureV`.
const PRESENT_CALL: &str = "temperature";

/// The reading by `nvmlDeviceGetMarginTemperature`.
const MARGIN: &str = "margin temperature";

/// `NVML_VALUE_NOT_AVAILABLE` (nvml.h). As a temperature it is wrong, as a margin it may also be one degree; that one is not told.
const NOT_AVAILABLE: i32 = -1;

impl Subject for Thermal {
    /// The limits.
    type Kept = Cached<Self>;
    type Sums = ();

    fn read(ask: &mut Ask<'_>, kept: &mut Self::Kept) -> Self {
        let limits = kept.seldom(ask, limits);
        let celsius = |degrees| Celsius::from_signed_degrees(degrees).filter(|_| degrees != NOT_AVAILABLE);
        let mut gpu = ask.quantity(PRESENT_CALL, raw::temperature, celsius);
        if ask.lacks(PRESENT_CALL) {
            let sensor = |device: &Device<'_>| device.temperature(TemperatureSensor::Gpu);
            gpu = ask.quantity("temperature (first version)", sensor, Celsius::from_degrees);
        }
        let field = Field::new("memory temperature", field_id::NVML_FI_DEV_MEMORY_TEMP);
        let [memory] = ask.fields("memory temperature field", [field]);
        Self {
            gpu,
            // A card without the sensor says 0, which no running memory has.
            memory: memory.filter(|degrees| *degrees > 0).and_then(|degrees| {
                let celsius = |degrees| Celsius::from_degrees(u32::try_from(degrees).ok()?);
                ask.meaning(field.name, degrees, celsius)
            }),
            margin: ask
                .ask(MARGIN, raw::margin_temperature)
                .filter(|degrees| *degrees != NOT_AVAILABLE)
                .and_then(|degrees| ask.meaning(MARGIN, degrees, Celsius::from_signed_degrees)),
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
            each(
                Family::gauge(
                    "gpu_temperature_margin_celsius",
                    "Degrees to the nearest temperature at which the GPU slows down.",
                ),
                gpus,
                |gpu| gpu.reading.margin,
            ),
        ]
    }

    fn seldom_families(gpus: &[Shown<'_, Self>]) -> Vec<Family> {
        vec![
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
            each_by(
                Family::gauge(
                    "gpu_temperature_margin_limit_celsius",
                    "Margins at which the GPU slows down or stops: reached when `gpu_temperature_margin_celsius` falls to them.",
                ),
                "limit",
                gpus,
                |gpu| {
                    [
                        ("slowdown", gpu.reading.margin_slowdown),
                        ("shutdown", gpu.reading.margin_shutdown),
                        ("gpu_max", gpu.reading.margin_gpu_max),
                        ("memory_max", gpu.reading.margin_memory_max),
                    ]
                },
            ),
        ]
    }

    fn is_seldom_same((now, ()): Said<'_, Self>, (before, ()): Said<'_, Self>) -> bool {
        let Self { gpu, memory, margin, .. } = *before;
        *before == Self { gpu, memory, margin, ..now.clone() }
    }
}

/// The limits, in degrees where the card says them so, and as margins where it says them so (since Ada; nvml.h,
/// `nvmlDeviceGetTemperatureThreshold`).
fn limits(ask: &mut Ask<'_>) -> Thermal {
    // A limit of 0 is one that the card does not have.
    let mut limit = |name, which| {
        let degrees = ask.ask(name, |device| device.temperature_threshold(which));
        let degrees = degrees.filter(|degrees| *degrees > 0)?;
        ask.meaning(name, degrees, Celsius::from_degrees)
    };
    let limits = Thermal {
        slowdown: limit("slowdown temperature", TemperatureThreshold::Slowdown),
        shutdown: limit("shutdown temperature", TemperatureThreshold::Shutdown),
        gpu_max: limit("maximum GPU temperature", TemperatureThreshold::GpuMax),
        memory_max: limit("maximum memory temperature", TemperatureThreshold::MemoryMax),
        ..Thermal::default()
    };
    let fields = [
        ("slowdown margin", field_id::NVML_FI_DEV_TEMPERATURE_SLOWDOWN_TLIMIT),
        ("shutdown margin", field_id::NVML_FI_DEV_TEMPERATURE_SHUTDOWN_TLIMIT),
        ("maximum GPU temperature margin", field_id::NVML_FI_DEV_TEMPERATURE_GPU_MAX_TLIMIT),
        ("maximum memory temperature margin", field_id::NVML_FI_DEV_TEMPERATURE_MEM_MAX_TLIMIT),
    ]
    .map(|(name, id)| Field::new(name, id));
    let mut found = ask.values("temperature margins", fields).into_iter();
    let [margin_slowdown, margin_shutdown, margin_gpu_max, margin_memory_max] = fields.map(|field| {
        let is_known = |value: &Value| value.signed() != Some(NOT_AVAILABLE.into());
        let celsius = |value: Value| Celsius::from_signed_degrees(i32::try_from(value.signed()?).ok()?);
        ask.meaning(field.name, found.next().flatten().filter(is_known)?, celsius)
    });
    Thermal { margin_slowdown, margin_shutdown, margin_gpu_max, margin_memory_max, ..limits }
}

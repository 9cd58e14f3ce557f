//! Fans, by their number.

use crate::family::Family;
use crate::gpu::delta::readings;
use crate::gpu::nvml::{Ask, Cached, Device, raw};
use crate::gpu::subject::{Shown, Subject};
use crate::units::Ratio;

readings! {
    /// One fan.
    struct Fan {
        /// As a share of its nominal maximum.
        speed: Ratio,
    }
}

/// More than any card has: each is asked for its speed.
const MOST_FANS: u32 = 16;

/// The reading by `nvmlDeviceGetNumFans`. Drivers before R510 lack it, and speak of one fan.
const COUNT: &str = "fans";

/// The fans of one GPU; none where the air is moved by the chassis.
pub(crate) type Fans = Vec<Fan>;

impl Subject for Fans {
    type Kept = Cached<Self>;
    type Sums = ();

    fn read(ask: &mut Ask<'_>, kept: &mut Self::Kept) -> Self {
        kept.seldom(ask, |ask| {
            let possible = |count| (count <= MOST_FANS).then_some(count);
            let count = ask.quantity(COUNT, Device::num_fans, possible).unwrap_or_default();
            if ask.lacks(COUNT) {
                let speed = ask.quantity("fan speed", raw::fan_speed, Ratio::from_percent_of_nominal);
                return speed.map(|speed| Fan { speed: Some(speed) }).into_iter().collect();
            }
            let mut speed = |fan| {
                let name = format!("speed of fan {fan}");
                ask.quantity(&name, |device| device.fan_speed(fan), Ratio::from_percent_of_nominal)
            };
            (0..count).map(|fan| Fan { speed: speed(fan) }).collect()
        })
    }

    fn families(gpus: &[Shown<'_, Self>]) -> Vec<Family> {
        let mut speeds = Family::gauge("gpu_fan_speed_ratio", "Fan speed as a share of its nominal maximum.");
        for gpu in gpus {
            for (number, fan) in gpu.reading.iter().enumerate() {
                if let Some(speed) = fan.speed {
                    speeds.push(gpu.labels.and([("fan", number.to_string())]), speed);
                }
            }
        }
        vec![speeds]
    }
}

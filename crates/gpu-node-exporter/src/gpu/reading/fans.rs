//! Fans, by their number.

use crate::family::Family;
use crate::gpu::delta::readings;
use crate::gpu::nvml::{Ask, Cached, Device};
use crate::gpu::subject::{Shown, Subject};
use crate::units::Ratio;

readings! {
    /// One fan.
    struct Fan {
        /// As a share of its nominal maximum.
        speed: Ratio,
    }
}

/// The fans of one GPU; none where the air is moved by the chassis.
pub(crate) type Fans = Vec<Fan>;

impl Subject for Fans {
    type Kept = Cached<Self>;
    type Sums = ();

    fn read(ask: &mut Ask<'_>, kept: &mut Self::Kept) -> Self {
        kept.seldom(ask, |ask| {
            let count = ask.ask("fans", Device::num_fans).unwrap_or_default();
            let speed = |fan| ask.ask(&format!("speed of fan {fan}"), |device| device.fan_speed(fan));
            (0..count)
                .map(speed)
                .map(|percent| Fan { speed: percent.map(Ratio::from_percent_of_nominal) })
                .collect()
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

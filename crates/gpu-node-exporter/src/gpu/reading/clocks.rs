//! Clock rates by domain, and the highest there can be.

use crate::family::Family;
use crate::gpu::delta::readings;
use crate::gpu::nvml::enum_wrappers::device::Clock;
use crate::gpu::nvml::{Ask, Cached};
use crate::gpu::subject::{Said, Shown, Subject, each_by};
use crate::units::Hertz;

readings! {
    /// The clocks of one GPU.
    struct Clocks {
        graphics: Hertz,
        sm: Hertz,
        memory: Hertz,
        video: Hertz,
        max_graphics: Hertz,
        max_sm: Hertz,
        max_memory: Hertz,
        max_video: Hertz,
    }
}

impl Subject for Clocks {
    /// The highest rates.
    type Kept = Cached<Self>;
    type Sums = ();

    fn read(ask: &mut Ask<'_>, kept: &mut Self::Kept) -> Self {
        let highest = kept.once(ask, highest);
        let mut rate =
            |name, domain| ask.quantity(name, |device| device.clock_info(domain), Hertz::from_megahertz);
        Self {
            graphics: rate("graphics clock", Clock::Graphics),
            sm: rate("SM clock", Clock::SM),
            memory: rate("memory clock", Clock::Memory),
            video: rate("video clock", Clock::Video),
            ..highest
        }
    }

    fn families(gpus: &[Shown<'_, Self>]) -> Vec<Family> {
        vec![each_by(Family::gauge("gpu_clock_hertz", "Clock rate, by domain."), "domain", gpus, |gpu| {
            let Clocks { graphics, sm, memory, video, .. } = *gpu.reading;
            [("graphics", graphics), ("sm", sm), ("memory", memory), ("video", video)]
        })]
    }

    fn seldom_families(gpus: &[Shown<'_, Self>]) -> Vec<Family> {
        vec![each_by(
            Family::gauge("gpu_clock_max_hertz", "Highest clock rate, by domain."),
            "domain",
            gpus,
            |gpu| {
                let Clocks { max_graphics, max_sm, max_memory, max_video, .. } = *gpu.reading;
                [("graphics", max_graphics), ("sm", max_sm), ("memory", max_memory), ("video", max_video)]
            },
        )]
    }

    fn is_seldom_same((now, ()): Said<'_, Self>, (before, ()): Said<'_, Self>) -> bool {
        let Self { graphics, sm, memory, video, .. } = *before;
        *before == Self { graphics, sm, memory, video, ..now.clone() }
    }
}

fn highest(ask: &mut Ask<'_>) -> Clocks {
    let mut rate =
        |name, domain| ask.quantity(name, |device| device.max_clock_info(domain), Hertz::from_megahertz);
    Clocks {
        max_graphics: rate("maximum graphics clock", Clock::Graphics),
        max_sm: rate("maximum SM clock", Clock::SM),
        max_memory: rate("maximum memory clock", Clock::Memory),
        max_video: rate("maximum video clock", Clock::Video),
        ..Clocks::default()
    }
}

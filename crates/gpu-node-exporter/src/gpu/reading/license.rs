//! Whether a virtual GPU has its licence; without one it is slowed down.

use crate::family::Family;
use crate::gpu::delta::readings;
use crate::gpu::nvml::{Ask, Cached, raw};
use crate::gpu::subject::{Shown, Subject, each};

readings! {
    /// The licence of one virtual GPU; unknown for a card, which needs none.
    struct License {
        active: bool,
    }
}

/// The most features that can be licensed (nvml.h, `NVML_GRID_LICENSE_FEATURE_MAX_COUNT`).
const MOST_FEATURES: u32 = 3;

impl Subject for License {
    type Kept = Cached<Self>;
    type Sums = ();

    fn read(ask: &mut Ask<'_>, kept: &mut Self::Kept) -> Self {
        kept.seldom(ask, |ask| {
            let possible = |(count, licensed)| (count <= MOST_FEATURES).then_some((count, licensed));
            let features = ask.quantity("vGPU licence", raw::licensed_features, possible);
            Self { active: features.filter(|(count, _)| *count > 0).map(|(_, licensed)| licensed > 0) }
        })
    }

    fn families(gpus: &[Shown<'_, Self>]) -> Vec<Family> {
        vec![each(
            Family::gauge(
                "gpu_vgpu_license_active",
                "Whether the virtual GPU has a licence; absent where none is needed.",
            ),
            gpus,
            |gpu| gpu.reading.active,
        )]
    }
}

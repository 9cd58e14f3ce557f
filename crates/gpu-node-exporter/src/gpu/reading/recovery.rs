//! What the driver asks for so that a GPU works well again.

use crate::family::Family;
use crate::gpu::delta::readings;
use crate::gpu::nvml::{Ask, Cached, Field, field_id};
use crate::gpu::subject::{Shown, Subject, each};

readings! {
    /// The recovery that one GPU needs.
    struct Recovery {
        /// `nvmlDeviceGpuRecoveryAction_t`: 0 none, 1 reset, 2 reboot, 3 drain, 4 drain and reset, 5 recover the IMEX domain.
        action: u32,
    }
}

/// More actions than there are, with room for those to come.
const ACTIONS: u64 = 16;

impl Subject for Recovery {
    type Kept = Cached<Self>;
    type Sums = ();

    fn read(ask: &mut Ask<'_>, kept: &mut Self::Kept) -> Self {
        kept.seldom(ask, |ask| {
            let field = Field::new("recovery action", field_id::NVML_FI_DEV_GET_GPU_RECOVERY_ACTION);
            let [action] = ask.fields("recovery action field", [field]);
            let possible = |number| u32::try_from(number).ok().filter(|_| number < ACTIONS);
            Self { action: action.and_then(|number| ask.meaning(field.name, number, possible)) }
        })
    }

    fn families(gpus: &[Shown<'_, Self>]) -> Vec<Family> {
        vec![each(
            Family::gauge(
                "gpu_recovery_action",
                "What the driver asks for: 0 nothing, 1 reset, 2 reboot, 3 drain, 4 drain and reset, 5 recover the IMEX domain.",
            ),
            gpus,
            |gpu| gpu.reading.action,
        )]
    }
}

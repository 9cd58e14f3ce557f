//! What one GPU says in one round, in base units.

use serde::{Deserialize, Serialize};

use crate::gpu::fault::ReadingFault;
use crate::units::{Bytes, Celsius, Hertz, Joules, Ratio, Seconds, Watts};

/// Everything one GPU said. `None` is "can't say" or "failed", never zero.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Reading {
    pub(crate) identity: Identity,
    pub(crate) memory: Option<Memory>,
    pub(crate) load: Load,
    pub(crate) power: Power,
    pub(crate) thermal: Thermal,
    pub(crate) clocks: Clocks,
    pub(crate) max_clocks: Clocks,
    pub(crate) throttle: Throttle,
    pub(crate) pcie: Pcie,
    pub(crate) health: Health,
    /// Speed of each fan as a share of its nominal maximum.
    pub(crate) fans: Vec<Option<Ratio>>,
    /// Readings that failed this time, though the GPU answers others.
    pub(crate) faults: Vec<ReadingFault>,
    /// Names of readings this GPU does not have; only told when asked for.
    pub(crate) unsupported: Vec<String>,
}

/// Declares a struct of which every field may be unknown, and unknown ones take no room on the pipe.
macro_rules! readings {
    ($($(#[$doc:meta])* struct $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(default)]
        pub(crate) struct $name {
            $($(#[$field_doc])* #[serde(skip_serializing_if = "Option::is_none")] pub(crate) $field: Option<$type>,)*
        }
    )*};
}

/// Who a GPU is; constant while the driver is loaded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Identity {
    pub(crate) uuid: String,
    /// As sysfs writes it: `0000:17:00.0`.
    pub(crate) pci_bus_id: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) brand: Option<String>,
    pub(crate) architecture: Option<String>,
    /// As `9.0`.
    pub(crate) compute_capability: Option<String>,
    pub(crate) serial: Option<String>,
    pub(crate) vbios_version: Option<String>,
    /// The number in `/dev/nvidiaN`.
    pub(crate) minor_number: Option<u32>,
}

/// Frame buffer memory. `total` is `used` + `free` + `reserved`, where the driver tells `reserved` apart.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Memory {
    pub(crate) total: Bytes,
    pub(crate) used: Bytes,
    pub(crate) free: Bytes,
    pub(crate) reserved: Option<Bytes>,
}

readings! {
    /// How busy it is.
    struct Load {
        /// Share of the last sample period in which a kernel ran.
        utilization: Ratio,
        /// Share in which memory was read or written.
        memory_controller: Ratio,
        encoder: Ratio,
        decoder: Ratio,
        /// Busy time since the last round by the driver's own sample ring; nothing is missed in between.
        busy: Seconds,
        mig_enabled: bool,
    }

    /// Power and energy.
    struct Power {
        usage: Watts,
        limit: Watts,
        /// Since the driver was loaded.
        energy: Joules,
        performance_state: u32,
    }

    /// Temperatures and the limits that act on them.
    struct Thermal {
        gpu: Celsius,
        memory: Celsius,
        slowdown: Celsius,
        shutdown: Celsius,
        gpu_max: Celsius,
        memory_max: Celsius,
    }

    /// Clock rates by domain.
    struct Clocks {
        graphics: Hertz,
        sm: Hertz,
        memory: Hertz,
        video: Hertz,
    }

    /// What holds the clocks down.
    struct Throttle {
        /// `nvmlClocksEventReasons` bits.
        reasons: u64,
        /// Times since the driver was loaded, where the driver counts them.
        sw_power_cap: Seconds,
        sync_boost: Seconds,
        sw_thermal: Seconds,
        hw_thermal: Seconds,
        hw_power_brake: Seconds,
    }

    /// The link to the host.
    struct Pcie {
        transmitted: Bytes,
        received: Bytes,
        replays: u32,
        generation: u32,
        width: u32,
        max_generation: u32,
        max_width: u32,
    }

    /// What is broken or wearing out.
    struct Health {
        ecc_corrected_volatile: u64,
        ecc_uncorrected_volatile: u64,
        ecc_corrected_aggregate: u64,
        ecc_uncorrected_aggregate: u64,
        remaps_correctable: u64,
        remaps_uncorrectable: u64,
        remap_pending: bool,
        remap_failed: bool,
        retired_single_bit: u64,
        retired_double_bit: u64,
        /// 0 none, 1 reset, 2 reboot, 3 drain, 4 drain and reset.
        recovery_action: u32,
    }
}

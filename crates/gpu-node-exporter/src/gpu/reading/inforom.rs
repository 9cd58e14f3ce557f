//! The versions of what a board's `InfoROM` holds: the store of its settings and its counts of errors.

use crate::family::Family;
use crate::gpu::delta::readings;
use crate::gpu::nvml::enum_wrappers::device::InfoRom as Object;
use crate::gpu::nvml::{Ask, Cached, Device};
use crate::gpu::subject::{Shown, Subject, known};

readings! {
    /// The `InfoROM` of one board.
    struct InfoRom {
        image: String,
        oem: String,
        ecc: String,
        power: String,
    }
}

impl Subject for InfoRom {
    type Kept = Cached<Self>;
    type Sums = ();

    fn read(ask: &mut Ask<'_>, kept: &mut Self::Kept) -> Self {
        kept.once(ask, |ask| {
            let image = ask.ask("InfoROM image version", Device::info_rom_image_version);
            let mut version = |name, object| ask.ask(name, |device| device.info_rom_version(object));
            Self {
                image,
                oem: version("InfoROM OEM version", Object::OEM),
                ecc: version("InfoROM ECC version", Object::ECC),
                power: version("InfoROM power version", Object::Power),
            }
        })
    }

    fn families(gpus: &[Shown<'_, Self>]) -> Vec<Family> {
        let mut info =
            Family::info("gpu_inforom_info", "Versions of the board's InfoROM and of its objects.");
        for gpu in gpus {
            let InfoRom { image, oem, ecc, power } = gpu.reading;
            let versions = [("image", image), ("oem", oem), ("ecc", ecc), ("power", power)];
            if versions.iter().any(|(_, version)| version.is_some()) {
                let versions = versions.map(|(name, version)| (name, version.as_deref()));
                info.push(gpu.labels.and(known(versions)), 1_u64);
            }
        }
        vec![info]
    }
}

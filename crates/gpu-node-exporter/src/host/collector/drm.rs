//! AMD's graphics cards, from `/sys/class/drm/card*/device` (see the kernel's `gpu/amdgpu/driver-misc.rst`).
//!
//! Owns use and memory of the cards of the driver amdgpu. NVIDIA's are the collector `gpu`'s.

use std::path::{Path, PathBuf};

use crate::collector::{Collected, Collector, Fault, WaitsFor};
use crate::family::{Family, Labels};
use crate::host::entry::Entry;
use crate::host::kept_file::{Buffer, KeptFile};
use crate::host::root::Root;
use crate::host::sysfs::{Attribute, AttributeFiles, Devices, families, text};

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "drm",
    help: "AMD's graphics cards",
    reads: "/sys/class/drm",
    is_default: false,
    // The card's own firmware says how busy it is.
    waits_for: WaitsFor::Firmware,
    flags: &[],
    new: |_, root| Box::new(CardCollector::new(root)),
};

static NUMBERS: [Attribute; 7] = [
    Attribute::gauge("gpu_busy_percent", "node_drm_gpu_busy_percent", "How busy the GPU is as a percentage."),
    Attribute::gauge(
        "mem_info_gtt_total",
        "node_drm_memory_gtt_size_bytes",
        "The size of the graphics translation table (GTT) block in bytes.",
    ),
    Attribute::gauge(
        "mem_info_gtt_used",
        "node_drm_memory_gtt_used_bytes",
        "The used amount of the graphics translation table (GTT) block in bytes.",
    ),
    Attribute::gauge(
        "mem_info_vis_vram_total",
        "node_drm_memory_vis_vram_size_bytes",
        "The size of visible VRAM in bytes.",
    ),
    Attribute::gauge(
        "mem_info_vis_vram_used",
        "node_drm_memory_vis_vram_used_bytes",
        "The used amount of visible VRAM in bytes.",
    ),
    Attribute::gauge("mem_info_vram_total", "node_drm_memory_vram_size_bytes", "The size of VRAM in bytes."),
    Attribute::gauge(
        "mem_info_vram_used",
        "node_drm_memory_vram_used_bytes",
        "The used amount of VRAM in bytes.",
    ),
];

/// The files that are labels of a card's info, with the labels.
const TEXTS: [(&str, &str); 3] = [
    ("mem_info_vram_vendor", "memory_vendor"),
    ("power_dpm_force_performance_level", "power_performance_level"),
    ("unique_id", "unique_id"),
];

struct CardCollector {
    directory: PathBuf,
    cards: Devices<Card>,
    buffer: Buffer,
}

impl CardCollector {
    fn new(root: &Root) -> Self {
        let directory = root.sys.join("class/drm");
        Self { cards: Devices::new(directory.clone()), directory, buffer: Buffer::default() }
    }
}

impl Collector for CardCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        // A machine without graphics has no such directory, which is no fault, as in node_exporter.
        if !self.directory.exists() {
            return Collected::default();
        }
        let cards = match self.cards.find(Card::new) {
            Ok(cards) => cards,
            Err(error) => return Collected::failed(error.into()),
        };
        let mut families = families(&NUMBERS);
        let mut info = Family::info("node_drm_card_info", "Card information");
        let mut faults = Vec::new();
        for card in cards {
            match card.is_amds(&mut self.buffer) {
                Ok(true) => {}
                Ok(false) => continue,
                Err(fault) => {
                    faults.push(fault);
                    continue;
                }
            }
            faults.extend(card.numbers.read(&mut self.buffer, &mut families));
            match card.info(&mut self.buffer) {
                Ok(labels) => info.push(labels, 1_u64),
                Err(fault) => faults.push(fault),
            }
        }
        families.push(info);
        Collected::new(families, faults)
    }
}

/// One card's files.
struct Card {
    name: String,
    /// What the card's driver is, which may change.
    uevent: KeptFile,
    numbers: AttributeFiles,
    /// In the order of [`TEXTS`].
    texts: [KeptFile; TEXTS.len()],
}

impl Card {
    /// `None` for a card's outputs, such as `card0-HDMI-A-1`.
    fn new(directory: &Path, name: &str) -> Option<Self> {
        let number = name.strip_prefix("card")?;
        let is_card = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        let device = directory.join("device");
        is_card.then(|| Self {
            name: name.to_owned(),
            uevent: KeptFile::attribute(device.join("uevent")),
            numbers: AttributeFiles::new(&NUMBERS, &device, Labels::new([("card", name)])),
            texts: TEXTS.map(|(file, _)| KeptFile::attribute(device.join(file))),
        })
    }

    fn is_amds(&mut self, buffer: &mut Buffer) -> Result<bool, Fault> {
        let about = text(&mut self.uevent, buffer)?.unwrap_or_default();
        Ok(about.lines().any(|line| line == "DRIVER=amdgpu"))
    }

    /// What the card does not have is an empty label.
    fn info(&mut self, buffer: &mut Buffer) -> Result<Labels, Fault> {
        let mut labels = vec![("card", self.name.clone())];
        for ((_, label), file) in TEXTS.into_iter().zip(&mut self.texts) {
            labels.push((label, text(file, buffer)?.unwrap_or_default()));
        }
        labels.push(("vendor", "amd".to_owned()));
        Ok(Labels::new(labels))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::{collector, values};

    #[test]
    fn only_cards_of_amds_driver_are_shown_with_what_they_have() {
        let sys = tempfile::tempdir().unwrap();
        let shown = || {
            let Collected { families, faults, .. } =
                collector(&ENTRY, "/nonexistent".as_ref(), sys.path(), &[]).collect();
            (values(&families), faults.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(shown(), (vec![], vec![]), "a machine without graphics");
        let put = |path: &str, text: &str| {
            let path = sys.path().join("class/drm").join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        put("card0/device/uevent", "DRIVER=nvidia\nPCI_ID=10DE:2330\n");
        put("card0/device/mem_info_vram_total", "1\n");
        put("card10/device/uevent", "DRIVER=amdgpu\n");
        put("card10/device/gpu_busy_percent", "4\n");
        put("card10/device/mem_info_vram_total", "lots\n");
        put("card10/device/mem_info_vram_used", "18446744073709551615\n");
        put("card10/device/unique_id", "0123456789abcdef\n");
        put("card10-DP-1/device/uevent", "DRIVER=amdgpu\n");
        let (lines, faults) = shown();
        assert_eq!(
            lines,
            [
                r#"node_drm_gpu_busy_percent{card="card10"} 4"#,
                r#"node_drm_memory_vram_used_bytes{card="card10"} 18446744073709551615"#,
                r#"node_drm_card_info{card="card10",memory_vendor="",power_performance_level="",unique_id="0123456789abcdef",vendor="amd"} 1"#,
            ]
        );
        assert!(
            faults.len() == 1 && faults[0].contains("mem_info_vram_total: expected a number"),
            "{faults:?}"
        );
    }
}

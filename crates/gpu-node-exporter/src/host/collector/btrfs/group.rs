//! How a Btrfs file system gives its space to one kind of blocks: data, metadata or its own system's.

use std::path::Path;

use crate::collector::Fault;
use crate::family::{Family, Labels};
use crate::host::kept_file::Buffer;
use crate::host::sysfs::{Attribute, AttributeFiles, Devices, families};

static RESERVED: [Attribute; 1] = [Attribute::gauge(
    "bytes_reserved",
    "node_btrfs_reserved_bytes",
    "Amount of space reserved for a data type",
)];

static LAYOUT: [Attribute; 2] = [
    Attribute::gauge("used_bytes", "node_btrfs_used_bytes", "Amount of used space by a layout/data type"),
    Attribute::gauge(
        "total_bytes",
        "node_btrfs_size_bytes",
        "Amount of space allocated for a layout/data type",
    ),
];

/// One kind of blocks.
pub(super) struct Group {
    reserved: AttributeFiles,
    labels: Labels,
    /// How blocks lie on the devices: `single`, `raid1`…; while it is changed there is more than one.
    layouts: Devices<Layout>,
}

struct Layout {
    name: String,
    labels: Labels,
    files: AttributeFiles,
}

/// The families of all groups.
pub(super) struct GroupFamilies {
    reserved: Vec<Family>,
    layout: Vec<Family>,
    ratio: Family,
}

impl GroupFamilies {
    pub(super) fn new() -> Self {
        Self {
            reserved: families(&RESERVED),
            layout: families(&LAYOUT),
            ratio: Family::gauge(
                "node_btrfs_allocation_ratio",
                "Data allocation ratio for a layout/data type",
            ),
        }
    }

    pub(super) fn into_vec(self) -> Vec<Family> {
        self.reserved.into_iter().chain(self.layout).chain([self.ratio]).collect()
    }
}

impl Group {
    pub(super) fn new(directory: &Path, kind: &str, file_system: &Labels) -> Self {
        let labels = file_system.and([("block_group_type", kind)]);
        Self {
            reserved: AttributeFiles::new(&RESERVED, directory, labels.clone()),
            labels,
            layouts: Devices::new(directory.to_owned()),
        }
    }

    /// `devices` is the number of the file system's devices.
    pub(super) fn read(
        &mut self,
        devices: usize,
        buffer: &mut Buffer,
        families: &mut GroupFamilies,
    ) -> Vec<Fault> {
        let mut faults = self.reserved.read(buffer, &mut families.reserved);
        let labels = &self.labels;
        let open = |directory: &Path, name: &str| {
            let labels = labels.and([("mode", name)]);
            let files = AttributeFiles::new(&LAYOUT, directory, labels.clone());
            Some(Layout { name: name.to_owned(), labels, files })
        };
        match self.layouts.find(open) {
            Ok(layouts) => {
                for layout in layouts {
                    faults.extend(layout.files.read(buffer, &mut families.layout));
                    if let Some(ratio) = ratio(&layout.name, devices) {
                        families.ratio.push(layout.labels.clone(), ratio);
                    }
                }
            }
            // A file system that mixes data and metadata has one group for both.
            Err(error) if error.is_no_answer() => {}
            Err(error) => faults.push(error.into()),
        }
        faults
    }
}

/// How many bytes on devices one byte takes; `None` for a layout that is not known, or that so few devices cannot have.
fn ratio(layout: &str, devices: usize) -> Option<f64> {
    let with_parity = |parity: usize| {
        let data = devices.checked_sub(parity).filter(|data| *data > 0)?;
        Some(devices as f64 / data as f64)
    };
    match layout {
        "single" | "raid0" => Some(1.0),
        "dup" | "raid1" | "raid10" => Some(2.0),
        "raid1c3" => Some(3.0),
        "raid1c4" => Some(4.0),
        "raid5" => with_parity(1),
        "raid6" => with_parity(2),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parity_takes_less_on_more_devices() {
        let check = |layout: &str, devices: usize, expected: Option<f64>| {
            assert_eq!(ratio(layout, devices), expected, "{layout} on {devices}");
        };
        check("raid0", 0, Some(1.0));
        check("raid1c3", 3, Some(3.0));
        check("raid5", 3, Some(1.5));
        check("raid5", 1, None);
        check("raid6", 4, Some(2.0));
        check("raid6", 0, None);
        check("raid7", 9, None);
    }
}

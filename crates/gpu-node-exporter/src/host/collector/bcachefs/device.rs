//! One device of a Bcachefs file system.

use std::path::Path;

use super::{expected_size, read_file, text};
use crate::collector::Fault;
use crate::family::{Family, Labels};
use crate::host::binary_prefix;
use crate::host::kept_file::{Buffer, KeptFile};
use crate::host::lines::Lines;
use crate::host::sysfs::{self, Attribute, AttributeFiles};

static NUMBERS: [Attribute; 2] = [
    Attribute::gauge("nbuckets", "node_bcachefs_device_buckets", "Total number of buckets."),
    Attribute::gauge("durability", "node_bcachefs_device_durability", "Device durability setting."),
];

/// A device's files.
pub(super) struct Device {
    labels: Labels,
    label: KeptFile,
    state: KeptFile,
    bucket_size: KeptFile,
    numbers: AttributeFiles,
    io_done: KeptFile,
    io_errors: KeptFile,
}

/// The families of all devices.
pub(super) struct DeviceFamilies {
    info: Family,
    bucket_size: Family,
    numbers: Vec<Family>,
    io_done: Family,
    io_errors: Family,
}

impl DeviceFamilies {
    pub(super) fn new() -> Self {
        Self {
            info: Family::info("node_bcachefs_device_info", "Device information."),
            bucket_size: Family::gauge("node_bcachefs_device_bucket_size_bytes", "Bucket size in bytes."),
            numbers: sysfs::families(&NUMBERS),
            io_done: Family::counter(
                "node_bcachefs_device_io_done_bytes_total",
                "IO bytes by operation type and data type.",
            ),
            io_errors: Family::counter("node_bcachefs_device_io_errors_total", "IO errors by error type."),
        }
    }

    pub(super) fn into_vec(self) -> Vec<Family> {
        let mut families = vec![self.info, self.bucket_size];
        families.extend(self.numbers);
        families.extend([self.io_done, self.io_errors]);
        families
    }
}

impl Device {
    /// `None` for the file system's other directories: a device is called `dev-3`.
    pub(super) fn new(directory: &Path, name: &str, file_system: &Labels) -> Option<Self> {
        let labels = file_system.and([("device", name.strip_prefix("dev-")?)]);
        let file = |file: &str| KeptFile::attribute(directory.join(file));
        Some(Self {
            label: file("label"),
            state: file("state"),
            bucket_size: file("bucket_size"),
            numbers: AttributeFiles::new(&NUMBERS, directory, labels.clone()),
            io_done: file("io_done"),
            io_errors: file("io_errors"),
            labels,
        })
    }

    pub(super) fn read(&mut self, buffer: &mut Buffer, families: &mut DeviceFamilies) -> Vec<Fault> {
        let labels = self.labels.clone();
        let mut faults = self.numbers.read(buffer, &mut families.numbers);
        let mut text_of = |file: &mut KeptFile| {
            // A text that the device does not have is an empty label.
            sysfs::text(file, buffer).map(Option::unwrap_or_default)
        };
        match text_of(&mut self.label).and_then(|label| Ok((label, text_of(&mut self.state)?))) {
            Ok((label, state)) => {
                families.info.push(labels.and([("label", label), ("state", state)]), 1_u64);
            }
            Err(fault) => faults.push(fault),
        }
        faults.extend(read_file(&mut self.bucket_size, buffer, |text| {
            let size = binary_prefix::size(text).ok_or_else(|| expected_size(text))?;
            families.bucket_size.push(labels.clone(), size);
            Ok(Vec::new())
        }));
        faults.extend(read_file(&mut self.io_done, buffer, |text| {
            let Lines { read, faults } = text::io_done(text);
            for (operation, kind, bytes) in read {
                families.io_done.push(labels.and([("operation", operation), ("data_type", kind)]), bytes);
            }
            Ok(faults)
        }));
        faults.extend(read_file(&mut self.io_errors, buffer, |text| {
            let Lines { read, faults } = text::io_errors(text);
            for (kind, count) in read {
                families.io_errors.push(labels.and([("type", kind)]), count);
            }
            Ok(faults)
        }));
        faults
    }
}

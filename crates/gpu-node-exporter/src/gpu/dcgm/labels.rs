//! How dcgm-exporter labels a GPU's series, in its order.

use super::names::Names;
use crate::family::Labels;
use crate::gpu::driver::Driver;
use crate::gpu::reading::{MigInstance, Subjects};

/// A GPU to be labelled.
pub(super) struct Labelled<'a> {
    /// NVML's index.
    pub(super) gpu: u32,
    pub(super) uuid: &'a str,
    pub(super) subjects: &'a Subjects,
    pub(super) driver: Option<&'a Driver>,
    pub(super) names: Names,
    pub(super) old_labels: bool,
    pub(super) hostname: &'a str,
}

impl Labelled<'_> {
    /// Its labels, or those of one of its MIG instances; `wanted` are the fields that the counters file makes labels of.
    pub(super) fn labels(&self, instance: Option<&MigInstance>, wanted: &[&str]) -> Labels {
        let identity = &self.subjects.identity;
        let uuid = if self.old_labels { "uuid" } else { "UUID" };
        let mut pairs = vec![
            ("gpu", self.gpu.to_string()),
            (uuid, self.uuid.to_owned()),
            ("pci_bus_id", identity.pci_bus_id.as_deref().map(bus_id).unwrap_or_default()),
            ("device", format!("nvidia{}", identity.minor_number.unwrap_or(self.gpu))),
            ("modelName", identity.name.clone().unwrap_or_default()),
        ];
        if let Some(instance) = instance {
            pairs.push(("GPU_I_PROFILE", instance.profile.clone().unwrap_or_default()));
            pairs.push(("GPU_I_ID", instance.gpu_instance.map(|id| id.to_string()).unwrap_or_default()));
        }
        pairs.push((self.names.hostname_label(), self.hostname.to_owned()));
        let wanted = wanted.iter().filter_map(|name| Some((*name, self.text(name)?)));
        Labels::new(pairs).and(wanted)
    }

    /// The text of a field.
    fn text(&self, field: &str) -> Option<String> {
        let (identity, inforom) = (&self.subjects.identity, &self.subjects.inforom);
        match field {
            "DCGM_FI_DRIVER_VERSION" | "DCGM_FI_SYSTEM_DRIVER_VERSION" => self.driver?.version.clone(),
            "DCGM_FI_NVML_VERSION" | "DCGM_FI_SYSTEM_NVML_VERSION" => self.driver?.nvml_version.clone(),
            "DCGM_FI_DEV_BRAND" => identity.brand.clone(),
            "DCGM_FI_DEV_NAME" => identity.name.clone(),
            "DCGM_FI_DEV_SERIAL" => identity.serial.clone(),
            "DCGM_FI_DEV_UUID" => Some(self.uuid.to_owned()),
            "DCGM_FI_DEV_VBIOS_VERSION" => identity.vbios_version.clone(),
            "DCGM_FI_DEV_OEM_INFOROM_VER" => inforom.oem.clone(),
            "DCGM_FI_DEV_ECC_INFOROM_VER" => inforom.ecc.clone(),
            "DCGM_FI_DEV_POWER_INFOROM_VER" => inforom.power.clone(),
            "DCGM_FI_DEV_INFOROM_IMAGE_VER" => inforom.image.clone(),
            _ => None,
        }
    }
}

/// The fields that [`Labelled::text`] knows.
pub(super) const TEXTS: [&str; 13] = [
    "DCGM_FI_DRIVER_VERSION",
    "DCGM_FI_SYSTEM_DRIVER_VERSION",
    "DCGM_FI_NVML_VERSION",
    "DCGM_FI_SYSTEM_NVML_VERSION",
    "DCGM_FI_DEV_BRAND",
    "DCGM_FI_DEV_NAME",
    "DCGM_FI_DEV_SERIAL",
    "DCGM_FI_DEV_UUID",
    "DCGM_FI_DEV_VBIOS_VERSION",
    "DCGM_FI_DEV_OEM_INFOROM_VER",
    "DCGM_FI_DEV_ECC_INFOROM_VER",
    "DCGM_FI_DEV_POWER_INFOROM_VER",
    "DCGM_FI_DEV_INFOROM_IMAGE_VER",
];

/// Sysfs' `0000:1a:00.0` as DCGM writes it: `00000000:1A:00.0`.
fn bus_id(address: &str) -> String {
    let (domain, rest) = address.split_once(':').unwrap_or(("", address));
    format!("{domain:0>8}:{rest}").to_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_eight_digits_of_domain_and_capitals() {
        for (sysfs, dcgm) in [("0000:1a:00.0", "00000000:1A:00.0"), ("00010000:3b:00.0", "00010000:3B:00.0")]
        {
            assert_eq!(bus_id(sysfs), dcgm);
        }
    }
}

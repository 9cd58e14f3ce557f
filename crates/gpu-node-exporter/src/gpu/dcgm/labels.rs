//! How dcgm-exporter labels a GPU's series, in its order.

use super::names::{Names, first_name};
use crate::family::Labels;
use crate::gpu::driver::Driver;
use crate::gpu::pods::Holder;
use crate::gpu::reading::{Identity, MigInstance, Subjects};

/// A GPU to be labelled.
pub(super) struct Labelled<'a> {
    /// NVML's index.
    pub(super) gpu: u32,
    /// The index is its own still: the driver lists it.
    pub(super) is_listed: bool,
    pub(super) uuid: &'a str,
    pub(super) identity: &'a Identity,
    /// Empty for one that does not answer.
    pub(super) subjects: &'a Subjects,
    pub(super) driver: Option<&'a Driver>,
    pub(super) names: Names,
    pub(super) old_labels: bool,
    pub(super) hostname: &'a str,
}

impl Labelled<'_> {
    /// Its labels, or those of one of its MIG instances; `wanted` are the fields that the counters file makes labels of.
    fn labels(&self, instance: Option<&MigInstance>, wanted: &[&str]) -> Labels {
        let identity = self.identity;
        let uuid = if self.old_labels { "uuid" } else { "UUID" };
        let mut pairs = vec![
            ("gpu", self.gpu.to_string()),
            (uuid, self.uuid.to_owned()),
            ("pci_bus_id", identity.pci_bus_id.as_deref().map(bus_id).unwrap_or_default()),
            // By the index, as dcgm-exporter does, whatever its file in `/dev` is called.
            ("device", format!("nvidia{}", self.gpu)),
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

    /// Its labels, a set for each container that has it; one without a container where none has.
    pub(super) fn labels_by_holder<'h>(
        &self,
        instance: Option<&MigInstance>,
        wanted: &[&str],
        holders: impl Iterator<Item = Holder<'h>>,
    ) -> Vec<Labels> {
        let labels = self.labels(instance, wanted);
        let sets: Vec<_> = holders.map(|holder| labels.and(self.of_holder(&holder))).collect();
        if sets.is_empty() { vec![labels] } else { sets }
    }

    fn of_holder<'h>(&self, holder: &Holder<'h>) -> impl Iterator<Item = (&'static str, &'h str)> {
        let names = if self.old_labels {
            ["container_name", "pod_namespace", "pod_name"]
        } else {
            ["container", "namespace", "pod"]
        };
        let values = [holder.container, holder.namespace, holder.pod];
        names.into_iter().zip(values).chain(holder.share.map(|share| ("vgpu", share)))
    }

    /// The names that a Kubernetes device plugin may give it, or one of its MIG instances: the UUID, the index, and
    /// Google's `nvidia0/gi3`, which has the number of its file in `/dev`. What is no longer listed has left its numbers to others.
    pub(super) fn names_of_device(&self, instance: Option<&MigInstance>) -> Vec<String> {
        let device = format!("nvidia{}", self.identity.minor_number.unwrap_or(self.gpu));
        let Some(instance) = instance else {
            let mut names = vec![self.uuid.to_owned()];
            if self.is_listed {
                names.extend([self.gpu.to_string(), device]);
            }
            return names;
        };
        let uuids = instance.uuid.iter().chain(instance.other_uuids.iter().flatten());
        uuids.cloned().chain(instance.gpu_instance.map(|id| format!("{device}/gi{id}"))).collect()
    }

    /// The text of a field.
    fn text(&self, field: &str) -> Option<String> {
        let (identity, inforom) = (self.identity, &self.subjects.inforom);
        match first_name(field) {
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

/// Whether the least profile does not read the field.
pub(super) fn is_beyond_minimal(field: &str) -> bool {
    field.contains("INFOROM")
}

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

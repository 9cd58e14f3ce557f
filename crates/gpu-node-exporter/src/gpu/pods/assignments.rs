//! Which container has which GPU, from kubelet's list. Pure.

use std::collections::BTreeMap;

use super::api::ListPodResourcesResponse;

/// What the list says of GPUs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Assignments {
    /// Each with the number of its share, where the GPU is shared by time; of several shares that a container has of one, the first.
    pub(super) known: BTreeMap<Assignment, Option<String>>,
    /// Assignments beyond [`MOST`], and those whose names are longer than any.
    pub(super) left_out: u64,
}

/// A container's GPU, or its part of one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Assignment {
    pub(super) namespace: String,
    pub(super) pod: String,
    pub(super) container: String,
    pub(super) device: Device,
}

/// How the device plugin names what it gives.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Device {
    /// The GPU's UUID. One that is shared by time is given to several.
    Gpu(String),
    /// The UUID of a MIG device.
    Mig(String),
    /// Any other name: an index (`--device-id-strategy=index`), or `nvidia0` and `nvidia0/gi3` of Google's own plugin.
    Other(String),
}

/// More assignments than one machine has: 64 GPUs of 7 instances.
const MOST: usize = 448;

/// Bytes of a name. Kubernetes allows 253 (RFC 1123), and a device's has fewer.
const LONGEST: usize = 253;

/// The assignments of NVIDIA's devices.
pub(super) fn assignments(list: &ListPodResourcesResponse) -> Assignments {
    let mut assignments = Assignments::default();
    for pod in &list.pod_resources {
        for container in &pod.containers {
            for devices in &container.devices {
                for id in &devices.device_ids {
                    let Some((device, share)) = device(&devices.resource_name, id) else { continue };
                    let names = [&pod.namespace, &pod.name, &container.name, id];
                    let is_long = names.iter().any(|name| name.len() > LONGEST);
                    let assignment = Assignment {
                        namespace: pod.namespace.clone(),
                        pod: pod.name.clone(),
                        container: container.name.clone(),
                        device,
                    };
                    let is_beyond =
                        assignments.known.len() == MOST && !assignments.known.contains_key(&assignment);
                    if is_long || is_beyond {
                        assignments.left_out += 1;
                        continue;
                    }
                    let known = assignments.known.entry(assignment).or_default();
                    *known = [known.take(), share].into_iter().flatten().min();
                }
            }
        }
    }
    assignments
}

/// The device and the number of the share; `None` for what is no GPU. A share of one that is shared by time has its number behind `::`, or
/// behind `/vgpu` from Google's plugin.
fn device(resource: &str, id: &str) -> Option<(Device, Option<String>)> {
    let parts = id.split_once("::").or_else(|| id.split_once("/vgpu"));
    let (id, share) = parts.map_or((id, None), |(id, share)| (id, Some(share.to_owned())));
    let device = if id.starts_with("GPU-") {
        Device::Gpu(id.to_owned())
    } else if id.starts_with("MIG-") {
        Device::Mig(id.to_owned())
    } else if resource.starts_with("nvidia.com/") {
        Device::Other(id.to_owned())
    } else {
        return None;
    };
    Some((device, share))
}

impl Device {
    pub(super) fn name(&self) -> &String {
        let (Self::Gpu(name) | Self::Mig(name) | Self::Other(name)) = self;
        name
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::api::{ContainerDevices, ContainerResources, PodResources};
    use super::*;

    /// A list with one pod of one container for each of these: pod, resource, ids.
    pub(in crate::gpu::pods) fn list(pods: &[(&str, &str, &[&str])]) -> ListPodResourcesResponse {
        let pod = |(name, resource, ids): &(&str, &str, &[&str])| {
            let device_ids = ids.iter().map(ToString::to_string).collect();
            let devices = ContainerDevices { resource_name: resource.to_string(), device_ids };
            let container = ContainerResources { name: "main".to_owned(), devices: vec![devices] };
            PodResources { name: name.to_string(), namespace: "ai".to_owned(), containers: vec![container] }
        };
        ListPodResourcesResponse { pod_resources: pods.iter().map(pod).collect() }
    }

    #[test]
    fn devices_are_told_by_their_names() {
        let list = list(&[
            ("whole", "nvidia.com/gpu", &["GPU-1", "GPU-2"]),
            ("shared", "nvidia.com/gpu.shared", &["GPU-3::1", "GPU-3::0"]),
            ("mig", "nvidia.com/mig-1g.10gb", &["MIG-4"]),
            ("index", "nvidia.com/gpu", &["0"]),
            ("google", "nvidia.com/gpu", &["nvidia0/gi3/vgpu2", "nvidia1"]),
            ("renamed", "example.com/gpu", &["GPU-5"]),
            ("nic", "rdma/hca", &["mlx5_0"]),
        ]);
        let found = assignments(&list);
        let shown: Vec<_> =
            found.known.iter().map(|(of, share)| format!("{} {:?} {share:?}", of.pod, of.device)).collect();
        assert_eq!(
            shown,
            [
                "google Other(\"nvidia0/gi3\") Some(\"2\")",
                "google Other(\"nvidia1\") None",
                "index Other(\"0\") None",
                "mig Mig(\"MIG-4\") None",
                "renamed Gpu(\"GPU-5\") None",
                "shared Gpu(\"GPU-3\") Some(\"0\")",
                "whole Gpu(\"GPU-1\") None",
                "whole Gpu(\"GPU-2\") None",
            ]
        );
        assert_eq!(found.left_out, 0);
        let (first, _) = found.known.first_key_value().unwrap();
        assert_eq!((first.namespace.as_str(), first.container.as_str()), ("ai", "main"));
    }

    #[test]
    fn more_than_any_machine_has_is_counted() {
        let ids: Vec<String> = (0..500).map(|number| format!("GPU-{number}")).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let long = "x".repeat(254);
        let found =
            assignments(&list(&[("many", "nvidia.com/gpu", &ids), (&long, "nvidia.com/gpu", &["GPU-0"])]));
        assert_eq!((found.known.len(), found.left_out), (448, 53));
    }
}

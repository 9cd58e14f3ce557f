//! Which container has which GPU, from kubelet's list. Pure.

use std::collections::BTreeSet;

use super::api::ListPodResourcesResponse;

/// What the list says of GPUs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Assignments {
    pub(super) known: BTreeSet<Assignment>,
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
    /// Any other name: an index (`--device-id-strategy=index`), or `nvidia0` of a cloud's own plugin.
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
                for device in devices.device_ids.iter().filter_map(|id| device(&devices.resource_name, id)) {
                    let names = [&pod.namespace, &pod.name, &container.name, device.name()];
                    let is_long = names.iter().any(|name| name.len() > LONGEST);
                    let assignment = Assignment {
                        namespace: pod.namespace.clone(),
                        pod: pod.name.clone(),
                        container: container.name.clone(),
                        device,
                    };
                    let is_beyond =
                        assignments.known.len() == MOST && !assignments.known.contains(&assignment);
                    if is_long || is_beyond {
                        assignments.left_out += 1;
                    } else {
                        assignments.known.insert(assignment);
                    }
                }
            }
        }
    }
    assignments
}

/// `None` for what is no GPU. A part of one that is shared by time has a number behind `::`.
fn device(resource: &str, id: &str) -> Option<Device> {
    let (id, _) = id.split_once("::").unwrap_or((id, ""));
    if id.starts_with("GPU-") {
        Some(Device::Gpu(id.to_owned()))
    } else if id.starts_with("MIG-") {
        Some(Device::Mig(id.to_owned()))
    } else {
        resource.starts_with("nvidia.com/").then(|| Device::Other(id.to_owned()))
    }
}

impl Device {
    fn name(&self) -> &String {
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
            ("renamed", "example.com/gpu", &["GPU-5"]),
            ("nic", "rdma/hca", &["mlx5_0"]),
        ]);
        let found = assignments(&list);
        let shown: Vec<_> =
            found.known.iter().map(|found| format!("{} {:?}", found.pod, found.device)).collect();
        assert_eq!(
            shown,
            [
                "index Other(\"0\")",
                "mig Mig(\"MIG-4\")",
                "renamed Gpu(\"GPU-5\")",
                "shared Gpu(\"GPU-3\")",
                "whole Gpu(\"GPU-1\")",
                "whole Gpu(\"GPU-2\")",
            ]
        );
        assert_eq!(found.left_out, 0);
        let first = found.known.first().unwrap();
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

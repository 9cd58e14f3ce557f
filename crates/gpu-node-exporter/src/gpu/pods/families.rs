//! Pods with GPUs as metric families. Pure: the time is an argument.

use std::time::Instant;

use super::assignments::Device;
use super::table::Pods;
use crate::family::{Family, Labels};

/// What names pods.
pub(in crate::gpu) const INFO: &str = "gpu_pod_info";

/// The families at `now`.
pub(in crate::gpu) fn families(pods: &Pods, now: Instant) -> [Family; 2] {
    let mut info = Family::info(
        INFO,
        "A GPU, or a part of one, that a Kubernetes container was given, by kubelet: `uuid` of a GPU, `mig_uuid` of a MIG device, else `device`.",
    );
    let mut up = Family::gauge(
        "gpu_pod_resources_up",
        "Whether kubelet's pod-resources socket answered when it was last asked.",
    );
    for (assignment, _) in pods.known(now) {
        let device = match &assignment.device {
            Device::Gpu(uuid) => ("uuid", uuid),
            Device::Mig(uuid) => ("mig_uuid", uuid),
            Device::Other(name) => ("device", name),
        };
        let labels = [
            device,
            ("namespace", &assignment.namespace),
            ("pod", &assignment.pod),
            ("container_name", &assignment.container),
        ];
        info.push(Labels::new(labels), 1_u64);
    }
    if let Some(is_up) = pods.up {
        up.push(Labels::NONE, is_up);
    }
    [info, up]
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::assignments::assignments;
    use super::super::assignments::tests::list;
    use super::*;

    #[test]
    fn names_and_labels() {
        let mut pods = Pods::default();
        let now = Instant::now();
        assert!(families(&pods, now).iter().all(|family| family.samples.is_empty()));
        let list = list(&[
            ("a", "nvidia.com/gpu", &["GPU-1"]),
            ("b", "nvidia.com/mig-1g.10gb", &["MIG-1"]),
            ("c", "nvidia.com/gpu", &["0"]),
        ]);
        pods.heard(Path::new("k"), Ok(assignments(&list)), now);
        let shown: Vec<String> = families(&pods, now)
            .iter()
            .flat_map(|family| {
                family.samples.iter().map(|sample| format!("{}{:?}", family.name, sample.labels))
            })
            .collect();
        let rest = |pod: &str| format!("namespace=\"ai\",pod=\"{pod}\",container_name=\"main\"}}");
        assert_eq!(
            shown,
            [
                format!("gpu_pod_info{{uuid=\"GPU-1\",{}", rest("a")),
                format!("gpu_pod_info{{mig_uuid=\"MIG-1\",{}", rest("b")),
                format!("gpu_pod_info{{device=\"0\",{}", rest("c")),
                "gpu_pod_resources_up{}".to_owned(),
            ]
        );
    }
}

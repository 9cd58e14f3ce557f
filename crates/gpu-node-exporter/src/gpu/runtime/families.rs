//! Names of containers as metric families. Pure.

use std::collections::BTreeMap;

use super::table::ContainerNames;
use crate::family::{Family, Labels};
use crate::gpu::holders::Holders;
use crate::gpu::subject::known_labels;

/// What names containers.
pub(in crate::gpu) const INFO: &str = "gpu_container_name_info";

/// The names of the containers that hold GPUs, and whether their runtime answers.
pub(in crate::gpu) fn families(names: &ContainerNames, holders: &Holders) -> [Family; 2] {
    let mut info = Family::info(
        INFO,
        "What a container that has processes on GPUs is called, by its runtime; `pod` and `namespace` of a Kubernetes pod's.",
    );
    let mut up = Family::gauge(
        "gpu_container_runtime_up",
        "Whether the container runtime's socket answered when it was last asked.",
    );
    // Each container once, under the id that its other series have.
    let found: BTreeMap<&str, _> =
        holders.containers().filter_map(|(id, short)| Some((short, names.name(id)?))).collect();
    for (container, name) in found {
        let labels = Labels::new([("container", container), ("container_name", name.name.as_str())]);
        let of_pod = [("namespace", name.namespace.as_deref()), ("pod", name.pod.as_deref())];
        info.push(known_labels(&labels, of_pod), 1_u64);
    }
    if let Some(is_up) = names.up {
        up.push(Labels::NONE, is_up);
    }
    [info, up]
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::super::table::tests::that_are_named;
    use super::*;

    #[test]
    fn only_containers_that_hold_gpus_are_named_and_each_once() {
        let (vllm, other) = ("a".repeat(64), "b".repeat(64));
        let group = |id: &str| format!("0::/system.slice/docker-{id}.scope\n");
        let groups = [group(&vllm), group(&vllm), "0::/system.slice/cron.service\n".to_owned()];
        let holders = Holders::in_groups(&groups.each_ref().map(String::as_str));
        let shown = |names: &ContainerNames| -> Vec<String> {
            let families = families(names, &holders);
            let samples = families.iter().flat_map(|family| {
                family.samples.iter().map(|sample| format!("{}{:?}", family.name, sample.labels))
            });
            samples.collect()
        };
        assert_eq!(shown(&ContainerNames::default()), [] as [&str; 0]);
        assert_eq!(
            shown(&that_are_named(&[&vllm, &other], Instant::now())),
            [
                format!(
                    "gpu_container_name_info{{container=\"aaaaaaaaaaaa\",container_name=\"name-of-{vllm}\"}}"
                ),
                "gpu_container_runtime_up{}".to_owned(),
            ]
        );
    }
}

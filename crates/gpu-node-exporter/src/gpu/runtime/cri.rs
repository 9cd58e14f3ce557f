//! Names by Kubernetes' container runtime interface, version v1
//! (<https://github.com/kubernetes/cri-api/blob/master/pkg/apis/runtime/v1/api.proto>), of containerd and CRI-O. Fields that are not here are
//! passed over.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use prost::Message;

use super::name::{CONTAINER_NAME_LABEL, ContainerName, Found, NAMESPACE_LABEL, POD_LABEL};
use crate::gpu::socket::{Failure, call};

/// The method that lists containers.
const LIST: &str = "/runtime.v1.RuntimeService/ListContainers";

/// Without a filter, which could name one container alone: all of them.
#[derive(Clone, PartialEq, Message)]
struct ListContainersRequest {}

#[derive(Clone, PartialEq, Message)]
struct ListContainersResponse {
    #[prost(message, repeated, tag = "1")]
    containers: Vec<Container>,
}

#[derive(Clone, PartialEq, Message)]
struct Container {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(message, optional, tag = "3")]
    metadata: Option<ContainerMetadata>,
    #[prost(btree_map = "string, string", tag = "8")]
    labels: BTreeMap<String, String>,
}

#[derive(Clone, PartialEq, Message)]
struct ContainerMetadata {
    #[prost(string, tag = "1")]
    name: String,
}

/// The names of those of these containers that the runtime has for Kubernetes.
pub(super) async fn ask(socket: &Path, ids: &BTreeSet<String>) -> Result<Found, Failure> {
    let answer: ListContainersResponse = call(socket, LIST, &ListContainersRequest {}).await?;
    Ok(named(answer, ids))
}

/// The names in an answer.
fn named(answer: ListContainersResponse, ids: &BTreeSet<String>) -> Found {
    let mut found = Found::default();
    for Container { id, metadata, mut labels } in answer.containers {
        let own = metadata.map(|metadata| metadata.name);
        let mut label = |name| labels.remove(name);
        let (container, namespace, pod) =
            (label(CONTAINER_NAME_LABEL), label(NAMESPACE_LABEL), label(POD_LABEL));
        found.add(ids, id, ContainerName::of(container, own, namespace, pod));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_is_named_by_kubelets_labels_else_by_its_own_name() {
        let container = |id: &str, name: &str, labels: &[(&str, &str)]| Container {
            id: id.to_owned(),
            metadata: Some(ContainerMetadata { name: name.to_owned() }),
            labels: labels.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect(),
        };
        let of_pod = [(CONTAINER_NAME_LABEL, "vllm"), (NAMESPACE_LABEL, "ai"), (POD_LABEL, "qwen-0")];
        let containers =
            vec![container("a1", "x", &of_pod), container("b2", "crictl", &[]), container("c3", "", &[])];
        let ids = ["a1", "b2", "c3"].map(str::to_owned).into();
        let found = named(ListContainersResponse { containers }, &ids);
        let some = |text: &str| Some(text.to_owned());
        let expected = [
            (
                "a1".to_owned(),
                ContainerName { name: "vllm".to_owned(), namespace: some("ai"), pod: some("qwen-0") },
            ),
            ("b2".to_owned(), ContainerName { name: "crictl".to_owned(), namespace: None, pod: None }),
        ];
        assert_eq!(found, Found { names: expected.into(), left_out: 1 });
    }
}

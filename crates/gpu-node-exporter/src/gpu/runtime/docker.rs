//! Names by the Docker Engine API (<https://docs.docker.com/reference/api/engine/>, "List containers"), which Podman speaks too. Without a
//! version in the path each answers by its newest.

use std::collections::BTreeSet;
use std::path::Path;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::name::{ContainerName, Found};
use crate::gpu::socket::{Failure, get};

/// An id that no container has. A list of no ids would ask for all containers.
const NOBODY: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What is read of a container; fields that are not here are passed over.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    id: String,
    /// `/vllm`; behind it may stand what other containers call it, `/web/vllm`.
    #[serde(default)]
    names: Option<Vec<String>>,
    #[serde(default)]
    labels: Option<Labels>,
}

/// Of a container that kubelet made.
#[derive(Default, Deserialize)]
struct Labels {
    #[serde(rename = "io.kubernetes.container.name", default)]
    container: Option<String>,
    #[serde(rename = "io.kubernetes.pod.namespace", default)]
    namespace: Option<String>,
    #[serde(rename = "io.kubernetes.pod.name", default)]
    pod: Option<String>,
}

/// The names of those of these containers that run.
pub(super) async fn ask(socket: &Path, ids: &BTreeSet<String>) -> Result<Found, Failure> {
    named(&get(socket, &path(ids)).await?, ids)
}

/// The question.
fn path(ids: &BTreeSet<String>) -> String {
    let mut ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    if ids.is_empty() {
        ids.push(NOBODY);
    }
    let filters = serde_json::json!({ "id": ids }).to_string();
    format!("/containers/json?filters={}", utf8_percent_encode(&filters, NON_ALPHANUMERIC))
}

/// The names in an answer.
fn named(answer: &[u8], ids: &BTreeSet<String>) -> Result<Found, Failure> {
    let listed: Vec<Listed> = serde_json::from_slice(answer).map_err(|_| Failure::Unreadable)?;
    let mut found = Found::default();
    for Listed { id, names, labels } in listed {
        let Labels { container, namespace, pod } = labels.unwrap_or_default();
        let own = |names: Vec<String>| {
            let own = names.iter().filter_map(|name| name.strip_prefix('/')).find(|name| !name.contains('/'));
            own.map(str::to_owned)
        };
        let own = names.and_then(own);
        found.add(ids, id, ContainerName::of(container, own, namespace, pod));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ANSWER: &str = r#"[
        { "Id": "a1", "Names": ["/web/engine", "/vllm"], "Image": "vllm/vllm-openai", "Labels": { "maintainer": "me" }, "State": "running" },
        { "Id": "b2", "Names": ["/k8s_vllm_qwen-0_ai_uid_0"], "Labels": { "io.kubernetes.container.name": "vllm",
          "io.kubernetes.pod.name": "qwen-0", "io.kubernetes.pod.namespace": "ai", "other": "" } },
        { "Id": "c3", "Names": null, "Labels": null },
        { "Id": "d4", "Names": ["/somebody-elses"] }
    ]"#;

    fn ids(ids: &[&str]) -> BTreeSet<String> {
        ids.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_container_is_called_as_its_owner_calls_it() {
        let found = named(ANSWER.as_bytes(), &ids(&["a1", "b2", "c3"])).expect("a list");
        let name = |name: &str, pod: Option<&str>, namespace: Option<&str>| ContainerName {
            name: name.to_owned(),
            namespace: namespace.map(str::to_owned),
            pod: pod.map(str::to_owned),
        };
        let expected = [
            ("a1".to_owned(), name("vllm", None, None)),
            ("b2".to_owned(), name("vllm", Some("qwen-0"), Some("ai"))),
        ];
        assert_eq!(found, Found { names: expected.into(), left_out: 1 });
        for answer in ["", "{}", "[{}]", r#"[{"Id": 7}]"#, "<html>"] {
            assert!(matches!(named(answer.as_bytes(), &ids(&["a1"])), Err(Failure::Unreadable)), "{answer}");
        }
    }

    #[test]
    fn only_containers_that_hold_gpus_are_asked_for() {
        let encoded = |text: &str| format!("/containers/json?filters={text}");
        assert_eq!(path(&ids(&["a1", "b2"])), encoded("%7B%22id%22%3A%5B%22a1%22%2C%22b2%22%5D%7D"));
        assert_eq!(path(&ids(&[])), encoded(&format!("%7B%22id%22%3A%5B%22{NOBODY}%22%5D%7D")));
    }

    proptest! {
        #[test]
        fn no_answer_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0_usize..700) {
            let asked = ids(&["a1", "b2"]);
            let _ = named(&bytes, &asked);
            let mut damaged = ANSWER.as_bytes().to_vec();
            let at = at.min(damaged.len());
            damaged.splice(at..(at + 1).min(damaged.len()), bytes);
            let _ = named(&damaged, &asked);
        }
    }
}

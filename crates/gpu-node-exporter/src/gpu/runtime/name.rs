//! What a container is called. Pure.

use std::collections::{BTreeMap, BTreeSet};

/// What a container is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ContainerName {
    /// In a pod that of the pod's manifest, else its own.
    pub(super) name: String,
    /// Of a container of a Kubernetes pod.
    pub(super) namespace: Option<String>,
    pub(super) pod: Option<String>,
}

impl ContainerName {
    /// By kubelet's label, else by its own name. An empty text says nothing.
    pub(super) fn of(
        label: Option<String>,
        own: Option<String>,
        namespace: Option<String>,
        pod: Option<String>,
    ) -> Self {
        let said = |text: Option<String>| text.filter(|text| !text.is_empty());
        let name = said(label).or(own).unwrap_or_default();
        Self { name, namespace: said(namespace), pod: said(pod) }
    }
}

/// The labels that kubelet gives the containers it makes, whichever runtime makes them.
pub(super) const CONTAINER_NAME_LABEL: &str = "io.kubernetes.container.name";
pub(super) const NAMESPACE_LABEL: &str = "io.kubernetes.pod.namespace";
pub(super) const POD_LABEL: &str = "io.kubernetes.pod.name";

/// Bytes of a name. Kubernetes allows 253 (RFC 1123).
const LONGEST: usize = 253;

/// The names in an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// By the containers' whole ids.
    pub(super) names: BTreeMap<String, ContainerName>,
    /// Containers whose names are empty, or longer than any.
    pub(super) left_out: usize,
}

impl Found {
    /// Takes in a container of the answer, if it is one of these. A name that is missing is empty.
    pub(super) fn add(&mut self, ids: &BTreeSet<String>, id: String, name: ContainerName) {
        if !ids.contains(&id) {
            return;
        }
        let own = Some(&name.name);
        let names = [own, name.namespace.as_ref(), name.pod.as_ref()];
        if names.into_iter().flatten().all(|name| (1..=LONGEST).contains(&name.len())) {
            self.names.insert(id, name);
        } else {
            self.left_out += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_empty_says_nothing() {
        let some = |text: &str| Some(text.to_owned());
        let named = |name: &str, namespace| ContainerName { name: name.to_owned(), namespace, pod: None };
        for (label, own, namespace, expected) in [
            (some("vllm"), some("k8s_vllm"), some("ai"), named("vllm", some("ai"))),
            (some(""), some("engine"), some(""), named("engine", None)),
            (None, some("engine"), None, named("engine", None)),
            (some(""), None, None, named("", None)),
        ] {
            assert_eq!(ContainerName::of(label, own, namespace, some("")), expected);
        }
    }

    #[test]
    fn who_was_not_asked_for_and_who_has_no_name_is_left_out() {
        let named = |name: &str| ContainerName { name: name.to_owned(), namespace: None, pod: None };
        let asked = ["a", "b", "c"].map(str::to_owned).into();
        let mut found = Found::default();
        found.add(&asked, "a".to_owned(), named(&"n".repeat(253)));
        found.add(&asked, "b".to_owned(), named(&"n".repeat(254)));
        found.add(&asked, "c".to_owned(), named(""));
        found.add(&asked, "d".to_owned(), named("other"));
        assert_eq!(found.names.keys().collect::<Vec<_>>(), ["a"]);
        assert_eq!(found.left_out, 2);
    }
}

//! Where a container runtime is asked for names, as `--gpu.container-runtime` says it: `docker:FILE` or `cri:FILE`.

use std::fmt;
use std::path::PathBuf;

/// A container runtime's socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RuntimeAddress {
    pub(super) api: RuntimeApi,
    pub(super) socket: PathBuf,
}

/// What a runtime speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RuntimeApi {
    /// The Docker Engine API, which Podman speaks too.
    Docker,
    /// The Kubernetes Container Runtime Interface, of containerd and CRI-O.
    Cri,
}

impl RuntimeAddress {
    /// `docker:/var/run/docker.sock`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (api, socket) = text.split_once(':')?;
        let api = match api {
            "docker" => RuntimeApi::Docker,
            "cri" => RuntimeApi::Cri,
            _ => return None,
        };
        socket.starts_with('/').then(|| Self { api, socket: PathBuf::from(socket) })
    }
}

impl fmt::Display for RuntimeAddress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let api = match self.api {
            RuntimeApi::Docker => "docker",
            RuntimeApi::Cri => "cri",
        };
        write!(out, "{api}:{}", self.socket.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_an_api_and_a_file() {
        for text in ["docker:/var/run/docker.sock", "cri:/run/containerd/containerd.sock"] {
            assert_eq!(RuntimeAddress::parse(text).map(|address| address.to_string()).as_deref(), Some(text));
        }
        for text in ["", "/var/run/docker.sock", "docker:", "docker:docker.sock", "unix:///run/docker.sock"] {
            assert_eq!(RuntimeAddress::parse(text), None, "{text}");
        }
    }
}

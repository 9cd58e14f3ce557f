//! Whose a process is, by its control group: a container, a Kubernetes pod, a Slurm job, a systemd unit.
//!
//! Runtimes and batch systems name the groups they make after what runs in them, so `/proc/PID/cgroup` (cgroups(7)) tells without any
//! socket. Owns these names. Pure. Leaves out reading the file.

use std::collections::BTreeSet;

/// Whose a process is. Equal for all processes of one container, job or unit.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Owner {
    pub(crate) kind: OwnerKind,
    /// The container's whole id, `job_7`, or the unit's name; empty for [`OwnerKind::None`].
    pub(crate) id: String,
    /// The pod that the container belongs to.
    pub(crate) pod_uid: Option<String>,
    /// The number of the Slurm job; a container may run in one.
    pub(crate) slurm_job: Option<String>,
    /// The systemd unit, where a unit of its own runs it.
    pub(crate) unit: Option<String>,
}

/// What kind of owner it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum OwnerKind {
    Docker,
    Containerd,
    CriO,
    Podman,
    /// A container by the form of its id, of a runtime that does not say its name.
    Container,
    Slurm,
    Systemd,
    /// It is in no group that says anything.
    #[default]
    None,
    /// Its group cannot be read.
    Unknown,
}

impl OwnerKind {
    /// As the label `kind` has it.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Containerd => "containerd",
            Self::CriO => "cri-o",
            Self::Podman => "podman",
            Self::Container => "container",
            Self::Slurm => "slurm",
            Self::Systemd => "systemd",
            Self::None => "none",
            Self::Unknown => "unknown",
        }
    }

    pub(super) fn is_container(self) -> bool {
        matches!(self, Self::Docker | Self::Containerd | Self::CriO | Self::Podman | Self::Container)
    }
}

impl Owner {
    /// One whose group cannot be read.
    pub(crate) fn unknown() -> Self {
        Self { kind: OwnerKind::Unknown, ..Self::default() }
    }

    /// The id as it is usually written: the first twelve digits of a container's.
    pub(crate) fn short_id(&self) -> &str {
        let is_hash = self.kind.is_container() && is_hash(&self.id);
        if is_hash { self.id.get(..12).unwrap_or(&self.id) } else { &self.id }
    }
}

/// The owner that the text of `/proc/PID/cgroup` tells of. In a mixed hierarchy the line that tells most counts: systemd's own knows the
/// unit, and a controller's may know the container.
pub(crate) fn owner(text: &str) -> Owner {
    let paths = text.lines().filter_map(|line| line.splitn(3, ':').nth(2));
    // Most lines of version 1 say the same.
    let different: BTreeSet<&str> = paths.collect();
    different
        .iter()
        .map(|path| of_path(path))
        .min_by_key(|owner| (rank(owner.kind), owner.id.len()))
        .unwrap_or_default()
}

/// What tells more comes first.
fn rank(kind: OwnerKind) -> u8 {
    match kind {
        OwnerKind::Docker | OwnerKind::Containerd | OwnerKind::CriO | OwnerKind::Podman => 0,
        OwnerKind::Container => 1,
        OwnerKind::Slurm => 2,
        OwnerKind::Systemd => 3,
        OwnerKind::None | OwnerKind::Unknown => 4,
    }
}

/// The owner that one path tells of: the innermost container, else the job, else the unit.
fn of_path(path: &str) -> Owner {
    let mut parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | "." | "..")).collect();
    let container = (0..parts.len()).rev().find_map(|at| Some((at, container(&parts[..=at])?)));
    // What runs in a container (systemd, Slurm) names the groups below its own: with these, one container would be several owners.
    if let Some((at, _)) = &container {
        parts.truncate(at + 1);
    }
    let pod_uid = parts.iter().rev().find_map(|part| pod_uid(part));
    let slurm_job = slurm_job(&parts);
    let unit = parts.iter().rev().find(|part| is_unit(part)).map(|unit| (*unit).to_owned());
    if let Some((_, (kind, id))) = container {
        // The unit of another runtime is the runtime.
        let unit = unit.filter(|unit| {
            kind == OwnerKind::Podman && unit.ends_with(".service") && !unit.starts_with("user@")
        });
        return Owner { kind, id, pod_uid, slurm_job, unit };
    }
    if let Some(job) = &slurm_job {
        return Owner { kind: OwnerKind::Slurm, id: format!("job_{job}"), slurm_job, ..Owner::default() };
    }
    // Owners of one id are one, so nothing else of a path is told of these.
    unit.map_or_else(Owner::default, |name| Owner {
        kind: OwnerKind::Systemd,
        id: name.clone(),
        unit: Some(name),
        ..Owner::default()
    })
}

/// What containers' groups begin with, and whose they are.
const PREFIXES: [(&str, OwnerKind); 6] = [
    ("docker-", OwnerKind::Docker),
    ("cri-containerd-", OwnerKind::Containerd),
    ("nerdctl-", OwnerKind::Containerd),
    ("crio-", OwnerKind::CriO),
    ("libpod-payload-", OwnerKind::Podman),
    ("libpod-", OwnerKind::Podman),
];

/// The container that the last of these parts of a path is, if it is one.
fn container(parts: &[&str]) -> Option<(OwnerKind, String)> {
    let (last, before) = parts.split_last()?;
    // With containerd's systemd driver misconfigured: `kubepods-besteffort-podUID.slice:cri-containerd:ID`.
    if let Some((_, rest)) = last.split_once(':')
        && let Some((runtime, id)) = rest.split_once(':')
        && is_hash(id)
    {
        let kind = match runtime {
            "cri-containerd" | "nerdctl" => OwnerKind::Containerd,
            "crio" => OwnerKind::CriO,
            "docker" => OwnerKind::Docker,
            "libpod" => OwnerKind::Podman,
            _ => OwnerKind::Container,
        };
        return Some((kind, id.to_owned()));
    }
    let name = last.strip_suffix(".scope").unwrap_or(last);
    for (prefix, kind) in PREFIXES {
        if let Some(id) = name.strip_prefix(prefix)
            && is_hash(id)
        {
            return Some((kind, id.to_owned()));
        }
    }
    if !is_hash(name) {
        return None;
    }
    let kind = match before.last() {
        Some(&"docker") => OwnerKind::Docker,
        // `ctr` and `nerdctl` without systemd: the group of the namespace.
        Some(&("default" | "k8s.io" | "moby")) if before.len() == 1 => OwnerKind::Containerd,
        Some(&("libpod" | "libpod_parent")) => OwnerKind::Podman,
        // Kubernetes without systemd names no runtime either.
        _ => OwnerKind::Container,
    };
    Some((kind, name.to_owned()))
}

/// A container's id: 64 hexadecimal digits.
fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The pod of `pod0f…`, `kubepods-burstable-pod0f_….slice`, and of what stands in front of a colon.
fn pod_uid(part: &str) -> Option<String> {
    let part = part.split(':').next().unwrap_or(part);
    let name = part.strip_suffix(".slice").unwrap_or(part);
    let uid = match name.strip_prefix("pod") {
        Some(uid) => uid,
        None if name.contains("kubepods") => name.rsplit_once("-pod")?.1,
        None => return None,
    };
    let uid = uid.replace('_', "-");
    // A static pod's is a hash of its file.
    let is_uid =
        matches!(uid.len(), 36 | 32) && uid.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    is_uid.then_some(uid)
}

/// The job of `/slurm/uid_0/job_7/…` and of `/system.slice/slurmstepd.scope/job_7/…`.
fn slurm_job(parts: &[&str]) -> Option<String> {
    let slurm = parts.iter().position(|part| {
        *part == "slurm" || part.starts_with("slurm_") || part.ends_with("slurmstepd.scope")
    })?;
    let job = parts[slurm..].iter().find_map(|part| part.strip_prefix("job_"))?;
    let is_number = !job.is_empty() && job.len() <= 10 && job.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| job.to_owned())
}

/// A unit that runs processes. systemd allows 255 characters.
fn is_unit(part: &str) -> bool {
    let kind = part.rsplit_once('.').map(|(_, kind)| kind);
    matches!(kind, Some("service" | "scope")) && part.len() <= 255 && part != "init.scope"
}

#[cfg(test)]
mod tests;

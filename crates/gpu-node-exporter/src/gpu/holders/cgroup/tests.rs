//! Paths as the runtimes make them, with the programs' versions or documents that they come from.

use super::*;

const ID: &str = "3f4e6a1c0d9b8e7f60514233a4b5c6d7e8f9011223344556677889900aabbcc1";
const OTHER: &str = "aa4e6a1c0d9b8e7f60514233a4b5c6d7e8f9011223344556677889900aabbcc2";
const POD: &str = "0f3cbd52-7a1c-4c55-9d2e-1b0a4f6f9e11";

/// The text with `ID`, `OTHER`, `POD` and `POD_` (with underscores) filled in.
fn fill(text: &str) -> String {
    text.replace("OTHER", OTHER).replace("POD_", &POD.replace('-', "_")).replace("POD", POD).replace("ID", ID)
}

fn check(
    text: &str,
    kind: OwnerKind,
    id: &str,
    pod_uid: Option<&str>,
    slurm_job: Option<&str>,
    unit: Option<&str>,
) {
    let expected = Owner {
        kind,
        id: fill(id),
        pod_uid: pod_uid.map(fill),
        slurm_job: slurm_job.map(str::to_owned),
        unit: unit.map(str::to_owned),
    };
    assert_eq!(owner(&fill(text)), expected, "{text}");
}

#[test]
fn containers_without_kubernetes() {
    use OwnerKind::{Container, Containerd, Docker, Podman};
    for (text, kind, unit) in [
        // Docker, systemd driver, version 2 of control groups, and the same on version 1.
        ("0::/system.slice/docker-ID.scope\n", Docker, None),
        (
            "13:memory:/system.slice/docker-ID.scope\n1:name=systemd:/system.slice/docker-ID.scope\n0::/system.slice/containerd.service\n",
            Docker,
            None,
        ),
        // Docker, cgroupfs driver.
        ("0::/docker/ID\n", Docker, None),
        (
            "12:pids:/docker/ID\n3:cpu,cpuacct:/docker/ID\n1:name=systemd:/docker/ID\n0::/system.slice/docker.service\n",
            Docker,
            None,
        ),
        // Rootless Docker.
        ("0::/user.slice/user-1000.slice/user@1000.service/user.slice/docker-ID.scope\n", Docker, None),
        // Docker in Docker: the inner one.
        ("0::/docker/OTHER/docker/ID\n", Docker, None),
        // systemd within a container.
        ("0::/system.slice/docker-ID.scope/system.slice/nginx.service\n", Docker, None),
        // Read from a container with a group namespace of its own.
        ("0::/../docker-ID.scope\n", Docker, None),
        // A parent of the user's.
        ("0::/mine/ID\n", Container, None),
        // nerdctl with and without systemd, and ctr.
        ("0::/system.slice/nerdctl-ID.scope\n", Containerd, None),
        ("0::/default/ID\n", Containerd, None),
        // Podman: machine.slice, rootless, cgroupfs, with the subgroup of version 2, in a pod.
        ("0::/machine.slice/libpod-ID.scope\n", Podman, None),
        ("0::/machine.slice/libpod-ID.scope/container\n", Podman, None),
        (
            "0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope/container\n",
            Podman,
            None,
        ),
        ("12:devices:/libpod_parent/libpod-ID\n1:name=systemd:/libpod_parent/libpod-ID\n", Podman, None),
        ("0::/machine.slice/machine-libpod_pod_OTHER.slice/libpod-ID.scope/container\n", Podman, None),
        // Podman's units (Quadlet, cgroups=split).
        ("0::/system.slice/vllm.service/libpod-payload-ID\n", Podman, Some("vllm.service")),
        (
            "0::/user.slice/user-1000.slice/user@1000.service/app.slice/vllm.service/libpod-payload-ID\n",
            Podman,
            Some("vllm.service"),
        ),
        // systemd or Slurm within a container of Podman's: all of it is one owner.
        ("0::/machine.slice/libpod-ID.scope/container/system.slice/a.service\n", Podman, None),
        ("0::/machine.slice/libpod-ID.scope/container/system.slice/b.service\n", Podman, None),
        (
            "0::/machine.slice/libpod-ID.scope/container/system.slice/slurmstepd.scope/job_7/step_0\n",
            Podman,
            None,
        ),
        (
            "0::/system.slice/vllm.service/libpod-payload-ID/system.slice/a.service\n",
            Podman,
            Some("vllm.service"),
        ),
    ] {
        check(text, kind, "ID", None, None, unit);
    }
}

#[test]
fn containers_of_pods() {
    use OwnerKind::{Container, Containerd, CriO, Docker};
    for (text, kind) in [
        // kubelet with the systemd driver, by runtime and class of service.
        (
            "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podPOD_.slice/cri-containerd-ID.scope\n",
            Containerd,
        ),
        ("0::/kubepods.slice/kubepods-podPOD_.slice/cri-containerd-ID.scope\n", Containerd),
        (
            "0::/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-podPOD_.slice/crio-ID.scope\n",
            CriO,
        ),
        (
            "0::/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-podPOD_.slice/crio-ID.scope/container\n",
            CriO,
        ),
        (
            "5:cpuset:/kubepods.slice/kubepods-podPOD_.slice/docker-ID.scope\n1:name=systemd:/kubepods.slice/kubepods-podPOD_.slice/docker-ID.scope\n",
            Docker,
        ),
        // With the cgroupfs driver, where containerd and Docker do not say their names.
        ("0::/kubepods/burstable/podPOD/ID\n", Container),
        ("11:devices:/kubepods/podPOD/ID\n1:name=systemd:/kubepods/podPOD/ID\n", Container),
        ("0::/kubepods/burstable/podPOD/crio-ID\n", CriO),
        // containerd asked for systemd's groups by a kubelet that asks for cgroupfs.
        (
            "1:name=systemd:/system.slice/containerd.service/kubepods-besteffort-podPOD_.slice:cri-containerd:ID\n",
            Containerd,
        ),
        // kind: a node that is a container itself.
        (
            "0::/system.slice/docker-OTHER.scope/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-podPOD_.slice/cri-containerd-ID.scope\n",
            Containerd,
        ),
        // Microk8s and k3s.
        (
            "0::/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-podPOD_.slice/cri-containerd-ID.scope\n",
            Containerd,
        ),
    ] {
        check(text, kind, "ID", Some("POD"), None, None);
    }
    // A static pod's uid is a hash without dashes.
    let uid = "d4f0a1b2c3d4e5f60718293a4b5c6d7e";
    check(
        &format!(
            "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{uid}.slice/cri-containerd-ID.scope\n"
        ),
        Containerd,
        "ID",
        Some(uid),
        None,
        None,
    );
}

#[test]
fn jobs_and_units() {
    use OwnerKind::{Docker, None as NoOwner, Slurm, Systemd};
    for text in [
        // Slurm's cgroup/v1 and cgroup/v2 plugins; several slurmd on one machine.
        "11:memory:/slurm/uid_1000/job_77/step_0/task_0\n1:name=systemd:/system.slice/slurmd.service\n",
        "11:memory:/slurm_node1/uid_1000/job_77/step_batch\n",
        "0::/system.slice/slurmstepd.scope/job_77/step_0/user/task_0\n",
        "0::/system.slice/node1_slurmstepd.scope/job_77/step_extern/user/task_special\n",
    ] {
        check(text, Slurm, "job_77", None, Some("77"), None);
    }
    check(
        "0::/system.slice/slurmstepd.scope/job_77/step_0/user/task_0/docker/ID\n",
        Docker,
        "ID",
        None,
        Some("77"),
        None,
    );
    for (text, unit) in [
        ("0::/system.slice/vllm.service\n", "vllm.service"),
        ("0::/system.slice/system-vllm.slice/vllm@0.service\n", "vllm@0.service"),
        (
            "5:cpu:/\n1:name=systemd:/system.slice/vllm.service\n0::/system.slice/vllm.service\n",
            "vllm.service",
        ),
        ("0::/user.slice/user-1000.slice/session-3.scope\n", "session-3.scope"),
        ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/jupyter.service\n", "jupyter.service"),
        ("0::/system.slice/slurmd.service\n", "slurmd.service"),
        // The monitor of a container is not in it.
        ("0::/machine.slice/libpod-conmon-ID.scope\n", "libpod-conmon-ID.scope"),
    ] {
        check(text, Systemd, unit, None, None, Some(&fill(unit)));
    }
    for text in [
        "",
        "0::/\n",
        "0::/init.scope\n",
        "0::/user.slice\n",
        "no colons\n",
        "0::/slurm/uid_0/job_x\n",
        "0::/../..\n",
        "1:cpu:\n",
        "0::/kubepods.slice/kubepods-podPOD_.slice\n",
    ] {
        check(text, NoOwner, "", None, None, None);
    }
}

#[test]
fn a_containers_id_is_shortened_and_no_other() {
    let of = |text: &str| owner(&fill(text)).short_id().to_owned();
    assert_eq!(of("0::/docker/ID\n"), ID[..12]);
    assert_eq!(of("0::/system.slice/a-unit-with-a-long-name.service\n"), "a-unit-with-a-long-name.service");
    assert_eq!(Owner::unknown().short_id(), "");
}

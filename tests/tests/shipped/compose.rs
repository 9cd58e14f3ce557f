//! The compose file, for what neither Compose nor its schema would say.

use e2e::chain::parts::MOUNT_POINTS_EXCLUDE;
use serde_json::Value;

use crate::files::{list, path, text, yaml};

pub(crate) fn services() -> Vec<(String, Value)> {
    let compose = yaml("docker-compose.yml");
    compose["services"].as_object().unwrap().clone().into_iter().collect()
}

#[test]
fn it_fits_both_generations_of_compose() {
    let compose = yaml("docker-compose.yml");
    for key in ["version", "name", "include", "configs"] {
        assert!(compose.get(key).is_none(), "`{key}` is obsolete or unknown to docker-compose 1.29");
    }
    for (name, service) in services() {
        for key in ["gpus", "pull_policy", "develop", "post_start"] {
            assert!(service.get(key).is_none(), "{name}: `{key}` is unknown to docker-compose 1.29");
        }
        assert!(service["healthcheck"].get("start_interval").is_none(), "{name}");
    }
    // 1.29 knows `${A:-b}` and `${A:?b}` only.
    assert!(!text("docker-compose.yml").contains(":+"));
}

#[test]
fn every_named_volume_is_declared_and_every_mounted_file_exists() {
    let compose = yaml("docker-compose.yml");
    for (name, service) in services() {
        for mount in list(&service, "volumes") {
            let mount = with_defaults(mount.as_str().unwrap());
            let source = mount.split(':').next().unwrap();
            if let Some(file) = source.strip_prefix("./") {
                assert!(path(file).exists(), "{name} mounts {source}");
            } else if !source.starts_with('/') {
                assert!(
                    compose["volumes"].get(source).is_some(),
                    "{name}: the volume {source} is not declared"
                );
            }
        }
    }
}

/// A text as Compose reads it where nothing is set.
fn with_defaults(text: &str) -> String {
    let mut parts = text.split("${");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |read, part| {
        let (variable, rest) = part.split_once('}').unwrap();
        let (_, default) = variable.split_once(":-").unwrap();
        format!("{read}{default}{rest}")
    })
}

/// What is simulated must not run, and must not be scraped, unless somebody asks for it; and what is scraped then is what runs then.
#[test]
fn the_demo_is_a_profile_with_targets_of_its_own() {
    let demo: Vec<String> = services()
        .into_iter()
        .filter(|(_, service)| service.to_string().contains("demo"))
        .filter(|(name, _)| name != "prometheus")
        .map(|(name, service)| {
            assert_eq!(list(&service, "profiles"), ["demo"], "{name}");
            name
        })
        .collect();
    assert_eq!(demo, ["demo-gpu-node-exporter", "engine-sim"]);
    let compose = yaml("docker-compose.yml");
    let exporter = compose["services"]["demo-gpu-node-exporter"].to_string();
    assert!(
        exporter.contains("\"pid\":\"service:engine-sim\"") && exporter.contains("libnvml_sim.so"),
        "{exporter}"
    );
    for (file, target) in [("nodes.yml", "demo-gpu-node-exporter:9100"), ("inference.yml", "engine-sim:8000")]
    {
        let (usual, demo) =
            (format!("deploy/prometheus/targets/{file}"), format!("deploy/prometheus/targets-demo/{file}"));
        assert!(!text(&usual).contains("sim") && text(&demo).contains(target), "{file}");
        let node = "simulated-inference-node";
        assert!(text(&demo).contains(node), "{demo}");
    }
    let scenario = yaml("crates/nvml-sim/scenarios/inference.yaml");
    assert_eq!(scenario["processes"][0]["pid"], 1, "the first process of engine-sim's container");
    let image = text("deploy/docker/demo.Dockerfile");
    assert!(image.contains("scenarios/inference.yaml") && image.contains("/opt/demo/"), "{image}");
}

/// Two relays that differ in more than their names would take over from each other into something else.
#[test]
fn a_second_relay_and_its_database_are_a_profile() {
    let compose = yaml("docker-compose.yml");
    let (one, two) = (&compose["services"]["alert-relay"], &compose["services"]["alert-relay-two"]);
    for name in ["alert-relay-two", "relay-store"] {
        assert_eq!(list(&compose["services"][name], "profiles"), ["ha"], "{name}");
    }
    assert!(one["profiles"].is_null());
    // Which of them delivers stands in the database and in logs by its host's name.
    for name in ["alert-relay", "alert-relay-standby", "alert-relay-two"] {
        assert_eq!(compose["services"][name]["hostname"], name);
    }
    for key in ["build", "command", "mem_limit", "read_only", "cap_drop", "stop_grace_period", "healthcheck"]
    {
        assert_eq!(one[key], two[key], "{key}");
    }
    let environment = |service: &Value| {
        let text = service["environment"].to_string();
        assert!(text.contains("${RELAY_STORE:-sqlite:///var/lib/alert-relay/relay.db}"), "{text}");
        assert!(text.contains("/etc/alert-relay/secrets/pgpass"), "{text}");
    };
    environment(one);
    // YAML's merge key is the composer's to resolve.
    assert!(text("docker-compose.yml").contains("<<: *relay-environment"));
    assert!(list(&compose["services"]["relay-store"], "ports").is_empty(), "the database is published");
    let own = |service: &Value| list(service, "volumes").last().unwrap().clone();
    assert_ne!(own(one), own(two), "the lock and the control socket are each relay's own");
    let start = text("deploy/docker/relay-store");
    assert!(start.contains("--auth=scram-sha-256") && !start.contains("trust"), "{start}");
    let dockerfile = text("deploy/docker/relay-store.Dockerfile");
    assert!(dockerfile.contains("USER 60860:60860"), "it could not read the password file");
    let example = text(".env.example");
    assert!(example.contains("#RELAY_STORE=postgres://relay@relay-store/relay"), "{example}");
}

#[test]
fn nothing_is_published_beyond_this_machine() {
    for (name, service) in services() {
        for port in list(&service, "ports") {
            assert!(port.as_str().unwrap().starts_with("127.0.0.1:"), "{name} publishes {port}");
        }
        for secret in ["password", "PASSWORD"] {
            let environment = service["environment"].to_string();
            assert!(
                !environment.contains(secret),
                "{name}: a secret in the environment is seen by `docker inspect`"
            );
        }
    }
    let exporter = yaml("docker-compose.yml")["services"]["gpu-node-exporter"]["command"].to_string();
    assert!(exporter.contains("--web.listen-address=${EXPORTER_LISTEN:-172.30.98.1:9100}"), "{exporter}");
    // it::neighbour shows what this keeps out.
    assert!(exporter.contains("--web.allowed-sources="), "{exporter}");
    assert!(!exporter.contains("--web.enable-lifecycle"), "{exporter}");
}

#[test]
fn every_service_is_watched_and_bounded() {
    for (name, service) in services() {
        assert!(service["healthcheck"]["test"].is_array(), "{name} has no health check");
        assert_eq!(service["restart"], "unless-stopped", "{name}");
        assert!(service["logging"]["options"]["max-size"].is_string(), "{name}'s log grows without end");
        assert!(service["mem_limit"].is_string(), "{name} may take all memory");
        assert!(service["pids_limit"].as_u64().is_some(), "{name} may start processes without end");
    }
}

/// At a limit below this the exporter cannot start the process that would read a healthy GPU. docs/limits.md has the numbers.
#[test]
fn the_exporter_may_have_a_process_for_each_gpu_that_hangs() {
    const GPUS: u64 = 64;
    let probes = 2 * GPUS + 6;
    // Two threads of each probe, and one of the exporter's that reads its pipe; then its own, and those left behind with files that hang.
    let tasks = 3 * probes + 15 + 16 + 16 + 2;
    let compose =
        services().into_iter().find(|(name, _)| name == "gpu-node-exporter").expect("it is a service").1;
    assert!(compose["pids_limit"].as_u64() >= Some(tasks), "{tasks} of {:?}", compose["pids_limit"]);
    let unit = text("deploy/systemd/gpu-node-exporter.service");
    let unit = unit.lines().find_map(|line| line.strip_prefix("TasksMax=")).expect("it has a limit");
    assert!(unit.parse::<u64>().expect("a number") >= tasks, "{tasks} of {unit}");
}

/// Alerts that need a flag of the exporter are blind wherever it is forgotten.
#[test]
fn every_start_of_the_exporter_shows_shared_memory_and_reads_textfiles() {
    let compose = yaml("docker-compose.yml")["services"]["gpu-node-exporter"]["command"].to_string();
    let unit = text("deploy/systemd/gpu-node-exporter.service");
    let mounts = format!("--collector.filesystem.mount-points-exclude={MOUNT_POINTS_EXCLUDE}");
    for start in [compose, unit] {
        // Both Compose and systemd write a dollar sign as two.
        let start = start.replace("$$", "$");
        for flag in [mounts.as_str(), "--collector.textfile.directory=/var/lib/gpu-node-exporter"] {
            assert!(start.contains(flag), "{flag} is missing: {start}");
        }
    }
}

/// The kernel's log is the only place of some XIDs: a device, and a capability unless `kernel.dmesg_restrict` is 0.
#[test]
fn the_kernels_log_is_open_to_the_exporter() {
    let compose = yaml("docker-compose.yml");
    let rules = list(&compose["services"]["gpu-node-exporter"], "device_cgroup_rules");
    assert!(rules.iter().any(|rule| rule == "c 1:11 r"), "{rules:?}");
    let unit = text("deploy/systemd/gpu-node-exporter.service");
    for line in
        ["DeviceAllow=/dev/kmsg r", "AmbientCapabilities=CAP_SYSLOG", "CapabilityBoundingSet=CAP_SYSLOG"]
    {
        assert!(unit.lines().any(|other| other == line), "{line} is missing");
    }
}

/// A mistake in relay.yml must not keep Prometheus from starting.
#[test]
fn no_service_waits_for_anothers_health() {
    for (name, service) in services() {
        assert!(service["depends_on"].is_null() || service["depends_on"].is_array(), "{name}");
    }
}

/// Its lifecycle paths take a POST from any web page that is open on this machine, `/-/quit` among them.
#[test]
fn prometheus_cannot_be_stopped_by_a_web_page_and_takes_up_changed_files_by_itself() {
    let compose = yaml("docker-compose.yml");
    let command = compose["services"]["prometheus"]["command"].to_string();
    for flag in ["web.enable-lifecycle\"", "web.enable-admin-api\""] {
        assert!(!command.contains(flag), "{flag} is on");
    }
    assert!(command.contains("--enable-feature=auto-reload-config"), "{command}");
}

/// `command:` replaces the image's own flags, so a flag that is forgotten is lost.
#[test]
fn prometheus_keeps_its_data_in_its_volume() {
    let compose = yaml("docker-compose.yml");
    let command = compose["services"]["prometheus"]["command"].to_string();
    for flag in ["--config.file=", "--storage.tsdb.path=/prometheus", "--storage.tsdb.retention.size="] {
        assert!(command.contains(flag), "{flag} is missing");
    }
}

#[test]
fn every_variable_has_a_default_and_is_in_the_example() {
    let compose = text("docker-compose.yml");
    let example = text(".env.example");
    let variables: Vec<_> = compose.split("${").skip(1).filter_map(|rest| rest.split_once('}')).collect();
    assert!(!variables.is_empty());
    for (variable, _) in variables {
        let (name, _) = variable.split_once(":-").unwrap_or_else(|| panic!("${{{variable}}} has no default"));
        assert!(example.contains(&format!("{name}=")), ".env.example does not mention {name}");
    }
}

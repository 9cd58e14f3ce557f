//! The compose file, for what neither Compose nor its schema would say.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::process::Command;

use e2e::chain::parts::MOUNT_POINTS_EXCLUDE;
use serde_json::Value;

use crate::files::{list, path, text, yaml};

fn services() -> Vec<(String, Value)> {
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
            let source = mount.as_str().unwrap().split(':').next().unwrap();
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

#[test]
fn images_are_pinned_or_built_from_a_file_that_exists() {
    for (name, service) in services() {
        let image = service["image"].as_str().unwrap();
        let (_, tag) = image.rsplit_once(':').unwrap();
        assert!(tag.starts_with(|symbol: char| symbol == 'v' || symbol.is_ascii_digit()), "{name}: {image}");
        assert!(tag.matches('.').count() == 2, "{name}: {image} is not one release");
        if let Some(file) = service["build"]["dockerfile"].as_str() {
            for line in text(file).lines().filter(|line| line.starts_with("FROM ")) {
                assert!(!line.contains("latest") && line.contains(':'), "{file}: {line}");
            }
            assert!(text(file).contains("USER 65532"), "{file} runs as root");
            assert!(
                image.ends_with(&format!(":{}", env!("CARGO_PKG_VERSION"))),
                "{name}: {image} is another release"
            );
        }
    }
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
}

#[test]
fn every_service_is_watched_and_bounded() {
    for (name, service) in services() {
        assert!(service["healthcheck"]["test"].is_array(), "{name} has no health check");
        assert_eq!(service["restart"], "unless-stopped", "{name}");
        assert!(service["logging"]["options"]["max-size"].is_string(), "{name}'s log grows without end");
    }
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

/// A mistake in relay.yml must not keep Prometheus from starting, nor a password make a service look ill.
#[test]
fn no_service_waits_for_anothers_health() {
    for (name, service) in services() {
        assert!(service["depends_on"].is_null() || service["depends_on"].is_array(), "{name}");
    }
    let check = |status: &str, is_healthy: bool| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
        let server = std::thread::spawn(move || {
            let (mut peer, _) = listener.accept().unwrap();
            let head = BufReader::new(peer.try_clone().unwrap()).lines();
            assert!(head.map_while(Result::ok).any(|line| line.is_empty()), "the request has no end");
            peer.write_all(answer.as_bytes()).unwrap();
        });
        let outcome = Command::new(path("deploy/docker/healthcheck")).arg(port).status().unwrap();
        server.join().unwrap();
        assert_eq!(outcome.success(), is_healthy, "{status}");
    };
    check("200 OK", true);
    check("401 Unauthorized", true);
    check("503 Service Unavailable", false);
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

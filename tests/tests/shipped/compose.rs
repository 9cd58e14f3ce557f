//! The compose file, for what neither Compose nor its schema would say.

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

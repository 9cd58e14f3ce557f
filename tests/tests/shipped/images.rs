//! What the images are built from, and as whom they run.

use crate::compose::services;
use crate::files::{in_folder, path, text};

/// A tag can be moved to another image; a digest cannot.
fn is_pinned(image: &str) -> bool {
    image.split_once("@sha256:").is_some_and(|(name, digest)| {
        name.contains(':')
            && digest.len() == 64
            && digest.chars().all(|symbol| matches!(symbol, '0'..='9' | 'a'..='f'))
    })
}

#[test]
fn images_are_pinned_or_built_from_a_file_that_exists() {
    for (name, service) in services() {
        let image = service["image"].as_str().unwrap();
        if let Some(file) = service["build"]["dockerfile"].as_str() {
            for line in text(file).lines().filter(|line| line.starts_with("FROM ")) {
                assert!(is_pinned(line.trim_end_matches(" AS build")), "{file}: {line}");
            }
            assert!(
                image.ends_with(&format!(":{}", env!("CARGO_PKG_VERSION"))),
                "{name}: {image} is another release"
            );
        } else {
            assert!(is_pinned(image), "{name}: {image}");
            let (_, tag) = image.split('@').next().unwrap().rsplit_once(':').unwrap();
            assert_eq!(tag.matches('.').count(), 2, "{name}: {image} is not one release");
        }
    }
}

/// Of an image's Dockerfile.
fn user(dockerfile: &str) -> u32 {
    let text = text(dockerfile);
    let user = text.lines().find_map(|line| line.strip_prefix("USER ")).unwrap();
    let (user, group) = user.split_once(':').unwrap();
    assert_eq!(user, group, "{dockerfile}");
    user.parse().unwrap()
}

/// The exporter sees every process: as the relay's user it could read the relay's memory and files through `/proc`.
#[test]
fn no_two_services_and_no_distribution_share_a_user() {
    let [exporter, relay, demo] = ["gpu-node-exporter", "alert-relay", "demo"]
        .map(|service| user(&format!("deploy/docker/{service}.Dockerfile")));
    assert!(exporter != relay && demo != relay && demo != exporter);
    // Root and system users, people, systemd's dynamic users, `nobody`, and the 65532 of many images are others'.
    for uid in [exporter, relay, demo] {
        assert!((60_578..=61_183).contains(&uid), "{uid}");
    }
    let dockerfile = text("deploy/docker/alert-relay.Dockerfile");
    assert!(dockerfile.contains(&format!("install -d -o {relay} -g {relay} -m 0700 /var/lib/alert-relay")));
    for page in ["deploy/README.md", "deploy/alert-relay/secrets/README.md", "deploy/preflight"] {
        assert!(text(page).contains(&relay.to_string()), "{page} names another user than the image");
    }
}

/// Builders without `BuildKit`, as Debian 12 has one, refuse the options; every builder has the context that `.dockerignore` lets through.
#[test]
fn every_file_that_an_image_takes_is_in_its_context_and_any_builder_takes_it() {
    let let_through: Vec<String> =
        text(".dockerignore").lines().filter_map(|line| line.strip_prefix('!')).map(str::to_owned).collect();
    for file in in_folder("deploy/docker", ".Dockerfile") {
        let text = text(&file).replace("\\\n", " ");
        for line in text.lines() {
            for option in ["--chmod", "--mount", "--link", "--parents", "<<"] {
                assert!(!line.contains(option), "{file}: `{option}` needs BuildKit: {line}");
            }
            let Some(copy) = line.strip_prefix("COPY ").filter(|copy| !copy.contains("--from=")) else {
                continue;
            };
            let mut sources: Vec<_> = copy.split_whitespace().collect();
            sources.pop();
            for source in sources.into_iter().filter(|source| *source != ".") {
                assert!(path(source).exists(), "{file}: {line}");
                let is_there = |open: &String| source == open || source.starts_with(&format!("{open}/"));
                assert!(let_through.iter().any(is_there), "{file}: .dockerignore keeps {source} out");
            }
        }
    }
}

//! The rules of CONTRIBUTING.md and ARCHITECTURE.md that a machine can check.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use e2e::programs::checkout;
use serde_json::Value;

/// Which package of this workspace may use which: both services serve through `http-serve`, YAML is read
/// through `settings-document`, and nothing links the simulated driver. Naming it for tests gets it built before them. `test-peers` is for tests alone.
const EDGES: [(&str, &str, Option<&str>); 13] = [
    ("alert-relay", "http-serve", None),
    ("alert-relay", "settings-document", None),
    ("gpu-node-exporter", "http-serve", None),
    ("gpu-node-exporter", "time-to-full", None),
    ("http-serve", "settings-document", None),
    ("gpu-node-exporter", "nvml-sim", Some("dev")),
    ("gpu-node-exporter", "test-peers", Some("dev")),
    ("alert-relay", "test-peers", Some("dev")),
    ("http-serve", "test-peers", Some("dev")),
    // The benchmark's server without a store.
    ("e2e", "alert-relay", None),
    ("e2e", "http-serve", None),
    ("e2e", "test-peers", None),
    ("e2e", "time-to-full", None),
];

/// Names that say nothing about what is inside.
const DRAWERS: [&str; 9] = ["utils", "util", "common", "helpers", "helper", "misc", "types", "shared", "mod"];

/// What may be named where only: a word in a source line, and the paths under `crates/` that may contain it.
const WALLS: [(&str, &[&str]); 8] = [
    ("nvml_wrapper", &["gpu-node-exporter/src/gpu/nvml", "nvml-sim/"]),
    ("sqlx::", &["alert-relay/src/outbox"]),
    ("minijinja::", &["alert-relay/src/render", "alert-relay/src/console"]),
    ("pulldown_cmark::", &["alert-relay/src/console/looks"]),
    ("lettre::", &["alert-relay/src/channel/email"]),
    ("prometheus_client::", &["gpu-node-exporter/src/exposition", "alert-relay/src/metrics"]),
    ("bcrypt::", &["http-serve/src/auth"]),
    ("[allow(", &[]),
];

#[test]
fn packages_use_each_other_only_as_agreed() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version=1", "--offline"])
        .current_dir(checkout())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let name = |value: &Value| value["name"].as_str().unwrap().to_owned();
    let ours: BTreeSet<String> = packages.iter().map(name).collect();
    for package in packages {
        for dependency in package["dependencies"].as_array().unwrap() {
            // What fuzzers alone are built with (`cfg(fuzzing)`) is as good as a test's.
            let is_fuzzing = dependency["target"].as_str() == Some("cfg(fuzzing)");
            let kind = if is_fuzzing { Some("dev") } else { dependency["kind"].as_str() };
            let (from, to) = (name(package), name(dependency));
            let agreed = EDGES.contains(&(&from, &to, kind));
            assert!(agreed || !ours.contains(&to), "{from} must not use {to} ({kind:?})");
        }
    }
}

#[test]
fn no_file_is_a_drawer() {
    for file in files() {
        let is_source = file.extension().is_some_and(|extension| extension == "rs" || extension == "py");
        let stem = file.file_stem().unwrap().to_string_lossy().into_owned();
        assert!(!(is_source && DRAWERS.contains(&stem.as_str())), "{}: what does it own?", file.display());
    }
}

#[test]
fn libraries_stay_behind_their_walls() {
    // Tests may look behind any wall: into a store, or into another's format.
    let products = sources().filter(|(file, _)| {
        file.starts_with("crates") && file.components().nth(2).is_some_and(|part| part.as_os_str() == "src")
    });
    for (file, text) in products {
        for (word, allowed) in WALLS {
            let inside = allowed.iter().any(|path| {
                file.starts_with(Path::new("crates").join(path)) || {
                    // A module is a file and, beside it, a folder of the same name.
                    file.to_string_lossy().starts_with(&format!("crates/{path}"))
                }
            });
            let named = text.lines().find(|line| {
                let code = line.trim_start();
                code.contains(word) && !code.starts_with("//") && is_word(code, word)
            });
            if let (false, Some(line)) = (inside, named) {
                panic!("{}: `{word}` belongs to {allowed:?}: {}", file.display(), line.trim());
            }
        }
    }
}

/// `sqlx::` must not be found in `my_sqlx::`.
fn is_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        !line[..at].chars().next_back().is_some_and(|before| before.is_alphanumeric() || before == '_')
    })
}

#[test]
fn nothing_is_left_for_later_or_tied_to_one_machine() {
    // In pieces, so that this file is not its own finding.
    let banned = [["TO", "DO"], ["FIX", "ME"], ["XX", "X"], ["/ro", "ot/"], ["/ho", "me/"], ["/wo", "rk/"]]
        .map(|word| word.concat());
    for file in files() {
        let Ok(text) = std::fs::read_to_string(checkout().join(&file)) else { continue };
        for (number, line) in text.lines().enumerate() {
            for word in &banned {
                let found = line.contains(word.as_str()) && is_word(line, word);
                assert!(!found, "{}:{}: `{word}`: {}", file.display(), number + 1, line.trim());
            }
        }
    }
}

/// Docker takes a container that it has sent any signal for stopped by hand, and never starts it again (moby#41302). A signal from
/// inside (`docker compose exec prometheus kill -HUP 1`) is not Docker's.
#[test]
fn nothing_tells_people_to_have_docker_signal_a_container() {
    // In pieces, so that this file is not its own finding.
    let banned = ["docker", "docker compose", "docker-compose", "docker container"]
        .map(|program| format!("{program} {}", "kill"));
    let pages = files().into_iter().filter(|file| !file.starts_with("tests/tests"));
    for file in pages {
        let Ok(text) = std::fs::read_to_string(checkout().join(&file)) else { continue };
        for (number, line) in text.lines().enumerate() {
            let found = banned.iter().find(|command| line.contains(command.as_str()));
            assert_eq!(found, None, "{}:{}: {}", file.display(), number + 1, line.trim());
        }
    }
}

/// What says where things are, for who looks for them.
const MAPS: [&str; 4] = ["ARCHITECTURE.md", "docs/bug-hunt.md", "docs/glossary.md", "docs/states.md"];

#[test]
fn the_maps_name_modules_that_exist() {
    let sources: BTreeSet<PathBuf> = files().into_iter().collect();
    let words = words_of_code();
    for map in MAPS {
        let page = std::fs::read_to_string(checkout().join(map)).unwrap();
        let quoted = page.split('`').skip(1).step_by(2);
        for word in quoted.clone().filter(|text| is_name(text)) {
            assert!(words.contains(word), "{map} names `{word}`, which no source has");
        }
        let mut named = 0;
        for name in quoted.flat_map(|text| text.split([' ', ','])).filter(|name| is_path(name)) {
            assert!(exists(&sources, name), "{map} names `{name}`, which does not exist");
            named += 1;
        }
        assert!(named > 3, "{map}: only {named} names were found: has the page's form changed?");
    }
}

/// A file or folder of source code. A part in capitals stands for any name: `host/collector/NAME.rs`.
fn is_path(name: &str) -> bool {
    (name.contains('/') || Path::new(name).extension().is_some_and(|extension| extension == "rs"))
        && name
            .trim_end_matches("/*")
            .chars()
            .all(|symbol| symbol.is_ascii_alphabetic() || "/_-.".contains(symbol))
        && name.starts_with(|symbol: char| symbol.is_ascii_lowercase())
}

fn exists(sources: &BTreeSet<PathBuf>, name: &str) -> bool {
    const FOLDERS: [&str; 6] = [
        "",
        "crates",
        "crates/gpu-node-exporter/src",
        "crates/alert-relay",
        "crates/alert-relay/src",
        "crates/http-serve/src",
    ];
    let is_any = |part: &str| part.chars().all(|symbol| symbol.is_ascii_uppercase());
    if !name.contains('/') {
        return sources.iter().any(|source| source.file_name().is_some_and(|file| file == name));
    }
    let name = Path::new(name.trim_end_matches("/*")).with_extension("");
    sources.iter().any(|source| {
        FOLDERS.iter().filter_map(|folder| source.strip_prefix(folder).ok()).any(|source| {
            let source = source.with_extension("");
            let mut parts = source.iter().map(|part| part.to_string_lossy());
            name.iter().all(|part| {
                let part = part.to_string_lossy();
                parts.next().is_some_and(|found| is_any(&part) || found == part)
            })
        })
    })
}

/// One word as a module, a function or a field is called.
fn is_name(text: &str) -> bool {
    text.starts_with(|symbol: char| symbol.is_ascii_lowercase())
        && text.chars().all(|symbol| symbol.is_ascii_lowercase() || symbol == '_')
}

/// The names of all files and folders, and every word of the sources outside comments.
fn words_of_code() -> BTreeSet<String> {
    let mut words: BTreeSet<String> = files()
        .iter()
        .flat_map(|file| file.iter().map(|part| part.to_string_lossy().trim_end_matches(".rs").to_owned()))
        .collect();
    for (_, text) in sources() {
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let found =
            code.flat_map(|line| line.split(|symbol: char| !symbol.is_alphanumeric() && symbol != '_'));
        words.extend(found.map(str::to_owned));
    }
    words
}

/// Every Rust file of the checkout, with its text.
fn sources() -> impl Iterator<Item = (PathBuf, String)> {
    files().into_iter().filter(|file| file.extension().is_some_and(|extension| extension == "rs")).map(
        |file| {
            let text = std::fs::read_to_string(checkout().join(&file)).unwrap();
            (file, text)
        },
    )
}

/// Every file of the checkout that is not built, fetched or recorded, by its path in it.
fn files() -> Vec<PathBuf> {
    const NOT_OURS: [&str; 4] = ["target", ".git", "data", "gpu-record"];
    let mut folders = vec![PathBuf::new()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(checkout().join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let path = folder.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                let is_ours = !(folder.as_os_str().is_empty()
                    && NOT_OURS.contains(&&*entry.file_name().to_string_lossy()));
                folders.extend(is_ours.then_some(path));
            } else if entry.file_name() != ".git" {
                // In a linked worktree `.git` is a file.
                files.push(path);
            }
        }
    }
    files
}

/// A bound that no test holds is a promise. The last cell of each row of docs/limits.md names a test function or a file of tests.
#[test]
fn every_limit_names_a_test_that_exists() {
    let page = std::fs::read_to_string(checkout().join("docs/limits.md")).unwrap();
    let code: String = sources().map(|(_, text)| text).collect();
    let files: Vec<String> = files().into_iter().map(|file| file.to_string_lossy().into_owned()).collect();
    let rows = page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| ---"));
    let rows = rows.filter(|line| !line.starts_with("| what |"));
    let mut without = Vec::new();
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").collect();
        let named: Vec<&str> = cells.last().unwrap().split('`').skip(1).step_by(2).collect();
        let is_there = |name: &&str| {
            let test = name.rsplit("::").next().unwrap_or_default();
            code.contains(&format!("fn {test}(")) || files.iter().any(|file| file.ends_with(*name))
        };
        if cells.len() != 4 || named.is_empty() || !named.iter().all(is_there) {
            without.push(row);
        }
    }
    assert!(without.is_empty(), "without a test:\n{}", without.join("\n"));
}

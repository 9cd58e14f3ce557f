//! The shipped files, read and parsed, and the programs that judge them.

use std::path::PathBuf;
use std::process::Command;

use e2e::programs;
use serde_json::Value;

/// A file of the checkout.
pub(crate) fn path(file: &str) -> PathBuf {
    programs::checkout().join(file)
}

/// The text of a file of the checkout.
pub(crate) fn text(file: &str) -> String {
    std::fs::read_to_string(path(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// A YAML file of the checkout, merge keys resolved.
pub(crate) fn yaml(file: &str) -> Value {
    let mut document: yaml_serde::Value =
        yaml_serde::from_str(&text(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    document.apply_merge().unwrap_or_else(|error| panic!("{file}: {error}"));
    serde_json::to_value(document).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The files of a folder whose names end so, by their paths in the checkout; at least one.
pub(crate) fn in_folder(folder: &str, ending: &str) -> Vec<String> {
    let mut files: Vec<_> = std::fs::read_dir(path(folder))
        .unwrap_or_else(|error| panic!("{folder}: {error}"))
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(ending))
        .map(|name| format!("{folder}/{name}"))
        .collect();
    assert!(!files.is_empty(), "{folder} has no *{ending}");
    files.sort();
    files
}

/// Runs one of Debian's programs in the checkout and returns what it printed; its failure is the test's.
pub(crate) fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(programs::debian(program).unwrap())
        .args(arguments)
        .current_dir(programs::checkout())
        .output()
        .unwrap();
    let printed =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}:\n{printed}");
    printed
}

/// The values of a list; empty when there is none.
pub(crate) fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

//! `*`, `?` and `[a-z]` in a directory's name, as a shell reads them.

use std::fs;
use std::path::{Component, Path, PathBuf};

use regex_lite::Regex;

/// The paths that match, ordered; the pattern itself when none does, so that a missing directory is reported by name.
pub(super) fn expand(pattern: &str) -> Vec<PathBuf> {
    if pattern.is_empty() {
        return Vec::new();
    }
    let mut found = vec![PathBuf::new()];
    for component in Path::new(pattern).components() {
        found = match component {
            Component::Normal(name) => match name.to_str().and_then(wildcards) {
                Some(name) => found.iter().flat_map(|directory| matching(directory, &name)).collect(),
                None => found.into_iter().map(|directory| directory.join(name)).collect(),
            },
            other => found.into_iter().map(|directory| directory.join(other)).collect(),
        };
    }
    if found.is_empty() { vec![pattern.into()] } else { found }
}

/// The expression for a name with wildcards; `None` for a plain name, or for brackets that do not close.
fn wildcards(name: &str) -> Option<Regex> {
    if !name.contains(['*', '?', '[']) {
        return None;
    }
    let mut expression = String::from("^");
    let mut characters = name.chars();
    while let Some(character) = characters.next() {
        match character {
            '*' => expression.push_str(".*"),
            '?' => expression.push('.'),
            '[' => {
                let class: String = characters.by_ref().take_while(|character| *character != ']').collect();
                let escaped = regex_lite::escape(class.trim_start_matches('^')).replace("\\-", "-");
                expression.push_str(if class.starts_with('^') { "[^" } else { "[" });
                expression.push_str(&escaped);
                expression.push(']');
            }
            other => expression.push_str(&regex_lite::escape(other.encode_utf8(&mut [0; 4]))),
        }
    }
    expression.push('$');
    Regex::new(&expression).ok()
}

fn matching(directory: &Path, name: &Regex) -> Vec<PathBuf> {
    let listed = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    let entries = fs::read_dir(listed).into_iter().flatten().flatten();
    let names =
        entries.filter_map(|entry| entry.file_name().into_string().ok()).filter(|found| name.is_match(found));
    let mut paths: Vec<PathBuf> = names.map(|found| directory.join(found)).collect();
    paths.sort();
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_match_within_one_name() {
        let root = tempfile::tempdir().unwrap();
        for name in ["a1/x", "a2/x", "b1/x", "a.b/x"] {
            fs::create_dir_all(root.path().join(name)).unwrap();
        }
        let check = |pattern: &str, expected: &[&str]| {
            let found = expand(root.path().join(pattern).to_str().unwrap());
            let expected: Vec<_> = expected.iter().map(|name| root.path().join(name)).collect();
            assert_eq!(found, expected, "{pattern}");
        };
        check("a?", &["a1", "a2"]);
        check("*/x", &["a.b/x", "a1/x", "a2/x", "b1/x"]);
        check("[ab]1", &["a1", "b1"]);
        check("a[^1]", &["a2"]);
        check("a.*", &["a.b"]);
        check("plain", &["plain"]);
        check("none*", &["none*"]);
        check("open[", &["open["]);
    }
}

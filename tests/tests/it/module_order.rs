//! Imports run forward: the order of modules that ARCHITECTURE.md states, held against the sources.
//!
//! The page has a block with a line for each crate and for each folder whose modules are in an order of their own:
//! `http-serve: limits < response < …`, `gpu-node-exporter/gpu: pci < xid < …`. Its text says what a line means.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use e2e::programs::checkout;

use crate::imports::{Import, ModulePath, Modules};

const HEADING: &str = "## Order of modules";

/// The lines of a page, by crate and folder: `["gpu"]` is a folder, no name is the crate.
type Orders = BTreeMap<(String, ModulePath), Vec<String>>;

#[test]
fn imports_run_forward() {
    let page = std::fs::read_to_string(checkout().join("ARCHITECTURE.md")).unwrap();
    let wrong = wrong_in(&checkout().join("crates"), &orders(&page));
    assert!(wrong.is_empty(), "ARCHITECTURE.md, \"Order of modules\":\n{}", wrong.join("\n"));
}

/// Reads the lines of the block under the heading. A line that begins with a space goes on with the one before.
fn orders(page: &str) -> Orders {
    let section = page.split_once(HEADING).expect("the page has the heading").1;
    let block = section.split("```").nth(1).expect("the section has a block");
    // The first line names the language.
    let joined = block.replace("\n ", " ");
    let lines = joined.lines().skip(1).filter(|line| !line.trim().is_empty());
    lines
        .map(|line| {
            let (place, modules) = line.split_once(':').unwrap_or_else(|| panic!("no colon: {line}"));
            let mut place = place.split('/').map(str::to_owned);
            let package = place.next().unwrap();
            ((package, place.collect()), modules.split('<').map(|name| name.trim().to_owned()).collect())
        })
        .collect()
}

/// What is wrong with the crates in this folder, a line each.
fn wrong_in(crates: &Path, orders: &Orders) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut listed: BTreeSet<&(String, ModulePath)> = orders.keys().collect();
    for package in packages(crates) {
        let modules = Modules::of_crate(&crates.join(&package).join("src/lib.rs"));
        if !orders.contains_key(&(package.clone(), Vec::new())) {
            wrong.push(format!("{package}: it has no line"));
        }
        let of_crate: BTreeMap<&[String], &[String]> = orders
            .iter()
            .filter(|((owner, _), _)| *owner == package)
            .map(|((_, folder), names)| (folder.as_slice(), names.as_slice()))
            .collect();
        for folder in modules.paths() {
            listed.remove(&(package.clone(), folder.clone()));
            if let Some(names) = of_crate.get(folder.as_slice()) {
                wrong.extend(differences(&modules, folder, names).map(|what| format!("{package}: {what}")));
            }
        }
        let back = modules.imports().into_iter().filter(|import| points_back(import, &of_crate));
        wrong.extend(back.map(|import| in_words(&package, crates, &import)));
    }
    wrong.extend(listed.into_iter().map(|(package, folder)| match folder.join("::") {
        root if root.is_empty() => format!("there is no crate `{package}`"),
        folder => format!("{package}: there is no module `{folder}`"),
    }));
    wrong.dedup();
    wrong
}

/// The names of the folders of crates, in order.
fn packages(crates: &Path) -> Vec<String> {
    let folders = std::fs::read_dir(crates).unwrap().map(Result::unwrap);
    let mut names: Vec<String> = folders
        .filter(|folder| folder.path().join("src/lib.rs").is_file())
        .map(|folder| folder.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Modules that are in the tree and not in the line, or the other way round.
fn differences(modules: &Modules, folder: &[String], names: &[String]) -> impl Iterator<Item = String> {
    let own_name = own_name(folder);
    let stated: BTreeSet<&str> = names.iter().map(String::as_str).filter(|name| *name != own_name).collect();
    let real: BTreeSet<&str> = modules.children(folder).collect();
    let path = |name: &&str| [folder, &[(*name).to_owned()]].concat().join("::");
    let missing = real.difference(&stated).map(|name| format!("`{}` has no place in its line", path(name)));
    let gone = stated.difference(&real).map(|name| format!("there is no module `{}`", path(name)));
    missing.chain(gone).collect::<Vec<_>>().into_iter()
}

/// What a folder's own file is called in its line.
fn own_name(folder: &[String]) -> &str {
    folder.last().map_or("lib", String::as_str)
}

/// Whether a module uses one that does not stand before it. In a folder without a line, modules may use each other.
fn points_back(import: &Import, orders: &BTreeMap<&[String], &[String]>) -> bool {
    let common = import.from.iter().zip(&import.to).take_while(|(from, to)| from == to).count();
    let folder = &import.from[..common];
    let Some(names) = orders.get(folder) else { return false };
    // A folder's own file stands above its children unless its line says otherwise.
    let place = |path: &ModulePath| match path.get(common) {
        Some(name) => names.iter().position(|known| known == name),
        None => Some(names.iter().position(|known| known == own_name(folder)).unwrap_or(names.len())),
    };
    // A module without a place is wrong already.
    place(&import.to).zip(place(&import.from)).is_some_and(|(to, from)| to >= from)
}

fn in_words(package: &str, crates: &Path, import: &Import) -> String {
    let name = |path: &ModulePath| if path.is_empty() { "lib".to_owned() } else { path.join("::") };
    let file = import.file.strip_prefix(crates).unwrap_or(&import.file);
    format!(
        "{package}: `{}` uses `{}`, which does not stand before it: `{}` in {}:{}",
        name(&import.from),
        name(&import.to),
        import.path,
        file.display(),
        import.line
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is wrong with a crate `c` of these files under this block.
    fn wrong(block: &str, files: &[(&str, &str)]) -> Vec<String> {
        let crates = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let file = crates.path().join("c/src").join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
        wrong_in(crates.path(), &orders(&format!("{HEADING}\n\nWords.\n\n```text\n{block}\n```\n")))
    }

    const CIRCLE: [(&str, &str); 3] =
        [("lib.rs", "mod a; mod b;"), ("a.rs", "use crate::b::B;"), ("b.rs", "fn b() { super::a::f() }")];

    #[test]
    fn a_circle_is_found_in_either_order() {
        let found = wrong("c: a < b", &CIRCLE);
        assert_eq!(found, ["c: `a` uses `b`, which does not stand before it: `crate::b::B` in c/src/a.rs:1"]);
        let found = wrong("c:\n  b < a", &CIRCLE);
        assert_eq!(found, ["c: `b` uses `a`, which does not stand before it: `super::a::f` in c/src/b.rs:1"]);
    }

    #[test]
    fn every_module_has_a_place_and_every_place_a_module() {
        assert_eq!(wrong("d: a", &[("lib.rs", "")]), ["c: it has no line", "there is no crate `d`"]);
        let found = wrong("c: a < z\nc/y: a", &[("lib.rs", "mod a; mod b;"), ("a.rs", ""), ("b.rs", "")]);
        assert_eq!(
            found,
            ["c: `b` has no place in its line", "c: there is no module `z`", "c: there is no module `y`"]
        );
    }

    const FOLDER: [(&str, &str); 4] = [
        ("lib.rs", "mod f;"),
        ("f.rs", "mod a; mod b; trait F {} const ALL: [A; 1] = [a::A];"),
        ("f/a.rs", "impl super::F for A {} impl super::b::B for A {}"),
        ("f/b.rs", ""),
    ];

    #[test]
    fn a_folder_has_a_line_when_its_modules_have_an_order() {
        assert_eq!(wrong("c: f", &FOLDER), [""; 0]);
        let uses_its_parent =
            "c: `f::a` uses `f`, which does not stand before it: `super::F` in c/src/f/a.rs:1";
        assert_eq!(wrong("c: f\nc/f: b < a", &FOLDER), [uses_its_parent]);
        let uses_its_child = "c: `f` uses `f::a`, which does not stand before it: `a::A` in c/src/f.rs:1";
        assert_eq!(wrong("c: f\nc/f: f < b < a", &FOLDER), [uses_its_child]);
    }
}

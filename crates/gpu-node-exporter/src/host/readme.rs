//! The README's table of host collectors is written from the collectors.
//!
//! When it differs, run the test with `INSTA_UPDATE=always`, as for snapshots, and review the change like code.

use std::fmt::Write as _;
use std::path::Path;

use super::COLLECTORS;

const BEGIN: &str = "<!-- host collectors: written by host/readme.rs -->\n";
const END: &str = "<!-- end of host collectors -->\n";

fn table() -> String {
    let mut table =
        "| name | what | reads | by default | flags of its own |\n| --- | --- | --- | --- | --- |\n"
            .to_owned();
    for entry in COLLECTORS {
        let prefix = format!("collector.{}", entry.name);
        let own = entry
            .flags
            .iter()
            .map(|flag| format!("`{}`", flag.name.strip_prefix(&prefix).unwrap_or(flag.name)));
        let own = own.collect::<Vec<_>>().join(", ");
        let by_default = if entry.is_default { "on" } else { "off" };
        let reads: Vec<_> = entry.reads.split(' ').map(marked).collect();
        let (what, reads) = (entry.help.replace("*.prom", "`*.prom`"), reads.join(" "));
        writeln!(table, "| `{}` | {what} | {reads} | {by_default} | {own} |", entry.name).unwrap();
    }
    table
}

/// Paths, flags and calls look like code.
fn marked(word: &str) -> String {
    let (word, comma) = word.strip_suffix(',').map_or((word, ""), |word| (word, ","));
    let is_code = word.starts_with(['/', '-']) || word.ends_with(')');
    if is_code { format!("`{word}`{comma}") } else { format!("{word}{comma}") }
}

#[test]
fn the_readme_lists_all_collectors() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (head, rest) = page.split_once(BEGIN).expect("the table's begin is marked");
    let (written, tail) = rest.split_once(END).expect("the table's end is marked");
    let expected = table();
    if written != expected && std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        std::fs::write(&path, [head, BEGIN, &expected, END, tail].concat()).unwrap();
        return;
    }
    assert_eq!(written, expected, "run with INSTA_UPDATE=always");
}

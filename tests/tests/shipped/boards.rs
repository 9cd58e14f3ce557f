//! The dashboards' files are what their source makes of them.
//!
//! When one differs, run the test with `INSTA_UPDATE=always`, as for snapshots, and review the change like code.

use std::collections::BTreeSet;

use e2e::boards;

use crate::files::{in_folder, path};

#[test]
fn each_dashboard_is_made_of_its_source() {
    let rewrites = std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always");
    let mut made = BTreeSet::new();
    for dashboard in boards::all(&path("")).unwrap() {
        let file = format!("dashboards/{}", dashboard.file);
        let text = serde_json::to_string_pretty(&dashboard.json).unwrap() + "\n";
        let written = std::fs::read_to_string(path(&file)).unwrap_or_default();
        if written != text && rewrites {
            std::fs::write(path(&file), &text).unwrap();
        } else {
            assert!(written == text, "{file} is not what its source says: run with INSTA_UPDATE=always");
        }
        made.insert(file);
    }
    let there: BTreeSet<_> = in_folder("dashboards", ".json").into_iter().collect();
    assert_eq!(there, made, "a file that no source makes");
}

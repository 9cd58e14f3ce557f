//! Fallbacks that lead back to where they began: a dead target in such a loop would have nobody to speak for it.

use std::collections::BTreeMap;

use super::TargetSettings;
use super::section::Section;

/// Notes each loop once, at its first target in alphabetical order.
pub(super) fn refuse_loops(root: &Section<'_>, targets: &BTreeMap<String, TargetSettings>) {
    for name in targets.keys() {
        if let Some(way) = way_back(name, targets)
            && way.iter().all(|other| name.as_str() <= *other)
        {
            let way = way.join("` → `");
            root.problem(
                &format!("targets.{name}.fallback"),
                format!("the fallbacks go in a circle: `{way}` (hint: one of them must have no fallback)"),
            );
        }
    }
}

/// The targets from `start` back to `start`, both ends named; `None` when the way ends or leads into another circle.
fn way_back<'t>(start: &'t str, targets: &'t BTreeMap<String, TargetSettings>) -> Option<Vec<&'t str>> {
    let mut way = vec![start];
    while way.len() <= targets.len() {
        let last = *way.last()?;
        let next = targets.get(last)?.fallback.as_deref()?;
        way.push(next);
        if next == start {
            return Some(way);
        }
    }
    None
}

//! Circular fallbacks: if every target of the circle is dead, nobody sends.

use std::collections::BTreeMap;

use settings_document::Section;

/// Each target's fallback, by name; also of targets that are otherwise wrong.
pub(super) type Fallbacks = BTreeMap<String, String>;

/// Notes each circle once, at its first target in alphabetical order.
pub(super) fn refuse_loops(root: &Section<'_>, fallbacks: &Fallbacks) {
    for name in fallbacks.keys() {
        if let Some(way) = way_back(name, fallbacks)
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
fn way_back<'f>(start: &'f str, fallbacks: &'f Fallbacks) -> Option<Vec<&'f str>> {
    let mut way = vec![start];
    while way.len() <= fallbacks.len() {
        let next = fallbacks.get(*way.last()?)?;
        way.push(next);
        if next == start {
            return Some(way);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circle_is_found_from_each_of_its_targets_and_from_no_other() {
        let fallbacks: Fallbacks = [("a", "b"), ("b", "c"), ("c", "b"), ("d", "d"), ("e", "gone")]
            .map(|(from, to)| (from.to_owned(), to.to_owned()))
            .into();
        let check = |start: &str, expected: Option<&[&str]>| {
            assert_eq!(way_back(start, &fallbacks).as_deref(), expected, "{start}");
        };
        check("a", None);
        check("b", Some(&["b", "c", "b"]));
        check("c", Some(&["c", "b", "c"]));
        check("d", Some(&["d", "d"]));
        check("e", None);
    }
}

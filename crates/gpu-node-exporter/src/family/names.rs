//! Which names a page may hold (<https://prometheus.io/docs/concepts/data_model/>, the names of both text formats).
//!
//! Prometheus refuses a whole page for one name that breaks these rules, and then the target is down: whatever comes from
//! outside is held against them when it is read, and every page once more before it goes out.

use super::Labels;

/// Letters, digits, `_` and `:`, and no digit at the start.
pub(crate) fn is_metric_name(name: &str) -> bool {
    is_name(name, true)
}

/// Letters, digits and `_`, no digit at the start; names that begin with `__` are Prometheus' own.
pub(crate) fn is_label_name(name: &str) -> bool {
    is_name(name, false) && !name.starts_with("__")
}

fn is_name(name: &str, colons: bool) -> bool {
    let follows = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || (colons && byte == b':');
    name.bytes().next().is_some_and(|first| !first.is_ascii_digit()) && name.bytes().all(follows)
}

/// What is wrong with the names of a label set; `None` for a set that a page may hold. `names` is memory that is used again.
pub(crate) fn wrong_label<'a>(labels: &'a Labels, names: &mut Vec<&'a str>) -> Option<&'static str> {
    names.clear();
    let mut rest = labels.text();
    while !rest.is_empty() {
        let parts = rest.split_once('=').and_then(|(name, value)| {
            let value = value.strip_prefix('"')?;
            let after = &value[super::closing_quote(value)? + 1..];
            // After a comma there has to be another label.
            let next = if after.is_empty() {
                after
            } else {
                after.strip_prefix(',').filter(|next| !next.is_empty())?
            };
            Some((name, next))
        });
        let Some((name, next)) = parts else { return Some("a label set that no reader can read") };
        if !is_label_name(name) {
            return Some(if name.starts_with("__") {
                "a label whose name is reserved"
            } else {
                "a label without a valid name"
            });
        }
        names.push(name);
        rest = next;
    }
    is_any_twice(names).then_some("a label that is there twice")
}

/// Few names are seldom of one length, and most pairs need no look at their bytes; many are put in order first.
fn is_any_twice(names: &mut [&str]) -> bool {
    if names.len() <= 8 {
        return (1..names.len()).any(|index| names[..index].contains(&names[index]));
    }
    names.sort_unstable();
    names.windows(2).any(|pair| pair[0] == pair[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_metrics_and_labels() {
        for (name, metric, label) in [
            ("a", true, true),
            ("_a9", true, true),
            ("job:rate5m", true, false),
            ("__name__", true, false),
            ("__a", true, false),
            ("", false, false),
            ("9a", false, false),
            ("a-b", false, false),
            ("é", false, false),
            ("a b", false, false),
        ] {
            assert_eq!((is_metric_name(name), is_label_name(name)), (metric, label), "{name:?}");
        }
    }

    #[test]
    fn label_sets_that_no_page_may_hold() {
        let check = |pairs: &[(&str, &str)], expected: Option<&str>| {
            let labels = Labels::new(pairs.iter().copied());
            assert_eq!(wrong_label(&labels, &mut Vec::new()), expected, "{pairs:?}");
        };
        check(&[], None);
        check(&[("a", "x,y=\"\\"), ("b", ""), ("c", "\n")], None);
        check(&[("__name__", "x")], Some("a label whose name is reserved"));
        check(&[("a", "1"), ("b", "2"), ("a", "1")], Some("a label that is there twice"));
        let many = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"].map(|name| (name, "1"));
        check(&many, None);
        check(&[&many[..], &[("c", "2")]].concat(), Some("a label that is there twice"));
        check(&[("a", "1"), ("", "2")], Some("a label without a valid name"));
        check(&[("job:x", "1")], Some("a label without a valid name"));
        check(&[("a=\"1\"", "2")], Some("a label set that no reader can read"));
    }
}

//! One line of a metrics page: name, labels, value.
//!
//! Text 0.0.4 and `OpenMetrics` 1.0 write samples alike; what may stand behind the value (a timestamp, an exemplar) is not looked at.
//! Pure. Leaves out what a name means.

use std::borrow::Cow;

use crate::family::{closing_quote, unescaped};

/// A sample that begins a line.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sample<'a> {
    pub(super) name: &'a str,
    pub(super) value: f64,
    /// What stands behind the brace.
    labels: &'a str,
}

impl<'a> Sample<'a> {
    /// `None` for a line that is no sample.
    pub(super) fn read(line: &'a str) -> Option<Self> {
        let end = line.find(['{', ' ', '\t'])?;
        let (name, rest) = line.split_at(end);
        let (labels, behind) = match rest.strip_prefix('{') {
            Some(labels) => {
                let mut pairs = Pairs { rest: labels };
                pairs.by_ref().for_each(drop);
                (labels, pairs.rest.trim_start().strip_prefix('}')?)
            }
            None => ("", rest),
        };
        let value = behind.split_ascii_whitespace().next()?.parse().ok()?;
        Some(Self { name, value, labels })
    }

    /// The value of a label, if the sample has it.
    pub(super) fn label(&self, name: &str) -> Option<Cow<'a, str>> {
        let mut pairs = Pairs { rest: self.labels };
        pairs.find(|(label, _)| *label == name).map(|(_, value)| unescaped(value))
    }
}

/// Names and values, as they are written, up to the brace or to what is no label.
struct Pairs<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest.trim_start();
        if rest.starts_with('}') {
            return None;
        }
        let (name, behind) = rest.split_once('=')?;
        let quoted = behind.trim_start().strip_prefix('"')?;
        let end = closing_quote(quoted)?;
        let behind = quoted[end + 1..].trim_start();
        self.rest = behind.strip_prefix(',').unwrap_or(behind);
        Some((name.trim_end(), &quoted[..end]))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn name_labels_and_value() {
        let check = |line: &str, expected: Option<(&str, f64, Option<&str>)>| {
            let read = Sample::read(line);
            let model = read.as_ref().and_then(|sample| sample.label("m"));
            assert_eq!(
                read.as_ref().map(|sample| (sample.name, sample.value, model.as_deref())),
                expected,
                "{line}"
            );
        };
        check("a 1", Some(("a", 1.0, None)));
        check("a:b{} 1e3", Some(("a:b", 1000.0, None)));
        check(r#"a{m="x"} 2"#, Some(("a", 2.0, Some("x"))));
        check(r#"a{x="1", m="q\"b\\n\n}",} 2 1700000000"#, Some(("a", 2.0, Some("q\"b\\n\n}"))));
        check(r#"a{x="}",m="y"} 2 # {trace="1"} 0.5"#, Some(("a", 2.0, Some("y"))));
        check("a\t+Inf", Some(("a", f64::INFINITY, None)));
        check("a", None);
        check("a one", None);
        check(r#"a{m="x" 2"#, None);
        check(r#"a{m="x} 2"#, None);
        check("a{m=x} 2", None);
        check("", None);
    }

    proptest! {
        #[test]
        fn no_line_panics(line in any::<String>()) {
            let _ = Sample::read(&line).map(|sample| sample.label("m").is_some());
        }

        #[test]
        fn what_is_almost_a_sample_does_not_panic(line in "[a-z]{0,2}\\{?[a-z\\\\\"=, }]{0,12}\\}? ?[0-9.eE+-]{0,5}") {
            let _ = Sample::read(&line).map(|sample| sample.label("a").is_some());
        }
    }
}

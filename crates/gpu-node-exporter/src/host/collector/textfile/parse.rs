//! Reading the text format 0.0.4 (<https://prometheus.io/docs/instrumenting/exposition_formats/>).
//!
//! Owns what a file may hold: a mistake in one line refuses the whole file, since half a file may mean anything, and so
//! does a timestamp, which would make the series stale or refused elsewhere.

use std::collections::BTreeMap;

use super::composed::arrange;
use crate::family::{Family, Kind, Labels, Number, Sample, closing_quote};

/// The families by name, or the first mistake with its line.
pub(in crate::host) fn parse(text: &str) -> Result<Vec<Family>, String> {
    if !text.is_empty() && !text.ends_with('\n') {
        return Err("the last line does not end (hint: write to another name and rename)".to_owned());
    }
    let mut file = File::default();
    for (number, line) in text.lines().enumerate() {
        file.line(line).map_err(|mistake| format!("line {}: {mistake}", number + 1))?;
    }
    let families =
        file.families.into_values().map(|read| read.family).filter(|family| !family.samples.is_empty());
    families.map(|mut family| arrange(&mut family).map(|()| family)).collect()
}

#[derive(Default)]
struct File {
    families: BTreeMap<String, Read>,
}

/// A family being read, and which of its headings were there.
struct Read {
    family: Family,
    has_help: bool,
    has_type: bool,
}

impl File {
    fn line(&mut self, line: &str) -> Result<(), String> {
        let line = line.trim();
        if let Some(comment) = line.strip_prefix('#') {
            return self.comment(comment.trim_start());
        }
        if line.is_empty() { Ok(()) } else { self.sample(line) }
    }

    /// Any comment but HELP and TYPE says nothing.
    fn comment(&mut self, comment: &str) -> Result<(), String> {
        let (keyword, rest) = comment.split_once([' ', '\t']).unwrap_or((comment, ""));
        if keyword != "HELP" && keyword != "TYPE" {
            return Ok(());
        }
        let rest = rest.trim_start();
        let (name, text) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
        check_name(name)?;
        let read = self.family(name);
        if keyword == "HELP" {
            if std::mem::replace(&mut read.has_help, true) {
                return Err(format!("a second HELP line for `{name}`"));
            }
            read.family.help = unescape(text, false)?.into();
            return Ok(());
        }
        if std::mem::replace(&mut read.has_type, true) {
            return Err(format!("a second TYPE line for `{name}`"));
        }
        if !read.family.samples.is_empty() {
            return Err(format!("the TYPE line of `{name}` comes after its first sample"));
        }
        read.family.kind = match text.trim().to_ascii_lowercase().as_str() {
            "counter" => Kind::Counter,
            "gauge" => Kind::Gauge,
            "histogram" => Kind::Histogram,
            "summary" => Kind::Summary,
            "untyped" => Kind::Unknown,
            other => return Err(format!("`{other}` is not a type")),
        };
        Ok(())
    }

    fn family(&mut self, name: &str) -> &mut Read {
        self.families.entry(name.to_owned()).or_insert_with(|| Read {
            family: Family::unknown(name.to_owned(), ""),
            has_help: false,
            has_type: false,
        })
    }

    fn sample(&mut self, line: &str) -> Result<(), String> {
        let end = line.find(['{', ' ', '\t']).unwrap_or(line.len());
        let (name, rest) = line.split_at(end);
        check_name(name)?;
        let rest = rest.trim_start();
        let (mut labels, rest) = match rest.strip_prefix('{') {
            Some(inside) => labels(inside)?,
            None => (Vec::new(), rest),
        };
        let mut words = rest.split_ascii_whitespace();
        let value = number(words.next().ok_or_else(|| format!("`{name}` has no value"))?)?;
        if words.next().is_some() {
            return Err("a timestamp, which is not supported (hint: leave it out)".to_owned());
        }
        labels.sort();
        if let Some(pair) = labels.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(format!("the label `{}` is there twice", pair[0].0));
        }
        let (family, suffix) = self.owner(name);
        self.family(&family).family.samples.push(Sample { suffix, labels: Labels::new(labels), value });
        Ok(())
    }

    /// The family a sample belongs to: `x_count` is part of `x` when that is a histogram or a summary.
    fn owner(&self, name: &str) -> (String, &'static str) {
        for (suffix, of_summary) in [("_bucket", false), ("_sum", true), ("_count", true)] {
            let Some(family) = name.strip_suffix(suffix) else { continue };
            let composed = match self.families.get(family).map(|read| read.family.kind) {
                Some(Kind::Histogram) => true,
                Some(Kind::Summary) => of_summary,
                _ => false,
            };
            if composed {
                return (family.to_owned(), suffix);
            }
        }
        (name.to_owned(), "")
    }
}

fn check_name(name: &str) -> Result<(), String> {
    let valid = |(place, byte): (usize, u8)| {
        byte.is_ascii_alphabetic() || byte == b'_' || byte == b':' || (place > 0 && byte.is_ascii_digit())
    };
    let is_name = !name.is_empty() && name.bytes().enumerate().all(valid);
    is_name.then_some(()).ok_or_else(|| format!("`{name}` is not a name"))
}

/// Names and values of labels as a file has them, not in order and perhaps repeated.
type Pairs = Vec<(String, String)>;

/// What is inside the braces, and the text after them.
fn labels(mut rest: &str) -> Result<(Pairs, &str), String> {
    let mut labels = Vec::new();
    loop {
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix('}') {
            return Ok((labels, after));
        }
        let (name, after) = rest.split_once('=').ok_or("a label without `=`")?;
        let name = name.trim_end();
        check_name(name)?;
        if name.contains(':') {
            return Err(format!("`{name}` is not a label's name"));
        }
        let quoted = after
            .trim_start()
            .strip_prefix('"')
            .ok_or_else(|| format!("the label `{name}` has no quotes"))?;
        let end = closing_quote(quoted).ok_or_else(|| format!("the label `{name}` does not end"))?;
        labels.push((name.to_owned(), unescape(&quoted[..end], true)?));
        rest = quoted[end + 1..].trim_start();
        match rest.strip_prefix(',') {
            Some(after) => rest = after,
            None if rest.starts_with('}') => {}
            None => return Err(format!("after the label `{name}`: expected a comma or a brace")),
        }
    }
}

fn unescape(text: &str, quotes: bool) -> Result<String, String> {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            plain.push(character);
            continue;
        }
        match characters.next() {
            Some('\\') => plain.push('\\'),
            Some('n') => plain.push('\n'),
            Some('"') if quotes => plain.push('"'),
            other => {
                let other = other.map_or(String::new(), String::from);
                return Err(format!("`\\{other}` is not an escape"));
            }
        }
    }
    Ok(plain)
}

fn number(word: &str) -> Result<Number, String> {
    if let Ok(whole) = word.parse::<u64>() {
        return Ok(Number::Whole(whole));
    }
    // Rust also reads "infinity", which Go does as well, and nothing that Go refuses.
    word.parse::<f64>().map(Number::Real).map_err(|_| format!("`{word}` is not a number"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::host::testing::values;

    fn check(text: &str, expected: &[&str]) {
        assert_eq!(values(&parse(text).unwrap()), expected, "{text}");
    }

    fn check_refused(text: &str, reason: &str) {
        let mistake = parse(text).unwrap_err();
        assert!(mistake.contains(reason), "{text:?}: {mistake}");
    }

    #[test]
    fn reads_what_scripts_write() {
        check("", &[]);
        check("a 1\n", &["a 1"]);
        check("# a comment\n\n  a{ x = \"1\" , y=\"2\", } 1e3\n", &["a{x=\"1\",y=\"2\"} 1000"]);
        check("a{x=\"q\\\"b\\\\n\\n\"} NaN\n", &["a{x=\"q\\\"b\\\\n\\n\"} NaN"]);
        check("a{} +Inf\nb -Inf\n", &["a inf", "b -inf"]);
        check("a\t7\r\n", &["a 7"]);
        check(
            "# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_sum 2\nh_count 1\n",
            &["h_bucket{le=\"+Inf\"} 1", "h_sum 2", "h_count 1"],
        );
        check("# TYPE c counter\nc_count 1\n", &["c_count 1"]);
    }

    #[test]
    fn refuses_the_file_for_one_mistake() {
        check_refused("a 1", "does not end");
        check_refused("a 1\nb\n", "line 2: `b` has no value");
        check_refused("a one\n", "`one` is not a number");
        check_refused("a 1 1441205977284\n", "a timestamp");
        check_refused("1a 1\n", "`1a` is not a name");
        check_refused("a{x=\"1\",x=\"2\"} 1\n", "`x` is there twice");
        check_refused("a{x=\"1} 1\n", "does not end");
        check_refused("a{x=1} 1\n", "has no quotes");
        check_refused("a{x=\"1\" y=\"2\"} 1\n", "expected a comma");
        check_refused("a{x=\"\\t\"} 1\n", "is not an escape");
        check_refused("# HELP a x\n# HELP a y\n", "a second HELP");
        check_refused("# TYPE a gauge\n# TYPE a gauge\n", "a second TYPE");
        check_refused("a 1\n# TYPE a gauge\n", "after its first sample");
        check_refused("# TYPE a magic\n", "`magic` is not a type");
        check_refused("# TYPE h histogram\nh_bucket 1\n", "no number in the label `le`");
        check_refused("# TYPE s summary\ns{quantile=\"half\"} 1\n", "no number in the label `quantile`");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(?s).{0,200}") {
            let _ = parse(&text);
        }

        #[test]
        fn almost_valid_text_does_not_panic(text in "(# (HELP|TYPE) )?[a-z_]{0,3}(\\{[a-z\\\\\"=,]{0,9}\\}?)? ?[0-9.eE+-]{0,5}( [0-9])?\n") {
            let _ = parse(&text);
        }
    }
}

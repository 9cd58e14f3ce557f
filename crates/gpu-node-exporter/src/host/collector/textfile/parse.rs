//! Reading the text format 0.0.4 (<https://prometheus.io/docs/instrumenting/exposition_formats/>).
//!
//! Owns what a file may hold: a mistake in one line refuses the whole file, since half a file may mean anything, and so
//! does a timestamp, which would make the series stale or refused elsewhere.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::composed::arrange;
use super::limits::Limits;
use super::mistake::Mistake;
use super::series::{Series, is_common, series_of};
use crate::family::{Family, Kind, Labels, Number, Sample, closing_quote, is_label_name, is_metric_name};

/// The families by name, or the first mistake with its line. `room` is how many samples there may be.
pub(in crate::host) fn parse(text: &str, limits: &Limits, room: usize) -> Result<Vec<Family>, String> {
    if !text.is_empty() && !text.ends_with('\n') {
        return Err("the last line does not end (hint: write to another name and rename)".to_owned());
    }
    let mut file = File { families: BTreeMap::new(), is_metrics: false, room, limits };
    for (number, line) in text.lines().enumerate() {
        file.line(line).map_err(|mistake| {
            let mistake = mistake.quoting(file.is_metrics);
            format!("line {}: {mistake}", number + 1)
        })?;
    }
    let families =
        file.families.into_values().map(|read| read.family).filter(|family| !family.samples.is_empty());
    families.map(|mut family| arrange(&mut family).map(|()| family)).collect()
}

struct File<'l> {
    families: BTreeMap<String, Read>,
    /// Whether a line of the format was read.
    is_metrics: bool,
    /// How many samples there may still be.
    room: usize,
    limits: &'l Limits,
}

/// A family being read, and which of its headings were there.
struct Read {
    family: Family,
    has_help: bool,
    has_type: bool,
    series: HashSet<Series>,
    /// The names of the labels that all of its samples will be shown with.
    names: BTreeSet<String>,
}

impl File<'_> {
    fn line(&mut self, line: &str) -> Result<(), Mistake> {
        let line = line.trim();
        if let Some(comment) = line.strip_prefix('#') {
            return self.comment(comment.trim_start());
        }
        if line.is_empty() { Ok(()) } else { self.sample(line) }
    }

    /// Any comment but HELP and TYPE says nothing.
    fn comment(&mut self, comment: &str) -> Result<(), Mistake> {
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
                return Err(Mistake::about("a second HELP line for ", name, ""));
            }
            read.family.help = unescape(text, false)?.into();
            self.is_metrics = true;
            return Ok(());
        }
        if std::mem::replace(&mut read.has_type, true) {
            return Err(Mistake::about("a second TYPE line for ", name, ""));
        }
        if !read.family.samples.is_empty() {
            return Err(Mistake::about("the TYPE line of ", name, " comes after its first sample"));
        }
        read.family.kind = match text.trim().to_ascii_lowercase().as_str() {
            "counter" => Kind::Counter,
            "gauge" => Kind::Gauge,
            "histogram" => Kind::Histogram,
            "summary" => Kind::Summary,
            "untyped" => Kind::Unknown,
            other => return Err(Mistake::about("", other, " is not a type")),
        };
        self.is_metrics = true;
        Ok(())
    }

    fn family(&mut self, name: &str) -> &mut Read {
        self.families.entry(name.to_owned()).or_insert_with(|| Read {
            family: Family::unknown(name.to_owned(), ""),
            has_help: false,
            has_type: false,
            series: HashSet::new(),
            names: BTreeSet::new(),
        })
    }

    fn sample(&mut self, line: &str) -> Result<(), Mistake> {
        let end = line.find(['{', ' ', '\t']).unwrap_or(line.len());
        let (name, rest) = line.split_at(end);
        check_name(name)?;
        let rest = rest.trim_start();
        let limits = self.limits;
        let (mut labels, rest) = match rest.strip_prefix('{') {
            Some(inside) => labels(inside, limits.labels)?,
            None => (Vec::new(), rest),
        };
        let mut words = rest.split_ascii_whitespace();
        let value = number(words.next().ok_or_else(|| Mistake::about("", name, " has no value"))?)?;
        if words.next().is_some() {
            return Err(Mistake::new("a timestamp, which is not supported (hint: leave it out)"));
        }
        labels.sort();
        if let Some(pair) = labels.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(Mistake::about("the label ", &pair[0].0, " is there twice"));
        }
        let Some(room) = self.room.checked_sub(1) else {
            return Err(Mistake::new("the text files together have too many samples"));
        };
        self.room = room;
        let (family, suffix) = self.owner(name);
        let read = self.family(&family);
        for (label, _) in labels.iter().filter(|(label, _)| is_common(label)) {
            if !read.names.contains(label) {
                read.names.insert(label.clone());
            }
        }
        if read.names.len() > limits.label_names {
            return Err(Mistake::about("the family ", &family, " has too many different label names"));
        }
        let sample = Sample { suffix, labels: Labels::new(labels), value };
        if !read.series.insert(series_of(&sample)) {
            return Err(Mistake::about("the series ", line, " is there twice"));
        }
        read.family.samples.push(sample);
        self.is_metrics = true;
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

fn check_name(name: &str) -> Result<(), Mistake> {
    is_metric_name(name).then_some(()).ok_or_else(|| Mistake::about("", name, " is not a name"))
}

/// Names and values of labels as a file has them, not in order and perhaps repeated.
type Pairs = Vec<(String, String)>;

/// What is inside the braces, and the text after them.
fn labels(mut rest: &str, most: usize) -> Result<(Pairs, &str), Mistake> {
    let mut labels = Vec::new();
    loop {
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix('}') {
            return Ok((labels, after));
        }
        if labels.len() == most {
            return Err(Mistake::new("a sample with too many labels"));
        }
        let (name, after) = rest.split_once('=').ok_or_else(|| Mistake::new("a label without `=`"))?;
        let name = name.trim_end();
        if name.starts_with("__") {
            return Err(Mistake::about("the label's name ", name, " is reserved for Prometheus itself"));
        }
        if !is_label_name(name) {
            return Err(Mistake::about("", name, " is not a label's name"));
        }
        let quoted = after
            .trim_start()
            .strip_prefix('"')
            .ok_or_else(|| Mistake::about("the label ", name, " has no quotes"))?;
        let end = closing_quote(quoted).ok_or_else(|| Mistake::about("the label ", name, " does not end"))?;
        labels.push((name.to_owned(), unescape(&quoted[..end], true)?));
        rest = quoted[end + 1..].trim_start();
        match rest.strip_prefix(',') {
            Some(after) => rest = after,
            None if rest.starts_with('}') => {}
            None => return Err(Mistake::about("after the label ", name, ": expected a comma or a brace")),
        }
    }
}

fn unescape(text: &str, quotes: bool) -> Result<String, Mistake> {
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
                let escape: String = std::iter::once('\\').chain(other).collect();
                return Err(Mistake::about("", &escape, " is not an escape"));
            }
        }
    }
    Ok(plain)
}

fn number(word: &str) -> Result<Number, Mistake> {
    if let Ok(whole) = word.parse::<u64>() {
        return Ok(Number::Whole(whole));
    }
    // Rust also reads "infinity", which Go does as well, and nothing that Go refuses.
    word.parse::<f64>().map(Number::Real).map_err(|_| Mistake::about("", word, " is not a number"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::host::testing::values;

    fn parse(text: &str) -> Result<Vec<Family>, String> {
        super::parse(text, &Limits::DEFAULT, Limits::DEFAULT.samples)
    }

    fn check(text: &str, expected: &[&str]) {
        assert_eq!(values(&parse(text).unwrap()), expected, "{text}");
    }

    /// After a line that is in order.
    fn check_refused(text: &str, reason: &str) {
        let mistake = parse(&format!("first 1\n{text}")).unwrap_err();
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
        check_refused("a 1\nb\n", "line 3: `b` has no value");
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

    #[test]
    fn refuses_names_and_series_that_no_page_may_hold() {
        let dunder = include_str!("../../testdata/textfile/dunder_name.prom");
        check_refused(dunder, "line 2: the label's name `__name__` is reserved");
        check_refused("a{__x=\"1\"} 1\n", "the label's name `__x` is reserved");
        check_refused("a{b:c=\"1\"} 1\n", "`b:c` is not a label's name");
        check_refused("# HELP 1a x\n", "`1a` is not a name");
        check_refused("a 1\na 1\n", "line 3: the series `a 1` is there twice");
        check_refused("a{b=\"1\",c=\"2\"} 1\na{c=\"2\",b=\"1\"} 2\n", "is there twice");
        // Prometheus takes a label without a value for absent.
        check_refused("a{b=\"\"} 1\na 2\n", "is there twice");
        check("a{b=\"\"} 1\na{b=\"1\"} 2\n", &["a{b=\"\"} 1", "a{b=\"1\"} 2"]);
    }

    #[test]
    fn a_file_that_holds_no_metrics_is_not_repeated() {
        let shadow = "root:$6$secret$hash:19000:0:99999:7:::\n";
        for text in [
            shadow,
            "# a comment\nroot:$6$secret$hash:19000:0:99999:7:::\n",
            "secret { hash\n",
            "a{secret=\"hash\\x\"} 1\n",
        ] {
            let mistake = parse(text).unwrap_err();
            assert!(!mistake.contains("secret") && !mistake.contains("hash"), "{mistake}");
            assert!(mistake.starts_with("line "), "{mistake}");
        }
        let long = format!("a 1\n{} 1\n", "é".repeat(1_000_000));
        let mistake = parse(&long).unwrap_err();
        assert_eq!(mistake, format!("line 2: `{}…` is not a name", "é".repeat(60)));
        assert_eq!(parse("a 1\n\u{1b}[2J 1\n").unwrap_err(), "line 2: `\u{fffd}[2J` is not a name");
    }

    #[test]
    fn more_than_a_bound_is_told() {
        let limits = Limits { labels: 2, label_names: 3, ..Limits::DEFAULT };
        let check = |text: &str, room, expected: Result<usize, &str>| {
            let read = super::parse(text, &limits, room);
            let samples = read.map(|families| families.iter().map(|family| family.samples.len()).sum());
            assert_eq!(samples, expected.map_err(str::to_owned), "{text}");
        };
        check("a 1\nb 1\n", 2, Ok(2));
        check("a 1\nb 1\n", 1, Err("line 2: the text files together have too many samples"));
        check("a{b=\"1\",c=\"1\"} 1\n", 1, Ok(1));
        check("a{b=\"1\",c=\"1\",d=\"1\"} 1\n", 1, Err("line 1: a sample with too many labels"));
        check("a{b=\"1\"} 1\na{c=\"1\"} 1\na{d=\"1\"} 1\n", 9, Ok(3));
        check(
            "a{b=\"1\"} 1\na{c=\"1\"} 1\na{d=\"1\"} 1\na{e=\"1\"} 1\n",
            9,
            Err("line 4: the family `a` has too many different label names"),
        );
        let many = include_str!("../../testdata/textfile/8000_labels.prom");
        assert_eq!(parse(many).unwrap_err(), "line 1: a sample with too many labels");
        let union = include_str!("../../testdata/textfile/label_union.prom");
        // Without a value each is the same series as the others.
        assert_eq!(parse(union).unwrap_err(), "line 2: the series `u{l1=\"\"} 1` is there twice");
        let union = union.replace("\"\"", "\"x\"");
        assert_eq!(parse(&union).unwrap_err(), "line 65: the family `u` has too many different label names");
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

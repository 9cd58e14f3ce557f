//! Lines that say nearly the same, as what stays and what moves.
//!
//! A line without its numbers is its shape, of which there are few. Each number is kept as its difference from the one that stood at this place
//! of this shape the last time. Any lines of JSON come back as they were: what is no [`Number`] stays in the shape.

use super::number::Number;

/// Stands for a number in a shape. JSON has no such character: in its texts it is escaped.
const NUMBER: char = '\0';

/// Ends a shape. Nor has JSON on one line such a character.
const END: char = '\n';

/// Lines that more are added to.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    shapes: Vec<Shape>,
    /// The place of the last line's shape.
    last: Number,
    /// For each line the kind of the difference of its shape's place, and of each of its numbers.
    kinds: Vec<u8>,
    differences: Vec<u8>,
}

#[derive(Clone, Debug)]
struct Shape {
    text: Box<str>,
    /// The numbers of its last line.
    last: Box<[Number]>,
}

impl Table {
    /// Adds a line of JSON, or of several with spaces between them, without its end.
    pub(super) fn add(&mut self, line: &str) {
        debug_assert!(!line.contains([NUMBER, END]), "{line:?}");
        let (text, numbers) = split(line);
        let place = self.shapes.iter().position(|shape| *shape.text == *text).unwrap_or_else(|| {
            let last = vec![Number::default(); numbers.len()].into();
            self.shapes.push(Shape { text: text.into(), last });
            self.shapes.len() - 1
        });
        let before = std::mem::replace(&mut self.last, Number::place(place));
        self.kinds.push(self.last.write_difference(before, &mut self.differences));
        for (number, last) in numbers.into_iter().zip(&mut self.shapes[place].last) {
            let before = std::mem::replace(last, number);
            self.kinds.push(number.write_difference(before, &mut self.differences));
        }
    }

    /// Takes all lines out; what held most of them is kept for the next ones.
    pub(super) fn clear(&mut self) {
        let Self { shapes, last, kinds, differences } = self;
        (*shapes, *last) = (Vec::new(), Number::default());
        kinds.clear();
        differences.clear();
    }

    /// The last line alone.
    pub(super) fn last_alone(&self) -> Option<Self> {
        let Shape { text, last } = self.shapes.get(self.last.as_place()?)?;
        let (mut kinds, mut differences) = (Vec::new(), Vec::new());
        for number in [&Number::default()].into_iter().chain(last) {
            kinds.push(number.write_difference(Number::default(), &mut differences));
        }
        let shape = Shape { text: text.clone(), last: last.clone() };
        Some(Self { shapes: vec![shape], last: Number::default(), kinds, differences })
    }

    /// Bytes of memory.
    pub(super) fn size(&self) -> usize {
        let size = |shape: &Shape| size_of_val(shape) + shape.text.len() + size_of_val(&*shape.last);
        self.shapes.iter().map(size).sum::<usize>() + self.kinds.len() + self.differences.len()
    }

    /// All of it, for [`lines`]: how long the shapes and the kinds are, the shapes, the kinds, the differences.
    pub(super) fn content(&self) -> Vec<u8> {
        let shapes: String = self.shapes.iter().flat_map(|shape| [&*shape.text, "\n"]).collect();
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).expect("nobody records so much").to_le_bytes();
        [
            &length(shapes.as_bytes())[..],
            &length(&self.kinds),
            shapes.as_bytes(),
            &self.kinds,
            &self.differences,
        ]
        .concat()
    }
}

/// The shape of a line, and its numbers. These begin the line, or stand where one may stand in JSON.
fn split(line: &str) -> (String, Vec<Number>) {
    let (mut shape, mut numbers) = (String::with_capacity(line.len()), Vec::new());
    let (bytes, mut at, mut taken, mut may_begin) = (line.as_bytes(), 0, 0, true);
    while let Some(byte) = bytes.get(at) {
        let length = if may_begin { Number::length(&bytes[at..]) } else { 0 };
        may_begin = matches!(byte, b':' | b'[' | b',' | b' ');
        if let Some(number) = (length > 0).then(|| Number::read(&line[at..at + length])).flatten() {
            shape.push_str(&line[taken..at]);
            shape.push(NUMBER);
            numbers.push(number);
            taken = at + length;
        }
        at += length.max(1);
    }
    shape.push_str(&line[taken..]);
    (shape, numbers)
}

/// The lines of a table with this content, from the first on. They end where the content is none.
pub(super) fn lines(content: &[u8]) -> impl Iterator<Item = String> {
    Lines::of(content).into_iter().flatten()
}

struct Lines<'a> {
    /// What stands before, between and after the numbers, and the last numbers.
    shapes: Vec<(Vec<&'a str>, Vec<Number>)>,
    last: Number,
    kinds: &'a [u8],
    differences: &'a [u8],
}

impl<'a> Lines<'a> {
    fn of(content: &'a [u8]) -> Option<Self> {
        let (lengths, rest) = content.split_first_chunk::<8>()?;
        let [shapes, kinds] =
            [0, 4].map(|at| lengths.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes));
        let (shapes, rest) = rest.split_at_checked(shapes? as usize)?;
        let (kinds, differences) = rest.split_at_checked(kinds? as usize)?;
        let pieces = |shape: &'a str| {
            let pieces: Vec<_> = shape.split(NUMBER).collect();
            let last = vec![Number::default(); pieces.len() - 1];
            (pieces, last)
        };
        let shapes = str::from_utf8(shapes).ok()?.split_terminator(END).map(pieces).collect();
        Some(Self { shapes, last: Number::default(), kinds, differences })
    }
}

impl Iterator for Lines<'_> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let Self { shapes, last, kinds, differences } = self;
        let mut follow = |before: &mut Number| {
            let (kind, rest) = kinds.split_first()?;
            *kinds = rest;
            *before = Number::read_difference(*kind, *before, differences)?;
            Some(*before)
        };
        let (pieces, numbers) = shapes.get_mut(follow(last)?.as_place()?)?;
        let (first, others) = pieces.split_first()?;
        let mut line = (*first).to_owned();
        for (piece, before) in others.iter().zip(numbers) {
            follow(before)?.write(&mut line);
            line.push_str(piece);
        }
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Number as JsonNumber, Value, json};

    use super::*;

    fn table(lines: &[String]) -> Table {
        let mut table = Table::default();
        for line in lines {
            table.add(line);
        }
        table
    }

    fn check(lines: &[String]) {
        assert_eq!(super::lines(&table(lines).content()).collect::<Vec<_>>(), lines);
    }

    #[test]
    fn lines_come_back_as_they_were() {
        let lines = [
            "",
            "7",
            r#"1700000000000 {"a":[1,2.5,null,true],"b":"12 34, 5:6","c":{"1":{"x":0.1320996616068569}}}"#,
            r#"1700000001000 {"a":[1,2.75,null,true],"b":"12 34, 5:6","c":{"1":{"x":1e-7}}}"#,
            r#"1700000002000 {"a":[],"c":"显卡 7"}"#,
            r#"1700000003000 {"a":[1,-0.0,null,true],"b":"12 34, 5:7","c":{"1":{"x":18446744073709551615}}}"#,
            "007 1.50 -",
        ];
        check(&lines.map(str::to_owned));
        check(&[]);
    }

    #[test]
    fn a_line_like_the_one_before_adds_what_moved() {
        let line = |at: u64, watts: f64| {
            format!(r#"{at} {{"power":{{"usage":{watts:?},"limit":700.0}},"name":"H100"}}"#)
        };
        let mut table = table(&[line(1_700_000_000_000, 484.036)]);
        let before = table.size();
        table.add(&line(1_700_000_001_000, 484.1));
        // A byte for the shape and for each of three numbers, two for a second, one for the watts.
        assert_eq!(table.size() - before, 4 + 2 + 1);
        let alone = table.last_alone().expect("there are two");
        assert_eq!(super::lines(&alone.content()).collect::<Vec<_>>(), [line(1_700_000_001_000, 484.1)]);
        assert!(Table::default().last_alone().is_none());
    }

    #[test]
    fn what_is_no_content_has_no_lines_and_what_is_cut_off_fewer() {
        let content = table(&[r#"1 {"a":2.5}"#.to_owned(), r#"2 {"a":2.5}"#.to_owned()]).content();
        for length in 0..content.len() {
            let lines: Vec<_> = super::lines(&content[..length]).collect();
            assert!(lines.len() < 2, "{lines:?}");
        }
        assert_eq!(super::lines(&[0xFF; 64]).count(), 0);
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            (-50_i64..50).prop_map(Value::from),
            any::<f64>().prop_map(|real| JsonNumber::from_f64(real).map_or(Value::Null, Value::Number)),
            (-9_999_i32..9_999).prop_map(|number| json!(f64::from(number) / 1e3)),
            ".{0,12}".prop_map(Value::from),
            "[-0-9:, .eE]{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map("[a-c0-9]{1,2}", inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_json_comes_back_as_it_was(values in prop::collection::vec((any::<i64>(), any_value()), 0..12)) {
            check(&values.iter().map(|(at, value)| format!("{at} {value}")).collect::<Vec<_>>());
        }

        #[test]
        fn any_text_comes_back_as_it_was(lines in prop::collection::vec("[-0-9:, .eE\\[\"a显]{0,20}", 0..12)) {
            check(&lines);
        }

        #[test]
        fn no_content_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0_usize..200, other in any::<u8>()) {
            super::lines(&bytes).for_each(drop);
            let mut content = table(&[r#"1 {"a":2.5}"#.to_owned(), r#"2 {"a":2.5,"b":7}"#.to_owned()]).content();
            let place = at % content.len();
            content[place] = other;
            super::lines(&content).take(1_000).for_each(drop);
        }
    }
}

//! The lines of a page, as both text formats write them.
//!
//! Owns the spelling of samples, numbers and escapes, and remembers where values are. Leaves out names and types, in which the formats differ.

use crate::family::Number;

/// The lines of a family, at the end of a text that holds those of others before.
pub(super) struct Lines<'text> {
    pub(super) text: &'text mut String,
    /// Where the family's lines begin in the text.
    begin: usize,
    /// Where the value of each sample begins, counted from there.
    values: &'text mut Vec<usize>,
}

impl<'text> Lines<'text> {
    /// None yet.
    pub(super) fn at_end_of(text: &'text mut String, values: &'text mut Vec<usize>) -> Self {
        Self { begin: text.len(), text, values }
    }

    /// `NAMESUFFIX{LABELS} VALUE`.
    pub(super) fn sample(&mut self, [name, suffix]: [&str; 2], labels: &str, value: Number) {
        self.text.push_str(name);
        self.text.push_str(suffix);
        if !labels.is_empty() {
            self.text.push('{');
            self.text.push_str(labels);
            self.text.push('}');
        }
        self.text.push(' ');
        self.value(value);
        self.text.push('\n');
    }

    /// A value, after all else of its line.
    pub(super) fn value(&mut self, value: Number) {
        self.value_follows_in(0);
        write_number(self.text, value);
    }

    /// A value begins so many bytes behind what is written.
    pub(super) fn value_follows_in(&mut self, bytes: usize) {
        self.values.push(self.text.len() - self.begin + bytes);
    }
}

/// `# HELP NAME HELP`, with the quotes of the help escaped or not, and `# TYPE NAME KIND`.
pub(super) fn write_header(out: &mut String, name: &str, help: &str, quotes: bool, kind: &str) {
    out.push_str("# HELP ");
    out.push_str(name);
    out.push(' ');
    escape(out, help, quotes);
    out.push_str("\n# TYPE ");
    out.push_str(name);
    out.push(' ');
    out.push_str(kind);
    out.push('\n');
}

/// `# UNIT NAME UNIT`.
pub(super) fn write_unit(out: &mut String, name: &str, unit: &str) {
    for part in ["# UNIT ", name, " ", unit, "\n"] {
        out.push_str(part);
    }
}

/// Go's parser reads `+Inf`, `-Inf` and `NaN`; finite numbers are written with the fewest digits that read back equal, very large and very
/// small ones with an exponent.
pub(super) fn write_number(out: &mut String, number: Number) {
    match number {
        Number::Whole(whole) => out.push_str(itoa::Buffer::new().format(whole)),
        Number::Real(real) if real.is_nan() => out.push_str("NaN"),
        Number::Real(real) if real.is_infinite() => out.push_str(if real > 0.0 { "+Inf" } else { "-Inf" }),
        Number::Real(real) => out.push_str(zmij::Buffer::new().format_finite(real)),
    }
}

/// `\` and line feed, and where asked the quote. Nearly every text holds none of them and is copied whole.
fn escape(out: &mut String, text: &str, quotes: bool) {
    if !text.bytes().any(|byte| matches!(byte, b'\\' | b'\n' | b'"')) {
        out.push_str(text);
        return;
    }
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if quotes => out.push_str("\\\""),
            other => out.push(other),
        }
    }
}

//! The lines of a page, as both text formats write them.
//!
//! Owns the spelling of samples, numbers and escapes. Leaves out names and types, in which the formats differ.

use crate::family::Number;

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

/// `NAMESUFFIX{LABELS} VALUE`.
pub(super) fn write_sample(out: &mut String, [name, suffix]: [&str; 2], labels: &str, value: Number) {
    out.push_str(name);
    out.push_str(suffix);
    if !labels.is_empty() {
        out.push('{');
        out.push_str(labels);
        out.push('}');
    }
    out.push(' ');
    write_number(out, value);
    out.push('\n');
}

/// How many bytes such a line has before its value.
pub(super) fn length_before_value([name, suffix]: [&str; 2], labels: &str) -> usize {
    let braces = if labels.is_empty() { "" } else { "{}" };
    [name, suffix, labels, braces, " "].map(str::len).iter().sum()
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

//! An expression as regex-syntax understood it, in the few signs that mean the same in regex-lite: no flags, no names,
//! and every class as the ranges it has.

use std::fmt::Write as _;

use regex_syntax::hir::{Class, Hir, HirKind, Look};

/// The text for regex-lite; `None` for what it cannot say, which no expression of RE2 needs.
pub(super) fn spelled(expression: &Hir) -> Option<String> {
    let mut out = String::new();
    write(expression, &mut out)?;
    Some(out)
}

fn write(expression: &Hir, out: &mut String) -> Option<()> {
    match expression.kind() {
        HirKind::Empty => out.push_str("(?:)"),
        HirKind::Literal(literal) => out.push_str(&regex_lite::escape(str::from_utf8(&literal.0).ok()?)),
        HirKind::Class(class) => write_class(class, out)?,
        HirKind::Look(look) => out.push_str(place(*look)?),
        HirKind::Repetition(repetition) => {
            out.push_str("(?:");
            write(&repetition.sub, out)?;
            _ = write!(out, "){{{},", repetition.min);
            if let Some(most) = repetition.max {
                _ = write!(out, "{most}");
            }
            out.push_str(if repetition.greedy { "}" } else { "}?" });
        }
        HirKind::Capture(capture) => write(&capture.sub, out)?,
        HirKind::Concat(parts) => {
            for part in parts {
                write(part, out)?;
            }
        }
        HirKind::Alternation(parts) => {
            out.push_str("(?:");
            for (place, part) in parts.iter().enumerate() {
                out.push_str(if place == 0 { "" } else { "|" });
                write(part, out)?;
            }
            out.push(')');
        }
    }
    Some(())
}

fn write_class(class: &Class, out: &mut String) -> Option<()> {
    let ranges: Vec<(u32, u32)> = match class {
        Class::Unicode(class) => {
            class.iter().map(|range| (range.start().into(), range.end().into())).collect()
        }
        Class::Bytes(class) if class.is_ascii() => {
            class.iter().map(|range| (range.start().into(), range.end().into())).collect()
        }
        Class::Bytes(_) => return None,
    };
    if ranges.is_empty() {
        out.push_str("[^\\x{0}-\\x{10ffff}]");
        return Some(());
    }
    out.push('[');
    for (from, to) in ranges {
        _ = write!(out, "\\x{{{from:x}}}-\\x{{{to:x}}}");
    }
    out.push(']');
    Some(())
}

fn place(look: Look) -> Option<&'static str> {
    match look {
        Look::Start => Some("\\A"),
        Look::End => Some("\\z"),
        Look::StartLF => Some("(?m:^)"),
        Look::EndLF => Some("(?m:$)"),
        Look::WordAscii => Some("\\b"),
        Look::WordAsciiNegate => Some("\\B"),
        _ => None,
    }
}

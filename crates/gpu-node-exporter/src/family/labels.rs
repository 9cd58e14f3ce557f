//! A label set, kept as a page shows it.
//!
//! Both formats write labels alike, so a set is written once, when it is made: a device's set then costs a sample one
//! copy of a text, and a new set one allocation, however many labels it has. Half of a scrape's CPU time went into small
//! allocations when each label had its own.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// The labels of a sample: `gpu="0",uuid="GPU-1"`. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Labels(Option<Arc<str>>);

/// Most sets of a page share their text with the page before, and are then found equal without a look at it.
impl PartialEq for Labels {
    fn eq(&self, other: &Self) -> bool {
        self.shares_text_with(other) || self.text() == other.text()
    }
}

impl Eq for Labels {}

impl Hash for Labels {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text().hash(state);
    }
}

impl Labels {
    /// No labels at all.
    pub(crate) const NONE: Self = Self(None);

    /// The labels in the order given; names must be unique and are not escaped.
    pub(crate) fn new<N: AsRef<str>, V: AsRef<str>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        Self::NONE.and(pairs)
    }

    /// This set with more labels after its own.
    #[must_use]
    pub(crate) fn and<N: AsRef<str>, V: AsRef<str>>(&self, pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let mut text = String::with_capacity(self.text().len() + 128);
        self.write_with(pairs, &mut text);
        Self::of_text(&text)
    }

    /// Writes this set with more labels after its own.
    fn write_with<N: AsRef<str>, V: AsRef<str>>(
        &self,
        pairs: impl IntoIterator<Item = (N, V)>,
        text: &mut String,
    ) {
        text.push_str(self.text());
        for (name, value) in pairs {
            write_label(text, name.as_ref(), value.as_ref());
        }
    }

    /// The set that was written so.
    pub(super) fn of_text(text: &str) -> Self {
        Self((!text.is_empty()).then(|| text.into()))
    }

    /// Whether the text of both is one.
    pub(super) fn shares_text_with(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (one, other) => one.is_none() && other.is_none(),
        }
    }

    /// As it stands between the braces; empty without labels.
    pub(crate) fn text(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }

    /// Names and values in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
        self.escaped().map(|(name, value)| (name, unescaped(value)))
    }

    /// Names and values in order, the values as they are written.
    pub(crate) fn escaped(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut rest = self.text();
        std::iter::from_fn(move || {
            let (name, value) = rest.split_once("=\"")?;
            let end = closing_quote(value)?;
            rest = value[end + 1..].strip_prefix(',').unwrap_or_default();
            Some((name, &value[..end]))
        })
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{}}}", self.text())
    }
}

/// Writes one label after those that are there.
pub(super) fn write_label(text: &mut String, name: &str, value: &str) {
    if !text.is_empty() {
        text.push(',');
    }
    text.push_str(name);
    text.push_str("=\"");
    escape(text, value);
    text.push('"');
}

/// Whether a value is written otherwise than it is.
pub(super) fn needs_escape(value: &str) -> bool {
    value.bytes().any(|byte| matches!(byte, b'\\' | b'\n' | b'"'))
}

/// `\`, line feed and quote. Most values hold none of them and are copied whole.
fn escape(out: &mut String, value: &str) {
    if !needs_escape(value) {
        out.push_str(value);
        return;
    }
    for character in value.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' => out.push_str("\\\""),
            other => out.push(other),
        }
    }
}

/// A value as it was before it was written: `\n`, `\"` and `\\` stand for what they name.
pub(crate) fn unescaped(value: &str) -> Cow<'_, str> {
    if !value.contains('\\') {
        return Cow::Borrowed(value);
    }
    let mut plain = String::with_capacity(value.len());
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => plain.extend(characters.next().map(|next| if next == 'n' { '\n' } else { next })),
            other => plain.push(other),
        }
    }
    Cow::Owned(plain)
}

/// Where the first quote is that no backslash escapes.
pub(crate) fn closing_quote(text: &str) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + text[from..].find('"')?;
        // What stands before `from` ends with a quote, so a run of backslashes is counted once.
        let backslashes = text[from..at].bytes().rev().take_while(|byte| *byte == b'\\').count();
        if backslashes % 2 == 0 {
            return Some(at);
        }
        from = at + 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_set_is_its_text() {
        assert_eq!(Labels::NONE.text(), "");
        let device = Labels::new([("gpu", "0"), ("uuid", "GPU-1")]);
        assert_eq!(
            device.and([("sensor", "a \"b\"\\\n")]).text(),
            r#"gpu="0",uuid="GPU-1",sensor="a \"b\"\\\n""#
        );
        assert_eq!(Labels::new([("", ""); 0]), Labels::NONE);
    }

    proptest! {
        #[test]
        fn what_went_in_comes_out(pairs in prop::collection::vec(("[a-z_]{1,5}", any::<String>()), 0..5)) {
            let labels = Labels::new(pairs.iter().map(|(name, value)| (name, value)));
            let read: Vec<_> = labels.iter().map(|(name, value)| (name.to_owned(), value.into_owned())).collect();
            prop_assert_eq!(read, pairs);
        }
    }
}

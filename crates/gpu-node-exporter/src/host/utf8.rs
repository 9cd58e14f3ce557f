//! Names that nobody promised to be UTF-8: of network devices, mount points and files.

use std::borrow::Cow;

/// The text, with each byte that is not UTF-8 as `\xff`: a label has to be UTF-8, and two names have to stay two.
pub(crate) fn escaped(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.extend(byte.escape_ascii().map(char::from));
        }
    }
    Cow::Owned(text)
}

/// The text, with each run of bytes that are not UTF-8 as one `�`, which is how `node_exporter` shows what firmware calls things.
pub(crate) fn replaced(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len());
    let mut is_in_run = false;
    for chunk in bytes.utf8_chunks() {
        if !chunk.valid().is_empty() {
            is_in_run = false;
            text.push_str(chunk.valid());
        }
        if !chunk.invalid().is_empty() && !is_in_run {
            is_in_run = true;
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_other_bytes_are_replaced() {
        let check = |bytes: &[u8], expected: &str| assert_eq!(replaced(bytes), expected);
        check(b"Core 0", "Core 0");
        check(b"a\xff\xfeb\xff", "a\u{fffd}b\u{fffd}");
        check(b"\xff", "\u{fffd}");
        check(b"", "");
    }

    #[test]
    fn names_that_differ_stay_different() {
        let check = |bytes: &[u8], expected: &str| assert_eq!(escaped(bytes), expected);
        check(b"eth0", "eth0");
        check("网卡".as_bytes(), "网卡");
        check(b"a\xffb", r"a\xffb");
        check(b"a\xfe\xff", r"a\xfe\xff");
        check(b"", "");
    }
}

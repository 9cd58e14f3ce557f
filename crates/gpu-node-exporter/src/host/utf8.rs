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

#[cfg(test)]
mod tests {
    use super::*;

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

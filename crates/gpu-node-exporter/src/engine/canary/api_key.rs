//! The key that engines may want of whoever asks them, from its file.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use http::HeaderValue;

/// A key, as the header `Authorization` has it. It prints as `Sensitive`.
#[derive(Debug)]
pub(crate) struct ApiKey(Option<HeaderValue>);

impl ApiKey {
    /// The one in this file, which is read once; none without a file. An error says what is wrong with it.
    pub(crate) fn read(file: Option<&Path>) -> Result<Self, String> {
        let key = file.map(read).transpose();
        key.map(Self).map_err(|error| format!("--engine.canary.api-key-file: {error}"))
    }

    /// The header, where there is one.
    pub(super) fn header(&self) -> Option<&HeaderValue> {
        self.0.as_ref()
    }
}

/// Bytes of a file with an API key.
const LONGEST_KEY: u64 = 4096;

/// The header `Authorization` with the key in this file. Errors repeat nothing of it.
fn read(file: &Path) -> Result<HeaderValue, String> {
    let mut text = Vec::new();
    let opened = File::open(file);
    opened
        .and_then(|file| file.take(LONGEST_KEY + 1).read_to_end(&mut text))
        .map_err(|error| format!("{}: {error}", file.display()))?;
    let wrong = |what: &str| format!("{}: {what}", file.display());
    if text.len() as u64 > LONGEST_KEY {
        return Err(wrong("more than 4096 bytes, expected an API key alone"));
    }
    let key = text.trim_ascii();
    if key.is_empty() {
        return Err(wrong("empty, expected an API key"));
    }
    if !key.iter().all(u8::is_ascii_graphic) {
        return Err(wrong("expected an API key alone, in ASCII and without spaces"));
    }
    let mut value = HeaderValue::from_bytes(&[b"Bearer ", key].concat())
        .map_err(|_| wrong("expected an API key alone, in ASCII and without spaces"))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_and_never_printed() {
        let folder = tempfile::tempdir().unwrap();
        let check = |text: &[u8], expected: Result<&str, &str>| {
            let file = folder.path().join("key");
            std::fs::write(&file, text).unwrap();
            let read = ApiKey::read(Some(&file));
            assert!(!format!("{read:?}").contains("sk-secret"), "{read:?}");
            match (&read, expected) {
                (Ok(key), Ok(expected)) => assert_eq!(key.header().unwrap(), expected),
                (Err(error), Err(expected)) => assert!(error.ends_with(expected), "{error}"),
                _ => panic!("{read:?}"),
            }
        };
        check(b"sk-secret\n", Ok("Bearer sk-secret"));
        check(b" \n", Err("key: empty, expected an API key"));
        check(b"sk-secret two", Err("expected an API key alone, in ASCII and without spaces"));
        check("sk-secret-ü".as_bytes(), Err("expected an API key alone, in ASCII and without spaces"));
        check(&[b'x'; 5000], Err("more than 4096 bytes, expected an API key alone"));
        assert!(ApiKey::read(None).unwrap().header().is_none());
        assert!(ApiKey::read(Some(&folder.path().join("none"))).unwrap_err().contains("No such file"));
    }
}

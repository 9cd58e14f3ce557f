//! Bytes, packed by deflate (RFC 1951) with the help of others that have much in common with them.

use std::sync::Arc;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// What packed bytes may repeat. Many share one; it has to be there as long as any of them.
pub(super) type Dictionary = Arc<[u8]>;

/// Bytes of a dictionary: deflate sees no further back.
pub(super) const LONGEST_DICTIONARY: usize = 32 << 10;

/// Room that is added where there was too little.
const MORE: usize = 1 << 10;

#[derive(Debug)]
pub(super) struct Packed {
    bytes: Box<[u8]>,
    /// Bytes before they were packed.
    length: usize,
    dictionary: Dictionary,
}

impl Packed {
    pub(super) fn new(content: &[u8], dictionary: &Dictionary) -> Self {
        const ORDER: &str = "only a wrong order of calls fails";
        let mut compress = Compress::new(Compression::default(), false);
        if !dictionary.is_empty() {
            compress.set_dictionary(dictionary).expect(ORDER);
        }
        let mut out = Vec::with_capacity(content.len() / 2 + MORE);
        loop {
            let taken = usize::try_from(compress.total_in()).unwrap_or(usize::MAX);
            let rest = content.get(taken..).unwrap_or_default();
            if compress.compress_vec(rest, &mut out, FlushCompress::Finish).expect(ORDER) == Status::StreamEnd
            {
                break;
            }
            out.reserve(MORE);
        }
        // A copy of its own length: to cut off the room that was not needed would leave a gap in the heap at each.
        Self { bytes: out.as_slice().into(), length: content.len(), dictionary: Arc::clone(dictionary) }
    }

    /// Bytes of memory; the dictionary is not its own.
    pub(super) fn size(&self) -> usize {
        self.bytes.len() + size_of::<Self>()
    }

    /// The bytes as they were. `None`: the memory is no longer what it was.
    pub(super) fn unpack(&self) -> Option<Vec<u8>> {
        let mut decompress = Decompress::new(false);
        if !self.dictionary.is_empty() {
            decompress.set_dictionary(&self.dictionary).ok()?;
        }
        // What has its full length is not at its end before it was asked for more.
        let mut content = Vec::with_capacity(self.length + 1);
        let status = decompress.decompress_vec(&self.bytes, &mut content, FlushDecompress::Finish).ok()?;
        (status == Status::StreamEnd).then_some(content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_dictionary_has_takes_no_room() {
        let noise: Vec<u8> =
            (0_u64..20_000).map(|n| n.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes()[0]).collect();
        let none = Dictionary::default();
        let own = Dictionary::from(&noise[..10_000]);
        for (content, dictionary, most) in [
            (&noise[..10_000], &none, 10_100),
            (&noise[..10_000], &own, 300),
            (&noise, &own, 10_400),
            (&noise[..0], &own, 100),
            (&noise[..0], &none, 100),
        ] {
            let packed = Packed::new(content, dictionary);
            assert!(packed.size() <= most, "{} bytes, expected {most}", packed.size());
            assert_eq!(packed.unpack().as_deref(), Some(content));
        }
    }

    #[test]
    fn what_was_damaged_is_nothing() {
        let mut packed = Packed::new(&[7; 100], &Dictionary::default());
        packed.bytes = packed.bytes[..packed.bytes.len() - 1].into();
        assert_eq!(packed.unpack(), None);
    }
}

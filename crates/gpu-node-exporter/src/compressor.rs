//! Gzip, by a compressor that is kept from page to page.
//!
//! A new one for each page asks the kernel for a third of a megabyte of cleared memory, and gives it back.

use std::sync::{Mutex, MutexGuard, PoisonError};

use flate2::{Compress, Compression, FlushCompress, Status};

/// Compresses texts, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Compressor {
    kept: Mutex<Option<Compress>>,
}

/// Bits of the distance over which a text may repeat itself: 32 KiB, the most there is. Each time the window moves on, all that is known of the
/// text before is gone through; with 8 KiB that was 15 % of the CPU time of a gzipped scrape.
const WINDOW: u8 = 15;

impl Compressor {
    /// The text of these pieces, compressed. Level 1: a page shrinks to a fifth at a small part of what the higher levels cost.
    pub(crate) fn gzip(&self, pieces: &[impl AsRef<[u8]>]) -> Vec<u8> {
        let kept = self.kept().take();
        let mut compress = kept.unwrap_or_else(|| Compress::new_gzip(Compression::fast(), WINDOW));
        let length: usize = pieces.iter().map(|piece| piece.as_ref().len()).sum();
        let mut out = Vec::with_capacity(length / 4);
        let more = length / 4 + LEAST;
        for piece in pieces {
            let mut rest = piece.as_ref();
            while !rest.is_empty() {
                rest = &rest[step(&mut compress, rest, &mut out, more, FlushCompress::None).0..];
            }
        }
        while step(&mut compress, &[], &mut out, more, FlushCompress::Finish).1 != Status::StreamEnd {}
        compress.reset();
        // Two pages at the same time had one each.
        *self.kept() = Some(compress);
        out
    }

    fn kept(&self) -> MutexGuard<'_, Option<Compress>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Compresses some of the input, with room for more output where there is none. How much of it, and whether that was all there is to come.
fn step(
    compress: &mut Compress,
    input: &[u8],
    out: &mut Vec<u8>,
    more: usize,
    flush: FlushCompress,
) -> (usize, Status) {
    if out.len() == out.capacity() {
        out.reserve(more);
    }
    let before = compress.total_in();
    let status = compress.compress_vec(input, out, flush).expect("only a wrong order of calls fails");
    (usize::try_from(compress.total_in() - before).unwrap_or(usize::MAX), status)
}

/// Bytes. The head and the end of an empty text need fewer.
const LEAST: usize = 64;

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    /// What was packed, which is one member and nothing after it.
    fn read(packed: &[u8]) -> String {
        let (mut text, mut decoder) = (String::new(), flate2::bufread::GzDecoder::new(packed));
        decoder.read_to_string(&mut text).unwrap();
        assert_eq!(decoder.into_inner().len(), 0);
        text
    }

    #[test]
    fn each_text_stands_alone() {
        let compressor = Compressor::default();
        let lines = |count: u64| (0..count).map(|line| format!("line{{n=\"{line}\"}} {}\n", line * line));
        let incompressible: String = (0..9_000_u32).map(|n| char::from(33 + (n * n % 89) as u8)).collect();
        for text in [lines(5_000).collect(), String::new(), lines(10).collect(), incompressible] {
            let packed = compressor.gzip(&[&text]);
            assert_eq!(read(&packed), text);
            assert_eq!(packed, Compressor::default().gzip(&[&text]), "as by a new one");
            let (head, tail) = text.split_at(text.len() / 3);
            assert_eq!(read(&compressor.gzip(&[head, "", tail])), text, "in pieces");
        }
        assert!(compressor.kept().is_some());
    }
}

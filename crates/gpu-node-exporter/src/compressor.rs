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
    /// The text, compressed. Level 1: a page shrinks to a fifth at a small part of what the higher levels cost.
    pub(crate) fn gzip(&self, text: &[u8]) -> Vec<u8> {
        let kept = self.kept().take();
        let mut compress = kept.unwrap_or_else(|| Compress::new_gzip(Compression::fast(), WINDOW));
        let mut out = Vec::with_capacity(text.len() / 4);
        loop {
            let taken = usize::try_from(compress.total_in()).unwrap_or(usize::MAX);
            let rest = text.get(taken..).unwrap_or_default();
            let status = compress.compress_vec(rest, &mut out, FlushCompress::Finish);
            if status.expect("only a wrong order of calls fails") == Status::StreamEnd {
                break;
            }
            out.reserve(text.len() / 4 + LEAST);
        }
        compress.reset();
        // Two pages at the same time had one each.
        *self.kept() = Some(compress);
        out
    }

    fn kept(&self) -> MutexGuard<'_, Option<Compress>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes. The head and the end of an empty text need fewer.
const LEAST: usize = 64;

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn each_text_stands_alone() {
        let compressor = Compressor::default();
        let lines = |count: u64| (0..count).map(|line| format!("line{{n=\"{line}\"}} {}\n", line * line));
        let incompressible: String = (0..9_000_u32).map(|n| char::from(33 + (n * n % 89) as u8)).collect();
        for text in [lines(5_000).collect(), String::new(), lines(10).collect(), incompressible] {
            let mut read = String::new();
            let packed = compressor.gzip(text.as_bytes());
            // One member, and nothing after it.
            let mut decoder = flate2::bufread::GzDecoder::new(&packed[..]);
            decoder.read_to_string(&mut read).unwrap();
            assert_eq!((read, decoder.into_inner().len()), (text.clone(), 0));
            assert_eq!(packed, Compressor::default().gzip(text.as_bytes()), "as by a new one");
        }
        assert!(compressor.kept().is_some());
    }
}

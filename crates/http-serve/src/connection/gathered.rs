//! Texts that are written together, each from where it is.

use std::{collections::VecDeque, io::IoSlice};

use bytes::{Buf, Bytes};

/// Pieces of a body, none of them empty, that one call of the kernel's writes (`writev`).
#[derive(Debug, Default)]
pub(crate) struct Gathered(VecDeque<Bytes>);

impl Gathered {
    pub(crate) fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.0.push_back(piece);
        }
    }

    /// How many there are.
    pub(crate) fn pieces(&self) -> usize {
        self.0.len()
    }
}

impl From<Bytes> for Gathered {
    fn from(piece: Bytes) -> Self {
        let mut gathered = Self::default();
        gathered.push(piece);
        gathered
    }
}

impl Buf for Gathered {
    fn remaining(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    fn chunk(&self) -> &[u8] {
        self.0.front().map(Bytes::as_ref).unwrap_or_default()
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let filled = slices.iter_mut().zip(&self.0).map(|(slice, piece)| *slice = IoSlice::new(piece));
        filled.count()
    }

    fn advance(&mut self, mut count: usize) {
        while let Some(front) = self.0.front_mut() {
            let own = count.min(front.len());
            front.advance(own);
            count -= own;
            if !front.is_empty() {
                break;
            }
            self.0.pop_front();
        }
        assert_eq!(count, 0, "no more is taken than there is");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_taken_in_steps_of_any_length() {
        let pieces = ["ab", "", "cde", "f"];
        for step in 1..=7 {
            let (mut gathered, mut taken) = (Gathered::default(), Vec::new());
            for piece in pieces {
                gathered.push(Bytes::from_static(piece.as_bytes()));
            }
            while gathered.has_remaining() {
                let mut slices = [IoSlice::new(&[]); 8];
                let filled = gathered.chunks_vectored(&mut slices);
                let all: Vec<u8> = slices[..filled].iter().flat_map(|slice| slice.iter().copied()).collect();
                assert_eq!((all.len(), &*slices[0]), (gathered.remaining(), gathered.chunk()));
                let count = step.min(all.len());
                taken.extend_from_slice(&all[..count]);
                gathered.advance(count);
            }
            assert_eq!((taken, gathered.pieces()), (b"abcdef".to_vec(), 0), "{step}");
        }
    }
}

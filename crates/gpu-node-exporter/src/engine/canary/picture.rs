//! The picture of a canary: one colour, as PNG (<https://www.w3.org/TR/png-3/>).
//!
//! Each has another colour, since engines keep what they have made of pictures they have seen: the same one would be answered from memory.

use std::io::{self, Write as _};

use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};

/// Pixels of a side. Qwen's vision models take none below 28, the width of a patch of theirs; 64 is also two patches of Qwen3-VL.
pub(super) const SIDE: u32 = 64;

/// Some hundred bytes, of the colour that belongs to the number.
pub(super) fn png(number: u64) -> io::Result<Vec<u8>> {
    let [red, green, blue, ..] = number.to_le_bytes();
    // A row begins with its filter, here none.
    let row = [&[0][..], &[red, green, blue].repeat(SIDE as usize)].concat();
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::default());
    packed.write_all(&row.repeat(SIDE as usize))?;
    let side = SIDE.to_be_bytes();
    // Eight bits of each of red, green and blue; the usual compression, filters, and no interlacing.
    let header = [&side[..], &side, &[8, 2, 0, 0, 0]].concat();
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    for (name, data) in [(b"IHDR", &header), (b"IDAT", &packed.finish()?), (b"IEND", &Vec::new())] {
        chunk(&mut file, name, data);
    }
    Ok(file)
}

fn chunk(file: &mut Vec<u8>, name: &[u8], data: &[u8]) {
    let mut sum = Crc::new();
    sum.update(name);
    sum.update(data);
    // A chunk here has some hundred bytes.
    file.extend(u32::try_from(data.len()).unwrap_or(u32::MAX).to_be_bytes());
    file.extend(name);
    file.extend(data);
    file.extend(sum.sum().to_be_bytes());
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::ZlibDecoder;

    use super::*;

    /// Name and data of each chunk, whose sums are right.
    fn chunks(mut file: &[u8]) -> Vec<(String, Vec<u8>)> {
        file = file.strip_prefix(b"\x89PNG\r\n\x1a\n").unwrap();
        let mut chunks = Vec::new();
        while !file.is_empty() {
            let length = u32::from_be_bytes(file[..4].try_into().unwrap()) as usize;
            let (named, rest) = file[4..].split_at(4 + length);
            let mut sum = Crc::new();
            sum.update(named);
            assert_eq!(rest[..4], sum.sum().to_be_bytes());
            chunks.push((String::from_utf8(named[..4].to_vec()).unwrap(), named[4..].to_vec()));
            file = &rest[4..];
        }
        chunks
    }

    #[test]
    fn it_is_a_picture_of_one_colour() {
        let file = png(0x03_02_01).unwrap();
        assert!(file.len() < 250, "{} bytes", file.len());
        let chunks = chunks(&file);
        let names: Vec<_> = chunks.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["IHDR", "IDAT", "IEND"]);
        assert_eq!(chunks[0].1, [0, 0, 0, 64, 0, 0, 0, 64, 8, 2, 0, 0, 0]);
        let mut rows = Vec::new();
        ZlibDecoder::new(&chunks[1].1[..]).read_to_end(&mut rows).unwrap();
        let row: Vec<u8> = [0].into_iter().chain([1, 2, 3].repeat(64)).collect();
        assert_eq!(rows, row.repeat(64));
        assert_ne!(png(1).unwrap(), png(2).unwrap());
    }
}

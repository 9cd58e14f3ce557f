//! What fuzzers drive of the GPU side.

#![expect(
    clippy::missing_panics_doc,
    reason = "a panic is how a fuzzer is told that something does not hold"
)]

use std::io::{self, Read};

use super::frame::{Frame, FrameReader, FrameWriter};
use super::supervisor::kernel_log::read_records;

/// The pipe of the GPU probe: what was read can be written, and reads back as the same.
pub fn gpu_frames(bytes: &[u8]) {
    let read = frames(bytes);
    let mut written = Vec::new();
    let mut writer = FrameWriter::new(&mut written);
    for frame in &read {
        writer.write(frame.clone()).expect("a frame that was read fits");
    }
    assert_eq!(frames(&written), read);
}

/// The frames before the first mistake.
fn frames(bytes: &[u8]) -> Vec<Frame> {
    let mut reader = FrameReader::new(bytes);
    std::iter::from_fn(|| reader.read().ok().flatten()).collect()
}

/// The kernel log, a record a line: only the driver's own records count, and a slot is an address.
pub fn kernel_log(bytes: &[u8]) {
    for record in bytes.split(|byte| *byte == b'\n') {
        read_records(&mut OneRecord(record), |slot, _| {
            let message = String::from_utf8_lossy(record);
            let message = message.split_once(';').map_or("", |(_, message)| message);
            assert!(message.starts_with("NVRM:"), "an XID in {message:?}");
            assert!(
                slot.chars().all(|symbol| symbol.is_ascii_hexdigit() || ":.".contains(symbol)),
                "{slot:?}"
            );
            true
        });
    }
}

/// One read gives the record, as `/dev/kmsg` does, and the next the end.
struct OneRecord<'a>(&'a [u8]);

impl Read for OneRecord<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.0.len().min(buffer.len());
        buffer[..length].copy_from_slice(&self.0[..length]);
        self.0 = &[];
        Ok(length)
    }
}

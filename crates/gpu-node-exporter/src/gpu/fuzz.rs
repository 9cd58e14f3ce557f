//! What fuzzers drive of the GPU side.

#![expect(
    clippy::missing_panics_doc,
    reason = "a panic is how a fuzzer is told that something does not hold"
)]

pub use super::holders::fuzz::process_files;

use super::frame::{Frame, FrameReader, FrameWriter};
use super::snapshot::{Errors, Moment};
use super::xid::{KernelRecords, Report};

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

/// The kernel log, a record a line: only the driver's own records count, an address is one, and what is kept is bounded.
pub fn kernel_log(bytes: &[u8]) {
    let (mut records, mut errors) = (KernelRecords::default(), Errors::default());
    errors.read_kernel_log(true);
    for record in bytes.split(|byte| *byte == b'\n') {
        let record = String::from_utf8_lossy(record);
        let Some(report) = records.read(&record) else { continue };
        let message = record.split_once(';').map_or("", |(_, message)| message);
        assert!(
            message.starts_with("NVRM: ") || message.starts_with("nvidia-nvswitch"),
            "a report in {message:?}"
        );
        let (address, text) = match &report {
            Report::Xid { slot, text, .. } => (slot, text.as_str()),
            Report::FallenOff { slot } => (slot, ""),
            Report::Switch { address, text, .. } => (address, text.as_str()),
        };
        assert!(
            address.chars().all(|symbol| symbol.is_ascii_hexdigit() || ":.".contains(symbol)),
            "{address:?}"
        );
        assert!(text.len() <= 4 * 300 && !text.contains(char::is_control), "{text:?}");
        let error = errors.kernel_log_says(report, |_| None, Some(575), Moment::now());
        assert!(error.is_none_or(|error| error.code != 0));
    }
    assert!(errors.by_slot.len() <= 64, "{} addresses", errors.by_slot.len());
}

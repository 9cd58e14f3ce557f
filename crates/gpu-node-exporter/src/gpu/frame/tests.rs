//! Frames as bytes: what is written is read, and nothing else is believed.

use super::*;
use crate::gpu::driver_event::EventKind;
use crate::gpu::reading::Subjects;
use crate::units::{Bytes, Ratio, Watts};
use proptest::prelude::*;

fn reading(uuid: &str, watts: f64) -> Arc<Reading> {
    let mut subjects = Subjects::default();
    subjects.identity.name = Some("NVIDIA H100 80GB HBM3".to_owned());
    subjects.memory.total = Some(Bytes(10));
    subjects.load.utilization = Some(Ratio(0.5));
    subjects.power.usage = Some(Watts(watts));
    subjects.throttle.reasons = Some(u64::MAX);
    Arc::new(Reading { uuid: uuid.to_owned(), subjects, ..Reading::default() })
}

fn asked(index: u32, outcome: Outcome) -> Frame {
    Frame::Gpu(GpuSweep { index, outcome })
}

fn read(index: u32, uuid: &str, watts: f64) -> Frame {
    asked(index, Outcome::Read(reading(uuid, watts)))
}

fn bytes(frames: &[Frame]) -> Vec<u8> {
    let mut writer = FrameWriter::new(Vec::new());
    for frame in frames {
        writer.write(frame.clone()).expect("memory takes it");
    }
    writer.output
}

fn read_all(input: &[u8]) -> (Vec<Frame>, Option<FrameError>) {
    let (mut frames, mut reader) = (Vec::new(), FrameReader::new(input));
    loop {
        match reader.read() {
            Ok(Some(frame)) => frames.push(frame),
            Ok(None) => return (frames, None),
            Err(error) => return (frames, Some(error)),
        }
    }
}

#[test]
fn what_is_written_is_read() {
    let frames = [
        Frame::Listed { count: 2 },
        Frame::Touching { gpu: 0 },
        read(0, "GPU-1", 401.25),
        asked(1, Outcome::Failed(FaultReason::Lost)),
        Frame::Swept,
        Frame::Xid(XidEvent { uuid: "GPU-1".into(), xid: 79 }),
        Frame::Watched(Watched {
            uuid: "GPU-1".into(),
            kinds: EventKind::LABELS.map(|(_, kind)| kind).to_vec(),
        }),
        Frame::Event(DriverEvent { uuid: "GPU-1".into(), kind: EventKind::PoisonFatal }),
        read(0, "GPU-1", 350.0),
        read(1, "GPU-2", 350.0),
        // Another GPU has the index now, and the one before does not answer.
        read(0, "GPU-2", 350.0),
        asked(1, Outcome::Failed(FaultReason::Timeout)),
        read(0, "GPU-2", 350.0),
        read(1, "GPU-1", 350.0),
    ];
    let (told, error) = read_all(&bytes(&frames));
    assert!(error.is_none(), "{error:?}");
    assert_eq!(told, frames);
}

#[test]
fn what_stays_the_same_is_written_once() {
    let sent = |watts| read(0, "GPU-1", watts);
    let text = |frames: &[Frame], skipped: &[Frame]| {
        String::from_utf8(bytes(frames)[bytes(skipped).len() + 5..].to_vec()).expect("JSON")
    };
    let first = text(&[sent(400.0)], &[]);
    assert!(first.contains("GPU-1") && first.contains("H100") && !first.contains("null"), "{first}");
    assert_eq!(
        text(&[sent(400.0), sent(401.5)], &[sent(400.0)]),
        r#"{"Gpu":{"index":0,"outcome":{"Read":{"subjects":{"power":{"usage":401.5}}}}}}"#
    );
    assert_eq!(
        text(&[sent(400.0), sent(400.0)], &[sent(400.0)]),
        r#"{"Gpu":{"index":0,"outcome":{"Read":null}}}"#
    );
}

#[test]
fn changes_of_an_unknown_gpu_are_refused() {
    let frames = [read(0, "GPU-1", 401.25), read(0, "GPU-1", 401.25)];
    let pipe = bytes(&frames);
    let second = &pipe[bytes(&frames[..1]).len()..];
    assert!(matches!(read_all(second).1, Some(FrameError::NothingBefore(0))));
}

#[test]
fn a_frame_of_another_version_is_refused() {
    let mut bytes = bytes(&[read(0, "GPU-1", 401.25)]);
    bytes[4] = VERSION + 1;
    assert!(matches!(read_all(&bytes).1, Some(FrameError::Version(4))));
}

#[test]
fn an_announced_length_is_not_believed() {
    let announced = [&(MAX_LENGTH - 1).to_le_bytes()[..], b"short"].concat();
    let mut reader = FrameReader::new(&announced[..]);
    assert!(reader.read().is_err());
    assert!(reader.buffer.capacity() < 4096, "{}", reader.buffer.capacity());
    assert!(matches!(read_all(&u32::MAX.to_le_bytes()).1, Some(FrameError::Length(u32::MAX))));
}

proptest! {
    #[test]
    fn any_bytes_are_frames_or_an_error(input: Vec<u8>) {
        read_all(&input);
    }

    #[test]
    fn any_content_is_a_frame_or_an_error(content: Vec<u8>) {
        let length = u32::try_from(content.len() + 1).expect("small");
        let input = [&length.to_le_bytes()[..], &[VERSION], &content].concat();
        read_all(&input);
    }

    #[test]
    fn a_damaged_frame_is_a_frame_or_an_error(at in 0..400_usize, with: u8) {
        let mut input = bytes(&[read(0, "GPU-1", 401.25), read(0, "GPU-1", 350.0)]);
        let at = at % input.len();
        input[at] = with;
        read_all(&input);
    }
}

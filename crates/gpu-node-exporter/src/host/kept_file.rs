//! Files that stay open from one scrape to the next, and how much of a file is read at all.
//!
//! Opening a file of sysfs costs ten times as much as reading it again, so files stay open and are read with `pread` from
//! the start: the kernel makes the text anew at offset 0. How many stay open has a limit; a file beyond it is opened for
//! each reading. Leaves out where the files are and what their text means.

mod length;

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::excerpt::excerpt;
use super::integer::integer;
use super::utf8::escaped;
use crate::collector::Fault;
use crate::descriptors::may_stay_open;
use crate::family::Number;
use crate::user::reader_hint;
use length::Length;

/// One file that is opened at its first reading and stays open, while the limit allows it.
#[derive(Debug)]
pub(crate) struct KeptFile {
    path: PathBuf,
    file: Option<File>,
    length: Length,
    /// A file with more bytes is not read.
    most: usize,
    presence: Presence,
}

/// Whether a file is looked for at each reading.
#[derive(Debug)]
enum Presence {
    Expected,
    /// Only some machines have it. Since when this one has not.
    OfSome {
        absent_since: Option<Instant>,
    },
}

/// After this long a file that was not there is looked for again.
const LOOK_AGAIN: Duration = Duration::from_mins(1);

/// A file of `/proc` with a line for each device, mount or CPU: thousands of them fit.
const MOST_OF_MANY: usize = 4 * 1024 * 1024;

/// A file of `/proc` whose lines are the kernel's own: some kilobytes.
const MOST_OF_FEW: usize = 64 * 1024;

/// A page, and room for what a test or a driver makes of it.
const MOST_OF_ATTRIBUTE: usize = 64 * 1024;

impl KeptFile {
    /// Nothing is opened yet.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, file: None, length: Length::Any, most: MOST_OF_MANY, presence: Presence::Expected }
    }

    /// A file whose length does not follow from what is in the machine.
    pub(crate) fn of_few_lines(path: PathBuf) -> Self {
        Self { most: MOST_OF_FEW, ..Self::new(path) }
    }

    /// A file that the kernel gives as one text, as most of `/proc` that has no entry for each device, mount or socket.
    pub(crate) fn of_one_text(self) -> Self {
        Self { length: Length::Text, ..self }
    }

    /// A file whose lines have so many bytes at most.
    pub(crate) fn of_lines(self, longest: usize) -> Self {
        Self { length: Length::Lines(longest), ..self }
    }

    /// A file that may have more bytes than others.
    pub(crate) fn at_most(self, most: usize) -> Self {
        Self { most, ..self }
    }

    /// An attribute of sysfs, which takes one system call to read instead of two.
    pub(crate) fn attribute(path: PathBuf) -> Self {
        Self { length: Length::Attribute, most: MOST_OF_ATTRIBUTE, ..Self::new(path) }
    }

    /// A file that only some machines have: where it is not, it is looked for once a minute.
    pub(crate) fn of_some_machines(self) -> Self {
        Self { presence: Presence::OfSome { absent_since: None }, ..self }
    }

    /// What is wrong with the text that was read, and where it is.
    pub(crate) fn fault(&self, wrong: &str) -> Fault {
        Fault::new(format!("{}: {wrong}", self.path.display()))
    }

    /// The number that a text of this file is; a fault where it is none.
    pub(crate) fn number_in(&self, text: &str) -> Result<Number, Fault> {
        integer(text).ok_or_else(|| self.fault(&format!("expected a number, found `{}`", excerpt(text))))
    }

    /// The whole text as it is now, read into `buffer`. In a file of many lines, bytes that are not UTF-8 (in the name of a
    /// device or a mount) are written as `\xff`, so that they cost no other line.
    pub(crate) fn read<'b>(&mut self, buffer: &'b mut Buffer) -> Result<&'b str, ReadError> {
        let Buffer { bytes, escaped: text } = buffer;
        let length = self.fill(bytes).map_err(|error| ReadError { path: self.path.clone(), error })?;
        match std::str::from_utf8(&bytes[..length]) {
            Ok(text) => Ok(text),
            Err(_) if self.length != Length::Attribute => {
                *text = escaped(&bytes[..length]).into_owned();
                Ok(text)
            }
            Err(_) => Err(ReadError {
                path: self.path.clone(),
                error: io::Error::new(io::ErrorKind::InvalidData, "is not UTF-8 text"),
            }),
        }
    }

    /// The bytes as they are now, read into `buffer`: a name that firmware gave need not be text.
    pub(crate) fn read_bytes<'b>(&mut self, buffer: &'b mut Buffer) -> Result<&'b [u8], ReadError> {
        let length =
            self.fill(&mut buffer.bytes).map_err(|error| ReadError { path: self.path.clone(), error })?;
        Ok(&buffer.bytes[..length])
    }

    /// A descriptor of a device that went away fails for ever, also when a device of the same name is back: only then
    /// the file is opened anew. Other failures belong to the question (`EINVAL` for the speed of a link that is down).
    fn fill(&mut self, bytes: &mut Vec<u8>) -> io::Result<usize> {
        if let Some(file) = &self.file {
            match fill_from(file, self.length, self.most, bytes) {
                Err(error) if is_gone(&error) => self.file = None,
                answered => return answered,
            }
        }
        let file = self.open()?;
        let filled = fill_from(&file, self.length, self.most, bytes);
        self.file = Some(file).filter(may_stay_open);
        filled
    }

    fn open(&mut self) -> io::Result<File> {
        let Presence::OfSome { absent_since } = &mut self.presence else { return File::open(&self.path) };
        if absent_since.is_some_and(|since| since.elapsed() < LOOK_AGAIN) {
            return Err(Errno::NOENT.into());
        }
        let opened = File::open(&self.path);
        *absent_since = opened.as_ref().err().filter(|error| is_absent(error)).map(|_| Instant::now());
        opened
    }
}

/// The kernel or the machine does not have it. A file stands where its directory would be: as good as nothing there.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// The device went away after the file was opened.
fn is_gone(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::NODEV | Errno::NXIO | Errno::STALE | Errno::SRCH))
}

/// The first request stays at one page: files under `/proc/sys` were measured to cost more the larger the request is.
const FIRST_REQUEST: usize = 4096;

fn fill_from(file: &File, length: Length, most: usize, bytes: &mut Vec<u8>) -> io::Result<usize> {
    if bytes.len() < FIRST_REQUEST {
        bytes.resize(FIRST_REQUEST, 0);
    }
    let mut filled = 0;
    loop {
        if filled == bytes.len() {
            bytes.resize(bytes.len() * 2, 0);
        }
        let room = bytes.len() - filled;
        match file.read_at(&mut bytes[filled..], filled as u64) {
            Ok(0) => return Ok(filled),
            Ok(count) => {
                filled += count;
                if filled > most {
                    return Err(longer_than(most));
                }
                if length.is_all(count, room) {
                    return Ok(filled);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn longer_than(most: usize) -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, format!("is longer than {most} bytes and is not read"))
}

/// A file that is read once and not kept: all of it, unless it is longer than an attribute may be.
pub(crate) fn read_whole(path: &Path) -> Result<Vec<u8>, ReadError> {
    let read = || {
        // The limit hides the file's size from the library, which would begin with 32 bytes.
        let mut bytes = Vec::with_capacity(FIRST_REQUEST);
        File::open(path)?.take(MOST_OF_ATTRIBUTE as u64 + 1).read_to_end(&mut bytes)?;
        if bytes.len() > MOST_OF_ATTRIBUTE { Err(longer_than(MOST_OF_ATTRIBUTE)) } else { Ok(bytes) }
    };
    read().map_err(|error| ReadError::new(path, error))
}

/// The memory for one file's text, used again at every reading.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    /// The text of a file that is not UTF-8.
    escaped: String,
}

/// A file that could not be read, by name.
#[derive(Debug, thiserror::Error)]
#[error("{}: {error}{}", path.display(), reader_hint(error))]
pub(crate) struct ReadError {
    path: PathBuf,
    error: io::Error,
}

impl ReadError {
    /// Names the file beside the reason.
    pub(crate) fn new(path: impl Into<PathBuf>, error: io::Error) -> Self {
        Self { path: path.into(), error }
    }

    /// The kernel or the machine does not have this file, which is often no fault at all.
    pub(crate) fn is_absent(&self) -> bool {
        is_absent(&self.error)
    }

    /// The device went away, does not have this property, or does not in its present state (`EINVAL` for the speed of
    /// a link that is down). Anything else, like too many open files, is a failure of ours or of the machine.
    pub(crate) fn is_no_answer(&self) -> bool {
        let no_answer = [Errno::INVAL, Errno::OPNOTSUPP];
        let refused = Errno::from_io_error(&self.error).is_some_and(|errno| no_answer.contains(&errno));
        self.is_absent() || is_gone(&self.error) || refused
    }

    /// As the fault of a collector that reads nothing else: that the file or directory is absent says that the machine
    /// does not have what the collector shows.
    pub(crate) fn no_data_if_absent(self, collector: &str) -> Fault {
        if self.is_absent() {
            Fault::no_data(format!("{collector}: there is no {}", self.path.display()))
        } else {
            self.into()
        }
    }

    /// Hardware, or its driver, does not say now, for a reason of its own (`EIO` of a sensor that is off, `ENODATA`, `EAGAIN`, a
    /// file that may only be written), or is gone. What remains is ours: too many open files, no memory, a text that is none.
    pub(crate) fn is_of_hardware(&self) -> bool {
        let ours = [Errno::MFILE, Errno::NFILE, Errno::NOMEM];
        Errno::from_io_error(&self.error).is_some_and(|errno| !ours.contains(&errno))
    }

    /// The reason alone.
    pub(crate) fn io(&self) -> &io::Error {
        &self.error
    }
}

impl From<ReadError> for Fault {
    fn from(error: ReadError) -> Self {
        Self::new(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_not_read_a_file_is_told_who_that_is() {
        let told = |kind: io::ErrorKind| ReadError::new("/proc/slabinfo", kind.into()).to_string();
        let refused = told(io::ErrorKind::PermissionDenied);
        let user = crate::user::user();
        assert!(refused.starts_with("/proc/slabinfo: permission denied (hint: user "), "{refused}");
        assert!(refused.contains(&format!(" {user}, ")) && refused.contains("README.md"), "{refused}");
        assert!(!told(io::ErrorKind::NotFound).contains("hint"));
    }

    #[test]
    fn reads_again_what_has_changed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, "one").unwrap();
        let mut kept = KeptFile::new(path.clone());
        let mut buffer = Buffer::default();
        assert_eq!(kept.read(&mut buffer).unwrap(), "one");
        std::fs::write(&path, "three").unwrap();
        assert_eq!(kept.read(&mut buffer).unwrap(), "three");
    }

    #[test]
    fn a_file_of_some_machines_is_looked_for_once_a_minute() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let mut buffer = Buffer::default();
        let (mut seldom, mut always) =
            (KeptFile::new(path.clone()).of_some_machines(), KeptFile::new(path.clone()));
        assert!(seldom.read(&mut buffer).unwrap_err().is_absent());
        assert!(always.read(&mut buffer).unwrap_err().is_absent());
        std::fs::write(&path, "there").unwrap();
        let error = seldom.read(&mut buffer).unwrap_err();
        assert!(error.is_absent() && error.to_string().starts_with(&path.display().to_string()), "{error}");
        assert_eq!(always.read(&mut buffer).unwrap(), "there");
        let Presence::OfSome { absent_since: Some(since) } = &mut seldom.presence else {
            panic!("{seldom:?}")
        };
        *since = since.checked_sub(LOOK_AGAIN).expect("the clock has run for that long");
        assert_eq!(seldom.read(&mut buffer).unwrap(), "there");
    }

    #[test]
    fn reads_past_the_first_page() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let text = "0123456789".repeat(2_000);
        std::fs::write(&path, &text).unwrap();
        assert_eq!(KeptFile::new(path).read(&mut Buffer::default()).unwrap(), text);
    }

    /// The kernel's own files, whole: with a question more, nothing more comes.
    #[test]
    fn nothing_is_missing_after_the_last_answer() {
        for (path, file) in [
            ("/proc/cpuinfo", KeptFile::new("/proc/cpuinfo".into())),
            ("/proc/net/udp", KeptFile::new("/proc/net/udp".into()).of_lines(128)),
            ("/proc/vmstat", KeptFile::new("/proc/vmstat".into()).of_lines(128)),
            ("/proc/net/netstat", KeptFile::new("/proc/net/netstat".into()).of_one_text()),
            ("/proc/stat", KeptFile::new("/proc/stat".into()).of_one_text()),
        ] {
            let (mut file, mut buffer) = (file, Buffer::default());
            let lines = |text: &str| text.lines().count();
            let expected = lines(&std::fs::read_to_string(path).unwrap());
            // Twice: the second time the buffer is as large as the file.
            for _ in 0..2 {
                let read = lines(file.read(&mut buffer).unwrap());
                // Sockets come and go.
                assert!(read.abs_diff(expected) < 10, "{path}: {read} of {expected} lines");
            }
        }
    }

    #[test]
    fn a_file_that_is_too_long_is_told_and_not_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let check = |mut file: KeptFile, length: usize, most: Option<usize>| {
            std::fs::write(&path, "x".repeat(length)).unwrap();
            let read = file.read(&mut Buffer::default()).map(str::len).map_err(|error| error.to_string());
            let error = |most| format!("{}: is longer than {most} bytes and is not read", path.display());
            assert_eq!(read, most.map_or(Ok(length), |most| Err(error(most))));
        };
        check(KeptFile::new(path.clone()).at_most(9_000), 9_000, None);
        check(KeptFile::new(path.clone()).at_most(9_000), 9_001, Some(9_000));
        check(KeptFile::of_few_lines(path.clone()), 64 * 1024 + 1, Some(64 * 1024));
        check(KeptFile::attribute(path.clone()), 64 * 1024 + 1, Some(64 * 1024));
        check(KeptFile::new(path.clone()), 4 * 1024 * 1024 + 1, Some(4 * 1024 * 1024));
        std::fs::write(&path, "x".repeat(64 * 1024)).unwrap();
        assert_eq!(read_whole(&path).unwrap().len(), 64 * 1024);
        std::fs::write(&path, "x".repeat(64 * 1024 + 1)).unwrap();
        assert!(read_whole(&path).unwrap_err().to_string().contains("is longer than"));
    }

    #[test]
    fn a_name_that_is_not_text_costs_no_other_line() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, b"a\xff 1\nb 2\n").unwrap();
        let mut buffer = Buffer::default();
        assert_eq!(KeptFile::new(path.clone()).read(&mut buffer).unwrap(), "a\\xff 1\nb 2\n");
        assert!(KeptFile::attribute(path).read(&mut buffer).is_err());
    }

    #[test]
    fn names_the_file_it_cannot_read() {
        let error = KeptFile::new("/nonexistent/file".into()).read(&mut Buffer::default()).unwrap_err();
        assert!(error.is_absent());
        assert!(error.to_string().starts_with("/nonexistent/file: "), "{error}");
    }

    #[test]
    fn hardware_may_be_silent_for_any_reason_but_ours() {
        let check = |error: io::Error, expected| {
            let error = ReadError::new("file", error);
            assert_eq!(error.is_of_hardware(), expected, "{error}");
        };
        for errno in
            [Errno::IO, Errno::NODATA, Errno::AGAIN, Errno::INVAL, Errno::ACCESS, Errno::NOENT, Errno::NODEV]
        {
            check(errno.into(), true);
        }
        for errno in [Errno::MFILE, Errno::NFILE, Errno::NOMEM] {
            check(errno.into(), false);
        }
        check(longer_than(1), false);
        check(io::ErrorKind::InvalidData.into(), false);
    }

    #[test]
    fn only_a_device_can_have_no_answer() {
        let check = |errno: Errno, expected| {
            let error = ReadError::new("file", errno.into());
            assert_eq!(error.is_no_answer(), expected, "{errno:?}");
        };
        for errno in [Errno::NOENT, Errno::NODEV, Errno::NXIO, Errno::INVAL, Errno::OPNOTSUPP] {
            check(errno, true);
        }
        for errno in [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::ACCESS, Errno::PERM, Errno::IO] {
            check(errno, false);
        }
    }
}

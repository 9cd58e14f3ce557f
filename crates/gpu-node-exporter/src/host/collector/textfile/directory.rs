//! Finding the files of a directory and reading them.
//!
//! Owns what may be opened: a regular file of a size that is worth reading, and no link, which would let who may write here
//! show what only the exporter may read. Each is opened once, and what was opened is what is looked at and read.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::limits::Limits;
use super::parse;
use crate::family::Family;
use crate::host::kept_file::ReadError;
use crate::host::utf8::escaped;
use crate::user::reader_hint;

/// A file that was read to its end without a mistake.
pub(super) struct TextFile {
    pub(super) path: String,
    /// Whole seconds since 1970.
    pub(super) modified: u64,
    pub(super) families: Vec<Family>,
}

/// What the directories held, and what was wrong.
#[derive(Default)]
pub(super) struct Found {
    pub(super) files: Vec<TextFile>,
    pub(super) mistakes: Vec<String>,
}

/// Reads all `*.prom` files, in the order of their names.
pub(super) fn read(directories: &[PathBuf], limits: &Limits) -> Found {
    let mut found = Found::default();
    let mut paths = Vec::new();
    for directory in directories {
        match prom_files(directory) {
            Ok(files) => paths.extend(files),
            Err(error) => found.mistakes.push(error.to_string()),
        }
    }
    if paths.len() > limits.files {
        let (first, more) = (escaped_path(&paths[limits.files]), paths.len() - limits.files);
        let most = limits.files;
        found.mistakes.push(format!(
            "{first}: {more} files from this one on are not read, since there are more than {most}"
        ));
        paths.truncate(limits.files);
    }
    let mut room = Room { bytes: limits.all_bytes, samples: limits.samples };
    for path in paths {
        match read_file(&path, limits, &mut room) {
            Ok(file) => found.files.push(file),
            Err(mistake) => found.mistakes.push(format!("{}: {mistake}", escaped_path(&path))),
        }
    }
    found
}

/// What the files before have left to the next.
struct Room {
    bytes: u64,
    samples: usize,
}

fn prom_files(directory: &Path) -> Result<Vec<PathBuf>, ReadError> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory).map_err(|error| ReadError::new(directory, error))? {
        let path = entry.map_err(|error| ReadError::new(directory, error))?.path();
        paths.extend(Some(path).filter(|path| path.extension().is_some_and(|extension| extension == "prom")));
    }
    paths.sort();
    Ok(paths)
}

fn read_file(path: &Path, limits: &Limits, room: &mut Room) -> Result<TextFile, String> {
    // Without waiting: a pipe under this name would wait for a writer.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(Errno::LOOP) => return Err("is a symbolic link, which is not followed".to_owned()),
        Err(errno) => {
            let error = std::io::Error::from(errno);
            return Err(format!("{error}{}", reader_hint(&error)));
        }
    };
    let metadata = file.metadata().map_err(|error| error.to_string())?;
    if !metadata.is_file() {
        return Err("is not a regular file".to_owned());
    }
    let most = limits.file_bytes.min(room.bytes);
    let mut bytes = Vec::new();
    // One byte more than may be there shows that there is more, also in a file that grows.
    file.take(most + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    let length = bytes.len() as u64;
    if length > limits.file_bytes {
        return Err(format!("is larger than {} bytes", limits.file_bytes));
    }
    if length > room.bytes {
        return Err(format!("the text files together are larger than {} bytes", limits.all_bytes));
    }
    room.bytes -= length;
    let text = String::from_utf8(bytes).map_err(|_| "is not UTF-8 text".to_owned())?;
    let families = parse::parse(&text, limits, room.samples)?;
    room.samples -= families.iter().map(|family| family.samples.len()).sum::<usize>().min(room.samples);
    let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let modified = modified.map_or(0, |since| since.as_secs());
    Ok(TextFile { path: escaped_path(path), modified, families })
}

/// Two names that are not UTF-8 stay two names.
fn escaped_path(path: &Path) -> String {
    escaped(path.as_os_str().as_encoded_bytes()).into_owned()
}

//! Finding the files of a directory and reading them.
//!
//! Owns what may be opened: a regular file of a size that is worth reading. A link is followed within the directory, as those of a
//! Kubernetes `ConfigMap` are (`a.prom` → `..data/a.prom`, `..data` → `..2026_11_29_…`), and not out of it: that would let who may write here show
//! what only the exporter may read. Each is opened once, and what was opened is what is looked at and read.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use rustix::fs::{Mode, OFlags, ResolveFlags};
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

/// Opens it, without waiting: a pipe under this name would wait for a writer.
fn open(path: &Path) -> Result<File, String> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let opened = match rustix::fs::open(path, flags | OFlags::NOFOLLOW, Mode::empty()) {
        Err(Errno::LOOP) => open_link(path, flags)?,
        opened => opened,
    };
    opened.map(File::from).map_err(|errno| {
        let error = std::io::Error::from(errno);
        format!("{error}{}", reader_hint(&error))
    })
}

/// Opens what a link leads to, which the kernel holds to be below the link's directory at each step of the way.
fn open_link(path: &Path, flags: OFlags) -> Result<rustix::io::Result<OwnedFd>, String> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Err("is no file of a directory".to_owned());
    };
    let within = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let opened = rustix::fs::open(directory, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .and_then(|directory| rustix::fs::openat2(directory, name, flags, Mode::empty(), within));
    match opened {
        Err(Errno::XDEV) => {
            Err("is a symbolic link that is absolute or leads out of the directory, which is not followed"
                .to_owned())
        }
        Err(Errno::LOOP) => Err("is a symbolic link that leads round in a circle".to_owned()),
        Err(Errno::NOENT) => Err("is a symbolic link that leads to no file".to_owned()),
        // Before Linux 5.6, and where a sandbox does not let it through.
        Err(Errno::NOSYS | Errno::PERM) => Err(
            "is a symbolic link, which this kernel cannot hold to the directory, so that it is not followed"
                .to_owned(),
        ),
        opened => Ok(opened),
    }
}

fn read_file(path: &Path, limits: &Limits, room: &mut Room) -> Result<TextFile, String> {
    let file = open(path)?;
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

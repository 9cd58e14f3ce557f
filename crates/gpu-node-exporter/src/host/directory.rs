//! The entries of a directory of sysfs, read at each scrape: devices come and go.
//!
//! Owns reading them with no more than the calls it takes: the standard library allocates 32 KiB for each directory it reads, and asks for
//! what it is. Nothing stays open: a directory that went away and came back is another.

use std::ffi::OsStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, RawDir, open};

/// Room for some hundred entries at a time, on the stack.
const ROOM: usize = 8 * 1024;

/// Gives each entry that is no plain file to `take`: a device's directory, or a link to it.
pub(crate) fn each_device(directory: &Path, mut take: impl FnMut(&OsStr)) -> io::Result<()> {
    let opened = open(directory, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let mut room = [MaybeUninit::uninit(); ROOM];
    let mut entries = RawDir::new(&opened, &mut room);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        // Among the devices may be plain files, such as `bonding_masters`.
        if entry.file_type() != FileType::RegularFile && !matches!(name, b"." | b"..") {
            take(OsStr::from_bytes(name));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn devices_are_all_there_is_but_plain_files() {
        let root = tempfile::tempdir().unwrap();
        let mut expected = BTreeSet::new();
        for number in 0..2_000 {
            let name = format!("a device with a rather long name {number}");
            std::fs::create_dir(root.path().join(&name)).unwrap();
            expected.insert(name);
        }
        std::fs::write(root.path().join("bonding_masters"), "").unwrap();
        std::os::unix::fs::symlink("/nonexistent", root.path().join("link")).unwrap();
        expected.insert("link".to_owned());
        let mut found = BTreeSet::new();
        each_device(root.path(), |name| assert!(found.insert(name.to_str().unwrap().to_owned()))).unwrap();
        assert_eq!(found, expected);
        let error = each_device("/nonexistent".as_ref(), |_| ()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        let file = root.path().join("bonding_masters");
        assert_eq!(each_device(&file, |_| ()).unwrap_err().kind(), io::ErrorKind::NotADirectory);
    }
}

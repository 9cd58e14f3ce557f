//! The relay's own files, as people edit them: `relay.yml` and what lies beside it (secrets, templates).
//!
//! The relay reads them by itself when it is told to. Owns whether they have changed; no content is looked at, since there are secrets among
//! them.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Files that are looked at; a folder with more of them holds something else.
const MOST: usize = 1_000;

/// Folders below the first.
const DEEPEST: usize = 3;

/// Each file's length and when it was last written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RelayFiles(BTreeMap<PathBuf, (u64, SystemTime)>);

impl RelayFiles {
    /// The files in the folder of `settings`, as they are now.
    pub(crate) fn beside(settings: &Path) -> io::Result<Self> {
        let mut files = Self::default();
        if let Some(folder) = settings.parent() {
            files.add(folder, 0)?;
        }
        Ok(files)
    }

    fn add(&mut self, folder: &Path, depth: usize) -> io::Result<()> {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            // An editor's temporary file may be gone by now.
            let Ok(file) = std::fs::metadata(&path) else { continue };
            if file.is_dir() && depth < DEEPEST {
                self.add(&path, depth + 1)?;
            } else if file.is_file() && self.0.len() < MOST {
                self.0.insert(path, (file.len(), file.modified()?));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_beside_the_settings_is_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let settings = folder.path().join("relay.yml");
        std::fs::write(&settings, "a").unwrap();
        let secrets = folder.path().join("secrets");
        std::fs::create_dir(&secrets).unwrap();
        let before = RelayFiles::beside(&settings).unwrap();
        assert_eq!(RelayFiles::beside(&settings).unwrap(), before);
        std::fs::write(secrets.join("token"), "x").unwrap();
        let after = RelayFiles::beside(&settings).unwrap();
        assert_ne!(after, before);
        std::fs::write(&settings, "ab").unwrap();
        assert_ne!(RelayFiles::beside(&settings).unwrap(), after);
        assert!(RelayFiles::beside(&folder.path().join("gone/relay.yml")).is_err());
    }
}

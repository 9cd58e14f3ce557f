//! The bytes that fuzzers found, given to their targets again (`fuzz/README.md`).

use std::fs;
use std::path::Path;

/// A test for each target named, which is a function of this name: it takes every file of `fuzz/corpus/NAME`.
#[macro_export]
macro_rules! replay_corpus {
    ($($target:ident),* $(,)?) => {$(
        #[test]
        fn $target() {
            $crate::corpus::replay(env!("CARGO_MANIFEST_DIR"), stringify!($target), super::$target);
        }
    )*};
}

/// Gives each file of the target's corpus to the target, and says which file it was that failed. `package` is a folder of `crates/`.
pub fn replay(package: &str, target: &str, run: fn(&[u8])) {
    let folder = Path::new(package).join("../../fuzz/corpus").join(target);
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("the folder can be listed").path())
        .collect();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    files.sort();
    for file in files {
        let bytes = fs::read(&file).expect("a file of the corpus can be read");
        let name = file.display().to_string();
        std::panic::catch_unwind(|| run(&bytes)).unwrap_or_else(|_| panic!("{target} fails on {name}"));
    }
}

//! How many files this process may have open, and how many of them may stay open.
//!
//! Collectors read the same files at every scrape and keep them open, some twenty for each network device: the usual
//! limit of 1024 would be full at 45 devices, and a full process can neither read nor accept a connection.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Takes all that the administrator allows. The usual limit is low for the sake of programs that use `select(2)`.
pub(crate) fn raise_limit() -> io::Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?)
}

/// The limit in force; `None` is no limit.
pub(crate) fn limit() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// Whether the limit lets a file stay open from one reading to the next.
pub(crate) fn may_stay_open(file: &File) -> bool {
    // The kernel gives out the lowest free number (`open(2)`), so the number says how many are in use.
    u64::try_from(file.as_raw_fd()).is_ok_and(|number| number < most_kept(limit()))
}

/// The same descriptor under a number beyond those of kept files, for one that stays open in any case; `None` where too few would be
/// left for connections.
pub(crate) fn beyond_kept(descriptor: &OwnedFd) -> io::Result<Option<File>> {
    let limit = limit();
    let moved =
        rustix::io::fcntl_dupfd_cloexec(descriptor, i32::try_from(most_kept(limit)).unwrap_or(i32::MAX))?;
    let leaves_room = |number: u64| limit.is_none_or(|limit| number < limit / 4 * 3);
    Ok(u64::try_from(moved.as_raw_fd()).is_ok_and(leaves_room).then(|| moved.into()))
}

/// A kept file was measured to hold 4.5 KiB of the kernel's memory: 18 MiB at most.
const MOST_KEPT: u64 = 4096;

/// Half of the limit is left to connections and to files that are open for one reading.
fn most_kept(limit: Option<u64>) -> u64 {
    limit.map_or(MOST_KEPT, |limit| MOST_KEPT.min(limit / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_files_leave_room_for_others() {
        for (limit, expected) in [(None, 4096), (Some(1_048_576), 4096), (Some(1024), 512), (Some(64), 32)] {
            assert_eq!(most_kept(limit), expected, "{limit:?}");
        }
    }

    #[test]
    fn one_that_stays_open_takes_no_kept_files_number() {
        let file = File::open("/proc/self/stat").unwrap();
        let moved = beyond_kept(&file.into()).unwrap().unwrap();
        assert!(u64::try_from(moved.as_raw_fd()).unwrap() >= most_kept(limit()));
        assert!(!may_stay_open(&moved));
    }
}

//! Keeps two processes small: one heap each, and nothing resident that only the start needed.
//!
//! Reading a page of code from the page cache maps its neighbours too, so after parsing flags, relocating and loading
//! libraries most of a program counts as resident, in both processes. Measured on eight simulated GPUs: the probe's
//! resident memory falls from 6.1 to 3.5 MB, at the cost of some minor faults once.
#![expect(unsafe_code, reason = "madvise and mallopt have no safe form; see each call")]

use std::ffi::c_void;

use rustix::mm::{Advice, madvise};

/// Makes all threads share one heap, instead of one each that stays as large as it ever was. Nothing here allocates in
/// several threads at once for long. Applies to threads started later.
pub(super) fn keep_one_heap() {
    // SAFETY: mallopt(3) only sets a parameter of the allocator; a refusal changes nothing.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
        // Their defaults grow with the largest buffer ever freed (a compressor's), and with them what is kept for the next one.
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
        libc::mallopt(libc::M_TRIM_THRESHOLD, LARGE);
    }
}

/// Bytes. A buffer from this size on goes back to the kernel when it is freed, and so does as much at the heap's end. Just above a
/// page of eight GPUs, which is needed at each scrape.
const LARGE: libc::c_int = 160 * 1024;

/// Unmaps the code of this program and its libraries; what is used again comes back from the page cache.
pub(super) fn give_back() {
    // Without /proc there is nothing to gain either.
    let Ok(maps) = std::fs::read_to_string("/proc/self/maps") else { return };
    for (start, end) in maps.lines().filter_map(clean_file_mapping) {
        let address = std::ptr::with_exposed_provenance_mut::<c_void>(start);
        // SAFETY: the range is a private mapping of a file that was never writable, so it holds nothing but the file's
        // content, and every later access reads that again. Nothing is unmapped between the look and the call: this
        // program unloads a library only as it ends.
        let given_back = unsafe { madvise(address, end - start, Advice::LinuxDontNeed) };
        if given_back.is_err() {
            return;
        }
    }
}

/// The range of a line of `/proc/PID/maps` (proc(5)) if it holds unchanged file content only: code, or a file's first
/// segment. Other read-only segments may have been written while the library was loaded (RELRO).
fn clean_file_mapping(line: &str) -> Option<(usize, usize)> {
    let mut words = line.split_ascii_whitespace();
    let (range, permissions, offset, _device, inode) =
        (words.next()?, words.next()?, words.next()?, words.next()?, words.next()?);
    let is_code = permissions == "r-xp";
    let is_first_segment = permissions == "r--p" && u64::from_str_radix(offset, 16).ok()? == 0;
    if inode == "0" || !(is_code || is_first_segment) {
        return None;
    }
    let (start, end) = range.split_once('-')?;
    Some((usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_file_can_give_again_is_given_back() {
        for (line, expected) in [
            ("1000-3000 r-xp 00001000 fe:01 42 /usr/lib/libc.so.6", Some((0x1000, 0x3000))),
            ("1000-3000 r--p 00000000 fe:01 42 /usr/lib/libc.so.6", Some((0x1000, 0x3000))),
            ("1000-3000 r--p 00005000 fe:01 42 /usr/lib/libc.so.6", None),
            ("1000-3000 rw-p 00000000 fe:01 42 /usr/lib/libc.so.6", None),
            ("1000-3000 r-xp 00000000 00:00 0 [vdso]", None),
            ("1000-3000 rw-p 00000000 00:00 0 [heap]", None),
            ("nonsense", None),
        ] {
            assert_eq!(clean_file_mapping(line), expected, "{line}");
        }
    }

    #[test]
    fn code_works_on_as_before() {
        give_back();
        assert_eq!(format!("{:?}", std::iter::repeat_n(7_u64, 3).collect::<Vec<_>>()), "[7, 7, 7]");
    }
}

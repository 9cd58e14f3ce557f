//! The allocator's settings, and giving memory back.
//!
//! glibc gives threads heaps of their own, each as large as it ever was, and its thresholds grow with the largest buffer ever freed: after
//! one webhook of megabytes the next ones are cut from heaps that never shrink. A relay is large for a second a month.
#![expect(unsafe_code, reason = "mallopt and malloc_trim have no safe form")]

/// Bytes. A buffer from this size on is the kernel's own mapping, which goes back when it is freed; and so does as much at a heap's end.
#[cfg(target_env = "gnu")]
const LARGE: libc::c_int = 256 * 1024;

/// Heaps for all threads together. One would have the threads of the store and of the webhooks wait for each other.
#[cfg(target_env = "gnu")]
const HEAPS: libc::c_int = 2;

/// Keeps few heaps, and large buffers out of them. Applies to threads started later.
pub(crate) fn keep_small() {
    // SAFETY: mallopt(3) only sets a parameter of the allocator; a refusal changes nothing.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, HEAPS);
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
        libc::mallopt(libc::M_TRIM_THRESHOLD, LARGE);
    }
}

/// Gives free pages in the midst of heaps back to the kernel. Milliseconds: for after large work only.
pub(crate) fn give_back() {
    // SAFETY: malloc_trim(3) touches free memory alone.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0);
    }
}

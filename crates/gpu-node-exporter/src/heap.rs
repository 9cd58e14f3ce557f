//! One heap for all threads, in the exporter and in its probe.
//!
//! glibc gives threads heaps of their own, and each stays as large as it ever was. Two small processes with a handful of
//! threads hold less private memory with one. This changes what is allocated, not how it is counted.
#![expect(unsafe_code, reason = "mallopt has no safe form")]

/// Makes all threads share one heap. Nothing here allocates in several threads at once for long. Applies to threads started
/// later.
pub(crate) fn keep_one_heap() {
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

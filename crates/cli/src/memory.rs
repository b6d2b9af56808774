//! The settings of the C library's allocator.

/// Makes the allocator map every large buffer separately, so that the memory goes back to the system when the buffer is
/// freed, and limits the number of heaps.
///
/// By default glibc raises the least size of such a buffer, up to 32 MiB, whenever one is freed. The buffers of a scan
/// then leave holes in the heap of each thread that later buffers do not fill, and the peak memory grows with the data.
pub fn return_large_buffers() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        const LARGE: libc::c_int = 128 << 10;
        const HEAPS: libc::c_int = 2;
        for (setting, value) in [(libc::M_MMAP_THRESHOLD, LARGE), (libc::M_ARENA_MAX, HEAPS)] {
            // SAFETY: mallopt may be called at any time; no other thread runs yet. A refused setting changes nothing.
            unsafe { libc::mallopt(setting, value) };
        }
    }
}

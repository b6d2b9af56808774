//! How the C library's allocator treats what is freed.

/// Makes every large buffer a mapping of its own, which goes back to the system when it is freed, and keeps the number of
/// heaps small.
///
/// glibc by itself raises the size from which it does so with every buffer that is freed, up to 32 MiB; the buffers of a
/// scan then leave holes in a heap per thread that later buffers do not fill, and the peak grows with the data.
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

//! Places in files that are followed.

/// A place in a followed file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The number of the file's device.
    pub(crate) device: u64,
    /// The number of its inode.
    pub(crate) inode: u64,
    /// The first bytes of the file, as far as they were read.
    pub(crate) head: Vec<u8>,
    /// The number of bytes before the place.
    pub(crate) offset: u64,
}

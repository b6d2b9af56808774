//! A bound of what a frame of LZ4 is decompressed to, from the headers of its blocks
//! (<https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md>). The decoder reads a frame to its end, whatever length
//! was promised.

const MAGIC: [u8; 4] = 0x184D_2204_u32.to_le_bytes();
/// The most bytes for each byte of a compressed block.
const MAX_RATIO: u64 = 255;
/// The bytes by which the bound may exceed the length of a sound frame: its last block may be short.
const SLACK_BYTES: u64 = 8 << 20;
const IS_STORED: u32 = 1 << 31;

/// Checks that `frame` cannot be decompressed to far more than `length` bytes.
///
/// # Errors
/// Fails when it can, or is no frame of LZ4.
pub(super) fn check(frame: &[u8], length: u64) -> Result<(), String> {
    let bound = bound(frame).ok_or("a damaged frame of LZ4")?;
    match bound <= length.saturating_add(SLACK_BYTES) {
        true => Ok(()),
        false => Err(format!(
            "a frame of LZ4 that promises {length} bytes and can hold {bound}"
        )),
    }
}

fn bound(frame: &[u8]) -> Option<u64> {
    let rest = frame.strip_prefix(&MAGIC)?;
    let [flags, block, ..] = *rest else {
        return None;
    };
    let largest = match (block >> 4) & 7 {
        4 => 64 << 10,
        5 => 256 << 10,
        6 => 1 << 20,
        7 => 4 << 20,
        _ => return None,
    };
    let has = |bit: u8| flags & 1 << bit != 0;
    let (has_checksums, has_size, has_dictionary) = (has(4), has(3), has(0));
    let header = 3 + if has_size { 8 } else { 0 } + if has_dictionary { 4 } else { 0 };
    let mut rest = rest.get(header..)?;
    let mut bound = 0_u64;
    loop {
        let (size, after) = rest.split_first_chunk::<4>()?;
        let size = u32::from_le_bytes(*size);
        if size == 0 {
            return Some(bound);
        }
        let bytes = u64::from(size & !IS_STORED);
        bound += match size & IS_STORED {
            0 => bytes.saturating_mul(MAX_RATIO).min(largest),
            _ => bytes,
        };
        let behind = usize::try_from(bytes).ok()? + if has_checksums { 4 } else { 0 };
        rest = after.get(behind..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a frame with blocks of at most 64 KiB, without a checksum of the header's own.
    fn frame(blocks: &[(u32, usize)]) -> Vec<u8> {
        let mut frame = MAGIC.to_vec();
        frame.extend([0x40, 0x40, 0]);
        for (size, bytes) in blocks {
            frame.extend(size.to_le_bytes());
            frame.extend(vec![0; *bytes]);
        }
        frame.extend([0; 4]);
        frame
    }

    #[test]
    fn blocks_bound_a_frame() {
        assert_eq!(bound(&frame(&[])), Some(0));
        assert_eq!(bound(&frame(&[(10, 10)])), Some(2550));
        assert_eq!(bound(&frame(&[(1000, 1000), (2, 2)])), Some(65_536 + 510));
        assert_eq!(bound(&frame(&[(IS_STORED | 7, 7)])), Some(7));
        assert_eq!(bound(&frame(&[(11, 10)])), None);
        assert_eq!(bound(b"LZ4"), None);
    }

    #[test]
    fn a_frame_that_holds_more_than_it_promises_is_refused() {
        let blocks = vec![(1000, 1000); 1000];
        assert!(check(&frame(&blocks), 65_536_000).is_ok());
        assert!(check(&frame(&blocks), 100).is_err());
    }
}

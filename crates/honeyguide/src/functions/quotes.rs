//! The positions of quotes in a block of text.

/// The number of bytes of a block.
pub(super) const BLOCK: usize = 64;

/// The quotes of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Quotes {
    /// One bit for each byte, which is set for single quotes.
    pub single: u64,
    /// Whether there is a backslash.
    pub has_backslash: bool,
}

/// Finds the quotes of a block.
#[inline(always)]
pub(super) fn quotes(block: &[u8; BLOCK]) -> Quotes {
    #[cfg(target_arch = "x86_64")]
    return sse2::quotes(block);
    #[cfg(not(target_arch = "x86_64"))]
    plain(block)
}

/// Finds the quotes of a block byte by byte.
#[cfg(any(test, not(target_arch = "x86_64")))]
fn plain(block: &[u8; BLOCK]) -> Quotes {
    let bits = block.iter().rev();
    let single = bits.fold(0, |bits, byte| bits << 1 | u64::from(*byte == b'\''));
    Quotes {
        single,
        has_backslash: block.contains(&b'\\'),
    }
}

/// The same with vectors of 16 bytes, which every processor of this architecture has.
#[cfg(target_arch = "x86_64")]
mod sse2 {
    use std::arch::x86_64::{
        __m128i, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_movemask_epi8, _mm_or_si128, _mm_set1_epi8,
        _mm_setzero_si128,
    };

    use super::{BLOCK, Quotes};

    #[inline(always)]
    pub(in super::super) fn quotes(block: &[u8; BLOCK]) -> Quotes {
        // SAFETY: SSE2 is part of x86-64. A load is within the 16 bytes of its chunk, and may be unaligned.
        unsafe {
            let mut single = 0;
            let mut backslashes = _mm_setzero_si128();
            for (number, chunk) in block.as_chunks::<16>().0.iter().enumerate() {
                let bytes = _mm_loadu_si128(chunk.as_ptr().cast::<__m128i>());
                let equal = |byte: u8| _mm_cmpeq_epi8(bytes, _mm_set1_epi8(byte as i8));
                let found = _mm_movemask_epi8(equal(b'\''));
                single |= u64::from(found as u32) << (16 * number);
                backslashes = _mm_or_si128(backslashes, equal(b'\\'));
            }
            Quotes {
                single,
                has_backslash: _mm_movemask_epi8(backslashes) != 0,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn vectors_find_what_single_bytes_do(
            bytes in prop::collection::vec(
                prop_oneof![Just(b'\''), Just(b'"'), Just(b'\\'), any::<u8>(), b'a'..=b'z'],
                BLOCK,
            ),
            is_plain: bool,
        ) {
            let mut block = [0; BLOCK];
            block.copy_from_slice(&bytes);
            if is_plain {
                block.iter_mut().for_each(|byte| *byte = (*byte).min(b'['));
            }
            prop_assert_eq!(quotes(&block), plain(&block));
        }
    }
}

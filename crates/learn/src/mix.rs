//! Functions that mix the bits of 64-bit words, for hashes and random numbers. Their results are the
//! same on every machine.

/// Mixes the bits of a word by the finaliser of SplitMix64 (Steele, Lea & Flood 2014).
#[inline]
pub(crate) fn splitmix(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}

/// Multiplies to 128 bits and combines the two halves, which depend on all bits of both factors.
#[inline]
pub(crate) fn fold(left: u64, right: u64) -> u64 {
    let product = u128::from(left) * u128::from(right);
    product as u64 ^ (product >> 64) as u64
}

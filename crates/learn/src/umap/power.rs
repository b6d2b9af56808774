//! Powers of 32-bit floats, computed from operations that every machine rounds alike and that have
//! vector instructions.

use std::f32::consts::LN_2;

/// Returns `x` to the power `b` for `x` ≥ 0, accurate to about 1e-6. For `x` = 0 the result is
/// about 2^(−127 b).
#[inline(always)]
pub(super) fn pow(x: f32, b: f32) -> f32 {
    exp2(b * log2(x))
}

/// Returns log₂ of `x` from the series of the mantissa m in [√½, √2) in (m − 1)/(m + 1) (Abramowitz
/// & Stegun 1964, 4.1.27).
#[inline(always)]
fn log2(x: f32) -> f32 {
    const SQRT_HALF: u32 = 0x3F35_04F3;
    let bits = x.to_bits().wrapping_sub(SQRT_HALF);
    let exponent = (bits as i32 >> 23) as f32;
    let mantissa = f32::from_bits((bits & 0x007F_FFFF).wrapping_add(SQRT_HALF));
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let square = s * s;
    // The coefficients are 2/ln 2 × (1, 1/3, 1/5, 1/7). |s| ≤ 0.1716, so the next term is below
    // 1e-7.
    let low = 2.885_39 + 0.961_796_7 * square;
    let high = 0.577_078_04 + 0.412_198_6 * square;
    exponent + s * (low + high * (square * square))
}

/// Returns 2 to the power of `x`, clamped to the range of normal numbers, from the exponential
/// series of the fraction (Abramowitz & Stegun 1964, 4.2.1). The terms are summed in pairs that are
/// independent of each other.
#[inline(always)]
fn exp2(x: f32) -> f32 {
    // Adding 1.5 × 2²³ rounds to a whole number, which is then in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let x = if x > -126.0 { x } else { -126.0 };
    let x = if x < 126.0 { x } else { 126.0 };
    let shifted = x + ROUND;
    let y = x - (shifted - ROUND);
    let square = y * y;
    let low = 1.0 + LN_2 * y;
    let middle = 0.240_226_5 + 0.055_504_11 * y;
    let high = 0.009_618_129 + 0.001_333_355_8 * y;
    let series = low + square * (middle + square * high);
    let exponent = shifted.to_bits().wrapping_sub(ROUND.to_bits());
    f32::from_bits(exponent.wrapping_add(127) << 23) * series
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn powers_agree_with_the_standard_library(log_x in -60.0..60.0f64, b in 0.1..2.0f64) {
            let (x, b) = (log_x.exp2() as f32, b as f32);
            let wanted = f64::from(x).powf(f64::from(b));
            prop_assert!((f64::from(pow(x, b)) / wanted - 1.0).abs() < 2e-5);
        }
    }
}

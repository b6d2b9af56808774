//! Logarithm and power of two, computed from `+`, `−`, `×` and `÷` only.
//!
//! IEEE 754 specifies the exact result of these four operations, but not of `ln` and `exp2`, whose
//! last bit differs between C libraries. Scores and leaf values must be the same on every machine.

use std::f64::consts::LN_2;

/// Returns the natural logarithm of a positive, normal `x`, accurate to about 1 ulp, from the
/// series ln m = 2 artanh((m − 1)/(m + 1)) of the mantissa (Abramowitz & Stegun 1964, 4.1.27).
pub fn ln(x: f64) -> f64 {
    debug_assert!(x.is_normal() && x > 0.0);
    let bits = x.to_bits();
    let mut exponent = (bits >> 52) as i64 - 1023;
    let mut mantissa = f64::from_bits((bits & ((1 << 52) - 1)) | (1023 << 52));
    if mantissa > std::f64::consts::SQRT_2 {
        mantissa *= 0.5;
        exponent += 1;
    }
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let square = s * s;
    // |s| ≤ 0.1716, so the first omitted term, s²⁴/25, is below 2⁻⁵³.
    let series = (0..12)
        .rev()
        .fold(0.0, |sum, k| sum * square + 1.0 / (2 * k + 1) as f64);
    exponent as f64 * LN_2 + 2.0 * s * series
}

/// 1/k! for k from 0 to 13. For |y| ≤ 0.347 the first omitted term, y¹⁴/14!, is below 2⁻⁵³.
const EXPONENTIAL: [f64; 14] = {
    let (mut coefficients, mut factorial, mut k) = ([1.0; 14], 1.0, 1);
    while k < 14 {
        factorial *= k as f64;
        coefficients[k] = 1.0 / factorial;
        k += 1;
    }
    coefficients
};

/// Returns 2 to the power of `x`, accurate to about 1 ulp, from the exponential series of the
/// fraction; 0 for `x` below −1022.
pub(crate) fn exp2(x: f64) -> f64 {
    debug_assert!(x <= 1023.0);
    if x < -1022.0 {
        return 0.0;
    }
    let whole = (x + 0.5).floor();
    let y = (x - whole) * LN_2;
    let series = EXPONENTIAL
        .iter()
        .rev()
        .fold(0.0, |sum, coefficient| sum * y + coefficient);
    series * f64::from_bits(((whole as i64 + 1023) as u64) << 52)
}

/// Returns e to the power of `x`, which must be below 700. The relative error is about |x| ulp; 0 for `x` below
/// −708.
pub(crate) fn exp(x: f64) -> f64 {
    exp2(x / LN_2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn agree_with_the_standard_library(x in 1e-300..1e300f64, y in -1000.0..1000.0f64) {
            prop_assert!((ln(x) - x.ln()).abs() <= 4e-16 * x.ln().abs().max(1.0));
            prop_assert!((exp2(y) / y.exp2() - 1.0).abs() <= 1e-15);
        }
    }

    #[test]
    fn exact_where_the_result_is_exact() {
        assert_eq!(
            (ln(1.0), exp2(0.0), exp2(-1.0), exp2(-3000.0)),
            (0.0, 1.0, 0.5, 0.0)
        );
    }
}

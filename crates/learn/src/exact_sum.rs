//! Exact sums of doubles and of products of two doubles, and the statistics that follow from them.
//!
//! Floating-point addition is not associative, so a sum that is rounded after each addition depends
//! on the order of its terms. Here a sum is a fixed-point number that is wide enough for every term,
//! and it is rounded once, at the end (Neal 2015, "Fast exact summation using small and large
//! superaccumulators"; Kulisch & Miranker 1986). So the same terms give the same bits in any order
//! and for any division into partial sums.

use num_bigint::{BigInt, BigUint, Sign};

/// The number of bits of a limb that hold a digit. The other bits of the 64 hold carries.
const LIMB_BITS: u32 = 32;
/// A limb's digit.
const DIGIT: i64 = (1 << LIMB_BITS) - 1;
/// The exponent of the lowest bit: that of the product of the two least positive doubles.
const LOWEST: i32 = 2 * LEAST;
/// The exponent of the least positive double.
const LEAST: i32 = -1074;
/// The number of bits of a double's significand.
const PRECISION: u64 = 53;
/// The greatest number of terms between two settlements of the carries: each adds less than 2^32 to a
/// limb, of which 2^31 fit beside the digit.
const MOST_UNSETTLED: u32 = 1 << 30;
/// The greatest number of limbs: that of 2^64 products of the two greatest doubles.
const MOST_LIMBS: usize = 140;

/// An exact sum, which takes as much memory as the range of its terms' exponents needs.
#[derive(Debug, Clone, Default)]
pub struct ExactSum {
    /// The position of the first limb, in limbs above the lowest bit.
    first: usize,
    limbs: Vec<i64>,
    /// The number of terms since the carries were settled.
    unsettled: u32,
    /// How many terms are NaN, +∞ and −∞, less those that were taken away.
    special: [i64; 3],
}

impl ExactSum {
    /// Adds a number.
    pub fn add(&mut self, number: f64) {
        self.add_signed(number, false);
    }

    /// Takes away a number that was added.
    pub fn subtract(&mut self, number: f64) {
        self.add_signed(number, true);
    }

    /// Adds the product of two numbers.
    pub fn add_product(&mut self, left: f64, right: f64) {
        self.product(left, right, false);
    }

    /// Takes away a product that was added.
    pub fn subtract_product(&mut self, left: f64, right: f64) {
        self.product(left, right, true);
    }

    /// Adds another sum.
    pub fn merge(&mut self, other: &Self) {
        let mut other = other.clone();
        other.settle();
        self.settle();
        if !other.limbs.is_empty() {
            self.cover(other.first, other.first + other.limbs.len());
            let own = self.limbs[other.first - self.first..].iter_mut();
            for (own, limb) in own.zip(&other.limbs) {
                *own += limb;
            }
            self.settle();
        }
        for (own, count) in self.special.iter_mut().zip(other.special) {
            *own = own.saturating_add(count);
        }
    }

    /// Returns the sum, rounded once to the nearest double, ties to even. It is NaN if a term is NaN or
    /// if infinities of both signs are among the terms.
    pub fn value(&self) -> f64 {
        match self.not_finite() {
            Some(value) => value,
            None => ratio(&self.integer(), &BigInt::from(1), LOWEST),
        }
    }

    /// Returns the sum divided by `count`, rounded once; NaN if `count` is 0.
    pub fn mean(&self, count: u64) -> f64 {
        match self.not_finite() {
            Some(value) => value,
            None => ratio(&self.integer(), &BigInt::from(count), LOWEST),
        }
    }

    /// Returns whether all terms are finite.
    pub fn is_finite(&self) -> bool {
        self.special == [0; 3]
    }

    /// Appends the sum as 64-bit words, which [`decode`](Self::decode) reads.
    pub fn encode(&self, words: &mut Vec<i64>) {
        let mut settled = self.clone();
        settled.settle();
        words.extend([settled.first as i64, settled.limbs.len() as i64]);
        words.extend(settled.special);
        words.extend(settled.limbs);
    }

    /// Reads a sum from the words that [`encode`](Self::encode) wrote, and moves `words` behind them. Returns `None` if
    /// they are not such words.
    pub fn decode(words: &mut &[i64]) -> Option<Self> {
        let (head, rest) = words.split_first_chunk::<5>()?;
        let [first, length, special @ ..] = *head;
        let (first, length) = (usize::try_from(first).ok()?, usize::try_from(length).ok()?);
        let (limbs, rest) = rest.split_at_checked(length)?;
        let limit = -(1 << LIMB_BITS)..1 << LIMB_BITS;
        let is_valid = first.checked_add(length)? <= MOST_LIMBS
            && limbs.iter().all(|limb| limit.contains(limb));
        *words = rest;
        is_valid.then(|| Self {
            first,
            limbs: limbs.to_vec(),
            unsettled: 0,
            special,
        })
    }

    /// Returns the memory that the limbs take, in bytes.
    pub fn heap_bytes(&self) -> usize {
        self.limbs.capacity() * size_of::<i64>()
    }

    fn not_finite(&self) -> Option<f64> {
        match self.special {
            [0, 0, 0] => None,
            [0, _, 0] => Some(f64::INFINITY),
            [0, 0, _] => Some(f64::NEG_INFINITY),
            _ => Some(f64::NAN),
        }
    }

    fn add_special(&mut self, number: f64, is_taken: bool) {
        let kind = match number {
            f64::INFINITY => 1,
            f64::NEG_INFINITY => 2,
            _ => 0,
        };
        self.special[kind] += if is_taken { -1 } else { 1 };
    }

    fn add_signed(&mut self, number: f64, is_taken: bool) {
        if !number.is_finite() {
            return self.add_special(number, is_taken);
        }
        let (significand, exponent) = parts(number);
        let is_negative = number.is_sign_negative() != is_taken;
        self.add_word(significand, exponent, is_negative);
    }

    fn product(&mut self, left: f64, right: f64, is_taken: bool) {
        if !left.is_finite() || !right.is_finite() {
            return self.add_special(left * right, is_taken);
        }
        let ((left_part, left_exponent), (right_part, right_exponent)) =
            (parts(left), parts(right));
        let exponent = left_exponent + right_exponent;
        let is_negative = (left.is_sign_negative() != right.is_sign_negative()) != is_taken;
        let product = u128::from(left_part) * u128::from(right_part);
        self.add_word(product as u64, exponent, is_negative);
        let high = (product >> 64) as u64;
        if high != 0 {
            self.add_word(high, exponent + 64, is_negative);
        }
    }

    /// Adds or takes away `word` · 2^`exponent`.
    fn add_word(&mut self, word: u64, exponent: i32, is_negative: bool) {
        if word == 0 {
            return;
        }
        let position = exponent.abs_diff(LOWEST);
        let (limb, shift) = ((position / LIMB_BITS) as usize, position % LIMB_BITS);
        self.cover(limb, limb + 3);
        let wide = u128::from(word) << shift;
        let limbs = &mut self.limbs[limb - self.first..][..3];
        for (index, limb) in (0..).zip(limbs) {
            let digit = (wide >> (index * LIMB_BITS)) as i64 & DIGIT;
            *limb += if is_negative { -digit } else { digit };
        }
        self.unsettled += 1;
        if self.unsettled >= MOST_UNSETTLED {
            self.settle();
        }
    }

    /// Makes room for the limbs from `from` to before `to`.
    fn cover(&mut self, from: usize, to: usize) {
        if self.limbs.is_empty() {
            self.first = from;
        }
        if from < self.first {
            let missing = self.first - from;
            self.limbs.splice(0..0, std::iter::repeat_n(0, missing));
            self.first = from;
        }
        let length = to - self.first;
        if length > self.limbs.len() {
            self.limbs.resize(length, 0);
        }
    }

    /// Moves carries up, so that every limb but the last is a digit and the last, which has the sign, is below 2^31.
    fn settle(&mut self) {
        self.unsettled = 0;
        let mut index = 0;
        while index < self.limbs.len() {
            let carry = self.limbs[index] >> LIMB_BITS;
            let is_last = index + 1 == self.limbs.len();
            if is_last && i32::try_from(self.limbs[index]).is_ok() {
                break;
            }
            self.limbs[index] &= DIGIT;
            match self.limbs.get_mut(index + 1) {
                Some(next) => *next += carry,
                None => self.limbs.push(carry),
            }
            index += 1;
        }
    }

    /// Returns the sum in units of 2^[`LOWEST`].
    fn integer(&self) -> BigInt {
        let mut settled = self.clone();
        settled.settle();
        let is_negative = settled.limbs.last().is_some_and(|limb| *limb < 0);
        let sign = if is_negative {
            settled.limbs.iter_mut().for_each(|limb| *limb = -*limb);
            settled.settle();
            Sign::Minus
        } else {
            Sign::Plus
        };
        let digits = settled.limbs.iter().map(|limb| *limb as u32).collect();
        BigInt::from_biguint(sign, BigUint::new(digits)) << (settled.first * LIMB_BITS as usize)
    }
}

/// Two sums are equal if they stand for the same number.
impl PartialEq for ExactSum {
    fn eq(&self, other: &Self) -> bool {
        self.special == other.special && self.integer() == other.integer()
    }
}

/// Returns the significand and the exponent of a finite number: its magnitude is significand · 2^exponent.
fn parts(number: f64) -> (u64, i32) {
    let bits = number.to_bits();
    let fraction = bits & ((1 << (PRECISION - 1)) - 1);
    match (bits >> (PRECISION - 1)) & 0x7ff {
        0 => (fraction, LEAST),
        exponent => (fraction | 1 << (PRECISION - 1), exponent as i32 - 1 + LEAST),
    }
}

/// Returns `numerator` / `denominator` · 2^`exponent`, rounded once to the nearest double, ties to even; NaN if the
/// denominator is 0.
fn ratio(numerator: &BigInt, denominator: &BigInt, exponent: i32) -> f64 {
    let (over, under) = (numerator.magnitude(), denominator.magnitude());
    if under.bits() == 0 {
        return f64::NAN;
    }
    // The quotient gets at least two bits more than a significand. Its lowest bit then also stands for the remainder, so
    // that rounding sees whether it is above a tie.
    let wanted = PRECISION + 2 + under.bits();
    let up = wanted.saturating_sub(over.bits());
    let over = over << up;
    let mut quotient = &over / under;
    if &quotient * under != over {
        quotient = (quotient << 1_u32) | BigUint::from(1_u32);
    } else {
        quotient <<= 1_u32;
    }
    let exponent = i64::from(exponent) - up as i64 - 1;
    let magnitude = round(&quotient, exponent);
    match numerator.sign() == denominator.sign() {
        true => magnitude,
        false if magnitude == 0.0 && over.bits() == 0 => 0.0,
        false => -magnitude,
    }
}

/// Returns `integer` · 2^`exponent`, rounded to the nearest double, ties to even.
fn round(integer: &BigUint, exponent: i64) -> f64 {
    let bits = integer.bits();
    let lowest = (exponent + bits as i64 - PRECISION as i64).max(i64::from(LEAST));
    let significand = if lowest <= exponent {
        integer << (exponent - lowest).unsigned_abs()
    } else {
        let dropped = (lowest - exponent).unsigned_abs();
        let kept = integer >> dropped;
        let is_half = integer.bit(dropped - 1);
        let is_above = integer
            .trailing_zeros()
            .is_some_and(|zeros| zeros < dropped - 1);
        let rounds_up = is_half && (is_above || kept.bit(0));
        kept + u32::from(rounds_up)
    };
    let significand = significand.iter_u64_digits().next().unwrap_or(0) as f64;
    match i32::try_from(lowest) {
        Ok(lowest) if lowest <= 1023 => significand * power_of_two(lowest),
        _ if significand == 0.0 => 0.0,
        _ => f64::INFINITY,
    }
}

/// Returns 2^`exponent`, which is from −1074 to 1023.
fn power_of_two(exponent: i32) -> f64 {
    match u64::try_from(exponent + 1022) {
        Ok(above) => f64::from_bits((above + 1) << (PRECISION - 1)),
        Err(_) => f64::from_bits(1 << (exponent - LEAST)),
    }
}

/// The exact sums of pairs of numbers from which their variances, covariance and regression follow.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ExactMoments {
    /// The number of pairs.
    pub count: u64,
    /// The sum of the first numbers.
    pub x: ExactSum,
    /// The sum of the second numbers.
    pub y: ExactSum,
    /// The sum of the squares of the first numbers.
    pub xx: ExactSum,
    /// The sum of the squares of the second numbers.
    pub yy: ExactSum,
    /// The sum of the products.
    pub xy: ExactSum,
}

impl ExactMoments {
    /// Adds a pair.
    pub fn add(&mut self, x: f64, y: f64) {
        self.count += 1;
        self.x.add(x);
        self.y.add(y);
        self.xx.add_product(x, x);
        self.yy.add_product(y, y);
        self.xy.add_product(x, y);
    }

    /// Takes away a pair that was added.
    pub fn subtract(&mut self, x: f64, y: f64) {
        self.count -= 1;
        self.x.subtract(x);
        self.y.subtract(y);
        self.xx.subtract_product(x, x);
        self.yy.subtract_product(y, y);
        self.xy.subtract_product(x, y);
    }

    /// Completes a pair that was added, of which `x` and `y` each have a rest: the pair is x + `x_rest` and y + `y_rest`. So
    /// numbers of more digits than a double has can be added.
    pub fn add_rests(&mut self, [x, x_rest]: [f64; 2], [y, y_rest]: [f64; 2]) {
        self.rests([x, x_rest], [y, y_rest], ExactSum::add_product);
    }

    /// Takes away the rests of a pair, which was added with them.
    pub fn subtract_rests(&mut self, [x, x_rest]: [f64; 2], [y, y_rest]: [f64; 2]) {
        self.rests([x, x_rest], [y, y_rest], ExactSum::subtract_product);
    }

    fn rests(
        &mut self,
        [x, x_rest]: [f64; 2],
        [y, y_rest]: [f64; 2],
        product: fn(&mut ExactSum, f64, f64),
    ) {
        product(&mut self.x, x_rest, 1.0);
        product(&mut self.y, y_rest, 1.0);
        product(&mut self.xx, 2.0 * x, x_rest);
        product(&mut self.xx, x_rest, x_rest);
        product(&mut self.yy, 2.0 * y, y_rest);
        product(&mut self.yy, y_rest, y_rest);
        product(&mut self.xy, x, y_rest);
        product(&mut self.xy, x_rest, y);
        product(&mut self.xy, x_rest, y_rest);
    }

    /// Adds the pairs of others.
    pub fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.x.merge(&other.x);
        self.y.merge(&other.y);
        self.xx.merge(&other.xx);
        self.yy.merge(&other.yy);
        self.xy.merge(&other.xy);
    }

    /// Returns Σ(x − x̄)² / `divisor`.
    pub fn spread_of_x(&self, divisor: u64) -> f64 {
        self.spread(&self.x, &self.x, &self.xx, divisor)
    }

    /// Returns Σ(y − ȳ)² / `divisor`.
    pub fn spread_of_y(&self, divisor: u64) -> f64 {
        self.spread(&self.y, &self.y, &self.yy, divisor)
    }

    /// Returns Σ(x − x̄)(y − ȳ) / `divisor`.
    pub fn joint_spread(&self, divisor: u64) -> f64 {
        self.spread(&self.x, &self.y, &self.xy, divisor)
    }

    /// Returns the square of Pearson's correlation and its sign; `None` if x or y is constant or not finite.
    pub fn squared_correlation(&self) -> Option<(f64, f64)> {
        let (x, y, xy) = self.spreads()?;
        let squared = ratio(&(&xy * &xy), &(x * y), 0);
        Some((squared, if xy.sign() == Sign::Minus { -1.0 } else { 1.0 }))
    }

    /// Returns the slope and the intercept of the least-squares line of y over x; `None` if x is constant or a number is
    /// not finite.
    pub fn line_over_x(&self) -> Option<(f64, f64)> {
        if !self.is_finite() {
            return None;
        }
        let x = self.scaled_spread(&self.x, &self.x, &self.xx);
        let xy = self.scaled_spread(&self.x, &self.y, &self.xy);
        if x.sign() == Sign::NoSign {
            return None;
        }
        let slope = ratio(&xy, &x, 0);
        let over = self.y.integer() * &x - xy * self.x.integer();
        let intercept = ratio(&over, &(x * self.count), LOWEST);
        Some((slope, intercept))
    }

    /// Returns whether all numbers are finite.
    pub fn is_finite(&self) -> bool {
        self.x.is_finite() && self.y.is_finite()
    }

    /// Appends the sums as 64-bit words, which [`decode`](Self::decode) reads.
    pub fn encode(&self, words: &mut Vec<i64>) {
        words.push(self.count.cast_signed());
        for sum in [&self.x, &self.y, &self.xx, &self.yy, &self.xy] {
            sum.encode(words);
        }
    }

    /// Reads sums from the words that [`encode`](Self::encode) wrote, and moves `words` behind them. Returns `None` if
    /// they are not such words.
    pub fn decode(words: &mut &[i64]) -> Option<Self> {
        let (count, rest) = words.split_first()?;
        *words = rest;
        let mut sum = || ExactSum::decode(words);
        Some(Self {
            count: count.cast_unsigned(),
            x: sum()?,
            y: sum()?,
            xx: sum()?,
            yy: sum()?,
            xy: sum()?,
        })
    }

    /// Returns the memory that the sums take beside this value, in bytes.
    pub fn heap_bytes(&self) -> usize {
        let sums = [&self.x, &self.y, &self.xx, &self.yy, &self.xy];
        sums.iter().map(|sum| sum.heap_bytes()).sum()
    }

    fn spread(&self, x: &ExactSum, y: &ExactSum, xy: &ExactSum, divisor: u64) -> f64 {
        if !x.is_finite() || !y.is_finite() {
            return f64::NAN;
        }
        let spread = self.scaled_spread(x, y, xy);
        let divisor = BigInt::from(self.count) * divisor;
        ratio(&spread, &divisor, 2 * LOWEST)
    }

    /// Returns nΣxy − ΣxΣy in units of 2^(2 · [`LOWEST`]).
    fn scaled_spread(&self, x: &ExactSum, y: &ExactSum, xy: &ExactSum) -> BigInt {
        let products = (xy.integer() * self.count) << LOWEST.unsigned_abs();
        products - x.integer() * y.integer()
    }

    /// Returns the spreads of x, of y and of both; `None` if x or y is constant or not finite.
    fn spreads(&self) -> Option<(BigInt, BigInt, BigInt)> {
        if !self.is_finite() {
            return None;
        }
        let x = self.scaled_spread(&self.x, &self.x, &self.xx);
        let y = self.scaled_spread(&self.y, &self.y, &self.yy);
        let is_constant = x.sign() == Sign::NoSign || y.sign() == Sign::NoSign;
        (!is_constant).then(|| (x, y, self.scaled_spread(&self.x, &self.y, &self.xy)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;
    use proptest::prelude::*;

    fn sum(numbers: &[f64]) -> ExactSum {
        let mut sum = ExactSum::default();
        numbers.iter().for_each(|number| sum.add(*number));
        sum
    }

    #[test]
    fn sums_are_those_of_pythons_fsum() {
        // The right values are those of math.fsum.
        let tenth: Vec<f64> = vec![0.1; 10];
        assert_eq!(sum(&tenth).value(), 1.0);
        assert_eq!(sum(&[1e16, 1.0, 1e-16]).value(), 10_000_000_000_000_002.0);
        assert_eq!(sum(&[1e16, 1.0]).value(), 1e16);
        assert_eq!(sum(&[1e308, 1e308, -1e308]).value(), 1e308);
        assert_eq!(sum(&[5e-324, 5e-324]).value(), 1e-323);
        assert_eq!(sum(&[1.0, 1e100, 1.0, -1e100]).value(), 2.0);
        assert_eq!(sum(&[]).value().to_bits(), 0);
        assert_eq!(sum(&[-0.0, -0.0]).value().to_bits(), 0);
        assert_eq!(sum(&[1e308, 1e308]).value(), f64::INFINITY);
        assert_eq!(sum(&[-1e308, -1e308]).value(), f64::NEG_INFINITY);
        assert_eq!(sum(&[f64::INFINITY, 1.0]).value(), f64::INFINITY);
        assert!(sum(&[f64::INFINITY, f64::NEG_INFINITY]).value().is_nan());
        assert_eq!(sum(&[1.0, 1.0, 0.0]).mean(3), 0.666_666_666_666_666_6);
    }

    #[test]
    fn statistics_are_those_of_fractions() {
        // The right values are those of Python's fractions, rounded once at the end.
        let mut moments = ExactMoments::default();
        for (x, y) in [(1e9 + 0.1, 3.0), (1e9 + 0.2, 5.0), (1e9 + 0.4, 4.0)] {
            moments.add(x, y);
        }
        assert_eq!(moments.spread_of_x(2), 0.023_333_324_591_320_093);
        assert_eq!(moments.spread_of_y(2), 1.0);
        assert_eq!(moments.joint_spread(3), 0.033_333_341_280_619_3);
        let (squared, sign) = moments.squared_correlation().expect("a correlation");
        assert_eq!((squared, sign), (0.107_142_948_374_490_47, 1.0));
        let (slope, intercept) = moments.line_over_x().expect("a line");
        assert_eq!(
            (slope, intercept),
            (2.142_858_456_592_541, -2_142_858_453.092_541_2)
        );
        let mut line = ExactMoments::default();
        (0..50).for_each(|x| line.add(f64::from(x) / 10.0, -3.0 * (f64::from(x) / 10.0)));
        assert_eq!(line.joint_spread(1), -3.0 * line.spread_of_x(1));
        let mut constant = ExactMoments::default();
        (0..3).for_each(|_| constant.add(0.1, 2.0));
        assert_eq!(constant.spread_of_x(2), 0.0);
        assert_eq!(constant.squared_correlation(), None);
    }

    #[test]
    fn carries_of_many_terms_are_settled() {
        let mut doubled = sum(&[f64::MAX, -f64::MAX / 3.0]);
        let mut total = doubled.clone();
        for _ in 0..40 {
            let half = doubled.clone();
            doubled.merge(&half);
            total.merge(&doubled);
        }
        assert_eq!(total.value(), f64::INFINITY);
        let mut words = Vec::new();
        total.encode(&mut words);
        assert_eq!(ExactSum::decode(&mut words.as_slice()), Some(total));
        assert_eq!(ExactSum::decode(&mut &words[..words.len() - 1]), None);
        let mut many = ExactSum::default();
        (0..1_000_000).for_each(|_| many.add(-f64::MIN_POSITIVE));
        assert_eq!(many.value(), -1e6 * f64::MIN_POSITIVE);
        assert!(many.limbs.len() <= 4, "{}", many.limbs.len());
    }

    proptest! {
        #[test]
        fn any_order_and_any_division_give_the_same_bits(
            numbers in proptest::collection::vec(any::<f64>(), 0..60),
            seed in any::<u64>(),
            cut in 0_usize..60,
        ) {
            let expected = sum(&numbers);
            let mut shuffled = numbers.clone();
            let mut rng = Rng::new(seed, 0);
            rng.shuffle(&mut shuffled);
            let (left, right) = shuffled.split_at(cut.min(shuffled.len()));
            let mut merged = sum(left);
            merged.merge(&sum(right));
            prop_assert_eq!(merged.value().to_bits(), expected.value().to_bits());
            let mut words = Vec::new();
            merged.encode(&mut words);
            let mut read = words.as_slice();
            let decoded = ExactSum::decode(&mut read);
            prop_assert_eq!(decoded.as_ref(), Some(&merged));
            prop_assert!(read.is_empty());
            for number in &numbers {
                merged.subtract(*number);
            }
            prop_assert_eq!(merged.value().to_bits(), 0);
        }

        #[test]
        fn whole_numbers_are_summed_as_integers(
            numbers in proptest::collection::vec(-(1_i64 << 53)..(1 << 53), 1..40),
        ) {
            let doubles: Vec<f64> = numbers.iter().map(|number| *number as f64).collect();
            let total: i128 = numbers.iter().map(|number| i128::from(*number)).sum();
            prop_assert_eq!(sum(&doubles).value(), total as f64);
            let mut moments = ExactMoments::default();
            doubles.iter().for_each(|x| moments.add(*x, *x));
            let small: Vec<i128> = numbers.iter().map(|number| i128::from(*number)).collect();
            let squares: i128 = small.iter().map(|x| (x >> 20) * (x >> 20)).sum();
            let mut product = ExactSum::default();
            small.iter().for_each(|x| product.add_product((x >> 20) as f64, (x >> 20) as f64));
            prop_assert_eq!(product.value(), squares as f64);
            prop_assert_eq!(moments.spread_of_x(1), moments.joint_spread(1));
        }
    }
}

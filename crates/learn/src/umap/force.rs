//! How a row is pulled to its neighbours and pushed from others (McInnes, Healy & Melville 2018,
//! section 4.2): stochastic descent on the cross-entropy between graph and embedding.

use super::curve::Curve;
use super::draws::Draws;

/// Rows that act on a row at once: eight, for the sake of vector instructions.
const LANES: usize = 8;

/// The longest move of one force along one axis, as in umap-learn.
const CLIP: f32 = 4.0;

/// Everything that one edge does to a row: its other end pulls, random rows push.
#[derive(Clone, Debug)]
pub(super) struct Kernel {
    /// The pull, with as many pushes as there are lanes left, and pushes that need further lanes.
    rounds: Vec<Round>,
}

impl Kernel {
    /// A pull that counts `times_pulled`, and `pushes` pushes of a strength.
    pub fn new(curve: Curve, strength: f64, times_pulled: f32, pushes: usize) -> Kernel {
        let first = pushes.min(LANES - 1);
        let mut rounds = vec![Round {
            forces: Forces::pull_and_push(curve, strength, times_pulled, first),
            pushing: 1..first + 1,
        }];
        let mut left = pushes - first;
        while left > 0 {
            let pushing = left.min(LANES);
            rounds.push(Round {
                forces: Forces::push(curve, strength, pushing),
                pushing: 0..pushing,
            });
            left -= pushing;
        }
        Kernel { rounds }
    }

    /// Moves `own` by what `puller` and random ones of the rows in `positions` do to it.
    /// `room` has as many entries as `own`.
    #[inline(always)]
    pub fn act(
        &self,
        own: &mut [f32],
        positions: &Positions,
        puller: u32,
        rate: f32,
        draws: &mut Draws,
        room: &mut [[f32; LANES]],
    ) {
        for round in &self.rounds {
            let mut others = [puller; LANES];
            for pair in others[round.pushing.clone()].chunks_mut(2) {
                let drawn = draws.pair_below(positions.n);
                pair.copy_from_slice(&drawn[..pair.len()]);
            }
            round.forces.act(own, positions.values, &others, rate, room);
        }
    }

    /// Room for the differences of rows with `dim` coordinates.
    pub fn room(dim: usize) -> Vec<[f32; LANES]> {
        vec![[0.0; LANES]; dim]
    }
}

/// Where `n` rows are, row-major.
#[derive(Clone, Copy)]
pub(super) struct Positions<'a> {
    pub values: &'a [f32],
    pub n: u32,
}

/// Forces that act at once, and which of them push.
#[derive(Clone, Debug)]
struct Round {
    forces: Forces,
    pushing: std::ops::Range<usize>,
}

/// What the lanes do: the factor on the difference of two positions at squared distance s is
/// (pull s^b + push) / ((floor + s)(1 + a s^b)), the gradients of ln Φ and ln(1 − Φ) of the curve Φ,
/// and the move counts `times`.
#[derive(Clone, Debug)]
struct Forces {
    a: f32,
    b: f32,
    pull: [f32; LANES],
    push: [f32; LANES],
    floor: [f32; LANES],
    times: [f32; LANES],
}

impl Forces {
    /// The first lane pulls, and counts `times_pulled`; `pushing` lanes after it push, the others do
    /// nothing.
    fn pull_and_push(curve: Curve, strength: f64, times_pulled: f32, pushing: usize) -> Forces {
        let mut forces = Forces::push(curve, strength, pushing + 1);
        (forces.pull[0], forces.push[0]) = ((-2.0 * curve.a * curve.b) as f32, 0.0);
        // Keeps the quotient finite where both are at the same place.
        forces.floor[0] = 1e-12;
        forces.times[0] = times_pulled;
        forces
    }

    /// The first `pushing` lanes push, the others do nothing.
    fn push(curve: Curve, strength: f64, pushing: usize) -> Forces {
        let mut forces = Forces {
            a: curve.a as f32,
            b: curve.b as f32,
            pull: [0.0; LANES],
            push: [0.0; LANES],
            floor: [0.001; LANES],
            times: [1.0; LANES],
        };
        forces.push[..pushing].fill((2.0 * strength * curve.b) as f32);
        forces
    }

    #[inline(always)]
    fn factors(&self, squares: [f32; LANES]) -> [f32; LANES] {
        let mut factors = [0.0; LANES];
        for lane in 0..LANES {
            let power = pow(squares[lane], self.b);
            let below = (self.floor[lane] + squares[lane]) * (1.0 + self.a * power);
            factors[lane] = (self.pull[lane] * power + self.push[lane]) / below;
        }
        factors
    }

    /// Moves `own` by `rate` times what the rows `others` do to it, all as seen from where it is.
    #[inline(always)]
    fn act(
        &self,
        own: &mut [f32],
        positions: &[f32],
        others: &[u32; LANES],
        rate: f32,
        differences: &mut [[f32; LANES]],
    ) {
        let dim = own.len();
        for lane in 0..LANES {
            let other = &positions[others[lane] as usize * dim..][..dim];
            for c in 0..dim {
                differences[c][lane] = own[c] - other[c];
            }
        }
        let mut squares = [0.0; LANES];
        for difference in differences.iter() {
            for lane in 0..LANES {
                squares[lane] += difference[lane] * difference[lane];
            }
        }
        let factors = self.factors(squares);
        for (own, difference) in own.iter_mut().zip(differences.iter()) {
            let mut moves = [0.0; LANES];
            for lane in 0..LANES {
                moves[lane] = clip(factors[lane] * difference[lane]) * self.times[lane];
            }
            *own += rate * sum(moves);
        }
    }
}

#[inline(always)]
fn clip(x: f32) -> f32 {
    let x = if x < CLIP { x } else { CLIP };
    if x > -CLIP { x } else { -CLIP }
}

/// In an order that vector instructions can follow.
#[inline(always)]
fn sum(x: [f32; LANES]) -> f32 {
    let mut halves = [0.0; LANES / 2];
    for lane in 0..LANES / 2 {
        halves[lane] = x[lane] + x[lane + LANES / 2];
    }
    (halves[0] + halves[2]) + (halves[1] + halves[3])
}

/// `x` to the power `b`, `x` ≥ 0, to about 1e-6, in operations that every machine rounds alike. Of 0
/// about 2^(−127 b).
#[inline(always)]
fn pow(x: f32, b: f32) -> f32 {
    exp2(b * log2(x))
}

/// log₂ of the mantissa m in [√½, √2) by the series in (m − 1)/(m + 1) (Abramowitz & Stegun 1964,
/// 4.1.27).
#[inline(always)]
fn log2(x: f32) -> f32 {
    const SQRT_HALF: u32 = 0x3F35_04F3;
    let bits = x.to_bits().wrapping_sub(SQRT_HALF);
    let exponent = (bits as i32 >> 23) as f32;
    let mantissa = f32::from_bits((bits & 0x007F_FFFF).wrapping_add(SQRT_HALF));
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let square = s * s;
    // 2/ln 2 × (1, 1/3, 1/5, 1/7); |s| ≤ 0.1716, so the next term is below 1e-7.
    let series =
        2.885_390_1 + square * (0.961_796_7 + square * (0.577_078_04 + square * 0.412_198_6));
    exponent + s * series
}

/// 2 to the power of `x`, held within the range of normal numbers, by the exponential series of the
/// fraction (Abramowitz & Stegun 1964, 4.2.1).
#[inline(always)]
fn exp2(x: f32) -> f32 {
    // Adding 1.5 × 2²³ rounds to a whole number, which is then in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let x = if x > -126.0 { x } else { -126.0 };
    let x = if x < 126.0 { x } else { 126.0 };
    let shifted = x + ROUND;
    let y = x - (shifted - ROUND);
    let series = 1.0
        + y * (0.693_147_2
            + y * (0.240_226_5 + y * (0.055_504_11 + y * (0.009_618_129 + y * 0.001_333_355_8))));
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

    const CURVE: Curve = Curve { a: 1.577, b: 0.895 };

    /// Where one row at a distance leads another that only it acts on.
    fn moved(forces: &Forces, distance: f32) -> f32 {
        let mut own = [0.0];
        forces.act(&mut own, &[distance], &[0; LANES], 1.0, &mut [[0.0; LANES]]);
        own[0]
    }

    /// The forces are the derivatives of −ln Φ and −ln(1 − Φ), here as difference quotients.
    #[test]
    fn forces_are_gradients() {
        let pull = Forces::pull_and_push(CURVE, 1.0, 1.0, 0);
        let push = Forces::push(CURVE, 1.0, 1);
        let phi = |d: f64| 1.0 / (1.0 + CURVE.a * d.powf(2.0 * CURVE.b));
        let slope = |f: &dyn Fn(f64) -> f64, d: f64| (f(d + 1e-6) - f(d - 1e-6)) / 2e-6;
        for d in [0.5, 1.0, 2.0, 7.0] {
            let pulled = f64::from(moved(&pull, d as f32));
            let pushed = f64::from(moved(&push, d as f32));
            assert!(
                (pulled + slope(&|d| phi(d).ln(), d)).abs() < 1e-4,
                "{d} {pulled}"
            );
            // 0.001 in the denominator keeps close rows from being thrown.
            let wanted = -slope(&|d| (1.0 - phi(d)).ln(), d) * d * d / (0.001 + d * d);
            assert!((pushed - wanted).abs() < 1e-3, "{d} {pushed} {wanted}");
        }
    }

    #[test]
    fn the_same_place_moves_nothing_and_far_ones_are_clipped() {
        let both = Forces::pull_and_push(CURVE, 1.0, 1.0, 5);
        assert_eq!(moved(&both, 0.0), 0.0);
        assert_eq!(moved(&Forces::push(CURVE, 1e3, 1), 0.01), -CLIP);
        assert!(moved(&both, 1e18).is_finite());
    }
}

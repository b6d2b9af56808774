//! The curve that maps a distance in the embedding to a membership strength.

use std::f64::consts::LOG2_E;

use crate::real;

/// The curve 1 / (1 + a d^(2b)) of the distance d.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Curve {
    pub a: f64,
    pub b: f64,
}

/// The number of distances, from 0 to 3 spreads, at which the curve is fitted, as in umap-learn.
const POINTS: usize = 300;
/// The maximum number of steps of the fit; it converges within a few dozen.
const STEPS: usize = 500;

impl Curve {
    /// Fits the curve by least squares to the target curve, which is 1 up to `min_dist` and then
    /// falls as e^(−(d − min_dist)/spread) (McInnes, Healy & Melville 2018, section 4.2). The
    /// method is that of Levenberg (1944) and Marquardt (1963).
    pub fn fit(min_dist: f64, spread: f64) -> Curve {
        let wanted: Vec<(f64, f64)> = (1..POINTS)
            .map(|i| {
                // Distances are in units of the spread; a is rescaled at the end.
                let x = 3.0 * i as f64 / (POINTS - 1) as f64;
                let beyond = (x - min_dist / spread).max(0.0);
                (x, real::exp2(-beyond * LOG2_E))
            })
            .collect();
        let (mut at, mut damping) = ([0.0, 0.0], 1e-3);
        let mut normal = Normal::at(at, &wanted);
        for _ in 0..STEPS {
            let next = normal.step(at, damping);
            let tried = Normal::at(next, &wanted);
            if tried.loss < normal.loss {
                (at, normal, damping) = (next, tried, damping * 0.3);
            } else {
                damping *= 4.0;
            }
            if damping > 1e12 {
                break;
            }
        }
        let [log_a, log_b] = at;
        let b = exp(log_b);
        // This follows from a x^(2b) with x = d / spread.
        let a = exp(log_a - 2.0 * b * real::ln(spread));
        Curve { a, b }
    }
}

fn exp(x: f64) -> f64 {
    real::exp2((x * LOG2_E).clamp(-1000.0, 1000.0))
}

/// The normal equations of the fit in ln a and ln b, which keeps a and b positive.
struct Normal {
    loss: f64,
    gradient: [f64; 2],
    hessian: [f64; 3],
}

impl Normal {
    /// Evaluates the equations at the given ln a and ln b.
    fn at([log_a, log_b]: [f64; 2], wanted: &[(f64, f64)]) -> Normal {
        let b = exp(log_b);
        let mut sums = Normal {
            loss: 0.0,
            gradient: [0.0; 2],
            hessian: [0.0; 3],
        };
        for &(x, y) in wanted {
            let log_x = real::ln(x);
            let power = exp(log_a + 2.0 * b * log_x);
            let value = 1.0 / (1.0 + power);
            let by_log_a = -power * value * value;
            let by_log_b = by_log_a * 2.0 * b * log_x;
            let residual = value - y;
            sums.loss += residual * residual;
            sums.gradient[0] += residual * by_log_a;
            sums.gradient[1] += residual * by_log_b;
            sums.hessian[0] += by_log_a * by_log_a;
            sums.hessian[1] += by_log_a * by_log_b;
            sums.hessian[2] += by_log_b * by_log_b;
        }
        sums
    }

    /// Returns the next ln a and ln b by the damped equations.
    fn step(&self, at: [f64; 2], damping: f64) -> [f64; 2] {
        let [h00, h01, h11] = self.hessian;
        let (h00, h11) = (h00 * (1.0 + damping), h11 * (1.0 + damping));
        let determinant = h00 * h11 - h01 * h01;
        if determinant <= f64::MIN_POSITIVE {
            return at;
        }
        let [g0, g1] = self.gradient;
        [
            at[0] - (h11 * g0 - h01 * g1) / determinant,
            at[1] - (h00 * g1 - h01 * g0) / determinant,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expected values are those of umap-learn's find_ab_params, whose `curve_fit` stops at
    /// about 1e-8.
    #[test]
    fn agrees_with_umap_learn() {
        for (spread, min_dist, a, b) in KNOWN {
            let curve = Curve::fit(min_dist, spread);
            assert!(
                (curve.a / a - 1.0).abs() < 1e-4 && (curve.b / b - 1.0).abs() < 1e-4,
                "{curve:?} for {a}, {b}"
            );
        }
    }

    /// Spread, min_dist, a, b.
    const KNOWN: [(f64, f64, f64, f64); 6] = [
        (1.0, 0.1, 1.576_943_460, 0.895_060_878),
        (1.0, 0.5, 0.583_030_020, 1.334_166_992),
        (2.0, 0.25, 0.416_273_497, 0.921_855_132),
        (1.0, 0.0, 1.932_808_397, 0.790_494_973),
        (1.0, 0.99, 0.119_305_300, 1.916_390_417),
        (0.5, 0.1, 5.069_309_329, 1.003_005_423),
    ];
}

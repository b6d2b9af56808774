//! How a row is pulled to its neighbours and pushed from others (McInnes, Healy & Melville 2018,
//! section 4.2): stochastic descent on the cross-entropy between graph and embedding.

use super::curve::Curve;
use super::draws::Draws;

/// Rows that act on a row at once: several, for the sake of vector instructions, and so many that umap's
/// default of one pull and five pushes fills them evenly.
const LANES: usize = 12;

/// The longest move of one force along one axis, as in umap-learn.
const CLIP: f32 = 4.0;

/// What edges do to a row: the other end of each pulls, random rows push.
#[derive(Clone, Debug)]
pub(super) struct Kernel {
    /// Edges that act at once.
    edges: usize,
    /// Lanes of an edge: one that pulls, the others push.
    span: usize,
    forces: Forces,
    /// Pushes for which an edge has no lane, a round of lanes each.
    more: Vec<(usize, Forces)>,
}

impl Kernel {
    /// Pulls that count `times_pulled`, and for each of them `pushes` pushes of a strength.
    pub fn new(curve: Curve, strength: f64, times_pulled: f32, pushes: usize) -> Kernel {
        let span = (1 + pushes).min(LANES);
        let edges = LANES / span;
        let mut more = Vec::new();
        let mut left = 1 + pushes - span;
        while left > 0 {
            let pushing = left.min(LANES);
            more.push((pushing, Forces::push(curve, strength)));
            left -= pushing;
        }
        Kernel {
            edges,
            span,
            forces: Forces::pull_and_push(curve, strength, times_pulled, span),
            more,
        }
    }

    /// Moves `own` by what `pullers`, at most `edges` of them, and for each of them random ones of `all` do
    /// to it. `room` has as many entries as `own`.
    #[inline(always)]
    fn act(
        &self,
        own: &mut [f32],
        all: &Positions,
        pullers: &[u32],
        rate: f32,
        draws: &mut Draws,
        room: &mut Room,
    ) {
        let mut others = [0; LANES];
        for (lanes, &puller) in others.chunks_mut(self.span).zip(pullers) {
            lanes[0] = puller;
            draw(&mut lanes[1..], all.n, draws);
        }
        let used = self.span * pullers.len();
        self.forces
            .act(own, all.values, &others[..used], rate, room);
        for (pushing, forces) in &self.more {
            draw(&mut others[..*pushing], all.n, draws);
            forces.act(own, all.values, &others[..*pushing], rate, room);
        }
    }
}

/// One row's way through its edges: they act in groups, as many as the kernel takes.
pub(super) struct Pass<'a> {
    kernel: &'a Kernel,
    all: Positions<'a>,
    rate: f32,
    draws: Draws,
    pullers: [u32; LANES],
    waiting: usize,
}

impl<'a> Pass<'a> {
    /// A pass that moves a row at `rate` among `all`.
    #[inline(always)]
    pub fn new(kernel: &'a Kernel, all: Positions<'a>, rate: f32, draws: Draws) -> Pass<'a> {
        Pass {
            kernel,
            all,
            rate,
            draws,
            pullers: [0; LANES],
            waiting: 0,
        }
    }

    /// Takes an edge to `puller`, and moves `own` when a group is complete.
    #[inline(always)]
    pub fn edge(&mut self, puller: u32, own: &mut [f32], room: &mut Room) {
        self.pullers[self.waiting] = puller;
        self.waiting += 1;
        if self.waiting == self.kernel.edges {
            self.act(own, room);
        }
    }

    /// Moves `own` by the edges that are left.
    #[inline(always)]
    pub fn finish(mut self, own: &mut [f32], room: &mut Room) {
        if self.waiting > 0 {
            self.act(own, room);
        }
    }

    #[inline(always)]
    fn act(&mut self, own: &mut [f32], room: &mut Room) {
        let pullers = &self.pullers[..self.waiting];
        let (kernel, draws) = (self.kernel, &mut self.draws);
        kernel.act(own, &self.all, pullers, self.rate, draws, room);
        self.waiting = 0;
    }
}

#[inline(always)]
fn draw(others: &mut [u32], n: u32, draws: &mut Draws) {
    for pair in others.chunks_mut(2) {
        let drawn = draws.pair_below(n);
        pair.copy_from_slice(&drawn[..pair.len()]);
    }
}

/// Room for the differences of one row to others, one entry for each coordinate.
pub(super) type Room = [[f32; LANES]];

/// Room for rows of `dim` coordinates.
pub(super) fn room(dim: usize) -> Box<Room> {
    vec![[0.0; LANES]; dim].into_boxed_slice()
}

/// Where `n` rows are, row-major.
#[derive(Clone, Copy)]
pub(super) struct Positions<'a> {
    pub values: &'a [f32],
    pub n: u32,
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
    /// Every `span`-th lane pulls, and counts `times_pulled`; the others push.
    fn pull_and_push(curve: Curve, strength: f64, times_pulled: f32, span: usize) -> Forces {
        let mut forces = Forces::push(curve, strength);
        for lane in (0..LANES).step_by(span) {
            forces.pull[lane] = (-2.0 * curve.a * curve.b) as f32;
            forces.push[lane] = 0.0;
            // Keeps the quotient finite where both are at the same place.
            forces.floor[lane] = 1e-12;
            forces.times[lane] = times_pulled;
        }
        forces
    }

    /// All lanes push.
    fn push(curve: Curve, strength: f64) -> Forces {
        Forces {
            a: curve.a as f32,
            b: curve.b as f32,
            pull: [0.0; LANES],
            push: [(2.0 * strength * curve.b) as f32; LANES],
            floor: [0.001; LANES],
            times: [1.0; LANES],
        }
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

    /// Moves `own` by `rate` times what the rows `others` do to it, all as seen from where it is. Lanes
    /// beyond them do nothing.
    #[inline(always)]
    fn act(&self, own: &mut [f32], positions: &[f32], others: &[u32], rate: f32, room: &mut Room) {
        let dim = own.len();
        for lane in 0..LANES {
            match others.get(lane) {
                Some(&other) => {
                    let other = &positions[other as usize * dim..][..dim];
                    for c in 0..dim {
                        room[c][lane] = own[c] - other[c];
                    }
                }
                // From its own place, nothing pulls or pushes.
                None => (0..dim).for_each(|c| room[c][lane] = 0.0),
            }
        }
        let mut squares = [0.0; LANES];
        for difference in room.iter() {
            for lane in 0..LANES {
                squares[lane] += difference[lane] * difference[lane];
            }
        }
        let factors = self.factors(squares);
        for (own, difference) in own.iter_mut().zip(room.iter()) {
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
    let mut quarters = [0.0; 4];
    for lanes in x.as_chunks::<4>().0 {
        for (quarter, x) in quarters.iter_mut().zip(lanes) {
            *quarter += x;
        }
    }
    (quarters[0] + quarters[2]) + (quarters[1] + quarters[3])
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
        forces.act(&mut own, &[distance], &[0], 1.0, &mut room(1));
        own[0]
    }

    /// The forces are the derivatives of −ln Φ and −ln(1 − Φ), here as difference quotients.
    #[test]
    fn forces_are_gradients() {
        let pull = Forces::pull_and_push(CURVE, 1.0, 1.0, 6);
        let push = Forces::push(CURVE, 1.0);
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
        let both = Forces::pull_and_push(CURVE, 1.0, 1.0, 6);
        assert_eq!(moved(&both, 0.0), 0.0);
        assert_eq!(moved(&Forces::push(CURVE, 1e3), 0.01), -CLIP);
        assert!(moved(&both, 1e18).is_finite());
    }

    /// Of all rows at one place, every one pulls or pushes alike: moves count pulls and pushes.
    #[test]
    fn every_edge_pulls_once_and_pushes_as_often_as_asked() {
        let all = Positions {
            values: &[2.0; 9],
            n: 9,
        };
        let (pull, push) = (
            moved(&Forces::pull_and_push(CURVE, 1.0, 1.0, 1), 2.0),
            moved(&Forces::push(CURVE, 1.0), 2.0),
        );
        for pushes in [0, 1, 5, 11, 12, 40] {
            let kernel = Kernel::new(CURVE, 1.0, 1.0, pushes);
            // With further rounds, the later ones act from another place.
            let edges = if kernel.more.is_empty() {
                kernel.edges
            } else {
                continue;
            };
            let mut own = [0.0];
            kernel.act(
                &mut own,
                &all,
                &vec![0; edges],
                1.0,
                &mut Draws::new(1, 2, 3),
                &mut room(1),
            );
            let wanted = edges as f32 * (pull + pushes as f32 * push);
            assert!(
                (own[0] - wanted).abs() < 1e-4,
                "{pushes}: {} {wanted}",
                own[0]
            );
        }
    }
}

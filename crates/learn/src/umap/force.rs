//! How a row is pulled to its neighbours and pushed from others (McInnes, Healy & Melville 2018,
//! section 4.2): stochastic descent on the cross-entropy between graph and embedding.

use std::f32::consts::LN_2;

use super::curve::Curve;
use super::draws::Draws;

/// Rows that act on a row at once: several, for the sake of vector instructions, and so many that umap's
/// default of one pull and five pushes fills them evenly.
const LANES: usize = 12;

/// The longest move along one axis, of one force, as in umap-learn, and of forces that act at once.
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
        all: impl Positions,
        pullers: &[u32],
        turn: &mut Turn,
        room: &mut Room,
    ) {
        let mut others = draw(all.len(), &mut turn.draws);
        for (lanes, &puller) in others.chunks_exact_mut(self.span).zip(pullers) {
            lanes[0] = puller;
        }
        let used = self.span * pullers.len();
        self.forces.act(own, all, &others, used, turn.rate, room);
        for (pushing, forces) in &self.more {
            let others = draw(all.len(), &mut turn.draws);
            forces.act(own, all, &others, *pushing, turn.rate, room);
        }
    }
}

/// A random row for every lane.
#[inline(always)]
fn draw(n: usize, draws: &mut Draws) -> [u32; LANES] {
    let mut drawn = [0; LANES];
    for pair in drawn.as_chunks_mut::<2>().0 {
        *pair = draws.pair_below(n as u32);
    }
    drawn
}

/// One row's way through its edges: they act in groups, as many as the kernel takes.
pub(super) struct Pass<'a, P: Positions> {
    kernel: &'a Kernel,
    all: P,
    own: P::Row,
    room: P::Room,
    pullers: [u32; LANES],
    waiting: usize,
}

/// How far rows are moved, and the random numbers of a pass.
pub(super) struct Turn {
    pub rate: f32,
    pub draws: Draws,
}

impl<'a, P: Positions> Pass<'a, P> {
    /// Starts a row at `row` among `all`.
    #[inline(always)]
    pub fn new(kernel: &'a Kernel, all: P, row: &[f32]) -> Self {
        Pass {
            kernel,
            all,
            own: all.copy(row),
            room: all.room(),
            pullers: [0; LANES],
            waiting: 0,
        }
    }

    /// Takes an edge to `puller`, and moves the row when a group is complete.
    #[inline(always)]
    pub fn edge(&mut self, puller: u32, turn: &mut Turn) {
        self.pullers[self.waiting] = puller;
        self.waiting += 1;
        if self.waiting == self.kernel.edges {
            self.act(turn);
        }
    }

    /// Moves the row by the edges that are left.
    #[inline(always)]
    pub fn flush(&mut self, turn: &mut Turn) {
        if self.waiting > 0 {
            self.act(turn);
        }
    }

    /// Where the row is.
    #[inline(always)]
    pub fn place(&self) -> &[f32] {
        self.own.as_ref()
    }

    #[inline(always)]
    fn act(&mut self, turn: &mut Turn) {
        let pullers = &self.pullers[..self.waiting];
        let (own, room) = (self.own.as_mut(), self.room.as_mut());
        self.kernel.act(own, self.all, pullers, turn, room);
        self.waiting = 0;
    }
}

/// Differences of one row to others, one entry for each coordinate.
type Room = [[f32; LANES]];

/// Where rows are.
pub(super) trait Positions: Copy + Send + Sync {
    /// The coordinates of one row.
    type Row: AsRef<[f32]> + AsMut<[f32]>;
    /// Room for the differences of one row to [`LANES`] others, one entry for each coordinate.
    type Room: AsMut<Room>;

    /// Number of rows.
    fn len(self) -> usize;
    /// The coordinates of a row.
    fn get(&self, row: u32) -> &[f32];
    /// A copy of one row's coordinates.
    fn copy(self, row: &[f32]) -> Self::Row;
    fn room(self) -> Self::Room;
}

/// Rows whose number of coordinates the compiler knows, which makes all loops over them several times as
/// fast.
impl<const DIM: usize> Positions for &[[f32; DIM]] {
    type Row = [f32; DIM];
    type Room = [[f32; LANES]; DIM];

    #[inline(always)]
    fn len(self) -> usize {
        <[_]>::len(self)
    }

    #[inline(always)]
    fn get(&self, row: u32) -> &[f32] {
        &self[row as usize]
    }

    #[inline(always)]
    fn copy(self, row: &[f32]) -> [f32; DIM] {
        std::array::from_fn(|c| row[c])
    }

    #[inline(always)]
    fn room(self) -> Self::Room {
        [[0.0; LANES]; DIM]
    }
}

/// Rows of any number of coordinates, row-major.
#[derive(Clone, Copy)]
pub(super) struct AnyDimension<'a> {
    pub values: &'a [f32],
    pub dim: usize,
}

impl Positions for AnyDimension<'_> {
    type Row = Vec<f32>;
    type Room = Vec<[f32; LANES]>;

    fn len(self) -> usize {
        self.values.len() / self.dim
    }

    fn get(&self, row: u32) -> &[f32] {
        &self.values[row as usize * self.dim..][..self.dim]
    }

    fn copy(self, row: &[f32]) -> Vec<f32> {
        row.to_vec()
    }

    fn room(self) -> Self::Room {
        vec![[0.0; LANES]; self.dim]
    }
}

/// Calls a function with the rows of row-major values.
macro_rules! with_positions {
    ($values:expr, $dim:expr, $positions:ident => $value:expr) => {
        match $dim {
            2 => {
                let $positions = $values.as_chunks::<2>().0;
                $value
            }
            3 => {
                let $positions = $values.as_chunks::<3>().0;
                $value
            }
            dim => {
                let values = $values;
                let $positions = $crate::umap::force::AnyDimension { values, dim };
                $value
            }
        }
    };
}
pub(super) use with_positions;

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
    /// All pulls together, in factors: no more than what takes a row to where it is pulled. Beyond, rows
    /// would be thrown about by their neighbours, and small components through the map.
    pulled: f32,
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
            forces.pulled += times_pulled;
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
            pulled: 0.0,
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

    /// Moves `own` by `rate` times what the first `used` of the rows `others` do to it, all as seen from
    /// where it is.
    #[inline(always)]
    fn act(
        &self,
        own: &mut [f32],
        all: impl Positions,
        others: &[u32; LANES],
        used: usize,
        rate: f32,
        room: &mut Room,
    ) {
        for (lane, &other) in others.iter().enumerate() {
            let coordinates = own.iter().zip(all.get(other));
            for (differences, (own, other)) in room.iter_mut().zip(coordinates) {
                differences[lane] = own - other;
            }
        }
        let mut squares = [0.0; LANES];
        for differences in room.iter() {
            for (square, difference) in squares.iter_mut().zip(differences) {
                *square += difference * difference;
            }
        }
        let mut factors = self.factors(squares);
        let least = -1.0 / (rate * self.pulled);
        for factor in &mut factors {
            *factor = if *factor > least { *factor } else { least };
        }
        let mut times = self.times;
        times[used..].fill(0.0);
        for (own, differences) in own.iter_mut().zip(room.iter()) {
            let mut moves = [0.0; LANES];
            for lane in 0..LANES {
                moves[lane] = clip(factors[lane] * differences[lane]) * times[lane];
            }
            // One after the other, forces would not push a row on that is no longer near.
            *own += rate * clip(sum(moves));
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

/// log₂ by the series of the mantissa m in [√½, √2) in (m − 1)/(m + 1) (Abramowitz & Stegun 1964, 4.1.27).
#[inline(always)]
fn log2(x: f32) -> f32 {
    const SQRT_HALF: u32 = 0x3F35_04F3;
    let bits = x.to_bits().wrapping_sub(SQRT_HALF);
    let exponent = (bits as i32 >> 23) as f32;
    let mantissa = f32::from_bits((bits & 0x007F_FFFF).wrapping_add(SQRT_HALF));
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let square = s * s;
    // 2/ln 2 × (1, 1/3, 1/5, 1/7); |s| ≤ 0.1716, so the next term is below 1e-7.
    let low = 2.885_39 + 0.961_796_7 * square;
    let high = 0.577_078_04 + 0.412_198_6 * square;
    exponent + s * (low + high * (square * square))
}

/// 2 to the power of `x`, held within the range of normal numbers, by the exponential series of the
/// fraction (Abramowitz & Stegun 1964, 4.2.1), in pairs that do not wait for each other.
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

    const CURVE: Curve = Curve { a: 1.577, b: 0.895 };

    /// Small enough for no pull to be held back.
    const RATE: f32 = 1e-3;

    /// Where one row at a distance leads another that only it acts on, at rate 1.
    fn moved(forces: &Forces, distance: f32) -> f32 {
        let mut own = [0.0];
        let all: &[[f32; 1]] = &[[distance]];
        forces.act(&mut own, all, &[0; LANES], 1, RATE, &mut [[0.0; LANES]]);
        own[0] / RATE
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

    #[test]
    fn a_pull_leads_no_farther_than_to_the_row_that_pulls() {
        let pull = Forces::pull_and_push(CURVE, 1.0, 2.0, LANES);
        let all: &[[f32; 1]] = &[[0.5]];
        let mut own = [0.0];
        pull.act(&mut own, all, &[0; LANES], 1, 1.0, &mut [[0.0; LANES]]);
        assert!((own[0] - 0.5).abs() < 1e-6, "{}", own[0]);
    }

    /// When all rows are at one place, any of them does the same, and moves count pulls and pushes.
    #[test]
    fn every_edge_pulls_once_and_pushes_as_often_as_asked() {
        let all: &[[f32; 1]] = &[[2.0]; 9];
        let pull = moved(&Forces::pull_and_push(CURVE, 1.0, 1.0, 1), 2.0);
        let push = moved(&Forces::push(CURVE, 1.0), 2.0);
        for pushes in [0, 1, 5, 11] {
            let kernel = Kernel::new(CURVE, 1.0, 1.0, pushes);
            for edges in 1..=kernel.edges.min(4) {
                let mut turn = turn();
                let mut pass = Pass::new(&kernel, all, &[0.0]);
                (0..edges).for_each(|_| pass.edge(0, &mut turn));
                pass.flush(&mut turn);
                let wanted = edges as f32 * (pull + pushes as f32 * push);
                let place = pass.place()[0] / RATE;
                assert!((place - wanted).abs() < 1e-3, "{pushes}: {place} {wanted}");
            }
        }
        // Pushes beyond the lanes act one after the other.
        let kernel = Kernel::new(CURVE, 1.0, 1.0, 40);
        let mut pass = Pass::new(&kernel, all, &[0.0]);
        pass.edge(0, &mut turn());
        let pushed_by: usize = 11 + kernel.more.iter().map(|more| more.0).sum::<usize>();
        assert!(pushed_by == 40 && pass.place()[0] / RATE < pull + 30.0 * push);
    }

    fn turn() -> Turn {
        Turn {
            rate: RATE,
            draws: Draws::new(1, 2, 3),
        }
    }
}

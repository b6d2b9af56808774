//! The forces on rows: attraction to neighbours and repulsion from random rows (McInnes, Healy &
//! Melville 2018, section 4.2). They are the steps of a stochastic gradient descent on the
//! cross-entropy between graph and embedding.

use super::curve::Curve;
use super::draws::Draws;
use super::power::pow;

/// The number of rows that act on a row at once, chosen for vector instructions.
const LANES: usize = 8;

/// The maximum move along one axis, as in umap-learn. It applies to each force, and to the sum of
/// the forces that act at once.
const CLIP: f32 = 4.0;

/// The effect of an edge on a row: attraction to the other end, and repulsion from random rows
/// (negative samples).
#[derive(Clone, Debug)]
pub(super) struct Kernel {
    /// The attraction in the first lane, and as many repulsions as the other lanes hold.
    forces: Forces,
    /// The number of lanes in use.
    used: usize,
    /// Further repulsions: for each round, the number of lanes in use and the forces.
    more: Vec<(usize, Forces)>,
}

/// The strength and the limit of the attraction along an edge.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pull {
    /// The factor on the attraction.
    pub times: f32,
    /// The maximum fraction of the distance that one attraction covers. Beyond it, neighbours would
    /// make rows oscillate.
    pub reach: f32,
}

impl Kernel {
    /// Creates one attraction and `pushes` repulsions of the given strength.
    pub fn new(curve: Curve, strength: f64, pull: Pull, pushes: usize) -> Kernel {
        let used = (1 + pushes).min(LANES);
        let mut more = Vec::new();
        let mut left = 1 + pushes - used;
        while left > 0 {
            let pushing = left.min(LANES);
            more.push((pushing, Forces::push(curve, strength)));
            left -= pushing;
        }
        Kernel {
            forces: Forces::pull_and_push(curve, strength, pull),
            used,
            more,
        }
    }
}

/// The moves of one row along its edges.
pub(super) struct Pass<'a, P: Positions> {
    kernel: &'a Kernel,
    all: P,
    /// The coordinates from which attraction is computed.
    origin: P::Row,
    /// The current coordinates of the row.
    own: P::Row,
    /// A buffer for the differences to other rows.
    buffer: P::Buffer,
}

/// The learning rate and the random numbers of a pass.
pub(super) struct Turn {
    pub rate: f32,
    pub draws: Draws,
}

impl<'a, P: Positions> Pass<'a, P> {
    /// Starts a pass for a row with coordinates `row` among the rows `all`.
    #[inline(always)]
    pub fn new(kernel: &'a Kernel, all: P, row: &[f32]) -> Self {
        Pass {
            kernel,
            all,
            origin: all.copy(row),
            own: all.copy(row),
            buffer: all.buffer(),
        }
    }

    /// Moves the row by one edge whose other end is `puller`. Attraction is computed from where the
    /// row started, and repulsion from where it is now.
    #[inline(always)]
    pub fn edge(&mut self, puller: u32, turn: &mut Turn) {
        let Kernel { forces, used, more } = self.kernel;
        let (own, buffer) = (self.own.as_mut(), self.buffer.as_mut());
        let mut others = draw(self.all.len(), &mut turn.draws);
        others[0] = puller;
        differences(own, self.all, &others, buffer);
        let coordinates = self.origin.as_ref().iter().zip(self.all.get(puller));
        for (differences, (origin, other)) in buffer.iter_mut().zip(coordinates) {
            differences[0] = origin - other;
        }
        forces.act(own, buffer, *used, turn.rate);
        for (pushing, forces) in more {
            differences(
                own,
                self.all,
                &draw(self.all.len(), &mut turn.draws),
                buffer,
            );
            forces.act(own, buffer, *pushing, turn.rate);
        }
    }

    /// Makes the current coordinates those from which attraction is computed.
    #[inline(always)]
    pub fn start_here(&mut self) {
        self.origin.as_mut().copy_from_slice(self.own.as_ref());
    }

    /// Returns the current coordinates of the row.
    #[inline(always)]
    pub fn place(&self) -> &[f32] {
        self.own.as_ref()
    }
}

/// Writes the differences of a row to `others`, one lane per other row.
#[inline(always)]
fn differences(own: &[f32], all: impl Positions, others: &[u32; LANES], buffer: &mut Buffer) {
    for (lane, &other) in others.iter().enumerate() {
        let coordinates = own.iter().zip(all.get(other));
        for (differences, (own, other)) in buffer.iter_mut().zip(coordinates) {
            differences[lane] = own - other;
        }
    }
}

/// Draws a random row for each lane.
#[inline(always)]
fn draw(n: usize, draws: &mut Draws) -> [u32; LANES] {
    let mut drawn = [0; LANES];
    for pair in drawn.as_chunks_mut::<2>().0 {
        *pair = draws.pair_below(n as u32);
    }
    drawn
}

/// The differences of one row to [`LANES`] others, one entry per coordinate.
type Buffer = [[f32; LANES]];

/// The coordinates of all rows.
pub(super) trait Positions: Copy + Send + Sync {
    /// The coordinates of one row.
    type Row: AsRef<[f32]> + AsMut<[f32]>;
    /// A buffer for the differences of one row to [`LANES`] others, with one entry per coordinate.
    type Buffer: AsMut<Buffer>;

    /// Returns the number of rows.
    fn len(self) -> usize;
    /// Returns the coordinates of a row.
    fn get(&self, row: u32) -> &[f32];
    /// Returns a copy of the coordinates of one row.
    fn copy(self, row: &[f32]) -> Self::Row;
    /// Returns a buffer of zeros.
    fn buffer(self) -> Self::Buffer;
}

/// Rows whose number of coordinates is known at compile time, which makes loops over coordinates
/// several times as fast.
impl<const DIM: usize> Positions for &[[f32; DIM]] {
    type Row = [f32; DIM];
    type Buffer = [[f32; LANES]; DIM];

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
    fn buffer(self) -> Self::Buffer {
        [[0.0; LANES]; DIM]
    }
}

/// Rows with any number of coordinates, row-major.
#[derive(Clone, Copy)]
pub(super) struct AnyDimension<'a> {
    pub values: &'a [f32],
    pub dim: usize,
}

impl Positions for AnyDimension<'_> {
    type Row = Vec<f32>;
    type Buffer = Vec<[f32; LANES]>;

    fn len(self) -> usize {
        self.values.len() / self.dim
    }

    fn get(&self, row: u32) -> &[f32] {
        &self.values[row as usize * self.dim..][..self.dim]
    }

    fn copy(self, row: &[f32]) -> Vec<f32> {
        row.to_vec()
    }

    fn buffer(self) -> Self::Buffer {
        vec![[0.0; LANES]; self.dim]
    }
}

/// Evaluates an expression with row-major values as [`Positions`].
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

/// The forces of the lanes. The factor on the difference of two positions at squared distance s is
/// (pull s^b + push) / ((floor + s)(1 + a s^b)), the gradient of ln Φ or ln(1 − Φ) of the curve Φ.
/// The resulting move is multiplied by `times`.
#[derive(Clone, Debug)]
struct Forces {
    a: f32,
    b: f32,
    pull: [f32; LANES],
    push: [f32; LANES],
    floor: [f32; LANES],
    times: [f32; LANES],
    /// The bound of the factors: none is below −1 / (rate × `held`). With 0 there is no bound.
    held: f32,
}

impl Forces {
    /// Creates forces in which the first lane attracts and the others repel.
    fn pull_and_push(curve: Curve, strength: f64, pull: Pull) -> Forces {
        let mut forces = Forces::push(curve, strength);
        (forces.pull[0], forces.push[0]) = ((-2.0 * curve.a * curve.b) as f32, 0.0);
        // This keeps the quotient finite when both rows are at the same place.
        forces.floor[0] = 1e-12;
        forces.times[0] = pull.times;
        forces.held = pull.times / pull.reach;
        forces
    }

    /// Creates forces in which all lanes repel.
    fn push(curve: Curve, strength: f64) -> Forces {
        Forces {
            a: curve.a as f32,
            b: curve.b as f32,
            pull: [0.0; LANES],
            push: [(2.0 * strength * curve.b) as f32; LANES],
            floor: [0.001; LANES],
            times: [1.0; LANES],
            held: 0.0,
        }
    }

    /// Returns the factor of each lane for its squared distance.
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

    /// Moves `own` by `rate` times the sum of the forces of the first `used` lanes.
    #[inline(always)]
    fn act(&self, own: &mut [f32], buffer: &Buffer, used: usize, rate: f32) {
        let mut squares = [0.0; LANES];
        for differences in buffer.iter() {
            for (square, difference) in squares.iter_mut().zip(differences) {
                *square += difference * difference;
            }
        }
        let mut factors = self.factors(squares);
        let least = -1.0 / (rate * self.held);
        for factor in &mut factors {
            *factor = if *factor > least { *factor } else { least };
        }
        let mut times = self.times;
        times[used..].fill(0.0);
        for (own, differences) in own.iter_mut().zip(buffer.iter()) {
            let mut moves = [0.0; LANES];
            for lane in 0..LANES {
                moves[lane] = clip(factors[lane] * differences[lane]) * times[lane];
            }
            // The attraction is clipped separately, so that both ends of an edge move equally far.
            // Repulsions are clipped together: applied one after the other, they would not push a
            // row on that is no longer near.
            let pulled = std::mem::replace(&mut moves[0], 0.0);
            *own += rate * (pulled + clip(sum(moves)));
        }
    }
}

/// Limits a move to [`CLIP`].
#[inline(always)]
fn clip(x: f32) -> f32 {
    let x = if x < CLIP { x } else { CLIP };
    if x > -CLIP { x } else { -CLIP }
}

/// Sums the lanes in an order that suits vector instructions.
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

#[cfg(test)]
mod tests {
    use super::*;

    const CURVE: Curve = Curve { a: 1.577, b: 0.895 };

    const ONCE: Pull = Pull {
        times: 1.0,
        reach: 1.0,
    };

    /// A rate so small that no attraction reaches its limit.
    const RATE: f32 = 1e-3;

    /// Returns the move of a row, at rate 1, when only one row at this distance acts on it.
    fn moved(forces: &Forces, distance: f32) -> f32 {
        let mut own = [0.0];
        forces.act(&mut own, &[[-distance; LANES]], 1, RATE);
        own[0] / RATE
    }

    /// The forces are the derivatives of −ln Φ and −ln(1 − Φ), approximated here by difference
    /// quotients.
    #[test]
    fn forces_are_gradients() {
        let pull = Forces::pull_and_push(CURVE, 1.0, ONCE);
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
            // The 0.001 in the denominator limits the repulsion of close rows.
            let wanted = -slope(&|d| (1.0 - phi(d)).ln(), d) * d * d / (0.001 + d * d);
            assert!((pushed - wanted).abs() < 1e-3, "{d} {pushed} {wanted}");
        }
    }

    #[test]
    fn the_same_place_moves_nothing_and_far_ones_are_clipped() {
        let pull = Forces::pull_and_push(CURVE, 1.0, ONCE);
        assert_eq!(moved(&pull, 0.0), 0.0);
        assert_eq!(moved(&Forces::push(CURVE, 0.0), 0.01), 0.0);
        assert!((moved(&pull, 1e18)).is_finite());
        let mut own = [0.0];
        Forces::push(CURVE, 1e3).act(&mut own, &[[0.01; LANES]], LANES, 1.0);
        // The first lane is not clipped together with the others.
        assert_eq!(own[0], 2.0 * CLIP);
    }

    #[test]
    fn both_ends_meet_halfway_at_most() {
        let pull = Pull {
            times: 2.0,
            reach: 0.5,
        };
        let kernel = Kernel::new(CURVE, 1.0, pull, 0);
        for distance in [0.5, 3.0] {
            let all: &[[f32; 1]] = &[[1.0], [1.0 + distance]];
            let ends = [0, 1].map(|row: u32| {
                let start = all[row as usize];
                let mut pass = Pass::new(&kernel, all, &start);
                pass.edge(1 - row, &mut turn(1.0));
                pass.place()[0] - start[0]
            });
            assert_eq!(ends[0], -ends[1]);
            assert!(ends[0] > 0.0 && ends[0] <= 0.5 * distance, "{ends:?}");
        }
    }

    /// When all rows are at one place they all have the same effect, so moves count attractions and
    /// repulsions.
    #[test]
    fn every_edge_pulls_once_and_pushes_as_often_as_asked() {
        let all: &[[f32; 1]] = &[[2.0]; 9];
        let pull = moved(&Forces::pull_and_push(CURVE, 1.0, ONCE), 2.0);
        let push = {
            let mut own = [0.0];
            let forces = Forces::push(CURVE, 1.0);
            forces.act(&mut own, &[[-2.0; LANES]], LANES, RATE);
            own[0] / RATE / LANES as f32
        };
        for pushes in [0, 1, 5, 7, 8, 15, 40] {
            let kernel = Kernel::new(CURVE, 1.0, ONCE, pushes);
            let mut pass = Pass::new(&kernel, all, &[0.0]);
            pass.edge(0, &mut turn(RATE));
            let (place, wanted) = (pass.place()[0] / RATE, pull + pushes as f32 * push);
            assert!((place - wanted).abs() < 0.02, "{pushes}: {place} {wanted}");
        }
    }

    fn turn(rate: f32) -> Turn {
        Turn {
            rate,
            draws: Draws::new(1, 2, 3),
        }
    }
}

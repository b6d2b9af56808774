//! How a row is pulled to its neighbours and pushed from others (McInnes, Healy & Melville 2018,
//! section 4.2): stochastic descent on the cross-entropy between graph and embedding.

use super::curve::Curve;
use super::draws::Draws;
use super::power::pow;

/// Rows that act on a row at once: several, for the sake of vector instructions.
const LANES: usize = 8;

/// The longest move along one axis, of one force, as in umap-learn, and of forces that act at once.
const CLIP: f32 = 4.0;

/// What an edge does to a row: its other end pulls, random rows push.
#[derive(Clone, Debug)]
pub(super) struct Kernel {
    /// The pull, in the first lane, and the pushes for which it leaves lanes.
    forces: Forces,
    /// Lanes in use.
    used: usize,
    /// Further pushes, a round of lanes each.
    more: Vec<(usize, Forces)>,
}

/// How the end of an edge is pulled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pull {
    /// How many times the pull counts.
    pub times: f32,
    /// The share of the distance that one pull can lead over. Beyond, rows would be thrown about by their
    /// neighbours.
    pub reach: f32,
}

impl Kernel {
    /// A pull and `pushes` pushes of a strength.
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

/// One row's way through its edges.
pub(super) struct Pass<'a, P: Positions> {
    kernel: &'a Kernel,
    all: P,
    /// From where the row is pulled.
    origin: P::Row,
    own: P::Row,
    room: P::Room,
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
            origin: all.copy(row),
            own: all.copy(row),
            room: all.room(),
        }
    }

    /// Moves the row by an edge to `puller`: pulled as seen from where it started, pushed as seen from
    /// where it is.
    #[inline(always)]
    pub fn edge(&mut self, puller: u32, turn: &mut Turn) {
        let Kernel { forces, used, more } = self.kernel;
        let (own, room) = (self.own.as_mut(), self.room.as_mut());
        let mut others = draw(self.all.len(), &mut turn.draws);
        others[0] = puller;
        differences(own, self.all, &others, room);
        let coordinates = self.origin.as_ref().iter().zip(self.all.get(puller));
        for (differences, (origin, other)) in room.iter_mut().zip(coordinates) {
            differences[0] = origin - other;
        }
        forces.act(own, room, *used, turn.rate);
        for (pushing, forces) in more {
            differences(own, self.all, &draw(self.all.len(), &mut turn.draws), room);
            forces.act(own, room, *pushing, turn.rate);
        }
    }

    /// Lets the row be pulled from where it is.
    #[inline(always)]
    pub fn start_here(&mut self) {
        self.origin.as_mut().copy_from_slice(self.own.as_ref());
    }

    /// Where the row is.
    #[inline(always)]
    pub fn place(&self) -> &[f32] {
        self.own.as_ref()
    }
}

/// Differences of a row to others, a lane each.
#[inline(always)]
fn differences(own: &[f32], all: impl Positions, others: &[u32; LANES], room: &mut Room) {
    for (lane, &other) in others.iter().enumerate() {
        let coordinates = own.iter().zip(all.get(other));
        for (differences, (own, other)) in room.iter_mut().zip(coordinates) {
            differences[lane] = own - other;
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
    /// What the rate is multiplied with to give the negative inverse of the least factor.
    held: f32,
}

impl Forces {
    /// The first lane pulls, the others push.
    fn pull_and_push(curve: Curve, strength: f64, pull: Pull) -> Forces {
        let mut forces = Forces::push(curve, strength);
        (forces.pull[0], forces.push[0]) = ((-2.0 * curve.a * curve.b) as f32, 0.0);
        // Keeps the quotient finite where both are at the same place.
        forces.floor[0] = 1e-12;
        forces.times[0] = pull.times;
        forces.held = pull.times / pull.reach;
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
            held: 0.0,
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

    /// Moves `own` by `rate` times what the rows in the first `used` lanes do to it.
    #[inline(always)]
    fn act(&self, own: &mut [f32], room: &Room, used: usize, rate: f32) {
        let mut squares = [0.0; LANES];
        for differences in room.iter() {
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
        for (own, differences) in own.iter_mut().zip(room.iter()) {
            let mut moves = [0.0; LANES];
            for lane in 0..LANES {
                moves[lane] = clip(factors[lane] * differences[lane]) * times[lane];
            }
            // The pull apart, so that both ends of an edge move equally far. One after the other, pushes
            // would not push a row on that is no longer near.
            let pulled = std::mem::replace(&mut moves[0], 0.0);
            *own += rate * (pulled + clip(sum(moves)));
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

#[cfg(test)]
mod tests {
    use super::*;

    const CURVE: Curve = Curve { a: 1.577, b: 0.895 };

    const ONCE: Pull = Pull {
        times: 1.0,
        reach: 1.0,
    };

    /// Small enough for no pull to be held back.
    const RATE: f32 = 1e-3;

    /// Where one row at a distance leads another that only it acts on, at rate 1.
    fn moved(forces: &Forces, distance: f32) -> f32 {
        let mut own = [0.0];
        forces.act(&mut own, &[[-distance; LANES]], 1, RATE);
        own[0] / RATE
    }

    /// The forces are the derivatives of −ln Φ and −ln(1 − Φ), here as difference quotients.
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
            // 0.001 in the denominator keeps close rows from being thrown.
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

    /// When all rows are at one place, any of them does the same, and moves count pulls and pushes.
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

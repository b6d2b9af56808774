//! The gradient descent from the initial coordinates to the embedding, with the same result for any
//! number of threads.
//!
//! umap-learn processes the edges one after the other and moves both ends. Here each edge belongs
//! to one of [`CLASSES`] classes, which are processed in turn. Within a turn every row moves along
//! its own edges of the class, while all other rows are taken to be where they were at the
//! beginning of the turn. All rows can therefore be moved in parallel. A row has only one or two
//! due edges per class, so the positions it sees are hardly older than if edges were processed one
//! by one.
//!
//! Both ends of an edge are attracted in the same turn, as seen from where both were at its
//! beginning, by equal moves in opposite directions. Attractions that are not reciprocal would add
//! up to a drift that tears parts of the embedding apart.

use rayon::prelude::*;

use super::draws::Draws;
use super::force::{Kernel, Pass, Positions, Turn, with_positions};
use super::fuzzy::Graph;
use crate::monitor;

/// The number of turns of an epoch.
const CLASSES: usize = 4;
/// The number of rows per task of the thread pool.
const ROWS_PER_TASK: usize = 512;
/// The maximum number of rows for which a single thread is faster than several.
const LEAST_SHARED: usize = 2048;

/// The parameters of a gradient descent.
#[derive(Clone, Debug)]
pub(super) struct Descent {
    /// The forces along an edge.
    pub kernel: Kernel,
    /// The number of dimensions of the embedding.
    pub dim: usize,
    /// The number of epochs.
    pub epochs: usize,
    /// The learning rate of the first epoch.
    pub learning_rate: f64,
    pub seed: u64,
}

impl Descent {
    /// Moves the rows of `graph` from the coordinates `start` and returns the resulting
    /// coordinates, row-major.
    pub fn run(&self, graph: &Graph, start: Vec<f32>) -> Vec<f32> {
        let schedule = Schedule::of(graph, self.epochs, self.seed);
        let (mut now, mut next) = (start.clone(), start);
        monitor::begin("epochs", self.epochs);
        for epoch in 0..self.epochs {
            for turn in 0..CLASSES {
                let class = (epoch + turn) % CLASSES;
                with_positions!(&now[..], self.dim, all => {
                    self.turn(&schedule, class, epoch, all, &mut next)
                });
                std::mem::swap(&mut now, &mut next);
            }
            monitor::step(1);
        }
        now
    }

    /// Writes the coordinates of all rows after the turn of a class to `next`.
    fn turn(
        &self,
        schedule: &Schedule,
        class: usize,
        epoch: usize,
        all: impl Positions,
        next: &mut [f32],
    ) {
        let task = |(task, rows): (usize, &mut [f32])| {
            monitor::check();
            for (place, row) in rows.chunks_exact_mut(self.dim).zip(task * ROWS_PER_TASK..) {
                self.move_row(schedule, row * CLASSES + class, epoch, all, place);
            }
        };
        let tasks = ROWS_PER_TASK * self.dim;
        match all.len() <= LEAST_SHARED {
            true => next.chunks_mut(tasks).enumerate().for_each(task),
            false => next.par_chunks_mut(tasks).enumerate().for_each(task),
        }
    }

    /// Writes the coordinates of a row after the turn of a class to `place`. Its edges of the class
    /// are part `part` of the schedule.
    #[inline(always)]
    fn move_row(
        &self,
        schedule: &Schedule,
        part: usize,
        epoch: usize,
        all: impl Positions,
        place: &mut [f32],
    ) {
        let row = (part / CLASSES) as u32;
        place.copy_from_slice(all.get(row));
        let edges = &schedule.edges[schedule.offsets[part]..schedule.offsets[part + 1]];
        let is_due = |edge: &&Edge| is_due(edge.phase, edge.frequency, epoch);
        let mut due = edges.iter().filter(is_due).peekable();
        if due.peek().is_none() {
            return;
        }
        let mut turn = Turn {
            rate: rate_at(self.learning_rate, epoch, self.epochs),
            draws: Draws::new(self.seed, epoch as u64, part as u64),
        };
        let mut pass = Pass::new(&self.kernel, all, place);
        due.for_each(|edge| pass.edge(edge.target, &mut turn));
        place.copy_from_slice(pass.place());
    }
}

/// Returns the learning rate of an epoch, which decreases linearly to 0.
pub(super) fn rate_at(first: f64, epoch: usize, epochs: usize) -> f32 {
    (first * (1.0 - epoch as f64 / epochs as f64)) as f32
}

/// Returns whether an edge is processed in an epoch. An edge is processed in a fraction `frequency`
/// / 2³² of the epochs, evenly spaced, beginning at an offset given by the phase.
#[inline(always)]
pub(super) fn is_due(phase: u32, frequency: u32, epoch: usize) -> bool {
    let at = phase.wrapping_add(frequency.wrapping_mul(epoch as u32));
    at.checked_add(frequency).is_none()
}

/// Returns how often an edge is processed in 2³² epochs, relative to an edge of the maximum weight,
/// which is processed in every epoch. Returns `None` for edges that would be processed less than
/// once, which are skipped as in umap-learn.
pub(super) fn frequency(weight: f64, greatest: f64, epochs: usize) -> Option<u32> {
    let share = weight / greatest;
    (share * epochs as f64 >= 1.0).then_some((share * 4_294_967_296.0) as u32)
}

/// The edges of the graph, arranged for the descent.
struct Schedule {
    /// The index of the first edge of each row and class, followed by the total number of edges.
    offsets: Vec<usize>,
    edges: Vec<Edge>,
}

/// An edge as seen from one of its ends. Both ends see the same phase and class.
#[derive(Clone, Copy)]
struct Edge {
    /// The row at the other end.
    target: u32,
    /// The number of epochs of 2³² in which the edge is processed.
    frequency: u32,
    /// The offset of the first epoch in which the edge is processed.
    phase: u32,
}

impl Schedule {
    fn of(graph: &Graph, epochs: usize, seed: u64) -> Schedule {
        let greatest = graph.weights.iter().copied().fold(0.0, f32::max);
        let mut schedule = Schedule {
            offsets: vec![0],
            edges: Vec::new(),
        };
        let mut classes: [Vec<Edge>; CLASSES] = Default::default();
        for row in 0..graph.len() {
            for (other, weight) in graph.row(row) {
                let due = frequency(f64::from(weight), f64::from(greatest), epochs);
                let Some(frequency) = due else { continue };
                let (low, high) = (row.min(other), row.max(other));
                let drawn = Draws::new(seed, low as u64, high as u64).next_u64();
                classes[(drawn >> 32) as usize % CLASSES].push(Edge {
                    target: other as u32,
                    frequency,
                    phase: drawn as u32,
                });
            }
            for class in &mut classes {
                schedule.edges.append(class);
                schedule.offsets.push(schedule.edges.len());
            }
        }
        schedule
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_are_due_as_often_as_their_weight_says() {
        for (weight, wanted) in [(1.0, 200), (0.5, 100), (0.25, 50), (0.005, 1)] {
            let due = frequency(weight, 1.0, 200).unwrap();
            for phase in (0..100).map(|i: u32| i.wrapping_mul(0x9E37_79B9)) {
                let epochs = 0..200;
                let times = epochs.filter(|&epoch| is_due(phase, due, epoch)).count();
                assert!(times.abs_diff(wanted) <= 1, "{weight} {phase} {times}");
            }
        }
        assert_eq!(frequency(0.0049, 1.0, 200), None);
    }
}

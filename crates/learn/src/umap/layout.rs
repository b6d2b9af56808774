//! The descent from the start to the embedding, the same on any number of threads.
//!
//! umap-learn goes through the edges one after the other and moves both ends. Here the rows are dealt
//! into [`BLOCKS`] blocks. The blocks take turns; within a turn every row of the block goes through its
//! own edges, moving itself, while all other rows are where they were when the turn began. So rows of a
//! turn can be moved at the same time, and a row sees others at most one turn old. Both ends of an edge
//! go through it, which replaces moving both at once.

use std::ops::Range;

use rayon::prelude::*;

use super::draws::Draws;
use super::force::{Kernel, Pass, Positions, Turn, with_positions};
use super::fuzzy::Graph;
use crate::rng::Rng;

/// Turns of an epoch.
const BLOCKS: usize = 8;
/// Rows that are moved without asking for another thread.
const ROWS_PER_TASK: usize = 256;

/// How a layout is made.
#[derive(Clone, Debug)]
pub(super) struct Descent {
    pub kernel: Kernel,
    pub dim: usize,
    pub epochs: usize,
    pub learning_rate: f64,
    pub seed: u64,
}

impl Descent {
    /// The rows of `graph`, moved from where `start` has them.
    pub fn run(&self, graph: &Graph, start: &[f32]) -> Vec<f32> {
        let schedule = Schedule::of(graph, self.epochs);
        let dim = self.dim;
        let mut positions = vec![0.0; start.len()];
        for (slot, row) in schedule.order.iter().enumerate() {
            positions[slot * dim..][..dim].copy_from_slice(&start[*row as usize * dim..][..dim]);
        }
        for epoch in 0..self.epochs {
            // In an order of their own every time: of two rows that pull each other the first moves farther,
            // and with always the same first ones the map would run after the last ones.
            let mut blocks = schedule.blocks.clone();
            Rng::new(self.seed, epoch as u64).shuffle(&mut blocks);
            for block in &blocks {
                self.turn(&schedule, block.clone(), epoch, &mut positions);
            }
        }
        let mut embedding = vec![0.0; start.len()];
        for (slot, row) in schedule.order.iter().enumerate() {
            embedding[*row as usize * dim..][..dim]
                .copy_from_slice(&positions[slot * dim..][..dim]);
        }
        embedding
    }

    /// Moves the rows of one block.
    fn turn(&self, schedule: &Schedule, block: Range<usize>, epoch: usize, positions: &mut [f32]) {
        let dim = self.dim;
        let own = block.start * dim..block.end * dim;
        let mut moved = positions[own.clone()].to_vec();
        with_positions!(&*positions, dim, all => self.move_rows(schedule, block, epoch, all, &mut moved));
        positions[own].copy_from_slice(&moved);
    }

    fn move_rows(
        &self,
        schedule: &Schedule,
        block: Range<usize>,
        epoch: usize,
        all: impl Positions,
        moved: &mut [f32],
    ) {
        let dim = self.dim;
        let task = |(task, rows): (usize, &mut [f32])| {
            let slots = block.start + task * ROWS_PER_TASK..;
            for (row, slot) in rows.chunks_exact_mut(dim).zip(slots) {
                self.move_row(row, schedule, slot, epoch, all);
            }
        };
        match block.len() <= ROWS_PER_TASK {
            true => task((0, moved)),
            false => moved
                .par_chunks_mut(ROWS_PER_TASK * dim)
                .enumerate()
                .for_each(task),
        }
    }

    #[inline(always)]
    fn move_row(
        &self,
        row: &mut [f32],
        schedule: &Schedule,
        slot: usize,
        epoch: usize,
        all: impl Positions,
    ) {
        let mut turn = Turn {
            rate: rate_at(self.learning_rate, epoch, self.epochs),
            draws: Draws::new(self.seed, epoch as u64, slot as u64),
        };
        let mut pass = Pass::new(&self.kernel, all, row);
        for edge in schedule.offsets[slot]..schedule.offsets[slot + 1] {
            if is_due(edge, schedule.frequencies[edge], epoch) {
                pass.edge(schedule.targets[edge], &mut turn);
            }
        }
        pass.flush(&mut turn);
        row.copy_from_slice(pass.place());
    }
}

/// The learning rate of an epoch: falling to 0 in a straight line.
pub(super) fn rate_at(first: f64, epoch: usize, epochs: usize) -> f32 {
    (first * (1.0 - epoch as f64 / epochs as f64)) as f32
}

/// Whether an edge is gone through in an epoch: a share `frequency` / 2³² of the epochs, evenly spaced.
/// Edges start at places of their own, spread evenly by the golden ratio.
#[inline(always)]
pub(super) fn is_due(edge: usize, frequency: u32, epoch: usize) -> bool {
    let start = (edge as u32).wrapping_mul(0x9E37_79B9);
    let at = start.wrapping_add(frequency.wrapping_mul(epoch as u32));
    at.checked_add(frequency).is_none()
}

/// How often an edge is gone through, in 2³² epochs, beside one of the greatest weight, which is gone
/// through in every epoch. `None` for edges that would not be gone through once, as in umap-learn.
pub(super) fn frequency(weight: f64, greatest: f64, epochs: usize) -> Option<u32> {
    let share = weight / greatest;
    (share * epochs as f64 >= 1.0).then_some((share * 4_294_967_296.0) as u32)
}

/// The graph arranged for the descent: rows by block, edges with their frequencies.
struct Schedule {
    blocks: Vec<Range<usize>>,
    /// The row in each slot.
    order: Vec<u32>,
    offsets: Vec<usize>,
    /// Slots at the other ends of edges.
    targets: Vec<u32>,
    frequencies: Vec<u32>,
}

impl Schedule {
    fn of(graph: &Graph, epochs: usize) -> Schedule {
        let n = graph.len();
        let mut order: Vec<u32> = Vec::with_capacity(n);
        let mut blocks = Vec::new();
        for block in 0..BLOCKS.min(n) {
            let first = order.len();
            order.extend((block..n).step_by(BLOCKS).map(|row| row as u32));
            blocks.push(first..order.len());
        }
        let mut slots = vec![0; n];
        for (slot, row) in order.iter().enumerate() {
            slots[*row as usize] = slot as u32;
        }
        let greatest = graph.weights.iter().copied().fold(0.0, f32::max);
        let mut schedule = Schedule {
            blocks,
            offsets: vec![0],
            targets: Vec::new(),
            frequencies: Vec::new(),
            order: Vec::new(),
        };
        for row in &order {
            for (other, weight) in graph.row(*row as usize) {
                if let Some(due) = frequency(f64::from(weight), f64::from(greatest), epochs) {
                    schedule.targets.push(slots[other]);
                    schedule.frequencies.push(due);
                }
            }
            schedule.offsets.push(schedule.targets.len());
        }
        schedule.order = order;
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
            for edge in 0..100 {
                let times = (0..200).filter(|&epoch| is_due(edge, due, epoch)).count();
                assert!(times.abs_diff(wanted) <= 1, "{weight} {edge} {times}");
            }
        }
        assert_eq!(frequency(0.0049, 1.0, 200), None);
    }
}

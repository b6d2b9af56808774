//! Placing new rows in a fitted embedding. The result for each row depends only on the row and the
//! fitted model.

use rayon::prelude::*;

use super::Umap;
use super::draws::Draws;
use super::force::{Pass, Positions, Turn, with_positions};
use super::fuzzy::Bandwidth;
use super::layout::{frequency, is_due, rate_at};
use super::rows::DistinctRows;
use crate::monitor;

/// The number of epochs of a fit per epoch of a new row. New rows start among settled neighbours,
/// so a fifteenth of the epochs suffices; a third, as in umap-learn, changes the trustworthiness by
/// less than 0.001.
const EPOCHS_SHARE: usize = 15;
/// The learning rate of a new row relative to that of the fit, as in umap-learn.
const RATE_SHARE: f64 = 0.25;
/// The random-number stream of all new rows. Their random numbers must not depend on their
/// positions in the input.
const STREAM: u64 = 1 << 32;

/// Returns the phases of edges, spread evenly by the golden ratio.
fn phases() -> impl Iterator<Item = u32> {
    (0..).map(|edge: u32| edge.wrapping_mul(0x9E37_79B9))
}

/// The reason why rows cannot be placed in an embedding.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TransformError {
    /// The values do not fill whole rows.
    #[error("{values} values do not fill rows of {n_features} features")]
    RaggedRows {
        /// The number of values given.
        values: usize,
        /// The number of columns of the rows that the embedding was fitted on.
        n_features: usize,
    },
    /// A value is missing or infinite.
    #[error(
        "row {row}, column {column}: {value} is not a finite number, so the row cannot be placed"
    )]
    NotFinite {
        /// The row, counted from 0.
        row: usize,
        /// The column, counted from 0.
        column: usize,
        /// The value found.
        value: f64,
    },
    /// There are too many rows in one call.
    #[error("at most {max} rows are placed in one call, got {rows}")]
    Rows {
        /// The number of rows given.
        rows: usize,
        /// The maximum allowed.
        max: usize,
    },
}

impl Umap {
    /// Places new rows in the embedding. `rows` is row-major with [`n_features`](Self::n_features)
    /// values per row; the result is row-major with [`n_components`](Self::n_components)
    /// coordinates per row.
    ///
    /// The coordinates of a row depend on the row and the model, not on the other rows of the call.
    /// A row at distance 0 from a fitted row gets the coordinates of that row. Other rows start at
    /// the mean of their nearest fitted rows, weighted by membership strength. They are then moved
    /// as in the fit, while the fitted rows stay where they are.
    ///
    /// # Errors
    /// Returns an error when the values do not fill whole rows, a value is not finite, or there are
    /// more than 2³² − 1 rows.
    pub fn transform(&self, rows: &[f64]) -> Result<Vec<f32>, TransformError> {
        let n_features = self.n_features;
        if !rows.len().is_multiple_of(n_features) {
            return Err(TransformError::RaggedRows {
                values: rows.len(),
                n_features,
            });
        }
        let (n_rows, max) = (rows.len() / n_features, u32::MAX as usize);
        if n_rows > max {
            return Err(TransformError::Rows { rows: n_rows, max });
        }
        if let Some(at) = rows.iter().position(|value| !value.is_finite()) {
            return Err(TransformError::NotFinite {
                row: at / n_features,
                column: at % n_features,
                value: rows[at],
            });
        }
        Ok(self.place_all(rows))
    }

    /// Places rows of finite values. Equal rows are placed only once.
    pub(super) fn place_all(&self, rows: &[f64]) -> Vec<f32> {
        let dim = self.n_components();
        let distinct = DistinctRows::of(self.n_features, rows, |_| true);
        let points = self.space.points(&distinct.values);
        monitor::begin("rows", distinct.len(self.n_features));
        let mut placed = vec![0.0; distinct.len(self.n_features) * dim];
        placed
            .par_chunks_mut(dim)
            .zip(points.par_chunks(self.space.width()))
            .with_min_len(32)
            .for_each(|(place, point)| {
                self.place(point, place);
                monitor::step(1);
            });
        let places = distinct.places.iter().flatten();
        let rows = places.map(|&at| &placed[at as usize * dim..][..dim]);
        rows.flatten().copied().collect()
    }

    /// Writes the coordinates of one point to `place`, which must hold zeros.
    fn place(&self, point: &[f64], place: &mut [f32]) {
        let dim = place.len();
        let k = self.params.n_neighbors.min(self.index.len());
        let found = self.index.nearest(point, k);
        let fitted = |id: u32| &self.distinct_embedding[id as usize * dim..][..dim];
        if found[0].0 <= 0.0 {
            place.copy_from_slice(fitted(found[0].1));
            return;
        }
        let weights = self.memberships(&found);
        let total: f64 = weights.iter().sum();
        for (weight, &(_, id)) in weights.iter().zip(&found) {
            for (place, x) in place.iter_mut().zip(fitted(id)) {
                *place += (weight / total) as f32 * x;
            }
        }
        let embedding = &self.distinct_embedding[..];
        with_positions!(embedding, dim, all => self.settle(all, place, &found, &weights));
    }

    /// Returns the membership strength of a new row in the neighbourhood of each neighbour,
    /// relative to the nearest one. A new row need not be fully connected to any neighbour, so the
    /// local connectivity is one less than in the fit, as in umap-learn.
    fn memberships(&self, found: &[(f64, u32)]) -> Vec<f64> {
        let distances: Vec<f64> = found
            .iter()
            .map(|&(key, _)| self.space.distance(key))
            .collect();
        let connectivity = (self.params.local_connectivity - 1.0).max(0.0);
        let bandwidth = Bandwidth::of(&distances, found.len(), connectivity, self.mean_distance);
        // Memberships fall exponentially, so their ratios are the same when measured from the
        // nearest neighbour on, and the membership of the nearest one cannot vanish.
        let from_nearest = Bandwidth {
            rho: bandwidth.rho.max(distances[0]),
            ..bandwidth
        };
        let memberships = distances.iter().map(|&d| from_nearest.membership(d));
        memberships.collect()
    }

    /// Moves a new row as the fit moves rows, while the fitted rows stay where they are.
    fn settle(
        &self,
        all: impl Positions,
        place: &mut [f32],
        found: &[(f64, u32)],
        weights: &[f64],
    ) {
        let epochs = self.params.epochs(all.len()) / EPOCHS_SHARE;
        let greatest = weights.iter().copied().fold(0.0, f64::max);
        let frequencies = weights
            .iter()
            .map(|&weight| frequency(weight, greatest, epochs));
        let edges: Vec<(u32, u32)> = found
            .iter()
            .zip(frequencies)
            .filter_map(|(found, due)| Some((found.1, due?)))
            .collect();
        let mut pass = Pass::new(&self.new_row_kernel, all, place);
        for epoch in 0..epochs {
            let mut turn = Turn {
                rate: rate_at(self.params.learning_rate * RATE_SHARE, epoch, epochs),
                draws: Draws::new(self.params.seed, STREAM, epoch as u64),
            };
            for (phase, &(id, due)) in phases().zip(&edges) {
                if is_due(phase, due, epoch) {
                    pass.edge(id, &mut turn);
                    pass.start_here();
                }
            }
        }
        place.copy_from_slice(pass.place());
    }
}

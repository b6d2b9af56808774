//! The parameters of an embedding and the checks of their ranges.

use serde::{Deserialize, Serialize};

use super::UmapError;

/// The maximum number of neighbours of a row, including itself.
pub const MAX_NEIGHBORS: usize = 1 << 12;
/// The maximum number of dimensions of an embedding.
pub const MAX_COMPONENTS: usize = 1 << 8;
/// The maximum number of epochs.
pub const MAX_EPOCHS: usize = 1 << 20;
/// The maximum number of negative samples per positive sample.
pub const MAX_NEGATIVE_SAMPLE_RATE: usize = 1 << 10;

/// The distance between two rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// The square root of the sum of squared differences.
    Euclidean,
    /// The sum of absolute differences.
    Manhattan,
    /// The maximum absolute difference.
    Chebyshev,
    /// 1 − the cosine of the angle between the rows. The distance is 0 between two rows of zeros,
    /// and 1 between a row of zeros and any other row.
    Cosine,
    /// The cosine distance of the rows after subtracting each row's own mean.
    Correlation,
}

/// The number of epochs, which are passes over the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Epochs {
    /// 500 epochs for up to 10,000 distinct rows, and 200 beyond.
    Auto,
    /// This number of epochs, up to [`MAX_EPOCHS`]. With 0, the initial coordinates are the
    /// embedding.
    Count(usize),
}

/// The method that computes the coordinates before the first epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Init {
    /// Eigenvectors of the graph's Laplacian, computed for each connected component separately.
    Spectral,
    /// Uniformly random coordinates.
    Random,
}

/// The parameters of an embedding, with umap-learn's names, meanings and defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UmapParams {
    pub(super) n_neighbors: usize,
    pub(super) n_components: usize,
    pub(super) metric: Metric,
    pub(super) n_epochs: Epochs,
    pub(super) learning_rate: f64,
    pub(super) init: Init,
    pub(super) min_dist: f64,
    pub(super) spread: f64,
    pub(super) set_op_mix_ratio: f64,
    pub(super) local_connectivity: f64,
    pub(super) repulsion_strength: f64,
    pub(super) negative_sample_rate: usize,
    pub(super) seed: u64,
}

impl Default for UmapParams {
    fn default() -> Self {
        UmapParams {
            n_neighbors: 15,
            n_components: 2,
            metric: Metric::Euclidean,
            n_epochs: Epochs::Auto,
            learning_rate: 1.0,
            init: Init::Spectral,
            min_dist: 0.1,
            spread: 1.0,
            set_op_mix_ratio: 1.0,
            local_connectivity: 1.0,
            repulsion_strength: 1.0,
            negative_sample_rate: 5,
            seed: 0,
        }
    }
}

impl UmapParams {
    /// Returns umap-learn's defaults with seed 0.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the size of a row's neighbourhood, from 2 to [`MAX_NEIGHBORS`]. As in umap-learn the
    /// row itself counts: 15 means 14 other rows.
    pub fn n_neighbors(mut self, n_neighbors: usize) -> Self {
        self.n_neighbors = n_neighbors;
        self
    }

    /// Sets the number of dimensions of the embedding, from 1 to [`MAX_COMPONENTS`].
    pub fn n_components(mut self, n_components: usize) -> Self {
        self.n_components = n_components;
        self
    }

    /// Sets the distance between rows.
    pub fn metric(mut self, metric: Metric) -> Self {
        self.metric = metric;
        self
    }

    /// Sets the number of epochs.
    pub fn n_epochs(mut self, n_epochs: Epochs) -> Self {
        self.n_epochs = n_epochs;
        self
    }

    /// Sets the learning rate of the first epoch, above 0 and at most 1000. It decreases linearly
    /// to 0.
    pub fn learning_rate(mut self, learning_rate: f64) -> Self {
        self.learning_rate = learning_rate;
        self
    }

    /// Sets the method that computes the coordinates before the first epoch.
    pub fn init(mut self, init: Init) -> Self {
        self.init = init;
        self
    }

    /// Sets the minimum distance between neighbours in the embedding, from 0 to `spread`.
    pub fn min_dist(mut self, min_dist: f64) -> Self {
        self.min_dist = min_dist;
        self
    }

    /// Sets the scale of the embedding, from 0.001 to 1000.
    pub fn spread(mut self, spread: f64) -> Self {
        self.spread = spread;
        self
    }

    /// Sets how the neighbourhoods of two rows are combined, from 0 to 1. With 1 (fuzzy union) an
    /// edge needs one row to be a neighbour of the other; with 0 (fuzzy intersection) each must be
    /// a neighbour of the other. Values in between interpolate.
    pub fn set_op_mix_ratio(mut self, set_op_mix_ratio: f64) -> Self {
        self.set_op_mix_ratio = set_op_mix_ratio;
        self
    }

    /// Sets the number of nearest neighbours to which each row is assumed to be fully connected,
    /// from 0 to 10,000. Fractions interpolate.
    pub fn local_connectivity(mut self, local_connectivity: f64) -> Self {
        self.local_connectivity = local_connectivity;
        self
    }

    /// Sets the factor on repulsion, from 0 to 1000.
    pub fn repulsion_strength(mut self, repulsion_strength: f64) -> Self {
        self.repulsion_strength = repulsion_strength;
        self
    }

    /// Sets the number of random rows that repel a row for each neighbour that attracts it
    /// (negative samples), up to [`MAX_NEGATIVE_SAMPLE_RATE`].
    pub fn negative_sample_rate(mut self, negative_sample_rate: usize) -> Self {
        self.negative_sample_rate = negative_sample_rate;
        self
    }

    /// Sets the seed that determines every random choice.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Checks the ranges of all parameters.
    pub(super) fn check(&self) -> Result<(), UmapError> {
        let counts = [
            ("n_neighbors", self.n_neighbors, 2, MAX_NEIGHBORS),
            ("n_components", self.n_components, 1, MAX_COMPONENTS),
            ("n_epochs", self.epochs(0), 0, MAX_EPOCHS),
            (
                "negative_sample_rate",
                self.negative_sample_rate,
                0,
                MAX_NEGATIVE_SAMPLE_RATE,
            ),
        ];
        for (name, value, min, max) in counts {
            if value < min || value > max {
                return Err(UmapError::Count {
                    name,
                    value,
                    min,
                    max,
                });
            }
        }
        let numbers = [
            ("learning_rate", self.learning_rate, f64::MIN_POSITIVE, 1e3),
            ("spread", self.spread, 1e-3, 1e3),
            ("min_dist", self.min_dist, 0.0, self.spread),
            ("set_op_mix_ratio", self.set_op_mix_ratio, 0.0, 1.0),
            ("local_connectivity", self.local_connectivity, 0.0, 1e4),
            ("repulsion_strength", self.repulsion_strength, 0.0, 1e3),
        ];
        for (name, value, min, max) in numbers {
            if !(value >= min && value <= max) {
                return Err(UmapError::Number {
                    name,
                    value,
                    min,
                    max,
                });
            }
        }
        Ok(())
    }

    /// Returns the number of epochs for this number of distinct rows.
    pub(super) fn epochs(&self, n_distinct: usize) -> usize {
        match self.n_epochs {
            Epochs::Count(count) => count,
            Epochs::Auto if n_distinct <= 10_000 => 500,
            Epochs::Auto => 200,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(params: UmapParams) -> String {
        params.check().unwrap_err().to_string()
    }

    #[test]
    fn what_is_out_of_range_is_refused_with_the_range() {
        assert_eq!(UmapParams::new().check(), Ok(()));
        let new = UmapParams::new;
        assert_eq!(
            refusal(new().n_neighbors(1)),
            "n_neighbors must be from 2 to 4096, got 1"
        );
        assert_eq!(
            refusal(new().min_dist(1.5)),
            "min_dist must be from 0 to 1, got 1.5"
        );
        assert!(refusal(new().n_components(0)).starts_with("n_components"));
        assert!(refusal(new().n_epochs(Epochs::Count(usize::MAX))).starts_with("n_epochs"));
        assert!(refusal(new().learning_rate(0.0)).starts_with("learning_rate"));
        assert!(refusal(new().spread(f64::NAN)).starts_with("spread"));
        assert!(refusal(new().repulsion_strength(-1.0)).starts_with("repulsion_strength"));
    }
}

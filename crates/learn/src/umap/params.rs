//! Parameters: what can be asked for, and the checks that make it safe to fit.

use serde::{Deserialize, Serialize};

use super::UmapError;

/// The most neighbours of a row.
pub const MAX_NEIGHBORS: usize = 1 << 12;
/// The most dimensions of an embedding.
pub const MAX_COMPONENTS: usize = 1 << 8;
/// The most passes over the graph.
pub const MAX_EPOCHS: usize = 1 << 20;
/// The most rows that push a row away, per row that pulls it.
pub const MAX_NEGATIVE_SAMPLE_RATE: usize = 1 << 10;

/// How far apart two rows are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// The root of the sum of squared differences.
    Euclidean,
    /// The sum of absolute differences.
    Manhattan,
    /// The greatest absolute difference.
    Chebyshev,
    /// 1 − the cosine of the angle between the rows. Between two rows of zeros it is 0, between one
    /// and any other row 1.
    Cosine,
    /// The cosine distance of the rows after subtracting each row's own mean.
    Correlation,
}

/// How many times the graph is gone through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Epochs {
    /// 500 up to 10,000 distinct rows, 200 beyond.
    Auto,
    /// This many, up to [`MAX_EPOCHS`]; with 0 the start is the embedding.
    Count(usize),
}

/// Where rows are before the first epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Init {
    /// Eigenvectors of the graph's Laplacian, for each connected component of its own.
    Spectral,
    /// Uniformly random.
    Random,
}

/// Parameters of an embedding, with umap-learn's names, meaning and defaults.
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
    /// umap-learn's defaults, and seed 0.
    pub fn new() -> Self {
        Self::default()
    }

    /// The size of a row's neighbourhood, from 2 to [`MAX_NEIGHBORS`]. As in umap-learn the row itself
    /// counts: 15 means 14 others.
    pub fn n_neighbors(mut self, n_neighbors: usize) -> Self {
        self.n_neighbors = n_neighbors;
        self
    }

    /// Dimensions of the embedding, from 1 to [`MAX_COMPONENTS`].
    pub fn n_components(mut self, n_components: usize) -> Self {
        self.n_components = n_components;
        self
    }

    /// How far apart two rows are.
    pub fn metric(mut self, metric: Metric) -> Self {
        self.metric = metric;
        self
    }

    /// How many times the graph is gone through.
    pub fn n_epochs(mut self, n_epochs: Epochs) -> Self {
        self.n_epochs = n_epochs;
        self
    }

    /// The factor on every move in the first epoch, above 0; it falls to 0 in a straight line.
    pub fn learning_rate(mut self, learning_rate: f64) -> Self {
        self.learning_rate = learning_rate;
        self
    }

    /// Where rows are before the first epoch.
    pub fn init(mut self, init: Init) -> Self {
        self.init = init;
        self
    }

    /// How close neighbours may come in the embedding, from 0 to the spread.
    pub fn min_dist(mut self, min_dist: f64) -> Self {
        self.min_dist = min_dist;
        self
    }

    /// The scale of the embedding, above 0.
    pub fn spread(mut self, spread: f64) -> Self {
        self.spread = spread;
        self
    }

    /// 1 joins rows of which one is a neighbour of the other, 0 only rows of which each is a neighbour
    /// of the other; between them, a mixture.
    pub fn set_op_mix_ratio(mut self, set_op_mix_ratio: f64) -> Self {
        self.set_op_mix_ratio = set_op_mix_ratio;
        self
    }

    /// Up to the how-manieth neighbour a row is fully connected, at least 0; fractions interpolate.
    pub fn local_connectivity(mut self, local_connectivity: f64) -> Self {
        self.local_connectivity = local_connectivity;
        self
    }

    /// The factor on repulsion, at least 0.
    pub fn repulsion_strength(mut self, repulsion_strength: f64) -> Self {
        self.repulsion_strength = repulsion_strength;
        self
    }

    /// How many random rows push a row away for each neighbour that pulls it, up to
    /// [`MAX_NEGATIVE_SAMPLE_RATE`].
    pub fn negative_sample_rate(mut self, negative_sample_rate: usize) -> Self {
        self.negative_sample_rate = negative_sample_rate;
        self
    }

    /// The seed that every random choice follows from.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Checks what can be checked without data.
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

    /// The number of epochs for so many distinct rows.
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

//! The distilled events: the distinct rows of a recipe's inputs, with how often each occurs.

use std::sync::Arc;

use learn::matrix::Matrix;

use super::RarityCounts;

/// Distinct input rows, sorted, with how often each occurs.
#[derive(Debug, Clone)]
pub(crate) struct Distilled {
    /// One row per distinct row of the recipe's inputs; a text is its position in `texts`. The weight is the row's
    /// count, or its estimated share when sampled.
    pub inputs: Matrix,
    /// Per input the sorted texts; none for a number.
    pub texts: Arc<[Vec<String>]>,
    /// Per rarity of the recipe, how many events had each combination: of all events, sampled or not.
    pub rarities: Vec<RarityCounts>,
    /// All events that were read.
    pub events: u64,
    /// All distinct rows that were met, kept or not.
    pub distinct_rows: u64,
    /// Whether the matrix is a sample of the distinct rows.
    pub sampled: bool,
    /// The rows of every host, by name; none where they were not asked for, are too many, or the matrix is a sample.
    pub hosts: Vec<HostRows>,
}

/// Which of the distilled rows a host had.
#[derive(Debug, Clone)]
pub(crate) struct HostRows {
    /// The host.
    pub name: String,
    /// Rows of [`Distilled::inputs`], in no particular order, and how many of the host's events each stands for.
    pub rows: Vec<(usize, f64)>,
}

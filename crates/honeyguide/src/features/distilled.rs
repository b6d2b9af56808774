//! Distilled events: the distinct rows of a recipe's inputs, each with the number of its events.

use std::sync::Arc;

use learn::matrix::Matrix;

use super::RarityCounts;

/// The sorted distinct rows of a recipe's inputs, and the counts of events.
#[derive(Debug, Clone)]
pub(crate) struct Distilled {
    /// The distinct rows of the recipe's inputs, sorted. A text is represented by its position in `texts`. The weight
    /// of a row is its number of events, or its estimated share if the rows are a sample.
    pub inputs: Matrix,
    /// The sorted texts of each input, without any for an input of numbers.
    pub texts: Arc<[Vec<String>]>,
    /// For each rarity of the recipe, the number of events with each combination. These are counts of all events, even
    /// if the rows are a sample.
    pub rarities: Vec<RarityCounts>,
    /// The number of events that were read.
    pub events: u64,
    /// The number of distinct rows that were found, including those not in the sample.
    pub distinct_rows: u64,
    /// Whether `inputs` is a sample of the distinct rows.
    pub sampled: bool,
    /// The rows of every group, sorted by name. Empty if groups were not requested, if there are too many pairs of a row
    /// and a group, or if the rows are a sample.
    pub groups: Vec<GroupRows>,
}

/// The distilled rows of one group of events, such as those of a host.
#[derive(Debug, Clone)]
pub(crate) struct GroupRows {
    /// The name of the group.
    pub name: String,
    /// Positions of rows in [`Distilled::inputs`], in no particular order, each with the number of the group's events.
    pub rows: Vec<(usize, f64)>,
}

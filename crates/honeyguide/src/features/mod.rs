//! Features: the evaluated recipe, from the engine's batches to the numbers that the forest sees.

mod columns;
mod encoder;

pub(crate) use columns::{FeatureColumns, Value, locate_fault};
pub(crate) use encoder::{Encoder, EncodingData};

/// Most categories of a categorical feature.
pub const MAX_CATEGORIES: usize = 1024;

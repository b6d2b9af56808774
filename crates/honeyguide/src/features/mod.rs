//! Features: the evaluation of a recipe, from the engine's batches to the rows of the forest.

mod coded;
mod distilled;
mod encoder;
mod expressions;
mod fault;
mod inputs;
mod rarity;
mod row_key;

pub(crate) use coded::CodedInputs;
pub(crate) use distilled::{Distilled, GroupRows};
pub(crate) use encoder::{Encoder, EncodingData};
pub(crate) use expressions::InputExpressions;
pub(crate) use fault::{first_found, locate_fault, without_place};
pub(crate) use inputs::{InputColumns, Value};
pub(crate) use rarity::{
    MAX_COUNTED, NULL_ID, RarityCounts, RarityData, Sighting, id_of_code, key, unpack,
};
pub(crate) use row_key::{FEATURE_KEY, RowKey, feature_key, feature_keys, row_key, write_row_key};

/// The maximum number of categories of a categorical feature.
pub const MAX_CATEGORIES: usize = 1024;

//! The SQL functions of models: scores, verdicts, explanations and features of events.
//!
//! The functions in `bound` hold a model; those in `named` take the name of its file as an argument. `published`
//! encodes both for other processes, and `kept` holds the models that a process reads for the functions it receives.

mod bound;
mod kept;
mod named;
mod published;

pub(crate) use bound::{anomaly_score, is_anomalous};
pub use kept::KeptModels;
pub(crate) use named::{ModelFunction, Models, register_model_functions};
pub(crate) use published::{decode, encode};

/// The name of the engine's column of scores.
pub(crate) const SCORE: &str = "__score";

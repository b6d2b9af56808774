//! The SQL functions of models: scores, verdicts, explanations and features of events.
//!
//! `bound` functions hold one model, `named` ones name its file in the query. `published` turns both into bytes for other
//! processes, and `kept` holds the models that a process reads for them.

mod bound;
mod kept;
mod named;
mod published;

pub(crate) use bound::{anomaly_score, is_anomalous};
pub use kept::KeptModels;
pub(crate) use named::{ModelFunction, Models, register_model_functions};
pub(crate) use published::{decode, encode};

//! Algorithms for anomaly detection on weighted rows.
//!
//! Most algorithms take a [`Matrix`]: distinct rows of `f64` features, each with a weight that says
//! how often the row occurs. A billion events with a few hundred distinct rows therefore cost as
//! much as a few hundred rows.
//!
//! - [`chance`]: tests whether two samples differ by more than chance, and the rates that counts can
//!   resolve.
//! - [`describe`]: value counts, distributions and correlations of columns of any length, in one
//!   pass.
//! - [`exact_sum`]: sums of doubles that do not depend on the order of their terms.
//! - [`iforest`]: isolation forests with scikit-learn's parameters and results.
//! - [`monitor`]: progress of long work, and its cancellation.
//! - [`metrics`]: ROC AUC, average precision and confusion matrices for weighted scores with ties.
//! - [`scaling`] and [`stats`]: standard scaling, weighted moments and quantiles.
//! - [`umap`]: UMAP embeddings of rows in few dimensions, and of new rows in an existing embedding
//!   (McInnes, Healy & Melville 2018).
//! - [`sampling`]: a weighted sample of rows in bounded memory.
//! - [`real`]: a logarithm and a power of two with the same bits on every machine.
//! - [`rng`]: the random-number generator that every random choice uses.
//!
//! The crate performs no input or output, reads neither the clock nor the environment, and returns
//! an error for every input that it cannot use. The same input and seed give the same bits for any
//! number of threads and on any machine.
#![warn(missing_docs)]

pub mod chance;
pub mod describe;
mod distinct;
pub mod exact_sum;
pub mod iforest;
pub mod matrix;
pub mod metrics;
mod mix;
pub mod monitor;
pub mod real;
pub mod rng;
pub mod sampling;
pub mod scaling;
pub mod stats;
pub mod umap;

pub use matrix::{ColumnKind, Matrix, MatrixError};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

//! Anomaly detection on weighted rows.
//!
//! Everything here takes a [`Matrix`]: distinct rows of `f64` features, each with a weight that says
//! how often the row occurs. A billion events with a few hundred distinct rows cost a few hundred rows.
//!
//! - [`describe`]: counts, spread and correlation of columns of any length, in one pass.
//! - [`iforest`]: isolation forests with scikit-learn's parameters and results.
//! - [`metrics`]: ROC AUC, average precision and confusion matrices of weighted, tied scores.
//! - [`scaling`] and [`stats`]: standard scaling, weighted moments and quantiles.
//! - [`umap`]: maps of rows in few dimensions, and of new rows among them (McInnes, Healy & Melville 2018).
//! - [`sampling`]: a weighted sample of rows in bounded memory.
//! - [`real`]: logarithm and power of two with the same bits on every machine.
//! - [`rng`]: the one generator that every random choice comes from.
//!
//! The crate does no input or output, reads no clock and no environment, and returns an error for
//! every input that it cannot use. The same input and seed give the same bits on any number of
//! threads and on any machine.
#![warn(missing_docs)]

pub mod describe;
pub mod iforest;
pub mod matrix;
pub mod metrics;
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

//! Descriptions of columns of any length, in one pass and in bounded memory: value counts,
//! distributions and correlations.
//!
//! Results are exact while the memory allows it. Beyond that, the counts report that they are
//! estimates and bound their error.

mod comoments;
mod counts;
mod numbers;
mod recent;
mod table;
mod texts;

pub use comoments::{CoMoments, Correlation};
pub use counts::{DISTINCT_ERROR, KeyCounts};
pub use numbers::{Census, Domain, NumberCounts, Running, short};
pub use texts::{TextCounts, kept};

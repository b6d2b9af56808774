//! Describing columns of unknown length in one pass and bounded memory: how often which value occurs, how values are
//! spread, how columns vary together.
//!
//! Figures are exact while the memory allows it. Beyond that the counts say of themselves that they are estimates, and
//! how far they can be off.

mod comoments;
mod counts;
mod numbers;
mod recent;
mod table;
mod texts;

pub use comoments::{CoMoments, Correlation};
pub use counts::{DISTINCT_ERROR, KeyCounts};
pub use numbers::{Census, Domain, NumberCounts, Running};
pub use texts::TextCounts;

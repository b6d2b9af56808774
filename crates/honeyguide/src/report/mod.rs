//! Pages: what a model finds in some events, on one file that opens anywhere.
//!
//! A page holds counts, never events, but for a bounded number of examples: its size does not grow with the data. The same
//! input gives the same bytes.

mod alerts;
mod chart;
mod clock;
mod curves;
mod explore;
mod judgement;
mod live;
mod page;
mod places;
mod steps;
mod view;
mod words;

pub use explore::{Exploration, ExploredFeatures, Lens, MAX_PICTURES, MAX_POINTS, explore};
pub use judgement::{Origin, Report, report};
pub use page::Page;
pub use places::{MAX_DAYS, MAX_HOSTS};
pub use steps::{MAX_CELLS, MAX_STEPS};

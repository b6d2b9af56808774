//! HTML pages of what honeyguide finds: [`report`] draws a model's verdicts, [`explore`] draws data.
//!
//! A page is one file that needs nothing else: style, script and chart library are part of it, and its policy lets it load
//! nothing. Its size is bounded by that of the figures. The same figures give the same bytes.
#![warn(missing_docs)]

mod axes;
mod chart;
mod explore;
mod page;
mod report;
mod times;
mod words;

pub use explore::{MAX_CHARTS, explore};
pub use page::Page;
pub use report::{Origin, report};

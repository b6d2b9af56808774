//! The page of a report.

mod curves;
mod incident_chart;
mod incidents;
mod lead;
mod live;
mod tree;
mod view;

use std::path::Path;

use honeyguide::report::Report;
use honeyguide::{Model, Result, Source};

use crate::page::Page;

/// Where the figures of a report come from, which its page states.
#[derive(Clone, Copy)]
pub struct Origin<'a> {
    /// The command that makes the page, as a person would type it, without secrets.
    pub command: &'a str,
    /// The model that judged the events.
    pub model: &'a Model,
    /// The path or URL of the model's file.
    pub model_file: &'a Path,
    /// The events.
    pub source: &'a Source,
}

/// Makes the page of a report.
///
/// # Errors
/// Fails when the page cannot be rendered, which is a defect.
pub fn report(report: &Report, origin: Origin<'_>) -> Result<Page> {
    Page::render(&view::ReportPage::new(report, origin)?)
}

//! The page of an exploration.

mod columns;
mod correlations;
mod map;
mod programs;
mod timeline;
mod view;

use honeyguide::report::Exploration;
use honeyguide::{Result, Source};

use crate::chart::Chart;
use crate::page::Page;

/// The greatest number of columns, and of features, that have a chart of their own.
pub const MAX_CHARTS: usize = 60;

/// Makes the page of an exploration of `source`. `command` is the command that makes the page, as a person would type
/// it, without secrets.
///
/// # Errors
/// Fails when the page cannot be rendered, which is a defect.
pub fn explore(exploration: &Exploration, source: &Source, command: &str) -> Result<Page> {
    view::page(exploration, &charts(exploration), source, command)
}

fn charts(exploration: &Exploration) -> Vec<Chart> {
    let mut charts = Vec::new();
    charts.extend(
        exploration
            .timeline
            .as_ref()
            .map(|timeline| timeline::chart(timeline, &exploration.places)),
    );
    charts.extend(exploration.programs.as_ref().map(programs::chart));
    let inspection = &exploration.inspection;
    let columns = inspection.columns.iter().enumerate();
    charts.extend(
        columns
            .take(MAX_CHARTS)
            .filter_map(|(index, column)| columns::of_column(index, column)),
    );
    charts.extend(correlations::chart(
        "correlations",
        "columns",
        &inspection.correlations,
    ));
    if let Some(found) = &exploration.features {
        let features = found.inspection.features.iter().enumerate();
        charts.extend(
            features
                .take(MAX_CHARTS)
                .filter_map(|(index, feature)| columns::of_feature(index, feature)),
        );
        charts.extend(correlations::chart(
            "feature-correlations",
            "features",
            &found.inspection.correlations,
        ));
        if let Ok(map) = &found.map {
            charts.push(map::chart(map));
        }
    }
    charts
}

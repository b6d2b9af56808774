//! The page of an exploration.

mod columns;
mod correlations;
mod map;
mod programs;
mod timeline;
mod view;

use std::collections::BTreeMap;

use honeyguide::inspect::{Correlations, GroupCounts};
use honeyguide::log::Log;
use honeyguide::report::{Exploration, ExploredFeatures, MAX_BY_LABEL};
use honeyguide::{Result, Source};

use columns::ByLabel;

use crate::chart::Chart;
use crate::page::Page;

/// The greatest number of columns, and of features, that have a chart of their own.
pub const MAX_CHARTS: usize = MAX_BY_LABEL;

/// Makes the page of an exploration of `source`. `command` is the command that makes the page, as a person would type
/// it, without secrets.
///
/// # Errors
/// Fails when the page cannot be rendered, which is a defect.
pub fn explore(exploration: &Exploration, source: &Source, command: &str) -> Result<Page> {
    let charts = charts(exploration, source.log());
    view::page(exploration, &charts, source, command)
}

fn charts(exploration: &Exploration, log: &Log) -> Vec<Chart> {
    let mut charts = Vec::new();
    charts.extend(
        exploration
            .timeline
            .as_ref()
            .map(|timeline| timeline::chart(timeline, &exploration.places, log)),
    );
    charts.extend(exploration.programs.as_ref().map(programs::chart));
    let inspection = &exploration.inspection;
    let by_label = |index: usize| by_label(&exploration.labels, exploration.groups.get(index));
    let columns = inspection.columns.iter().enumerate().take(MAX_CHARTS);
    charts.extend(
        columns.filter_map(|(index, column)| columns::of_column(index, column, by_label(index))),
    );
    charts.extend(correlations::chart(
        "correlations",
        "columns",
        &inspection.correlations,
    ));
    if let Some(found) = &exploration.features {
        charts.extend(of_features(found, &exploration.labels));
    }
    charts
}

fn of_features(found: &ExploredFeatures, labels: &[String]) -> Vec<Chart> {
    let none = BTreeMap::new();
    let of_feature = |index: usize| {
        let groups = found
            .labelled
            .as_ref()
            .and_then(|labelled| labelled.groups.get(index));
        let words = found
            .recipe
            .features
            .get(index)
            .map_or(&none, |feature| &feature.values);
        let summary = &found.inspection.features[index];
        columns::of_feature(index, summary, words, by_label(labels, groups))
    };
    let shown = found.inspection.features.len().min(MAX_CHARTS);
    let mut charts: Vec<Chart> = (0..shown).filter_map(of_feature).collect();
    charts.extend(correlations::chart(
        "feature-correlations",
        if found.labelled.is_some() {
            "features and labels"
        } else {
            "features"
        },
        correlations_of(found),
    ));
    if let Ok(map) = &found.map {
        charts.push(map::chart(map));
    }
    charts
}

/// Returns the correlations of the features, and of the labels if there are any.
fn correlations_of(found: &ExploredFeatures) -> &Correlations {
    match &found.labelled {
        Some(labelled) => &labelled.correlations,
        None => &found.inspection.correlations,
    }
}

fn by_label<'a>(labels: &'a [String], groups: Option<&'a GroupCounts>) -> Option<ByLabel<'a>> {
    groups
        .filter(|_| !labels.is_empty())
        .map(|groups| ByLabel { labels, groups })
}

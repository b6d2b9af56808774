//! The page to look at data before trusting it: columns, features, correlations, time, programs, and a map
//! of the distinct feature rows.

mod columns;
mod correlations;
mod map;
mod programs;
mod timeline;
mod view;

use serde::Serialize;

pub use map::MAX_POINTS;

use super::chart::Chart;
use super::page::Page;
use super::places::Places;
use crate::engine::Engine;
use crate::error::Result;
use crate::inspect::{FeatureInspection, Inspection, features, inspect};
use crate::model::Model;
use crate::recipe::Recipe;
use crate::source::Source;

/// Most columns, and most features, that have a picture of their own.
pub const MAX_PICTURES: usize = 60;

/// Through what the data is looked at besides its own columns.
#[derive(Debug, Clone, Copy)]
pub enum Lens<'a> {
    /// The features of a recipe.
    Recipe(&'a Recipe),
    /// The features and scores of a model.
    Model(&'a Model),
}

/// An exploration and its page.
#[derive(Debug, Clone, Serialize)]
pub struct Exploration {
    /// All events.
    pub rows: u64,
    /// How many columns they have.
    pub columns: usize,
    /// How many distinct feature rows, under which recipe, where one was given.
    pub features: Option<ExploredFeatures>,
    /// The page.
    #[serde(skip)]
    pub page: Page,
}

/// What a recipe makes of the data, in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExploredFeatures {
    /// The recipe's name.
    pub recipe: String,
    /// Distinct rows of its inputs.
    pub distinct_rows: u64,
}

/// All that the page shows.
struct Findings<'a> {
    command: &'a str,
    source: &'a Source,
    inspection: Inspection,
    places: Places,
    features: Option<FeatureInspection>,
    charts: Vec<Chart>,
    timeline: Option<timeline::Timeline>,
    programs: Option<programs::Programs>,
    /// Why there is no map, where there is none although there are features.
    map: Option<std::result::Result<map::Map, String>>,
}

/// Looks at `source`, through `lens` where there is one, and makes a page of it. `command` is what makes the page, as a
/// person would type it, without secrets.
///
/// # Errors
/// The data has no events, lacks a column that the recipe needs, or cannot be read.
pub async fn explore(
    engine: &Engine,
    source: &mut Source,
    lens: Option<Lens<'_>>,
    command: &str,
) -> Result<Exploration> {
    let inspection = inspect(engine, source).await?;
    let places = Places::find(engine, source).await?;
    let timeline = timeline::Timeline::read(engine, source, &places).await?;
    let programs = programs::Programs::read(engine, source).await?;
    let recipe = match lens {
        None => None,
        Some(Lens::Recipe(recipe)) => Some(recipe.resolve(engine, source, &[])?),
        Some(Lens::Model(model)) => Some(model.recipe().clone()),
    };
    let (features, map) = match &recipe {
        None => (None, None),
        Some(recipe) => {
            let features = features(engine, source, recipe).await?;
            let rows = features.distinct_rows;
            let map = map::Map::read(engine, source, recipe, lens, rows).await?;
            (Some(features), Some(map))
        }
    };
    let mut findings = Findings {
        command,
        source,
        inspection,
        places,
        features,
        charts: Vec::new(),
        timeline,
        programs,
        map,
    };
    findings.charts = findings.draw();
    Ok(Exploration {
        rows: findings.inspection.rows,
        columns: findings.inspection.columns.len(),
        features: findings.features.as_ref().map(|features| ExploredFeatures {
            recipe: features.recipe.clone(),
            distinct_rows: features.distinct_rows,
        }),
        page: view::page(&findings)?,
    })
}

impl Findings<'_> {
    fn draw(&self) -> Vec<Chart> {
        let mut charts = Vec::new();
        charts.extend(
            self.timeline
                .as_ref()
                .map(|timeline| timeline.chart(&self.places)),
        );
        charts.extend(self.programs.as_ref().map(programs::Programs::chart));
        let columns = self.inspection.columns.iter().enumerate();
        charts.extend(
            columns
                .take(MAX_PICTURES)
                .filter_map(|(index, column)| columns::of_column(index, column)),
        );
        charts.extend(correlations::chart(
            "correlations",
            "columns",
            &self.inspection.correlations,
        ));
        if let Some(found) = &self.features {
            let features = found.features.iter().enumerate();
            charts.extend(
                features
                    .take(MAX_PICTURES)
                    .filter_map(|(index, feature)| columns::of_feature(index, feature)),
            );
            charts.extend(correlations::chart(
                "feature-correlations",
                "features",
                &found.correlations,
            ));
        }
        if let Some(Ok(map)) = &self.map {
            charts.push(map.chart());
        }
        charts
    }
}

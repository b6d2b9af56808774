//! The exploration describes data before a model is trained on it or applied to it: columns, features, correlations,
//! time, programs, and a map of the distinct feature rows.

mod map;
mod programs;
mod timeline;

pub use map::{MAX_POINTS, Map, MapPoint};
pub use programs::Programs;
pub use timeline::Timeline;

use super::places::Places;
use crate::engine::Engine;
use crate::error::Result;
pub use crate::feature_source::FeatureSource;
use crate::inspect::{FeatureInspection, Inspection, features, inspect};
use crate::source::Source;

/// The figures of an exploration of data.
#[derive(Debug, Clone, PartialEq)]
pub struct Exploration {
    /// The columns, first rows, labels and correlations.
    pub inspection: Inspection,
    /// The hosts and days of the events.
    pub places: Places,
    /// The features, where a recipe or model was given.
    pub features: Option<ExploredFeatures>,
    /// The events over time; `None` where the data does not say when they happened.
    pub timeline: Option<Timeline>,
    /// The calls by program; `None` where the data lacks one of these columns.
    pub programs: Option<Programs>,
}

/// The features of an exploration.
#[derive(Debug, Clone, PartialEq)]
pub struct ExploredFeatures {
    /// The features and their correlations.
    pub inspection: FeatureInspection,
    /// The map of the distinct feature rows, or a sentence that says why there is none.
    pub map: std::result::Result<Map, String>,
}

/// Explores `source`, with the features of `feature_source` if there is one.
///
/// # Errors
/// Fails when the data has no events, lacks a column that the recipe needs, or cannot be read.
pub async fn explore(
    engine: &Engine,
    source: &mut Source,
    feature_source: Option<FeatureSource<'_>>,
) -> Result<Exploration> {
    let inspection = inspect(engine, source).await?;
    let places = Places::find(engine, source).await?;
    let timeline = Timeline::read(engine, source, &places).await?;
    let programs = Programs::read(engine, source).await?;
    let features = match feature_source {
        None => None,
        Some(feature_source) => {
            let inspection = features(engine, source, feature_source).await?;
            let rows = inspection.distinct_rows;
            let map = Map::read(engine, source, feature_source, rows).await?;
            Some(ExploredFeatures { inspection, map })
        }
    };
    Ok(Exploration {
        inspection,
        places,
        features,
        timeline,
        programs,
    })
}

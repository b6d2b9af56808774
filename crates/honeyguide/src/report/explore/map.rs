//! A map of the distinct feature rows on which similar rows are neighbours (UMAP; see [`crate::embed`]), with a description of
//! each row.

use std::collections::HashMap;

use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::error::Result as EngineResult;
use datafusion::functions::string::expr_fn::concat_ws;
use datafusion::functions_aggregate::expr_fn::{max, min};
use datafusion::logical_expr::{Expr, cast, ident, lit};
use datafusion::prelude::DataFrame;
use learn::umap::UmapParams;

use super::FeatureSource;
use crate::distil::distil;
use crate::embed::{Embedding, embed_labelled};
use crate::engine::Engine;
use crate::error::{ErrorKind, Result};
use crate::features::{Encoder, RowKey, row_key};
use crate::recipe::plan::FeaturePlan;
use crate::scan::Scan;
use crate::scorer::Scores;
use crate::source::Source;
use crate::wording::count;

/// The greatest number of points of a map. If there are more distinct feature rows, the map has a uniform sample.
pub const MAX_POINTS: usize = 3_000;
/// The greatest number of distinct feature rows that are placed for a page; `honeyguide embed` places more.
const MAX_ROWS: u64 = 50_000;
/// The number of columns in an example of an event if the log has no identifying columns.
const EXAMPLE_COLUMNS: usize = 7;
/// The separator between the columns of an example.
const BETWEEN: &str = " · ";

/// A map of the distinct feature rows, or of a uniform sample of [`MAX_POINTS`] of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Map {
    /// The rows with their features, counts, labels and coordinates in two dimensions.
    pub embedding: Embedding,
    /// The descriptions of the rows of `embedding`, in the same order.
    pub points: Vec<MapPoint>,
}

/// The description of the events of one distinct feature row.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MapPoint {
    /// The name of the process whose events have the row; `None` where there are several, or the data has no names.
    pub process: Option<String>,
    /// Whether events of several processes have the row.
    pub has_several: bool,
    /// One of the events, as its identifying columns in one text.
    pub example: String,
    /// The highest anomaly score of the events, in (0, 1]; `None` without a model.
    pub score: Option<f64>,
}

impl Map {
    /// Maps the distinct rows of the features of `feature_source`, or returns a sentence that says why there is no map.
    ///
    /// # Errors
    /// Fails when the data cannot be read.
    pub(super) async fn read(
        engine: &Engine,
        source: &mut Source,
        feature_source: FeatureSource<'_>,
        distinct_rows: u64,
        labels: &[String],
    ) -> Result<std::result::Result<Self, String>> {
        if distinct_rows > MAX_ROWS {
            return Ok(Err(format!(
                "There are {} distinct rows; a page maps at most {}. honeyguide embed places them all.",
                count(distinct_rows),
                count(MAX_ROWS)
            )));
        }
        let params = UmapParams::new();
        let labels = labels.to_vec();
        let found = embed_labelled(engine, source, None, feature_source, &params, 0, labels).await;
        let mut embedding = match found {
            Ok(embedding) => embedding,
            Err(error) if matches!(error.kind(), ErrorKind::Usage | ErrorKind::Data) => {
                return Ok(Err(format!("There is no map: {}.", error.message())));
            }
            Err(error) => return Err(error),
        };
        embedding.sample(MAX_POINTS, 0);
        let points = points(engine, source, feature_source, &embedding).await?;
        Ok(Ok(Self { embedding, points }))
    }
}

/// Describes each row of `embedding`.
async fn points(
    engine: &Engine,
    source: &mut Source,
    feature_source: FeatureSource<'_>,
    embedding: &Embedding,
) -> Result<Vec<MapPoint>> {
    let recipe = feature_source.resolve(engine, source)?;
    let plan = recipe.plan(engine, source)?;
    let encoder = match feature_source {
        FeatureSource::Model(model) => model.encoder.clone(),
        FeatureSource::Recipe(_) => {
            let distilled = distil(engine, source, &recipe, &plan, None, 0).await?;
            Encoder::new(&recipe, &Encoder::fit(&recipe, &distilled)?)?
        }
    };
    let n_features = embedding.features.len();
    let rows = embedding.values.chunks(n_features).enumerate();
    let positions: HashMap<RowKey, usize> =
        rows.map(|(row, values)| (row_key(values), row)).collect();
    let described = Described::of(source);
    let scan = Scan::new(engine, "describing rows")
        .reading([&described.process, &described.example])
        .features(&recipe, &plan);
    let start = || Ok(vec![MapPoint::default(); positions.len()]);
    let query = |table| described.query(table, &plan);
    let describe = |points: &mut Vec<MapPoint>, batch: &RecordBatch| {
        let rows = encoder.encode(batch.columns())?;
        let model = feature_source.model();
        let scores = model.map(|model| Scores::of_inputs(model, batch.columns().to_vec()));
        let scores = scores.transpose()?;
        for (index, row) in rows.chunks(n_features).enumerate() {
            if let Some(position) = positions.get(&row_key(row)) {
                let score = scores.as_ref().map(|scores| scores.values()[index]);
                points[*position].add(batch, index, score);
            }
        }
        Ok(())
    };
    scan.fold(source, start, query, describe).await
}

/// The expressions that describe the events of each distinct row.
struct Described {
    process: Expr,
    /// The identifying columns as one text: the least of them is an event that exists.
    example: Expr,
}

impl Described {
    fn of(source: &Source) -> Self {
        let text = |column: &str| cast(ident(column), DataType::Utf8);
        let names: Vec<&str> = source
            .columns()
            .iter()
            .map(|column| column.name.as_str())
            .collect();
        let shown = source.log().shown(&names, EXAMPLE_COLUMNS);
        let columns: Vec<Expr> = shown.into_iter().map(text).collect();
        let program = source
            .log()
            .program()
            .filter(|program| source.has_column(program));
        let process = match program {
            Some(program) => text(program),
            None => cast(lit(datafusion::common::ScalarValue::Null), DataType::Utf8),
        };
        Self {
            process,
            example: concat_ws(lit(BETWEEN), columns),
        }
    }

    /// Selects the inputs, then the first and last program and the least example of each distinct row.
    fn query(&self, table: DataFrame, plan: &FeaturePlan) -> EngineResult<DataFrame> {
        let [process, example] = ["__process", "__example"];
        let beside = [
            self.process.clone().alias(process),
            self.example.clone().alias(example),
        ];
        table
            .select(
                plan.inputs
                    .iter()
                    .cloned()
                    .chain(beside)
                    .collect::<Vec<_>>(),
            )?
            .aggregate(
                plan.names.iter().map(ident).collect(),
                vec![
                    min(ident(process)).alias("__first_process"),
                    max(ident(process)).alias("__last_process"),
                    min(ident(example)).alias("__least_example"),
                ],
            )
    }
}

impl MapPoint {
    /// Adds a row of the answer to [`Described::query`]; rows of inputs can share their features.
    fn add(&mut self, batch: &RecordBatch, row: usize, score: Option<f64>) {
        let n = batch.num_columns();
        let text = |column: usize| {
            let texts = batch.column(column).as_string::<i32>();
            texts.is_valid(row).then(|| texts.value(row).to_owned())
        };
        let (first, last, example) = (text(n - 3), text(n - 2), text(n - 1).unwrap_or_default());
        let is_new = self.example.is_empty();
        let differs = !is_new && first != self.process;
        self.has_several |= first != last || differs;
        self.process = first.filter(|_| !self.has_several);
        if is_new || example < self.example {
            self.example = example;
        }
        self.score = match (self.score, score) {
            (Some(known), Some(score)) => Some(known.max(score)),
            (known, score) => known.or(score),
        };
    }
}

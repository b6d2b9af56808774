//! Scores and verdicts for every event: written to a file, or the most anomalous ones to look at.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, BooleanArray, Float64Array};
use datafusion::arrow::compute::filter_record_batch;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::logical_expr::ident;
use serde::Serialize;

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::features::locate_fault;
use crate::model::{Model, with_columns};
use crate::output::{TableFormat, TableWriter};
use crate::recipe::plan::FeaturePlan;
use crate::source::Source;

/// The columns that scoring adds.
pub const ADDED_COLUMNS: [&str; 2] = ["score", "anomalous"];

/// How many events were scored, and how many are anomalous.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ScoreSummary {
    /// All events.
    pub events: u64,
    /// Those above the threshold.
    pub anomalous: u64,
}

/// An event of high score, and how many others look the same to the model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Anomaly {
    /// The anomaly score, in (0, 1].
    pub score: f64,
    /// Whether the score is above the threshold.
    pub anomalous: bool,
    /// How many events have the same features, this one included.
    pub events_alike: u64,
    /// The file of the first of them.
    pub file: PathBuf,
    /// Its row in that file, counted from 1 after the header.
    pub row: u64,
    /// Its columns and values, in the order of the data; a null is `None`.
    pub event: Vec<(String, Option<String>)>,
}

/// Writes every event, or the anomalous ones only, with its score and verdict to `path`, in the order of the data.
///
/// # Errors
/// The output cannot be written, the data already has the added columns, lacks the recipe's, or cannot be read. A file
/// that was there before is replaced only by a complete one.
pub async fn score_to_file(
    engine: &Engine,
    model: &Model,
    source: &mut Source,
    path: &Path,
    only_anomalous: bool,
) -> Result<ScoreSummary> {
    let format = TableFormat::of(path)?;
    if let Some(column) = ADDED_COLUMNS
        .into_iter()
        .find(|column| source.has_column(column))
    {
        return Err(
            Error::usage(format!("the data already has a column `{column}`"))
                .hint("score the original data, or rename the column first"),
        );
    }
    let plan = model.recipe().plan(engine, source)?;
    let mut source = if format == TableFormat::Csv {
        source.as_text_except(&plan.needed)
    } else {
        source.clone()
    };
    let schema = scored_schema(&source);
    let start = || {
        Ok((
            TableWriter::create(path, Arc::clone(&schema))?,
            ScoreSummary::default(),
        ))
    };
    let scan = OrderedScan {
        engine,
        model,
        plan: &plan,
    };
    let (writer, summary) = scan
        .fold(&mut source, start, |(writer, summary), batch| {
            let rows = batch.with_verdicts(&schema, model, only_anomalous)?;
            summary.add(&batch, model);
            writer.write(&rows)
        })
        .await?;
    writer.finish()?;
    Ok(summary)
}

/// The `count` most anomalous distinct feature rows, highest score first, each with its first event. Of equal scores
/// the one that comes first in the data is preferred.
///
/// # Errors
/// The data lacks the recipe's columns or cannot be read.
pub async fn most_anomalous(
    engine: &Engine,
    model: &Model,
    source: &mut Source,
    count: usize,
    only_anomalous: bool,
) -> Result<(ScoreSummary, Vec<Anomaly>)> {
    let plan = model.recipe().plan(engine, source)?;
    let mut source = source.as_text_except(&plan.needed);
    let lowest = if only_anomalous {
        model.threshold().value
    } else {
        f64::NEG_INFINITY
    };
    let names: Vec<String> = source
        .columns()
        .iter()
        .map(|column| column.name.clone())
        .collect();
    let start = || Ok((Ranking::new(count, lowest), ScoreSummary::default()));
    let scan = OrderedScan {
        engine,
        model,
        plan: &plan,
    };
    let (ranking, summary) = scan
        .fold(&mut source, start, |(ranking, summary), batch| {
            summary.add(&batch, model);
            ranking
                .push(&batch, &names, model)
                .map_err(|error| Error::internal(format!("an event as text: {error}")))
        })
        .await?;
    Ok((summary, ranking.anomalies))
}

impl ScoreSummary {
    fn add(&mut self, batch: &ScoredBatch, model: &Model) {
        self.events += batch.scores.len() as u64;
        self.anomalous += batch
            .scores
            .iter()
            .filter(|score| model.threshold().flags(**score))
            .count() as u64;
    }
}

fn scored_schema(source: &Source) -> SchemaRef {
    let [score, anomalous] = ADDED_COLUMNS;
    let added = [
        Field::new(score, DataType::Float64, false),
        Field::new(anomalous, DataType::Boolean, false),
    ];
    let fields = source
        .schema()
        .fields()
        .iter()
        .map(|field| field.as_ref().clone())
        .chain(added)
        .collect::<Vec<_>>();
    Arc::new(Schema::new(fields))
}

/// Reads events file by file, in their order, with their features beside them.
struct OrderedScan<'a> {
    engine: &'a Engine,
    model: &'a Model,
    plan: &'a FeaturePlan,
}

/// Some events of one file, in their order, with what the model says of them.
struct ScoredBatch<'a> {
    file: &'a Path,
    /// Rows of the file before this batch.
    rows_before: u64,
    events: &'a [ArrayRef],
    /// Encoded features, row-major.
    features: Vec<f64>,
    scores: Vec<f64>,
}

impl OrderedScan<'_> {
    async fn fold<T>(
        &self,
        source: &mut Source,
        start: impl Fn() -> Result<T>,
        mut step: impl FnMut(&mut T, ScoredBatch) -> Result<()>,
    ) -> Result<T> {
        let columns: Vec<String> = source
            .columns()
            .iter()
            .map(|column| column.name.clone())
            .collect();
        let features = self.plan.features.iter().enumerate();
        let features: Vec<_> = features
            .map(|(index, expr)| expr.clone().alias(format!("__feature_{index}")))
            .collect();
        let needed: BTreeSet<String> =
            with_columns(&self.plan.needed, columns.iter().map(String::as_str));
        let files: Vec<PathBuf> = source.files().map(|file| file.path.clone()).collect();
        let folded = source
            .run(&needed, async |source| {
                let mut state = start()?;
                let expected = source.expected_rows();
                for (table, file) in source.tables_in_order(self.engine)?.into_iter().zip(&files) {
                    let mut rows_before = 0;
                    let query = table.select(
                        columns
                            .iter()
                            .map(ident)
                            .chain(features.clone())
                            .collect::<Vec<_>>(),
                    )?;
                    let consume = |batch: RecordBatch| {
                        step(
                            &mut state,
                            self.score(file, rows_before, columns.len(), &batch)?,
                        )?;
                        rows_before += batch.num_rows() as u64;
                        Ok(())
                    };
                    self.engine
                        .for_each_batch("scoring", expected, query, consume)
                        .await?;
                }
                Ok(state)
            })
            .await;
        match folded {
            Ok(state) => Ok(state),
            Err(error) => {
                Err(locate_fault(self.engine, source, self.model.recipe(), self.plan, error).await)
            }
        }
    }

    fn score<'b>(
        &self,
        file: &'b Path,
        rows_before: u64,
        columns: usize,
        batch: &'b RecordBatch,
    ) -> Result<ScoredBatch<'b>> {
        let (events, features) = batch.columns().split_at(columns);
        let features = self.model.encode(features)?;
        let scores = self.model.scores_of_encoded(&features)?;
        Ok(ScoredBatch {
            file,
            rows_before,
            events,
            features,
            scores,
        })
    }
}

impl ScoredBatch<'_> {
    fn with_verdicts(
        &self,
        schema: &SchemaRef,
        model: &Model,
        only_anomalous: bool,
    ) -> Result<RecordBatch> {
        let failed = |error: ArrowError| Error::internal(format!("a scored batch: {error}"));
        let verdicts: BooleanArray = self
            .scores
            .iter()
            .map(|score| Some(model.threshold().flags(*score)))
            .collect();
        let scores: ArrayRef = Arc::new(Float64Array::from(self.scores.clone()));
        let columns = self
            .events
            .iter()
            .cloned()
            .chain([scores, Arc::new(verdicts.clone()) as ArrayRef])
            .collect();
        let rows = RecordBatch::try_new(Arc::clone(schema), columns).map_err(failed)?;
        if only_anomalous {
            filter_record_batch(&rows, &verdicts).map_err(failed)
        } else {
            Ok(rows)
        }
    }
}

/// The most anomalous distinct feature rows so far. A row's score is fixed and the bar to enter only rises, so a row
/// that left or was refused never comes back, and the counts of those that stay are exact.
struct Ranking {
    capacity: usize,
    /// Scores up to this one do not enter.
    bar: f64,
    /// Highest first; of equal scores the earlier first.
    anomalies: Vec<Anomaly>,
    /// The features of each, as bits.
    keys: Vec<Vec<u64>>,
}

impl Ranking {
    fn new(capacity: usize, bar: f64) -> Self {
        Self {
            capacity,
            bar,
            anomalies: Vec::new(),
            keys: Vec::new(),
        }
    }

    fn push(
        &mut self,
        batch: &ScoredBatch,
        names: &[String],
        model: &Model,
    ) -> std::result::Result<(), ArrowError> {
        let n_features = model.recipe().features.len();
        let mut known: HashMap<Vec<u64>, u64> = HashMap::new();
        for (row, (score, features)) in batch
            .scores
            .iter()
            .zip(batch.features.chunks_exact(n_features))
            .enumerate()
        {
            if *score < self.bar || self.capacity == 0 {
                continue;
            }
            let key: Vec<u64> = features.iter().map(|value| value.to_bits()).collect();
            if let Some(count) = known.get_mut(&key) {
                *count += 1;
            } else if self.keys.contains(&key) {
                known.insert(key, 1);
            } else if *score > self.bar {
                let event = describe(batch, names, row)?;
                let anomaly = Anomaly {
                    score: *score,
                    anomalous: model.threshold().flags(*score),
                    events_alike: 0,
                    file: batch.file.to_owned(),
                    row: batch.rows_before + row as u64 + 1,
                    event,
                };
                self.insert(anomaly, key.clone());
                known.insert(key, 1);
            }
        }
        for (anomaly, key) in self.anomalies.iter_mut().zip(&self.keys) {
            anomaly.events_alike += known.get(key).copied().unwrap_or(0);
        }
        Ok(())
    }

    fn insert(&mut self, anomaly: Anomaly, key: Vec<u64>) {
        let place = self
            .anomalies
            .partition_point(|other| other.score >= anomaly.score);
        self.anomalies.insert(place, anomaly);
        self.keys.insert(place, key);
        self.anomalies.truncate(self.capacity);
        self.keys.truncate(self.capacity);
        if self.anomalies.len() == self.capacity {
            self.bar = self.anomalies[self.capacity - 1].score;
        }
    }
}

fn describe(
    batch: &ScoredBatch,
    names: &[String],
    row: usize,
) -> std::result::Result<Vec<(String, Option<String>)>, ArrowError> {
    let options = FormatOptions::default();
    let values = names.iter().zip(batch.events).map(|(name, array)| {
        let value = if array.is_null(row) {
            None
        } else {
            Some(
                ArrayFormatter::try_new(array, &options)?
                    .value(row)
                    .to_string(),
            )
        };
        Ok((name.clone(), value))
    });
    values.collect()
}

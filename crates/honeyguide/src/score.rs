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
use crate::explain::{ExplainedEvent, Reason};
use crate::features::locate_fault;
use crate::model::{Model, with_columns};
use crate::output::{TableFormat, TableWriter};
use crate::recipe::plan::FeaturePlan;
use crate::source::Source;

/// How many reasons an anomaly is given.
const REASONS: usize = 3;

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
    /// What speaks most for an anomaly, strongest first; empty where the model cannot say why.
    pub reasons: Vec<Reason>,
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
            ranking.push(&batch, &names, model)
        })
        .await?;
    Ok((summary, ranking.finish(model)))
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
    /// The recipe's inputs.
    inputs: &'a [ArrayRef],
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
        let inputs = &self.plan.inputs;
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
                            .chain(inputs.iter().cloned())
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
        let (events, inputs) = batch.columns().split_at(columns);
        let features = self.model.encode(inputs)?;
        let scores = self.model.scores_of_encoded(&features)?;
        Ok(ScoredBatch {
            file,
            rows_before,
            events,
            inputs,
            features,
            scores,
        })
    }
}

impl ScoredBatch<'_> {
    /// The encoded features of one row.
    fn row(&self, row: usize) -> &[f64] {
        let n_features = self.features.len() / self.scores.len();
        &self.features[row * n_features..(row + 1) * n_features]
    }

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
    entries: Vec<Entry>,
}

/// A distinct feature row, with the first event that has it.
struct Entry {
    anomaly: Anomaly,
    features: Vec<f64>,
    inputs: Vec<Option<String>>,
}

impl Ranking {
    fn new(capacity: usize, bar: f64) -> Self {
        Self {
            capacity,
            bar,
            entries: Vec::new(),
        }
    }

    fn push(&mut self, batch: &ScoredBatch, names: &[String], model: &Model) -> Result<()> {
        let mut met: HashMap<Vec<u64>, u64> = HashMap::new();
        for (row, score) in batch.scores.iter().enumerate() {
            if *score < self.bar || self.capacity == 0 {
                continue;
            }
            let key = bits(batch.row(row));
            if let Some(count) = met.get_mut(&key) {
                *count += 1;
                continue;
            }
            let is_known = self
                .entries
                .iter()
                .any(|entry| bits(&entry.features) == key);
            if is_known || *score > self.bar {
                met.insert(key, 1);
            }
            if !is_known && *score > self.bar {
                self.insert(Entry::new(batch, row, names, model)?);
            }
        }
        for Entry {
            anomaly, features, ..
        } in &mut self.entries
        {
            anomaly.events_alike += met.get(&bits(features)).copied().unwrap_or(0);
        }
        Ok(())
    }

    fn insert(&mut self, entry: Entry) {
        let place = self
            .entries
            .partition_point(|other| other.anomaly.score >= entry.anomaly.score);
        self.entries.insert(place, entry);
        self.entries.truncate(self.capacity);
        if self.entries.len() == self.capacity {
            self.bar = self.entries[self.capacity - 1].anomaly.score;
        }
    }

    fn finish(self, model: &Model) -> Vec<Anomaly> {
        let anomalies = self.entries.into_iter().map(
            |Entry {
                 mut anomaly,
                 features,
                 inputs,
             }| {
                let event = ExplainedEvent {
                    features: &features,
                    inputs: &inputs,
                    columns: &anomaly.event,
                };
                let reasons = model
                    .explain(&event)
                    .map(|explanation| explanation.strongest(REASONS));
                anomaly.reasons = reasons.unwrap_or_default();
                anomaly
            },
        );
        anomalies.collect()
    }
}

impl Entry {
    fn new(batch: &ScoredBatch, row: usize, names: &[String], model: &Model) -> Result<Self> {
        let score = batch.scores[row];
        let anomaly = Anomaly {
            score,
            anomalous: model.threshold().flags(score),
            events_alike: 0,
            file: batch.file.to_owned(),
            row: batch.rows_before + row as u64 + 1,
            event: names
                .iter()
                .cloned()
                .zip(texts(batch.events, row)?)
                .collect(),
            reasons: Vec::new(),
        };
        Ok(Self {
            anomaly,
            features: batch.row(row).to_vec(),
            inputs: texts(batch.inputs, row)?,
        })
    }
}

/// A row of features as a key.
fn bits(features: &[f64]) -> Vec<u64> {
    features.iter().map(|value| value.to_bits()).collect()
}

/// One row of many columns as text.
fn texts(arrays: &[ArrayRef], row: usize) -> Result<Vec<Option<String>>> {
    let options = FormatOptions::default();
    let values = arrays.iter().map(|array| {
        let formatter = ArrayFormatter::try_new(array, &options);
        let formatter =
            formatter.map_err(|error| Error::internal(format!("an event as text: {error}")))?;
        Ok((!array.is_null(row)).then(|| formatter.value(row).to_string()))
    });
    values.collect()
}

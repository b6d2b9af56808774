//! Scores and verdicts for every event: written to a file, or the most anomalous ones to look at, or one explained.

mod ranking;
mod scan;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, StringArray};
use datafusion::arrow::compute::filter_record_batch;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::record_batch::RecordBatch;
use serde::Serialize;

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::explain::{Attribution, EventExplanation, REASONS, Reason};
use crate::model::Model;
use crate::output::{Destination, TableFormat, TableWriter};
use crate::source::{Source, no_events};
use ranking::Ranking;
use scan::{OrderedScan, ScoredBatch};

/// The columns that scoring adds; the last only when reasons are asked for.
pub const ADDED_COLUMNS: [&str; 3] = ["score", "anomalous", "reasons"];

/// How many events were scored, and how many are anomalous.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ScoreSummary {
    /// All events.
    pub events: u64,
    /// Those above the threshold.
    pub anomalous: u64,
    /// How many values of categorical features were never seen in training.
    pub unseen_categories: u64,
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
    /// The file of the first of them, or what messages call record batches or a stream.
    pub file: PathBuf,
    /// Its row in that file, batches or stream, counted from 1 after the header.
    pub row: u64,
    /// Its columns and values, in the order of the data; a null is `None`.
    pub event: Vec<(String, Option<String>)>,
    /// What speaks most for an anomaly, strongest first; empty where the model cannot say why.
    pub reasons: Vec<Reason>,
}

/// One event with everything that the model says of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explained {
    /// The event; all its reasons are in the explanation.
    #[serde(flatten)]
    pub anomaly: Anomaly,
    /// Where its score comes from.
    pub explanation: EventExplanation,
    /// How many events were selected, of which this is the first.
    pub selected: u64,
}

/// Which event is to be explained: the first that fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// The row of the data, counted from 1 over all files.
    Row(u64),
    /// A SQL condition over the event's columns.
    Where(String),
}

/// What is written for every event.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScoreOptions {
    /// Only events above the threshold.
    pub only_anomalous: bool,
    /// The strongest reasons for every anomalous event, in words.
    pub explain: bool,
}

/// Writes every event, or the anomalous ones only, with its score and verdict to `to`, in the order of the data.
///
/// # Errors
/// The output cannot be written, the data already has the added columns, lacks the recipe's, has no rows, or cannot be
/// read. A file that was there before is replaced only by a complete one.
pub async fn score_to_file(
    engine: &Engine,
    model: &Model,
    source: &mut Source,
    to: impl Into<Destination>,
    options: ScoreOptions,
) -> Result<ScoreSummary> {
    let to = to.into();
    let format = to.format()?;
    source.refuse_as_output(&to)?;
    if let Some(origin) = model.origin() {
        to.refuse_to_replace(Path::new(&origin.uri), "model")?;
    }
    let added = &ADDED_COLUMNS[..if options.explain { 3 } else { 2 }];
    if let Some(column) = added.iter().find(|column| source.has_column(column)) {
        return Err(
            Error::usage(format!("the data already has a column `{column}`"))
                .hint("score the original data, or rename the column first"),
        );
    }
    let plan = model.recipe().plan(engine, source)?;
    let mut read = if format == TableFormat::Csv {
        source.as_text_except(&plan.needed)
    } else {
        source.clone()
    };
    let schema = scored_schema(&read, options.explain);
    let start = || {
        Ok((
            TableWriter::create(&to, Arc::clone(&schema))?,
            ScoreSummary::default(),
            Attribution::new(model),
        ))
    };
    let scan = OrderedScan {
        engine,
        model,
        plan: &plan,
        condition: None,
    };
    let (writer, summary, _) = scan
        .fold(&mut read, start, |(writer, summary, attribution), batch| {
            let reasons = if options.explain {
                Some(reasons(&batch, attribution)?)
            } else {
                None
            };
            summary.add(&batch);
            writer.write(&with_verdicts(
                &batch,
                &schema,
                reasons,
                options.only_anomalous,
            )?)
        })
        .await?;
    source.adopt_counts(&read);
    summary.refuse_none(source)?;
    writer.finish()?;
    Ok(summary)
}

/// The `count` most anomalous distinct feature rows, highest score first, each with its first event. Of equal scores
/// the one that comes first in the data is preferred.
///
/// # Errors
/// The data lacks the recipe's columns, has no rows or cannot be read.
pub async fn most_anomalous(
    engine: &Engine,
    model: &Model,
    source: &mut Source,
    count: usize,
    only_anomalous: bool,
) -> Result<(ScoreSummary, Vec<Anomaly>)> {
    let plan = model.recipe().plan(engine, source)?;
    let mut read = source.as_text_except(&plan.needed);
    let lowest = if only_anomalous {
        model.threshold().value
    } else {
        f64::NEG_INFINITY
    };
    let start = || Ok((Ranking::new(count, lowest), ScoreSummary::default()));
    let scan = OrderedScan {
        engine,
        model,
        plan: &plan,
        condition: None,
    };
    let (ranking, summary) = scan
        .fold(&mut read, start, |(ranking, summary), batch| {
            summary.add(&batch);
            ranking.push(&batch)
        })
        .await?;
    source.adopt_counts(&read);
    summary.refuse_none(source)?;
    Ok((summary, ranking.finish(model)))
}

/// Explains the first event that `selection` names.
///
/// # Errors
/// No event fits, the condition is not SQL over the data's columns, the data lacks the recipe's columns or cannot be
/// read, the model's forest is of a kind that cannot be explained.
pub async fn explain_event(
    engine: &Engine,
    model: &Model,
    source: &mut Source,
    selection: &Selection,
) -> Result<Explained> {
    let plan = model.recipe().plan(engine, source)?;
    let condition = match selection {
        Selection::Where(sql) => Some(sql.as_str()),
        Selection::Row(_) => None,
    };
    let scan = OrderedScan {
        engine,
        model,
        plan: &plan,
        condition,
    };
    let start = || Ok((None, 0_u64, 0_u64));
    let (found, selected, rows) = scan
        .fold(source, start, |(found, selected, rows), batch| {
            for row in 0..batch.scores.len() {
                *rows += 1;
                let fits = match selection {
                    Selection::Row(wanted) => rows == wanted,
                    Selection::Where(_) => batch.is_selected(row),
                };
                if fits {
                    *selected += 1;
                    if found.is_none() {
                        *found = Some(batch.entry(row)?);
                    }
                }
            }
            Ok(())
        })
        .await?;
    let Some(entry) = found else {
        let hint = "rows count from 1; a condition is SQL, as in \"userId >= 1000 AND eventName = 'connect'\"";
        return Err(Error::usage(format!("none of the {rows} events is selected")).hint(hint));
    };
    let explanation = model.explain(&entry.as_explained())?;
    Ok(Explained {
        anomaly: entry.anomaly,
        explanation,
        selected,
    })
}

impl ScoreSummary {
    /// Refuses data without rows, which gives no scores.
    fn refuse_none(&self, source: &Source) -> Result<()> {
        match self.events {
            0 => Err(no_events(source)),
            _ => Ok(()),
        }
    }

    fn add(&mut self, batch: &ScoredBatch) {
        let scores = &batch.scores;
        let anomalous = (0..scores.len()).filter(|row| scores.is_anomalous(*row));
        self.events += scores.len() as u64;
        self.anomalous += anomalous.count() as u64;
        self.unseen_categories += batch.unseen_categories;
    }
}

fn scored_schema(source: &Source, explain: bool) -> SchemaRef {
    let [score, anomalous, reasons] = ADDED_COLUMNS;
    let mut fields: Vec<Field> = source
        .schema()
        .fields()
        .iter()
        .map(|field| field.as_ref().clone())
        .collect();
    fields.push(Field::new(score, DataType::Float64, false));
    fields.push(Field::new(anomalous, DataType::Boolean, false));
    if explain {
        fields.push(Field::new(reasons, DataType::Utf8, true));
    }
    Arc::new(Schema::new(fields))
}

fn with_verdicts(
    batch: &ScoredBatch,
    schema: &SchemaRef,
    reasons: Option<ArrayRef>,
    only_anomalous: bool,
) -> Result<RecordBatch> {
    let failed = |error: ArrowError| Error::internal(format!("a scored batch: {error}"));
    let verdicts = batch.scores.verdicts();
    let scores: ArrayRef = Arc::new(batch.scores.to_array());
    let added = [scores, Arc::new(verdicts.clone()) as ArrayRef]
        .into_iter()
        .chain(reasons);
    let rows = RecordBatch::try_new(
        Arc::clone(schema),
        batch.events.iter().cloned().chain(added).collect(),
    );
    let rows = rows.map_err(failed)?;
    if only_anomalous {
        filter_record_batch(&rows, &verdicts).map_err(failed)
    } else {
        Ok(rows)
    }
}

/// The strongest reasons of every anomalous event as one text.
fn reasons(batch: &ScoredBatch, attribution: &mut Attribution) -> Result<ArrayRef> {
    let texts = (0..batch.scores.len()).map(|row| {
        if !batch.scores.is_anomalous(row) {
            return Ok(None);
        }
        let entry = batch.entry(row)?;
        let reasons = attribution.strongest(&entry.as_explained(), REASONS)?;
        Ok(Some(
            reasons
                .into_iter()
                .map(|reason| reason.text)
                .collect::<Vec<_>>()
                .join("; "),
        ))
    });
    Ok(Arc::new(texts.collect::<Result<StringArray>>()?))
}

//! Scoring of events: a file with every event's score and verdict, a list of the most anomalous events, and the
//! explanation of a single event.

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
use crate::event::Event;
use crate::explain::{Attribution, EventExplanation, REASONS, Reason, reasons_as_text};
use crate::features::FEATURE_KEY;
use crate::incident::{Assigned, AssignedReader, assign};
use crate::model::Model;
use crate::output::{Destination, TableFormat, TableWriter};
use crate::recipe::plan::FeaturePlan;
use crate::source::{Source, no_events};
use ranking::Ranking;
use scan::{OrderedScan, ScoredBatch};

/// The columns that scoring can add. The last two are added only if they are asked for.
pub const ADDED_COLUMNS: [&str; 7] = [
    "score",
    "anomalous",
    "source_file",
    "source_row",
    FEATURE_KEY,
    "incident",
    "reasons",
];

/// The number of events that were scored, and of the anomalous ones among them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ScoreSummary {
    /// The number of events.
    pub events: u64,
    /// The number of events above the threshold.
    pub anomalous: u64,
    /// The number of values of categorical features that training never saw, over all events.
    pub unseen_categories: u64,
    /// The number of incidents; `None` if they were not asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incidents: Option<u64>,
}

/// An event, with its score and the number of events that have the same features.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Anomaly {
    /// The anomaly score, in (0, 1].
    pub score: f64,
    /// Whether the score is above the threshold.
    pub anomalous: bool,
    /// The number of events with the same features, including this one.
    pub events_alike: u64,
    /// The file of the event, which is the first of those with the same features, or the name of its batches or stream.
    #[serde(rename = "source_file")]
    pub file: PathBuf,
    /// The event's row in the file, the batches or the stream, counted from 1 after the header. Lines that cannot be
    /// read are not counted.
    #[serde(rename = "source_row")]
    pub row: u64,
    /// The event's row in the data, counted from 1 over all files: that of [`Selection::Row`].
    #[serde(rename = "row")]
    pub row_in_data: u64,
    /// A text that is the same for events with the same features.
    pub feature_key: String,
    /// The event's columns and values.
    pub event: Event,
    /// The strongest reasons for an anomaly, strongest first; empty if the model cannot be explained.
    pub reasons: Vec<Reason>,
}

/// One event with the complete explanation of its score.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explained {
    /// The event. Its reasons are the contributions of all features, in ascending order.
    #[serde(flatten)]
    pub anomaly: Anomaly,
    /// The mean path length divided by c(max_samples), which is −log2 of the score. It is the sum of `base` and all
    /// contributions.
    pub normalised_path_length: f64,
    /// The mean normalised path length of the events that the trees were grown on.
    pub base: f64,
    /// The number of events that were selected, of which this is the first.
    pub selected: u64,
}

/// A selection of events, of which the first is explained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// The event in this row of the data, counted from 1 over all files.
    Row(u64),
    /// The events that fulfil this SQL condition over an event's columns.
    Where(String),
}

/// The options of scoring to a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScoreOptions {
    /// Whether only events above the threshold are written.
    pub only_anomalous: bool,
    /// Whether the strongest reasons for every anomalous event are written, in words.
    pub explain: bool,
    /// Whether the id of every anomalous event's incident is written, as [`incidents`](crate::incident::incidents) finds
    /// it. The data is then read more than once.
    pub incidents: bool,
    /// Columns whose values tell the incidents of a host apart, instead of its processes.
    pub incident_by: Vec<String>,
}

impl ScoreOptions {
    /// Returns the names of the columns that are added.
    fn added(&self) -> impl Iterator<Item = &'static str> {
        let [.., incident, reasons] = ADDED_COLUMNS;
        ADDED_COLUMNS.into_iter().filter(move |column| {
            (*column != incident || self.incidents) && (*column != reasons || self.explain)
        })
    }
}

/// Writes every event, or only the anomalous ones, with its score and verdict to `to`, in the order of the data. An
/// existing file is replaced only by a complete one.
///
/// # Errors
/// Fails when the output cannot be written, and when the data already has one of the added columns, lacks the recipe's
/// columns, has no rows, or cannot be read; with incidents also when the data can be read only once, or changes meanwhile.
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
    let read = |source: &Source, plan: &FeaturePlan| match format {
        TableFormat::Csv => source.as_text_except(&plan.needed),
        _ => source.clone(),
    };
    let create = |schema: SchemaRef| TableWriter::create(&to, schema);
    let (writer, summary) = score_rows(
        engine,
        model,
        source,
        &options,
        read,
        create,
        TableWriter::write,
    )
    .await?;
    writer.finish()?;
    Ok(summary)
}

/// The scored events of some data, in memory.
#[derive(Debug, Clone)]
pub struct ScoredEvents {
    /// The number of events that were scored, and how many of them are anomalous.
    pub summary: ScoreSummary,
    /// The columns of the events, followed by those that scoring adds.
    pub schema: SchemaRef,
    /// The events in the order of the data.
    pub batches: Vec<RecordBatch>,
}

/// Returns what [`score_to_file`] writes, in memory.
///
/// # Errors
/// Fails when the data already has one of the added columns, lacks the recipe's columns, has no rows, or cannot be read;
/// with incidents also when the data can be read only once, or changes meanwhile.
pub async fn score_to_batches(
    engine: &Engine,
    model: &Model,
    source: &mut Source,
    options: ScoreOptions,
) -> Result<ScoredEvents> {
    let create = |schema: SchemaRef| Ok((schema, Vec::new()));
    let write = |(_, batches): &mut (SchemaRef, Vec<RecordBatch>), rows: &RecordBatch| {
        batches.push(rows.clone());
        Ok(())
    };
    let read = |source: &Source, _: &FeaturePlan| source.clone();
    let scored = score_rows(engine, model, source, &options, read, create, write);
    let ((schema, batches), summary) = scored.await?;
    Ok(ScoredEvents {
        summary,
        schema,
        batches,
    })
}

/// Scores the events that `read` makes of `source`, and passes the rows to the state that `create` makes.
async fn score_rows<W>(
    engine: &Engine,
    model: &Model,
    source: &mut Source,
    options: &ScoreOptions,
    read: impl Fn(&Source, &FeaturePlan) -> Source,
    create: impl Fn(SchemaRef) -> Result<W>,
    mut write: impl FnMut(&mut W, &RecordBatch) -> Result<()>,
) -> Result<(W, ScoreSummary)> {
    if let Some(column) = options.added().find(|column| source.has_column(column)) {
        return Err(
            Error::usage(format!("the data already has a column `{column}`"))
                .hint("score the original data, or rename the column first"),
        );
    }
    let assigned = match options.incidents {
        true => Some(find_incidents(engine, model, source, &options.incident_by).await?),
        false => None,
    };
    let plan = model.recipe().plan(engine, source)?;
    let mut read = read(source, &plan);
    let schema = scored_schema(&read, options);
    let start = || {
        let summary = ScoreSummary {
            incidents: assigned.as_ref().map(|(found, _)| *found),
            ..ScoreSummary::default()
        };
        let incidents = assigned.as_ref().map(|(_, assigned)| assigned.read());
        Ok((
            create(Arc::clone(&schema))?,
            summary,
            Attribution::new(model),
            incidents.transpose()?,
        ))
    };
    let scan = OrderedScan {
        engine,
        model,
        plan: &plan,
        types: types_of(source),
        condition: None,
    };
    let step = |(writer, summary, attribution, incidents): &mut (_, ScoreSummary, _, _),
                batch: ScoredBatch| {
        let mut asked = Vec::new();
        if let Some(incidents) = incidents {
            asked.push(incident_ids(&batch, incidents)?);
        }
        if options.explain {
            asked.push(reasons(&batch, attribution)?);
        }
        summary.add(&batch);
        let rows = with_verdicts(&batch, &schema, asked, options.only_anomalous)?;
        write(writer, &rows)
    };
    let (writer, summary, _, incidents) = scan.fold(&mut read, start, step).await?;
    if incidents.is_some_and(|incidents: AssignedReader| !incidents.is_at_end()) {
        return Err(changed(&source.names()[0].display().to_string()));
    }
    source.adopt_counts(&read);
    summary.refuse_none(source)?;
    Ok((writer, summary))
}

/// Finds the incidents of the anomalous events of `source`, and their number.
///
/// # Errors
/// Fails when the data can be read only once, and as [`assign`] does.
async fn find_incidents(
    engine: &Engine,
    model: &Model,
    source: &mut Source,
    by: &[String],
) -> Result<(u64, Assigned)> {
    if !source.is_repeatable() {
        let name = source.names()[0].display().to_string();
        let why = format!(
            "{name}: incidents are found in a pass of their own, and a stream can be read only once"
        );
        return Err(Error::usage(why).hint(
            "collect the rows into record batches, or write them to a file, and read those",
        ));
    }
    assign(engine, model, source, by).await
}

/// Returns the id of the incident of each event of a batch, and null for those that are not anomalous.
///
/// # Errors
/// Fails when the events are not those whose incidents were found.
fn incident_ids(batch: &ScoredBatch, incidents: &mut AssignedReader) -> Result<ArrayRef> {
    let ids = (0..batch.scores.len()).map(|row| {
        let id = incidents.incident_of(batch.events_before + row as u64)?;
        match id.is_some() == batch.scores.is_anomalous(row) {
            true => Ok(id),
            false => Err(changed(&batch.file().display().to_string())),
        }
    });
    Ok(Arc::new(ids.collect::<Result<StringArray>>()?))
}

/// Returns the error of data that was not the same when it was read again.
fn changed(name: &str) -> Error {
    Error::data(format!("{name}: the data changed while it was read"))
        .hint("read a copy that nothing writes to")
}

/// Which of the most anomalous events are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listing {
    /// The largest number of distinct feature rows in the list.
    pub rows: usize,
    /// Whether events at or below the threshold are left out.
    pub only_anomalous: bool,
}

impl Listing {
    /// Lists `rows` distinct feature rows, whether or not they are above the threshold.
    pub fn top(rows: usize) -> Self {
        Self {
            rows,
            only_anomalous: false,
        }
    }
}

/// The most anomalous events of some data.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MostAnomalous {
    /// The number of events that were scored, and how many of them are anomalous.
    #[serde(flatten)]
    pub summary: ScoreSummary,
    /// The events, highest score first.
    pub anomalies: Vec<Anomaly>,
}

/// Returns the most anomalous distinct feature rows of `source`, highest score first, each with its first event. Of
/// equal scores the one that comes first in the data is preferred.
///
/// # Errors
/// Fails when the data lacks the recipe's columns, has no rows or cannot be read.
pub async fn most_anomalous(
    engine: &Engine,
    model: &Model,
    source: &mut Source,
    listing: Listing,
) -> Result<MostAnomalous> {
    let plan = model.recipe().plan(engine, source)?;
    let mut read = source.as_text_except(&plan.needed);
    let lowest = if listing.only_anomalous {
        model.threshold().value
    } else {
        f64::NEG_INFINITY
    };
    let start = || Ok((Ranking::new(listing.rows, lowest), ScoreSummary::default()));
    let scan = OrderedScan {
        engine,
        model,
        plan: &plan,
        types: types_of(source),
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
    Ok(MostAnomalous {
        summary,
        anomalies: ranking.finish(model),
    })
}

/// Returns the types that the columns of `source` are read as.
fn types_of(source: &Source) -> Arc<[DataType]> {
    let columns = source.columns().iter();
    columns.map(|column| column.data_type.clone()).collect()
}

/// Explains the first event of `selection`.
///
/// # Errors
/// Fails when no event is selected, when the condition is not SQL over the data's columns, when the data lacks the
/// recipe's columns or cannot be read, and when the model's forest has extended splits, which cannot be explained.
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
        types: types_of(source),
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
        let names = source.columns().iter().map(|column| column.name.as_str());
        let hint = format!("rows count from 1; {}", scan::condition_hint(names));
        return Err(Error::usage(format!("none of the {rows} events is selected")).hint(hint));
    };
    let EventExplanation {
        normalised_path_length,
        base,
        reasons,
    } = model.explain(&entry.as_explained())?;
    Ok(Explained {
        anomaly: Anomaly {
            reasons,
            ..entry.anomaly
        },
        normalised_path_length,
        base,
        selected,
    })
}

impl ScoreSummary {
    /// Fails if no event was scored, as with data without rows.
    fn refuse_none(&self, source: &Source) -> Result<()> {
        match self.events {
            0 => Err(no_events(source)),
            _ => Ok(()),
        }
    }

    /// Adds the events of a batch.
    fn add(&mut self, batch: &ScoredBatch) {
        let scores = &batch.scores;
        let anomalous = (0..scores.len()).filter(|row| scores.is_anomalous(*row));
        self.events += scores.len() as u64;
        self.anomalous += anomalous.count() as u64;
        self.unseen_categories += batch.unseen_categories;
    }
}

/// Returns the schema of `source` with the added columns.
fn scored_schema(source: &Source, options: &ScoreOptions) -> SchemaRef {
    let [score, anomalous, file, row, key, incident, reasons] = ADDED_COLUMNS;
    let mut fields: Vec<Field> = source
        .schema()
        .fields()
        .iter()
        .map(|field| field.as_ref().clone())
        .collect();
    fields.push(Field::new(score, DataType::Float64, false));
    fields.push(Field::new(anomalous, DataType::Boolean, false));
    fields.push(Field::new(file, DataType::Utf8, false));
    fields.push(Field::new(row, DataType::UInt64, false));
    fields.push(Field::new(key, DataType::Utf8, false));
    if options.incidents {
        fields.push(Field::new(incident, DataType::Utf8, true));
    }
    if options.explain {
        fields.push(Field::new(reasons, DataType::Utf8, true));
    }
    Arc::new(Schema::new(fields))
}

/// Returns the events of a batch with the columns that scoring adds, of which `asked` are the last.
fn with_verdicts(
    batch: &ScoredBatch,
    schema: &SchemaRef,
    asked: Vec<ArrayRef>,
    only_anomalous: bool,
) -> Result<RecordBatch> {
    let failed = |error: ArrowError| Error::internal(format!("a scored batch: {error}"));
    let verdicts = batch.scores.verdicts();
    let scores: ArrayRef = Arc::new(batch.scores.to_array());
    let added = [scores, Arc::new(verdicts.clone()) as ArrayRef]
        .into_iter()
        .chain(batch.places()?)
        .chain(asked);
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

/// Returns one text per event: the strongest reasons of an anomalous one, and null for the others.
fn reasons(batch: &ScoredBatch, attribution: &mut Attribution) -> Result<ArrayRef> {
    let texts = (0..batch.scores.len()).map(|row| {
        if !batch.scores.is_anomalous(row) {
            return Ok(None);
        }
        let entry = batch.entry(row)?;
        let reasons = attribution.strongest(&entry.as_explained(), REASONS)?;
        // An anomalous event has a text, even where no feature makes it more anomalous.
        Ok(Some(reasons_as_text(reasons).unwrap_or_default()))
    });
    Ok(Arc::new(texts.collect::<Result<StringArray>>()?))
}

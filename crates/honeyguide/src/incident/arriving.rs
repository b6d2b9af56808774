//! Events that arrive one by one: decoded, scored, and given the columns that the fold of incidents takes.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, UInt32Array};
use datafusion::arrow::compute::{filter_record_batch, take};
use datafusion::arrow::datatypes::{DataType, Field, Float64Type, Schema, SchemaRef};
use datafusion::logical_expr::Expr;

use super::IncidentOptions;
use super::query::{IncidentQuery, SCORES};
use crate::clock::{Clock, TimeColumn};
use crate::engine::{Engine, expressions_context};
use crate::error::{Error, Result};
use crate::features::InputExpressions;
use crate::model::Model;
use crate::scorer::Scores;
use crate::source::{ReadOptions, RecordDecoder, RecordFormat, Source, Unread, record_end};

/// The greatest number of events that are scored at once.
pub const LIVE_BATCH_ROWS: usize = 8192;

/// The options of reading events that arrive one by one.
#[derive(Debug, Clone, Default)]
pub struct LiveOptions {
    /// The host of events that do not name one.
    pub host_name: Option<String>,
    /// Columns whose values tell incidents of a host apart, instead of its processes.
    pub by: Vec<String>,
}

/// Events of one format that arrive one by one, read and scored.
pub struct LiveEvents {
    format: RecordFormat,
    source: Source,
    clock: Option<Clock>,
    options: LiveOptions,
    query: Arc<IncidentQuery>,
    decoder: RecordDecoder,
    /// The columns of every event, and the inputs of its features.
    of_all: InputExpressions,
    /// The columns of anomalous events.
    of_anomalous: InputExpressions,
    schema: SchemaRef,
    malformed_args: Arc<AtomicU64>,
}

/// Events with their scores, and what the fold of incidents takes of them.
#[derive(Debug, Clone)]
pub struct ScoredEvents {
    pub(super) query: Arc<IncidentQuery>,
    pub(super) rows: RecordBatch,
    /// The number of events that the recipe cannot use, and why the first of them is unusable.
    pub unusable: Option<(u64, String)>,
}

impl LiveEvents {
    /// Learns from the first records, which are whole, how the records of the input called `name` are read.
    ///
    /// # Errors
    /// Fails when the records have no known format, lack a column of the model's recipe or of `options`, and when none of
    /// them can be read.
    pub fn open(
        engine: &Engine,
        model: &Model,
        (name, first): (&Path, &[u8]),
        read: &ReadOptions,
        options: &LiveOptions,
    ) -> Result<Self> {
        let host = options.host_name.as_deref();
        let (format, source) = RecordFormat::learn(name, first, read, host)?;
        let clock = clock(&format, &source, first)?;
        Self::new(engine, model, format, source, clock, options.clone())
    }

    /// Returns the same events as another model scores them. Records that are not scored yet must be taken before.
    ///
    /// # Errors
    /// Fails when the records lack a column of the model's recipe.
    pub fn with_model(&self, engine: &Engine, model: &Model) -> Result<Self> {
        let (format, source) = (self.format.after(&self.decoder), self.source.clone());
        let (clock, options) = (self.clock.clone(), self.options.clone());
        Self::new(engine, model, format, source, clock, options)
    }

    fn new(
        engine: &Engine,
        model: &Model,
        format: RecordFormat,
        source: Source,
        clock: Option<Clock>,
        options: LiveOptions,
    ) -> Result<Self> {
        let plan = model.recipe().plan(engine, &source)?;
        let by = IncidentOptions {
            by: options.by.clone(),
            ..IncidentOptions::default()
        };
        let query = IncidentQuery::new(engine, model, &source, &plan, clock.as_ref(), &by)?;
        let decoder = format.decoder(&query.needed);
        let malformed_args = Arc::default();
        let planned = |exprs: Vec<Expr>| {
            let named = exprs.into_iter().enumerate();
            let named = named.map(|(place, expr)| expr.alias(format!("__{place}")));
            let named: Vec<Expr> = named.collect();
            let context = expressions_context();
            InputExpressions::new(&context, &named, decoder.schema(), &malformed_args)
        };
        let inputs = query.plan.inputs.iter().cloned().map(Expr::unalias);
        let of_all = planned(query.of_all.iter().cloned().chain(inputs).collect())?;
        let of_anomalous = planned(query.of_anomalous.clone())?;
        let empty = RecordBatch::new_empty(Arc::clone(decoder.schema()));
        let types = of_all.evaluate(&empty).map_err(Error::engine)?;
        let types = types.iter().take(query.of_all.len()).map(type_of);
        let described = of_anomalous.evaluate(&empty).map_err(Error::engine)?;
        let types = types
            .chain([DataType::Float64])
            .chain(described.iter().map(type_of));
        let fields = types.enumerate();
        let fields = fields.map(|(place, found)| Field::new(format!("__{place}"), found, true));
        Ok(Self {
            schema: Arc::new(Schema::new(fields.collect::<Vec<_>>())),
            query: Arc::new(query),
            decoder,
            of_all,
            of_anomalous,
            malformed_args,
            format,
            source,
            clock,
            options,
        })
    }

    /// Returns whether the records are CSV, in which a line end within quotes ends no record.
    pub fn is_csv(&self) -> bool {
        self.format.is_csv()
    }

    /// Returns what the records are, with an article, such as `a log of kernel calls`.
    pub fn log_name(&self) -> &'static str {
        self.source.log().name()
    }

    /// Returns whether times count from 1970-01-01 UTC; `None` if the records have no times.
    pub fn times_are_dates(&self) -> Option<bool> {
        self.clock.as_ref().map(|clock| clock.is_date)
    }

    /// Adds a record, without the end of its line.
    ///
    /// # Errors
    /// Fails with the reason why the record is no event.
    pub fn push(&mut self, record: &[u8]) -> std::result::Result<(), Unread> {
        self.decoder.push(record)
    }

    /// Returns whether as many events were added as are scored at once.
    pub fn is_full(&self) -> bool {
        self.decoder.is_full(LIVE_BATCH_ROWS)
    }

    /// Takes the events that were added, and scores them. Events that the recipe cannot use are left out and counted.
    ///
    /// # Errors
    /// Fails when the engine does, which is a defect.
    pub fn score(&mut self) -> Result<Option<ScoredEvents>> {
        let Some(batch) = self.decoder.flush()? else {
            return Ok(None);
        };
        let error = match self.scored(&batch) {
            Ok(rows) => {
                return Ok(Some(ScoredEvents {
                    query: Arc::clone(&self.query),
                    rows,
                    unusable: None,
                }));
            }
            Err(error) => error,
        };
        let usable: BooleanArray = (0..batch.num_rows())
            .map(|row| Some(self.scored(&batch.slice(row, 1)).is_ok()))
            .collect();
        let unusable = usable.false_count() as u64;
        if unusable == 0 {
            return Err(error);
        }
        let kept = filter_record_batch(&batch, &usable)
            .map_err(|error| Error::internal(format!("usable events: {error}")))?;
        Ok(Some(ScoredEvents {
            query: Arc::clone(&self.query),
            rows: self.scored(&kept)?,
            unusable: Some((unusable, error.message().into_owned())),
        }))
    }

    /// Takes the number of values of `args` that could not be read since the last call. They were taken as null.
    pub fn take_malformed_args(&self) -> u64 {
        self.malformed_args.swap(0, Ordering::Relaxed)
    }

    /// Returns what is read of each event.
    pub(super) fn query(&self) -> &Arc<IncidentQuery> {
        &self.query
    }

    /// Takes rows that were scored before.
    ///
    /// # Errors
    /// Fails when they have other columns.
    pub(super) fn scored_before(&self, rows: RecordBatch) -> Result<ScoredEvents> {
        if rows.schema_ref().fields() != self.schema.fields() {
            return Err(Error::data(
                "waiting events were scored by a model with other features",
            ));
        }
        Ok(ScoredEvents {
            query: Arc::clone(&self.query),
            rows,
            unusable: None,
        })
    }

    /// Returns the columns of the query of incidents for every row of `batch`.
    fn scored(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let failed = |error| Error::internal(format!("scored events: {error}"));
        let mut columns = self.of_all.evaluate(batch).map_err(Error::engine)?;
        let inputs = columns.split_off(self.query.of_all.len());
        let scores = Scores::of_inputs(&self.query.model, inputs)?;
        columns.push(Arc::new(scores.to_array()));
        let verdicts = scores.verdicts();
        let anomalous = filter_record_batch(batch, &verdicts).map_err(failed)?;
        let described = self
            .of_anomalous
            .evaluate(&anomalous)
            .map_err(Error::engine)?;
        let mut row = 0;
        let rows = verdicts.iter().map(|is_anomalous| {
            is_anomalous.unwrap_or(false).then(|| {
                row += 1;
                row - 1
            })
        });
        let rows: UInt32Array = rows.collect();
        for column in &described {
            columns.push(take(column, &rows, None).map_err(failed)?);
        }
        RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(failed)
    }
}

impl ScoredEvents {
    /// Returns the number of events.
    pub fn len(&self) -> usize {
        self.rows.num_rows()
    }

    /// Returns whether there are no events.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the anomaly score of each event, in the order in which they came.
    pub fn scores(&self) -> &[f64] {
        self.rows
            .column(SCORES)
            .as_primitive::<Float64Type>()
            .values()
    }

    /// Returns the number of events above the threshold.
    pub fn anomalous(&self) -> u64 {
        let threshold = self.query.model.threshold();
        let scores = self.scores().iter();
        scores.filter(|score| threshold.flags(**score)).count() as u64
    }
}

fn type_of(array: &ArrayRef) -> DataType {
    array.data_type().clone()
}

/// Returns the clock of the first records. Later ones do not change what their numbers count.
fn clock(format: &RecordFormat, source: &Source, first: &[u8]) -> Result<Option<Clock>> {
    let Some(time) = TimeColumn::of(source) else {
        return Ok(None);
    };
    let needed = time.ticks.column_refs().into_iter();
    let needed = needed.map(|column| column.name.clone()).collect();
    let mut decoder = format.decoder(&needed);
    let mut rest = first;
    while let Some(end) = record_end(rest, format.is_csv()) {
        // A record that cannot be read has no time.
        let _ = decoder.push(&rest[..end - 1]);
        rest = &rest[end..];
    }
    let _ = decoder.push(rest);
    let Some(batch) = decoder.flush()? else {
        return Ok(Some(time.clock(f64::INFINITY, 0.0)));
    };
    let context = expressions_context();
    let ticks = crate::clock::finite(time.ticks.clone());
    let ticks = InputExpressions::new(&context, &[ticks], decoder.schema(), &Arc::default())?;
    let ticks = ticks.evaluate(&batch).map_err(Error::engine)?;
    let ticks = ticks[0].as_primitive::<Float64Type>();
    let ticks = || ticks.iter().flatten();
    let least = ticks().min_by(f64::total_cmp).unwrap_or(0.0);
    let greatest = ticks().max_by(f64::total_cmp).unwrap_or(0.0);
    Ok(Some(time.clock(least, greatest)))
}

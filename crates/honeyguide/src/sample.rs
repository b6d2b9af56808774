//! Sampling of rows without replacement, in one pass, with memory for the sample and for counts of the distinct rows.
//!
//! Every row gets a random number from its content, from the number of equal rows before it, and from the seed. The
//! rows with the lowest numbers are the sample ("bottom-k", Cohen & Kaplan 2007, "Summarizing data using bottom-k
//! sketches", PODC). The sample therefore does not depend on the number of threads or on the order of rows and files.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, UInt64Array};
use datafusion::arrow::compute::{concat_batches, filter_record_batch, take_record_batch};
use datafusion::arrow::datatypes::{Int64Type, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::arrow::row::{RowConverter, SortField};
use datafusion::logical_expr::{Expr, ident};
use datafusion::prelude::DataFrame;
use learn::sampling::StableHash;
use serde::Serialize;

use crate::engine::Engine;
use crate::engine::columns::select;
use crate::error::{Error, Result};
use crate::groups::Keys;
use crate::labels::{class_of, label_key};
use crate::output::{Destination, TableFormat, TableWriter};
use crate::scan::{FileRows, Scan};
use crate::source::{Source, no_events};

/// The greatest number of rows in a sample, which is held in memory.
pub const MAX_ROWS: usize = 10_000_000;
/// The greatest number of distinct rows that are remembered to find equal ones. Later rows are identified by their
/// position.
const MAX_DISTINCT: usize = 1_800_000;
/// The number of rows beyond twice the sample that are held before the surplus is dropped, and of rows in a written
/// batch.
const SLACK: usize = 8192;

/// The options of a sample.
#[derive(Debug, Clone, PartialEq)]
pub struct SampleOptions {
    /// The number of rows to draw, from 1 to [`MAX_ROWS`].
    pub rows: usize,
    /// The share of drawn rows with label 1. If `None`, rows are drawn uniformly.
    pub balance: Option<Balance>,
    /// The seed of every random choice.
    pub seed: u64,
}

/// The share of labelled rows in a sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Balance {
    /// The name of the label's column, which holds 0 and 1.
    pub label: String,
    /// The share of rows with label 1, from 0 to 1.
    pub fraction: f64,
}

/// The summary of a sample.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SampleSummary {
    /// The number of rows in the data.
    pub rows_read: u64,
    /// The number of rows that were asked for.
    pub rows_wanted: u64,
    /// The number of rows that were drawn, which is lower than asked for if the data has too few.
    pub rows_drawn: u64,
    /// The numbers of rows by class, if the sample has a share of labelled rows.
    pub classes: Option<LabelSample>,
}

/// The numbers of rows by class.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LabelSample {
    /// The name of the label's column.
    pub label: String,
    /// The rows with label 1.
    pub ones: ClassSample,
    /// The rows with label 0.
    pub zeros: ClassSample,
}

/// The numbers of rows of one class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ClassSample {
    /// The number of rows in the data.
    pub there_are: u64,
    /// The number of rows that were asked for.
    pub wanted: u64,
    /// The number of rows that were drawn.
    pub drawn: u64,
}

/// Writes a sample of the rows of `source` to `to`, in the order of the data and with unchanged columns.
///
/// # Errors
/// Fails when an option is out of range, when a label is neither 0 nor 1, when the output cannot be written, and when
/// the data cannot be read or has no rows.
pub async fn sample(
    engine: &Engine,
    source: &mut Source,
    options: &SampleOptions,
    to: impl Into<Destination>,
) -> Result<SampleSummary> {
    options.check()?;
    let to = to.into();
    let format = to.format()?;
    source.refuse_as_output(&to)?;
    let balance = options.balance.as_ref();
    let mut keys = Keys::default();
    if let Some(balance) = balance {
        keys.add(label_key(source, &balance.label)?);
    }
    let typed: BTreeSet<String> = balance
        .iter()
        .map(|balance| balance.label.clone())
        .collect();
    let mut read = match format {
        TableFormat::Csv => source.as_text_except(&typed),
        TableFormat::Parquet | TableFormat::Arrow | TableFormat::Json => source.clone(),
    };
    let schema = read.schema();
    let mut writer = TableWriter::create(&to, Arc::clone(&schema))?;
    let drawing = draw(engine, &mut read, options, &keys).await?;
    source.adopt_counts(&read);
    let summary = drawing.summary(options);
    if summary.rows_read == 0 {
        return Err(no_events(source));
    }
    drawing.write(&schema, &mut writer)?;
    writer.finish()?;
    Ok(summary)
}

impl SampleOptions {
    /// Refuses options that are out of range.
    fn check(&self) -> Result<()> {
        if !(1..=MAX_ROWS).contains(&self.rows) {
            let message = format!(
                "a sample of {} rows: it must have 1 to {MAX_ROWS}",
                self.rows
            );
            return Err(Error::usage(message));
        }
        match &self.balance {
            Some(Balance { fraction, .. }) if !(0.0..=1.0).contains(fraction) => Err(Error::usage(
                format!("a fraction of {fraction}: it must be from 0 to 1"),
            )),
            _ => Ok(()),
        }
    }

    /// Returns the number of rows to draw of each class, of label 1 and then of label 0. Without a label, all rows are
    /// one class.
    fn wanted(&self) -> Vec<usize> {
        match &self.balance {
            None => vec![self.rows],
            Some(balance) => {
                let ones = (self.rows as f64 * balance.fraction).round() as usize;
                vec![ones, self.rows - ones]
            }
        }
    }
}

/// The sample of the rows so far.
struct Drawing {
    seed: u64,
    label: Option<String>,
    classes: Vec<Reservoir>,
    rows: u64,
    converter: RowConverter,
    /// The number of repetitions of each distinct row so far, by the hash of the row's content.
    repetitions: HashMap<u64, u64>,
}

/// Draws the sample in a scan of `source`.
async fn draw(
    engine: &Engine,
    source: &mut Source,
    options: &SampleOptions,
    keys: &Keys,
) -> Result<Drawing> {
    let names = source.column_names();
    let scan = Scan::new(engine, "sampling").columns(names).keys(keys);
    let columns: Vec<Expr> = source
        .columns()
        .iter()
        .map(|column| ident(&column.name))
        .collect();
    let labels = keys.iter().map(|key| key.expr.clone().alias(&key.name));
    let selected: Vec<Expr> = columns.into_iter().chain(labels).collect();
    let start = |source: &Source| Drawing::new(&source.schema(), options);
    let query = |table: DataFrame| select(table, selected.clone());
    let push = |drawing: &mut Drawing, rows: FileRows| drawing.push(rows.batch);
    scan.fold_in_order(source, start, query, push).await
}

impl Drawing {
    fn new(schema: &SchemaRef, options: &SampleOptions) -> Result<Self> {
        let fields = schema.fields().iter();
        let fields = fields.map(|field| SortField::new(field.data_type().clone()));
        let converter = RowConverter::new(fields.collect()).map_err(|error| {
            Error::data(format!("rows of these columns cannot be compared: {error}"))
        })?;
        Ok(Self {
            seed: options.seed,
            label: options
                .balance
                .as_ref()
                .map(|balance| balance.label.clone()),
            classes: options.wanted().into_iter().map(Reservoir::new).collect(),
            rows: 0,
            converter,
            repetitions: HashMap::new(),
        })
    }

    /// Samples the rows of a batch, whose last column is the label's key if there is a label.
    fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        let n_columns = batch.num_columns() - usize::from(self.label.is_some());
        let kept: Vec<usize> = (0..n_columns).collect();
        let rows = batch.project(&kept).map_err(failed)?;
        let numbers = self.numbers(rows.columns())?;
        for class in 0..self.classes.len() {
            let members = match &self.label {
                None => None,
                Some(label) => Some(members(label, batch.column(n_columns), class)?),
            };
            self.classes[class].push(&rows, &numbers, self.rows, members.as_deref())?;
        }
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    /// Returns the random number of every row.
    fn numbers(&mut self, columns: &[ArrayRef]) -> Result<Vec<u64>> {
        let rows = self.converter.convert_columns(columns).map_err(failed)?;
        let numbers = rows.iter().zip(self.rows..).map(|(row, position)| {
            let held = StableHash::new(self.seed).bytes(row.as_ref()).finish();
            let hash = StableHash::new(self.seed).word(held);
            let has_room = self.repetitions.len() < MAX_DISTINCT;
            let before = match self.repetitions.get_mut(&held) {
                Some(count) => {
                    *count += 1;
                    *count
                }
                None if has_room => *self.repetitions.entry(held).or_insert(0),
                // The highest bit is never set in a count of equal rows.
                None => position | (1 << 63),
            };
            hash.word(before).finish()
        });
        Ok(numbers.collect())
    }

    fn summary(&self, options: &SampleOptions) -> SampleSummary {
        let drawn: Vec<ClassSample> = self
            .classes
            .iter()
            .map(|class| ClassSample {
                there_are: class.rows_met,
                wanted: class.wanted as u64,
                drawn: class.rows_met.min(class.wanted as u64),
            })
            .collect();
        SampleSummary {
            rows_read: self.rows,
            rows_wanted: options.rows as u64,
            rows_drawn: drawn.iter().map(|class| class.drawn).sum(),
            classes: self
                .label
                .as_ref()
                .zip(drawn.get(1))
                .map(|(label, zeros)| LabelSample {
                    label: label.clone(),
                    ones: drawn[0],
                    zeros: *zeros,
                }),
        }
    }

    /// Writes the sample in the order of the data.
    fn write(self, schema: &SchemaRef, writer: &mut TableWriter) -> Result<()> {
        let mut rows = Vec::new();
        let mut positions = Vec::new();
        for mut class in self.classes {
            class.keep_lowest(class.wanted)?;
            rows.extend(class.rows);
            positions.extend(class.places.iter().map(|place| place.position));
        }
        let rows = concat_batches(schema, &rows).map_err(failed)?;
        let mut order: Vec<u64> = (0..positions.len() as u64).collect();
        order.sort_unstable_by_key(|index| positions[*index as usize]);
        for part in order.chunks(SLACK) {
            let part = UInt64Array::from(part.to_vec());
            writer.write(&take_record_batch(&rows, &part).map_err(failed)?)?;
        }
        Ok(())
    }
}

/// Returns whether each row belongs to a class: class 0 has label 1, and class 1 has label 0.
fn members(label: &str, keys: &ArrayRef, class: usize) -> Result<Vec<bool>> {
    let keys = keys
        .as_primitive_opt::<Int64Type>()
        .ok_or_else(|| Error::internal(format!("label {label} came as {}", keys.data_type())))?;
    let is_member = |key| Ok(class_of(label, key)? == (class == 0));
    keys.iter().map(is_member).collect()
}

/// The sample of one class: its rows with the lowest numbers so far.
struct Reservoir {
    wanted: usize,
    /// The number of rows of the class so far.
    rows_met: u64,
    /// The number above which a row cannot be in the sample.
    highest_number: u64,
    rows: Vec<RecordBatch>,
    /// The place of each row in `rows`, in the same order.
    places: Vec<RowPosition>,
}

/// A row's random number and its position in the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct RowPosition {
    number: u64,
    position: u64,
}

impl Reservoir {
    fn new(wanted: usize) -> Self {
        Self {
            wanted,
            rows_met: 0,
            highest_number: u64::MAX,
            rows: Vec::new(),
            places: Vec::new(),
        }
    }

    fn push(
        &mut self,
        rows: &RecordBatch,
        numbers: &[u64],
        first: u64,
        members: Option<&[bool]>,
    ) -> Result<()> {
        let is_member = |row: usize| members.is_none_or(|members| members[row]);
        self.rows_met += (0..numbers.len()).filter(|row| is_member(*row)).count() as u64;
        let is_candidate =
            |row: usize| self.wanted > 0 && is_member(row) && numbers[row] <= self.highest_number;
        let mask: BooleanArray = (0..numbers.len())
            .map(|row| Some(is_candidate(row)))
            .collect();
        if mask.true_count() == 0 {
            return Ok(());
        }
        let places = numbers.iter().zip(first..).zip(mask.values());
        let places = places.filter(|(_, is_candidate)| *is_candidate);
        self.places
            .extend(places.map(|((number, position), _)| RowPosition {
                number: *number,
                position,
            }));
        self.rows
            .push(filter_record_batch(rows, &mask).map_err(failed)?);
        if self.places.len() > 2 * self.wanted + SLACK {
            self.keep_lowest(self.wanted)?;
        }
        Ok(())
    }

    /// Drops all but the `keep` rows with the lowest numbers.
    fn keep_lowest(&mut self, keep: usize) -> Result<()> {
        if keep == 0 || self.places.len() <= keep {
            return Ok(());
        }
        let mut lowest: Vec<Reverse<RowPosition>> =
            self.places.iter().copied().map(Reverse).collect();
        let at = lowest.len() - keep;
        let Reverse(last) = *lowest.select_nth_unstable(at).1;
        self.highest_number = last.number;
        let mask: Vec<bool> = self.places.iter().map(|place| *place <= last).collect();
        let mut from = 0;
        let mut kept = Vec::with_capacity(self.rows.len());
        for rows in &self.rows {
            let part = BooleanArray::from(mask[from..from + rows.num_rows()].to_vec());
            from += rows.num_rows();
            kept.push(filter_record_batch(rows, &part).map_err(failed)?);
        }
        if let Some(schema) = kept.first().map(RecordBatch::schema) {
            self.rows = vec![concat_batches(&schema, &kept).map_err(failed)?];
        }
        self.places.retain(|place| *place <= last);
        Ok(())
    }
}

fn failed(error: ArrowError) -> Error {
    Error::internal(format!("a sampled batch: {error}"))
}

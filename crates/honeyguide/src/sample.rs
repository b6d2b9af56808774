//! Some rows of data, drawn without replacement in one pass and memory for the sample alone.
//!
//! Every row gets a random number from what it holds, how many equal rows came before it, and the seed; the rows of the
//! lowest numbers are the sample ("bottom-k", Cohen & Kaplan 2007, "Summarizing data using bottom-k sketches", PODC).
//! So neither threads nor the order of rows or files decide which rows those are.

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
use crate::error::{Error, Result};
use crate::groups::Keys;
use crate::labels::{class_of, label_key};
use crate::output::{Destination, TableFormat, TableWriter};
use crate::scan::{FileRows, Scan};
use crate::source::{Source, no_events};

/// Most rows that can be drawn: a sample is held in memory.
pub const MAX_ROWS: usize = 10_000_000;
/// Most different rows that equal ones are looked for among; later ones are told apart by their position.
const MAX_DISTINCT: usize = 1_800_000;
/// Rows beyond the sample that are held before they are thrown out.
const SLACK: usize = 8192;

/// What is drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct SampleOptions {
    /// How many rows, from 1 to [`MAX_ROWS`].
    pub rows: usize,
    /// Which share of them has 1 in which label; without it rows are drawn uniformly.
    pub balance: Option<Balance>,
    /// Of every random choice.
    pub seed: u64,
}

/// A share of labelled rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Balance {
    /// The label's column, which holds 0 and 1.
    pub label: String,
    /// The share of rows with label 1, from 0 to 1.
    pub fraction: f64,
}

/// What was drawn.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SampleSummary {
    /// How many rows there are.
    pub rows_read: u64,
    /// How many were asked for.
    pub rows_wanted: u64,
    /// How many were drawn: all there are, where there are too few.
    pub rows_drawn: u64,
    /// The label, and what was drawn of its rows, 1 first.
    pub classes: Option<LabelSample>,
}

/// What was drawn of labelled rows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LabelSample {
    /// The label's column.
    pub label: String,
    /// Rows with label 1.
    pub ones: ClassSample,
    /// Rows with label 0.
    pub zeros: ClassSample,
}

/// What was drawn of one class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ClassSample {
    /// How many rows there are.
    pub there_are: u64,
    /// How many were asked for.
    pub wanted: u64,
    /// How many were drawn.
    pub drawn: u64,
}

/// Writes a sample of `source` to `to`, its rows in the order of the data, its columns as they were read.
///
/// # Errors
/// An option out of range, a label that is neither 0 nor 1, an output that cannot be written, data that cannot be read
/// or has no rows.
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

    /// How many rows are wanted of each class: 1, then 0; of all alike without a label.
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

/// The rows with the lowest numbers so far, by class.
struct Drawing {
    seed: u64,
    label: Option<String>,
    classes: Vec<Reservoir>,
    rows: u64,
    converter: RowConverter,
    /// How often each row was met, by a hash of what it holds.
    met: HashMap<u64, u64>,
}

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
    let query = |table: DataFrame| table.select(selected.clone());
    let push = |drawing: &mut Drawing, rows: FileRows| drawing.push(rows.batch);
    scan.fold_in_order(source, start, query, push).await
}

impl Drawing {
    fn new(schema: &SchemaRef, options: &SampleOptions) -> Result<Self> {
        let fields = schema.fields().iter();
        let fields = fields.map(|field| SortField::new(field.data_type().clone()));
        let converter = RowConverter::new(fields.collect()).map_err(|error| {
            Error::data(format!(
                "rows of these columns cannot be told apart: {error}"
            ))
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
            met: HashMap::new(),
        })
    }

    /// Takes rows with their label's key as the last column, where there is a label.
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

    /// The random number of every row.
    fn numbers(&mut self, columns: &[ArrayRef]) -> Result<Vec<u64>> {
        let rows = self.converter.convert_columns(columns).map_err(failed)?;
        let numbers = rows.iter().zip(self.rows..).map(|(row, position)| {
            let held = StableHash::new(self.seed).bytes(row.as_ref()).finish();
            let hash = StableHash::new(self.seed).word(held);
            let has_room = self.met.len() < MAX_DISTINCT;
            let before = match self.met.get_mut(&held) {
                Some(count) => {
                    *count += 1;
                    *count
                }
                None if has_room => *self.met.entry(held).or_insert(0),
                // Bits that no count of equal rows has.
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
                there_are: class.met,
                wanted: class.wanted as u64,
                drawn: class.met.min(class.wanted as u64),
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
            class.throw_out(class.wanted)?;
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

/// Whether each row is of the class: 0 stands for label 1, 1 for label 0.
fn members(label: &str, keys: &ArrayRef, class: usize) -> Result<Vec<bool>> {
    let keys = keys
        .as_primitive_opt::<Int64Type>()
        .ok_or_else(|| Error::internal(format!("label {label} came as {}", keys.data_type())))?;
    let is_member = |key| Ok(class_of(label, key)? == (class == 0));
    keys.iter().map(is_member).collect()
}

/// The rows of the lowest numbers of one class.
struct Reservoir {
    wanted: usize,
    /// All rows of the class.
    met: u64,
    /// Rows of a number above this one are out of the question.
    bar: u64,
    rows: Vec<RecordBatch>,
    /// One per held row.
    places: Vec<Place>,
}

/// A row's number, and where in the data it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    number: u64,
    position: u64,
}

impl Reservoir {
    fn new(wanted: usize) -> Self {
        Self {
            wanted,
            met: 0,
            bar: u64::MAX,
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
        self.met += (0..numbers.len()).filter(|row| is_member(*row)).count() as u64;
        let is_candidate =
            |row: usize| self.wanted > 0 && is_member(row) && numbers[row] <= self.bar;
        let mask: BooleanArray = (0..numbers.len())
            .map(|row| Some(is_candidate(row)))
            .collect();
        if mask.true_count() == 0 {
            return Ok(());
        }
        let places = numbers.iter().zip(first..).zip(mask.values());
        let places = places.filter(|(_, is_candidate)| *is_candidate);
        self.places
            .extend(places.map(|((number, position), _)| Place {
                number: *number,
                position,
            }));
        self.rows
            .push(filter_record_batch(rows, &mask).map_err(failed)?);
        if self.places.len() > 2 * self.wanted + SLACK {
            self.throw_out(self.wanted)?;
        }
        Ok(())
    }

    /// Keeps the `keep` rows of lowest number.
    fn throw_out(&mut self, keep: usize) -> Result<()> {
        if keep == 0 || self.places.len() <= keep {
            return Ok(());
        }
        let mut lowest: Vec<Reverse<Place>> = self.places.iter().copied().map(Reverse).collect();
        let at = lowest.len() - keep;
        let Reverse(last) = *lowest.select_nth_unstable(at).1;
        self.bar = last.number;
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

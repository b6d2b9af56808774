//! Record batches in memory, which can be read as often as needed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::{RecordBatch, RecordBatchOptions};

use super::column::{Column, schema_of};
use super::probe::check_names;
use super::slices::Slices;
use super::streamed_table::{BatchIterator, Part};
use crate::error::{Error, Result};

/// The record batches of a source, in the order of its rows.
#[derive(Debug, Clone)]
pub(super) struct Batches {
    /// The name of the batches in messages.
    pub name: PathBuf,
    /// The columns as the batches have them.
    columns: Arc<[Column]>,
    batches: Arc<[RecordBatch]>,
    /// The number of all rows.
    pub rows: usize,
}

impl Batches {
    /// Takes `batches`, whose columns are `columns` but for metadata and nullability.
    ///
    /// # Errors
    /// Fails when a batch has other columns.
    pub fn new(
        name: PathBuf,
        columns: Vec<Column>,
        batches: impl IntoIterator<Item = RecordBatch>,
    ) -> Result<Self> {
        let schema = schema_of(&columns);
        let typed = batches
            .into_iter()
            .map(|batch| conform(&name, &schema, &batch));
        let batches: Arc<[RecordBatch]> = typed.collect::<Result<_>>()?;
        Ok(Self {
            rows: batches.iter().map(RecordBatch::num_rows).sum(),
            columns: columns.into(),
            batches,
            name,
        })
    }

    /// Returns the columns as the batches have them.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Returns the arrays of the column with the index `at`.
    pub fn column(&self, at: usize) -> impl Iterator<Item = ArrayRef> {
        self.batches
            .iter()
            .map(move |batch| Arc::clone(batch.column(at)))
    }

    /// Divides the rows into at most `parts` parts of nearly equal length that follow one another.
    pub fn divided(&self, parts: usize) -> Vec<Arc<dyn Part>> {
        let parts = parts.clamp(1, self.rows.max(1));
        let bound = |part: usize| {
            let rows = self.rows as u128 * part as u128 / parts as u128;
            usize::try_from(rows).unwrap_or(self.rows)
        };
        let parts = (0..parts).map(|part| {
            let slices = self.between(bound(part), bound(part + 1));
            Arc::new(MemoryPart { slices }) as Arc<dyn Part>
        });
        parts.collect()
    }

    /// Returns the rows from `start` up to `end`.
    fn between(&self, start: usize, end: usize) -> Vec<RecordBatch> {
        let mut before = 0;
        let mut slices = Vec::new();
        for batch in self.batches.iter() {
            let rows = batch.num_rows();
            let first = start.saturating_sub(before).min(rows);
            let last = end.saturating_sub(before).min(rows);
            if first < last {
                slices.push(batch.slice(first, last - first));
            }
            before += rows;
        }
        slices
    }
}

/// Rows of one partition.
#[derive(Debug)]
struct MemoryPart {
    slices: Vec<RecordBatch>,
}

impl Part for MemoryPart {
    fn open(&self, wanted: &[usize], batch_rows: usize) -> Result<BatchIterator> {
        let wanted = wanted.to_vec();
        let projected = self.slices.clone().into_iter();
        let projected = projected.map(move |slice| Ok(slice.project(&wanted)?));
        Ok(Box::new(Slices::new(projected, batch_rows)))
    }
}

/// Returns the columns of `schema`, which data called `name` has.
///
/// # Errors
/// Fails when there is none, and when two have the same name.
pub(super) fn columns_of(name: &Path, schema: &SchemaRef) -> Result<Vec<Column>> {
    if schema.fields().is_empty() {
        let name = name.display();
        return Err(Error::usage(format!("{name}: a schema without columns")));
    }
    check_names(name, schema)?;
    let fields = schema.fields().iter();
    let columns = fields.map(|field| Column::fixed(field.name(), field.data_type().clone()));
    Ok(columns.collect())
}

/// Returns `batch`, of data called `name`, with the schema that the whole data is read with.
///
/// # Errors
/// Fails when the batch has other columns, in names, types or order.
pub(super) fn conform(
    name: &Path,
    read_as: &SchemaRef,
    batch: &RecordBatch,
) -> Result<RecordBatch> {
    let schema = batch.schema();
    let found = schema.fields();
    let expected = read_as.fields();
    let refuse = |why: String| {
        Err(Error::data(format!("{}: {why}", name.display()))
            .hint("all batches must have the columns of the schema, in its order"))
    };
    if found.len() != expected.len() {
        let (found, expected) = (found.len(), expected.len());
        return refuse(format!(
            "a batch has {found} columns, and the schema {expected}"
        ));
    }
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        if found.name() != expected.name() || found.data_type() != expected.data_type() {
            return refuse(format!(
                "column {} of a batch is `{}` of type {}, and of the schema `{}` of type {}",
                index + 1,
                found.name(),
                found.data_type(),
                expected.name(),
                expected.data_type()
            ));
        }
    }
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let columns = batch.columns().to_vec();
    RecordBatch::try_new_with_options(Arc::clone(read_as), columns, &options)
        .map_err(|error| Error::internal(format!("a batch: {error}")))
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{AsArray, Int64Array};
    use datafusion::arrow::datatypes::Int64Type;

    use super::*;

    fn batch(numbers: std::ops::Range<i64>) -> RecordBatch {
        let numbers: Int64Array = numbers.map(Some).collect();
        RecordBatch::try_from_iter([("n", Arc::new(numbers) as ArrayRef)]).unwrap()
    }

    fn numbers(parts: &[Arc<dyn Part>]) -> Vec<Vec<i64>> {
        let of_part = |part: &Arc<dyn Part>| {
            let batches = part.open(&[0], 4).unwrap().map(|batch| {
                let batch = batch.unwrap();
                assert!(batch.num_rows() <= 4);
                batch
                    .column(0)
                    .as_primitive::<Int64Type>()
                    .values()
                    .to_vec()
            });
            batches.flatten().collect()
        };
        parts.iter().map(of_part).collect()
    }

    #[test]
    fn parts_follow_one_another_and_hold_every_row() {
        let all = [batch(0..1), batch(1..1), batch(1..14), batch(14..20)];
        let columns = columns_of(Path::new("batches"), &all[0].schema()).unwrap();
        let batches = Batches::new("batches".into(), columns, all).unwrap();
        assert_eq!(batches.rows, 20);
        for parts in [1, 2, 3, 7, 20, 50] {
            let found = numbers(&batches.divided(parts));
            assert_eq!(found.len(), parts.min(20));
            let most = found.iter().map(Vec::len).max();
            assert_eq!(most, Some(20_usize.div_ceil(parts.min(20))));
            assert_eq!(found.concat(), (0..20).collect::<Vec<_>>());
        }
    }

    #[test]
    fn no_rows_are_one_part() {
        let columns = columns_of(Path::new("batches"), &batch(0..1).schema()).unwrap();
        let none = Batches::new("batches".into(), columns, []).unwrap();
        assert_eq!(numbers(&none.divided(8)), [Vec::<i64>::new()]);
    }

    #[test]
    fn other_columns_are_refused() {
        let other =
            RecordBatch::try_from_iter([("m", Arc::new(Int64Array::from(vec![1])) as ArrayRef)])
                .unwrap();
        let columns = columns_of(Path::new("batches"), &batch(0..1).schema()).unwrap();
        let error = Batches::new("batches".into(), columns, [other]).unwrap_err();
        let expected = "batches: column 1 of a batch is `m` of type Int64, and of the schema `n` of type Int64";
        assert_eq!(error.message(), expected);
    }
}

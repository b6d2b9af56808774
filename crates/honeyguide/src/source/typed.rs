//! From the types that values are read as to those of the source's columns: a log has a type for each of its own columns,
//! and the same events are the same values whatever types they are stored with.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::Column as ColumnRef;
use datafusion::logical_expr::{Expr, cast};
use datafusion::parquet::arrow::ProjectionMask;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::column::Column;
use super::contents::Contents;
use super::exact::exact;
use super::file::DataFile;
use super::format::Format;
use super::lossy::LossyNumbers;
use super::seekable::Chunks;
use super::{Source, arrow};
use crate::error::{Error, Result};
use crate::functions::{Target, Unconvertible, fault};
use crate::log::Log;

/// Returns a column of some file with the type that it has in data of `log`. A type that the log's cannot hold is kept
/// where it may say the same in another form: a time as a timestamp, a list instead of its text.
///
/// # Errors
/// Fails when the type has nothing to do with the log's.
pub(super) fn as_logged(column: &Column, log: &Log) -> Result<Column> {
    let logged = log.column_type(&column.name).filter(|_| !column.inferred);
    let Some((logged, target)) = logged.and_then(|logged| Some((logged, Target::of(logged)?)))
    else {
        return Ok(column.clone());
    };
    if target.takes(&column.data_type) {
        return Ok(Column::fixed(&column.name, logged.clone()));
    }
    let is_time = log.time() == Some(&column.name) && column.data_type.is_temporal();
    if is_time || target == Target::Text {
        return Ok(column.clone());
    }
    let (name, found) = (&column.name, &column.data_type);
    Err(Error::data(format!(
        "column `{name}` holds {found}, not {}",
        target.plural()
    ))
    .hint(format!(
        "in {} `{name}` holds {}: write the column as {logged}, or give a column that holds something else another name",
        log.name(),
        target.plural()
    )))
}

/// Returns the values of `read` as those of `column`, in an expression.
pub(super) fn conversion(read: &Column, column: &Column, log: &Log) -> Expr {
    let value = Expr::Column(ColumnRef::from_name(&column.name));
    if read.data_type == column.data_type {
        return value;
    }
    let target = Target::of(&column.data_type).filter(|_| log.column_type(&column.name).is_some());
    match target {
        Some(target) => target.expr(value, &read.data_type, &column.name),
        None => cast(value, column.data_type.clone()),
    }
    .alias(&column.name)
}

/// Returns the columns of batches of `schema` as data of their log has them, with an expression for each that is read with
/// another type.
///
/// # Errors
/// Fails when a column has a type that has nothing to do with the log's.
pub(crate) fn logged_columns(schema: &Schema) -> Result<(Schema, Vec<(String, Expr)>)> {
    let fields = schema.fields();
    let names: Vec<&str> = fields.iter().map(|field| field.name().as_str()).collect();
    let log = Log::recognise(&names);
    let mut converted = Vec::new();
    let mut logged = Vec::with_capacity(fields.len());
    for field in fields {
        let read = Column::fixed(field.name(), field.data_type().clone());
        let column = as_logged(&read, &log)?;
        if column != read {
            converted.push((field.name().clone(), conversion(&read, &column, &log)));
        }
        logged.push(Field::new(field.name(), column.data_type, true));
    }
    Ok((Schema::new(logged), converted))
}

/// Returns the error about the first value in the order of the files that the type of its column in the log cannot hold.
///
/// # Errors
/// Fails when the data cannot be read.
pub(super) fn first_misfit(source: &Source, needed: &BTreeSet<String>) -> Result<Option<Error>> {
    match &source.contents {
        Contents::Files(files) => {
            for (index, file) in files.files.iter().enumerate() {
                let inside = file.columns[..file.n_inside].iter().enumerate();
                let checked = inside.filter(|(_, read)| needed.contains(&read.name));
                for (at, read) in checked {
                    let Some(target) = source.target(read) else {
                        continue;
                    };
                    let arrays = column(&file.file, at)?;
                    if let Some(found) = misfit_in(source, index, &read.name, target, arrays)? {
                        return Ok(Some(found));
                    }
                }
            }
            Ok(None)
        }
        Contents::Batches(batches) => {
            for (at, read) in batches.columns().iter().enumerate() {
                if let Some(target) = source.target(read).filter(|_| needed.contains(&read.name)) {
                    let arrays = batches.column(at).map(Ok);
                    if let Some(found) = misfit_in(source, 0, &read.name, target, Box::new(arrays))?
                    {
                        return Ok(Some(found));
                    }
                }
            }
            Ok(None)
        }
        Contents::Stream(_) => Ok(None),
    }
}

/// The arrays of one column.
type Arrays<'a> = Box<dyn Iterator<Item = Result<ArrayRef>> + 'a>;

/// Returns the error about the first value of `arrays` that cannot be converted.
fn misfit_in(
    source: &Source,
    table: usize,
    name: &str,
    target: Target,
    arrays: Arrays<'_>,
) -> Result<Option<Error>> {
    let mut before = 0;
    for array in arrays {
        let array = array?;
        if let Err(why) = target.convert(&array) {
            let error = fault(target, &array, name, &why);
            return Ok(Some(match why {
                Unconvertible::Value { row, .. } => {
                    error.at(&source.place_of_row(table, before + row as u64 + 1))
                }
                Unconvertible::Column(_) => error.at(&source.names()[table].display().to_string()),
            }));
        }
        before += array.len() as u64;
    }
    Ok(None)
}

/// Reads the column with the index `at` of a file in a format that stores types.
fn column(file: &DataFile, at: usize) -> Result<Arrays<'static>> {
    match file.format {
        Format::Arrow => {
            let batches = arrow::BatchReader::open(file.clone(), None, &[at], 1)?;
            Ok(Box::new(batches.map(|batch| {
                let batch = batch.map_err(Error::engine)?;
                Ok(Arc::clone(batch.column(0)))
            })))
        }
        Format::Parquet => {
            let chunks = Chunks::of(file);
            let (path, failure) = (file.path.clone(), chunks.failure.clone());
            let failed = move |error: &dyn std::fmt::Display| {
                failure.or(|| Error::data(format!("{}: {error}", path.display())))
            };
            let builder = ParquetRecordBatchReaderBuilder::try_new(chunks);
            let builder = builder.map_err(|error| failed(&error))?;
            let mask = ProjectionMask::roots(builder.parquet_schema(), [at]);
            let batches = builder.with_projection(mask).build();
            let batches = batches.map_err(|error| failed(&error))?;
            Ok(Box::new(batches.map(move |batch| match batch {
                Ok(batch) => Ok(Arc::clone(batch.column(0))),
                Err(error) => Err(failed(&error)),
            })))
        }
        Format::Csv(_) | Format::Json(_) | Format::Dialect(..) => Ok(Box::new(std::iter::empty())),
    }
}

impl Source {
    /// Returns what the values of `read` are converted to, where the log has another type for them.
    fn target(&self, read: &Column) -> Option<Target> {
        let column = self.column(&read.name)?;
        self.log().column_type(&read.name)?;
        Target::of(&column.data_type).filter(|_| column.data_type != read.data_type)
    }

    /// Returns the columns as expressions over a table that has the columns `read`. Numbers that doubles may have
    /// rounded are refused where the text was searched, which tells what it `met`.
    pub(super) fn selection(&self, read: &[Column], met: Option<&Arc<LossyNumbers>>) -> Vec<Expr> {
        let selected = self.columns.iter().map(|column| {
            let read = read.iter().find(|read| read.name == column.name);
            let read = read.unwrap_or(column);
            let value = conversion(read, column, &self.log);
            let is_double = column.data_type == DataType::Float64 && column.inferred;
            let is_text = column.data_type == DataType::Utf8;
            match met {
                Some(met) if read == column && (is_double || is_text) => {
                    exact(value, &column.name, met).alias(&column.name)
                }
                _ => value,
            }
        });
        selected.collect()
    }
}

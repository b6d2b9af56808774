//! What users pass as data: paths and URLs, tables of Arrow, and streams of Arrow.

use std::collections::BTreeMap;
use std::path::Path;

use honeyguide::arrow::array::RecordBatchReader;
use honeyguide::arrow::datatypes::SchemaRef;
use honeyguide::arrow::record_batch::RecordBatch;
use honeyguide::{Error, Format, ReadOptions, Source, StorageOptions, is_url};
use honeyguide_cli::environment;
use pyo3::exceptions::{PyException, PyFileNotFoundError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};
use pyo3_arrow::input::AnyRecordBatch;

use super::errors::{exception, written};
use crate::errors::value_error;

/// Data that a call reads.
pub enum Data {
    /// Paths, globs and URLs.
    Places(Vec<String>),
    /// A table, whose batches can be read as often as needed.
    Table(SchemaRef, Vec<RecordBatch>),
    /// A stream, which can be read once.
    Stream(Box<dyn RecordBatchReader + Send>),
}

impl<'a, 'py> FromPyObject<'a, 'py> for Data {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Some(place) = place(&object)? {
            return Ok(Self::Places(vec![existing(place)?]));
        }
        if object.is_instance_of::<PyList>() || object.is_instance_of::<PyTuple>() {
            let places = object.try_iter()?.map(|item| {
                let item = item?;
                place(&item)?.map_or_else(|| Err(unknown(&item)), existing)
            });
            return Ok(Self::Places(places.collect::<PyResult<_>>()?));
        }
        let is_arrow = ["__arrow_c_stream__", "__arrow_c_array__"]
            .into_iter()
            .any(|name| object.hasattr(name).unwrap_or(false));
        if !is_arrow {
            return Err(unknown(&object));
        }
        Self::of_arrow(&object).map_err(|error| refused(object.py(), error))
    }
}

/// Returns an error of the crate that reads Arrow's capsules as a `ValueError` if it has no kind of its own.
fn refused(py: Python<'_>, error: PyErr) -> PyErr {
    match error.get_type(py).is(py.get_type::<PyException>()) {
        true => value_error(error.value(py)),
        false => error,
    }
}

impl Data {
    /// Takes a table or a stream of Arrow.
    fn of_arrow(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        let batches: AnyRecordBatch = object.extract()?;
        // What has a length holds its rows; what has none gives them once.
        if object.hasattr("__len__")? {
            let (batches, schema) = batches.into_table()?.into_inner();
            return Ok(Self::Table(schema, batches));
        }
        Ok(Self::Stream(batches.into_reader()?))
    }

    /// Opens the data.
    ///
    /// # Errors
    /// The data cannot be found or has no columns that a source can have.
    pub fn open(self, options: &ReadOptions) -> Result<Source, Error> {
        match self {
            Self::Places(places) => Source::open_with(places, options),
            Self::Table(schema, batches) => Source::from_batches(&schema, batches, options),
            Self::Stream(reader) => Source::from_reader(reader, options),
        }
    }
}

/// Returns the text of a path or a URL; `None` for anything else.
fn place(object: &Bound<'_, PyAny>) -> PyResult<Option<String>> {
    if let Ok(text) = object.extract::<String>() {
        return Ok(Some(text));
    }
    match object.hasattr("__fspath__")? {
        true => object.call_method0("__fspath__")?.extract().map(Some),
        false => Ok(None),
    }
}

/// Refuses the path of a file that is not there with Python's own exception.
fn existing(place: String) -> PyResult<String> {
    let is_pattern = place.contains(['*', '?', '[']);
    if is_url(&place) || is_pattern || Path::new(&place).exists() {
        return Ok(place);
    }
    Err(PyFileNotFoundError::new_err(format!(
        "{place}: no such file or folder"
    )))
}

fn unknown(object: &Bound<'_, PyAny>) -> PyErr {
    let kind = object.get_type();
    PyTypeError::new_err(format!(
        "data must be a path, a URL, a list of them, or a table or stream of Arrow, such as a DataFrame of polars; got {kind}"
    ))
}

/// How data are read, as the keyword arguments of the package's functions say.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct Reading {
    format: Option<String>,
    null_values: Vec<String>,
    strict: bool,
    host_column: Option<String>,
    time_column: Option<String>,
    follow_links: bool,
    storage_options: BTreeMap<String, String>,
}

impl Reading {
    /// Returns the options of the library.
    ///
    /// # Errors
    /// There is no such format, or no store has such an option.
    pub fn options(&self) -> PyResult<ReadOptions> {
        let format = self.format.as_deref().map(str::parse::<Format>).transpose();
        Ok(ReadOptions {
            format: format.map_err(|error| value_error(format!("format {error}")))?,
            strict: self.strict,
            storage: storage(&self.storage_options)?,
            host_column: self.host_column.clone(),
            time_column: self.time_column.clone(),
            follow_links: self.follow_links,
            null: self.null_values.clone(),
            ..ReadOptions::default()
        })
    }
}

/// Returns the settings of object stores: the options, and what the environment has besides.
///
/// # Errors
/// No store has a setting of such a name.
pub fn storage(options: &BTreeMap<String, String>) -> PyResult<StorageOptions> {
    let mut storage = StorageOptions::default();
    for (name, value) in options {
        storage
            .set(&format!("{name}={value}"))
            .map_err(|error| exception(&error))?;
    }
    environment::add_found(&mut storage);
    Ok(storage)
}

/// Returns what is to be said of data before they are read and after.
pub fn remarks(source: &Source) -> Vec<String> {
    let mut remarks = source.left_out().to_vec();
    remarks.extend(source.notes(written));
    let counts = source.counts();
    remarks.extend(counts.notes.iter().cloned());
    if counts.malformed_args > 0 {
        remarks.push(format!(
            "{} values of `args` could not be read and count as missing",
            counts.malformed_args
        ));
    }
    if let Some(replaced) = &counts.replaced {
        remarks.push(format!(
            "{} texts have bytes that are not UTF-8 or halves of surrogate pairs, which were read as U+FFFD; the first: {}",
            replaced.values, replaced.first
        ));
    }
    if let Some(intake) = counts.intake.as_ref().filter(|intake| intake.bad_lines > 0) {
        remarks.push(format!(
            "{} lines could not be read and were left out",
            intake.bad_lines
        ));
    }
    if let Some(intake) = counts.intake.as_ref()
        && let Some(dialect) = intake.dialect.filter(|_| intake.other_lines > 0)
    {
        remarks.push(format!(
            "{} lines are not {} and were left out; the first: {}",
            intake.other_lines,
            dialect.events(),
            intake.first_other_lines.join("; ")
        ));
    }
    if source.is_simulated() {
        remarks.push("simulated data: these figures say nothing about real hosts".to_owned());
    }
    remarks
}

//! Rows that are given back: a table of Arrow.

use std::sync::Arc;

use honeyguide::arrow::array::{Array, ArrayRef, StructArray};
use honeyguide::arrow::datatypes::{Field, SchemaRef};
use honeyguide::arrow::record_batch::RecordBatch;
use honeyguide::arrow::util::display::{ArrayFormatter, FormatOptions};
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use pyo3_arrow::ffi::{ArrayIterator, to_schema_pycapsule, to_stream_pycapsule};

use crate::errors::value_error;

/// A table of Arrow in memory, which every library of Arrow takes without a copy.
#[pyclass(frozen, module = "honeyguide._native")]
pub struct Rows {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
}

impl Rows {
    /// Takes the batches of a table.
    pub fn new(schema: SchemaRef, batches: Vec<RecordBatch>) -> Self {
        Self { schema, batches }
    }
}

#[pymethods]
impl Rows {
    fn __len__(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    #[getter]
    fn column_names(&self) -> Vec<String> {
        let fields = self.schema.fields().iter();
        fields.map(|field| field.name().clone()).collect()
    }

    #[getter]
    fn column_types(&self) -> Vec<String> {
        let fields = self.schema.fields().iter();
        fields.map(|field| field.data_type().to_string()).collect()
    }

    /// Returns the first rows and columns as text; a null is `None`.
    fn head(&self, rows: usize, columns: usize) -> PyResult<Vec<Vec<Option<String>>>> {
        let options = FormatOptions::default();
        let mut texts = Vec::new();
        for batch in &self.batches {
            let shown = batch.columns().iter().take(columns);
            let shown: Vec<_> = shown
                .map(|column| ArrayFormatter::try_new(column, &options).map(|text| (column, text)))
                .collect::<Result<_, _>>()
                .map_err(value_error)?;
            for row in 0..batch.num_rows().min(rows - texts.len()) {
                let cells = shown.iter();
                let cells = cells.map(|(column, text)| {
                    column.is_valid(row).then(|| text.value(row).to_string())
                });
                texts.push(cells.collect());
            }
        }
        Ok(texts)
    }

    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        Ok(to_schema_pycapsule(py, self.schema.as_ref())?)
    }

    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyCapsule>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        let row = Field::new_struct("", self.schema.fields().clone(), false)
            .with_metadata(self.schema.metadata().clone());
        let batches = self.batches.clone().into_iter();
        let arrays = batches.map(|batch| Ok(Arc::new(StructArray::from(batch)) as ArrayRef));
        let reader = ArrayIterator::new(arrays, Arc::new(row));
        Ok(to_stream_pycapsule(py, Box::new(reader), requested_schema)?)
    }
}

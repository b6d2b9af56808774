//! Incidents as a table, one row for each.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::json::ReaderBuilder;
use serde_json::Value;

use super::{Incident, Incidents};
use crate::error::{Error, Result};
use crate::output::{Destination, TableFormat, TableWriter};

/// The number of incidents per batch.
const BATCH_ROWS: usize = 1024;

impl Incidents {
    /// Writes the listed incidents to `to`, one row for each, the highest score first. The columns are the fields of
    /// [`Incident`]; the columns of the strongest event are one text, as JSON.
    ///
    /// # Errors
    /// Fails when the output cannot be written, and when its format is CSV, which has no lists.
    pub fn write_table(&self, to: impl Into<Destination>) -> Result<()> {
        let to = to.into();
        if to.format()? == TableFormat::Csv {
            let refused = format!(
                "{}: CSV has no lists, which incidents have",
                to.path().display()
            );
            return Err(Error::usage(refused)
                .hint("choose a name that ends in .parquet, .arrow or .ndjson"));
        }
        let mut writer = TableWriter::create(to, Self::table_schema())?;
        for batch in self.batches() {
            writer.write(&batch?)?;
        }
        writer.finish()
    }

    /// Returns the listed incidents as the rows of a table.
    pub(crate) fn to_batches(&self) -> Result<Vec<RecordBatch>> {
        self.batches().collect()
    }

    fn batches(&self) -> impl Iterator<Item = Result<RecordBatch>> {
        let schema = Self::table_schema();
        let parts = self.incidents.chunks(BATCH_ROWS);
        parts.map(move |incidents| batch(&schema, incidents))
    }

    /// Returns the schema of the table.
    pub(crate) fn table_schema() -> SchemaRef {
        schema()
    }
}

/// Returns incidents as a batch.
fn batch(schema: &SchemaRef, incidents: &[Incident]) -> Result<RecordBatch> {
    let failed = |error: ArrowError| Error::internal(format!("incidents as a table: {error}"));
    let rows: Vec<Value> = incidents
        .iter()
        .map(|incident| {
            let mut row = serde_json::to_value(incident)?;
            row["event"] = Value::String(row["event"].to_string());
            Ok(row)
        })
        .collect::<serde_json::Result<_>>()
        .map_err(|error| Error::internal(format!("an incident as JSON: {error}")))?;
    let builder = ReaderBuilder::new(Arc::clone(schema)).with_batch_size(BATCH_ROWS);
    let mut decoder = builder.build_decoder().map_err(failed)?;
    decoder.serialize(&rows).map_err(failed)?;
    let batch = decoder.flush().map_err(failed)?;
    Ok(batch.unwrap_or_else(|| RecordBatch::new_empty(Arc::clone(schema))))
}

/// Returns the schema of the table.
fn schema() -> SchemaRef {
    let number = || DataType::UInt64;
    let field = |name: &str, data_type| Field::new(name, data_type, true);
    let structs = |fields: Vec<Field>| {
        DataType::List(Arc::new(field("item", DataType::Struct(fields.into()))))
    };
    let names = || {
        let most = structs(vec![
            field("name", DataType::Utf8),
            field("events", number()),
        ]);
        DataType::Struct(vec![field("distinct", number()), field("most", most)].into())
    };
    let texts = DataType::List(Arc::new(field("item", DataType::Utf8)));
    let processes = structs(vec![
        field("depth", number()),
        field("process", DataType::Int64),
        field("programs", texts),
        field("events", number()),
    ]);
    let reasons = structs(vec![
        field("feature", DataType::Utf8),
        field("text", DataType::Utf8),
        field("contribution", DataType::Float64),
        field("events", number()),
    ]);
    let by = structs(vec![
        field("column", DataType::Utf8),
        field("value", DataType::Utf8),
    ]);
    Arc::new(Schema::new(vec![
        field("id", DataType::Utf8),
        field("previous", DataType::Utf8),
        field("host", DataType::Utf8),
        field("score", DataType::Float64),
        field("first", DataType::Float64),
        field("last", DataType::Float64),
        field("events", number()),
        field("distinct_rows", number()),
        field("n_processes", number()),
        field("started_by", DataType::Utf8),
        field("processes", processes),
        field("by", by),
        field("users", names()),
        field("new_programs", names()),
        field("paths", names()),
        field("addresses", names()),
        field("reasons", reasons),
        field("event", DataType::Utf8),
        field("highest_score", DataType::Float64),
    ]))
}

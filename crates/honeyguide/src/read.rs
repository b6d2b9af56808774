//! The rows of a source in memory, in the order of the data.

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::logical_expr::ident;

use crate::engine::Engine;
use crate::engine::columns::select;
use crate::error::{Error, Result};
use crate::scan::{FileRows, Scan};
use crate::source::Source;

/// Returns the columns of `source`, and its rows in their order.
///
/// # Errors
/// Fails when the data cannot be read.
pub async fn read(engine: &Engine, source: &mut Source) -> Result<(SchemaRef, Vec<RecordBatch>)> {
    let columns = source.columns().iter();
    let names: Vec<String> = columns.map(|column| column.name.clone()).collect();
    let start = |source: &Source| Ok((source.schema(), Vec::new()));
    let step = |(schema, batches): &mut (SchemaRef, Vec<RecordBatch>), rows: FileRows| {
        let batch = RecordBatch::try_new(SchemaRef::clone(schema), rows.batch.columns().to_vec());
        batches.push(batch.map_err(|error| Error::internal(format!("rows as read: {error}")))?);
        Ok(())
    };
    let scan = Scan::new(engine, "reading").columns(&names);
    let all = |table| select(table, names.iter().map(ident));
    scan.fold_in_order(source, start, all, step).await
}

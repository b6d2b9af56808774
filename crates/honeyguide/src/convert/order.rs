//! A stable sort of a source's events: events that compare equal keep the order of the data.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, UInt64Array};
use datafusion::arrow::compute::SortOptions;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::TaskContext;
use datafusion::physical_expr::expressions::col;
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use futures::{StreamExt, TryStreamExt, stream};

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::source::Source;

/// The name of the last column of the scan, which holds an event's position in the data.
const POSITION: &str = "__position";

/// A scan of all files and the columns to sort its rows by.
pub(super) struct OrderedEvents {
    scan: Arc<NumberedRows>,
    sorted_by: Vec<String>,
}

impl OrderedEvents {
    /// Plans the scan of every file of `source`.
    ///
    /// # Errors
    /// Fails when the engine cannot plan the scan of a file.
    pub async fn new(
        engine: &Engine,
        source: &Source,
        sorted_by: &[String],
    ) -> std::result::Result<Self, DataFusionError> {
        let mut files = Vec::new();
        for table in source.tables_in_order(engine) {
            files.push(engine.distribute(table?.create_physical_plan().await?)?);
        }
        let mut fields = source.schema().fields().to_vec();
        fields.push(Arc::new(Field::new(POSITION, DataType::UInt64, false)));
        let scan = NumberedRows {
            files,
            schema: Arc::new(Schema::new(fields)),
        };
        Ok(Self {
            scan: Arc::new(scan),
            sorted_by: sorted_by.to_vec(),
        })
    }

    /// Returns the schema of the events, without the column of positions.
    pub fn schema(&self) -> SchemaRef {
        let fields = &self.scan.schema.fields;
        Arc::new(Schema::new(fields[..fields.len() - 1].to_vec()))
    }

    /// Returns the plan of the sort. The last column of its batches holds the positions.
    ///
    /// # Errors
    /// Fails when the engine refuses the plan.
    pub fn plan(&self) -> std::result::Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        let schema = &self.scan.schema;
        // The engine counts the rows of a stream, which progress reports need, only if the stream has a limit.
        let no_limit = Some(usize::MAX);
        let scan = StreamingTableExec::try_new(
            Arc::clone(schema),
            vec![Arc::clone(&self.scan) as Arc<dyn PartitionStream>],
            None,
            [],
            false,
            no_limit,
        )?;
        if self.sorted_by.is_empty() {
            return Ok(Arc::new(scan));
        }
        let ascending = SortOptions {
            descending: false,
            nulls_first: false,
        };
        let keys = self.sorted_by.iter().map(String::as_str).chain([POSITION]);
        let keys = keys.map(|name| Ok(PhysicalSortExpr::new(col(name, schema)?, ascending)));
        let keys: Vec<_> = keys.collect::<std::result::Result<_, DataFusionError>>()?;
        let ordering =
            LexOrdering::new(keys).ok_or_else(|| Error::internal("a sort without columns"))?;
        Ok(Arc::new(SortExec::new(ordering, Arc::new(scan))))
    }
}

/// Returns a batch of the plan without the column of positions.
pub(super) fn without_position(batch: &RecordBatch) -> Result<RecordBatch> {
    let events: Vec<usize> = (0..batch.num_columns() - 1).collect();
    batch
        .project(&events)
        .map_err(|error| Error::internal(format!("a sorted batch: {error}")))
}

/// A stream of the files' rows, one file after the other, with each row's position among the rows of all files.
#[derive(Debug)]
struct NumberedRows {
    files: Vec<Arc<dyn ExecutionPlan>>,
    schema: SchemaRef,
}

impl PartitionStream for NumberedRows {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, task: Arc<TaskContext>) -> SendableRecordBatchStream {
        let files = stream::iter(self.files.clone());
        let batches = files
            .map(move |file| execute_stream(file, Arc::clone(&task)))
            .try_flatten();
        let schema = Arc::clone(&self.schema);
        let mut rows = 0;
        let positioned = batches.map(move |batch| with_position(&schema, &mut rows, &batch?));
        Box::pin(RecordBatchStreamAdapter::new(
            Arc::clone(&self.schema),
            positioned,
        ))
    }
}

/// Adds the column of positions to `batch`. `rows` counts the rows so far.
fn with_position(
    schema: &SchemaRef,
    rows: &mut u64,
    batch: &RecordBatch,
) -> std::result::Result<RecordBatch, DataFusionError> {
    let first = *rows;
    *rows += batch.num_rows() as u64;
    let positions: ArrayRef = Arc::new(UInt64Array::from_iter_values(first..*rows));
    let columns = batch.columns().iter().cloned().chain([positions]);
    Ok(RecordBatch::try_new(Arc::clone(schema), columns.collect())?)
}

//! Rows that no file holds as a table of the engine.

use std::fmt::Debug;
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::Result as EngineResult;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::{StreamExt, stream};

use crate::engine::rows_table::Rows;
use crate::error::Result;

/// Batches of rows, each as soon as it is asked for.
pub(super) type BatchIterator = Box<dyn Iterator<Item = EngineResult<RecordBatch>> + Send>;

/// Some rows of a table, which follow one another.
pub(super) trait Part: Debug + Send + Sync {
    /// Returns the values of the columns with the indices `wanted`, in batches of at most `batch_rows` rows.
    ///
    /// # Errors
    /// Fails when the rows cannot be read, or not once more.
    fn open(&self, wanted: &[usize], batch_rows: usize) -> Result<BatchIterator>;
}

/// The rows of parts, each of which is one partition.
#[derive(Debug)]
pub(super) struct Parts {
    schema: SchemaRef,
    parts: Vec<Arc<dyn Part>>,
}

impl Parts {
    /// Returns the rows of `parts`, whose columns are those of `schema`.
    pub fn new(schema: SchemaRef, parts: Vec<Arc<dyn Part>>) -> Self {
        Self { schema, parts }
    }
}

impl Rows for Parts {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn partitions(&self, wanted: &[usize], read: &SchemaRef) -> Vec<Arc<dyn PartitionStream>> {
        let partitions = self.parts.iter().map(|part| {
            Arc::new(ProjectedPart {
                part: Arc::clone(part),
                wanted: wanted.to_vec(),
                schema: Arc::clone(read),
            }) as _
        });
        partitions.collect()
    }
}

/// A part and the columns of it that a query reads.
#[derive(Debug)]
struct ProjectedPart {
    part: Arc<dyn Part>,
    wanted: Vec<usize>,
    schema: SchemaRef,
}

impl PartitionStream for ProjectedPart {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, task: Arc<TaskContext>) -> SendableRecordBatchStream {
        let batch_rows = task.session_config().batch_size();
        let batches = match self.part.open(&self.wanted, batch_rows) {
            Ok(batches) => stream::iter(batches).boxed(),
            Err(error) => stream::iter([Err(error.into())]).boxed(),
        };
        let schema = Arc::clone(&self.schema);
        Box::pin(RecordBatchStreamAdapter::new(schema, batches))
    }
}

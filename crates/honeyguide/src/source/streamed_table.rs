//! Rows that no file holds as a table of the engine.

use std::fmt::Debug;
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result as EngineResult;
use datafusion::datasource::TableType;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use futures::{StreamExt, stream};

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

/// A table of parts, each of which is one partition.
#[derive(Debug)]
pub(super) struct StreamedTable {
    schema: SchemaRef,
    parts: Vec<Arc<dyn Part>>,
}

impl StreamedTable {
    /// Returns a table of `parts`, whose columns are those of `schema`.
    pub fn new(schema: SchemaRef, parts: Vec<Arc<dyn Part>>) -> Self {
        Self { schema, parts }
    }
}

#[async_trait::async_trait]
impl TableProvider for StreamedTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        limit: Option<usize>,
    ) -> EngineResult<Arc<dyn ExecutionPlan>> {
        let all = || (0..self.schema.fields().len()).collect();
        let wanted = projection.cloned().unwrap_or_else(all);
        let schema = Arc::new(self.schema.project(&wanted)?);
        let partitions = self.parts.iter().map(|part| {
            Arc::new(ProjectedPart {
                part: Arc::clone(part),
                wanted: wanted.clone(),
                schema: Arc::clone(&schema),
            }) as Arc<dyn PartitionStream>
        });
        let partitions = partitions.collect();
        // Rows are counted, for the report of progress, only under a limit.
        let limit = limit.unwrap_or(usize::MAX);
        let scan = StreamingTableExec::try_new(schema, partitions, None, [], false, Some(limit))?;
        Ok(Arc::new(scan))
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

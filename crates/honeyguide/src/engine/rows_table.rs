//! Rows that code makes, as a table of the engine.

use std::fmt::Debug;
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::datasource::TableType;
use datafusion::error::Result;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};

/// Rows that code makes when they are asked for.
pub(crate) trait Rows: Debug + Send + Sync + 'static {
    /// Returns the columns of the rows.
    fn schema(&self) -> &SchemaRef;

    /// Returns the partitions of the rows with the columns at the positions `wanted`, which have the schema `read`.
    fn partitions(&self, wanted: &[usize], read: &SchemaRef) -> Vec<Arc<dyn PartitionStream>>;
}

/// A table of rows.
#[derive(Debug)]
pub(crate) struct RowsTable<R>(pub R);

#[async_trait::async_trait]
impl<R: Rows> TableProvider for RowsTable<R> {
    fn schema(&self) -> SchemaRef {
        Arc::clone(self.0.schema())
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
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = self.0.schema();
        let all = || (0..schema.fields().len()).collect();
        let wanted = projection.cloned().unwrap_or_else(all);
        let read = Arc::new(schema.project(&wanted)?);
        let partitions = self.0.partitions(&wanted, &read);
        // Rows are counted, for the report of progress, only under a limit.
        let limit = limit.unwrap_or(usize::MAX);
        let scan = StreamingTableExec::try_new(read, partitions, None, [], false, Some(limit))?;
        Ok(Arc::new(scan))
    }
}

//! The rows of queries as one table, in their order and with their numbers.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use datafusion::arrow::array::{ArrayRef, RecordBatch, UInt64Array};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::datasource::TableType;
use datafusion::error::{DataFusionError, Result as EngineResult};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::DataFrame;
use futures::{StreamExt, TryStreamExt, stream};

use super::Engine;
use crate::error::Error;
use crate::functions;

/// The name of the column of numbers.
pub(crate) const NUMBER: &str = "__number";

impl Engine {
    /// Returns the rows of `queries`, which have the same columns, one query after the other, with the column [`NUMBER`]:
    /// a row's number among all, from 0. Each query must keep the order of its rows. Arguments that cannot be read are
    /// counted in `malformed_args`.
    ///
    /// # Errors
    /// Fails when there is no query.
    pub(crate) fn numbered(
        &self,
        queries: Vec<DataFrame>,
        malformed_args: &Arc<AtomicU64>,
    ) -> EngineResult<DataFrame> {
        let counted = queries.into_iter().map(|query| {
            let (state, plan) = query.into_parts();
            let plan = functions::counting(plan, malformed_args)?;
            Ok(DataFrame::new(state, plan))
        });
        let queries = counted.collect::<EngineResult<Vec<_>>>()?;
        let first = queries.first();
        let first = first.ok_or_else(|| Error::internal("no query has rows to number"))?;
        let fields = first.schema().fields().iter().cloned();
        let number = Arc::new(Field::new(NUMBER, DataType::UInt64, false));
        let schema = Arc::new(Schema::new(fields.chain([number]).collect::<Vec<_>>()));
        let rows = NumberedRows {
            engine: self.clone(),
            queries,
            schema,
        };
        // One sort has all the memory. Two that spill would merge a few rows of each run at a time.
        self.sequential_context.read_table(Arc::new(rows))
    }

    /// Runs a query where the engine runs its plans.
    async fn stream(self, query: DataFrame) -> EngineResult<SendableRecordBatchStream> {
        let task = Arc::new(query.task_ctx());
        let plan = self.distribute(query.create_physical_plan().await?)?;
        execute_stream(plan, task)
    }
}

/// A table of the rows of queries, which run one after the other.
#[derive(Clone)]
struct NumberedRows {
    engine: Engine,
    queries: Vec<DataFrame>,
    schema: SchemaRef,
}

impl fmt::Debug for NumberedRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NumberedRows")
            .field("queries", &self.queries.len())
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}

#[async_trait::async_trait]
impl TableProvider for NumberedRows {
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
        let rows = Arc::new(self.clone()) as Arc<dyn PartitionStream>;
        // Rows are counted, for the report of progress, only under a limit.
        let limit = limit.unwrap_or(usize::MAX);
        let schema = Arc::clone(&self.schema);
        let scan =
            StreamingTableExec::try_new(schema, vec![rows], projection, [], false, Some(limit))?;
        Ok(Arc::new(scan))
    }
}

impl PartitionStream for NumberedRows {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let engine = self.engine.clone();
        let rows = stream::iter(self.queries.clone())
            .then(move |query| engine.clone().stream(query))
            .try_flatten();
        let (schema, mut next) = (Arc::clone(&self.schema), 0_u64);
        let numbered = rows.map(move |batch| numbered(&schema, &batch?, &mut next));
        let schema = Arc::clone(&self.schema);
        Box::pin(RecordBatchStreamAdapter::new(schema, numbered))
    }
}

/// Returns a batch with the numbers of its rows, of which `next` is the first.
fn numbered(
    schema: &SchemaRef,
    batch: &RecordBatch,
    next: &mut u64,
) -> Result<RecordBatch, DataFusionError> {
    let end = *next + batch.num_rows() as u64;
    let numbers: ArrayRef = Arc::new(UInt64Array::from_iter_values(*next..end));
    *next = end;
    let columns = batch.columns().iter().cloned().chain([numbers]);
    Ok(RecordBatch::try_new(Arc::clone(schema), columns.collect())?)
}

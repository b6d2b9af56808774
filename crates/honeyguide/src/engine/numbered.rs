//! The rows of queries as one table, in their order and with their numbers.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use datafusion::arrow::array::{ArrayRef, RecordBatch, UInt64Array};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::error::{DataFusionError, Result as EngineResult};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::execute_stream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::prelude::DataFrame;
use futures::{StreamExt, TryStreamExt, stream};

use super::Engine;
use super::rows_table::{Rows, RowsTable};
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
        self.sequential_context
            .read_table(Arc::new(RowsTable(rows)))
    }

    /// Runs a query where the engine runs its plans.
    async fn stream(self, query: DataFrame) -> EngineResult<SendableRecordBatchStream> {
        let task = Arc::new(query.task_ctx());
        let plan = self.distribute(query.create_physical_plan().await?)?;
        execute_stream(plan, task)
    }
}

/// The rows of queries, which run one after the other.
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

impl Rows for NumberedRows {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn partitions(&self, wanted: &[usize], read: &SchemaRef) -> Vec<Arc<dyn PartitionStream>> {
        vec![Arc::new(NumberedColumns {
            rows: self.clone(),
            wanted: wanted.to_vec(),
            schema: Arc::clone(read),
        })]
    }
}

/// The columns of numbered rows that a query reads.
#[derive(Debug)]
struct NumberedColumns {
    rows: NumberedRows,
    wanted: Vec<usize>,
    schema: SchemaRef,
}

impl PartitionStream for NumberedColumns {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let engine = self.rows.engine.clone();
        let rows = stream::iter(self.rows.queries.clone())
            .then(move |query| engine.clone().stream(query))
            .try_flatten();
        let (all, wanted) = (Arc::clone(&self.rows.schema), self.wanted.clone());
        let mut next = 0_u64;
        let numbered = rows.map(move |batch| {
            let batch = numbered(&all, &batch?, &mut next)?;
            Ok(batch.project(&wanted)?)
        });
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

//! The evaluation of a recipe's input expressions over batches from any source.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use datafusion::arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::Result as EngineResult;
use datafusion::datasource::MemTable;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr};
use datafusion::prelude::SessionContext;
use futures::FutureExt;

use crate::engine::columns::select;
use crate::error::{Error, Result};
use crate::functions;

/// Expressions over the columns of one schema, planned and optimised once as in a query.
#[derive(Debug)]
pub(crate) struct InputExpressions {
    /// The names of the columns that are read, in the order of the first step's input.
    columns: Vec<String>,
    /// The schema of the first step's input.
    schema: SchemaRef,
    /// The projections that are applied one after the other. Subexpressions that several expressions share come first.
    steps: Vec<Step>,
}

/// A projection.
#[derive(Debug)]
struct Step {
    exprs: Vec<Arc<dyn PhysicalExpr>>,
    schema: SchemaRef,
}

impl InputExpressions {
    /// Plans `exprs` over the columns of `schema`. Values of `args` that cannot be read are added to `malformed_args`.
    ///
    /// # Errors
    /// Fails when the engine cannot plan an expression.
    pub fn new(
        context: &SessionContext,
        exprs: &[Expr],
        schema: &Schema,
        malformed_args: &Arc<AtomicU64>,
    ) -> Result<Self> {
        let plan = physical_plan(context, exprs, schema, malformed_args).map_err(Error::engine)?;
        let mut steps = Vec::new();
        let mut node = &plan;
        while let Some(projection) = node.downcast_ref::<ProjectionExec>() {
            let exprs = projection.expr().iter();
            steps.push(Step {
                exprs: exprs.map(|expr| Arc::clone(&expr.expr)).collect(),
                schema: projection.schema(),
            });
            node = projection.input();
        }
        if !node.children().is_empty() {
            let name = node.name();
            return Err(Error::internal(format!("expressions planned as {name}")));
        }
        steps.reverse();
        let schema = node.schema();
        let fields = schema.fields().iter();
        Ok(Self {
            columns: fields.map(|field| field.name().clone()).collect(),
            schema,
            steps,
        })
    }

    /// Computes the expressions for every row of `batch`, which may have more columns, in any order.
    ///
    /// # Errors
    /// Fails when a column is missing or has another type, and when a value cannot be computed.
    pub fn evaluate(&self, batch: &RecordBatch) -> EngineResult<Vec<ArrayRef>> {
        let positions = self
            .columns
            .iter()
            .map(|name| batch.schema_ref().index_of(name));
        let positions = positions.collect::<std::result::Result<Vec<_>, _>>()?;
        let read = positions
            .iter()
            .map(|index| Arc::clone(batch.column(*index)));
        let mut current = with_rows(&self.schema, read.collect(), batch.num_rows())?;
        for step in &self.steps {
            let values = step.exprs.iter().map(|expr| {
                let value = expr.evaluate(&current)?;
                value.into_array(current.num_rows())
            });
            let values = values.collect::<EngineResult<Vec<_>>>()?;
            current = with_rows(&step.schema, values, current.num_rows())?;
        }
        Ok(current.columns().to_vec())
    }
}

/// Creates a batch with a given number of rows, even if it has no columns.
fn with_rows(schema: &SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> EngineResult<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(
        Arc::clone(schema),
        columns,
        &options,
    )?)
}

/// Returns the physical plan of `SELECT exprs FROM events`, optimised as every query is.
fn physical_plan(
    context: &SessionContext,
    exprs: &[Expr],
    schema: &Schema,
    malformed_args: &Arc<AtomicU64>,
) -> EngineResult<Arc<dyn ExecutionPlan>> {
    let table = MemTable::try_new(Arc::new(schema.clone()), vec![vec![]])?;
    let selected = select(context.read_table(Arc::new(table))?, exprs.to_vec())?;
    let (state, plan) = selected.into_parts();
    let plan = functions::counting(plan, malformed_args)?;
    let planned = state.create_physical_plan(&plan).now_or_never();
    planned.unwrap_or_else(|| {
        Err(Error::internal("planning the expressions did not finish at once").into())
    })
}

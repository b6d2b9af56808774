//! Sums of integers that are exact or fail. The engine's own sum of 64-bit integers wraps around without a word.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema};
use datafusion::error::Result as EngineResult;
use datafusion::logical_expr::{
    Aggregate, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Window, cast,
};

/// The type in which integers are added: as many digits as a 64-bit integer has. The sum itself has 128 bits.
const ADDEND: DataType = DataType::Decimal128(20, 0);

/// Returns the plan with sums of integers that are computed as decimals and then cast to the type that they had. The cast
/// fails if a sum does not fit.
///
/// # Errors
/// Fails when the plan is invalid, which is a defect.
pub(super) fn exact(plan: LogicalPlan) -> EngineResult<LogicalPlan> {
    let exact = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Aggregate(aggregate) => {
            let sums = widened(&aggregate.aggr_expr, aggregate.input.schema())?;
            let Some(sums) = sums else {
                return Ok(Transformed::no(LogicalPlan::Aggregate(aggregate)));
            };
            let wide = Aggregate::try_new(aggregate.input, aggregate.group_expr, sums)?;
            narrowed(LogicalPlan::Aggregate(wide), &aggregate.schema)
        }
        LogicalPlan::Window(window) => {
            let Some(sums) = widened(&window.window_expr, window.input.schema())? else {
                return Ok(Transformed::no(LogicalPlan::Window(window)));
            };
            let wide = Window::try_new(sums, Arc::clone(&window.input))?;
            narrowed(LogicalPlan::Window(wide), &window.schema)
        }
        other => Ok(Transformed::no(other)),
    });
    Ok(exact?.data)
}

/// Returns the expressions with sums of decimals instead of sums of integers, or `None` if there is no such sum.
fn widened(exprs: &[Expr], schema: &DFSchema) -> EngineResult<Option<Vec<Expr>>> {
    let mut has_any = false;
    let mut all = Vec::with_capacity(exprs.len());
    for expr in exprs {
        let wide = expr.clone().transform_up(|part| widen(part, schema))?;
        has_any |= wide.transformed;
        all.push(wide.data);
    }
    Ok(has_any.then_some(all))
}

fn widen(mut expr: Expr, schema: &DFSchema) -> EngineResult<Transformed<Expr>> {
    let (name, arguments) = match &mut expr {
        Expr::AggregateFunction(call) => (call.func.name().to_owned(), &mut call.params.args),
        Expr::WindowFunction(call) => (call.fun.name().to_owned(), &mut call.params.args),
        _ => return Ok(Transformed::no(expr)),
    };
    match arguments.as_mut_slice() {
        [argument] if name == "sum" && argument.get_type(schema)?.is_integer() => {
            *argument = cast(argument.clone(), ADDEND);
            Ok(Transformed::yes(expr))
        }
        _ => Ok(Transformed::no(expr)),
    }
}

/// Adds a projection that gives the columns of `plan` the names and types of `schema`.
fn narrowed(plan: LogicalPlan, schema: &DFSchema) -> EngineResult<Transformed<LogicalPlan>> {
    let wide = Arc::clone(plan.schema());
    let columns = schema.iter().zip(wide.iter()).map(|(before, now)| {
        let column = Expr::Column(Column::from((now.0, now.1)));
        match before.1.data_type() {
            narrow if narrow == now.1.data_type() => column,
            narrow => {
                cast(column, narrow.clone()).alias_qualified(before.0.cloned(), before.1.name())
            }
        }
    });
    let columns: Vec<Expr> = columns.collect();
    let plan = LogicalPlanBuilder::from(plan).project(columns)?.build()?;
    Ok(Transformed::yes(plan))
}

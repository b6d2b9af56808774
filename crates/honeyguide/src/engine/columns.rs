//! Queries of many columns, planned without looking through the whole plan for each of them, as the engine's own builders
//! do. One table of names resolves all columns.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, TableReference};
use datafusion::error::Result as EngineResult;
use datafusion::logical_expr::{Aggregate, Expr, LogicalPlan, Projection};
use datafusion::prelude::DataFrame;

/// Selects expressions of a table, as [`DataFrame::select`] does. They have no window functions and no aggregates.
///
/// # Errors
/// Fails when an expression names a column that is not there, or two have the same name.
pub(crate) fn select(
    table: DataFrame,
    expressions: impl IntoIterator<Item = Expr>,
) -> EngineResult<DataFrame> {
    let (state, plan) = table.into_parts();
    let expressions = resolved(expressions, plan.schema())?;
    let projection = Projection::try_new(expressions, Arc::new(plan))?;
    Ok(DataFrame::new(state, LogicalPlan::Projection(projection)))
}

/// Computes aggregates of groups, as [`DataFrame::aggregate`] does.
///
/// # Errors
/// Fails as [`select`] does.
pub(crate) fn aggregate(
    table: DataFrame,
    groups: impl IntoIterator<Item = Expr>,
    aggregates: impl IntoIterator<Item = Expr>,
) -> EngineResult<DataFrame> {
    let (state, plan) = table.into_parts();
    let groups = resolved(groups, plan.schema())?;
    let aggregates = resolved(aggregates, plan.schema())?;
    let aggregate = Aggregate::try_new(Arc::new(plan), groups, aggregates)?;
    Ok(DataFrame::new(state, LogicalPlan::Aggregate(aggregate)))
}

/// Returns expressions whose columns name their tables. Two tables never have a column of the same name here: queries of
/// users, which join tables, are planned by the engine.
fn resolved(
    expressions: impl IntoIterator<Item = Expr>,
    schema: &DFSchema,
) -> EngineResult<Vec<Expr>> {
    let tables: HashMap<&str, &TableReference> = schema
        .iter()
        .filter_map(|(table, field)| Some((field.name().as_str(), table?)))
        .collect();
    let resolved = expressions.into_iter().map(|expression| {
        let named = expression.transform(|part| match part {
            Expr::Column(mut column) if column.relation.is_none() => {
                column.relation = tables.get(column.name.as_str()).copied().cloned();
                Ok(Transformed::yes(Expr::Column(column)))
            }
            part => Ok(Transformed::no(part)),
        });
        named.map(|named| named.data)
    });
    resolved.collect()
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch};
    use datafusion::functions_aggregate::expr_fn::count;
    use datafusion::logical_expr::{ident, lit};
    use datafusion::prelude::SessionContext;

    use super::*;

    fn table() -> DataFrame {
        let values: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 1]));
        let columns = [("a", Arc::clone(&values)), ("B", values)];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        SessionContext::new().read_batch(batch).unwrap()
    }

    #[test]
    fn plans_are_those_of_the_engine() {
        let renamed = [ident("a"), ident("B").alias("B")];
        // The columns of a table have its name, and an alias has none.
        for table in [table(), table().select(renamed).unwrap()] {
            let columns = || vec![ident("a") + ident("B"), ident("a").alias("c"), lit(1)];
            let ours = select(table.clone(), columns()).unwrap();
            let engines = table.clone().select(columns()).unwrap();
            assert_eq!(ours.logical_plan(), engines.logical_plan());
            let counts = || vec![count(lit(1)).alias("n")];
            let ours = aggregate(ours, [ident("c")], counts()).unwrap();
            let engines = engines.aggregate(vec![ident("c")], counts()).unwrap();
            assert_eq!(ours.logical_plan(), engines.logical_plan());
        }
    }

    #[test]
    fn columns_that_are_not_there_or_repeat_are_refused() {
        let lost = select(table(), [ident("b")]).unwrap_err();
        assert!(lost.to_string().contains("No field named b"), "{lost}");
        assert!(select(table(), [ident("a"), ident("B").alias("a")]).is_err());
    }
}

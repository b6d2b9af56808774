//! Counts of events by score, from which calibration and evaluation are computed, in one scan and bounded memory.

use std::sync::Arc;

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::Float64Type;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::error::Result as EngineResult;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::{Expr, ident, lit};
use datafusion::prelude::DataFrame;

use crate::engine::Engine;
use crate::engine::columns::{aggregate, select};
use crate::error::Result;
use crate::groups::{COUNT, KeyValues, KeyedCounts, Keys};
use crate::model::Model;
use crate::model_functions::{SCORE, anomaly_score};
use crate::recipe::plan::FeaturePlan;
use crate::scan::Scan;
use crate::source::Source;

/// The order of the scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Ascending,
    Descending,
}

/// The number of events with the same score and the same values of all keys.
pub(crate) struct ScoredGroup<'a> {
    pub score: f64,
    pub keys: KeyValues<'a>,
    pub events: u64,
}

/// The query `SELECT score, keys, count(*) … GROUP BY score, keys ORDER BY score`.
pub(crate) struct ScoredCounts<'a> {
    pub model: &'a Arc<Model>,
    pub keys: &'a Keys,
    pub order: Order,
}

impl ScoredCounts<'_> {
    /// Folds the groups in the order of their scores. `start` makes a fresh state, and is called again if the scan is
    /// repeated.
    ///
    /// # Errors
    /// Fails when the data lacks the recipe's columns or cannot be read, and when `step` fails.
    pub async fn fold<T>(
        &self,
        engine: &Engine,
        source: &mut Source,
        start: impl Fn() -> T,
        mut step: impl FnMut(&mut T, ScoredGroup) -> Result<()>,
    ) -> Result<T> {
        let recipe = self.model.recipe();
        let plan = recipe.plan(engine, source)?;
        let scan = Scan::new(engine, "scoring")
            .features(recipe, &plan)
            .keys(self.keys);
        let query = |table| self.query(table, &plan);
        let fold = |state: &mut T, batch: &RecordBatch| fold_batch(batch, state, &mut step);
        scan.fold(source, || Ok(start()), query, fold).await
    }

    /// Returns the query. It does not group by the inputs first: a score function knows the rows that it has scored, and
    /// finds a row's score faster than the engine finds its group. Rows that all differ need no group either.
    fn query(&self, table: DataFrame, plan: &FeaturePlan) -> EngineResult<DataFrame> {
        let inputs = plan.inputs.iter().cloned().map(Expr::unalias);
        let score = anomaly_score(self.model)
            .call(inputs.collect())
            .alias(SCORE);
        let keys = self.keys.iter();
        let keys = keys.map(|key| key.expr.clone().alias(&key.name));
        let selected = select(table, [score].into_iter().chain(keys))?;
        let groups = [ident(SCORE)].into_iter().chain(self.keys.idents());
        let counted = aggregate(selected, groups, [count(lit(1)).alias(COUNT)])?;
        counted.sort(vec![
            ident(SCORE).sort(self.order == Order::Ascending, false),
        ])
    }
}

fn fold_batch<T>(
    batch: &RecordBatch,
    state: &mut T,
    step: &mut impl FnMut(&mut T, ScoredGroup) -> Result<()>,
) -> Result<()> {
    let scores = batch.column(0).as_primitive::<Float64Type>();
    let groups = KeyedCounts::new(&batch.columns()[1..])?;
    for row in 0..batch.num_rows() {
        let group = ScoredGroup {
            score: scores.value(row),
            keys: groups.keys(row),
            events: groups.count(row),
        };
        step(state, group)?;
    }
    Ok(())
}

//! How many events have which score: what calibration and evaluation are computed from, in one scan and bounded memory.

use std::sync::Arc;

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::Float64Type;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::error::DataFusionError;
use datafusion::functions_aggregate::expr_fn::sum;
use datafusion::logical_expr::ident;
use datafusion::prelude::DataFrame;

use crate::distil::{COUNT, Key, KeyedCounts, count_distinct};
use crate::engine::Engine;
use crate::error::Result;
use crate::features::locate_fault;
use crate::labels::locate_label;
use crate::model::Model;
use crate::model_functions::anomaly_score;
use crate::recipe::plan::FeaturePlan;
use crate::source::{Source, with_columns};

const SCORE: &str = "__score";

/// In which order scores come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Ascending,
    Descending,
}

/// Events with one score and one value of every key.
pub(crate) struct ScoredGroup<'a> {
    pub score: f64,
    pub keys: &'a [Option<i64>],
    pub events: u64,
}

/// The question: `SELECT score, keys, count(*) … GROUP BY score, keys ORDER BY score`.
pub(crate) struct ScoredCounts<'a> {
    pub model: &'a Arc<Model>,
    pub keys: &'a [Key],
    pub order: Order,
}

impl ScoredCounts<'_> {
    /// Folds the groups in their order. `start` gives a fresh state; it may be called again when a scan is repeated.
    ///
    /// # Errors
    /// The data lacks the recipe's columns, a scan fails, `step` fails.
    pub async fn fold<T>(
        &self,
        engine: &Engine,
        source: &mut Source,
        start: impl Fn() -> T,
        mut step: impl FnMut(&mut T, ScoredGroup) -> Result<()>,
    ) -> Result<T> {
        let recipe = self.model.recipe();
        let plan = recipe.plan(engine, source)?;
        let of_keys: Vec<_> = self
            .keys
            .iter()
            .flat_map(|key| key.expr.column_refs())
            .collect();
        let needed = with_columns(
            &plan.needed,
            of_keys.iter().map(|column| column.name.as_str()),
        );
        let folded = source
            .run(&needed, async |source| {
                let mut state = start();
                let query = self.query(source.table(engine)?, &plan)?;
                let expected = source.expected_rows();
                let consume =
                    |batch: RecordBatch| Ok(self.fold_batch(&batch, &mut state, &mut step)?);
                engine
                    .for_each_batch("scoring", expected, query, consume)
                    .await?;
                Ok(state)
            })
            .await;
        match folded {
            Ok(state) => Ok(state),
            Err(error) => {
                let error = locate_fault(engine, source, recipe, &plan, error).await;
                Err(locate_label(engine, source, self.keys, error).await)
            }
        }
    }

    /// Rows are grouped before they are scored: kernel calls repeat themselves.
    fn query(
        &self,
        table: DataFrame,
        plan: &FeaturePlan,
    ) -> std::result::Result<DataFrame, DataFusionError> {
        let keys = || self.keys.iter().map(|key| ident(&key.name));
        let score = anomaly_score(self.model)
            .call(plan.names.iter().map(ident).collect())
            .alias(SCORE);
        count_distinct(table, plan, self.keys)?
            .select(
                [score]
                    .into_iter()
                    .chain(keys())
                    .chain([ident(COUNT)])
                    .collect::<Vec<_>>(),
            )?
            .aggregate(
                [ident(SCORE)].into_iter().chain(keys()).collect(),
                vec![sum(ident(COUNT)).alias(COUNT)],
            )?
            .sort(vec![
                ident(SCORE).sort(self.order == Order::Ascending, false),
            ])
    }

    fn fold_batch<T>(
        &self,
        batch: &RecordBatch,
        state: &mut T,
        step: &mut impl FnMut(&mut T, ScoredGroup) -> Result<()>,
    ) -> Result<()> {
        let scores = batch.column(0).as_primitive::<Float64Type>();
        let groups = KeyedCounts::new(&batch.columns()[1..])?;
        for row in 0..batch.num_rows() {
            let (keys, events) = (groups.keys(row), groups.count(row));
            step(
                state,
                ScoredGroup {
                    score: scores.value(row),
                    keys: &keys,
                    events,
                },
            )?;
        }
        Ok(())
    }
}

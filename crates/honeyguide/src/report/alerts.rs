//! The alerts that an analyst would get: processes with anomalous events, counted by their highest score.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::error::DataFusionError;
use datafusion::functions_aggregate::expr_fn::{count, max};
use datafusion::logical_expr::{cast, ident, lit};
use datafusion::prelude::DataFrame;

use super::places::{Places, columns_of};
use super::steps::Steps;
use crate::distil::{Key, count_distinct};
use crate::engine::Engine;
use crate::error::Result;
use crate::features::locate_fault;
use crate::log::HOST_COLUMN;
use crate::model::Model;
use crate::model_functions::anomaly_score;
use crate::recipe::plan::FeaturePlan;
use crate::source::{Source, with_columns};

/// Columns that tell processes of a host apart, where the data has them.
const PROCESS_COLUMNS: [&str; 2] = ["processId", "processName"];

const SCORE: &str = "__score";
const ALERTS: &str = "__alerts";

/// The number of alerts by the step of their highest score, as its position in [`Steps::steps`], and by place.
pub type AlertCells = BTreeMap<(usize, u32), u64>;

/// Alerts: groups of events, usually those of one process on one day, with at least one event above a threshold.
#[derive(Debug, Clone, PartialEq)]
pub struct Alerts {
    /// The definition of an alert, as a sentence without its full stop.
    pub definition: String,
    /// The alerts at the model's threshold.
    pub count: u64,
    /// The alerts at any threshold: those of the steps above it.
    pub cells: AlertCells,
}

impl Alerts {
    pub(super) fn new(definition: String, cells: AlertCells, steps: &Steps) -> Self {
        let above = steps.above_threshold();
        let counted = cells.iter().filter(|((step, _), _)| *step < above);
        Self {
            definition,
            count: counted.map(|(_, alerts)| alerts).sum(),
            cells,
        }
    }
}

/// The columns that group events to alerts.
pub(super) struct AlertRule {
    columns: Vec<&'static str>,
    by_day: bool,
    keys: Vec<Key>,
}

impl AlertRule {
    /// Chooses the columns for `source`; returns `None` where it has none.
    pub fn new(source: &Source, places: &Places) -> Option<Self> {
        let columns: Vec<_> = [HOST_COLUMN]
            .into_iter()
            .chain(PROCESS_COLUMNS)
            .filter(|column| source.has_column(column))
            .collect();
        let by_day = places.clock.is_some();
        if columns.is_empty() && !by_day {
            return None;
        }
        let texts = columns.iter().map(|column| Key {
            name: format!("__alert_{column}"),
            expr: cast(ident(*column), DataType::Utf8),
        });
        let day = places.clock.as_ref().map(|clock| Key {
            name: "__alert_day".into(),
            expr: clock.day(),
        });
        let keys = [places.key()].into_iter().chain(texts).chain(day).collect();
        Some(Self {
            columns,
            by_day,
            keys,
        })
    }

    /// Returns the definition of an alert in words.
    pub fn definition(&self) -> String {
        let has_process = PROCESS_COLUMNS
            .iter()
            .any(|column| self.columns.contains(column));
        let who = match (has_process, self.columns.first()) {
            (true, _) => format!("one process (the same {})", self.columns.join(", ")),
            (false, Some(_)) => "one host".to_owned(),
            (false, None) => "the whole data".to_owned(),
        };
        let when = if self.by_day { " on one day" } else { "" };
        format!("An alert is {who}{when} with at least one event above the threshold")
    }

    /// Counts the alerts by the step of their highest score and by place, in one scan.
    ///
    /// # Errors
    /// The data lacks the recipe's columns or cannot be read.
    pub async fn count(
        &self,
        engine: &Engine,
        model: &Arc<Model>,
        source: &mut Source,
        steps: &Steps,
    ) -> Result<AlertCells> {
        let recipe = model.recipe();
        let plan = recipe.plan(engine, source)?;
        let keys = self.keys.iter().map(|key| &key.expr);
        let needed = with_columns(&plan.needed, columns_of(keys).iter().map(String::as_str));
        let counted = source
            .run(&needed, async |source| {
                let mut cells = AlertCells::new();
                let query = self.query(model, source.table(engine)?, &plan)?;
                let consume = |batch: RecordBatch| {
                    add(&mut cells, &batch, steps);
                    Ok(())
                };
                engine
                    .for_each_batch("counting alerts", source.expected_rows(), query, consume)
                    .await?;
                Ok(cells)
            })
            .await;
        match counted {
            Ok(cells) => Ok(cells),
            Err(error) => Err(locate_fault(engine, source, recipe, &plan, error).await),
        }
    }

    /// `SELECT score, place, count(*)` of the highest score of everything that the keys tell apart.
    fn query(
        &self,
        model: &Arc<Model>,
        table: DataFrame,
        plan: &FeaturePlan,
    ) -> std::result::Result<DataFrame, DataFusionError> {
        let names = || self.keys.iter().map(|key| ident(&key.name));
        let score = anomaly_score(model)
            .call(plan.names.iter().map(ident).collect())
            .alias(SCORE);
        count_distinct(table, plan, &self.keys)?
            .select([score].into_iter().chain(names()).collect::<Vec<_>>())?
            .aggregate(names().collect(), vec![max(ident(SCORE)).alias(SCORE)])?
            .aggregate(
                vec![ident(SCORE), ident(&self.keys[0].name)],
                vec![count(lit(1)).alias(ALERTS)],
            )
    }
}

fn add(cells: &mut AlertCells, batch: &RecordBatch, steps: &Steps) {
    let scores = batch.column(0).as_primitive::<Float64Type>();
    let [places, alerts] = [1, 2].map(|column| batch.column(column).as_primitive::<Int64Type>());
    for row in 0..batch.num_rows() {
        let place = u32::try_from(places.value(row)).unwrap_or(0);
        let cell = (steps.position(scores.value(row)), place);
        *cells.entry(cell).or_default() += alerts.value(row).unsigned_abs();
    }
}

//! The alerts that an analyst would get: processes with anomalous events, counted by their highest score.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::error::Result as EngineResult;
use datafusion::functions_aggregate::expr_fn::{count, max};
use datafusion::logical_expr::{cast, ident, lit};
use datafusion::prelude::DataFrame;

use super::places::Places;
use super::steps::Steps;
use crate::engine::Engine;
use crate::error::Result;
use crate::groups::{Key, Keys, count_distinct};
use crate::model::Model;
use crate::model_functions::SCORE;
use crate::model_functions::anomaly_score;
use crate::recipe::plan::FeaturePlan;
use crate::scan::Scan;
use crate::source::Source;

const ALERTS: &str = "__alerts";

/// The number of alerts by place and by the step of their highest score, which is a position in [`Steps::steps`].
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
    columns: Vec<String>,
    has_process: bool,
    by_day: bool,
    /// The key of the place, then the keys that distinguish alerts.
    keys: Keys,
}

impl AlertRule {
    /// Returns the columns for `source`, or `None` if it has none.
    pub fn new(source: &Source, places: &Places) -> Option<Self> {
        let mut columns: Vec<String> = source
            .host()
            .map(|column| column.name.clone())
            .into_iter()
            .collect();
        let process = source.present(source.log().process().iter().copied());
        let process: Vec<String> = process
            .map(str::to_owned)
            .filter(|name| !columns.contains(name))
            .collect();
        let has_process = !process.is_empty();
        columns.extend(process);
        let by_day = places.clock.is_some();
        if columns.is_empty() && !by_day {
            return None;
        }
        let texts = columns.iter().map(|column| Key {
            name: format!("__alert_{column}"),
            expr: cast(ident(column), DataType::Utf8),
        });
        let day = places.clock.as_ref().map(|clock| Key {
            name: "__alert_day".into(),
            expr: clock.day(),
        });
        let mut keys = Keys::default();
        for key in [places.key()].into_iter().chain(texts).chain(day) {
            keys.add(key);
        }
        Some(Self {
            columns,
            has_process,
            by_day,
            keys,
        })
    }

    /// Returns the definition of an alert in words.
    pub fn definition(&self) -> String {
        let who = match (self.has_process, self.columns.first()) {
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
    /// Fails when the data lacks the recipe's columns or cannot be read.
    pub async fn count(
        &self,
        engine: &Engine,
        model: &Arc<Model>,
        source: &mut Source,
        steps: &Steps,
    ) -> Result<AlertCells> {
        let recipe = model.recipe();
        let plan = recipe.plan(engine, source)?;
        let scan = Scan::new(engine, "counting alerts")
            .features(recipe, &plan)
            .keys(&self.keys);
        let query = |table| self.query(model, table, &plan);
        let push = |cells: &mut AlertCells, batch: &RecordBatch| {
            add(cells, batch, steps);
            Ok(())
        };
        scan.fold(source, || Ok(AlertCells::new()), query, push)
            .await
    }

    /// Returns the query `SELECT score, place, count(*)` over the highest score of each combination of the keys.
    fn query(
        &self,
        model: &Arc<Model>,
        table: DataFrame,
        plan: &FeaturePlan,
    ) -> EngineResult<DataFrame> {
        let names = || self.keys.idents();
        let score = anomaly_score(model)
            .call(plan.names.iter().map(ident).collect())
            .alias(SCORE);
        count_distinct(table, plan, &self.keys)?
            .select([score].into_iter().chain(names()).collect::<Vec<_>>())?
            .aggregate(names().collect(), vec![max(ident(SCORE)).alias(SCORE)])?
            .aggregate(
                [ident(SCORE)].into_iter().chain(names().take(1)).collect(),
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

//! Events file by file, in their order, with what the model says of them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use datafusion::arrow::datatypes::{DataType, Float64Type};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{Expr, ExprSchemable, ident};
use datafusion::prelude::DataFrame;

use super::Anomaly;
use crate::cells::texts;
use crate::engine::{Engine, missing_column};
use crate::error::{Error, Result};
use crate::explain::ExplainedEvent;
use crate::features::locate_fault;
use crate::model::Model;
use crate::model_functions::anomaly_score;
use crate::recipe::depth;
use crate::recipe::plan::{FeaturePlan, is_function_of_one_event};
use crate::source::{Source, with_columns};

/// The name of the score in the engine.
const SCORE: &str = "__score";

/// A scan that keeps the order of the data.
pub(super) struct OrderedScan<'a> {
    pub engine: &'a Engine,
    pub model: &'a Model,
    pub plan: &'a FeaturePlan,
    /// SQL that selects some of the events.
    pub condition: Option<&'a str>,
}

/// Some events of one file, in their order.
pub(super) struct ScoredBatch<'a> {
    file: &'a Path,
    /// Rows of the file before this batch.
    rows_before: u64,
    /// The names of the event's columns.
    names: &'a [String],
    pub events: &'a [ArrayRef],
    /// The recipe's inputs.
    inputs: &'a [ArrayRef],
    selected: Option<&'a BooleanArray>,
    /// Encoded features, row-major.
    features: Vec<f64>,
    pub scores: Vec<f64>,
    pub unseen_categories: u64,
}

/// An event with what an explanation needs.
pub(super) struct Entry {
    pub anomaly: Anomaly,
    /// As the forest sees it.
    pub features: Vec<f64>,
    /// The recipe's inputs as text.
    pub inputs: Vec<Option<String>>,
}

impl OrderedScan<'_> {
    /// Folds the events of all files. `start` gives a fresh state; it may be called again when a scan is repeated.
    pub async fn fold<T>(
        &self,
        source: &mut Source,
        start: impl Fn() -> Result<T>,
        mut step: impl FnMut(&mut T, ScoredBatch) -> Result<()>,
    ) -> Result<T> {
        let columns: Vec<String> = source
            .columns()
            .iter()
            .map(|column| column.name.clone())
            .collect();
        let needed: BTreeSet<String> =
            with_columns(&self.plan.needed, columns.iter().map(String::as_str));
        let files: Vec<PathBuf> = source.files().map(|file| file.path.clone()).collect();
        let score = self.score_elsewhere();
        let folded = source
            .run(&needed, async |source| {
                let mut state = start()?;
                for (table, file) in source.tables_in_order(self.engine)?.into_iter().zip(&files) {
                    let mut rows_before = 0;
                    let query = self.query(table, &columns, score.as_ref())?;
                    let consume = |batch: RecordBatch| {
                        step(&mut state, self.score(file, rows_before, &columns, &batch)?)?;
                        rows_before += batch.num_rows() as u64;
                        Ok(())
                    };
                    self.engine
                        .for_each_batch("scoring", source.expected_rows(), query, consume)
                        .await?;
                }
                Ok(state)
            })
            .await;
        match folded {
            Ok(state) => Ok(state),
            Err(error) => {
                Err(locate_fault(self.engine, source, self.model.recipe(), self.plan, error).await)
            }
        }
    }

    /// The score as an expression, where other machines compute it.
    fn score_elsewhere(&self) -> Option<Expr> {
        let is_elsewhere = self.engine.is_distributed() && self.model.origin().is_some();
        is_elsewhere.then(|| {
            let inputs = self.plan.inputs.iter().cloned().map(Expr::unalias);
            anomaly_score(&Arc::new(self.model.clone()))
                .call(inputs.collect())
                .alias(SCORE)
        })
    }

    /// The event's columns, the recipe's inputs, the score where it is computed elsewhere, and whether the condition selects
    /// the event.
    fn query(
        &self,
        table: DataFrame,
        columns: &[String],
        score: Option<&Expr>,
    ) -> std::result::Result<DataFrame, DataFusionError> {
        let condition = self
            .condition
            .map(|sql| condition(&table, sql))
            .transpose()?;
        let events = columns.iter().map(ident);
        table.select(
            events
                .chain(self.plan.inputs.iter().cloned())
                .chain(score.cloned())
                .chain(condition)
                .collect::<Vec<_>>(),
        )
    }

    fn score<'b>(
        &self,
        file: &'b Path,
        rows_before: u64,
        names: &'b [String],
        batch: &'b RecordBatch,
    ) -> Result<ScoredBatch<'b>> {
        let (events, rest) = batch.columns().split_at(names.len());
        let (inputs, rest) = rest.split_at(self.plan.inputs.len());
        let features = self.model.encode(inputs)?;
        let scores = match rest
            .iter()
            .find_map(|array| array.as_primitive_opt::<Float64Type>())
        {
            Some(scores) => scores.values().to_vec(),
            None => self.model.scores_of_encoded(&features)?,
        };
        let unseen_categories = self.model.unseen_categories(&features)?;
        let selected = rest.iter().find_map(|array| array.as_boolean_opt());
        Ok(ScoredBatch {
            file,
            rows_before,
            names,
            events,
            inputs,
            selected,
            features,
            scores,
            unseen_categories,
        })
    }
}

/// A condition over the columns of `table`.
fn condition(table: &DataFrame, sql: &str) -> Result<Expr> {
    let refuse = |why: String| {
        Error::usage(format!("--where \"{sql}\": {why}"))
            .hint("a condition is SQL over the data's columns, as in \"userId >= 1000 AND eventName = 'connect'\"")
    };
    depth::check(sql).map_err(refuse)?;
    let expr = table
        .parse_sql_expr(sql)
        .map_err(|error| match missing_column(&error, sql) {
            Some((name, meant)) => refuse(format!("there is no column `{name}` here")).hint(meant),
            None => refuse(error.strip_backtrace()),
        })?;
    if !is_function_of_one_event(&expr) {
        return Err(refuse("not a condition on one event's columns".into()));
    }
    let found = expr
        .get_type(table.schema())
        .map_err(|error| refuse(error.strip_backtrace()))?;
    if found != DataType::Boolean {
        return Err(refuse(format!("gives {found}, not true or false")));
    }
    Ok(expr.alias("__selected"))
}

impl ScoredBatch<'_> {
    /// The encoded features of one row.
    pub fn row(&self, row: usize) -> &[f64] {
        let n_features = self.features.len() / self.scores.len();
        &self.features[row * n_features..(row + 1) * n_features]
    }

    /// Whether the condition selects a row.
    pub fn is_selected(&self, row: usize) -> bool {
        self.selected
            .is_some_and(|selected| selected.is_valid(row) && selected.value(row))
    }

    /// One event with all that is known of it.
    pub fn entry(&self, row: usize, model: &Model) -> Result<Entry> {
        let score = self.scores[row];
        let anomaly = Anomaly {
            score,
            anomalous: model.threshold().flags(score),
            events_alike: 1,
            file: self.file.to_owned(),
            row: self.rows_before + row as u64 + 1,
            event: self
                .names
                .iter()
                .cloned()
                .zip(texts(self.events, row)?)
                .collect(),
            reasons: Vec::new(),
        };
        Ok(Entry {
            anomaly,
            features: self.row(row).to_vec(),
            inputs: texts(self.inputs, row)?,
        })
    }
}

impl Entry {
    /// As the model explains it.
    pub fn as_explained(&self) -> ExplainedEvent<'_> {
        ExplainedEvent {
            features: &self.features,
            inputs: &self.inputs,
            columns: &self.anomaly.event,
        }
    }
}

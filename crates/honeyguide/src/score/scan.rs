//! Events file by file, in their order, with what the model says of them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use datafusion::arrow::datatypes::{DataType, Float64Type};
use datafusion::error::Result as EngineResult;
use datafusion::logical_expr::{Expr, ExprSchemable, ident};
use datafusion::prelude::DataFrame;

use super::Anomaly;
use crate::cells::texts;
use crate::engine::{Engine, expressions_context, missing_column};
use crate::error::{Error, Result};
use crate::explain::ExplainedEvent;
use crate::features::InputExpressions;
use crate::model::Model;
use crate::model_functions::anomaly_score;
use crate::recipe::depth;
use crate::recipe::plan::{FeaturePlan, is_function_of_one_event};
use crate::scan::{FileRows, Scan};
use crate::scorer::Scores;
use crate::source::Source;

/// The name of the score in the engine.
const SCORE: &str = "__score";

/// The name of the condition's value in the engine.
const SELECTED: &str = "__selected";

/// A scan that scores every event, in the order of the data.
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
    selected: Option<&'a BooleanArray>,
    pub scores: Scores,
    /// Values of categorical features that were never seen in training.
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
    /// Folds the events of all files. `start` makes a fresh state; it is called again when the scan is repeated.
    ///
    /// # Errors
    /// Fails when the data cannot be read or scored, when the condition is not SQL over its columns, and with whatever
    /// `start` and `step` fail with.
    pub async fn fold<T>(
        &self,
        source: &mut Source,
        start: impl Fn() -> Result<T>,
        mut step: impl FnMut(&mut T, ScoredBatch) -> Result<()>,
    ) -> Result<T> {
        let names: Vec<String> = source
            .columns()
            .iter()
            .map(|column| column.name.clone())
            .collect();
        let files: Vec<PathBuf> = source.names();
        let score = self.score_elsewhere();
        let scan = Scan::new(self.engine, "scoring")
            .columns(&names)
            .features(self.model.recipe(), self.plan);
        let query = |table| self.query(table, &names, score.as_ref());
        let start = |source: &Source| Ok((start()?, self.inputs(source)?));
        let score = |(state, inputs): &mut (T, InputExpressions), rows: FileRows| {
            let scored = self.score(inputs, &files[rows.file], &names, &rows)?;
            step(state, scored)
        };
        let (state, _) = scan.fold_in_order(source, start, query, score).await?;
        Ok(state)
    }

    /// Returns the recipe's inputs as expressions over the columns of `source`.
    fn inputs(&self, source: &Source) -> Result<InputExpressions> {
        let context = expressions_context();
        let malformed_args = source.reading("scoring").malformed_args;
        InputExpressions::new(
            &context,
            &self.plan.inputs,
            &source.schema(),
            malformed_args,
        )
    }

    /// Returns the score as an expression, where other machines compute it.
    fn score_elsewhere(&self) -> Option<Expr> {
        let is_elsewhere = self.engine.is_distributed() && self.model.origin().is_some();
        is_elsewhere.then(|| {
            let inputs = self.plan.inputs.iter().cloned().map(Expr::unalias);
            anomaly_score(&Arc::new(self.model.clone()))
                .call(inputs.collect())
                .alias(SCORE)
        })
    }

    /// Returns a query for the event's columns, the score where it is computed elsewhere, and whether the condition selects
    /// the event.
    fn query(
        &self,
        table: DataFrame,
        names: &[String],
        score: Option<&Expr>,
    ) -> EngineResult<DataFrame> {
        let condition = self
            .condition
            .map(|sql| condition(&table, sql))
            .transpose()?;
        let events = names.iter().map(ident);
        let columns = events.chain(score.cloned()).chain(condition);
        table.select(columns.collect::<Vec<_>>())
    }

    fn score<'b>(
        &self,
        inputs: &InputExpressions,
        file: &'b Path,
        names: &'b [String],
        rows: &FileRows<'b>,
    ) -> Result<ScoredBatch<'b>> {
        let batch = rows.batch;
        let inputs = inputs.evaluate(batch).map_err(Error::engine)?;
        let known = batch.column_by_name(SCORE);
        let scores = match known.and_then(|scores| scores.as_primitive_opt::<Float64Type>()) {
            Some(scores) => Scores::known(self.model, inputs, scores.values().to_vec())?,
            None => Scores::of_inputs(self.model, inputs)?,
        };
        let selected = batch.column_by_name(SELECTED);
        Ok(ScoredBatch {
            file,
            rows_before: rows.rows_before,
            names,
            events: &batch.columns()[..names.len()],
            selected: selected.and_then(|selected| selected.as_boolean_opt()),
            unseen_categories: self.model.unseen_categories(scores.all_features())?,
            scores,
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
    Ok(expr.alias(SELECTED))
}

impl ScoredBatch<'_> {
    /// Whether the condition selects a row.
    pub fn is_selected(&self, row: usize) -> bool {
        self.selected
            .is_some_and(|selected| selected.is_valid(row) && selected.value(row))
    }

    /// One event with all that is known of it.
    pub fn entry(&self, row: usize) -> Result<Entry> {
        let anomaly = Anomaly {
            score: self.scores.values()[row],
            anomalous: self.scores.is_anomalous(row),
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
            features: self.scores.features(row).to_vec(),
            inputs: self.scores.inputs(row)?,
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

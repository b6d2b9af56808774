//! A scan that scores the events in the order of the data, file by file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, StringArray, UInt64Array};
use datafusion::arrow::datatypes::{DataType, Float64Type};
use datafusion::error::Result as EngineResult;
use datafusion::logical_expr::{Expr, ExprSchemable, ident};
use datafusion::prelude::DataFrame;

use super::Anomaly;
use crate::cells::texts;
use crate::engine::columns::select;
use crate::engine::literals::parse_condition;
use crate::engine::{Engine, expressions_context, missing_column};
use crate::error::{Error, Result, explained};
use crate::event::Event;
use crate::explain::ExplainedEvent;
use crate::features::{InputExpressions, feature_key};
use crate::model::Model;
use crate::model_functions::SCORE;
use crate::model_functions::anomaly_score;
use crate::naming::parameter;
use crate::recipe::depth;
use crate::recipe::plan::{FeaturePlan, is_function_of_one_event};
use crate::scan::{FileRows, Scan};
use crate::scorer::Scores;
use crate::source::Source;

/// The name of the engine's column with the value of the condition.
const SELECTED: &str = "__selected";

/// A scan that scores every event, in the order of the data.
pub(super) struct OrderedScan<'a> {
    pub engine: &'a Engine,
    pub model: &'a Model,
    pub plan: &'a FeaturePlan,
    /// The types that the event's columns are read as.
    pub types: Arc<[DataType]>,
    /// SQL that selects some of the events.
    pub condition: Option<&'a str>,
}

/// A batch of events from one file, with their scores, in the order of the file.
pub(super) struct ScoredBatch<'a> {
    file: &'a Path,
    /// The number of rows in the file before this batch.
    rows_before: u64,
    /// The number of events in the data before this batch.
    pub events_before: u64,
    /// The names of the events' columns.
    names: &'a [String],
    types: &'a Arc<[DataType]>,
    pub events: &'a [ArrayRef],
    selected: Option<&'a BooleanArray>,
    pub scores: Scores,
    /// The number of values of categorical features that training never saw.
    pub unseen_categories: u64,
}

/// An event with the values that its explanation needs.
pub(super) struct Entry {
    pub anomaly: Anomaly,
    /// The event's feature row, as the forest gets it.
    pub features: Vec<f64>,
    /// The values of the recipe's inputs as text; a null is `None`.
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
        let start = |source: &Source| Ok((start()?, self.inputs(source)?, 0));
        let score = |(state, inputs, events): &mut (T, InputExpressions, u64), rows: FileRows| {
            let mut scored = self.score(inputs, &files[rows.file], &names, &rows)?;
            scored.events_before = *events;
            *events += scored.scores.len() as u64;
            step(state, scored)
        };
        let (state, ..) = scan.fold_in_order(source, start, query, score).await?;
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

    /// Returns the expression of the score if other machines compute it.
    fn score_elsewhere(&self) -> Option<Expr> {
        let is_elsewhere = self.engine.is_distributed() && self.model.origin().is_some();
        is_elsewhere.then(|| {
            let inputs = self.plan.inputs.iter().cloned().map(Expr::unalias);
            anomaly_score(&Arc::new(self.model.clone()))
                .call(inputs.collect())
                .alias(SCORE)
        })
    }

    /// Returns a query for the event's columns, for the score if other machines compute it, and for whether the
    /// condition selects the event.
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
        select(table, columns)
    }

    /// Scores a batch, unless other machines have already computed its scores.
    fn score<'b>(
        &'b self,
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
            events_before: 0,
            names,
            types: &self.types,
            events: &batch.columns()[..names.len()],
            selected: selected.and_then(|selected| selected.as_boolean_opt()),
            unseen_categories: scores.unseen_categories(self.model)?,
            scores,
        })
    }
}

/// Returns a hint on what a condition over the columns `names` is.
pub(super) fn condition_hint<'a>(mut names: impl Iterator<Item = &'a str>) -> String {
    let example = names.next().map_or_else(String::new, |name| {
        format!(", as in \"{} IS NOT NULL\"", ident(name))
    });
    format!("a condition is SQL over the data's columns{example}")
}

/// Parses a condition over the columns of `table`.
///
/// # Errors
/// Fails when `sql` is not a condition on one event's columns.
fn condition(table: &DataFrame, sql: &str) -> Result<Expr> {
    let names = || table.schema().fields().iter().map(|field| field.name());
    let refuse = |why: String| {
        Error::usage(format!("{} \"{sql}\": {why}", parameter("where")))
            .hint(condition_hint(names().map(String::as_str)))
    };
    depth::check_expression(sql).map_err(refuse)?;
    let parsed = parse_condition(table, sql);
    let expr = parsed.map_err(|error| match missing_column(&error, sql) {
        Some((name, meant)) => refuse(format!("there is no column `{name}` here")).hint(meant),
        None => refuse(explained(&error.strip_backtrace()).message),
    })?;
    if !is_function_of_one_event(&expr) {
        return Err(refuse("not a condition on one event's columns".into()));
    }
    let found = expr
        .get_type(table.schema())
        .map_err(|error| refuse(explained(&error.strip_backtrace()).message))?;
    if found != DataType::Boolean {
        return Err(refuse(format!("gives {found}, not true or false")));
    }
    Ok(expr.alias(SELECTED))
}

impl ScoredBatch<'_> {
    /// Returns the file of the events.
    pub fn file(&self) -> &Path {
        self.file
    }

    /// Returns whether the condition selects row `row`.
    pub fn is_selected(&self, row: usize) -> bool {
        self.selected
            .is_some_and(|selected| selected.is_valid(row) && selected.value(row))
    }

    /// Returns the event in row `row`, with the values that its explanation needs.
    ///
    /// # Errors
    /// Fails when the event has no text, which is a defect.
    pub fn entry(&self, row: usize) -> Result<Entry> {
        let anomaly = Anomaly {
            score: self.scores.values()[row],
            anomalous: self.scores.is_anomalous(row),
            events_alike: 1,
            file: self.file.to_owned(),
            row: self.rows_before + row as u64 + 1,
            row_in_data: self.events_before + row as u64 + 1,
            feature_key: feature_key(self.scores.features(row)),
            event: self.event(row)?,
            reasons: Vec::new(),
        };
        Ok(Entry {
            anomaly,
            features: self.scores.features(row).to_vec(),
            inputs: self.scores.inputs(row)?,
        })
    }
}

impl ScoredBatch<'_> {
    /// Returns columns with the file, the row in it and the key of the features of every event.
    ///
    /// # Errors
    /// Fails as [`Scores::feature_keys`] does.
    pub fn places(&self) -> Result<[ArrayRef; 3]> {
        let file = self.file.display().to_string();
        let rows = 0..self.scores.len();
        let files = rows.clone().map(|_| file.as_str());
        let numbers = rows.map(|row| self.rows_before + row as u64 + 1);
        Ok([
            Arc::new(StringArray::from_iter_values(files)),
            Arc::new(UInt64Array::from_iter_values(numbers)),
            self.scores.feature_keys()?,
        ])
    }

    fn event(&self, row: usize) -> Result<Event> {
        let values = texts(self.events, row)?;
        let columns = self.names.iter().cloned().zip(values).collect();
        Ok(Event::new(columns, Arc::clone(self.types)))
    }
}

impl Entry {
    /// Returns the event as the model's explanations take it.
    pub fn as_explained(&self) -> ExplainedEvent<'_> {
        ExplainedEvent {
            features: &self.features,
            inputs: &self.inputs,
            columns: self.anomaly.event.columns(),
        }
    }
}

//! A table: a source with a name, and the columns that a model adds to it.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::common::TableReference;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::ident;
use datafusion::prelude::DataFrame;

use super::scans::Reads;
use crate::engine::Engine;
use crate::engine::columns::select;
use crate::error::{Error, Result};
use crate::model::Model;
use crate::model_functions::{anomaly_score, is_anomalous};
use crate::recipe::plan::FeaturePlan;
use crate::score;
use crate::source::{Source, with_columns};

/// The names of the columns that a model adds.
pub(super) const ADDED_COLUMNS: [&str; 2] = [score::ADDED_COLUMNS[0], score::ADDED_COLUMNS[1]];

/// A source with a name.
pub(super) struct Table {
    pub name: String,
    pub source: Source,
    pub scoring: Scoring,
}

/// The state of a table's scores.
pub(super) enum Scoring {
    /// There is no model.
    Unasked,
    /// The model's recipe does not fit the table's columns, for the reason in the error.
    Unfit(Error),
    /// The data already has a column of this name.
    Stored(&'static str),
    /// The table has scores, computed from the recipe's expressions over its columns.
    Fit(FeaturePlan),
}

impl Scoring {
    /// Returns the recipe's expressions, if the table has scores.
    pub fn plan(&self) -> Option<&FeaturePlan> {
        match self {
            Self::Fit(plan) => Some(plan),
            _ => None,
        }
    }
}

impl Table {
    /// Returns a table called `name`, with scores if the recipe of `model` fits its columns.
    pub fn new(engine: &Engine, name: &str, source: Source, model: Option<&Model>) -> Self {
        let stored = ADDED_COLUMNS
            .into_iter()
            .find(|column| source.has_column(column));
        let scoring = match (model, stored) {
            (None, _) => Scoring::Unasked,
            (Some(_), Some(column)) => Scoring::Stored(column),
            (Some(model), None) => match model.recipe().plan(engine, &source) {
                Ok(plan) => Scoring::Fit(plan),
                Err(error) => Scoring::Unfit(error),
            },
        };
        Self {
            name: name.to_owned(),
            source,
            scoring,
        }
    }

    /// Returns the table's name as the engine takes it.
    pub fn reference(&self) -> TableReference {
        TableReference::bare(self.name.as_str())
    }

    /// Returns the reason why the table has no scores from the model, in a sentence. Returns `None` if it has scores,
    /// or if there is no model.
    pub fn why_unscored(&self) -> Option<String> {
        match &self.scoring {
            Scoring::Unasked | Scoring::Fit(_) => None,
            Scoring::Unfit(error) => Some(format!(
                "table `{}` has no columns score and anomalous: {}",
                self.name,
                error.text()
            )),
            Scoring::Stored(column) => Some(format!(
                "table `{}` keeps its own column `{column}`; the model adds none to it",
                self.name
            )),
        }
    }

    /// Returns the events with the columns that the model adds.
    ///
    /// # Errors
    /// Fails when the engine refuses an expression or a file.
    pub fn view(
        &self,
        engine: &Engine,
        model: Option<&Arc<Model>>,
    ) -> std::result::Result<DataFrame, DataFusionError> {
        let events = self.source.table(engine)?;
        let (Some(model), Scoring::Fit(plan)) = (model, &self.scoring) else {
            return Ok(events);
        };
        let columns = self.source.columns().iter();
        let columns: Vec<_> = columns.map(|column| ident(&column.name)).collect();
        let [score, anomalous] = ADDED_COLUMNS;
        let inputs = plan.inputs.iter().map(|input| input.clone().unalias());
        let scored = anomaly_score(model).call(inputs.collect()).alias(score);
        let verdict = is_anomalous(model)
            .call(vec![ident(score)])
            .alias(anomalous);
        let with_score = [columns.clone(), vec![scored]].concat();
        let with_verdict = [columns, vec![ident(score), verdict]].concat();
        select(select(events, with_score)?, with_verdict)
    }

    /// Returns the columns of the source that a query reads.
    pub fn needed(&self, reads: &Reads) -> BTreeSet<String> {
        let columns = self.source.columns().iter();
        let read = columns
            .map(|column| column.name.as_str())
            .filter(|column| reads.column(&self.name, column));
        with_columns(&BTreeSet::new(), read)
    }
}

/// Refuses a table's name that would need quotes in SQL.
///
/// # Errors
/// Fails when `name` is not an identifier of ASCII letters, digits and underscores.
pub(super) fn check_name(name: &str) -> Result<()> {
    let mut characters = name.chars();
    let is_first = |character: char| character.is_ascii_alphabetic() || character == '_';
    let is_identifier = characters.next().is_some_and(is_first)
        && characters.all(|character| is_first(character) || character.is_ascii_digit());
    if is_identifier {
        return Ok(());
    }
    Err(Error::usage(format!("`{name}` is not a valid table name")).hint(
        "a name has letters, digits and underscores, and does not begin with a digit: today=logs/today.csv",
    ))
}

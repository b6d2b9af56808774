//! One table: a source under a name, and what a model adds to it.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::common::TableReference;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::ident;
use datafusion::prelude::DataFrame;

use super::scans::Reads;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::model::Model;
use crate::model_functions::{anomaly_score, is_anomalous};
use crate::recipe::plan::FeaturePlan;
use crate::source::{Source, with_columns};

/// The columns that a model adds.
pub(super) const ADDED_COLUMNS: [&str; 2] = ["score", "anomalous"];

pub(super) struct Table {
    pub name: String,
    pub source: Source,
    pub scoring: Scoring,
}

/// Whether a table has scores.
pub(super) enum Scoring {
    /// There is no model.
    Unasked,
    /// The model's recipe does not fit the columns, for the reason in the error.
    Unfit(Error),
    /// The data brings a column of this name itself.
    Stored(&'static str),
    /// By the recipe's expressions over the table's columns.
    Fit(FeaturePlan),
}

impl Scoring {
    pub fn plan(&self) -> Option<&FeaturePlan> {
        match self {
            Self::Fit(plan) => Some(plan),
            _ => None,
        }
    }
}

impl Table {
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

    pub fn reference(&self) -> TableReference {
        TableReference::bare(self.name.as_str())
    }

    /// Why the table has no scores of the model's, in a sentence.
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

    /// The events, with what the model adds.
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
        events.select(with_score)?.select(with_verdict)
    }

    /// The columns of the source that a query reads.
    pub fn needed(&self, reads: &Reads) -> BTreeSet<String> {
        let columns = self.source.columns().iter();
        let read = columns
            .map(|column| column.name.as_str())
            .filter(|column| reads.column(&self.name, column));
        with_columns(&BTreeSet::new(), read)
    }
}

/// A table's name has to do without quotes.
pub(super) fn check_name(name: &str) -> Result<()> {
    let mut characters = name.chars();
    let is_first = |character: char| character.is_ascii_alphabetic() || character == '_';
    let is_identifier = characters.next().is_some_and(is_first)
        && characters.all(|character| is_first(character) || character.is_ascii_digit());
    if is_identifier {
        return Ok(());
    }
    Err(Error::usage(format!("`{name}` is not a table's name")).hint(
        "a name has letters, digits and underscores, and does not begin with a digit: today=logs/today.csv",
    ))
}

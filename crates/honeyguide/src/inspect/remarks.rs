//! Remarks on notable properties of a table, and on their consequences for a model.

use serde::Serialize;

use super::{ColumnSummary, Correlations};
use crate::log::Log;

/// The absolute correlation above which two columns hold nearly the same information.
const STRONG: f64 = 0.95;
/// The number of rows below which unique values and correlations are attributed to chance.
const MIN_ROWS: u64 = 10;

/// A remark on a notable property of a table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Remark {
    /// The kind of remark.
    pub kind: RemarkKind,
    /// The columns that the remark is about.
    pub columns: Vec<String>,
    /// The property and its consequence for a model, in a sentence.
    pub text: String,
}

/// The kind of a remark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RemarkKind {
    /// A column without a value in any row.
    Empty,
    /// A column, other than a label, with the same value in every row.
    Constant,
    /// A label with the same value in every row.
    OneClass,
    /// A column with a different value in every row.
    Unique,
    /// Two columns with a correlation of |r| > 0.95.
    Correlated,
    /// A column with infinite values.
    Infinite,
}

/// Returns the remarks on a table of `rows` rows.
pub(super) fn remarks(
    log: &Log,
    rows: u64,
    columns: &[ColumnSummary],
    correlations: &Correlations,
) -> Vec<Remark> {
    columns
        .iter()
        .filter_map(|column| of_column(log, rows, column))
        .chain(columns.iter().filter_map(infinite))
        .chain(correlated(log, correlations).filter(|_| rows >= MIN_ROWS))
        .collect()
}

fn of_column(log: &Log, rows: u64, column: &ColumnSummary) -> Option<Remark> {
    let name = &column.name;
    let is_label = log.is_label(name);
    let present = rows - column.nulls;
    let remark = |kind, text: String| {
        Some(Remark {
            kind,
            columns: vec![name.clone()],
            text,
        })
    };
    match column.distinct.count {
        _ if present == 0 => remark(
            RemarkKind::Empty,
            format!("{name} has no value in any row: a model learns nothing from it."),
        ),
        1 if column.nulls == 0 && is_label => remark(
            RemarkKind::OneClass,
            format!(
                "{name} is {} in every row: there is one class, so AUROC, precision and recall against it are undefined here.",
                value(column)
            ),
        ),
        1 if column.nulls == 0 && rows > 1 => remark(
            RemarkKind::Constant,
            format!(
                "{name} is {} in every row: no tree can split on it, so a model ignores it, even if it changes later.",
                value(column)
            ),
        ),
        distinct
            if column.distinct.exact && distinct == present && present >= MIN_ROWS && !is_label =>
        {
            remark(
                RemarkKind::Unique,
                format!(
                    "{name} has a different value in every row: as a category it says nothing about other rows; as a number it \
                 makes every row distinct, and new data lies outside what the model learnt."
                ),
            )
        }
        _ => None,
    }
}

fn value(column: &ColumnSummary) -> &str {
    column.top.first().map_or("one value", |top| &top.value)
}

fn infinite(column: &ColumnSummary) -> Option<Remark> {
    let infinite = column.numeric.as_ref()?.infinite;
    (infinite > 0).then(|| Remark {
        kind: RemarkKind::Infinite,
        columns: vec![column.name.clone()],
        text: format!(
            "{} is infinite in {infinite} {}: these are left out of its figures here, and no model accepts them.",
            column.name,
            if infinite == 1 { "row" } else { "rows" }
        ),
    })
}

fn correlated(log: &Log, correlations: &Correlations) -> impl Iterator<Item = Remark> {
    let n = correlations.names.len();
    let pairs = (0..n).flat_map(move |i| (i + 1..n).map(move |j| (i, j)));
    pairs.filter_map(move |(i, j)| {
        let r = correlations.get(i, j).filter(|r| r.abs() > STRONG)?;
        let (first, second) = (&correlations.names[i], &correlations.names[j]);
        let meaning = match (log.is_label(first), log.is_label(second)) {
            (true, true) => {
                "results against one of these labels add little to results against the other"
            }
            (false, false) => {
                "a model that has both counts the same thing twice; leave one of them out"
            }
            _ => {
                "the column nearly determines the label, so compare a detector with a rule on that column alone"
            }
        };
        Some(Remark {
            kind: RemarkKind::Correlated,
            columns: vec![first.clone(), second.clone()],
            text: format!("{first} and {second} go together (r = {r:.4}): {meaning}."),
        })
    })
}

//! Remarks on notable properties of a table, and on their consequences for a model.

use serde::Serialize;

use super::{ColumnSummary, Correlations};
use crate::log::Log;
use crate::whole::LARGEST_WHOLE;
use crate::wording::of_them;

/// The absolute correlation above which two columns hold nearly the same information.
const STRONG: f64 = 0.95;
/// The absolute correlation above which it lies with confidence, whatever the rows are a sample of.
const CERTAIN: f64 = 0.9;
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
    /// Two columns with a correlation of |r| > 0.95, in so many rows that it is above 0.9 with a confidence of 99.5 %.
    Correlated,
    /// A column with infinite values.
    Infinite,
    /// A column with numbers that no double holds exactly.
    Rounded,
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
        .chain(columns.iter().filter_map(rounded))
        .chain(correlated(log, rows, correlations))
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

fn rounded(column: &ColumnSummary) -> Option<Remark> {
    let numeric = column.numeric.as_ref()?;
    // Of a column with so many values that they are counted in buckets, only the magnitude is known.
    let is_great =
        !column.data_type.starts_with("Float") && numeric.min.min(-numeric.max) < -LARGEST_WHOLE;
    (is_great || column.distinct.exact && !numeric.exact).then(|| Remark {
        kind: RemarkKind::Rounded,
        columns: vec![column.name.clone()],
        text: format!(
            "{} has numbers that no double holds exactly: its extremes, quartiles, mean, standard deviation and \
             correlations are those of the nearest doubles, and a model sees no more of it as a number.",
            column.name
        ),
    })
}

fn correlated(log: &Log, rows: u64, correlations: &Correlations) -> impl Iterator<Item = Remark> {
    let n = correlations.names.len();
    let pairs = (0..n).flat_map(move |i| (i + 1..n).map(move |j| (i, j)));
    pairs.filter_map(move |(i, j)| {
        let r = correlations.get(i, j).filter(|r| r.abs() > STRONG)?;
        let shared = correlations.rows(i, j) as u64;
        if shared < MIN_ROWS || correlations.at_least(i, j) < CERTAIN {
            return None;
        }
        let (first, second) = (&correlations.names[i], &correlations.names[j]);
        let meaning = match (log.is_label(first), log.is_label(second)) {
            _ if !correlations.is_shared(i, j) => {
                "most rows with one of them lack the other, so neither can replace the other"
            }
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
            text: match shared == rows {
                true => format!("{first} and {second} go together (r = {r:.4}): {meaning}."),
                false => format!(
                    "{first} and {second} go together (r = {r:.4} in the {} that have both): {meaning}.",
                    of_them(shared, "row", "rows")
                ),
            },
        })
    })
}

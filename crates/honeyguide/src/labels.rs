//! Labels: which columns they are, what class a value says, and which event has a value that is none.

use std::collections::BTreeSet;

use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::logical_expr::{Expr, cast, ident, lit, when};

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::features::{first_found, without_place};
use crate::groups::{Key, Keys};
use crate::log::Log;
use crate::source::{Source, column_list, with_columns};

/// The labels to judge against.
pub(crate) fn labels(source: &Source, label: Option<&str>) -> Result<Vec<String>> {
    let wanted: Vec<&str> = match label {
        Some(label) => vec![label],
        None => source
            .present(source.log().labels().iter().copied())
            .collect(),
    };
    if wanted.is_empty() {
        let message = format!(
            "the data has no label (no column {})",
            in_words(source.log())
        );
        return Err(Error::usage(message).hint(format!(
            "name the label with --label; the columns are {}",
            column_list(source)
        )));
    }
    Ok(wanted.into_iter().map(str::to_owned).collect())
}

/// The names of a log's labels, for a message.
pub(crate) fn in_words(log: &Log) -> String {
    let names = log.labels().iter().map(|label| format!("`{label}`"));
    names.collect::<Vec<_>>().join(" or ")
}

/// A label as a key. Values other than 0 and 1 are found when they come.
pub(crate) fn label_key(source: &Source, label: &str) -> Result<Key> {
    let column = source
        .columns()
        .iter()
        .find(|column| column.name == label)
        .ok_or_else(|| {
            Error::usage(format!("--label {label}: the data has no such column"))
                .hint(format!("its columns are {}", column_list(source)))
        })?;
    let value = ident(label);
    let integer = |value: Expr| cast(value, DataType::Int64);
    let expr = match &column.data_type {
        found if found.is_integer() || *found == DataType::Boolean => integer(value),
        found if found.is_floating() => {
            let otherwise = lit(NOT_A_LABEL);
            let known = when(value.clone().eq(lit(0.0)), lit(0_i64))
                .when(value.eq(lit(1.0)), lit(1_i64))
                .otherwise(otherwise);
            known.map_err(Error::engine)?
        }
        found => {
            return Err(Error::usage(format!(
                "--label {label}: the column holds {found}, not 0 and 1"
            ))
            .hint("a label is 1 for what should be found and 0 for the rest, or true and false"));
        }
    };
    Ok(Key {
        name: format!("{LABEL_KEY}{label}"),
        expr,
    })
}

/// What the key of a label is called before the label's own name.
const LABEL_KEY: &str = "__label_";
/// Stands for a fraction in a label column of floats.
const NOT_A_LABEL: i64 = i64::MIN;

/// The class that a label's key says.
pub(crate) fn class_of(label: &str, key: Option<i64>) -> Result<bool> {
    match key {
        Some(0) => Ok(false),
        Some(1) => Ok(true),
        other => {
            let found = match other {
                None => "null".to_owned(),
                Some(NOT_A_LABEL) => "a number that is neither".to_owned(),
                Some(value) => value.to_string(),
            };
            Err(Error::label_fault(label, &found).hint(
                "correct or remove such events, or name a column that holds 0 and 1 with --label",
            ))
        }
    }
}

/// Traces a label that is neither 0 nor 1 to the first event, in the order of the files, that has one among the labels of
/// `keys`. Other errors pass unchanged.
pub(crate) async fn locate_label(
    engine: &Engine,
    source: &mut Source,
    keys: &Keys,
    error: Error,
) -> Error {
    if !error.is_label_fault() {
        return error;
    }
    if !source.is_repeatable() {
        return without_place(error);
    }
    let labelled = keys.iter().filter_map(|key| {
        let label = key.name.strip_prefix(LABEL_KEY)?;
        Some((label, key.expr.clone()))
    });
    let (labels, values): (Vec<&str>, Vec<Expr>) = labelled.unzip();
    let needed = with_columns(&BTreeSet::new(), labels.iter().copied());
    let search = first_found(
        engine,
        source,
        &needed,
        |table| table.select(values.clone()),
        |_| Ok(()),
        |(), batch| Ok(first_unlabelled(&labels, batch)),
    );
    match search.await {
        Ok(Some((place, found))) => found.at(&place),
        Ok(None) | Err(_) => error,
    }
}

/// The first row of a batch of labels with one that is neither 0 nor 1.
fn first_unlabelled(labels: &[&str], batch: &RecordBatch) -> Option<(usize, Error)> {
    let columns: Vec<_> = batch
        .columns()
        .iter()
        .filter_map(|column| column.as_primitive_opt::<Int64Type>())
        .collect();
    (0..batch.num_rows()).find_map(|row| {
        let mut labelled = labels.iter().zip(&columns);
        labelled.find_map(|(label, column)| {
            let key = column.is_valid(row).then(|| column.value(row));
            class_of(label, key).err().map(|error| (row, error))
        })
    })
}

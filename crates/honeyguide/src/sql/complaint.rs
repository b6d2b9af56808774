//! Errors about a query, with hints on how to correct it.

use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;

use super::table::{ADDED_COLUMNS, Scoring, Table};
use crate::engine::likely_column;
use crate::error::{Error, Explained, explained};
use crate::naming::parameter;

/// Returns the error for text that cannot be parsed as SQL.
pub(super) fn of_parsing(error: &DataFusionError) -> Error {
    let text = match error.find_root() {
        DataFusionError::SQL(parser, _) => parser.to_string(),
        other => other.strip_backtrace(),
    };
    let message = explained(&text).message;
    Error::usage(format!("the query is not SQL: {}", one_line(&message)))
        .hint("one query without a semicolon inside, as in \"SELECT count(*) FROM events\"")
}

/// Returns whether an error is due to the query, whatever the data.
pub(super) fn is_of_the_query(error: &DataFusionError) -> bool {
    matches!(
        error.find_root(),
        DataFusionError::Plan(_)
            | DataFusionError::SchemaError(..)
            | DataFusionError::NotImplemented(_)
            | DataFusionError::Internal(_)
            | DataFusionError::SQL(..)
    )
}

/// Returns the error for a sum of integers that is beyond 64 bits, if that is what failed.
pub(super) fn of_a_sum(error: &DataFusionError, query: &str) -> Option<Error> {
    let DataFusionError::ArrowError(error, _) = error.find_root() else {
        return None;
    };
    let text = one_line(&error.to_string());
    let is_sum = text.contains("out of range") && query.to_lowercase().contains("sum");
    is_sum.then(|| {
        Error::data(format!("the query: a sum of integers has 64 bits: {text}"))
            .hint("decimals have more digits: sum(CAST(x AS DECIMAL(38, 0)))")
    })
}

/// Returns the error for a query that the engine cannot plan.
pub(super) fn of_planning(error: DataFusionError, query: &str, tables: &[Table]) -> Error {
    if let Some(own) = Error::own(&error) {
        return own;
    }
    match error.find_root() {
        DataFusionError::SchemaError(schema_error, _) => match schema_error.as_ref() {
            SchemaError::FieldNotFound {
                field,
                valid_fields,
            } => {
                let name = &field.name;
                Error::usage(format!("the query: there is no column `{name}` here")).hint(
                    match ADDED_COLUMNS.contains(&name.as_str()) {
                        true => missing_score(tables),
                        false => likely_column(name, valid_fields, query),
                    },
                )
            }
            other => Error::usage(format!("the query: {other}"))
                .hint("name the table too, as in events.name, or rename one column with AS"),
        },
        root => {
            let Explained { message, hint } = explained(&root.strip_backtrace());
            let error = Error::usage(format!("the query: {}", one_line(&message)));
            let hint = match message.contains("unique expression names") {
                true => Some(
                    "give every column of the answer a name of its own: SELECT a AS x, b AS y"
                        .into(),
                ),
                false => hint,
            };
            match hint {
                Some(hint) => error.hint(hint),
                None => error,
            }
        }
    }
}

/// Returns the hint for a query that names a column of scores which no table has.
fn missing_score(tables: &[Table]) -> String {
    let whys: Vec<_> = tables.iter().filter_map(Table::why_unscored).collect();
    let asked = !tables
        .iter()
        .all(|table| matches!(table.scoring, Scoring::Unasked));
    if !asked {
        format!(
            "score and anomalous come from a model: name it with {} MODEL",
            parameter("model")
        )
    } else if whys.is_empty() {
        "score and anomalous are columns of the tables: a subquery has them only if it selects them"
            .into()
    } else {
        whys.join("; ")
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

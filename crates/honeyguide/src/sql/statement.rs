//! Parsing and planning of queries, and the refusal of statements that do more than read.

use std::ops::ControlFlow;

use datafusion::common::TableReference;
use datafusion::error::DataFusionError;
use datafusion::execution::SessionStateDefaults;
use datafusion::execution::context::SQLOptions;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{Statement as Sql, visit_relations};

use super::{complaint, limits, sums};
use crate::engine::literals;
use crate::error::{Error, Result};
use crate::naming::{command, parameter};
use crate::recipe::depth;

/// The greatest length of a query, in bytes.
const MAX_QUERY_BYTES: usize = 64 << 10;
/// The greatest number of times that a query may name a table. Each of them makes the engine recurse deeper.
const MAX_TABLES: usize = 64;

/// Parses the single statement in `query`.
///
/// # Errors
/// Fails when `query` is too long or too complex, is not a single SQL statement, or does more than read.
pub(super) fn parse(context: &SessionContext, query: &str) -> Result<Statement> {
    if query.len() > MAX_QUERY_BYTES {
        return Err(Error::usage(format!(
            "a query of {} bytes; the limit is {MAX_QUERY_BYTES}",
            query.len()
        )));
    }
    depth::check_query(query).map_err(|why| Error::usage(format!("the query: {why}")))?;
    let state = context.state();
    let dialect = state.config().options().sql_parser.dialect;
    let mut statement = state
        .sql_to_statement(query, &dialect)
        .map_err(|error| complaint::of_parsing(&error))?;
    if let Some(what) = refused(&statement) {
        return Err(only_queries(&what));
    }
    let tables = named_tables(&statement);
    if tables > MAX_TABLES {
        return Err(Error::usage(format!(
            "the query names {tables} tables; the limit is {MAX_TABLES}"
        )));
    }
    check_limits(&statement)?;
    keep_digits(&mut statement);
    Ok(statement)
}

/// Checks the query that a statement holds.
///
/// # Errors
/// Fails when its plan would be too large.
fn check_limits(statement: &Statement) -> Result<()> {
    match statement {
        Statement::Statement(sql) => limits::check(sql),
        Statement::Explain(explain) => check_limits(&explain.statement),
        Statement::CreateExternalTable(_) | Statement::CopyTo(_) | Statement::Reset(_) => Ok(()),
    }
}

/// Lets the numbers that a statement compares columns with keep all digits.
fn keep_digits(statement: &mut Statement) {
    match statement {
        Statement::Statement(sql) => literals::keep_digits(sql.as_mut()),
        Statement::Explain(explain) => keep_digits(&mut explain.statement),
        Statement::CreateExternalTable(_) | Statement::CopyTo(_) | Statement::Reset(_) => {}
    }
}

/// Returns how many times a statement names a table.
fn named_tables(statement: &Statement) -> usize {
    match statement {
        Statement::Statement(sql) => {
            let mut tables = 0;
            let _ = visit_relations(sql.as_ref(), |_| {
                tables += 1;
                ControlFlow::<()>::Continue(())
            });
            tables
        }
        Statement::Explain(explain) => named_tables(&explain.statement),
        Statement::CreateExternalTable(_) | Statement::CopyTo(_) | Statement::Reset(_) => 0,
    }
}

/// Returns the error for a statement that does more than read.
fn only_queries(what: &str) -> Error {
    Error::usage(format!("{what}: only queries are answered here")).hint(format!(
        "SELECT, WITH, EXPLAIN, DESCRIBE and SHOW read; to write a result, use {} FILE; to read other data, use {} NAME=DATA",
        parameter("out"),
        parameter("table")
    ))
}

/// Returns what a statement does if it does more than read, and `None` otherwise.
fn refused(statement: &Statement) -> Option<String> {
    match statement {
        Statement::Statement(sql) => match sql.as_ref() {
            Sql::Query(_)
            | Sql::Explain { .. }
            | Sql::ExplainTable { .. }
            | Sql::ShowTables { .. }
            | Sql::ShowColumns { .. }
            | Sql::ShowFunctions { .. }
            | Sql::ShowVariable { .. } => None,
            other => Some(first_words(&other.to_string())),
        },
        Statement::Explain(explain) => refused(&explain.statement),
        Statement::CreateExternalTable(_) => Some("CREATE EXTERNAL TABLE".into()),
        Statement::CopyTo(_) => Some("COPY".into()),
        Statement::Reset(_) => Some("RESET".into()),
    }
}

/// Returns the keywords that a statement begins with, at most two.
fn first_words(sql: &str) -> String {
    let is_keyword = |word: &&str| word.chars().all(|letter| letter.is_ascii_uppercase());
    let words: Vec<_> = sql
        .split_whitespace()
        .take_while(is_keyword)
        .take(2)
        .collect();
    words.join(" ")
}

/// Returns whether a statement names the table `name`.
///
/// # Errors
/// Fails when a name of the statement is not one of a table.
pub(super) fn names_table(
    context: &SessionContext,
    statement: &Statement,
    name: &str,
) -> Result<bool> {
    let references = context
        .state()
        .resolve_table_references(statement)
        .map_err(|error| complaint::of_parsing(&error))?;
    Ok(references.iter().any(|reference| reference.table() == name))
}

/// Refuses a statement that names an unknown table.
///
/// # Errors
/// Fails when a name is neither among `known` nor one of the engine's own tables and table functions.
pub(super) fn check_tables(
    context: &SessionContext,
    statement: &Statement,
    known: &[&str],
) -> Result<()> {
    let references = context
        .state()
        .resolve_table_references(statement)
        .map_err(|error| complaint::of_parsing(&error))?;
    let unknown = references.iter().find(|reference| match reference {
        TableReference::Bare { table } => !known.contains(&table.as_ref()),
        TableReference::Partial { schema, .. } | TableReference::Full { schema, .. } => {
            schema.as_ref() != "information_schema" && schema.as_ref() != "public"
        }
    });
    let Some(unknown) = unknown else {
        return Ok(());
    };
    let is_function = |name: &str| {
        SessionStateDefaults::default_table_functions()
            .iter()
            .any(|function| function.name() == name)
    };
    if is_function(unknown.table()) {
        return Ok(());
    }
    let error = Error::usage(format!("there is no table `{unknown}`"));
    let listed: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
    Err(if known.is_empty() {
        error.hint(format!(
            "name the data: {} \"SELECT …\" DATA makes a table `events`, {} NAME=DATA another",
            command("sql"),
            parameter("table")
        ))
    } else {
        error.hint(format!(
            "the tables are: {}; {} NAME=DATA adds one",
            listed.join(", "),
            parameter("table")
        ))
    })
}

/// Returns the optimised plan of a statement.
///
/// # Errors
/// Fails when the engine cannot plan the statement, and when the plan does more than read.
pub(super) async fn plan(
    context: &SessionContext,
    statement: Statement,
) -> std::result::Result<LogicalPlan, DataFusionError> {
    let state = context.state();
    let plan = state.statement_to_plan(statement).await?;
    SQLOptions::new()
        .with_allow_ddl(false)
        .with_allow_dml(false)
        .with_allow_statements(false)
        .verify_plan(&plan)?;
    state.optimize(&sums::exact(plan)?)
}

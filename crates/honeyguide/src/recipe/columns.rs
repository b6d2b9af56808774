//! The columns that a SQL expression names, found without a schema.

use std::ops::ControlFlow;

use datafusion::sql::parser::DFParserBuilder;
use datafusion::sql::sqlparser::ast::{Expr, visit_expressions};

use super::depth;

/// Returns the names of the columns in a SQL expression, each once, in the order of their first use. Of a field of a
/// struct, as in `a.b`, the column is `a`. Text that is not an expression has no columns.
pub(crate) fn columns_of_expression(sql: &str) -> Vec<String> {
    let mut columns: Vec<String> = Vec::new();
    let Some(expr) = parse(sql) else {
        return columns;
    };
    let _ = visit_expressions(&expr, |part| {
        let column = match part {
            Expr::Identifier(column) => Some(column),
            Expr::CompoundIdentifier(parts) => parts.first(),
            _ => None,
        };
        if let Some(column) = column
            && !columns.contains(&column.value)
        {
            columns.push(column.value.clone());
        }
        ControlFlow::<()>::Continue(())
    });
    columns
}

/// Returns the name of the column that a SQL expression is, if it is nothing else.
pub(crate) fn column_of_expression(sql: &str) -> Option<String> {
    let mut expr = parse(sql)?;
    while let Expr::Nested(inner) = expr {
        expr = *inner;
    }
    match expr {
        Expr::Identifier(column) => Some(column.value),
        _ => None,
    }
}

/// Parses an expression as the engine does.
pub(super) fn parse(sql: &str) -> Option<Expr> {
    // The visitor is recursive, so an expression that is too deep must not reach it.
    depth::check_expression(sql).ok()?;
    let mut parser = DFParserBuilder::new(sql).build().ok()?;
    Some(parser.parse_into_expr().ok()?.expr)
}

#[cfg(test)]
mod tests {
    use super::{column_of_expression, columns_of_expression};

    #[test]
    fn columns_are_the_identifiers_of_an_expression() {
        for (sql, expected) in [
            ("userId", vec!["userId"]),
            ("CASE WHEN userId < 1000 THEN 0 END", vec!["userId"]),
            ("b + a * b", vec!["b", "a"]),
            ("parentProcessId", vec!["parentProcessId"]),
            ("processId NOT IN (0, 1, 2)", vec!["processId"]),
            // A function and a type are not columns, even if a column has such a name.
            ("CAST(arg(args, 'pathname') AS TEXT)", vec!["args"]),
            ("lists[1]", vec!["lists"]),
            ("outer_struct.field", vec!["outer_struct"]),
        ] {
            assert_eq!(columns_of_expression(sql), expected, "{sql}");
        }
    }

    #[test]
    fn a_name_in_a_string_literal_is_not_a_column() {
        assert_eq!(
            columns_of_expression("CASE eventName WHEN 'userId' THEN 1 ELSE 0 END"),
            ["eventName"]
        );
        assert!(columns_of_expression("'the host''s userId'").is_empty());
    }

    #[test]
    fn a_quoted_identifier_is_a_column() {
        assert_eq!(
            columns_of_expression(r#""process id" + "say ""x""""#),
            ["process id", r#"say "x""#]
        );
    }

    #[test]
    fn only_an_expression_that_is_a_column_has_its_name() {
        for (sql, column) in [
            ("bytes", Some("bytes")),
            (r#" ("Bytes sent") "#, Some("Bytes sent")),
            ("bytes + 0", None),
            ("a.b", None),
            ("1", None),
            ("'bytes'", None),
            ("", None),
        ] {
            assert_eq!(column_of_expression(sql).as_deref(), column, "{sql}");
        }
    }

    #[test]
    fn text_that_is_not_an_expression_has_no_columns() {
        for sql in ["", "a +", "a; b", &"a + ".repeat(10_000)] {
            assert!(columns_of_expression(sql).is_empty(), "{sql:.20}");
        }
    }
}

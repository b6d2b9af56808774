//! Numbers that a column is compared with, of which no digit is lost. The engine reads every number as a double that is no
//! integer of 64 bits, so that a decimal of many digits would equal none, and an integer its neighbours too.

use std::ops::ControlFlow;

use datafusion::arrow::datatypes::DECIMAL128_MAX_PRECISION;
use datafusion::common::Result;
use datafusion::logical_expr::Expr;
use datafusion::prelude::DataFrame;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CastKind, DataType as SqlType, ExactNumberInfo, Expr as Sql, UnaryOperator,
    Value, VisitMut, visit_expressions_mut,
};

/// The most significant digits that any double needs to be told from all others.
const DOUBLE_DIGITS: usize = 17;

/// Parses a condition over the columns of `table`, in which numbers keep all digits.
///
/// # Errors
/// Fails when `sql` is not an expression over these columns.
pub(crate) fn parse_condition(table: &DataFrame, sql: &str) -> Result<Expr> {
    let (state, plan) = table.clone().into_parts();
    let dialect = state.config().options().sql_parser.dialect;
    let mut parsed = state.sql_to_expr_with_alias(sql, &dialect)?;
    keep_digits(&mut parsed.expr);
    state.create_logical_expr_from_sql_expr(parsed, plan.schema())
}

/// Makes decimals of the numbers in comparisons that have more digits than a double can keep.
pub(crate) fn keep_digits(sql: &mut impl VisitMut) {
    let _ = visit_expressions_mut(sql, |expr| {
        match expr {
            Sql::BinaryOp { left, op, right } if is_comparison(op) => {
                exact(left);
                exact(right);
            }
            Sql::IsDistinctFrom(left, right) | Sql::IsNotDistinctFrom(left, right) => {
                exact(left);
                exact(right);
            }
            Sql::Between { low, high, .. } => {
                exact(low);
                exact(high);
            }
            Sql::InList { list, .. } => list.iter_mut().for_each(exact),
            _ => {}
        }
        ControlFlow::<()>::Continue(())
    });
}

fn is_comparison(operator: &BinaryOperator) -> bool {
    matches!(
        operator,
        BinaryOperator::Eq
            | BinaryOperator::NotEq
            | BinaryOperator::Lt
            | BinaryOperator::LtEq
            | BinaryOperator::Gt
            | BinaryOperator::GtEq
    )
}

/// Makes a decimal of `expr` if it is a number that a double cannot keep.
fn exact(expr: &mut Sql) {
    match expr {
        Sql::Nested(inner) => exact(inner),
        Sql::UnaryOp {
            op: UnaryOperator::Minus | UnaryOperator::Plus,
            expr: inner,
        } => exact(inner),
        Sql::Value(value) => {
            let Value::Number(text, _) = &value.value else {
                return;
            };
            let Some((digits, places)) = decimal(text) else {
                return;
            };
            let text = Value::SingleQuotedString(text.clone());
            *expr = Sql::Cast {
                kind: CastKind::Cast,
                expr: Box::new(Sql::value(text)),
                data_type: SqlType::Decimal(ExactNumberInfo::PrecisionAndScale(digits, places)),
                array: false,
                format: None,
            };
        }
        _ => {}
    }
}

/// Returns the digits of a decimal that is the number `text`, and how many of them are after the point; `None` if the number
/// needs no decimal, or has more digits than one.
fn decimal(text: &str) -> Option<(u64, i64)> {
    let (before, after) = text.split_once('.').unwrap_or((text, ""));
    let is_plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_plain(before) || !is_plain(after) || text.parse::<u64>().is_ok() {
        return None;
    }
    let before = before.trim_start_matches('0');
    let significant = format!("{before}{after}");
    let is_kept = significant.trim_matches('0').len() <= DOUBLE_DIGITS
        && (before.is_empty() || whole_part(text)? == before);
    let digits = before.len() + after.len();
    let fits = digits <= usize::from(DECIMAL128_MAX_PRECISION);
    (!is_kept && fits).then_some((digits as u64, after.len() as i64))
}

/// Returns the digits before the point of the double that `text` is read as.
fn whole_part(text: &str) -> Option<String> {
    let double: f64 = text.parse().ok()?;
    Some(format!("{:.0}", double.trunc()))
}

#[cfg(test)]
mod tests {
    use super::decimal;

    #[test]
    fn numbers_that_a_double_keeps_stay_doubles() {
        for kept in [
            "0.1",
            "1e400",
            "18446744073709551615",
            "0.30000000000000004",
            "9007199254740992.0",
            "0003.50000000000000000000000",
            "100000000000000000000",
        ] {
            assert_eq!(decimal(kept), None, "{kept}");
        }
        for (lost, expected) in [
            ("18446744073709551617", (20, 0)),
            ("9007199254740993.0", (17, 1)),
            ("4611686018427387905.0", (20, 1)),
            ("123456789012345678.05", (20, 2)),
            ("0.100000000000000000001", (21, 21)),
        ] {
            assert_eq!(decimal(lost), Some(expected), "{lost}");
        }
    }
}

//! What an expression of a recipe may call. A model can come from a stranger, and is evaluated for every event: so no
//! function may make much of little, and no type may be so deep that walking it overflows the stack.

use std::ops::ControlFlow;

use datafusion::execution::SessionStateDefaults;
use datafusion::logical_expr::Volatility;
use datafusion::sql::sqlparser::ast::{
    DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Value,
    visit_expressions,
};

use super::columns::parse;

/// The functions of the engine that a feature may call. Their results are not longer than their arguments, or only a little,
/// and their work grows in proportion. The others generate rows or texts, or are not functions of their arguments alone.
const ALLOWED: &[&str] = &[
    // Numbers.
    "abs",
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "cbrt",
    "ceil",
    "cos",
    "cosh",
    "cot",
    "degrees",
    "exp",
    "factorial",
    "floor",
    "gcd",
    "isnan",
    "iszero",
    "lcm",
    "ln",
    "log",
    "log10",
    "log2",
    "nanvl",
    "pi",
    "pow",
    "power",
    "radians",
    "round",
    "signum",
    "sin",
    "sinh",
    "sqrt",
    "tan",
    "tanh",
    "trunc",
    // Conditions.
    "coalesce",
    "greatest",
    "ifnull",
    "least",
    "nullif",
    "nvl",
    "nvl2",
    // Text.
    "ascii",
    "bit_length",
    "btrim",
    "char_length",
    "character_length",
    "chr",
    "concat",
    "concat_ws",
    "contains",
    "ends_with",
    "find_in_set",
    "initcap",
    "instr",
    "left",
    "length",
    "lower",
    "lpad",
    "ltrim",
    "octet_length",
    "overlay",
    "position",
    "regexp_count",
    "regexp_instr",
    "regexp_like",
    "regexp_match",
    "regexp_replace",
    "replace",
    "reverse",
    "right",
    "rpad",
    "rtrim",
    "split_part",
    "starts_with",
    "strpos",
    "substr",
    "substr_index",
    "substring",
    "substring_index",
    "to_hex",
    "translate",
    "trim",
    "upper",
    // Bytes.
    "decode",
    "digest",
    "encode",
    "md5",
    "sha224",
    "sha256",
    "sha384",
    "sha512",
    // Times.
    "date_bin",
    "date_format",
    "date_part",
    "date_trunc",
    "datepart",
    "datetrunc",
    "from_unixtime",
    "make_date",
    "make_time",
    "to_char",
    "to_date",
    "to_local_time",
    "to_time",
    "to_timestamp",
    "to_timestamp_micros",
    "to_timestamp_millis",
    "to_timestamp_nanos",
    "to_timestamp_seconds",
    "to_unixtime",
    // Lists, structs and maps.
    "array_contains",
    "array_element",
    "array_empty",
    "array_extract",
    "array_has",
    "array_has_all",
    "array_has_any",
    "array_indexof",
    "array_join",
    "array_length",
    "array_max",
    "array_min",
    "array_ndims",
    "array_position",
    "array_slice",
    "array_to_string",
    "cardinality",
    "element_at",
    "empty",
    "get_field",
    "list_contains",
    "list_element",
    "list_extract",
    "list_has",
    "list_has_all",
    "list_has_any",
    "list_indexof",
    "list_join",
    "list_length",
    "list_max",
    "list_min",
    "list_position",
    "list_slice",
    "list_to_string",
    "make_array",
    "make_list",
    "map_extract",
    "map_keys",
    "map_values",
    "named_struct",
    "string_to_array",
    "string_to_list",
    "struct",
    // Types.
    "arrow_cast",
    "arrow_typeof",
];
/// The functions whose second argument is the length of their result.
const PADDING: [&str; 2] = ["lpad", "rpad"];
/// The greatest length to which a text is padded.
const MAX_PADDED: u64 = 4096;
/// The functions whose second argument is a pattern, for which a machine is built.
const PATTERNS: [&str; 5] = [
    "regexp_count",
    "regexp_instr",
    "regexp_like",
    "regexp_match",
    "regexp_replace",
];
/// The greatest length of a pattern, and of a text that replaces another.
const MAX_PATTERN: usize = 1024;
const MAX_REPLACEMENT: usize = 64;
/// The most texts in an expression that replace others. Within each other they multiply.
const MAX_REPLACING: usize = 4;
/// The greatest depth of a type.
const MAX_TYPE_DEPTH: usize = 8;

/// Checks what an expression calls. What cannot be parsed is left to the engine's message.
///
/// # Errors
/// Fails with a message that names the first function or type that is not allowed.
pub(crate) fn check(sql: &str) -> Result<(), String> {
    let Some(expr) = parse(sql) else {
        return Ok(());
    };
    let mut replacing = 0;
    let found = visit_expressions(&expr, |part| {
        let checked = match part {
            // A column such as `user` is parsed as a call without parentheses.
            Expr::Function(call) if !matches!(call.args, FunctionArguments::None) => {
                check_call(call, &mut replacing)
            }
            Expr::Cast { data_type, .. } => check_type(data_type),
            Expr::TypedString(typed) => check_type(&typed.data_type),
            Expr::RLike { pattern, .. } | Expr::SimilarTo { pattern, .. } => check_pattern(pattern),
            _ => Ok(()),
        };
        match checked {
            Ok(()) => ControlFlow::Continue(()),
            Err(why) => ControlFlow::Break(why),
        }
    });
    match found {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(why) => Err(why),
    }
}

fn check_call(call: &Function, replacing: &mut usize) -> Result<(), String> {
    let name = call.name.to_string().trim_matches('"').to_ascii_lowercase();
    let name = name.as_str();
    if !ALLOWED.contains(&name) && is_of_the_engine(name) {
        return Err(format!(
            "it calls `{name}`, which is not among the functions for features"
        ));
    }
    let arguments = arguments(call);
    let text = |index: usize| arguments.get(index).copied().and_then(literal_text);
    if PADDING.contains(&name) {
        let length = arguments.get(1).copied().and_then(literal_number);
        if length.is_none_or(|length| length > MAX_PADDED) {
            return Err(format!(
                "the length in `{name}` must be a number of at most {MAX_PADDED}"
            ));
        }
    }
    if PATTERNS.contains(&name)
        && let Some(pattern) = arguments.get(1)
    {
        check_pattern(pattern)?;
    }
    if name == "replace" || name == "regexp_replace" {
        *replacing += 1;
        let is_short = text(2).is_some_and(|text| text.len() <= MAX_REPLACEMENT);
        let is_no_longer = match (text(1), text(2)) {
            (Some(from), Some(to)) if name == "replace" => {
                !from.is_empty() && to.len() <= from.len()
            }
            _ => false,
        };
        if !is_short || *replacing > MAX_REPLACING {
            return Err(format!(
                "`{name}` must have a text of at most {MAX_REPLACEMENT} bytes to put in, and at most {MAX_REPLACING} calls are allowed"
            ));
        }
        if is_no_longer {
            *replacing -= 1;
        } else if *replacing > 1 {
            return Err(
                "only one call may put in a text that is longer than what it replaces".into(),
            );
        }
    }
    if name == "arrow_cast" && text(1).is_none_or(|text| text.matches('(').count() > MAX_TYPE_DEPTH)
    {
        return Err(format!(
            "the type in `arrow_cast` must be a text, nested at most {MAX_TYPE_DEPTH} deep"
        ));
    }
    Ok(())
}

/// Returns whether the engine has a function of this name that depends on its arguments alone. Aggregates, random functions
/// and unknown ones are refused when the recipe is planned, with messages of their own.
fn is_of_the_engine(name: &str) -> bool {
    let functions = SessionStateDefaults::default_scalar_functions();
    functions.iter().any(|function| {
        let is_called =
            function.name() == name || function.aliases().iter().any(|alias| alias == name);
        is_called && function.signature().volatility != Volatility::Volatile
    })
}

fn arguments(call: &Function) -> Vec<&Expr> {
    let FunctionArguments::List(list) = &call.args else {
        return Vec::new();
    };
    let arguments = list.args.iter().filter_map(|argument| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))
        | FunctionArg::Named {
            arg: FunctionArgExpr::Expr(expr),
            ..
        } => Some(expr),
        _ => None,
    });
    arguments.collect()
}

fn literal_text(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => Some(text),
            _ => None,
        },
        _ => None,
    }
}

fn literal_number(expr: &Expr) -> Option<u64> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(number, _) => number.to_string().parse().ok(),
            _ => None,
        },
        _ => None,
    }
}

fn check_pattern(pattern: &Expr) -> Result<(), String> {
    match literal_text(pattern) {
        Some(text) if text.len() <= MAX_PATTERN => Ok(()),
        _ => Err(format!(
            "a pattern must be a text of at most {MAX_PATTERN} bytes"
        )),
    }
}

fn check_type(data_type: &DataType) -> Result<(), String> {
    let written = data_type.to_string();
    let depth = written.matches(['<', '[', '(']).count();
    match depth <= MAX_TYPE_DEPTH {
        true => Ok(()),
        false => Err(format!(
            "a type that is nested more than {MAX_TYPE_DEPTH} deep"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_call_functions_that_make_little_of_little() {
        for sql in [
            "userId",
            "ln(abs(returnValue) + 1)",
            "CASE WHEN userId < 1000 THEN 0 ELSE 1 END",
            "arg(args, 'pathname') LIKE '/tmp/%'",
            "path_prefix(arg(args, 'pathname'), 2)",
            "CAST(a AS DOUBLE) + a::int",
            "lpad(name, 12, '0')",
            "replace(replace(name, 'ab', 'c'), 'c', '')",
            "regexp_replace(name, '[0-9]+', 'N')",
            "substring(name, 1, 3) || upper(name)",
            "EXTRACT(hour FROM time)",
            "not sql at (all",
        ] {
            assert_eq!(check(sql), Ok(()), "{sql}");
        }
    }

    #[test]
    fn what_grows_or_nests_is_refused() {
        let deep = format!("CAST(a AS {}INT{})", "ARRAY<".repeat(60), ">".repeat(60));
        let lists = format!("a::int{}", "[]".repeat(60));
        let arrow = format!(
            "arrow_cast(a, '{}Int8{}')",
            "List(".repeat(200),
            ")".repeat(200)
        );
        for sql in [
            "repeat('x', 1000000000)",
            "length(REPEAT('x', 10))",
            "lpad(name, 1000000000)",
            "lpad(name, userId)",
            "array_resize([1], 1000000000, 0)",
            "range(0, 1000000000)[1]",
            "now()",
            "levenshtein(args, name)",
            "replace(replace(name, 'a', 'aaaaaaaa'), 'a', 'aaaaaaaa')",
            "replace(name, '', 'aaaaaaaa') || replace(name, '', 'aaaaaaaa')",
            "regexp_like(name, args)",
            &deep,
            &lists,
            &arrow,
        ] {
            assert!(check(sql).is_err(), "{sql:.60}");
        }
    }
}

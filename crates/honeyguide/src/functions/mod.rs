//! The SQL functions on text and the exact arithmetic, which every session registers.
//!
//! The modules `arg`, `domain` and `path` work on single texts, without the engine. This module and `names` handle columns,
//! nulls and signatures.

mod aggregates;
pub(crate) mod arg;
mod conversion;
pub(crate) mod domain;
mod escape;
mod exact;
mod glance;
pub(crate) mod lists;
pub(crate) mod literal;
mod names;
pub(crate) mod path;
mod quotes;

use std::any::Any;
use std::borrow::Cow;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringBuilder};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Int64Type};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::types::{NativeType, logical_int64, logical_string};
use datafusion::common::utils::take_function_args;
use datafusion::common::{Result, exec_err, plan_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    AggregateUDF, Coercion, ColumnarValue, Expr, LogicalPlan, ReturnFieldArgs, ScalarFunctionArgs,
    ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, TypeSignatureClass, Volatility,
};
use datafusion::prelude::SessionContext;

pub(crate) use conversion::{Target, Unconvertible, conversions, fault, text_of_number};
pub(crate) use lists::ListParser;

/// Registers the functions in `context`, and makes its arithmetic of integers exact. Texts that
/// `arg` cannot read are counted only in plans that [`counting`] has prepared.
pub(crate) fn register(context: &SessionContext) {
    for function in functions() {
        context.register_udf(function);
    }
    for aggregate in aggregates() {
        context.register_udaf(aggregate);
    }
    context.add_analyzer_rule(Arc::new(exact::ExactIntegers));
}

/// Returns the aggregates that are registered in every session.
pub(crate) fn aggregates() -> Vec<AggregateUDF> {
    aggregates::functions()
}

/// Returns the functions that are registered in every session.
pub(crate) fn functions() -> Vec<ScalarUDF> {
    let prefix = ScalarUDF::from(PathPrefix {
        signature: Signature::coercible(vec![text(), whole()], Volatility::Immutable),
    });
    let shape = ScalarUDF::from(PathShape {
        signature: Signature::coercible(vec![text()], Volatility::Immutable),
    });
    let mut all = vec![arg_function(&Arc::default()), prefix, shape];
    all.extend(names::functions());
    all.extend(exact::functions());
    all
}

/// Returns `arg`, which adds the number of texts that it cannot read to `malformed`. A text that is read several times
/// is counted each time.
fn arg_function(malformed: &Arc<AtomicU64>) -> ScalarUDF {
    ScalarUDF::from(Arg {
        malformed: Arc::clone(malformed),
        signature: Signature::one_of(
            vec![
                TypeSignature::Coercible(vec![text(), text()]),
                TypeSignature::Any(2),
            ],
            Volatility::Immutable,
        ),
    })
}

/// Returns `plan` with every `arg` in it adding the number of texts that it cannot read to `malformed`.
///
/// # Errors
/// Fails when the engine cannot rewrite the plan, which is a defect.
pub(crate) fn counting(plan: LogicalPlan, malformed: &Arc<AtomicU64>) -> Result<LogicalPlan> {
    let function = Arc::new(arg_function(malformed));
    let is_arg = |call: &ScalarFunction| (call.func.inner().as_ref() as &dyn Any).is::<Arg>();
    let count = |expr: Expr| match expr {
        Expr::ScalarFunction(call) if is_arg(&call) => {
            let func = Arc::clone(&function);
            let call = ScalarFunction { func, ..call };
            Ok(Transformed::yes(Expr::ScalarFunction(call)))
        }
        other => Ok(Transformed::no(other)),
    };
    let plan = plan.transform_up_with_subqueries(|node| {
        node.map_expressions(|expr| expr.transform_up(count))
    })?;
    Ok(plan.data)
}

/// Returns the coercion for an argument of any of Arrow's text types.
fn text() -> Coercion {
    Coercion::new_exact(TypeSignatureClass::Native(logical_string()))
}

/// Returns the coercion for an argument that is a whole number.
fn whole() -> Coercion {
    Coercion::new_implicit(
        TypeSignatureClass::Native(logical_int64()),
        vec![TypeSignatureClass::Integer],
        NativeType::Int64,
    )
}

/// The function `arg(args, name)`: the value of one of a call's arguments.
#[derive(Debug)]
struct Arg {
    malformed: Arc<AtomicU64>,
    signature: Signature,
}

/// Two functions are equal if they share a counter.
impl PartialEq for Arg {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.malformed, &other.malformed)
    }
}

impl Eq for Arg {}

impl Hash for Arg {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.malformed).hash(state);
    }
}

impl ScalarUDFImpl for Arg {
    fn name(&self) -> &str {
        "arg"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let [args, name] = take_function_args(self.name(), types)?;
        let is_text = |found: &DataType| match found {
            DataType::Dictionary(_, value) => value.is_string(),
            other => other.is_string() || other.is_null(),
        };
        if (is_text(args) || lists::are_arguments(args)) && is_text(name) {
            return Ok(DataType::Utf8);
        }
        plan_err!(
            "arg: the arguments must be args (text or a list of arguments) and a name (text), got {args} and {name}"
        )
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [texts, names] = take_function_args(self.name(), args.args)?;
        let texts = texts.into_array(args.number_rows)?;
        if lists::are_arguments(texts.data_type()) {
            let names = names.into_array(args.number_rows)?;
            return Ok(ColumnarValue::Array(lists::named_arguments(
                &texts, &names,
            )?));
        }
        let texts = if texts.data_type().is_string() {
            texts
        } else {
            cast(&texts, &DataType::Utf8)?
        };
        let mut malformed = 0;
        let mut value = |text, name| {
            arg::argument(text, name).unwrap_or_else(|literal::Malformed| {
                malformed += 1;
                None
            })
        };
        let values = match names {
            ColumnarValue::Scalar(name) => match name.try_as_str().flatten() {
                Some(name) => map_texts(self.name(), &texts, |_, text| Ok(value(text, name))),
                None => map_texts(self.name(), &texts, |_, _| Ok(None)),
            },
            ColumnarValue::Array(names) => {
                let names = cast(&names, &DataType::Utf8)?;
                let names = names.as_string::<i32>();
                map_texts(self.name(), &texts, |row, text| {
                    let name = names.is_valid(row).then(|| names.value(row));
                    Ok(name.and_then(|name| value(text, name)))
                })
            }
        };
        self.malformed.fetch_add(malformed, Ordering::Relaxed);
        values
    }
}

/// The function `path_prefix(path, count)`: the first `count` components of a path.
#[derive(Debug, PartialEq, Eq, Hash)]
struct PathPrefix {
    signature: Signature,
}

impl ScalarUDFImpl for PathPrefix {
    fn name(&self) -> &str {
        "path_prefix"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    /// Returns the type of the result, and rejects a constant count that is out of range before any row is read.
    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        if let [_, Some(count)] = args.scalar_arguments
            && let Ok(count) = count.cast_to(&DataType::Int64)?.try_into()
            && let Err(message) = component_count(count)
        {
            return plan_err!("{message}");
        }
        Ok(Arc::new(Field::new(self.name(), DataType::Utf8, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [paths, counts] = take_function_args(self.name(), args.args)?;
        let paths = paths.into_array(args.number_rows)?;
        let counts = counts.into_array(args.number_rows)?;
        let counts = counts.as_primitive::<Int64Type>();
        map_texts(self.name(), &paths, |row, path| {
            if counts.is_null(row) {
                return Ok(None);
            }
            match component_count(counts.value(row)) {
                Ok(count) => Ok(Some(path::prefix(path, count))),
                Err(message) => exec_err!("{message}"),
            }
        })
    }
}

/// Checks a number of components, which must be 1 or more.
fn component_count(count: i64) -> std::result::Result<usize, String> {
    match count {
        1.. => Ok(usize::try_from(count).unwrap_or(usize::MAX)),
        _ => Err(format!(
            "path_prefix: the number of components must be 1 or more, got {count}"
        )),
    }
}

/// The function `path_shape(path)`: the path with numbers and identifiers generalised.
#[derive(Debug, PartialEq, Eq, Hash)]
struct PathShape {
    signature: Signature,
}

impl ScalarUDFImpl for PathShape {
    fn name(&self) -> &str {
        "path_shape"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [paths] = take_function_args(self.name(), args.args)?;
        let paths = paths.into_array(args.number_rows)?;
        map_texts(self.name(), &paths, |_, path| Ok(Some(path::shape(path))))
    }
}

/// Applies `function` to the row number and the text of each row of a column. Returns Utf8, the type in which features
/// are grouped. Nulls stay null.
fn map_texts<'a>(
    name: &str,
    texts: &'a ArrayRef,
    mut function: impl FnMut(usize, &'a str) -> Result<Option<Cow<'a, str>>>,
) -> Result<ColumnarValue> {
    let mut values = StringBuilder::with_capacity(texts.len(), 0);
    let mut push = |row: usize, text: Option<&'a str>| {
        let value = text.map_or(Ok(None), |text| function(row, text))?;
        let bytes = values.values_slice().len() + value.as_ref().map_or(0, |value| value.len());
        if i32::try_from(bytes).is_err() {
            return exec_err!(
                "{name}: the texts of one batch must fit in {} bytes, got {bytes}",
                i32::MAX
            );
        }
        values.append_option(value);
        Ok(())
    };
    let mut rows = 0..;
    let mut push = |text| rows.next().map_or(Ok(()), |row| push(row, text));
    match texts.data_type() {
        DataType::Utf8 => texts.as_string::<i32>().iter().try_for_each(&mut push)?,
        DataType::LargeUtf8 => texts.as_string::<i64>().iter().try_for_each(&mut push)?,
        DataType::Utf8View => texts.as_string_view().iter().try_for_each(&mut push)?,
        other => return exec_err!("{name}: the first argument must be text, got {other}"),
    }
    Ok(ColumnarValue::Array(Arc::new(values.finish())))
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{
        DictionaryArray, LargeStringArray, StringArray, StringViewArray,
    };
    use datafusion::arrow::datatypes::Int32Type;
    use datafusion::arrow::record_batch::RecordBatch;
    use datafusion::prelude::DataFrame;

    use super::*;

    const TEXTS: [Option<&str>; 4] = [
        Some("[{'name': 'pathname', 'type': 'const char*', 'value': '/proc/384//cgroup'}]"),
        Some(r#"[{"name": "pathname", "type": "const char*", "value": "\/etc\/h\u00e9"}]"#),
        Some("[{'name': 'pathname', 'value': '/etc'"),
        None,
    ];

    /// Returns the rows of `select {sql} from t`, where t has a column `args`, and the number of malformed texts.
    async fn select(args: ArrayRef, sql: &str) -> Result<(Vec<Option<String>>, u64)> {
        let malformed = Arc::new(AtomicU64::new(0));
        let context = SessionContext::new();
        register(&context);
        let name: ArrayRef = Arc::new(StringArray::from_iter(
            (0..args.len()).map(|row| (row > 0).then_some("pathname")),
        ));
        context.register_batch(
            "t",
            RecordBatch::try_from_iter([("args", args), ("name", name)])?,
        )?;
        let query = context.sql(&format!("select {sql} from t")).await?;
        let (state, plan) = query.into_parts();
        let query = DataFrame::new(state, counting(plan, &malformed)?);
        let batches = query.collect().await?;
        let mut rows = Vec::new();
        for batch in batches {
            let column = batch.column(0).as_string::<i32>();
            rows.extend(column.iter().map(|text| text.map(String::from)));
        }
        Ok((rows, malformed.load(Ordering::Relaxed)))
    }

    fn some(texts: &[&str]) -> Vec<Option<String>> {
        texts
            .iter()
            .map(|text| (!text.is_empty()).then(|| text.to_string()))
            .collect()
    }

    #[tokio::test]
    async fn reads_every_kind_of_text_column() -> Result<()> {
        let columns: [ArrayRef; 4] = [
            Arc::new(StringArray::from_iter(TEXTS)),
            Arc::new(LargeStringArray::from_iter(TEXTS)),
            Arc::new(StringViewArray::from_iter(TEXTS)),
            Arc::new(DictionaryArray::<Int32Type>::from_iter(TEXTS)),
        ];
        for args in columns {
            let kind = args.data_type().clone();
            let read = select(args, "arg(args, 'pathname')").await?;
            assert_eq!(
                read,
                (some(&["/proc/384//cgroup", "/etc/hé", "", ""]), 1),
                "{kind}"
            );
        }
        Ok(())
    }

    #[tokio::test]
    async fn functions_compose_and_take_columns_as_arguments() -> Result<()> {
        let cases = [
            (
                "path_shape(path_prefix(arg(args, 'pathname'), 2))",
                some(&["/proc/N", "/etc/hé", "", ""]),
                1,
            ),
            (
                "path_prefix(arg(args, 'pathname'), length(name) - 7)",
                some(&["", "/etc", "", ""]),
                1,
            ),
            ("arg(args, name)", some(&["", "/etc/hé", "", ""]), 1),
            ("arg(args, NULL)", some(&["", "", "", ""]), 0),
            ("path_prefix('/a/b', NULL)", some(&["", "", "", ""]), 0),
            ("path_shape(NULL)", some(&["", "", "", ""]), 0),
            (
                "path_prefix('/a//b/c', 2)",
                some(&["/a/b", "/a/b", "/a/b", "/a/b"]),
                0,
            ),
        ];
        for (sql, rows, malformed) in cases {
            let args = Arc::new(StringArray::from_iter(TEXTS));
            assert_eq!(select(args, sql).await?, (rows, malformed), "{sql}");
        }
        Ok(())
    }

    #[tokio::test]
    async fn the_error_for_a_count_below_one_states_the_range() {
        for sql in [
            "path_prefix(args, 0)",
            "path_prefix(args, -1)",
            "path_prefix(args, length(args) * 0)",
        ] {
            let error = select(Arc::new(StringArray::from_iter(TEXTS)), sql)
                .await
                .unwrap_err()
                .to_string();
            assert!(
                error.contains("the number of components must be 1 or more, got "),
                "{sql}: {error}"
            );
        }
    }
}

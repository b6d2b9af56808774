//! Sums, differences and products of integers and decimals that are exact or fail. The engine's own wrap around, or have
//! more digits than their type, without a word.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Datum};
use datafusion::arrow::compute::kernels::numeric::{add, mul, sub};
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Decimal256Type, Field, FieldRef};
use datafusion::arrow::error::ArrowError;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::utils::take_function_args;
use datafusion::common::{DFSchema, Result, ScalarValue, plan_err};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, ExprSchemable, LogicalPlan, Operator, ReturnFieldArgs,
    ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, WindowFunctionDefinition,
};
use datafusion::optimizer::AnalyzerRule;

use super::aggregates;

/// What [`ExactIntegers`] calls the functions that it puts into plans.
const NAMES: [(Operation, &str); 3] = [
    (Operation::Add, "exact_add"),
    (Operation::Subtract, "exact_subtract"),
    (Operation::Multiply, "exact_multiply"),
];

/// An operation on integers that can overflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Operation {
    Add,
    Subtract,
    Multiply,
}

impl Operation {
    fn of(operator: Operator) -> Option<Self> {
        match operator {
            Operator::Plus => Some(Self::Add),
            Operator::Minus => Some(Self::Subtract),
            Operator::Multiply => Some(Self::Multiply),
            _ => None,
        }
    }

    fn apply(
        self,
        left: &dyn Datum,
        right: &dyn Datum,
    ) -> std::result::Result<ArrayRef, ArrowError> {
        match self {
            Self::Add => add(left, right),
            Self::Subtract => sub(left, right),
            Self::Multiply => mul(left, right),
        }
    }

    fn function(self) -> ScalarUDF {
        ScalarUDF::from(ExactInteger {
            operation: self,
            signature: Signature::any(2, Volatility::Immutable),
        })
    }
}

/// Returns the functions that [`ExactIntegers`] puts into plans.
pub(super) fn functions() -> Vec<ScalarUDF> {
    let integers = NAMES.iter().map(|(operation, _)| operation.function());
    integers.chain([ExactDecimal::function()]).collect()
}

/// An operation on two integers of the same type, which fails if the result is not of that type.
#[derive(Debug, PartialEq, Eq, Hash)]
struct ExactInteger {
    operation: Operation,
    signature: Signature,
}

impl ScalarUDFImpl for ExactInteger {
    fn name(&self) -> &str {
        let named = NAMES
            .iter()
            .find(|(operation, _)| *operation == self.operation);
        named.map_or("exact", |(_, name)| name)
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let [left, right] = take_function_args(self.name(), types)?;
        match left.is_integer() && left == right {
            true => Ok(left.clone()),
            false => {
                let name = self.name();
                plan_err!(
                    "{name}: the arguments must be integers of one type, got {left} and {right}"
                )
            }
        }
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let fields = args.arg_fields.iter();
        let types: Vec<_> = fields
            .clone()
            .map(|field| field.data_type().clone())
            .collect();
        let is_nullable = fields.clone().any(|field| field.is_nullable());
        let field = Field::new(self.name(), self.return_type(&types)?, is_nullable);
        Ok(Arc::new(field))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [left, right] = take_function_args(self.name(), args.args)?;
        let apply = |left: &dyn Datum, right: &dyn Datum| self.operation.apply(left, right);
        Ok(match (left, right) {
            (ColumnarValue::Array(left), ColumnarValue::Array(right)) => {
                ColumnarValue::Array(apply(&left, &right)?)
            }
            (ColumnarValue::Array(left), ColumnarValue::Scalar(right)) => {
                ColumnarValue::Array(apply(&left, &right.to_scalar()?)?)
            }
            (ColumnarValue::Scalar(left), ColumnarValue::Array(right)) => {
                ColumnarValue::Array(apply(&left.to_scalar()?, &right)?)
            }
            (ColumnarValue::Scalar(left), ColumnarValue::Scalar(right)) => {
                let value = apply(&left.to_scalar()?, &right.to_scalar()?)?;
                ColumnarValue::Scalar(ScalarValue::try_from_array(&value, 0)?)
            }
        })
    }
}

/// A decimal that an operation gave, which fails if it has more digits than its type.
#[derive(Debug, PartialEq, Eq, Hash)]
struct ExactDecimal {
    signature: Signature,
}

impl ExactDecimal {
    fn function() -> ScalarUDF {
        let signature = Signature::any(1, Volatility::Immutable);
        ScalarUDF::from(Self { signature })
    }
}

impl ScalarUDFImpl for ExactDecimal {
    fn name(&self) -> &str {
        "exact_decimal"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let [kind] = take_function_args(self.name(), types)?;
        match kind.is_decimal() {
            true => Ok(kind.clone()),
            false => plan_err!("exact_decimal: the argument must be a decimal, got {kind}"),
        }
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let [field] = take_function_args(self.name(), args.arg_fields)?;
        let kind = self.return_type(&[field.data_type().clone()])?;
        Ok(Arc::new(Field::new(self.name(), kind, field.is_nullable())))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [value] = take_function_args(self.name(), args.args)?;
        let values = value.to_array(1)?;
        let digits = match values.data_type() {
            DataType::Decimal256(digits, _) => {
                let values = values.as_primitive::<Decimal256Type>();
                values.validate_decimal_precision(*digits)
            }
            DataType::Decimal128(digits, _) => {
                let values = values.as_primitive::<Decimal128Type>();
                values.validate_decimal_precision(*digits)
            }
            // The engine adds and multiplies no shorter decimals.
            _ => Ok(()),
        };
        let overflow = |error: ArrowError| ArrowError::ArithmeticOverflow(error.to_string());
        digits.map_err(overflow)?;
        Ok(value)
    }
}

/// Replaces sums, differences and products of integers by functions that fail where the engine's operators would wrap
/// around, and checks those of decimals. It runs after the engine has given both sides of an operator one type.
#[derive(Debug)]
pub(super) struct ExactIntegers;

impl AnalyzerRule for ExactIntegers {
    fn name(&self) -> &str {
        "exact_integers"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        Ok(plan.transform_up_with_subqueries(exact)?.data)
    }
}

/// Returns a node of a plan with exact operations. Its schema stays the same.
fn exact(node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    // A plan may be analysed once more after it was optimised. The filters that a scan has then are exact already.
    if matches!(node, LogicalPlan::TableScan(_)) {
        return Ok(Transformed::no(node));
    }
    let schema = merge_schema(&node.inputs());
    let names = NamePreserver::new(&node);
    node.map_expressions(|expr| {
        let name = names.save(&expr);
        let expr = expr.transform_up(|part| exact_operation(part, &schema))?;
        Ok(expr.update_data(|expr| name.restore(expr)))
    })?
    .map_data(LogicalPlan::recompute_schema)
}

fn exact_operation(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let (operation, left, right) = match &expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match Operation::of(*op) {
            Some(operation) => (operation, left.as_ref().clone(), right.as_ref().clone()),
            None => return Ok(Transformed::no(expr)),
        },
        Expr::Negative(operand) => {
            let zero = ScalarValue::new_zero(&operand.get_type(schema)?);
            match zero {
                Ok(zero) => (
                    Operation::Subtract,
                    Expr::Literal(zero, None),
                    operand.as_ref().clone(),
                ),
                Err(_) => return Ok(Transformed::no(expr)),
            }
        }
        Expr::AggregateFunction(_) | Expr::WindowFunction(_) => {
            return exact_aggregate(expr, schema);
        }
        _ => return Ok(Transformed::no(expr)),
    };
    if expr.get_type(schema)?.is_decimal() {
        let call = ExactDecimal::function().call(vec![expr]);
        return Ok(Transformed::yes(call));
    }
    let kind = left.get_type(schema)?;
    if !kind.is_integer() || kind != right.get_type(schema)? {
        return Ok(Transformed::no(expr));
    }
    Ok(Transformed::yes(
        operation.function().call(vec![left, right]),
    ))
}

fn exact_aggregate(mut expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let kinds = |arguments: &[Expr]| -> Result<Vec<_>> {
        let arguments = arguments.iter();
        arguments
            .map(|argument| argument.get_type(schema))
            .collect()
    };
    let exact = match &mut expr {
        Expr::AggregateFunction(call) => {
            let name = call.func.name();
            let exact = aggregates::exact(name, &kinds(&call.params.args)?);
            if exact.is_some() && aggregates::is_of_products(name) && !call.params.distinct {
                for argument in &mut call.params.args {
                    keep_integers(argument, schema)?;
                }
            }
            exact.map(|exact| call.func = Arc::new(exact))
        }
        Expr::WindowFunction(call) => match &mut call.fun {
            // A window's extremes slide with it, which the engine's can. Its rows are in one order.
            WindowFunctionDefinition::AggregateUDF(function)
                if !matches!(function.name(), "min" | "max") =>
            {
                let exact = aggregates::exact(function.name(), &kinds(&call.params.args)?);
                exact.map(|exact| *function = Arc::new(exact))
            }
            _ => None,
        },
        _ => None,
    };
    Ok(match exact {
        Some(()) => Transformed::yes(expr),
        None => Transformed::no(expr),
    })
}

/// Takes the cast to doubles from an argument of 64-bit integers, which doubles would round.
fn keep_integers(argument: &mut Expr, schema: &DFSchema) -> Result<()> {
    let Expr::Cast(cast) = argument else {
        return Ok(());
    };
    let is_whole = matches!(
        cast.expr.get_type(schema)?,
        DataType::Int64 | DataType::UInt64
    );
    if is_whole && *cast.field.data_type() == DataType::Float64 {
        *argument = (*cast.expr).clone();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{AsArray, Int8Array, RecordBatch, UInt8Array};
    use datafusion::arrow::datatypes::{Int8Type, UInt8Type};
    use datafusion::arrow::util::display::array_value_to_string;
    use datafusion::prelude::SessionContext;

    /// Returns all 65,536 pairs of 8-bit integers, in a table for each signedness.
    fn context() -> SessionContext {
        let context = SessionContext::new();
        crate::functions::register(&context);
        let pairs = || (i8::MIN..=i8::MAX).flat_map(|a| (i8::MIN..=i8::MAX).map(move |b| (a, b)));
        let signed = |values: Vec<i8>| Arc::new(Int8Array::from(values)) as _;
        let unsigned = |values: Vec<i8>| {
            let values = values.into_iter().map(i8::cast_unsigned);
            Arc::new(UInt8Array::from_iter_values(values)) as _
        };
        let (a, b): (Vec<i8>, Vec<i8>) = pairs().unzip();
        for (table, a, b) in [
            ("signed", signed(a.clone()), signed(b.clone())),
            ("unsigned", unsigned(a), unsigned(b)),
        ] {
            let batch = RecordBatch::try_from_iter([("a", a), ("b", b)]).expect("a batch");
            context.register_batch(table, batch).expect("a table");
        }
        context
    }

    #[tokio::test]
    async fn every_pair_of_bytes_gives_the_exact_result_or_an_error() {
        let context = context();
        for (sign, operation) in [
            ("+", i32::wrapping_add as fn(i32, i32) -> i32),
            ("-", i32::wrapping_sub),
            ("*", i32::wrapping_mul),
        ] {
            for (table, least, most) in [("signed", -128, 127), ("unsigned", 0, 255)] {
                let wide = format!("(CAST(a AS INT) {sign} CAST(b AS INT))");
                let fits = format!("{wide} BETWEEN {least} AND {most}");
                let query = format!("SELECT a, b, a {sign} b AS c FROM {table} WHERE {fits}");
                let frame = context.sql(&query).await.expect(&query);
                let mut rows = 0;
                for batch in frame.collect().await.expect(&query) {
                    let column = |index: usize| -> Vec<i32> {
                        let column = batch.column(index);
                        match table {
                            "signed" => column
                                .as_primitive::<Int8Type>()
                                .values()
                                .iter()
                                .map(|value| i32::from(*value))
                                .collect(),
                            _ => column
                                .as_primitive::<UInt8Type>()
                                .values()
                                .iter()
                                .map(|value| i32::from(*value))
                                .collect(),
                        }
                    };
                    for ((a, b), c) in column(0).into_iter().zip(column(1)).zip(column(2)) {
                        assert_eq!(operation(a, b), c, "{a} {sign} {b}");
                        rows += 1;
                    }
                }
                let domain = || least..=most;
                let expected = domain().flat_map(|a| domain().map(move |b| operation(a, b)));
                assert_eq!(rows, expected.filter(|c| domain().contains(c)).count());
                let query = format!("SELECT a {sign} b AS c FROM {table} WHERE NOT {fits} LIMIT 1");
                let frame = context.sql(&query).await.expect(&query);
                let error = frame.collect().await.expect_err(&query).to_string();
                assert!(error.contains("Overflow happened on: "), "{error}");
            }
        }
    }

    #[tokio::test]
    async fn names_types_and_the_least_integer_are_kept() {
        let context = context();
        let frame = context
            .sql("SELECT a + b, -a, sum(a - b) OVER () FROM signed")
            .await;
        let frame = frame.expect("a query");
        let plan = frame.clone().into_optimized_plan().expect("a plan");
        let names = |schema: &datafusion::common::DFSchema| {
            let fields = schema.fields().iter();
            fields
                .map(|field| (field.name().clone(), field.data_type().clone()))
                .collect::<Vec<_>>()
        };
        assert_eq!(names(frame.schema()), names(plan.schema()));
        let frame = context
            .sql("SELECT -a AS c FROM signed WHERE a = -128")
            .await;
        let error = frame.expect("a query").collect().await.expect_err("128");
        assert!(
            error.to_string().contains("Overflow happened on: 0 - -128"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_decimal_never_has_more_digits_than_its_type() {
        let context = context();
        let nines = "CAST('99999999999999999999999999999999999999' AS DECIMAL(38, 0))";
        for (operation, sum) in [
            ("- 1", Some("99999999999999999999999999999999999998")),
            ("+ 0", Some("99999999999999999999999999999999999999")),
            ("+ 1", None),
            ("+ b", None),
            ("* 2", None),
        ] {
            let from = "FROM (SELECT b FROM signed WHERE b = 1 LIMIT 1)";
            let query = format!("SELECT CAST({nines} {operation} AS VARCHAR) AS c {from}");
            let frame = context.sql(&query).await.expect(&query);
            match (frame.collect().await, sum) {
                (Ok(batches), Some(sum)) => {
                    let text = array_value_to_string(batches[0].column(0), 0);
                    assert_eq!(text.expect("a text"), sum, "{query}");
                }
                (Err(_), None) => {}
                (found, _) => panic!("{query}: {found:?}"),
            }
        }
    }
}

//! Columns of doubles as the engine reads them from CSV, of which whole numbers that doubles may have rounded are refused.

use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::datatypes::{DataType, Float64Type};
use datafusion::common::Result;
use datafusion::common::utils::take_function_args;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::values::{FIRST_GAP, Misfit};

/// Returns the values of `expr`, which are doubles of the column called `column`. Its evaluation fails with a [`Misfit`] at
/// values that are so great that digits may be lost, so that the text is looked at.
pub(super) fn exact(expr: Expr, column: &str) -> Expr {
    let function = Exact {
        signature: Signature::exact(vec![DataType::Float64], Volatility::Immutable),
        column: column.to_owned(),
    };
    ScalarUDF::from(function).call(vec![expr])
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Exact {
    signature: Signature,
    column: String,
}

impl ScalarUDFImpl for Exact {
    fn name(&self) -> &str {
        "exact"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [values] = take_function_args(self.name(), args.args)?;
        let values = values.into_array(args.number_rows)?;
        let numbers = values.as_primitive::<Float64Type>();
        // What is beneath a null is any number, most often zero.
        let may_be_rounded = |number: &f64| number.abs() >= FIRST_GAP && number.is_finite();
        let found = match numbers.null_count() {
            0 => numbers.values().iter().any(may_be_rounded),
            _ => numbers
                .iter()
                .flatten()
                .any(|number| may_be_rounded(&number)),
        };
        if found {
            let column = self.column.clone();
            return Err(DataFusionError::External(Box::new(Misfit { column })));
        }
        Ok(ColumnarValue::Array(Arc::clone(&values)))
    }
}

//! Columns as the engine reads them from CSV, of which values that it may have changed are refused: numbers that doubles may
//! have rounded, and texts that are not UTF-8.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, StringArray};
use datafusion::arrow::datatypes::{DataType, Float64Type};
use datafusion::common::Result;
use datafusion::common::utils::take_function_args;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::lossy::LossyNumbers;
use super::values::{FIRST_GAP, Misfit};

/// Returns the values of `expr`, which are doubles or texts of the column called `column`. Its evaluation fails with a
/// [`Misfit`] at doubles that are so great that digits may be lost, and at any doubles when long fractions were `met` in the text,
/// which the engine takes before it makes numbers of it. It fails with another error at texts that are not UTF-8, so that
/// the file is looked at.
pub(super) fn exact(expr: Expr, column: &str, met: &Arc<LossyNumbers>) -> Expr {
    let function = Exact {
        signature: Signature::uniform(
            1,
            vec![DataType::Float64, DataType::Utf8],
            Volatility::Immutable,
        ),
        column: column.to_owned(),
        met: Arc::clone(met),
    };
    ScalarUDF::from(function).call(vec![expr])
}

#[derive(Debug)]
struct Exact {
    signature: Signature,
    column: String,
    met: Arc<LossyNumbers>,
}

/// Two of them are the same function if they do the same with the same source.
impl PartialEq for Exact {
    fn eq(&self, other: &Self) -> bool {
        self.column == other.column && Arc::ptr_eq(&self.met, &other.met)
    }
}

impl Eq for Exact {}

impl Hash for Exact {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.column.hash(state);
    }
}

impl ScalarUDFImpl for Exact {
    fn name(&self) -> &str {
        "exact"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(types.first().cloned().unwrap_or(DataType::Null))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [values] = take_function_args(self.name(), args.args)?;
        let values = values.into_array(args.number_rows)?;
        if let Some(texts) = values.as_string_opt::<i32>() {
            return match is_utf8(texts) {
                true => Ok(ColumnarValue::Array(Arc::clone(&values))),
                false => Err(DataFusionError::Execution(format!(
                    "column `{}` has a text that is not UTF-8",
                    self.column
                ))),
            };
        }
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
        if found || self.met.long_fractions.are_there() {
            let column = self.column.clone();
            return Err(DataFusionError::External(Box::new(Misfit { column })));
        }
        Ok(ColumnarValue::Array(Arc::clone(&values)))
    }
}

/// Returns whether every text is UTF-8. The engine checks the fields of a record as one text: a field that ends in the
/// middle of a character passes if the next field goes on with it.
fn is_utf8(texts: &StringArray) -> bool {
    let offsets = texts.value_offsets();
    let (first, last) = (offsets[0] as usize, offsets[texts.len()] as usize);
    let bytes = &texts.value_data()[first..last];
    let begins_inside = |offset: &i32| {
        let byte = bytes.get(*offset as usize - first);
        // The second and later bytes of a character begin with the bits 10.
        byte.is_some_and(|byte| byte & 0xC0 == 0x80)
    };
    bytes.is_ascii() || str::from_utf8(bytes).is_ok() && !offsets.iter().any(begins_inside)
}

//! The values of a batch's input columns, and what is wrong with them.

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float64Array, StringArray};
use datafusion::arrow::datatypes::Float64Type;
use datafusion::arrow::record_batch::RecordBatch;

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::recipe::layout::{Input, Layout};
use crate::recipe::plan::FeaturePlan;
use crate::recipe::{Nulls, Recipe};
use crate::source::Source;

/// The input columns of a recipe's [`Layout`], which are the first among a batch's.
pub(crate) struct InputColumns<'a>(Vec<(&'a Input, Column<'a>)>);

enum Column<'a> {
    Numbers(&'a Float64Array),
    Text(&'a StringArray),
}

/// One input of one row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Value<'a> {
    /// A null, where the recipe allows it.
    Missing,
    /// Finite.
    Number(f64),
    /// As the expression gave it.
    Text(&'a str),
}

impl<'a> InputColumns<'a> {
    /// The columns of `arrays` by the kinds of the inputs.
    pub fn new(layout: &'a Layout, arrays: &'a [ArrayRef]) -> Result<Self> {
        let columns = layout.inputs.iter().zip(arrays).map(|(input, array)| {
            let column = match input.kind.is_text() {
                false => array.as_primitive_opt::<Float64Type>().map(Column::Numbers),
                true => array.as_string_opt::<i32>().map(Column::Text),
            };
            let unexpected = || {
                Error::internal(format!(
                    "feature `{}` came as {}",
                    input.feature,
                    array.data_type()
                ))
            };
            Ok((input, column.ok_or_else(unexpected)?))
        });
        Ok(Self(columns.collect::<Result<_>>()?))
    }

    /// The value of input `input` in row `row`.
    ///
    /// # Errors
    /// A null that the recipe refuses, or an infinite number; [`locate_fault`] finds where it comes from.
    pub fn value(&self, input: usize, row: usize) -> Result<Value<'a>> {
        let (input, column) = &self.0[input];
        let value = match column {
            Column::Numbers(numbers) if !numbers.is_null(row) && !numbers.value(row).is_nan() => {
                // Adding zero makes −0 and 0 one value.
                Value::Number(numbers.value(row) + 0.0)
            }
            Column::Text(text) if !text.is_null(row) => Value::Text(text.value(row)),
            _ => Value::Missing,
        };
        match value {
            Value::Missing if input.nulls == Nulls::Refuse => {
                Err(Error::feature_fault(&input.feature, "is null or NaN"))
            }
            Value::Number(number) if number.is_infinite() => {
                Err(Error::feature_fault(&input.feature, "is infinite"))
            }
            fine => Ok(fine),
        }
    }
}

/// Where a feature fault comes from: the first row, in the order of the files, with a value that cannot be used. Other
/// errors pass unchanged.
pub(crate) async fn locate_fault(
    engine: &Engine,
    source: &mut Source,
    recipe: &Recipe,
    plan: &FeaturePlan,
    error: Error,
) -> Error {
    if !error.is_feature_fault() {
        return error;
    }
    let layout = Layout::new(recipe);
    let paths: Vec<_> = source.files().map(|file| file.path.clone()).collect();
    let search = source.run(&plan.needed, async |source| {
        for (table, path) in source.tables_in_order(engine)?.into_iter().zip(&paths) {
            let mut rows = 0;
            let query = table.select(plan.inputs.clone())?;
            let check = |batch: RecordBatch| Ok(check_batch(&layout, &batch, &mut rows)?);
            if let Err(error) = engine
                .for_each_batch("looking for the row", None, query, check)
                .await
            {
                let own = Error::own(&error).ok_or(error)?;
                let place = format!("{}: row {}", path.display(), rows + 1);
                return Ok(Some((place, own)));
            }
        }
        Ok(None)
    });
    match search.await {
        Ok(Some((place, found))) => Error::data(format!("{place}: {found}"))
            .hint(format!(
                "rows count from 1 after the header; clean the data, give recipe `{}` an expression that is never null, \
                 or let it say nulls = \"allow\"",
                recipe.name
            )),
        Ok(None) => error,
        Err(other) => other,
    }
}

fn check_batch(layout: &Layout, batch: &RecordBatch, rows: &mut u64) -> Result<()> {
    let columns = InputColumns::new(layout, batch.columns())?;
    for row in 0..batch.num_rows() {
        for input in 0..layout.inputs.len() {
            columns.value(input, row)?;
        }
        *rows += 1;
    }
    Ok(())
}

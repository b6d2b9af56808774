//! The values of a batch's feature columns, and what is wrong with them.

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float64Array, StringArray};
use datafusion::arrow::datatypes::Float64Type;
use datafusion::arrow::record_batch::RecordBatch;

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::recipe::plan::FeaturePlan;
use crate::recipe::{Feature, Kind, Nulls, Recipe};
use crate::source::Source;

/// The feature columns of a batch whose first columns are those of a [`FeaturePlan`].
pub(crate) struct FeatureColumns<'a>(Vec<(&'a Feature, Column<'a>)>);

enum Column<'a> {
    Numbers(&'a Float64Array),
    Categories(&'a StringArray),
}

/// One feature of one row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Value<'a> {
    /// A null, where the recipe allows it.
    Missing,
    /// Finite.
    Number(f64),
    /// Not yet a code.
    Category(&'a str),
}

impl<'a> FeatureColumns<'a> {
    /// The feature columns among `arrays`, of which they are the first, by the kinds of the features.
    pub fn new(recipe: &'a Recipe, arrays: &'a [ArrayRef]) -> Result<Self> {
        let columns = recipe.features.iter().zip(arrays).map(|(feature, array)| {
            let column = match feature.kind {
                Kind::Numeric => array.as_primitive_opt::<Float64Type>().map(Column::Numbers),
                Kind::Categorical => array.as_string_opt::<i32>().map(Column::Categories),
            };
            let column = column.ok_or_else(|| {
                Error::internal(format!(
                    "feature `{}` came as {}",
                    feature.name,
                    array.data_type()
                ))
            })?;
            Ok((feature, column))
        });
        Ok(Self(columns.collect::<Result<_>>()?))
    }

    /// The value of feature `feature` in row `row`.
    ///
    /// # Errors
    /// A null that the recipe refuses, or an infinite number; [`locate_fault`] finds where it comes from.
    pub fn value(&self, feature: usize, row: usize) -> Result<Value<'a>> {
        let (feature, column) = &self.0[feature];
        let value = match column {
            Column::Numbers(numbers) if !numbers.is_null(row) && !numbers.value(row).is_nan() => {
                // Adding zero makes −0 and 0 one value.
                Value::Number(numbers.value(row) + 0.0)
            }
            Column::Categories(categories) if !categories.is_null(row) => {
                Value::Category(categories.value(row))
            }
            _ => Value::Missing,
        };
        match value {
            Value::Missing if feature.nulls == Nulls::Refuse => {
                Err(Error::feature_fault(&feature.name, "is null or NaN"))
            }
            Value::Number(number) if number.is_infinite() => {
                Err(Error::feature_fault(&feature.name, "is infinite"))
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
    let paths: Vec<_> = source.files().map(|file| file.path.clone()).collect();
    let search = source.run(&plan.needed, async |source| {
        for (table, path) in source.tables_in_order(engine)?.into_iter().zip(&paths) {
            let mut rows = 0;
            let query = table.select(plan.features.clone())?;
            let check = |batch: RecordBatch| Ok(check_batch(recipe, &batch, &mut rows)?);
            if let Err(error) = engine
                .for_each_batch("looking for the row", None, query, check)
                .await
            {
                let place = format!("{}: row {}", path.display(), rows + 1);
                return Ok(Some((place, error)));
            }
        }
        Ok(None)
    });
    match search.await {
        Ok(Some((place, found))) => Error::data(format!("{place}: {}", found.strip_backtrace().trim_start_matches("External error: ")))
            .hint(format!(
                "rows count from 1 after the header; clean the data, give recipe `{}` an expression that is never null, \
                 or let it say nulls = \"allow\"",
                recipe.name
            )),
        Ok(None) => error,
        Err(other) => other,
    }
}

fn check_batch(recipe: &Recipe, batch: &RecordBatch, rows: &mut u64) -> Result<()> {
    let columns = FeatureColumns::new(recipe, batch.columns())?;
    for row in 0..batch.num_rows() {
        for feature in 0..recipe.features.len() {
            columns.value(feature, row)?;
        }
        *rows += 1;
    }
    Ok(())
}

//! The search for the event and the feature at which a recipe failed. The events are read again in their order, up to
//! the first that fails.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::arrow::datatypes::Schema;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::error::{DataFusionError, Result as EngineResult};
use datafusion::logical_expr::{ident, lit};
use datafusion::prelude::DataFrame;

use super::inputs::Unusable;
use super::{InputColumns, InputExpressions};
use crate::engine::columns::select;
use crate::engine::{Engine, expressions_context};
use crate::error::{Error, Result, explained, failed_value, is_of_a_value};
use crate::naming::parameter;
use crate::recipe::layout::Layout;
use crate::recipe::plan::FeaturePlan;
use crate::recipe::{Nulls, Recipe, builtin};
use crate::source::Source;

/// The name of a constant column.
const ROW: &str = "__row";

/// Finds the first event, in the order of the files, for which a recipe fails, and returns an error that names it.
/// `error` is returned unchanged if it is neither a feature fault nor a value that the engine could not compute, or if
/// no such event is found.
pub(crate) async fn locate_fault(
    engine: &Engine,
    source: &mut Source,
    recipe: &Recipe,
    plan: &FeaturePlan,
    error: Error,
) -> Error {
    if !error.is_feature_fault() && !error.is_evaluation_fault() {
        return error;
    }
    if !source.is_repeatable() {
        return without_place(error);
    }
    let layout = Layout::new(recipe);
    let columns = || plan.needed.iter().map(ident).chain([lit(1).alias(ROW)]);
    let search = first_found(
        engine,
        source,
        &plan.needed,
        // A table without columns would have no rows, so the constant column is always selected.
        |table| select(table, columns()),
        |schema| Search::new(recipe, &layout, plan, schema),
        Search::first_fault,
    );
    match search.await {
        Ok(Some((place, fault))) => {
            Error::data(format!("{place}: {}", fault.what)).hint(fault.remedy)
        }
        // If the search itself fails, the first error is still the cause.
        Err(_) if error.is_evaluation_fault() => error,
        Ok(None) => error,
        Err(other) => other,
    }
}

/// Returns the error of an event of a stream, which cannot be searched for the event.
pub(crate) fn without_place(error: Error) -> Error {
    match error.hint_text() {
        Some(_) => error,
        None => error.hint(
            "a stream is read once, so that the event cannot be found: write the events to a file, and read that to see which one it is",
        ),
    }
}

/// Returns the first finding of `check` in the order of the files, with the place of its row. `prepare` gets the schema
/// of each file's batches, and its result is passed to `check`, which returns the position of a row in the batch and
/// what it found there.
///
/// # Errors
/// Fails when the data cannot be read, and with whatever `query`, `prepare` and `check` fail with.
pub(crate) async fn first_found<S, T>(
    engine: &Engine,
    source: &mut Source,
    needed: &BTreeSet<String>,
    query: impl Fn(DataFrame) -> EngineResult<DataFrame>,
    prepare: impl Fn(&Schema) -> Result<S>,
    check: impl Fn(&S, &RecordBatch) -> Result<Option<(usize, T)>>,
) -> Result<Option<(String, T)>> {
    loop {
        source.begin_scan();
        let attempt = search(engine, source, &query, &prepare, &check).await;
        if let Some(found) = source.end_attempt(needed, attempt)? {
            return Ok(found);
        }
    }
}

/// Searches the files once, as [`first_found`] does.
async fn search<S, T>(
    engine: &Engine,
    source: &Source,
    query: &impl Fn(DataFrame) -> EngineResult<DataFrame>,
    prepare: &impl Fn(&Schema) -> Result<S>,
    check: &impl Fn(&S, &RecordBatch) -> Result<Option<(usize, T)>>,
) -> EngineResult<Option<(String, T)>> {
    for (file, table) in source.tables_in_order(engine).enumerate() {
        let query = query(table?)?;
        let prepared = prepare(query.schema().as_arrow())?;
        let (mut rows, mut found) = (0, None);
        let consume = |batch: RecordBatch| {
            if let Some((row, thing)) = check(&prepared, &batch)? {
                found = Some((rows + row as u64 + 1, thing));
                return Ok(ControlFlow::Break(()));
            }
            rows += batch.num_rows() as u64;
            Ok(ControlFlow::Continue(()))
        };
        engine
            .for_each_batch(source.reading("looking for the row"), query, consume)
            .await?;
        if let Some((row, thing)) = found {
            return Ok(Some((source.place_of_row(file, row), thing)));
        }
    }
    Ok(None)
}

/// The fault of one event.
struct Fault {
    /// A description of the fault.
    what: String,
    /// A hint to its remedy.
    remedy: String,
}

/// A search through events of one schema.
struct Search<'a> {
    recipe: &'a Recipe,
    layout: &'a Layout,
    plan: &'a FeaturePlan,
    /// The expression of each input, planned by itself so that a failure names it.
    inputs: Vec<InputExpressions>,
}

impl<'a> Search<'a> {
    fn new(
        recipe: &'a Recipe,
        layout: &'a Layout,
        plan: &'a FeaturePlan,
        schema: &Schema,
    ) -> Result<Self> {
        let context = expressions_context();
        let inputs = plan.inputs.iter();
        let inputs = inputs.map(|input| {
            let input = std::slice::from_ref(input);
            InputExpressions::new(&context, input, schema, &Arc::default())
        });
        Ok(Self {
            recipe,
            layout,
            plan,
            inputs: inputs.collect::<Result<_>>()?,
        })
    }

    /// Returns the first fault in a batch, with the position of its row.
    fn first_fault(&self, batch: &RecordBatch) -> Result<Option<(usize, Fault)>> {
        if self.fault(batch)?.is_none() {
            return Ok(None);
        }
        for row in 0..batch.num_rows() {
            if let Some(fault) = self.fault(&batch.slice(row, 1))? {
                return Ok(Some((row, fault)));
            }
        }
        Ok(None)
    }

    /// Returns any fault in a batch, if there is one.
    fn fault(&self, batch: &RecordBatch) -> Result<Option<Fault>> {
        let mut arrays = Vec::with_capacity(self.inputs.len());
        for (index, input) in self.inputs.iter().enumerate() {
            match input.evaluate(batch) {
                Ok(values) => arrays.extend(values),
                Err(error) if is_of_a_value(&error) => {
                    return Ok(Some(self.failed(index, &error)));
                }
                Err(error) => return Err(Error::engine(error)),
            }
        }
        let columns = InputColumns::new(self.layout, &arrays)?;
        for row in 0..batch.num_rows() {
            for input in 0..arrays.len() {
                if let Err(why) = columns.checked(input, row) {
                    return Ok(Some(self.unusable(input, why)));
                }
            }
        }
        Ok(None)
    }

    /// Returns the fault of an input whose expression the engine could not compute.
    fn failed(&self, index: usize, error: &DataFusionError) -> Fault {
        let input = &self.layout.inputs[index];
        let (why, remedy) = failed_value(error).unwrap_or_else(|| {
            let why = explained(&error.find_root().strip_backtrace()).message;
            (why, "correct this event, or the recipe's expression")
        });
        let nulls = match input.nulls {
            Nulls::Refuse => "; a feature that may be null needs nulls = \"allow\"",
            Nulls::Allow => "",
        };
        Fault {
            what: format!("{}: {why}", input.named(self.recipe)),
            remedy: format!("{remedy}{nulls}"),
        }
    }

    /// Returns the fault of an input whose value the forest cannot use.
    fn unusable(&self, index: usize, why: Unusable) -> Fault {
        let feature = &self.layout.inputs[index].feature;
        let recipe = &self.recipe.name;
        let columns: BTreeSet<&str> = self.plan.inputs[index]
            .column_refs()
            .into_iter()
            .map(|column| column.name.as_str())
            .collect();
        let columns: Vec<&str> = columns.into_iter().collect();
        let remedy = match why {
            // A built-in recipe cannot be edited.
            _ if builtin(recipe).is_some() => {
                format!(
                    "train without the column: {} {}",
                    parameter("exclude"),
                    columns.join(",")
                )
            }
            Unusable::Missing => format!(
                "give recipe `{recipe}` an expression that is never null, or set nulls = \"allow\" for the feature"
            ),
            Unusable::Infinite => {
                format!("give recipe `{recipe}` an expression that is never infinite")
            }
        };
        Fault {
            what: format!("feature `{feature}` {}", why.words()),
            remedy: format!("correct this event, or {remedy}"),
        }
    }
}

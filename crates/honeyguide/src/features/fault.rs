//! Which event a recipe failed at, and which of its features: the events are read again in their order, up to that one.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::DFSchema;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{Expr, ident, lit};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_plan::PhysicalExpr;
use datafusion::prelude::DataFrame;

use super::InputColumns;
use super::inputs::Unusable;
use crate::engine::Engine;
use crate::error::{Error, Result, failed_value, first_line, is_of_a_value};
use crate::recipe::layout::Layout;
use crate::recipe::plan::FeaturePlan;
use crate::recipe::{Nulls, Recipe, builtin};
use crate::source::Source;

/// Where a feature fault, or a failure of the engine to compute a value, comes from: the first row, in the order of the
/// files, that the recipe cannot take. Other errors pass unchanged, and so does one that is not the recipe's.
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
    let layout = Layout::new(recipe);
    let search = source.run(&plan.needed, async |source| {
        for (file, table) in source.tables_in_order(engine)?.into_iter().enumerate() {
            let search = Search::new(engine, recipe, &layout, plan, table)?;
            let check = |batch: &RecordBatch| search.first_fault(batch);
            if let Some((row, fault)) = first_found(engine, search.events.clone(), check).await? {
                return Ok(Some((file, row, fault)));
            }
        }
        Ok(None)
    });
    match search.await {
        Ok(Some((file, row, fault))) => {
            let place = source.place_of_row(file, row);
            Error::data(format!("{place}: {}", fault.what)).hint(fault.remedy)
        }
        // A search that fails by itself says nothing of what failed before.
        Err(_) if error.is_evaluation_fault() => error,
        Ok(None) => error,
        Err(other) => other,
    }
}

/// The first row of `query`, counted from 1, in which `check` finds something, and what that is. `check` is handed one
/// batch after the other, and says in which of its rows it was found.
pub(crate) async fn first_found<T>(
    engine: &Engine,
    query: DataFrame,
    check: impl Fn(&RecordBatch) -> Result<Option<(usize, T)>>,
) -> std::result::Result<Option<(u64, T)>, DataFusionError> {
    let (mut rows, mut found) = (0, None);
    let consume = |batch: RecordBatch| {
        if let Some((row, thing)) = check(&batch)? {
            found = Some((rows + row as u64 + 1, thing));
            // Whatever comes after it is not read.
            return Err(DataFusionError::Execution("found".into()));
        }
        rows += batch.num_rows() as u64;
        Ok(())
    };
    let read = engine
        .for_each_batch("looking for the row", None, query, consume)
        .await;
    match found {
        Some(found) => Ok(Some(found)),
        None => read.map(|()| None),
    }
}

/// An expression as the engine computes it: some functions are there only until they are simplified away.
fn physical(
    engine: &Engine,
    input: Expr,
    schema: &DFSchema,
) -> std::result::Result<Arc<dyn PhysicalExpr>, DataFusionError> {
    let state = engine.context().state();
    let context = SimplifyContext::builder()
        .with_schema(Arc::new(schema.clone()))
        .with_config_options(Arc::clone(state.config_options()))
        .build();
    let simplifier = ExprSimplifier::new(context);
    let input = simplifier.simplify(simplifier.coerce(input, schema)?)?;
    state.create_physical_expr(input, schema)
}

/// What is wrong with one event, and what to do about it.
struct Fault {
    what: String,
    remedy: String,
}

/// A search through one file.
struct Search<'a> {
    recipe: &'a Recipe,
    layout: &'a Layout,
    plan: &'a FeaturePlan,
    events: DataFrame,
    inputs: Vec<Arc<dyn PhysicalExpr>>,
}

impl<'a> Search<'a> {
    fn new(
        engine: &Engine,
        recipe: &'a Recipe,
        layout: &'a Layout,
        plan: &'a FeaturePlan,
        table: DataFrame,
    ) -> std::result::Result<Self, DataFusionError> {
        // A table without columns would have no rows: there is always one.
        let columns = plan.needed.iter().map(ident).chain([lit(1).alias("__row")]);
        let events = table.select(columns.collect::<Vec<_>>())?;
        let inputs = plan.inputs.iter();
        let inputs = inputs.map(|input| physical(engine, input.clone(), events.schema()));
        let inputs = inputs.collect::<std::result::Result<_, _>>()?;
        Ok(Self {
            recipe,
            layout,
            plan,
            events,
            inputs,
        })
    }

    /// The first fault of a batch, with its row in it.
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

    /// Some fault of a batch, which is the first where the batch is one row.
    fn fault(&self, batch: &RecordBatch) -> Result<Option<Fault>> {
        let mut arrays = Vec::with_capacity(self.inputs.len());
        for (index, input) in self.inputs.iter().enumerate() {
            let evaluated = input.evaluate(batch);
            match evaluated.and_then(|values| values.into_array(batch.num_rows())) {
                Ok(array) => arrays.push(array),
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

    /// An expression that the engine could not compute.
    fn failed(&self, index: usize, error: &DataFusionError) -> Fault {
        let input = &self.layout.inputs[index];
        let (why, remedy) = failed_value(error).unwrap_or_else(|| {
            let text = first_line(&error.find_root().strip_backtrace());
            let why = text.trim_start_matches("Arrow error: ");
            let why = why.trim_start_matches("Execution error: ").to_owned();
            (why, "correct this event, or the recipe's expression")
        });
        let nulls = match input.nulls {
            Nulls::Refuse => "; a feature that may be null says nulls = \"allow\"",
            Nulls::Allow => "",
        };
        Fault {
            what: format!("{}: {why}", input.named(self.recipe)),
            remedy: format!("{remedy}{nulls}"),
        }
    }

    /// A value that the forest cannot take.
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
            // Nobody can write into a built-in recipe.
            _ if builtin(recipe).is_some() => {
                format!("train without the column: --exclude {}", columns.join(","))
            }
            Unusable::Missing => format!(
                "give recipe `{recipe}` an expression that is never null, or let it say nulls = \"allow\""
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

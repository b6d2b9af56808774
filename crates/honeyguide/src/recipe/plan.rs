//! A recipe resolved against the columns of a source: the columns that it reads, and the engine's expressions.

use std::collections::BTreeSet;

use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::common::DFSchema;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{Expr, ExprSchemable, Volatility, cast};
use datafusion::prelude::SessionContext;

use super::columns::columns_of_expression;
use super::layout::{FeatureInputs, Input, Layout};
use super::{Feature, MAX_FEATURES, NumberTexts, Recipe};
use crate::engine::{Engine, missing_column};
use crate::error::{Error, Explained, Result, explained};
use crate::functions::Target;
use crate::naming::{command, parameter};
use crate::source::{Source, column_list, listed_columns};

/// The engine's expressions for a recipe's inputs, over the columns of one source.
#[derive(Debug, Clone)]
pub(crate) struct FeaturePlan {
    /// The expression of each input of the recipe's [`Layout`]: Utf8 for text, Float64 for numbers.
    pub inputs: Vec<Expr>,
    /// The names of the inputs' columns, in the same order.
    pub names: Vec<String>,
    /// The columns that the expressions read.
    pub needed: BTreeSet<String>,
}

impl Recipe {
    /// Returns the recipe for this source: the source's numeric columns are listed as features if the recipe asks for
    /// them, optional features that read a column which the data lacks are removed, and so are the features that read a
    /// column in `exclude`. [`remarks`](Self::remarks) says what is left out.
    ///
    /// # Errors
    /// Fails when `exclude` or a feature names a column that the data lacks, or when no feature or too many are left.
    pub fn resolve(&self, engine: &Engine, source: &Source, exclude: &[String]) -> Result<Self> {
        for column in exclude {
            if !source.has_column(column) {
                return Err(Error::usage(format!(
                    "{} {column}: the data has no such column",
                    parameter("exclude")
                ))
                .hint(format!("its columns are {}", column_list(source))));
            }
        }
        let mut resolved = self.clone();
        let is_absent = |feature: &Feature| absent_column(feature, source).is_some();
        resolved.features.retain(|feature| !is_absent(feature));
        for feature in &mut resolved.features {
            feature.optional = false;
        }
        if let Some(numeric) = resolved.numeric_columns.take() {
            let columns = source.columns().iter().filter(|column| {
                is_number(&column.data_type)
                    && !numeric.except.contains(&column.name)
                    && !exclude.contains(&column.name)
                    && !source.is_index(&column.name)
            });
            resolved
                .features
                .extend(columns.map(|column| Feature::of_column(&column.name)));
        }
        if !exclude.is_empty() {
            resolved.drop_features_reading(exclude, engine, source)?;
        }
        let left = resolved.features.len();
        if left == 0 || left > MAX_FEATURES {
            return Err(Error::usage(format!(
                "recipe `{}` gives {left} features for this data; there must be 1 to {MAX_FEATURES}",
                self.name
            ))
            .hint(format!("the data's columns are {}", column_list(source))));
        }
        resolved.check()?;
        Ok(resolved)
    }

    /// Returns a sentence for each feature and column of `source` that [`resolve`](Self::resolve) leaves out on its own.
    #[must_use]
    pub fn remarks(&self, source: &Source) -> Vec<String> {
        let absent = self.features.iter().filter_map(|feature| {
            let column = absent_column(feature, source)?;
            Some(format!(
                "the data has no column `{column}`, so the feature `{}` is left out",
                feature.name
            ))
        });
        let columns = source.columns().iter().map(|column| column.name.as_str());
        let indexes =
            columns.filter(|column| self.numeric_columns.is_some() && source.is_index(column));
        let indexes = indexes.map(|column| {
            format!("`{column}` is the index of a pandas table, so it is no feature")
        });
        absent.chain(indexes).collect()
    }

    /// Removes the features that read a column in `exclude`.
    fn drop_features_reading(
        &mut self,
        exclude: &[String],
        engine: &Engine,
        source: &Source,
    ) -> Result<()> {
        let layout = Layout::new(self);
        let inputs = self.expressions(&layout, engine.context(), &source.schema())?;
        let is_kept = |input: &usize| {
            !inputs[*input]
                .column_refs()
                .iter()
                .any(|column| exclude.contains(&column.name))
        };
        let mut kept = layout.features.iter().map(|feature| match feature {
            FeatureInputs::Own(input) => is_kept(input),
            FeatureInputs::Rarity(inputs) => inputs.iter().all(is_kept),
        });
        self.features.retain(|_| kept.next().unwrap_or(true));
        Ok(())
    }

    /// Returns the engine's expressions for a recipe without open `numeric_columns`.
    ///
    /// # Errors
    /// Fails when a feature names a column that the data lacks, is not valid SQL, or is not a function of one event.
    pub(crate) fn plan(&self, engine: &Engine, source: &Source) -> Result<FeaturePlan> {
        self.plan_over(engine.context(), &source.schema())
    }

    /// Returns the engine's expressions over the columns of `schema`, parsed in `context`.
    ///
    /// # Errors
    /// Fails as [`plan`](Self::plan) does.
    pub(crate) fn plan_over(
        &self,
        context: &SessionContext,
        schema: &Schema,
    ) -> Result<FeaturePlan> {
        let inputs = self.expressions(&Layout::new(self), context, schema)?;
        let needed = inputs
            .iter()
            .flat_map(|expr| expr.column_refs())
            .map(|column| column.name.clone())
            .collect();
        let names = (0..inputs.len()).map(Layout::column_name).collect();
        Ok(FeaturePlan {
            inputs,
            names,
            needed,
        })
    }

    /// Returns the engine's expression of each input of `layout`.
    fn expressions(
        &self,
        layout: &Layout,
        context: &SessionContext,
        columns: &Schema,
    ) -> Result<Vec<Expr>> {
        let schema = DFSchema::try_from(columns.clone()).map_err(Error::engine)?;
        let mut expressions = Vec::with_capacity(layout.inputs.len());
        let mut missing: Vec<(String, String)> = Vec::new();
        for (index, input) in layout.inputs.iter().enumerate() {
            match context.parse_sql_expr(&input.sql, &schema) {
                Ok(expr) => expressions.push(
                    self.typed(input, expr, &schema)?
                        .alias(Layout::column_name(index)),
                ),
                Err(error) => match missing_column(&error, &input.sql) {
                    Some((column, _)) => missing.push((column, input.feature.clone())),
                    None => return Err(self.refused(input, &error)),
                },
            }
        }
        if missing.is_empty() {
            Ok(expressions)
        } else {
            Err(self.lacks(&missing, columns))
        }
    }

    /// Casts an expression to the type of the input: Utf8 for text, Float64 for numbers.
    fn typed(&self, input: &Input, expr: Expr, schema: &DFSchema) -> Result<Expr> {
        if !is_function_of_one_event(&expr) {
            return Err(self.invalid(input, "not a function of one event's columns").hint(
                "a feature cannot have aggregates, window functions, subqueries, or functions of the current time or of random numbers",
            ));
        }
        let found = expr
            .get_type(schema)
            .map_err(|error| self.refused(input, &error))?;
        let wanted = match input.kind.is_text() {
            true => DataType::Utf8,
            false if is_number(&found) || found == DataType::Null => DataType::Float64,
            false => {
                return Err(self
                    .invalid(input, &format!("gives {found}, not a number"))
                    .hint("text needs kind = \"categorical\", or a rarity"));
            }
        };
        if wanted == DataType::Utf8 && self.number_texts == NumberTexts::OfValue {
            return Ok(Target::Text.expr(expr, &found, &input.sql));
        }
        // A boolean has no direct cast to a float.
        let is_flag = found == DataType::Boolean && wanted == DataType::Float64;
        let expr = if is_flag {
            cast(expr, DataType::Int64)
        } else {
            expr
        };
        Ok(if found == wanted {
            expr
        } else {
            cast(expr, wanted)
        })
    }

    /// Returns the error for pairs of a missing column and the feature that names it.
    fn lacks(&self, missing: &[(String, String)], columns: &Schema) -> Error {
        let listed: Vec<_> = missing
            .iter()
            .map(|(column, feature)| format!("`{column}` (for feature `{feature}`)"))
            .collect();
        let error = Error::usage(format!(
            "recipe `{}` needs columns that the data lacks: {}; the data has {}",
            self.name,
            listed.join(", "),
            listed_columns(columns)
        ));
        let mut fields = columns.fields().iter();
        if fields.any(|field| field.name().parse::<f64>().is_ok()) {
            return error.hint("a column is named by a number: is the file's header line missing?");
        }
        error.hint(format!(
            "choose another recipe (`raw` takes any numeric column), or write one: {}",
            command("recipes")
        ))
    }

    /// Returns the error for an input whose expression the engine refuses.
    fn refused(&self, input: &Input, error: &DataFusionError) -> Error {
        if let Some(own) = Error::own(error) {
            return own;
        }
        let Explained { message, hint } = explained(&error.strip_backtrace());
        let error = self.invalid(input, &message);
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }

    /// Returns the error for an input whose expression is invalid.
    fn invalid(&self, input: &Input, why: &str) -> Error {
        Error::usage(format!("{}: {why}", input.named(self)))
            .hint("an expression is SQL over one event's columns, as in `CASE WHEN size < 1000 THEN 0 ELSE 1 END`")
    }
}

/// Returns a column that an optional feature reads and the data lacks.
fn absent_column(feature: &Feature, source: &Source) -> Option<String> {
    if !feature.optional {
        return None;
    }
    let columns = feature.sql().flat_map(columns_of_expression);
    columns
        .into_iter()
        .find(|column| !source.has_column(column))
}

fn is_number(data_type: &DataType) -> bool {
    data_type.is_numeric() || *data_type == DataType::Boolean
}

/// Returns whether the value of `expr` depends on nothing but the columns of one event.
pub(crate) fn is_function_of_one_event(expr: &Expr) -> bool {
    let mut only_scalars = true;
    let walk = expr.apply(|part| {
        only_scalars &= !matches!(
            part,
            Expr::AggregateFunction(_)
                | Expr::WindowFunction(_)
                | Expr::ScalarSubquery(_)
                | Expr::Exists(_)
                | Expr::InSubquery(_)
                | Expr::OuterReferenceColumn(..)
                | Expr::Unnest(_)
        ) && !is_volatile(part);
        Ok(TreeNodeRecursion::Continue)
    });
    walk.is_ok() && only_scalars
}

/// Returns whether `part` is a call of a function that is not immutable, such as `now()` or `random()`.
fn is_volatile(part: &Expr) -> bool {
    match part {
        Expr::ScalarFunction(call) => call.func.signature().volatility != Volatility::Immutable,
        _ => false,
    }
}

//! A recipe held against the columns of a source: which of them it reads, and the engine's expressions.

use std::collections::BTreeSet;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, SchemaError};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{Expr, ExprSchemable, cast};

use super::{Feature, Kind, MAX_FEATURES, Recipe};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::source::Source;

/// The engine's expressions for a recipe's features, over the columns of one source.
#[derive(Debug, Clone)]
pub(crate) struct FeaturePlan {
    /// One per feature, named like it: Float64 for numeric ones, Utf8 for categorical ones.
    pub features: Vec<Expr>,
    /// The names of the features.
    pub names: Vec<String>,
    /// The columns that the expressions read.
    pub needed: BTreeSet<String>,
}

impl Recipe {
    /// The recipe for this source: its numeric columns listed as features, and without the features that read a
    /// column in `exclude`.
    ///
    /// # Errors
    /// No feature is left; `exclude` or a feature names a column that the data lacks.
    pub fn resolve(&self, engine: &Engine, source: &Source, exclude: &[String]) -> Result<Self> {
        for column in exclude {
            if !source.has_column(column) {
                return Err(Error::usage(format!(
                    "--exclude {column}: the data has no such column"
                ))
                .hint(format!("its columns are {}", column_list(source))));
            }
        }
        let mut resolved = self.clone();
        if let Some(numeric) = resolved.numeric_columns.take() {
            let columns = source.columns().iter().filter(|column| {
                is_number(&column.data_type)
                    && !numeric.except.contains(&column.name)
                    && !exclude.contains(&column.name)
            });
            resolved
                .features
                .extend(columns.map(|column| Feature::of_column(&column.name)));
        }
        if !exclude.is_empty() {
            let plan = resolved.expressions(engine, source)?;
            let mut kept = plan.iter().map(|expr| {
                !expr
                    .column_refs()
                    .iter()
                    .any(|column| exclude.contains(&column.name))
            });
            resolved.features.retain(|_| kept.next().unwrap_or(true));
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

    /// The engine's expressions for a recipe without open `numeric_columns`.
    ///
    /// # Errors
    /// A feature names a column that the data lacks, is not valid SQL, or is not a function of one event.
    pub(crate) fn plan(&self, engine: &Engine, source: &Source) -> Result<FeaturePlan> {
        let features = self.expressions(engine, source)?;
        let needed = features
            .iter()
            .flat_map(|expr| expr.column_refs())
            .map(|column| column.name.clone())
            .collect();
        let names = self
            .features
            .iter()
            .map(|feature| feature.name.clone())
            .collect();
        Ok(FeaturePlan {
            features,
            names,
            needed,
        })
    }

    fn expressions(&self, engine: &Engine, source: &Source) -> Result<Vec<Expr>> {
        let schema = DFSchema::try_from(source.schema()).map_err(Error::engine)?;
        let mut expressions = Vec::with_capacity(self.features.len());
        let mut missing: Vec<(String, String)> = Vec::new();
        for feature in &self.features {
            match engine.context().parse_sql_expr(&feature.expr, &schema) {
                Ok(expr) => expressions.push(feature.typed(&self.name, expr, &schema)?),
                Err(error) => match missing_column(&error) {
                    Some(column) => missing.push((column, feature.name.clone())),
                    None => return Err(self.invalid(feature, &error.strip_backtrace())),
                },
            }
        }
        if missing.is_empty() {
            Ok(expressions)
        } else {
            Err(self.lacks(&missing, source))
        }
    }

    fn lacks(&self, missing: &[(String, String)], source: &Source) -> Error {
        let listed: Vec<_> = missing
            .iter()
            .map(|(column, feature)| format!("`{column}` (for feature `{feature}`)"))
            .collect();
        let error = Error::usage(format!(
            "recipe `{}` needs columns that the data lacks: {}; the data has {}",
            self.name,
            listed.join(", "),
            column_list(source)
        ));
        if source
            .columns()
            .iter()
            .any(|column| column.name.parse::<f64>().is_ok())
        {
            return error.hint("a column is named by a number: is the file's header line missing?");
        }
        error.hint("choose another recipe (`raw` takes any numeric column), or write one: `honeyguide recipes`")
    }

    fn invalid(&self, feature: &Feature, why: &str) -> Error {
        Error::usage(format!("recipe `{}`, feature `{}`: `{}`: {why}", self.name, feature.name, feature.expr))
            .hint("an expression is SQL over one event's columns, as in `CASE WHEN userId < 1000 THEN 0 ELSE 1 END`")
    }
}

impl Feature {
    /// The expression as the type that its kind asks for.
    fn typed(&self, recipe: &str, expr: Expr, schema: &DFSchema) -> Result<Expr> {
        let refuse = |why: String| {
            Error::usage(format!(
                "recipe `{recipe}`, feature `{}`: `{}`: {why}",
                self.name, self.expr
            ))
        };
        if !is_function_of_one_event(&expr) {
            return Err(refuse("not a function of one event's columns".into())
                .hint("aggregates, window functions, subqueries and functions of time or chance cannot be features"));
        }
        let found = expr
            .get_type(schema)
            .map_err(|error| refuse(error.strip_backtrace()))?;
        let wanted = match self.kind {
            Kind::Categorical => DataType::Utf8,
            Kind::Numeric if is_number(&found) || found == DataType::Null => DataType::Float64,
            Kind::Numeric => {
                return Err(refuse(format!("gives {found}, not a number"))
                    .hint("text needs kind = \"categorical\""));
            }
        };
        // A boolean has no direct cast to a float.
        let expr = if found == DataType::Boolean && wanted == DataType::Float64 {
            cast(expr, DataType::Int64)
        } else {
            expr
        };
        Ok(if found == wanted {
            expr
        } else {
            cast(expr, wanted)
        }
        .alias(&self.name))
    }
}

fn is_number(data_type: &DataType) -> bool {
    data_type.is_numeric() || *data_type == DataType::Boolean
}

fn is_function_of_one_event(expr: &Expr) -> bool {
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
        ) && !part.is_volatile_node();
        Ok(TreeNodeRecursion::Continue)
    });
    walk.is_ok() && only_scalars
}

/// The column that an expression names and the schema lacks.
fn missing_column(error: &DataFusionError) -> Option<String> {
    match error.find_root() {
        DataFusionError::SchemaError(schema_error, _) => match schema_error.as_ref() {
            SchemaError::FieldNotFound { field, .. } => Some(field.name.clone()),
            _ => None,
        },
        _ => None,
    }
}

pub(crate) fn column_list(source: &Source) -> String {
    const SHOWN: usize = 24;
    let columns = source.columns();
    let names: Vec<_> = columns
        .iter()
        .take(SHOWN)
        .map(|column| column.name.as_str())
        .collect();
    let more = if columns.len() > SHOWN {
        format!(" and {} more", columns.len() - SHOWN)
    } else {
        String::new()
    };
    names.join(", ") + &more
}

//! Expansion of calls whose only argument is a model: the inputs of its recipe are added as further arguments.
//!
//! `anomaly_score('model.json')` becomes `anomaly_score('model.json', userId >= 1000, …)`. The model then works
//! wherever its columns are in scope, and the engine knows which columns it reads.

use std::ops::ControlFlow;

use datafusion::prelude::SessionContext;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Select, SelectItem,
    Value, VisitMut, VisitorMut, visit_expressions,
};

use super::complaint;
use crate::error::{Error, Result};
use crate::model_functions::{ModelFunction, Models};
use crate::recipe::layout::Input;

/// Adds the inputs to every such call in a statement.
///
/// # Errors
/// Fails when a model cannot be read, and when an expression of its recipe is not SQL or has a subquery.
pub(super) fn expand(
    context: &SessionContext,
    models: &Models,
    statement: &mut Statement,
) -> Result<()> {
    match statement {
        Statement::Statement(sql) => {
            match VisitMut::visit(sql.as_mut(), &mut Expander { context, models }) {
                ControlFlow::Continue(()) => Ok(()),
                ControlFlow::Break(error) => Err(error),
            }
        }
        Statement::Explain(explain) => expand(context, models, &mut explain.statement),
        Statement::CreateExternalTable(_) | Statement::CopyTo(_) | Statement::Reset(_) => Ok(()),
    }
}

/// A visitor that expands calls.
struct Expander<'a> {
    context: &'a SessionContext,
    models: &'a Models,
}

impl VisitorMut for Expander<'_> {
    type Break = Error;

    /// Names a column without an alias after the function, since the expanded call would be its name otherwise.
    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
        for item in &mut select.projection {
            if let SelectItem::UnnamedExpr(Expr::Function(call)) = item
                && let Some((function, _)) = named_model(call)
            {
                *item = SelectItem::ExprWithAlias {
                    expr: Expr::Function(call.clone()),
                    alias: Ident::new(function.name()),
                };
            }
        }
        ControlFlow::Continue(())
    }

    /// Expands a call after its arguments, so that nothing in the recipe's expressions is expanded in turn.
    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        if let Expr::Function(call) = expr
            && let Some((function, model)) = named_model(call)
            && let Err(error) = self.write_inputs(call, function, &model)
        {
            return ControlFlow::Break(error);
        }
        ControlFlow::Continue(())
    }
}

impl Expander<'_> {
    /// Adds the inputs of a model to a call and, for an explanation, the columns that they name with their values.
    fn write_inputs(
        &self,
        call: &mut Function,
        function: ModelFunction,
        model: &str,
    ) -> Result<()> {
        let model = self.models.get(model)?;
        let mut arguments = Vec::new();
        for input in &model.layout().inputs {
            arguments.push(self.input(&input.sql, &model.recipe().name)?);
        }
        if function == ModelFunction::Explanation {
            for column in columns(&model.layout().inputs) {
                arguments.push(text(column));
                arguments.push(Expr::Identifier(Ident::with_quote('"', column)));
            }
        }
        if let FunctionArguments::List(list) = &mut call.args {
            let more = arguments.into_iter().map(FunctionArgExpr::Expr);
            list.args.extend(more.map(FunctionArg::Unnamed));
        }
        Ok(())
    }

    /// Parses an expression of a recipe.
    ///
    /// # Errors
    /// Fails when it is not SQL, and when it has a subquery, which could read other tables.
    fn input(&self, sql: &str, recipe: &str) -> Result<Expr> {
        let state = self.context.state();
        let dialect = state.config().options().sql_parser.dialect;
        let expr = state
            .sql_to_expr(sql, &dialect)
            .map_err(|error| complaint::of_parsing(&error))?;
        let subquery = visit_expressions(&expr, |part| match part {
            Expr::Subquery(_) | Expr::Exists { .. } | Expr::InSubquery { .. } => {
                ControlFlow::Break(())
            }
            _ => ControlFlow::Continue(()),
        });
        if subquery.is_break() {
            let message =
                format!("recipe `{recipe}`: `{sql}`: not a function of one event's columns");
            return Err(Error::usage(message));
        }
        Ok(expr)
    }
}

/// Returns the function and the model of a call whose only argument is the name of a model.
fn named_model(call: &Function) -> Option<(ModelFunction, String)> {
    let function = ModelFunction::named(&call.name.to_string())?;
    let FunctionArguments::List(list) = &call.args else {
        return None;
    };
    match list.args.as_slice() {
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(value)))] => match &value.value {
            Value::SingleQuotedString(model) => Some((function, model.clone())),
            _ => None,
        },
        _ => None,
    }
}

/// Returns the columns that the inputs of a recipe name, each once.
fn columns(inputs: &[Input]) -> Vec<&str> {
    let mut columns: Vec<&str> = Vec::new();
    for column in inputs.iter().flat_map(|input| &input.columns) {
        if !columns.contains(&column.as_str()) {
            columns.push(column);
        }
    }
    columns
}

fn text(value: &str) -> Expr {
    Expr::Value(Value::SingleQuotedString(value.to_owned()).with_empty_span())
}

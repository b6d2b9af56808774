//! Calls that name a model and nothing else: the inputs of its recipe are written into them, as if the query had them.
//!
//! `anomaly_score('model.json')` becomes `anomaly_score('model.json', userId >= 1000, …)`. So a model works wherever its
//! columns are in reach, and the engine sees which of them it reads.

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

/// Writes the inputs into every such call of a statement.
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

struct Expander<'a> {
    context: &'a SessionContext,
    models: &'a Models,
}

impl VisitorMut for Expander<'_> {
    type Break = Error;

    /// A column is called after the call that the query has, not after what becomes of it.
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

    /// After what is inside the call, so that nothing which a recipe says is expanded in its turn.
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
            for column in columns(&arguments) {
                arguments.push(text(&column.value));
                arguments.push(Expr::Identifier(column));
            }
        }
        if let FunctionArguments::List(list) = &mut call.args {
            let more = arguments.into_iter().map(FunctionArgExpr::Expr);
            list.args.extend(more.map(FunctionArg::Unnamed));
        }
        Ok(())
    }

    /// An expression of a recipe, which must not ask anything of other tables.
    fn input(&self, sql: &str, recipe: &str) -> Result<Expr> {
        let state = self.context.state();
        let dialect = state.config().options().sql_parser.dialect;
        let expr = state
            .sql_to_expr(sql, &dialect)
            .map_err(|error| complaint::of_parsing(&error))?;
        let asks = visit_expressions(&expr, |part| match part {
            Expr::Subquery(_) | Expr::Exists { .. } | Expr::InSubquery { .. } => {
                ControlFlow::Break(())
            }
            _ => ControlFlow::Continue(()),
        });
        if asks.is_break() {
            let message =
                format!("recipe `{recipe}`: `{sql}`: not a function of one event's columns");
            return Err(Error::usage(message));
        }
        Ok(expr)
    }
}

/// The function and the model of a call that names a model and nothing else.
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

/// The columns that expressions name, each once.
fn columns(expressions: &[Expr]) -> Vec<Ident> {
    let mut columns: Vec<Ident> = Vec::new();
    for expr in expressions {
        let _ = visit_expressions(expr, |part| {
            if let Expr::Identifier(column) = part
                && !columns.iter().any(|known| known.value == column.value)
            {
                columns.push(column.clone());
            }
            ControlFlow::<()>::Continue(())
        });
    }
    columns
}

fn text(value: &str) -> Expr {
    Expr::Value(Value::SingleQuotedString(value.to_owned()).with_empty_span())
}

//! The target `recipe`: recipes, which are read, written, and planned over the columns of kernel calls.

use std::cell::OnceCell;

use datafusion::arrow::datatypes::{Field, Schema};
use datafusion::prelude::SessionContext;

use super::common::accepted_text;
use crate::engine::expressions_context;
use crate::log::Log;
use crate::recipe::Recipe;

thread_local! {
    static CONTEXT: OnceCell<SessionContext> = const { OnceCell::new() };
}

/// Reads the whole input as a recipe.
pub fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let Some(recipe) = accepted_text(text, Recipe::from_toml(text)) else {
        return;
    };
    let written = recipe.to_toml().expect("a recipe can be written");
    let read = Recipe::from_toml(&written);
    assert_eq!(
        read.as_ref().ok(),
        Some(&recipe),
        "after writing and reading"
    );
    let columns = Log::kernel_calls();
    let columns = columns.columns().iter();
    let fields = columns.map(|(name, data_type)| Field::new(*name, data_type.clone(), true));
    let schema = Schema::new(fields.collect::<Vec<_>>());
    CONTEXT.with(|context| {
        let context = context.get_or_init(expressions_context);
        accepted_text(text, recipe.plan_over(context, &schema));
    });
}

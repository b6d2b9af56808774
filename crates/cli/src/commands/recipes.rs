//! `honeyguide recipes`.

use honeyguide::{Error, Recipe, builtin, builtins};
use serde::Serialize;

use crate::args::Recipes;
use crate::context::Context;
use crate::failure::Failure;
use crate::json;
use crate::render::TextTable;

/// One built-in recipe.
#[derive(Serialize)]
struct Named {
    /// The recipe, with the keys of a recipe file.
    recipe: Recipe,
}

/// All built-in recipes.
#[derive(Serialize)]
struct All {
    /// The recipes.
    recipes: Vec<Recipe>,
}

pub fn run(context: &Context, args: Recipes) -> Result<(), Failure> {
    let Some(name) = args.name else {
        return list(context);
    };
    let recipe = builtin(&name).ok_or_else(|| {
        let names: Vec<_> = builtins().map(|recipe| recipe.name).collect();
        Error::usage(format!("no built-in recipe is called `{name}`"))
            .hint(format!("there are {}", names.join(", ")))
    })?;
    if context.json() {
        let answer = Named { recipe };
        return context.write(|out| json::write_answer(out, json::RECIPE, false, &answer));
    }
    let text = recipe.to_toml()?;
    context.write(|out| write!(out, "{text}"))
}

fn list(context: &Context) -> Result<(), Failure> {
    let recipes: Vec<_> = builtins().collect();
    if context.json() {
        let answer = All { recipes };
        return context.write(|out| json::write_answer(out, json::RECIPES, false, &answer));
    }
    let mut table = TextTable::new(["recipe", "features", "purpose"], []);
    for recipe in recipes {
        let features = if recipe.numeric_columns.is_some() {
            "numeric columns".to_owned()
        } else {
            recipe.features.len().to_string()
        };
        table.add_row([recipe.name, features, recipe.description]);
    }
    context.write(|out| {
        writeln!(
            out,
            "{table}\n\nTo print one for editing: honeyguide recipes NAME > mine.toml"
        )
    })
}

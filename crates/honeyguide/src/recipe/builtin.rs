//! The built-in recipes.

use super::Recipe;

/// The recipes as TOML, the most used first.
const SOURCES: [&str; 5] = [
    include_str!("builtin/context.toml"),
    include_str!("builtin/actors.toml"),
    include_str!("builtin/beth-paper.toml"),
    include_str!("builtin/beth-timestamp.toml"),
    include_str!("builtin/raw.toml"),
];

/// Returns all built-in recipes, the most used first.
pub fn builtins() -> impl Iterator<Item = Recipe> {
    SOURCES
        .iter()
        .map(|text| Recipe::from_toml(text).expect("a built-in recipe is valid"))
}

/// Returns the built-in recipe called `name`, if there is one.
pub fn builtin(name: &str) -> Option<Recipe> {
    builtins().find(|recipe| recipe.name == name)
}

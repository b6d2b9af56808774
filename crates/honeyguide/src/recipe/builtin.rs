//! The built-in recipes.

use super::Recipe;
use crate::log::Log;

/// The recipes as TOML, the most used first.
const SOURCES: [&str; 6] = [
    include_str!("builtin/context.toml"),
    include_str!("builtin/actors.toml"),
    include_str!("builtin/dns.toml"),
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

impl Recipe {
    /// Returns the built-in recipe that suits a log. The log of data is [`Source::log`](crate::Source::log).
    #[must_use]
    pub fn default_for(log: &Log) -> Self {
        builtin(log.default_recipe()).expect("a log names a built-in recipe")
    }
}

/// Returns the built-in recipe called `name`, if there is one.
pub fn builtin(name: &str) -> Option<Recipe> {
    builtins().find(|recipe| recipe.name == name)
}

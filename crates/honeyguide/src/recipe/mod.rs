//! Recipes: named lists of features, each a SQL expression over event columns.
//!
//! A recipe is data. [`Recipe`] is what a TOML file says, checked for its own sense; `plan` holds it against the
//! columns of a source and gives the engine's expressions.

mod builtin;
mod columns;
pub(crate) mod depth;
pub(crate) mod layout;
pub(crate) mod plan;

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use learn::iforest::MAX_SAMPLES;
use serde::{Deserialize, Serialize};

pub use builtin::{builtin, builtins};

use crate::error::{Error, Result};
use crate::storage::{StorageOptions, document, redacted};

/// Most features a recipe may have.
pub const MAX_FEATURES: usize = 4096;
/// Longest SQL expression of a feature, in bytes.
const MAX_EXPRESSION_BYTES: usize = 16 << 10;
/// Most values that a rarity is given.
pub(crate) const MAX_GIVEN: usize = 3;
/// Largest recipe file, in bytes.
const MAX_FILE_BYTES: u64 = 4 << 20;

/// A named list of features.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// What the recipe is called.
    pub name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Events that each tree draws, where the caller asks for no other number; fewer, down to 256, where that would be
    /// more than one event in 32. What is rare is told from what is new only by trees that have seen the rare.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_samples: Option<usize>,
    /// Makes a feature of every numeric column of the data, after those that are listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub numeric_columns: Option<NumericColumns>,
    /// The features, in the order of the model's columns.
    #[serde(default, rename = "feature", skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<Feature>,
}

/// Which numeric columns become features by themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NumericColumns {
    /// Columns that never do, such as labels.
    #[serde(default)]
    pub except: Vec<String>,
}

/// One column of the matrix that the forest sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Feature {
    /// Unique within the recipe.
    pub name: String,
    /// SQL over the event's columns; names are case-sensitive without quotes. A feature has this or `rarity`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expr: Option<String>,
    /// How rare a value was in training.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rarity: Option<Rarity>,
    /// Whether values have an order.
    #[serde(default, skip_serializing_if = "Kind::is_numeric")]
    pub kind: Kind,
    /// What is done to the values after the expression, with constants learnt at training.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transform: Option<Transform>,
    /// What a null means.
    #[serde(default, skip_serializing_if = "Nulls::is_refuse")]
    pub nulls: Nulls,
    /// What coded values mean, for people.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, String>,
}

/// −ln P(value | given …), estimated from the counts of the training events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rarity {
    /// SQL of the value.
    pub of: String,
    /// SQL of what the value is judged beside: rare for this process, say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub given: Vec<String>,
}

/// Whether a feature's values have an order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Numbers or booleans; the forest splits at thresholds.
    #[default]
    Numeric,
    /// Text or codes without an order; the forest splits by subsets.
    Categorical,
}

/// What is done to a feature's values with constants learnt at training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transform {
    /// Minus the mean, divided by the standard deviation of the training events.
    Standard,
}

/// What a null in a feature means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Nulls {
    /// An error: the data is not what the recipe was written for.
    #[default]
    Refuse,
    /// A missing value, which the forest has a rule for.
    Allow,
}

impl Kind {
    fn is_numeric(&self) -> bool {
        *self == Self::Numeric
    }
}

impl Nulls {
    fn is_refuse(&self) -> bool {
        *self == Self::Refuse
    }
}

impl Recipe {
    /// The built-in recipe called `name_or_path`, or the recipe in the TOML file of that path.
    ///
    /// # Errors
    /// Neither is there; the file is not a recipe.
    pub fn load(name_or_path: &str) -> Result<Self> {
        Self::load_with(name_or_path, &StorageOptions::default())
    }

    /// [`Recipe::load`] of what may be behind a URL too.
    ///
    /// # Errors
    /// As for [`Recipe::load`]; a server or a store does not give it.
    pub fn load_with(name_or_place: &str, storage: &StorageOptions) -> Result<Self> {
        if let Some(recipe) = builtin(name_or_place) {
            return Ok(recipe);
        }
        let found = document::read(Path::new(name_or_place), MAX_FILE_BYTES, storage)?;
        let Some(found) = found else {
            let names: Vec<_> = builtins().map(|recipe| recipe.name).collect();
            return Err(Error::usage(format!(
                "{}: neither a built-in recipe nor a file",
                redacted(name_or_place)
            ))
            .hint(format!(
                "built in are {}; a file of your own is TOML, see `honeyguide recipes NAME`",
                names.join(", ")
            )));
        };
        Self::from_toml(&found.text).map_err(|error| {
            Error::usage(format!("{}: {error}", found.shown.display()))
                .hint("`honeyguide recipes beth-paper` prints a recipe to compare with")
        })
    }

    /// Parses and checks a recipe.
    ///
    /// # Errors
    /// What is wrong with the text, with its line where TOML itself is broken.
    pub fn from_toml(text: &str) -> Result<Self> {
        let recipe: Self = toml::from_str(text)
            .map_err(|error| Error::usage(error.to_string().trim_end().to_owned()))?;
        recipe.check()?;
        Ok(recipe)
    }

    /// The recipe as TOML, ready to be edited.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self)
            .map_err(|error| Error::internal(format!("recipe `{}` as TOML: {error}", self.name)))
    }

    /// Checks what a recipe must hold whatever the data is.
    pub(crate) fn check(&self) -> Result<()> {
        let count = self.features.len();
        if count == 0 && self.numeric_columns.is_none() {
            return Err(
                Error::usage(format!("recipe `{}` has no features", self.name))
                    .hint("add a [[feature]] with a name and an expr"),
            );
        }
        if count > MAX_FEATURES {
            return Err(Error::usage(format!(
                "recipe `{}` has {count} features; the limit is {MAX_FEATURES}",
                self.name
            )));
        }
        if let Some(count) = self.max_samples
            && !(1..=MAX_SAMPLES).contains(&(count as u64))
        {
            return Err(Error::usage(format!(
                "recipe `{}`: max_samples = {count}; it must be from 1 to {MAX_SAMPLES}",
                self.name
            )));
        }
        let mut names = HashSet::new();
        for feature in &self.features {
            if !names.insert(&feature.name) {
                return Err(Error::usage(format!(
                    "recipe `{}` has two features named `{}`",
                    self.name, feature.name
                )));
            }
            feature.check(&self.name)?;
        }
        Ok(())
    }
}

impl Feature {
    fn check(&self, recipe: &str) -> Result<()> {
        let refuse = |why: String| {
            Err(Error::usage(format!(
                "recipe `{recipe}`, feature `{}`: {why}",
                self.name
            )))
        };
        if self.expr.is_some() == self.rarity.is_some() {
            return refuse("a feature has either an expr or a rarity".into());
        }
        for sql in self.sql() {
            if sql.len() > MAX_EXPRESSION_BYTES {
                return refuse(format!(
                    "an expression of {} bytes; the limit is {MAX_EXPRESSION_BYTES}",
                    sql.len()
                ));
            }
            depth::check(sql).or_else(&refuse)?;
        }
        let given = self.rarity.as_ref().map_or(0, |rarity| rarity.given.len());
        if given > MAX_GIVEN {
            return refuse(format!(
                "a rarity given {given} values; the limit is {MAX_GIVEN}"
            ));
        }
        if self.transform.is_some() && (self.kind == Kind::Categorical || self.rarity.is_some()) {
            return refuse("only a numeric expr has a transform".into());
        }
        if self.rarity.is_some() && self.kind == Kind::Categorical {
            return refuse("a rarity is a number, not a category".into());
        }
        Ok(())
    }

    /// Every SQL expression of the feature.
    pub(crate) fn sql(&self) -> impl Iterator<Item = &str> {
        let of_rarity = self
            .rarity
            .iter()
            .flat_map(|rarity| [&rarity.of].into_iter().chain(&rarity.given));
        self.expr.iter().chain(of_rarity).map(String::as_str)
    }

    /// A numeric column as it is.
    fn of_column(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            expr: Some(format!("\"{}\"", name.replace('"', "\"\""))),
            rarity: None,
            kind: Kind::Numeric,
            transform: None,
            nulls: Nulls::Refuse,
            values: BTreeMap::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_builtin_recipe_survives_being_printed_and_read() {
        for recipe in builtins() {
            assert_eq!(
                Recipe::from_toml(&recipe.to_toml().unwrap()).unwrap(),
                recipe
            );
        }
    }

    #[test]
    fn a_broken_recipe_says_what_is_wrong() {
        let cases = [
            ("name = 3", "expected a string"),
            ("name = 'x'", "has no features"),
            (
                "name = 'x'\nmax_samples = 0\n[numeric_columns]",
                "max_samples = 0; it must be from 1",
            ),
            (
                "name = 'x'\n[[feature]]\nname = 'a'\nexpr = '1'\n[[feature]]\nname = 'a'\nexpr = '2'",
                "two features named `a`",
            ),
            (
                "name = 'x'\n[[feature]]\nname = 'a'\nexpression = '1'",
                "unknown field `expression`",
            ),
        ];
        for (text, expected) in cases {
            let error = Recipe::from_toml(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}

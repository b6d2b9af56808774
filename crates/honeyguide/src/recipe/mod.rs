//! Recipes: named lists of features, each a SQL expression over event columns.
//!
//! [`Recipe`] is the content of a TOML file, checked by itself. `plan` resolves a recipe against the columns of a
//! source and returns the engine's expressions.

mod allowed;
mod builtin;
pub(crate) mod columns;
pub(crate) mod depth;
pub(crate) mod layout;
pub(crate) mod plan;

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use learn::iforest::{MAX_SAMPLES, Novelty};
use serde::{Deserialize, Serialize};

pub use builtin::{builtin, builtins};

use crate::error::{Error, Result};
use crate::naming::command;
use crate::storage::{StorageOptions, document, redacted};

/// The maximum number of features of a recipe.
pub const MAX_FEATURES: usize = 4096;
/// The maximum length of a SQL expression of a feature, in bytes.
const MAX_EXPRESSION_BYTES: usize = 16 << 10;
/// The maximum number of values that a rarity is conditioned on.
pub(crate) const MAX_GIVEN: usize = 3;
/// The maximum size of a recipe file, in bytes.
const MAX_FILE_BYTES: u64 = 4 << 20;

/// A named list of features.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// The name of the recipe.
    pub name: String,
    /// The purpose of the recipe.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The number of events that each tree draws, unless the caller sets another number. It is capped at one training
    /// event in 32, but never below 256. Only trees that have drawn rare events can tell them from new ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_samples: Option<usize>,
    /// Whether events score higher the farther they lie outside of the training events, unless the caller says so. Without
    /// either they do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub novelty: Option<Novelty>,
    /// If set, every numeric column of the data becomes a feature, after the listed features.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub numeric_columns: Option<NumericColumns>,
    /// The features, in the order of the model's columns.
    #[serde(default, rename = "feature", skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<Feature>,
    /// How numbers become the texts of categories and rarities. A model file tells it by its version.
    #[serde(skip)]
    pub(crate) number_texts: NumberTexts,
}

/// How numbers become the texts of categories and rarities.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum NumberTexts {
    /// The same number has the same text whatever its type: 80 is `80`, as an integer, a double or a decimal.
    #[default]
    OfValue,
    /// The text depends on the type, as in models of earlier releases: 80 is `80.0` as a double.
    OfType,
}

/// The numeric columns that become features without being listed: all but some.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NumericColumns {
    /// The columns that never become features, such as labels.
    #[serde(default)]
    pub except: Vec<String>,
}

/// One column of the matrix on which the forest is trained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Feature {
    /// The name, which is unique within the recipe.
    pub name: String,
    /// A SQL expression over the event's columns, whose names are case-sensitive without quotes. A feature has either
    /// this or `rarity`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expr: Option<String>,
    /// How rare a value was in the training events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rarity: Option<Rarity>,
    /// Whether the values have an order.
    #[serde(default, skip_serializing_if = "Kind::is_numeric")]
    pub kind: Kind,
    /// The transform of the expression's values, with constants learnt in training.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transform: Option<Transform>,
    /// The meaning of a null.
    #[serde(default, skip_serializing_if = "Nulls::is_refuse")]
    pub nulls: Nulls,
    /// Whether the feature is left out where the data lacks a column that it reads. A model's recipe has only features
    /// that were trained, none of which is optional.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
    /// Descriptions of coded values, by value, for people.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, String>,
}

/// The rarity of a value: −ln P(value | given …), estimated from the counts of the training events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rarity {
    /// The SQL expression of the value.
    pub of: String,
    /// The SQL expressions that the probability is conditioned on, such as the process: a value may be rare for one
    /// process and frequent for others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub given: Vec<String>,
}

/// Whether a feature's values have an order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Numbers or booleans. The forest splits them at thresholds.
    #[default]
    Numeric,
    /// Text or codes without an order. The forest splits them into subsets.
    Categorical,
}

/// A transform of a feature's values, with constants learnt in training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transform {
    /// Standardization: (value − mean) / standard deviation, both of the training events.
    Standard,
}

/// The meaning of a null in a feature.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Nulls {
    /// An error, because the recipe was not written for such data.
    #[default]
    Refuse,
    /// A missing value, which the forest handles.
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
    /// Returns the built-in recipe called `name_or_path`, or reads the TOML file at that path.
    ///
    /// # Errors
    /// Fails when there is neither such a built-in recipe nor such a file, or when the file is not a valid recipe.
    pub fn load(name_or_path: &str) -> Result<Self> {
        Self::load_with(name_or_path, &StorageOptions::default())
    }

    /// Returns the built-in recipe called `name_or_place`, or reads the TOML file at that path or URL. Object stores
    /// are opened with the settings `storage`.
    ///
    /// # Errors
    /// Fails as [`Recipe::load`] does, and when a server or a store refuses the file.
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
                "built in are {}; a file of your own is TOML, see {} NAME",
                names.join(", "),
                command("recipes")
            )));
        };
        Self::from_toml(&found.text).map_err(|error| {
            let shown = found.shown.display();
            Error::usage(format!("{shown}: {}", error.text())).hint(format!(
                "{} beth-paper prints a recipe to compare with",
                command("recipes")
            ))
        })
    }

    /// Parses and checks a recipe.
    ///
    /// # Errors
    /// Fails when `text` is not TOML or not a valid recipe. An error of the TOML names the line.
    pub fn from_toml(text: &str) -> Result<Self> {
        let recipe: Self =
            toml::from_str(text).map_err(|error| Error::usage(toml_error(text, &error)))?;
        recipe.check()?;
        Ok(recipe)
    }

    /// Returns the recipe as TOML that can be edited.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self)
            .map_err(|error| Error::internal(format!("recipe `{}` as TOML: {error}", self.name)))
    }

    /// Checks the rules for recipes that do not depend on data.
    ///
    /// # Errors
    /// Fails when there is no feature or too many, when a name occurs twice, or when a value is out of range.
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

/// Returns an error of TOML with its place, in one line.
fn toml_error(text: &str, error: &toml::de::Error) -> String {
    let at = error.span().map_or(0, |span| span.start);
    let before = text.get(..at).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before
        .chars()
        .rev()
        .take_while(|letter| *letter != '\n')
        .count()
        + 1;
    let why = error.message().trim_end();
    format!("TOML parse error at line {line}, column {column}: {why}")
}

impl Feature {
    /// Checks the rules for one feature of the recipe called `recipe`.
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
            depth::check_expression(sql).or_else(&refuse)?;
            allowed::check(sql).or_else(&refuse)?;
        }
        let given = self.rarity.as_ref().map_or(0, |rarity| rarity.given.len());
        if given > MAX_GIVEN {
            return refuse(format!(
                "a rarity with {given} values in `given`; the limit is {MAX_GIVEN}"
            ));
        }
        if self.transform.is_some() && (self.kind == Kind::Categorical || self.rarity.is_some()) {
            return refuse("only a numeric expr can have a transform".into());
        }
        if self.rarity.is_some() && self.kind == Kind::Categorical {
            return refuse("a rarity is a number, not a category".into());
        }
        Ok(())
    }

    /// Returns every SQL expression of the feature: its own, or the value of its rarity followed by what it is given.
    pub(crate) fn sql(&self) -> impl Iterator<Item = &str> {
        let of_rarity = self
            .rarity
            .iter()
            .flat_map(|rarity| [&rarity.of].into_iter().chain(&rarity.given));
        self.expr.iter().chain(of_rarity).map(String::as_str)
    }

    /// Creates the feature that is the numeric column `name` itself.
    pub(crate) fn of_column(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            expr: Some(format!("\"{}\"", name.replace('"', "\"\""))),
            rarity: None,
            kind: Kind::Numeric,
            transform: None,
            nulls: Nulls::Refuse,
            optional: false,
            values: BTreeMap::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_builtin_recipe_is_equal_after_writing_and_reading() {
        for recipe in builtins() {
            assert_eq!(
                Recipe::from_toml(&recipe.to_toml().unwrap()).unwrap(),
                recipe
            );
        }
    }

    #[test]
    fn errors_say_what_is_wrong_with_a_recipe() {
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

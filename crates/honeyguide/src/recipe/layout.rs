//! The inputs that the engine evaluates for a recipe, and the inputs from which each feature is computed.
//!
//! Events are grouped by their inputs. The input of a plain feature is its expression. The inputs of a rarity are its
//! value and the values it is conditioned on; each is evaluated once, however many rarities share it.

use super::columns::columns_of_expression;
use super::{Feature, Kind, Nulls, Recipe};

/// The inputs of a recipe and how its features use them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    /// The expressions that the engine evaluates for each event.
    pub inputs: Vec<Input>,
    /// The inputs of each feature, in the order of the recipe's features.
    pub features: Vec<FeatureInputs>,
}

/// An expression that the engine evaluates for each event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Input {
    /// The expression.
    pub sql: String,
    /// The names of the columns in `sql`, each once.
    pub columns: Vec<String>,
    /// The name of the first feature that uses the input, for messages.
    pub feature: String,
    pub kind: InputKind,
    /// Whether nulls are allowed.
    pub nulls: Nulls,
}

/// The kind of an input's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InputKind {
    /// A number of a numeric feature.
    Number,
    /// Text of a categorical feature.
    Category,
    /// Text of a rarity, for which a null is a value like any other.
    Text,
}

impl Input {
    /// Returns the beginning of a message about this expression of `recipe`.
    pub fn named(&self, recipe: &Recipe) -> String {
        format!(
            "recipe `{}`, feature `{}`: `{}`",
            recipe.name, self.feature, self.sql
        )
    }
}

impl InputKind {
    /// Returns whether the values are text.
    pub fn is_text(self) -> bool {
        self != Self::Number
    }
}

/// The inputs of one feature, as positions in [`Layout::inputs`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FeatureInputs {
    /// The feature's own expression.
    Own(usize),
    /// The value of a rarity, then the values it is conditioned on.
    Rarity(Vec<usize>),
}

impl Layout {
    /// Lays out the inputs of a recipe without open `numeric_columns`.
    pub fn new(recipe: &Recipe) -> Self {
        let mut layout = Self {
            inputs: Vec::new(),
            features: Vec::new(),
        };
        for feature in &recipe.features {
            let inputs = match &feature.rarity {
                Some(_) => FeatureInputs::Rarity(
                    feature
                        .sql()
                        .map(|sql| layout.shared_text(sql, feature))
                        .collect(),
                ),
                None => FeatureInputs::Own(layout.own(feature)),
            };
            layout.features.push(inputs);
        }
        layout
    }

    /// Adds the input of a feature that has an expression, and returns its position.
    fn own(&mut self, feature: &Feature) -> usize {
        let sql = feature.expr.clone().unwrap_or_default();
        self.inputs.push(Input {
            columns: columns_of_expression(&sql),
            sql,
            feature: feature.name.clone(),
            kind: if feature.kind == Kind::Categorical {
                InputKind::Category
            } else {
                InputKind::Number
            },
            nulls: feature.nulls,
        });
        self.inputs.len() - 1
    }

    /// Returns the position of the text input `sql`, which is added if no rarity has it yet.
    fn shared_text(&mut self, sql: &str, feature: &Feature) -> usize {
        let known = self
            .inputs
            .iter()
            .position(|input| input.kind == InputKind::Text && input.sql == sql);
        known.unwrap_or_else(|| {
            let (sql, feature) = (sql.to_owned(), feature.name.clone());
            self.inputs.push(Input {
                columns: columns_of_expression(&sql),
                sql,
                feature,
                kind: InputKind::Text,
                nulls: Nulls::Allow,
            });
            self.inputs.len() - 1
        })
    }

    /// Returns the inputs of each rarity, in the order of the features.
    pub fn rarities(&self) -> impl Iterator<Item = &[usize]> {
        self.features.iter().filter_map(|feature| match feature {
            FeatureInputs::Rarity(inputs) => Some(inputs.as_slice()),
            FeatureInputs::Own(_) => None,
        })
    }

    /// Returns the name of the column of input `index` in the engine.
    pub fn column_name(index: usize) -> String {
        format!("__input_{index}")
    }
}

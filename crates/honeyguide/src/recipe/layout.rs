//! Which inputs the engine evaluates for a recipe, and which of them each feature is made of.
//!
//! Inputs are what events are grouped by: the expression of a plain feature, and for rarities the value and what it is
//! given, each evaluated once however many features share it.

use super::columns::columns_of_expression;
use super::{Feature, Kind, Nulls, Recipe};

/// What the engine evaluates for each event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    pub inputs: Vec<Input>,
    /// One per feature of the recipe.
    pub features: Vec<FeatureInputs>,
}

/// One evaluated expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Input {
    pub sql: String,
    /// The names of the columns in `sql`, each once.
    pub columns: Vec<String>,
    /// The feature to name in messages: the first that uses the input.
    pub feature: String,
    pub kind: InputKind,
    pub nulls: Nulls,
}

/// What an input's values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InputKind {
    Number,
    /// Text of a categorical feature.
    Category,
    /// Text that rarities are made of; a null is a value like any other.
    Text,
}

impl Input {
    /// What a message begins with that is about this expression of `recipe`.
    pub fn named(&self, recipe: &Recipe) -> String {
        format!(
            "recipe `{}`, feature `{}`: `{}`",
            recipe.name, self.feature, self.sql
        )
    }
}

impl InputKind {
    pub fn is_text(self) -> bool {
        self != Self::Number
    }
}

/// The inputs of one feature, as positions in [`Layout::inputs`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FeatureInputs {
    /// The feature's own expression.
    Own(usize),
    /// The value of a rarity, then what it is given.
    Rarity(Vec<usize>),
}

impl Layout {
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

    /// The inputs of each rarity, in the order of the features.
    pub fn rarities(&self) -> impl Iterator<Item = &[usize]> {
        self.features.iter().filter_map(|feature| match feature {
            FeatureInputs::Rarity(inputs) => Some(inputs.as_slice()),
            FeatureInputs::Own(_) => None,
        })
    }

    /// The name of an input's column in the engine.
    pub fn column_name(index: usize) -> String {
        format!("__input_{index}")
    }
}

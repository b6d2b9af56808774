//! Where features come from: a recipe, whose constants are learnt from the data at hand, or a model, which has them.

use std::borrow::Cow;

use crate::engine::Engine;
use crate::error::Result;
use crate::features::{Distilled, Encoder, EncodingData};
use crate::model::Model;
use crate::recipe::Recipe;
use crate::source::Source;

/// The recipe or the model with which features are computed.
///
/// Means, categories and rarities are constants of features. A recipe has none, so they are learnt from the data that it is
/// applied to. A model has those of its training data, and scores events with them.
#[derive(Debug, Clone, Copy)]
pub enum FeatureSource<'a> {
    /// The features of a recipe, with constants of the data at hand.
    Recipe(&'a Recipe),
    /// The features of a model, with its own constants.
    Model(&'a Model),
}

impl<'a> From<&'a Recipe> for FeatureSource<'a> {
    fn from(recipe: &'a Recipe) -> Self {
        Self::Recipe(recipe)
    }
}

impl<'a> From<&'a Model> for FeatureSource<'a> {
    fn from(model: &'a Model) -> Self {
        Self::Model(model)
    }
}

impl<'a> FeatureSource<'a> {
    /// Returns the model, if features come from one.
    pub fn model(self) -> Option<&'a Model> {
        match self {
            Self::Recipe(_) => None,
            Self::Model(model) => Some(model),
        }
    }

    /// Returns the recipe, in which every feature for `source` is listed.
    ///
    /// # Errors
    /// Fails when the recipe does not fit the columns of `source`.
    pub(crate) fn resolve(self, engine: &Engine, source: &Source) -> Result<Recipe> {
        match self {
            Self::Recipe(recipe) => recipe.resolve(engine, source, &[]),
            Self::Model(model) => Ok(model.recipe().clone()),
        }
    }

    /// Returns the encodings: those of the model, or those that `recipe`, which must be resolved, learns from `data`.
    ///
    /// # Errors
    /// Fails when the constants of a transform cannot be computed.
    pub(crate) fn encodings(
        self,
        recipe: &Recipe,
        data: &Distilled,
    ) -> Result<Cow<'a, [EncodingData]>> {
        match self {
            Self::Recipe(_) => Ok(Cow::Owned(Encoder::fit(recipe, data)?)),
            Self::Model(model) => Ok(Cow::Borrowed(&model.encodings)),
        }
    }
}

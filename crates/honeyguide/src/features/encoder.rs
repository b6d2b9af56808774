//! From feature values to the numbers that the forest sees, with the constants learnt at training.

use std::collections::HashMap;

use datafusion::arrow::array::{Array, ArrayRef};
use learn::scaling::StandardScaler;
use learn::{ColumnKind, Matrix};
use serde::{Deserialize, Serialize};

use super::{FeatureColumns, MAX_CATEGORIES, Value};
use crate::distil::Distilled;
use crate::error::{Error, Result};
use crate::recipe::{Kind, Recipe, Transform};

/// How each feature becomes a number.
#[derive(Debug, Clone)]
pub(crate) struct Encoder(Vec<Encoding>);

#[derive(Debug, Clone)]
enum Encoding {
    /// (value − mean) / scale; 0 and 1 where the recipe has no transform.
    Number { mean: f64, scale: f64 },
    /// The rank of the category among those of the training data; one past the last for an unseen one.
    Category { codes: HashMap<String, u32> },
}

/// An encoding as the model file holds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
pub(crate) enum EncodingData {
    /// The value itself.
    Number {},
    /// (value − mean) / scale.
    Standard { mean: f64, scale: f64 },
    /// The position in this sorted list.
    Categories(Vec<String>),
}

impl Encoder {
    /// Learns the constants from the training events.
    pub fn fit(recipe: &Recipe, training: &Distilled) -> Result<Vec<EncodingData>> {
        let scaler = StandardScaler::fit(&training.matrix)
            .map_err(|error| Error::data(format!("recipe `{}`: {error}", recipe.name)))?;
        let learnt = recipe.features.iter().zip(&training.categories).enumerate();
        let encodings =
            learnt.map(
                |(index, (feature, categories))| match (categories, feature.transform) {
                    (Some(categories), _) => EncodingData::Categories(categories.clone()),
                    (None, Some(Transform::Standard)) => EncodingData::Standard {
                        mean: scaler.mean()[index],
                        scale: scaler.scale()[index],
                    },
                    (None, None) => EncodingData::Number {},
                },
            );
        Ok(encodings.collect())
    }

    /// Checks what a model file says and readies it for use.
    pub fn new(recipe: &Recipe, data: &[EncodingData]) -> Result<Self> {
        if data.len() != recipe.features.len() {
            return Err(Error::data(format!(
                "{} encodings for {} features",
                data.len(),
                recipe.features.len()
            )));
        }
        let encodings = recipe.features.iter().zip(data).map(|(feature, data)| {
            let invalid = |why: &str| {
                Error::data(format!("the encoding of feature `{}` {why}", feature.name))
            };
            match (feature.kind, data) {
                (Kind::Numeric, EncodingData::Number {}) => Ok(Encoding::Number {
                    mean: 0.0,
                    scale: 1.0,
                }),
                (Kind::Numeric, EncodingData::Standard { mean, scale }) => {
                    let usable = mean.is_finite() && scale.is_finite() && *scale > 0.0;
                    if usable {
                        Ok(Encoding::Number {
                            mean: *mean,
                            scale: *scale,
                        })
                    } else {
                        Err(invalid("is not finite"))
                    }
                }
                (Kind::Categorical, EncodingData::Categories(categories)) => {
                    if categories.len() > MAX_CATEGORIES {
                        return Err(invalid(&format!(
                            "has more than {MAX_CATEGORIES} categories"
                        )));
                    }
                    Ok(Encoding::Category {
                        codes: (0..)
                            .zip(categories)
                            .map(|(code, name)| (name.clone(), code))
                            .collect(),
                    })
                }
                _ => Err(invalid("does not fit its kind")),
            }
        });
        Ok(Self(encodings.collect::<Result<_>>()?))
    }

    /// What the forest has to know of each column.
    pub fn column_kinds(&self) -> Vec<ColumnKind> {
        let kinds = self.0.iter().map(|encoding| match encoding {
            Encoding::Number { .. } => ColumnKind::Numeric,
            Encoding::Category { codes } => ColumnKind::Categorical {
                cardinality: codes.len() as u32,
            },
        });
        kinds.collect()
    }

    /// The training events as the forest sees them. Their categories are ranks already.
    pub fn encode_training(&self, training: Matrix) -> Result<Matrix> {
        let n_features = training.n_features();
        let mut values = training.values().to_vec();
        for row in values.chunks_exact_mut(n_features) {
            for (value, encoding) in row.iter_mut().zip(&self.0) {
                if let Encoding::Number { .. } = encoding {
                    *value = encoding.encode(Value::Number(*value));
                }
            }
        }
        Matrix::new(n_features, values, training.weights().to_vec())
            .map_err(|error| Error::internal(format!("the encoded matrix: {error}")))
    }

    /// The rows of feature columns, row-major.
    pub fn encode(&self, recipe: &Recipe, arrays: &[ArrayRef]) -> Result<Vec<f64>> {
        let columns = FeatureColumns::new(recipe, arrays)?;
        let rows = arrays.first().map_or(0, |array| array.len());
        let mut values = Vec::with_capacity(rows * self.0.len());
        for row in 0..rows {
            for (feature, encoding) in self.0.iter().enumerate() {
                values.push(encoding.encode(columns.value(feature, row)?));
            }
        }
        Ok(values)
    }
}

impl Encoding {
    fn encode(&self, value: Value) -> f64 {
        match (self, value) {
            (_, Value::Missing) => f64::NAN,
            (Self::Number { mean, scale }, Value::Number(number)) => (number - mean) / scale,
            (Self::Category { codes }, Value::Category(category)) => {
                f64::from(codes.get(category).copied().unwrap_or(codes.len() as u32))
            }
            // Columns are typed by the kinds of the features.
            (Self::Number { .. }, Value::Category(_))
            | (Self::Category { .. }, Value::Number(_)) => f64::NAN,
        }
    }
}

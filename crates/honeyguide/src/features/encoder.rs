//! The encoding of inputs as the forest's rows, with constants learnt in training.

use std::borrow::Cow;
use std::collections::HashMap;

use datafusion::arrow::array::{Array, ArrayRef};
use foldhash::fast::RandomState;
use learn::scaling::StandardScaler;
use learn::{ColumnKind, Matrix};
use serde::{Deserialize, Serialize};

use super::coded::{CodedInputs, InputValues};
use super::rarity::{NULL_ID, RarityTable, Sighting, UNSEEN_ID, key};
use super::{Distilled, InputColumns, MAX_CATEGORIES, RarityData, Value};
use crate::error::{Error, Result};
use crate::recipe::layout::{FeatureInputs, Input, InputKind, Layout};
use crate::recipe::{Feature, Recipe, Transform};

/// The encoding of a feature's values as numbers, in the form of the model file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
pub(crate) enum EncodingData {
    /// The value itself.
    Number {},
    /// (value − mean) / scale.
    Standard { mean: f64, scale: f64 },
    /// The position in this sorted list, or its length for a category that is not in it.
    Categories(Vec<String>),
    /// The rarity of the value, −ln P(value | given).
    Rarity(RarityData),
}

/// The encoder of a recipe's inputs as the forest's rows.
#[derive(Debug, Clone)]
pub(crate) struct Encoder {
    layout: Layout,
    /// The ids of the texts of each input, without any for an input of numbers.
    ids: Vec<HashMap<String, u32, RandomState>>,
    /// The encoding of each feature.
    encodings: Vec<Encoding>,
}

/// The encoding of one feature.
#[derive(Debug, Clone)]
enum Encoding {
    /// (value − mean) / scale. Without a transform the mean is 0 and the scale is 1.
    Number { input: usize, mean: f64, scale: f64 },
    /// The code of a category, which is its id minus one.
    Category { input: usize, cardinality: u32 },
    /// The rarity of the first input, given the others.
    Rarity {
        inputs: Vec<usize>,
        table: RarityTable,
    },
}

impl Encoder {
    /// Learns the encodings of a recipe's features from the training events.
    ///
    /// # Errors
    /// Fails when the constants of a transform cannot be computed.
    pub fn fit(recipe: &Recipe, training: &Distilled) -> Result<Vec<EncodingData>> {
        let layout = Layout::new(recipe);
        let texts = |input: usize| training.texts[input].as_slice();
        let mut rarities = training.rarities.iter();
        let features = recipe.features.iter().zip(&layout.features);
        let encodings = features.map(|(feature, inputs)| match inputs {
            FeatureInputs::Rarity(inputs) => {
                let counts = rarities
                    .next()
                    .ok_or_else(|| Error::internal("a rarity was not counted"))?;
                let texts: Vec<_> = inputs.iter().map(|input| texts(*input)).collect();
                Ok(EncodingData::Rarity(RarityData::new(counts, &texts)))
            }
            FeatureInputs::Own(input) if layout.inputs[*input].kind == InputKind::Category => {
                Ok(EncodingData::Categories(texts(*input).to_vec()))
            }
            FeatureInputs::Own(input) => match feature.transform {
                Some(Transform::Standard) => standard(feature, &training.inputs, *input),
                None => Ok(EncodingData::Number {}),
            },
        });
        encodings.collect()
    }

    /// Creates the encoder from the encodings of a model file.
    ///
    /// # Errors
    /// Fails when the encodings are invalid or do not fit the recipe.
    pub fn new(recipe: &Recipe, data: &[EncodingData]) -> Result<Self> {
        let layout = Layout::new(recipe);
        if data.len() != recipe.features.len() {
            return Err(Error::data(format!(
                "the model has {} encodings for {} features",
                data.len(),
                recipe.features.len()
            )));
        }
        let mut ids = vec![HashMap::default(); layout.inputs.len()];
        let features = recipe.features.iter().zip(&layout.features).zip(data);
        let encodings = features.map(|((feature, inputs), data)| {
            Encoding::new(feature, inputs, &layout, data, &mut ids)
        });
        let encodings = encodings.collect::<Result<_>>()?;
        Ok(Self {
            layout,
            ids,
            encodings,
        })
    }

    /// Returns the kind of each column of the forest.
    pub fn column_kinds(&self) -> Vec<ColumnKind> {
        let kinds = self.encodings.iter().map(|encoding| match encoding {
            Encoding::Category { cardinality, .. } => ColumnKind::Categorical {
                cardinality: *cardinality,
            },
            Encoding::Number { .. } | Encoding::Rarity { .. } => ColumnKind::Numeric,
        });
        kinds.collect()
    }

    /// Encodes distilled rows in the order of `inputs`, without merging rows that become equal. `texts[input]` are the
    /// texts that the codes of an input stand for, as in [`Distilled`].
    pub fn encode_distilled(&self, inputs: &Matrix, texts: &[Vec<String>]) -> Result<Matrix> {
        let n_rows = inputs.n_rows();
        let columns = self.layout.inputs.iter().zip(texts).enumerate();
        let columns = columns.map(|(index, (input, texts))| {
            if !input.kind.is_text() {
                return InputValues::Numbers {
                    values: Cow::Borrowed(inputs.values()),
                    first: index,
                    step: inputs.n_features(),
                };
            }
            let known: Vec<u32> = texts.iter().map(|text| self.id(index, text)).collect();
            let id = |code: f64| match code.is_nan() {
                true => NULL_ID,
                false => known[code as usize],
            };
            InputValues::Ids((0..n_rows).map(|row| id(inputs.row(row)[index])).collect())
        });
        let values = self.encode_coded(&CodedInputs {
            inputs: columns.collect(),
            n_rows,
        })?;
        Matrix::new(self.encodings.len(), values, inputs.weights().to_vec())
            .map_err(|error| Error::internal(format!("the encoded matrix: {error}")))
    }

    /// Encodes rows, given as the recipe's input columns, which are the first among `arrays`. Returns the encoded rows
    /// in row-major order.
    ///
    /// # Errors
    /// Fails when a value is a null that the recipe refuses, or an infinite number.
    pub fn encode(&self, arrays: &[ArrayRef]) -> Result<Vec<f64>> {
        self.encode_coded(&self.code(arrays)?)
    }

    /// Returns the codes of rows, given as the recipe's input columns, which are the first among `arrays`.
    ///
    /// # Errors
    /// Fails as [`encode`](Self::encode) does.
    pub fn code(&self, arrays: &[ArrayRef]) -> Result<CodedInputs<'static>> {
        let columns = InputColumns::new(&self.layout, arrays)?;
        let n_rows = arrays.first().map_or(0, |array| array.len());
        let inputs = self.layout.inputs.iter().enumerate().map(|(index, input)| {
            let values = (0..n_rows).map(|row| columns.value(index, row));
            if input.kind.is_text() {
                let ids = values.map(|value| match value? {
                    Value::Text(text) => Ok(self.id(index, text)),
                    Value::Missing => Ok(NULL_ID),
                    Value::Number(_) => Err(Error::internal("an input of text has a number")),
                });
                return Ok(InputValues::Ids(ids.collect::<Result<_>>()?));
            }
            let numbers = values.map(|value| match value? {
                Value::Number(number) => Ok(number),
                Value::Missing => Ok(f64::NAN),
                Value::Text(_) => Err(Error::internal("an input of numbers has a text")),
            });
            Ok(InputValues::Numbers {
                values: Cow::Owned(numbers.collect::<Result<Vec<f64>>>()?),
                first: 0,
                step: 1,
            })
        });
        Ok(CodedInputs {
            inputs: inputs.collect::<Result<_>>()?,
            n_rows,
        })
    }

    /// Returns the layout of the inputs.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Returns how often the combination of a rarity was seen in training. `inputs` are the texts of all inputs.
    pub fn sighting(&self, feature: usize, inputs: &[Option<String>]) -> Sighting {
        let id = |input: &usize| {
            inputs[*input]
                .as_ref()
                .map_or(NULL_ID, |text| self.id(*input, text))
        };
        match &self.encodings[feature] {
            Encoding::Rarity { inputs, table } => table.sighting(key(inputs.iter().map(id))),
            Encoding::Number { .. } | Encoding::Category { .. } => Sighting {
                count: 0,
                of: 0,
                dropped: 0,
            },
        }
    }

    /// Returns the id of a text of an input.
    fn id(&self, input: usize, text: &str) -> u32 {
        self.ids[input].get(text).copied().unwrap_or(UNSEEN_ID)
    }

    /// Encodes rows that are given as their codes. Returns the encoded rows in row-major order.
    ///
    /// # Errors
    /// Fails when the codes are not those of this encoder's inputs, which is a defect.
    pub fn encode_coded(&self, rows: &CodedInputs) -> Result<Vec<f64>> {
        let mut values = vec![0.0; rows.n_rows * self.encodings.len()];
        for (feature, encoding) in self.encodings.iter().enumerate() {
            let column = values
                .iter_mut()
                .skip(feature)
                .step_by(self.encodings.len());
            encoding.encode(&rows.inputs, column)?;
        }
        Ok(values)
    }
}

impl Encoding {
    /// Checks the encoding of `feature` in a model file. Adds the ids of its texts to `ids`, which holds those of every
    /// input.
    fn new(
        feature: &Feature,
        inputs: &FeatureInputs,
        layout: &Layout,
        data: &EncodingData,
        ids: &mut [HashMap<String, u32, RandomState>],
    ) -> Result<Self> {
        let invalid =
            |why: &str| Error::data(format!("the encoding of feature `{}` {why}", feature.name));
        let kind = |input: &usize| layout.inputs.get(*input).map(|Input { kind, .. }| *kind);
        match (inputs, data) {
            (FeatureInputs::Own(input), EncodingData::Number {})
                if kind(input) == Some(InputKind::Number) =>
            {
                Ok(Self::Number {
                    input: *input,
                    mean: 0.0,
                    scale: 1.0,
                })
            }
            (FeatureInputs::Own(input), EncodingData::Standard { mean, scale })
                if kind(input) == Some(InputKind::Number) =>
            {
                let usable = mean.is_finite() && scale.is_finite() && *scale > 0.0;
                if usable {
                    Ok(Self::Number {
                        input: *input,
                        mean: *mean,
                        scale: *scale,
                    })
                } else {
                    Err(invalid(
                        "has a mean or a scale that is not finite, or a scale that is not positive",
                    ))
                }
            }
            (FeatureInputs::Own(input), EncodingData::Categories(texts))
                if kind(input) == Some(InputKind::Category) =>
            {
                if texts.len() > MAX_CATEGORIES || !texts.is_sorted_by(|left, right| left < right) {
                    return Err(invalid("has too many categories, or they are not sorted"));
                }
                ids[*input] = texts.iter().cloned().zip(NULL_ID + 1..).collect();
                Ok(Self::Category {
                    input: *input,
                    cardinality: texts.len() as u32,
                })
            }
            (FeatureInputs::Rarity(inputs), EncodingData::Rarity(data)) => {
                data.check(&feature.name, inputs.len())?;
                Ok(Self::Rarity {
                    inputs: inputs.clone(),
                    table: RarityTable::new(&shared_counts(inputs, data, ids), inputs.len() - 1),
                })
            }
            _ => Err(invalid("does not fit the kind of the feature")),
        }
    }

    /// Writes the values of the feature in all rows to `column`. `inputs` are the values of all inputs.
    fn encode<'a>(
        &self,
        inputs: &[InputValues],
        column: impl Iterator<Item = &'a mut f64>,
    ) -> Result<()> {
        match self {
            Self::Number { input, mean, scale } => {
                let numbers = inputs[*input].numbers()?;
                for (value, number) in column.zip(numbers) {
                    *value = (number - mean) / scale;
                }
            }
            Self::Category { input, cardinality } => {
                let ids = inputs[*input].ids()?;
                for (value, id) in column.zip(ids) {
                    *value = match *id {
                        NULL_ID => f64::NAN,
                        UNSEEN_ID => f64::from(*cardinality),
                        id => f64::from(id - 1),
                    };
                }
            }
            Self::Rarity {
                inputs: parts,
                table,
            } => {
                let ids: Vec<&[u32]> = parts
                    .iter()
                    .map(|part| inputs[*part].ids())
                    .collect::<Result<_>>()?;
                for (row, value) in column.enumerate() {
                    *value = table.rarity(key(ids.iter().map(|ids| ids[row])));
                }
            }
        }
        Ok(())
    }
}

/// Fits a standard scaler to one input. The scale of a constant is 1, as in scikit-learn.
fn standard(feature: &Feature, inputs: &Matrix, input: usize) -> Result<EncodingData> {
    let column = (0..inputs.n_rows())
        .map(|row| inputs.row(row)[input])
        .collect();
    let fitted = Matrix::new(1, column, inputs.weights().to_vec())
        .map_err(|error| error.to_string())
        .and_then(|column| StandardScaler::fit(&column).map_err(|error| error.to_string()));
    let scaler =
        fitted.map_err(|error| Error::data(format!("feature `{}`: {error}", feature.name)))?;
    Ok(EncodingData::Standard {
        mean: scaler.mean()[0],
        scale: scaler.scale()[0],
    })
}

/// Returns the counts of a rarity with ids that all rarities of the model share, so that each text of an event is
/// looked up once. Adds the ids of new texts to `ids`.
fn shared_counts(
    inputs: &[usize],
    data: &RarityData,
    ids: &mut [HashMap<String, u32, RandomState>],
) -> super::RarityCounts {
    let mut shared: Vec<Vec<u32>> = Vec::with_capacity(inputs.len());
    for (input, texts) in inputs.iter().zip(&data.texts) {
        let known = &mut ids[*input];
        let id_of = |text: &Option<String>| match text {
            None => NULL_ID,
            Some(text) => {
                let next = known.len() as u32 + 1;
                *known.entry(text.clone()).or_insert(next)
            }
        };
        shared.push(texts.iter().map(id_of).collect());
    }
    let combinations = data.keys.chunks(inputs.len()).zip(&data.counts);
    combinations
        .map(|(positions, count)| {
            let ids = positions
                .iter()
                .zip(&shared)
                .map(|(position, ids)| ids[*position as usize]);
            (key(ids), *count)
        })
        .collect()
}

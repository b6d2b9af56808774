//! From inputs to the numbers that the forest sees, with what was learnt at training.

use std::collections::HashMap;

use datafusion::arrow::array::{Array, ArrayRef};
use learn::scaling::StandardScaler;
use learn::{ColumnKind, Matrix};
use serde::{Deserialize, Serialize};

use super::rarity::{NULL_ID, RarityTable, Sighting, UNSEEN_ID, key};
use super::{Distilled, InputColumns, MAX_CATEGORIES, RarityData, Value};
use crate::error::{Error, Result};
use crate::recipe::layout::{FeatureInputs, Input, InputKind, Layout};
use crate::recipe::{Feature, Recipe, Transform};

/// How a feature's values become numbers, as the model file holds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
pub(crate) enum EncodingData {
    /// The value itself.
    Number {},
    /// (value − mean) / scale.
    Standard { mean: f64, scale: f64 },
    /// The position in this sorted list; one past its end for a category that is not in it.
    Categories(Vec<String>),
    /// −ln P(value | given).
    Rarity(RarityData),
}

/// How a recipe's inputs become the forest's rows.
#[derive(Debug, Clone)]
pub(crate) struct Encoder {
    layout: Layout,
    /// Per text input, the ids of its texts.
    ids: Vec<HashMap<String, u32>>,
    /// Per feature.
    encodings: Vec<Encoding>,
}

#[derive(Debug, Clone)]
enum Encoding {
    /// (value − mean) / scale; 0 and 1 where the recipe has no transform.
    Number { input: usize, mean: f64, scale: f64 },
    /// Ids of the input are codes plus one.
    Category { input: usize, cardinality: u32 },
    Rarity {
        inputs: Vec<usize>,
        table: RarityTable,
    },
}

/// One input of many rows.
enum InputValues<'a> {
    /// NaN where missing.
    Numbers(Vec<f64>),
    /// The same as a column of a matrix.
    Column(&'a Matrix, usize),
    /// Ids of texts.
    Ids(Vec<u32>),
}

impl InputValues<'_> {
    fn number(&self, row: usize) -> f64 {
        match self {
            Self::Numbers(numbers) => numbers[row],
            Self::Column(matrix, column) => matrix.row(row)[*column],
            Self::Ids(_) => f64::NAN,
        }
    }

    fn id(&self, row: usize) -> u32 {
        match self {
            Self::Ids(ids) => ids[row],
            Self::Numbers(_) | Self::Column(..) => UNSEEN_ID,
        }
    }
}

impl Encoder {
    /// Learns from the training events.
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

    /// Checks what a model file says and readies it for use.
    pub fn new(recipe: &Recipe, data: &[EncodingData]) -> Result<Self> {
        let layout = Layout::new(recipe);
        if data.len() != recipe.features.len() {
            return Err(Error::data(format!(
                "{} encodings for {} features",
                data.len(),
                recipe.features.len()
            )));
        }
        let mut ids = vec![HashMap::new(); layout.inputs.len()];
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

    /// What the forest has to know of each column.
    pub fn column_kinds(&self) -> Vec<ColumnKind> {
        let kinds = self.encodings.iter().map(|encoding| match encoding {
            Encoding::Category { cardinality, .. } => ColumnKind::Categorical {
                cardinality: *cardinality,
            },
            Encoding::Number { .. } | Encoding::Rarity { .. } => ColumnKind::Numeric,
        });
        kinds.collect()
    }

    /// Distilled rows as the forest sees them; equal rows stay apart, in the order of `inputs`. `texts` are what its
    /// codes stand for, as in [`Distilled`].
    pub fn encode_distilled(&self, inputs: &Matrix, texts: &[Vec<String>]) -> Result<Matrix> {
        let n_rows = inputs.n_rows();
        let columns = self.layout.inputs.iter().zip(texts).enumerate();
        let columns = columns.map(|(index, (input, texts))| {
            if !input.kind.is_text() {
                return InputValues::Column(inputs, index);
            }
            let known: Vec<u32> = texts.iter().map(|text| self.id(index, text)).collect();
            let id = |code: f64| match code.is_nan() {
                true => NULL_ID,
                false => known[code as usize],
            };
            InputValues::Ids((0..n_rows).map(|row| id(inputs.row(row)[index])).collect())
        });
        let values = self.encode_values(&columns.collect::<Vec<_>>(), n_rows);
        Matrix::new(self.encodings.len(), values, inputs.weights().to_vec())
            .map_err(|error| Error::internal(format!("the encoded matrix: {error}")))
    }

    /// Rows given as the recipe's input columns, which are the first among `arrays`; row-major.
    pub fn encode(&self, arrays: &[ArrayRef]) -> Result<Vec<f64>> {
        let columns = InputColumns::new(&self.layout, arrays)?;
        let n_rows = arrays.first().map_or(0, |array| array.len());
        let inputs = self.layout.inputs.iter().enumerate().map(|(index, input)| {
            let values = (0..n_rows).map(|row| columns.value(index, row));
            if input.kind.is_text() {
                let ids = values.map(|value| {
                    Ok(if let Value::Text(text) = value? {
                        self.id(index, text)
                    } else {
                        NULL_ID
                    })
                });
                return Ok(InputValues::Ids(ids.collect::<Result<_>>()?));
            }
            let numbers = values.map(|value| {
                Ok(if let Value::Number(number) = value? {
                    number
                } else {
                    f64::NAN
                })
            });
            Ok(InputValues::Numbers(numbers.collect::<Result<_>>()?))
        });
        Ok(self.encode_values(&inputs.collect::<Result<Vec<_>>>()?, n_rows))
    }

    /// What the encoder reads.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// How often what a rarity looks at was seen in training; `inputs` are the texts of all inputs.
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

    fn id(&self, input: usize, text: &str) -> u32 {
        self.ids[input].get(text).copied().unwrap_or(UNSEEN_ID)
    }

    fn encode_values(&self, inputs: &[InputValues], n_rows: usize) -> Vec<f64> {
        let mut values = vec![0.0; n_rows * self.encodings.len()];
        for (feature, encoding) in self.encodings.iter().enumerate() {
            let column = values
                .iter_mut()
                .skip(feature)
                .step_by(self.encodings.len());
            for (row, value) in column.enumerate() {
                *value = encoding.encode(inputs, row);
            }
        }
        values
    }
}

impl Encoding {
    fn new(
        feature: &Feature,
        inputs: &FeatureInputs,
        layout: &Layout,
        data: &EncodingData,
        ids: &mut [HashMap<String, u32>],
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
                    Err(invalid("is not finite"))
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
            _ => Err(invalid("does not fit its kind")),
        }
    }

    fn encode(&self, inputs: &[InputValues], row: usize) -> f64 {
        match self {
            Self::Number { input, mean, scale } => (inputs[*input].number(row) - mean) / scale,
            Self::Category { input, cardinality } => match inputs[*input].id(row) {
                NULL_ID => f64::NAN,
                UNSEEN_ID => f64::from(*cardinality),
                id => f64::from(id - 1),
            },
            Self::Rarity {
                inputs: parts,
                table,
            } => table.rarity(key(parts.iter().map(|part| inputs[*part].id(row)))),
        }
    }
}

/// The mean and the standard deviation of one input, with scikit-learn's scale of 1 for a constant.
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

/// The counts of a rarity under ids that all rarities of the model share, so that a text is looked up once per event.
fn shared_counts(
    inputs: &[usize],
    data: &RarityData,
    ids: &mut [HashMap<String, u32>],
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

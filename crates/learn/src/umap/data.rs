//! The exchange form of an embedding: plain data that can be serialised to a file, and its checks.

use serde::{Deserialize, Serialize};

use super::neighbors::Index;
use super::space::Space;
use super::{NEW_END, Umap, UmapError, UmapParams, curve_and_kernel};
use crate::matrix::compare_rows;

/// The format version of [`UmapData`] that this release writes and reads.
pub const FORMAT_VERSION: u32 = 1;

/// An embedding as plain data. [`Umap::to_data`] and `Umap::try_from(data)` convert in both directions; the latter
/// validates everything. The index of the rows is not part of it: it follows from the rows and the seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UmapData {
    /// The format version, [`FORMAT_VERSION`] in valid data.
    pub version: u32,
    /// The parameters that the embedding was fitted with.
    pub params: UmapParams,
    /// The number of columns of a row.
    pub n_features: usize,
    /// The mean distance between rows and their neighbours, in the unit of the scaled rows.
    pub mean_distance: f64,
    /// The distinct rows that took part in the fit, row-major and ascending.
    pub rows: Vec<f64>,
    /// The coordinates of these rows, row-major.
    pub embedding: Vec<f32>,
}

/// The reason why data of an embedding is invalid.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum InvalidUmap {
    /// The format version is unknown to this release.
    #[error(
        "the embedding has format version {version}; this release reads version {FORMAT_VERSION}"
    )]
    Version {
        /// The format version found.
        version: u32,
    },
    /// The parameters are outside the ranges that a fit accepts.
    #[error("the embedding's parameters: {0}")]
    Params(#[from] UmapError),
    /// The numbers of values do not fit each other.
    #[error(
        "{values} values and {coordinates} coordinates do not make rows of {n_features} features with {n_components} \
         coordinates each"
    )]
    Shape {
        /// The number of values of all rows.
        values: usize,
        /// The number of coordinates of all rows.
        coordinates: usize,
        /// The number of columns.
        n_features: usize,
        /// The number of dimensions of the embedding.
        n_components: usize,
    },
    /// A number is not finite, or the mean distance is negative.
    #[error("a number of the embedding is not finite, or its mean distance is negative")]
    Number,
    /// The rows are not distinct and ascending.
    #[error("row {row} is not above the row before it")]
    Order {
        /// The row, counted from 0.
        row: usize,
    },
}

impl Umap {
    /// Returns the embedding as plain data.
    pub fn to_data(&self) -> UmapData {
        UmapData {
            version: FORMAT_VERSION,
            params: self.params.clone(),
            n_features: self.n_features,
            mean_distance: self.mean_distance,
            rows: self.distinct_rows.clone(),
            embedding: self.distinct_embedding.clone(),
        }
    }
}

impl TryFrom<UmapData> for Umap {
    type Error = InvalidUmap;

    /// Checks the data and returns the embedding. Its [`embedding`](Umap::embedding) has the coordinates of the distinct
    /// rows, and new rows are placed as in the embedding that the data came from.
    fn try_from(data: UmapData) -> Result<Umap, InvalidUmap> {
        check(&data)?;
        let UmapData {
            params,
            n_features,
            mean_distance,
            rows,
            embedding,
            ..
        } = data;
        let space = Space::of(params.metric, n_features, &rows);
        let n_rows = rows.len() / n_features;
        let k = params.n_neighbors.min(n_rows) - 1;
        let index = Index::of(&space, space.points(&rows), k, params.seed);
        let (curve, new_row_kernel) = curve_and_kernel(&params, NEW_END);
        Ok(Umap {
            params,
            n_features,
            curve,
            space,
            index,
            mean_distance,
            distinct_rows: rows,
            distinct_embedding: embedding.clone(),
            embedding,
            new_row_kernel,
        })
    }
}

fn check(data: &UmapData) -> Result<(), InvalidUmap> {
    let version = data.version;
    if version != FORMAT_VERSION {
        return Err(InvalidUmap::Version { version });
    }
    data.params.check()?;
    let (n_features, n_components) = (data.n_features, data.params.n_components);
    let (values, coordinates) = (data.rows.len(), data.embedding.len());
    let whole = n_features > 0 && values > 0 && values.is_multiple_of(n_features);
    let rows = if whole { values / n_features } else { 0 };
    if !whole || rows.checked_mul(n_components) != Some(coordinates) {
        return Err(InvalidUmap::Shape {
            values,
            coordinates,
            n_features,
            n_components,
        });
    }
    let max = u32::MAX as usize - 1;
    if rows > max {
        return Err(UmapError::Rows { rows, max }.into());
    }
    let finite = data.rows.iter().all(|value| value.is_finite())
        && data.embedding.iter().all(|x| x.is_finite())
        && data.mean_distance.is_finite();
    if !finite || data.mean_distance < 0.0 {
        return Err(InvalidUmap::Number);
    }
    let row = |row: usize| &data.rows[row * n_features..][..n_features];
    match (1..rows).find(|&at| compare_rows(row(at - 1), row(at)).is_ge()) {
        Some(row) => Err(InvalidUmap::Order { row }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Matrix;
    use crate::umap::Metric;

    fn rows(n: usize, width: usize) -> Vec<f64> {
        (0..n * width)
            .map(|i| ((i * 37 + i * i) % 101) as f64)
            .collect()
    }

    fn fitted(metric: Metric, n: usize, width: usize) -> Umap {
        let matrix = Matrix::unweighted(width, rows(n, width)).unwrap();
        UmapParams::new()
            .metric(metric)
            .seed(3)
            .fit(&matrix)
            .unwrap()
    }

    #[test]
    fn an_embedding_read_back_places_rows_in_the_same_bits() {
        for metric in [Metric::Euclidean, Metric::Cosine] {
            let umap = fitted(metric, 300, 4);
            let text = serde_json::to_string(&umap.to_data()).unwrap();
            let data: UmapData = serde_json::from_str(&text).unwrap();
            assert_eq!(data, umap.to_data());
            let again = Umap::try_from(data).unwrap();
            let new: Vec<f64> = rows(400, 4).iter().map(|x| x + 0.25).collect();
            for rows in [&new, &rows(300, 4)] {
                assert_eq!(again.transform(rows), umap.transform(rows));
            }
        }
    }

    #[test]
    fn an_approximate_index_is_made_anew_in_the_same_bits() {
        // So many rows in so many columns are searched in approximation.
        let draw = |i: u64| crate::umap::draws::Draws::new(5, 1, i).signed();
        let values: Vec<f64> = (0..9000 * 24).map(draw).collect();
        let matrix = Matrix::unweighted(24, values.clone()).unwrap();
        let params = UmapParams::new().n_epochs(crate::umap::Epochs::Count(2));
        let umap = params.fit(&matrix).unwrap();
        assert!(matches!(umap.index, Index::Approximate(_)));
        let again = Umap::try_from(umap.to_data()).unwrap();
        let new: Vec<f64> = values[..2400].iter().map(|x| x * 0.9).collect();
        assert_eq!(again.transform(&new), umap.transform(&new));
    }

    #[test]
    fn data_that_is_no_embedding_is_refused() {
        let valid = fitted(Metric::Euclidean, 20, 2).to_data();
        let refusal = |change: fn(&mut UmapData)| {
            let mut data = valid.clone();
            change(&mut data);
            Umap::try_from(data).unwrap_err()
        };
        assert_eq!(
            refusal(|data| data.version = 2),
            InvalidUmap::Version { version: 2 }
        );
        assert!(matches!(
            refusal(|data| data.params.n_neighbors = 0),
            InvalidUmap::Params(_)
        ));
        assert!(matches!(
            refusal(|data| data.n_features = 0),
            InvalidUmap::Shape { .. }
        ));
        assert!(matches!(
            refusal(|data| data.rows.clear()),
            InvalidUmap::Shape { .. }
        ));
        assert!(matches!(
            refusal(|data| data.embedding.truncate(1)),
            InvalidUmap::Shape { .. }
        ));
        assert_eq!(
            refusal(|data| data.embedding[0] = f32::NAN),
            InvalidUmap::Number
        );
        assert_eq!(
            refusal(|data| data.rows[0] = f64::INFINITY),
            InvalidUmap::Number
        );
        assert_eq!(
            refusal(|data| data.mean_distance = -1.0),
            InvalidUmap::Number
        );
        assert_eq!(
            refusal(|data| data.rows.reverse()),
            InvalidUmap::Order { row: 1 }
        );
    }
}

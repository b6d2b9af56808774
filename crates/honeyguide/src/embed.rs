//! A map of the distinct feature rows of data: a UMAP embedding of the features of a recipe or a model, fitted on the
//! same or on other data.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Float32Array, Float64Array, UInt64Array};
use datafusion::arrow::datatypes::{Field, Schema};
use datafusion::arrow::record_batch::RecordBatch;
use learn::Matrix;
use learn::rng::Rng;
use learn::sampling::StableHash;
use learn::scaling::StandardScaler;
use learn::umap::Umap;
pub use learn::umap::{Epochs, MAX_COMPONENTS, MAX_EPOCHS, MAX_NEIGHBORS, Metric, UmapParams};

use crate::distil::distil;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::feature_source::FeatureSource;
use crate::features::{Distilled, Encoder, FEATURE_KEY, feature_keys};
use crate::groups::{KeyId, KeyedCounts, Keys, count_distinct};
use crate::labels::label_key;
use crate::output::{Destination, TableWriter};
use crate::recipe::{Kind, Recipe};
use crate::scan::Scan;
use crate::source::{Source, no_events};

/// The greatest number of distinct rows that the map is fitted on. Of more rows, a uniform sample is taken.
pub const MAX_FITTED: usize = 100_000;
/// The greatest number of values that are placed on the map: distinct rows × features. Of more rows, a uniform sample
/// is placed.
const MAX_PLACED_VALUES: usize = 1 << 23;
/// The name of the output's column that holds the number of events with a row's features.
pub const COUNT_COLUMN: &str = "count";

/// Distinct feature rows with their coordinates on a map.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedding {
    /// The recipe's name.
    pub recipe: String,
    /// The names of the features.
    pub features: Vec<String>,
    /// The values of the features before scaling: rows × features, row-major, with the rows in ascending order.
    pub values: Vec<f64>,
    /// The number of events with each row's features.
    pub counts: Vec<u64>,
    /// The label columns that the data has.
    pub labels: Vec<String>,
    /// The number of events labelled 1: rows × labels, row-major.
    pub labelled: Vec<u64>,
    /// The number of dimensions of the map.
    pub n_components: usize,
    /// The coordinates: rows × dimensions, row-major.
    pub coordinates: Vec<f32>,
    /// The number of events in the data.
    pub events: u64,
    /// The number of distinct rows in the data, all of which are placed unless `placed_sample` is set. It is an
    /// estimate if the rows were sampled while they were read.
    pub distinct_rows: u64,
    /// Whether the rows are a uniform sample of the distinct rows.
    pub placed_sample: bool,
    /// The number of rows that the map was fitted on.
    pub fitted_rows: u64,
    /// Whether the map was fitted on a uniform sample of its data's distinct rows.
    pub fitted_sample: bool,
}

impl Embedding {
    /// Keeps a uniform sample of at most `most` rows. `distinct_rows` and `events` remain those of the data.
    pub(crate) fn sample(&mut self, most: usize, seed: u64) {
        let n_rows = self.counts.len();
        if n_rows <= most {
            return;
        }
        let kept = Rng::new(seed, 0).distinct_below(n_rows as u64, most as u64);
        let kept: Vec<usize> = kept.into_iter().map(|row| row as usize).collect();
        self.values = rows_of(&self.values, self.features.len(), &kept);
        self.counts = rows_of(&self.counts, 1, &kept);
        self.labelled = rows_of(&self.labelled, self.labels.len(), &kept);
        self.coordinates = rows_of(&self.coordinates, self.n_components, &kept);
        self.placed_sample = true;
    }
}

/// Returns some rows of a row-major table.
fn rows_of<T: Copy>(table: &[T], n_columns: usize, rows: &[usize]) -> Vec<T> {
    let rows = rows.iter();
    rows.flat_map(|row| &table[row * n_columns..][..n_columns])
        .copied()
        .collect()
}

/// Places the distinct feature rows of `source` on a map that is fitted on `fit_on`, or on `source` itself. The features
/// are those of a model, or those of a recipe with the constants that it learns from the events that the map is fitted
/// on. For the map, features are scaled to mean 0 and standard deviation 1 over these events. `seed` overrides the seed
/// in `params`.
///
/// # Errors
/// Fails when a parameter is out of range, when a feature is categorical or missing in a row, and when the data lacks
/// the recipe's columns, cannot be read or has no rows.
pub async fn embed(
    engine: &Engine,
    source: &mut Source,
    fit_on: Option<&mut Source>,
    features: impl Into<FeatureSource<'_>>,
    params: &UmapParams,
    seed: u64,
) -> Result<Embedding> {
    let labels = source.present(source.log().labels().iter().copied());
    let labels: Vec<String> = labels.map(str::to_owned).collect();
    embed_labelled(
        engine,
        source,
        fit_on,
        features.into(),
        params,
        seed,
        labels,
    )
    .await
}

/// Places rows as [`embed`] does, and counts the events of `labels` instead of those of the log's labels.
///
/// # Errors
/// Fails as [`embed`] does, and when the data lacks a label.
pub(crate) async fn embed_labelled(
    engine: &Engine,
    source: &mut Source,
    fit_on: Option<&mut Source>,
    features: FeatureSource<'_>,
    params: &UmapParams,
    seed: u64,
    labels: Vec<String>,
) -> Result<Embedding> {
    let params = &params.clone().seed(seed);
    let recipe = features.resolve(engine, source)?;
    refuse_categories(&recipe)?;
    let plan = recipe.plan(engine, source)?;
    let fitted_source = fit_on.unwrap_or(&mut *source);
    let fitted_plan = recipe.plan(engine, fitted_source)?;
    let distilled = distil(engine, fitted_source, &recipe, &fitted_plan, None, seed).await?;
    if distilled.events == 0 {
        return Err(no_events(fitted_source));
    }
    let encodings = features.encodings(&recipe, &distilled)?;
    let encoder = Encoder::new(&recipe, &encodings)?;
    let map = Map::fit(&recipe, encoder, &distilled, params, seed)?;
    let mut keys = Keys::default();
    let ids = labels
        .iter()
        .map(|label| Ok(keys.add(label_key(source, label)?)));
    let ids = ids.collect::<Result<Vec<_>>>()?;
    let scan = Scan::new(engine, "reading")
        .features(&recipe, &plan)
        .keys(&keys);
    let start = || Ok(DistinctRows::new(recipe.features.len(), &ids));
    let query = |table| count_distinct(table, &plan, &keys);
    let push = |rows: &mut DistinctRows, batch: &RecordBatch| rows.push(&map.encoder, batch);
    let rows = scan.fold(source, start, query, push).await?;
    if rows.events == 0 {
        return Err(no_events(source));
    }
    map.place(&recipe, labels, rows)
}

/// Refuses a recipe with a categorical feature, which has no distances.
fn refuse_categories(recipe: &Recipe) -> Result<()> {
    let categorical = recipe
        .features
        .iter()
        .find(|feature| feature.kind == Kind::Categorical);
    categorical.map_or(Ok(()), |feature| {
        let message = format!(
            "recipe `{}`, feature `{}`: a category has no distance to another, which a map needs",
            recipe.name, feature.name
        );
        Err(Error::usage(message)
            .hint("use a rarity of it, as recipe context does, or a recipe of numbers"))
    })
}

/// A fitted map, with the encoding and the scaling of its features.
struct Map {
    encoder: Encoder,
    scaler: StandardScaler,
    umap: Umap,
    fitted_rows: u64,
    fitted_sample: bool,
}

impl Map {
    fn fit(
        recipe: &Recipe,
        encoder: Encoder,
        distilled: &Distilled,
        params: &UmapParams,
        seed: u64,
    ) -> Result<Self> {
        let mut matrix = encoder.encode_distilled(&distilled.inputs, &distilled.texts)?;
        matrix.sort_rows();
        refuse_missing(recipe, matrix.values())?;
        let scaler =
            StandardScaler::fit(&matrix).map_err(|error| Error::data(error.to_string()))?;
        let fitted_sample = distilled.sampled || matrix.n_rows() > MAX_FITTED;
        let mut matrix = uniform_sample(matrix, seed)?;
        let defect =
            |error: &dyn std::fmt::Display| Error::internal(format!("the map's rows: {error}"));
        scaler.apply(&mut matrix).map_err(|error| defect(&error))?;
        let umap = params
            .fit(&matrix)
            .map_err(|error| Error::usage(error.to_string()))?;
        Ok(Self {
            encoder,
            scaler,
            umap,
            fitted_rows: matrix.n_rows() as u64,
            fitted_sample,
        })
    }

    fn place(self, recipe: &Recipe, labels: Vec<String>, rows: DistinctRows) -> Result<Embedding> {
        let n_features = recipe.features.len();
        let (events, placed_sample, distinct_rows) =
            (rows.events, rows.is_sampled(), rows.distinct_rows());
        let (values, tallies) = rows.finish();
        refuse_missing(recipe, &values)?;
        let mut scaled = values.clone();
        for row in scaled.chunks_exact_mut(n_features) {
            self.scaler
                .apply_row(row)
                .map_err(|error| Error::internal(error.to_string()))?;
        }
        let coordinates = self
            .umap
            .transform(&scaled)
            .map_err(|error| Error::data(format!("cannot place a row: {error}")))?;
        Ok(Embedding {
            recipe: recipe.name.clone(),
            features: recipe
                .features
                .iter()
                .map(|feature| feature.name.clone())
                .collect(),
            values,
            counts: tallies.iter().map(|tally| tally.events).collect(),
            labels,
            labelled: tallies
                .into_iter()
                .flat_map(|tally| tally.labelled)
                .collect(),
            n_components: self.umap.n_components(),
            coordinates,
            events,
            distinct_rows,
            placed_sample,
            fitted_rows: self.fitted_rows,
            fitted_sample: self.fitted_sample,
        })
    }
}

/// Refuses rows with a missing feature. `values` are row-major.
fn refuse_missing(recipe: &Recipe, values: &[f64]) -> Result<()> {
    let missing = values.iter().position(|value| value.is_nan());
    missing.map_or(Ok(()), |at| {
        let feature = &recipe.features[at % recipe.features.len()];
        let message = format!(
            "recipe `{}`, feature `{}` is missing in some events, which then have no place on a map",
            recipe.name, feature.name
        );
        Err(Error::data(message).hint("give it an expression that is never null, as with coalesce(column, 0)"))
    })
}

/// Returns a uniform sample of at most [`MAX_FITTED`] rows.
fn uniform_sample(matrix: Matrix, seed: u64) -> Result<Matrix> {
    if matrix.n_rows() <= MAX_FITTED {
        return Ok(matrix);
    }
    let chosen = Rng::new(seed, 0).distinct_below(matrix.n_rows() as u64, MAX_FITTED as u64);
    let chosen: Vec<usize> = chosen.into_iter().map(|row| row as usize).collect();
    let values = rows_of(matrix.values(), matrix.n_features(), &chosen);
    let weights = rows_of(matrix.weights(), 1, &chosen);
    Matrix::new(matrix.n_features(), values, weights)
        .map_err(|error| Error::internal(format!("a sample of rows: {error}")))
}

/// The counts of one distinct row's events.
struct RowTally {
    events: u64,
    /// The number of events labelled 1, for each label.
    labelled: Vec<u64>,
}

/// The distinct rows so far. When they exceed the budget, only rows with a hash below a limit are kept, and the limit
/// is halved each time. The result is a uniform sample of the rows with exact counts, whatever the order of the data.
struct DistinctRows {
    labels: Vec<KeyId>,
    n_features: usize,
    /// The greatest number of rows that are kept.
    budget: usize,
    rows: HashMap<Vec<u64>, RowTally>,
    /// The number of times that the limit of the hashes was halved.
    halvings: u32,
    events: u64,
}

impl DistinctRows {
    fn new(n_features: usize, labels: &[KeyId]) -> Self {
        Self {
            labels: labels.to_vec(),
            n_features,
            budget: (MAX_PLACED_VALUES / n_features.max(1)).max(1),
            rows: HashMap::new(),
            halvings: 0,
            events: 0,
        }
    }

    fn push(&mut self, encoder: &Encoder, batch: &RecordBatch) -> Result<()> {
        let n_keys = self.labels.len() + 1;
        let (inputs, groups) = batch.columns().split_at(batch.num_columns() - n_keys);
        let groups = KeyedCounts::new(groups)?;
        let encoded = encoder.encode(inputs)?;
        for (row, values) in encoded.chunks_exact(self.n_features).enumerate() {
            let events = groups.count(row);
            self.events += events;
            let key: Vec<u64> = values.iter().map(|value| value.to_bits()).collect();
            if !is_kept(&key, self.halvings) {
                continue;
            }
            let n_labels = self.labels.len();
            let tally = self.rows.entry(key).or_insert_with(|| RowTally {
                events: 0,
                labelled: vec![0; n_labels],
            });
            tally.events += events;
            let keys = groups.keys(row);
            for (labelled, label) in tally.labelled.iter_mut().zip(&self.labels) {
                *labelled += if keys.get(*label) == Some(1) {
                    events
                } else {
                    0
                };
            }
        }
        while self.rows.len() > self.budget {
            self.halvings += 1;
            let halvings = self.halvings;
            self.rows.retain(|key, _| is_kept(key, halvings));
        }
        Ok(())
    }

    fn is_sampled(&self) -> bool {
        self.halvings > 0
    }

    /// Returns the number of distinct rows; if they are a sample, an estimate from the share that is kept.
    fn distinct_rows(&self) -> u64 {
        (self.rows.len() as u64) << self.halvings
    }

    /// Returns the row-major values and the counts of the rows, in ascending order of the rows.
    fn finish(self) -> (Vec<f64>, Vec<RowTally>) {
        let rows = self.rows.into_iter().map(|(key, tally)| {
            let values: Vec<f64> = key.into_iter().map(f64::from_bits).collect();
            (values, tally)
        });
        let mut rows: Vec<(Vec<f64>, RowTally)> = rows.collect();
        rows.sort_by(|(left, _), (right, _)| {
            let pairs = left.iter().zip(right);
            pairs
                .map(|(x, y)| x.total_cmp(y))
                .find(|order| order.is_ne())
                .unwrap_or(std::cmp::Ordering::Equal)
        });
        let (values, tallies): (Vec<Vec<f64>>, Vec<RowTally>) = rows.into_iter().unzip();
        (values.concat(), tallies)
    }
}

/// Returns whether a row is kept after `halvings` halvings of the limit.
fn is_kept(key: &[u64], halvings: u32) -> bool {
    let hash = key
        .iter()
        .fold(StableHash::new(0), |hash, word| hash.word(*word));
    hash.finish().leading_zeros() >= halvings
}

impl Embedding {
    /// Writes a table with one row per distinct feature row. Its columns are the features, `count`, the number of
    /// events with each label, the coordinates `umap_1`, `umap_2`, …, and `feature_key`. The key is that of the events
    /// that a model with the same features and encodings scores.
    ///
    /// # Errors
    /// Fails when a feature has the name of another column, and when the file cannot be written.
    pub fn write(&self, to: impl Into<Destination>) -> Result<()> {
        let n_features = self.features.len();
        let mut columns: Vec<(String, ArrayRef)> = Vec::new();
        for (index, name) in self.features.iter().enumerate() {
            let values = self.values.iter().skip(index).step_by(n_features).copied();
            columns.push((
                name.clone(),
                Arc::new(Float64Array::from_iter_values(values)),
            ));
        }
        let counts = UInt64Array::from(self.counts.clone());
        columns.push((COUNT_COLUMN.to_owned(), Arc::new(counts)));
        for (index, label) in self.labels.iter().enumerate() {
            let labelled = self
                .labelled
                .iter()
                .skip(index)
                .step_by(self.labels.len())
                .copied();
            columns.push((
                label.clone(),
                Arc::new(UInt64Array::from_iter_values(labelled)),
            ));
        }
        for component in 0..self.n_components {
            let places = self
                .coordinates
                .iter()
                .skip(component)
                .step_by(self.n_components)
                .copied();
            let name = format!("umap_{}", component + 1);
            columns.push((name, Arc::new(Float32Array::from_iter_values(places))));
        }
        let keys = feature_keys(self.values.chunks_exact(n_features));
        columns.push((FEATURE_KEY.to_owned(), Arc::new(keys)));
        write_columns(to.into(), columns)
    }
}

fn write_columns(to: Destination, columns: Vec<(String, ArrayRef)>) -> Result<()> {
    let mut names: Vec<&str> = columns.iter().map(|column| column.0.as_str()).collect();
    names.sort_unstable();
    if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(Error::usage(format!(
            "the output would have two columns named `{}`",
            pair[0]
        ))
        .hint("rename the recipe's feature"));
    }
    let fields = columns
        .iter()
        .map(|(name, values)| Field::new(name, values.data_type().clone(), false));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let arrays = columns.iter().map(|column| Arc::clone(&column.1)).collect();
    let batch = RecordBatch::try_new(Arc::clone(&schema), arrays)
        .map_err(|error| Error::internal(format!("the coordinates: {error}")))?;
    let mut writer = TableWriter::create(to, schema)?;
    writer.write(&batch)?;
    writer.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_keeps_rows_whole() {
        let rows: Vec<u64> = (0..100).collect();
        let mut embedding = Embedding {
            recipe: String::new(),
            features: vec!["a".into(), "b".into()],
            values: rows
                .iter()
                .flat_map(|row| [*row as f64, -(*row as f64)])
                .collect(),
            counts: rows.clone(),
            labels: Vec::new(),
            labelled: Vec::new(),
            n_components: 1,
            coordinates: rows.iter().map(|row| *row as f32).collect(),
            events: 4950,
            distinct_rows: 100,
            placed_sample: false,
            fitted_rows: 100,
            fitted_sample: false,
        };
        embedding.sample(7, 1);
        assert!(embedding.placed_sample && embedding.counts.is_sorted());
        assert_eq!((embedding.counts.len(), embedding.distinct_rows), (7, 100));
        for (row, count) in embedding.counts.iter().enumerate() {
            let number = *count as f64;
            assert_eq!(embedding.values[2 * row..][..2], [number, -number]);
            assert_eq!(f64::from(embedding.coordinates[row]), number);
        }
    }
}

//! The distilled matrix: the distinct feature rows of a source and how often each occurs, in one scan of the engine.
//!
//! Above [`budget_rows`] distinct rows a priority sample of them is kept. It depends on what the rows are and on the
//! seed, not on the order in which the rows come.

use std::collections::HashMap;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int64Array};
use datafusion::arrow::datatypes::Int64Type;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::error::DataFusionError;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::{Expr, ident, lit};
use datafusion::prelude::DataFrame;
use learn::matrix::Matrix;
use learn::sampling::{PrioritySampler, StableHash};

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::features::{FeatureColumns, MAX_CATEGORIES, Value, locate_fault};
use crate::recipe::plan::FeaturePlan;
use crate::recipe::{Kind, Recipe};
use crate::source::Source;

/// Most distinct rows that are kept, whatever their width.
const MAX_ROWS: usize = 1 << 18;
/// Most values that are kept: rows × features.
const MAX_VALUES: usize = 1 << 22;
/// Name of the count column beside the features.
pub(crate) const COUNT: &str = "__count";

/// How many distinct rows of `n_features` features are kept before a sample is taken: 262,144 up to 16 features, fewer
/// of wider rows.
pub fn budget_rows(n_features: usize) -> usize {
    (MAX_VALUES / n_features.max(1)).clamp(1, MAX_ROWS)
}

/// Something beside the features that tells events apart: an Int64 expression, null where it has no value.
pub(crate) struct Key {
    pub name: String,
    pub expr: Expr,
}

/// The key columns and the count column at the end of a batch.
pub(crate) struct KeyedCounts<'a>(Vec<&'a Int64Array>);

impl<'a> KeyedCounts<'a> {
    /// Of the keys and the count, in the order of [`count_distinct`].
    pub fn new(arrays: &'a [ArrayRef]) -> Result<Self> {
        let integers = arrays.iter().map(|array| {
            let wrong = || Error::internal(format!("a key or count came as {}", array.data_type()));
            array.as_primitive_opt::<Int64Type>().ok_or_else(wrong)
        });
        Ok(Self(integers.collect::<Result<_>>()?))
    }

    /// The keys of row `row`.
    pub fn keys(&self, row: usize) -> Vec<Option<i64>> {
        let keys = &self.0[..self.0.len() - 1];
        keys.iter()
            .map(|key| key.is_valid(row).then(|| key.value(row)))
            .collect()
    }

    /// The count of row `row`.
    pub fn count(&self, row: usize) -> u64 {
        self.0[self.0.len() - 1].value(row).unsigned_abs()
    }
}

/// Distinct feature rows, sorted, with how often each occurs.
#[derive(Debug, Clone)]
pub(crate) struct Distilled {
    /// One row per distinct feature row; the weight is its count, or its estimated share when sampled.
    pub matrix: Matrix,
    /// Per feature: the sorted categories that the codes in the matrix stand for; `None` for numeric features.
    pub categories: Vec<Option<Vec<String>>>,
    /// All events that were read.
    pub events: u64,
    /// All distinct rows that were met, kept or not.
    pub distinct_rows: u64,
    /// Whether the matrix is a sample of the distinct rows.
    pub sampled: bool,
}

/// Reads `source` once and distils the features of `recipe`.
///
/// # Errors
/// What a scan can meet; a feature with nulls where the recipe refuses them, or with infinite values.
pub(crate) async fn distil(
    engine: &Engine,
    source: &mut Source,
    recipe: &Recipe,
    plan: &FeaturePlan,
    seed: u64,
) -> Result<Distilled> {
    let rows = source
        .run(&plan.needed, async |source| {
            let mut rows = RowCollector::new(recipe, seed);
            let query = count_distinct(source.table(engine)?, plan, &[])?;
            let expected = source.expected_rows();
            engine
                .for_each_batch("reading", expected, query, |batch| Ok(rows.push(&batch)?))
                .await?;
            Ok(rows)
        })
        .await;
    match rows {
        Ok(rows) => rows.finish(),
        Err(error) => Err(locate_fault(engine, source, recipe, plan, error).await),
    }
}

/// `SELECT features, keys, count(*) … GROUP BY features, keys`; the count is the last column.
pub(crate) fn count_distinct(
    table: DataFrame,
    plan: &FeaturePlan,
    keys: &[Key],
) -> std::result::Result<DataFrame, DataFusionError> {
    let inputs = plan
        .features
        .iter()
        .cloned()
        .chain(keys.iter().map(|key| key.expr.clone().alias(&key.name)));
    let groups = plan
        .names
        .iter()
        .chain(keys.iter().map(|key| &key.name))
        .map(ident);
    table
        .select(inputs.collect::<Vec<_>>())?
        .aggregate(groups.collect(), vec![count(lit(1)).alias(COUNT)])
}

/// Takes distinct rows as they come from the engine.
struct RowCollector<'a> {
    recipe: &'a Recipe,
    seed: u64,
    sampler: PrioritySampler,
    /// Per feature, the code that each category got when it was first met.
    codes: Vec<HashMap<String, u32>>,
    events: u64,
}

impl<'a> RowCollector<'a> {
    fn new(recipe: &'a Recipe, seed: u64) -> Self {
        let n_features = recipe.features.len();
        Self {
            recipe,
            seed,
            sampler: PrioritySampler::new(n_features, budget_rows(n_features)),
            codes: vec![HashMap::new(); n_features],
            events: 0,
        }
    }

    fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        let columns = FeatureColumns::new(self.recipe, batch.columns())?;
        let counts = KeyedCounts::new(&batch.columns()[self.recipe.features.len()..])?;
        let mut row = vec![0.0; self.recipe.features.len()];
        for index in 0..batch.num_rows() {
            let mut hash = StableHash::new(self.seed);
            for (feature, slot) in row.iter_mut().enumerate() {
                (*slot, hash) = match columns.value(feature, index)? {
                    Value::Missing => (f64::NAN, hash.word(f64::NAN.to_bits())),
                    Value::Number(number) => (number, hash.word(number.to_bits())),
                    Value::Category(name) => (
                        code_of(&mut self.codes[feature], name),
                        hash.bytes(name.as_bytes()),
                    ),
                };
            }
            self.events += counts.count(index);
            self.sampler
                .push(&row, counts.count(index) as f64, hash.finish());
        }
        self.check_categories()
    }

    fn check_categories(&self) -> Result<()> {
        for (feature, codes) in self.recipe.features.iter().zip(&self.codes) {
            if codes.len() > MAX_CATEGORIES {
                return Err(Error::data(format!(
                    "feature `{}` of recipe `{}` has more than {MAX_CATEGORIES} categories",
                    feature.name, self.recipe.name
                ))
                .hint("group rare values in its expression"));
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<Distilled> {
        let n_features = self.recipe.features.len();
        let mut sample = self.sampler.finish();
        let mut categories = Vec::with_capacity(n_features);
        for (index, (feature, codes)) in self.recipe.features.iter().zip(self.codes).enumerate() {
            categories.push((feature.kind == Kind::Categorical).then(|| {
                let (names, ranks) = rank_categories(codes);
                let column = sample.values.iter_mut().skip(index).step_by(n_features);
                column
                    .filter(|code| !code.is_nan())
                    .for_each(|code| *code = ranks[*code as usize]);
                names
            }));
        }
        let mut matrix = Matrix::new(n_features, sample.values, sample.weights)
            .map_err(|error| Error::internal(format!("the distilled matrix: {error}")))?;
        matrix.sort_rows();
        Ok(Distilled {
            matrix,
            categories,
            events: self.events,
            distinct_rows: sample.rows_pushed,
            sampled: sample.is_sampled,
        })
    }
}

/// The code of a category, in the order in which categories are met.
fn code_of(codes: &mut HashMap<String, u32>, name: &str) -> f64 {
    let next = codes.len() as u32;
    let code = codes
        .get(name)
        .copied()
        .unwrap_or_else(|| *codes.entry(name.to_owned()).or_insert(next));
    f64::from(code)
}

/// The sorted names, and for each code the rank of its name.
fn rank_categories(codes: HashMap<String, u32>) -> (Vec<String>, Vec<f64>) {
    let mut sorted: Vec<_> = codes.into_iter().collect();
    sorted.sort_unstable();
    let mut ranks = vec![0.0; sorted.len()];
    for (rank, (_, code)) in sorted.iter().enumerate() {
        ranks[*code as usize] = rank as f64;
    }
    (sorted.into_iter().map(|(name, _)| name).collect(), ranks)
}

//! The distilled matrix: the distinct feature rows of a source and how often each occurs, in one scan of the engine.
//!
//! Above [`budget_rows`] distinct rows a priority sample of them is kept. It depends on what the rows are and on the
//! seed, not on the order in which the rows come.

use std::collections::HashMap;
use std::sync::Arc;

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
use crate::features::{
    InputColumns, MAX_CATEGORIES, MAX_COUNTED, NULL_ID, RarityCounts, Value, id_of_code, key,
    locate_fault, unpack,
};
use crate::leave_one_out::{HOST, HostCollector, HostRows, gather_hosts, host_text};
use crate::model::with_columns;
use crate::recipe::Recipe;
use crate::recipe::layout::{InputKind, Layout};
use crate::recipe::plan::FeaturePlan;
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

/// Distinct input rows, sorted, with how often each occurs.
#[derive(Debug, Clone)]
pub(crate) struct Distilled {
    /// One row per distinct row of the recipe's inputs; a text is its position in `texts`. The weight is the row's
    /// count, or its estimated share when sampled.
    pub inputs: Matrix,
    /// Per input the sorted texts; none for a number.
    pub texts: Arc<[Vec<String>]>,
    /// Per rarity of the recipe, how many events had each combination: of all events, sampled or not.
    pub rarities: Vec<RarityCounts>,
    /// All events that were read.
    pub events: u64,
    /// All distinct rows that were met, kept or not.
    pub distinct_rows: u64,
    /// Whether the matrix is a sample of the distinct rows.
    pub sampled: bool,
    /// The rows of every host, by name; none where they were not asked for, are too many, or the matrix is a sample.
    pub hosts: Vec<HostRows>,
}

/// Reads `source` once and distils the inputs of `recipe`, by the values of the column `host` too where one is named.
///
/// # Errors
/// What a scan can meet; a feature with nulls where the recipe refuses them, or with infinite values.
pub(crate) async fn distil(
    engine: &Engine,
    source: &mut Source,
    recipe: &Recipe,
    plan: &FeaturePlan,
    host: Option<&str>,
    seed: u64,
) -> Result<Distilled> {
    let rows = source
        .run(&with_columns(&plan.needed, host), async |source| {
            let mut rows = RowCollector::new(recipe, host.is_some(), seed);
            let query = distinct_rows(source.table(engine)?, plan, host)?;
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

/// The distinct rows with their counts, and with their hosts where a column is named.
fn distinct_rows(
    table: DataFrame,
    plan: &FeaturePlan,
    host: Option<&str>,
) -> std::result::Result<DataFrame, DataFusionError> {
    let Some(host) = host else {
        return count_distinct(table, plan, &[]);
    };
    let key = Key {
        name: HOST.into(),
        expr: host_text(host),
    };
    gather_hosts(count_distinct(table, plan, &[key])?, &plan.names)
}

/// `SELECT inputs, keys, count(*) … GROUP BY inputs, keys`; the count is the last column.
pub(crate) fn count_distinct(
    table: DataFrame,
    plan: &FeaturePlan,
    keys: &[Key],
) -> std::result::Result<DataFrame, DataFusionError> {
    let inputs = plan
        .inputs
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
struct RowCollector {
    recipe: String,
    layout: Layout,
    seed: u64,
    sampler: PrioritySampler,
    /// Per input, the code that each text got when it was first met.
    codes: Vec<HashMap<String, u32>>,
    rarities: Vec<RarityCounts>,
    events: u64,
    hosts: Option<HostCollector>,
}

impl RowCollector {
    fn new(recipe: &Recipe, by_host: bool, seed: u64) -> Self {
        let layout = Layout::new(recipe);
        let n_inputs = layout.inputs.len();
        Self {
            recipe: recipe.name.clone(),
            seed,
            sampler: PrioritySampler::new(n_inputs, budget_rows(n_inputs)),
            codes: vec![HashMap::new(); n_inputs],
            rarities: vec![RarityCounts::default(); layout.rarities().count()],
            events: 0,
            hosts: by_host.then(|| HostCollector::new(n_inputs)),
            layout,
        }
    }

    fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        let n_inputs = self.layout.inputs.len();
        let columns = InputColumns::new(&self.layout, batch.columns())?;
        let counts = KeyedCounts::new(&batch.columns()[batch.num_columns() - 1..])?;
        let mut row = vec![0.0; n_inputs];
        for index in 0..batch.num_rows() {
            let mut hash = StableHash::new(self.seed);
            for (input, slot) in row.iter_mut().enumerate() {
                (*slot, hash) = match columns.value(input, index)? {
                    Value::Missing => (f64::NAN, hash.word(f64::NAN.to_bits())),
                    Value::Number(number) => (number, hash.word(number.to_bits())),
                    Value::Text(text) => (
                        code_of(&mut self.codes[input], text),
                        hash.bytes(text.as_bytes()),
                    ),
                };
            }
            let count = counts.count(index);
            self.events += count;
            self.sampler.push(&row, count as f64, hash.finish());
            if self.sampler.is_sampled() {
                self.hosts = None;
            }
            if let Some(hosts) = &mut self.hosts {
                hosts.push(batch, index)?;
            }
            for (inputs, counts) in self.layout.rarities().zip(&mut self.rarities) {
                *counts
                    .entry(key(inputs.iter().map(|input| id_of_code(row[*input]))))
                    .or_default() += count;
            }
        }
        self.check_sizes()
    }

    fn check_sizes(&self) -> Result<()> {
        let refuse = |feature: &str, limit: usize, what: &str, hint: &str| {
            let message = format!(
                "feature `{feature}` of recipe `{}` has more than {limit} {what}",
                self.recipe
            );
            Err(Error::data(message).hint(hint))
        };
        for (input, codes) in self.layout.inputs.iter().zip(&self.codes) {
            if input.kind == InputKind::Category && codes.len() > MAX_CATEGORIES {
                return refuse(
                    &input.feature,
                    MAX_CATEGORIES,
                    "categories",
                    "group rare values in its expression, or use a rarity",
                );
            }
        }
        for (inputs, counts) in self.layout.rarities().zip(&self.rarities) {
            if counts.len() > MAX_COUNTED {
                let feature = &self.layout.inputs[inputs[0]].feature;
                let hint = "generalise its expressions, as with path_prefix or path_shape";
                return refuse(feature, MAX_COUNTED, "combinations of values", hint);
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<Distilled> {
        let n_inputs = self.layout.inputs.len();
        let mut sample = self.sampler.finish();
        let (texts, ranks): (Vec<_>, Vec<_>) = self.codes.into_iter().map(rank_texts).unzip();
        rank_codes(&mut sample.values, &ranks);
        let rarities = self
            .layout
            .rarities()
            .zip(self.rarities)
            .map(|(inputs, counts)| {
                let ranked = |ids: Vec<u32>| {
                    let parts = ids.into_iter().zip(inputs);
                    key(parts.map(|(id, input)| {
                        if id == NULL_ID {
                            id
                        } else {
                            ranks[*input][id as usize - 1] + 1
                        }
                    }))
                };
                counts
                    .into_iter()
                    .map(|(key, count)| (ranked(unpack(key, inputs.len()).collect()), count))
                    .collect()
            });
        let rarities = rarities.collect();
        let mut inputs = Matrix::new(n_inputs, sample.values, sample.weights)
            .map_err(|error| Error::internal(format!("the distilled matrix: {error}")))?;
        let positions = inputs.sort_rows_tracked();
        let hosts = self.hosts.map(|hosts| hosts.finish(&positions));
        let (events, distinct_rows, sampled) = (self.events, sample.rows_pushed, sample.is_sampled);
        Ok(Distilled {
            inputs,
            texts: texts.into(),
            rarities,
            events,
            distinct_rows,
            sampled,
            hosts: hosts.unwrap_or_default(),
        })
    }
}

/// The code of a text, in the order in which texts are met.
fn code_of(codes: &mut HashMap<String, u32>, text: &str) -> f64 {
    let next = codes.len() as u32;
    let code = codes
        .get(text)
        .copied()
        .unwrap_or_else(|| *codes.entry(text.to_owned()).or_insert(next));
    f64::from(code)
}

/// Turns the codes of texts in row-major rows into ranks; an input without ranks is a number.
fn rank_codes(rows: &mut [f64], ranks: &[Vec<u32>]) {
    let n_inputs = ranks.len();
    let inputs = ranks.iter().enumerate();
    for (input, ranks) in inputs.filter(|(_, ranks)| !ranks.is_empty()) {
        let column = rows.iter_mut().skip(input).step_by(n_inputs);
        column
            .filter(|code| !code.is_nan())
            .for_each(|code| *code = f64::from(ranks[*code as usize]));
    }
}

/// The sorted texts, and for each code the rank of its text.
fn rank_texts(codes: HashMap<String, u32>) -> (Vec<String>, Vec<u32>) {
    let mut sorted: Vec<_> = codes.into_iter().collect();
    sorted.sort_unstable();
    let mut ranks = vec![0; sorted.len()];
    for (rank, (_, code)) in (0..).zip(&sorted) {
        ranks[*code as usize] = rank;
    }
    (sorted.into_iter().map(|(text, _)| text).collect(), ranks)
}

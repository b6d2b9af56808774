//! Distillation: the distinct input rows of a source and the number of events with each, found in one scan.
//!
//! If there are more than [`budget_rows`] distinct rows, a priority sample of them is kept. It depends on the rows and
//! the seed, not on the order of the rows.

mod groups;

use std::collections::HashMap;

use datafusion::arrow::record_batch::RecordBatch;
use datafusion::error::Result as EngineResult;
use datafusion::prelude::DataFrame;
use learn::matrix::Matrix;
use learn::sampling::{PrioritySampler, StableHash};

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::features::{
    Distilled, InputColumns, MAX_CATEGORIES, MAX_COUNTED, NULL_ID, RarityCounts, Value, id_of_code,
    key, unpack,
};
use crate::groups::{Key, KeyedCounts, Keys, count_distinct};
use crate::recipe::Recipe;
use crate::recipe::layout::{InputKind, Layout};
use crate::recipe::plan::FeaturePlan;
use crate::scan::Scan;
use crate::source::Source;
pub(crate) use groups::host_key;
use groups::{GroupCollector, budget_pairs};

/// The maximum number of distinct rows that are kept.
const MAX_ROWS: usize = 1 << 18;
/// The maximum number of values that are kept: rows × features.
const MAX_VALUES: usize = 1 << 22;

/// Returns the maximum number of distinct rows of `n_features` features that are kept without sampling: 262,144 up to
/// 16 features, and fewer for wider rows.
pub fn budget_rows(n_features: usize) -> usize {
    (MAX_VALUES / n_features.max(1)).clamp(1, MAX_ROWS)
}

/// Reads `source` and distils the inputs of `recipe`. If a key `group` with texts as values is given, the rows of every
/// group are recorded too. The source is read once, or a second time without groups if there are too many pairs of a row
/// and a group.
///
/// # Errors
/// Fails when the source cannot be scanned, or when a feature is infinite or has a null that the recipe refuses.
pub(crate) async fn distil(
    engine: &Engine,
    source: &mut Source,
    recipe: &Recipe,
    plan: &FeaturePlan,
    group: Option<Key>,
    seed: u64,
) -> Result<Distilled> {
    if let Some(group) = group {
        let empty = RowCollector::by_group(recipe, seed);
        let keys = Keys::from(group);
        let pairs = budget_pairs(plan.inputs.len()) + 1;
        let query = |table| count_distinct(table, plan, &keys)?.limit(0, Some(pairs));
        let columns = Scan::new(engine, "reading").columns(keys.columns());
        let scan = columns.features(recipe, plan);
        let rows = collect(&scan, source, &empty, query).await?;
        if !rows.sampler.is_sampled() {
            let distilled = rows.finish()?;
            if distilled.distinct_rows <= budget_rows(plan.inputs.len()) as u64 {
                return Ok(distilled);
            }
        }
    }
    let empty = RowCollector::new(recipe, seed);
    let query = |table| count_distinct(table, plan, &Keys::default());
    let scan = Scan::new(engine, "reading").features(recipe, plan);
    collect(&scan, source, &empty, query).await?.finish()
}

/// Scans `source` into copies of `empty`, and returns the result.
async fn collect(
    scan: &Scan<'_>,
    source: &mut Source,
    empty: &RowCollector,
    query: impl Fn(DataFrame) -> EngineResult<DataFrame>,
) -> Result<RowCollector> {
    let start = || Ok(empty.clone());
    scan.fold(source, start, query, RowCollector::push).await
}

/// A collector of the engine's batches of distinct rows, or of pairs of a distinct row and a group.
#[derive(Clone)]
struct RowCollector {
    /// The name of the recipe.
    recipe: String,
    layout: Layout,
    seed: u64,
    sampler: PrioritySampler,
    /// The codes of the texts of each input, in the order in which the texts were first met.
    codes: Vec<HashMap<String, u32>>,
    /// The counts of each rarity of the recipe.
    rarities: Vec<RarityCounts>,
    /// The number of events.
    events: u64,
    /// The groups of the pairs, if groups are recorded.
    groups: Option<GroupCollector>,
}

impl RowCollector {
    /// Creates a collector of distinct rows.
    fn new(recipe: &Recipe, seed: u64) -> Self {
        let layout = Layout::new(recipe);
        let n_inputs = layout.inputs.len();
        Self {
            recipe: recipe.name.clone(),
            seed,
            sampler: PrioritySampler::new(n_inputs, budget_rows(n_inputs)),
            codes: vec![HashMap::new(); n_inputs],
            rarities: vec![RarityCounts::default(); layout.rarities().count()],
            events: 0,
            groups: None,
            layout,
        }
    }

    /// Creates a collector of pairs of a distinct row and a group. Its result cannot be used if the pairs are sampled.
    fn by_group(recipe: &Recipe, seed: u64) -> Self {
        let rows = Self::new(recipe, seed);
        let n_inputs = rows.layout.inputs.len();
        Self {
            sampler: PrioritySampler::new(n_inputs, budget_pairs(n_inputs)),
            groups: Some(GroupCollector::default()),
            ..rows
        }
    }

    /// Adds a batch of input columns, a column of groups if these are recorded, and a column of counts.
    fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        let n_inputs = self.layout.inputs.len();
        if let Some(groups) = &mut self.groups {
            groups.push(&batch.columns()[n_inputs])?;
        }
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
            for (inputs, counts) in self.layout.rarities().zip(&mut self.rarities) {
                *counts
                    .entry(key(inputs.iter().map(|input| id_of_code(row[*input]))))
                    .or_default() += count;
            }
        }
        self.check_sizes()
    }

    /// Checks the limits on the numbers of categories and combinations.
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

    /// Sorts texts and rows, and returns the distilled events.
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
        let groups = match self.groups {
            Some(groups) => {
                let events = inputs.weights().to_vec();
                groups.finish(&inputs.sort_rows_tracked(), &events)
            }
            None => {
                inputs.sort_rows();
                Vec::new()
            }
        };
        let distinct_rows = match sample.is_sampled {
            true => sample.rows_pushed,
            false => inputs.n_rows() as u64,
        };
        Ok(Distilled {
            inputs,
            texts: texts.into(),
            rarities,
            events: self.events,
            distinct_rows,
            sampled: sample.is_sampled,
            groups,
        })
    }
}

/// Returns the code of a text. A new text gets the next code.
fn code_of(codes: &mut HashMap<String, u32>, text: &str) -> f64 {
    let next = codes.len() as u32;
    let code = codes
        .get(text)
        .copied()
        .unwrap_or_else(|| *codes.entry(text.to_owned()).or_insert(next));
    f64::from(code)
}

/// Replaces the codes of texts in row-major rows by the ranks of the texts. An input without ranks is a number.
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

/// Returns the sorted texts, and for each code the rank of its text.
fn rank_texts(codes: HashMap<String, u32>) -> (Vec<String>, Vec<u32>) {
    let mut sorted: Vec<_> = codes.into_iter().collect();
    sorted.sort_unstable();
    let mut ranks = vec![0; sorted.len()];
    for (rank, (_, code)) in (0..).zip(&sorted) {
        ranks[*code as usize] = rank;
    }
    (sorted.into_iter().map(|(text, _)| text).collect(), ranks)
}

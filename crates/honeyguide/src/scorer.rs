//! The scorer: a model bound to a schema, which scores Arrow batches.
//!
//! All scores are computed here. The command `score`, SQL queries, evaluation and live streams therefore give the same
//! event the same score.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::arrow::array::{ArrayRef, BooleanArray, Float64Array, UInt32Array};
use datafusion::arrow::compute::take;
use datafusion::arrow::datatypes::Schema;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::Column as ColumnRef;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result as EngineResult;
use datafusion::logical_expr::Expr;

use crate::cells::texts;
use crate::engine::expressions_context;
use crate::error::{Error, Result};
use crate::explain::{Attribution, ExplainedEvent, Reason};
use crate::features::{InputExpressions, feature_keys};
use crate::model::{Model, ScoredRows, Threshold};
use crate::source::logged_columns;

/// A model bound to a schema, ready to score batches.
///
/// Columns are found by their names. The schema and every batch may have more columns than the model's recipe reads, in
/// any order.
///
/// ```no_run
/// # fn main() -> honeyguide::Result<()> {
/// # let batches: Vec<honeyguide::arrow::array::RecordBatch> = Vec::new();
/// use honeyguide::event::Event;
/// use honeyguide::explain::REASONS;
/// use honeyguide::{Model, Scorer};
///
/// let model = Model::load("model.json".as_ref())?;
/// # let schema = honeyguide::arrow::datatypes::Schema::empty();
/// let scorer = Scorer::new(&model, &schema)?;
/// for batch in &batches {
///     let scores = scorer.score(batch)?;
///     let anomalous: Vec<usize> = (0..scores.len()).filter(|row| scores.is_anomalous(*row)).collect();
///     let reasons = scorer.reasons(batch, &scores, anomalous.iter().copied(), REASONS)?;
///     for (row, reasons) in anomalous.into_iter().zip(reasons) {
///         println!("{:.4} {}", scores.values()[row], Event::from_row(batch, row)?);
///         for reason in reasons {
///             println!("       {}", reason.text);
///         }
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Scorer {
    model: Arc<Model>,
    inputs: InputExpressions,
    malformed_args: Arc<AtomicU64>,
}

/// The scores of a batch, one for each of its rows.
#[derive(Debug, Clone)]
pub struct Scores {
    /// The anomaly score of each row, in (0, 1].
    values: Vec<f64>,
    threshold: Threshold,
    /// The different feature rows among them.
    rows: ScoredRows,
    n_features: usize,
    /// The columns of the recipe's inputs.
    inputs: Vec<ArrayRef>,
}

/// The contributions of the features to the scores of a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Contributions {
    /// The mean normalised path length of the events that the trees were grown on.
    pub base: f64,
    /// The exact Shapley value of each feature for the normalised path length (path-dependent TreeSHAP, Lundberg et al.
    /// 2020): rows × features, row-major. A negative value makes the row more anomalous. `base` plus the values of a
    /// row is its normalised path length, which is −log2 of its score.
    pub values: Vec<f64>,
    /// The number of features of the model's recipe, which is the length of a row.
    pub n_features: usize,
}

/// Returns `expr` with the columns that are named in `conversions` replaced by what these make of them.
fn with_conversions(expr: Expr, conversions: &[(String, Expr)]) -> EngineResult<Expr> {
    let convert = |part: Expr| {
        let named = |column: &ColumnRef| {
            let mut all = conversions.iter();
            all.find(|(name, _)| *name == column.name)
        };
        Ok(match &part {
            Expr::Column(column) => match named(column) {
                Some((_, conversion)) => Transformed::yes(conversion.clone().unalias()),
                None => Transformed::no(part),
            },
            _ => Transformed::no(part),
        })
    };
    Ok(expr.transform_up(convert)?.data)
}

impl Scorer {
    /// Binds `model` to batches of `schema`.
    ///
    /// # Errors
    /// Fails when the schema lacks a column that the model's recipe reads, and when an expression of the recipe cannot
    /// take the type of a column.
    pub fn new(model: &Model, schema: &Schema) -> Result<Self> {
        let context = expressions_context();
        let (logged, conversions) = logged_columns(schema)?;
        let plan = model.recipe().plan_over(&context, &logged)?;
        let inputs = plan.inputs.into_iter();
        let inputs: Vec<Expr> = inputs
            .map(|input| with_conversions(input, &conversions))
            .collect::<EngineResult<_>>()
            .map_err(Error::engine)?;
        let malformed_args = Arc::default();
        Ok(Self {
            inputs: InputExpressions::new(&context, &inputs, schema, &malformed_args)?,
            model: Arc::new(model.clone()),
            malformed_args,
        })
    }

    /// Returns the model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Scores every row of `batch`.
    ///
    /// # Errors
    /// Fails when an expression of the recipe cannot be computed, and when a feature is infinite or has a null that the
    /// recipe refuses. The error names the feature.
    pub fn score(&self, batch: &RecordBatch) -> Result<Scores> {
        let inputs = self.inputs.evaluate(batch).map_err(Error::engine)?;
        Scores::of_inputs(&self.model, inputs)
    }

    /// Returns what each feature contributes to each row's score.
    ///
    /// # Errors
    /// Fails when the model's forest has extended splits, which cannot be explained.
    pub fn contributions(&self, scores: &Scores) -> Result<Contributions> {
        let n_features = scores.n_features;
        let (base, of_different) = self.model.contributions(&scores.rows.features)?;
        let positions = scores.rows.positions.iter().map(|at| *at as usize);
        let values = positions.flat_map(|at| &of_different[at * n_features..][..n_features]);
        Ok(Contributions {
            base,
            values: values.copied().collect(),
            n_features,
        })
    }

    /// Returns up to `count` reasons why each of the rows `rows` of `batch` is anomalous, strongest first. `scores` are
    /// those of `batch`. The command line shows [`REASONS`](crate::explain::REASONS) of them.
    ///
    /// # Errors
    /// Fails as [`contributions`](Self::contributions) does.
    ///
    /// # Panics
    /// If `batch` or `scores` lacks one of the rows.
    pub fn reasons(
        &self,
        batch: &RecordBatch,
        scores: &Scores,
        rows: impl IntoIterator<Item = usize>,
        count: usize,
    ) -> Result<Vec<Vec<Reason>>> {
        let names = batch.schema_ref().fields().iter();
        let names: Vec<String> = names.map(|field| field.name().clone()).collect();
        let mut attribution = Attribution::new(&self.model);
        let mut reasons = |row| {
            let values = texts(batch.columns(), row)?;
            let columns: Vec<_> = names.iter().cloned().zip(values).collect();
            let event = ExplainedEvent {
                features: scores.features(row),
                inputs: &scores.inputs(row)?,
                columns: &columns,
            };
            attribution.strongest(&event, count)
        };
        rows.into_iter().map(&mut reasons).collect()
    }

    /// Returns the number of values of `args` that could not be read since the last call. They were taken as null.
    pub fn take_malformed_args(&self) -> u64 {
        self.malformed_args.swap(0, Ordering::Relaxed)
    }
}

impl Scores {
    /// Scores rows that are given as the inputs of the model's recipe, in the recipe's order.
    ///
    /// # Errors
    /// Fails when an input is infinite or has a null that the recipe refuses.
    pub(crate) fn of_inputs(model: &Model, inputs: Vec<ArrayRef>) -> Result<Self> {
        let rows = model.score_inputs(&inputs)?;
        let positions = rows.positions.iter();
        let values = positions.map(|at| rows.scores[*at as usize]).collect();
        Ok(Self::new(model, inputs, rows, values))
    }

    /// Takes scores that another machine has computed for these inputs.
    ///
    /// # Errors
    /// Fails as [`of_inputs`](Self::of_inputs) does.
    pub(crate) fn known(model: &Model, inputs: Vec<ArrayRef>, values: Vec<f64>) -> Result<Self> {
        let rows = ScoredRows::separate(model.encode(&inputs)?, values.clone());
        Ok(Self::new(model, inputs, rows, values))
    }

    fn new(model: &Model, inputs: Vec<ArrayRef>, rows: ScoredRows, values: Vec<f64>) -> Self {
        Self {
            values,
            threshold: model.threshold().clone(),
            rows,
            n_features: model.recipe().features.len(),
            inputs,
        }
    }

    /// Returns the number of rows.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Returns whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Returns the anomaly score of each row, in (0, 1]; a higher score is more anomalous (Liu et al. 2008).
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// Returns whether the score of row `row` is above the model's threshold.
    ///
    /// # Panics
    /// If there is no row `row`.
    pub fn is_anomalous(&self, row: usize) -> bool {
        self.threshold.flags(self.values[row])
    }

    /// Returns the scores as an Arrow column.
    pub fn to_array(&self) -> Float64Array {
        Float64Array::from(self.values.clone())
    }

    /// Returns the verdicts as an Arrow column: whether each row's score is above the threshold.
    pub fn verdicts(&self) -> BooleanArray {
        (0..self.len())
            .map(|row| Some(self.is_anomalous(row)))
            .collect()
    }

    /// Returns the features of row `row`, in the order of the model's recipe, as the forest gets them.
    ///
    /// # Panics
    /// If there is no row `row`.
    pub fn features(&self, row: usize) -> &[f64] {
        let at = self.rows.positions[row] as usize;
        &self.rows.features[at * self.n_features..][..self.n_features]
    }

    /// Returns the texts that are the keys of the rows' features.
    ///
    /// # Errors
    /// Fails when the keys cannot be written to a column, which is a defect.
    pub(crate) fn feature_keys(&self) -> Result<ArrayRef> {
        let different = feature_keys(self.rows.features.chunks_exact(self.n_features));
        let positions = UInt32Array::from(self.rows.positions.clone());
        take(&different, &positions, None)
            .map_err(|error| Error::internal(format!("the keys of features: {error}")))
    }

    /// Returns the number of values among the features that are categories not seen in training.
    ///
    /// # Errors
    /// Fails when the features do not fit the forest of `model`, which is a defect.
    pub(crate) fn unseen_categories(&self, model: &Model) -> Result<u64> {
        let different = self.rows.features.chunks_exact(self.n_features);
        let unseen = different.map(|row| model.unseen_categories(row));
        let unseen = unseen.collect::<Result<Vec<u64>>>()?;
        let positions = self.rows.positions.iter();
        Ok(positions.map(|at| unseen[*at as usize]).sum())
    }

    /// Returns the recipe's inputs of row `row` as text; a null is `None`.
    ///
    /// # Errors
    /// Fails when an input has no text, which is a defect.
    pub(crate) fn inputs(&self, row: usize) -> Result<Vec<Option<String>>> {
        texts(&self.inputs, row)
    }
}

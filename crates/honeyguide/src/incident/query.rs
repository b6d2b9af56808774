//! The query of incidents: what is read of every event, and of every anomalous one.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::Result as EngineResult;
use datafusion::logical_expr::{Expr, cast, ident, in_list, lit, try_cast, when};
use datafusion::prelude::DataFrame;

use super::IncidentOptions;
use crate::clock::{Clock, finite};
use crate::engine::Engine;
use crate::engine::columns::select;
use crate::error::{Error, Result};
use crate::groups::Keys;
use crate::log::Lineages;
use crate::model::Model;
use crate::model_functions::SCORE;
use crate::model_functions::anomaly_score;
use crate::naming::parameter;
use crate::recipe::layout::InputKind;
use crate::recipe::plan::FeaturePlan;
use crate::source::{Source, column_list, with_columns};

/// The number of rows per batch of the sort.
const SORTED_ROWS: usize = 256;

/// The columns of the query that every event has, in their order. What follows them, only anomalous events have.
pub(super) const HOST: usize = 0;
pub(super) const SECONDS: usize = 1;
pub(super) const ENDS: usize = 2;
pub(super) const PROCESS: usize = 3;
pub(super) const PARENT: usize = 4;
pub(super) const PROGRAM: usize = 5;
pub(super) const SCORES: usize = 6;
pub(super) const USER: usize = 7;
pub(super) const PATH: usize = 8;
pub(super) const ADDRESS: usize = 9;
/// The first of the columns that describe an anomalous event.
pub(super) const DESCRIBED: usize = 10;

/// What the query reads of each event.
#[derive(Debug)]
pub(super) struct IncidentQuery {
    pub model: Arc<Model>,
    pub plan: FeaturePlan,
    pub needed: BTreeSet<String>,
    /// The columns of every event, up to the score.
    pub of_all: Vec<Expr>,
    /// The columns of anomalous events.
    pub of_anomalous: Vec<Expr>,
    /// The labels, which every event has. They are the last columns of the query.
    pub labels: Vec<Expr>,
    /// The columns that describe an anomalous event.
    pub described: Vec<String>,
    /// The number of the first of them that identify an event.
    pub identifying: usize,
    /// The positions of those that features read, among those that describe an event: they and the inputs determine its
    /// reasons.
    pub read: Vec<usize>,
    /// The positions of the columns that tell incidents apart, among those that describe an event.
    pub by: Vec<usize>,
    pub types: Arc<[DataType]>,
    pub has_processes: bool,
    /// The feature that tells whether training knows a program, with its input.
    pub program_feature: Option<usize>,
    pub lineages: &'static Lineages,
}

impl IncidentQuery {
    /// Returns what finding incidents reads of the events of `source`, whose features are those of `plan`.
    ///
    /// # Errors
    /// Fails when the data lacks one of the columns of `options.by`.
    pub fn new(
        engine: &Engine,
        model: &Model,
        source: &Source,
        plan: &FeaturePlan,
        clock: Option<&Clock>,
        options: &IncidentOptions,
    ) -> Result<Self> {
        let process = source.log().process().first().copied();
        let process = source
            .role_column(process)
            .filter(|_| options.by.is_empty());
        let of_all = of_all(source, clock, process);
        let (described, identifying) = described(model, source, &options.by);
        let by = places_of(&options.by, &described, source)?;
        let inputs = &model.layout().inputs;
        let is_read = |name: &String| inputs.iter().any(|input| input.columns.contains(name));
        let read = (0..described.len()).filter(|place| is_read(&described[*place]));
        let of_anomalous = of_anomalous(engine, source, plan, &described);
        let types = described.iter().map(|name| {
            let mut columns = source.columns().iter();
            let column = columns.find(|column| column.name == *name);
            column.map_or(DataType::Utf8, |column| column.data_type.clone())
        });
        let refs = of_all
            .iter()
            .chain(&of_anomalous)
            .flat_map(Expr::column_refs);
        let refs: Vec<_> = refs.map(|column| column.name.as_str()).collect();
        Ok(Self {
            needed: with_columns(&plan.needed, refs),
            model: Arc::new(model.clone()),
            plan: plan.clone(),
            program_feature: program_feature(model, source),
            types: types.collect(),
            of_all,
            labels: Vec::new(),
            of_anomalous,
            read: read.collect(),
            described,
            identifying,
            by,
            has_processes: process.is_some(),
            lineages: source.log().lineages(),
        })
    }

    /// Adds the labels of every event.
    pub fn with_labels(mut self, labels: &Keys) -> Self {
        self.needed.extend(labels.columns());
        self.labels = labels.iter().map(|label| label.expr.clone()).collect();
        self
    }

    /// Returns the position of the first label.
    pub fn first_label(&self) -> usize {
        SCORES + 1 + self.of_anomalous.len()
    }

    /// Selects the columns of every event, its score, the columns of anomalous events, and labels.
    pub fn select(&self, table: DataFrame) -> EngineResult<DataFrame> {
        let inputs = self.plan.inputs.iter().cloned().map(Expr::unalias);
        let score = anomaly_score(&self.model)
            .call(inputs.collect())
            .alias(SCORE);
        let columns = self.needed.iter().map(ident);
        let scored = select(table, columns.chain([score]))?;
        let is_anomalous = ident(SCORE).gt(lit(self.model.threshold().value));
        let of_all = self.of_all.iter().cloned().chain([ident(SCORE)]);
        let mut columns: Vec<Expr> = of_all.collect();
        for expr in &self.of_anomalous {
            columns.push(when(is_anomalous.clone(), expr.clone()).end()?);
        }
        columns.extend(self.labels.iter().cloned());
        select(scored, numbered(columns))
    }

    /// Sorts what [`select`](Self::select) has selected by host and time. Events of the same time are ordered by their
    /// values.
    pub fn sort(&self, selected: DataFrame) -> EngineResult<DataFrame> {
        let columns = self.first_label() + self.labels.len();
        in_order(selected, columns, SORTED_ROWS)
    }
}

/// Names columns by their places.
pub(super) fn numbered(columns: Vec<Expr>) -> Vec<Expr> {
    let columns = columns.into_iter().enumerate();
    columns
        .map(|(place, column)| column.alias(name(place)))
        .collect()
}

/// Sorts a table by its first columns, which are named by their places. Batches have up to `rows` rows.
pub(super) fn in_order(table: DataFrame, columns: usize, rows: usize) -> EngineResult<DataFrame> {
    let order = (0..columns).map(|place| ident(name(place)).sort(true, true));
    let (mut state, plan) = table.sort(order.collect())?.into_parts();
    // A sort that has spilled merges its runs with a batch of each in memory, and these rows are wide.
    let config = state.config_mut();
    *config = config.clone().with_batch_size(rows);
    Ok(DataFrame::new(state, plan))
}

/// Returns the name of a column of the query.
fn name(place: usize) -> String {
    format!("__{place}")
}

/// Returns the columns of every event, up to the score. Those of its process are null without the column `process`.
pub(super) fn of_all(source: &Source, clock: Option<&Clock>, process: Option<&str>) -> Vec<Expr> {
    let log = source.log();
    let of_process = |column| process.and_then(|_| source.role_column(column));
    let host = source.host().map(|host| host.name.as_str());
    vec![
        column_as(host, DataType::Utf8),
        match clock {
            Some(clock) => finite(clock.seconds.clone()),
            None => null(DataType::Float64),
        },
        ends(source),
        column_as(process, DataType::Int64),
        column_as(of_process(log.parent()), DataType::Int64),
        column_as(of_process(log.program()), DataType::Utf8),
    ]
}

/// Returns the columns that describe an anomalous event: those that identify it, with those of `by`, and then those that
/// its reasons state. The number is that of the former.
fn described(model: &Model, source: &Source, by: &[String]) -> (Vec<String>, usize) {
    let mut described: Vec<String> = Vec::new();
    let identifying = source.log().identifying();
    let identifying = identifying.chain(by.iter().map(String::as_str));
    for name in source.present(identifying) {
        if !described.iter().any(|known| known == name) {
            described.push(name.to_owned());
        }
    }
    let identifying = described.len();
    for name in explained_columns(model) {
        if !described.contains(name) {
            described.push(name.clone());
        }
    }
    (described, identifying)
}

/// Returns the positions of the columns `by` among those that describe an event.
///
/// # Errors
/// Fails when the data has no such column.
fn places_of(by: &[String], described: &[String], source: &Source) -> Result<Vec<usize>> {
    let place = |name: &String| {
        let place = described.iter().position(|known| known == name);
        place.ok_or_else(|| {
            let by = parameter("incident_by");
            Error::usage(format!("{by} {name}: the data has no such column"))
                .hint(format!("its columns are {}", column_list(source)))
        })
    };
    by.iter().map(place).collect()
}

/// Returns the columns of anomalous events: user, path and address, the columns that describe the event as texts, and the
/// inputs of its features.
fn of_anomalous(
    engine: &Engine,
    source: &Source,
    plan: &FeaturePlan,
    described: &[String],
) -> Vec<Expr> {
    let log = source.log();
    let found = |sql| expression(engine, source, sql).unwrap_or_else(|| null(DataType::Utf8));
    let texts = described
        .iter()
        .map(|name| cast(ident(name), DataType::Utf8));
    let inputs = plan.inputs.iter().cloned().map(Expr::unalias);
    [
        column_as(source.role_column(log.user()), DataType::Utf8),
        found(log.path()),
        found(log.address()),
    ]
    .into_iter()
    .chain(texts)
    .chain(inputs)
    .collect()
}

/// Returns a column's values in a type; null where they have none in it, and where there is no column.
fn column_as(column: Option<&str>, data_type: DataType) -> Expr {
    match column {
        Some(column) => try_cast(ident(column), data_type),
        None => null(data_type),
    }
}

fn null(data_type: DataType) -> Expr {
    cast(lit(ScalarValue::Null), data_type)
}

/// Returns the columns whose values reasons state: those that features read which are no rarities.
fn explained_columns(model: &Model) -> impl Iterator<Item = &String> {
    let inputs = model.layout().inputs.iter();
    let own = inputs.filter(|input| input.kind != InputKind::Text);
    own.flat_map(|input| &input.columns)
}

/// Returns whether an event is the end of its process.
fn ends(source: &Source) -> Expr {
    let log = source.log();
    let (Some(action), Some(process)) = (
        source.role_column(log.action()),
        source.role_column(log.process().first().copied()),
    ) else {
        return lit(false);
    };
    let actions = log.lineages().ends.iter().map(|action| lit(*action));
    let is_end = in_list(
        cast(ident(action), DataType::Utf8),
        actions.collect(),
        false,
    );
    // The other threads of a process end before it.
    match source.role_column(log.thread()) {
        Some(thread) => is_end.and(ident(thread).eq(ident(process))),
        None => is_end,
    }
}

/// Returns an expression of the log over the columns of `source`, or `None` if it lacks one of them.
fn expression(engine: &Engine, source: &Source, sql: Option<&str>) -> Option<Expr> {
    let schema = DFSchema::try_from(source.schema().as_ref().clone()).ok()?;
    engine.context().parse_sql_expr(sql?, &schema).ok()
}

/// Returns the feature that tells whether training knows an event's program: its rarity among all events.
fn program_feature(model: &Model, source: &Source) -> Option<usize> {
    let program = source.log().program()?;
    let mut features = model.recipe().features.iter();
    features.position(|feature| {
        let rarity = feature.rarity.as_ref();
        rarity.is_some_and(|rarity| rarity.of == program && rarity.given.is_empty())
    })
}

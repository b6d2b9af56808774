//! Scans: passes over the events of a source. All commands except `sql` and `convert` read events with them.
//!
//! A scan folds the batches of events. If it fails and the source has a remedy, it is repeated from a fresh state. A
//! failure that comes from a value of one event is traced to that event.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::arrow::array::{AsArray, UInt64Array};
use datafusion::arrow::datatypes::UInt64Type;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::error::Result as EngineResult;
use datafusion::logical_expr::Expr;
use datafusion::prelude::DataFrame;

use crate::engine::{Engine, NUMBER};
use crate::error::{Error, Result};
use crate::features::locate_fault;
use crate::groups::Keys;
use crate::labels::locate_label;
use crate::recipe::Recipe;
use crate::recipe::plan::FeaturePlan;
use crate::source::Source;

/// The description of a scan: its name, the columns that it reads, and the features and keys to which its failures are
/// traced.
pub(crate) struct Scan<'a> {
    engine: &'a Engine,
    what: &'static str,
    columns: BTreeSet<String>,
    features: Option<(&'a Recipe, &'a FeaturePlan)>,
    keys: Option<&'a Keys>,
}

/// A batch of rows from one file, in the order of the file.
pub(crate) struct FileRows<'a> {
    /// The position of the file among the source's files.
    pub file: usize,
    /// The number of rows in the file before this batch.
    pub rows_before: u64,
    /// The rows.
    pub batch: &'a RecordBatch,
}

/// A batch of rows with their numbers in the data.
pub(crate) struct NumberedRows<'a> {
    /// The number of each row: that of the rows before it in the data.
    pub numbers: &'a UInt64Array,
    /// The rows, without the numbers.
    pub batch: RecordBatch,
}

impl<'a> Scan<'a> {
    /// Returns a scan that reads no columns yet. `what` is the name of the work in progress reports.
    pub fn new(engine: &'a Engine, what: &'static str) -> Self {
        Self {
            engine,
            what,
            columns: BTreeSet::new(),
            features: None,
            keys: None,
        }
    }

    /// Adds columns that the scan reads.
    pub fn columns(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.columns.extend(names.into_iter().map(Into::into));
        self
    }

    /// Adds the columns that expressions read.
    pub fn reading<'e>(self, exprs: impl IntoIterator<Item = &'e Expr>) -> Self {
        let refs: Vec<_> = exprs.into_iter().flat_map(Expr::column_refs).collect();
        self.columns(refs.into_iter().map(|column| &column.name))
    }

    /// Adds the columns that a recipe reads. A failure in one of its features is traced to the first event that has it.
    pub fn features(mut self, recipe: &'a Recipe, plan: &'a FeaturePlan) -> Self {
        self.features = Some((recipe, plan));
        self.columns(&plan.needed)
    }

    /// Adds the columns that keys read. A label that is neither 0 nor 1 is traced to the first event that has it.
    pub fn keys(mut self, keys: &'a Keys) -> Self {
        self.keys = Some(keys);
        self.columns(keys.columns())
    }

    /// Returns whether other machines read the data.
    pub fn is_distributed(&self) -> bool {
        self.engine.is_distributed()
    }

    /// Folds the rows that `query` gives, in any order. `start` makes a fresh state, and is called again if the scan is
    /// repeated.
    ///
    /// # Errors
    /// Fails when the data cannot be read, and with whatever `start`, `query` and `step` fail with.
    pub async fn fold<T>(
        &self,
        source: &mut Source,
        start: impl Fn() -> Result<T>,
        query: impl Fn(DataFrame) -> EngineResult<DataFrame>,
        mut step: impl FnMut(&mut T, &RecordBatch) -> Result<()>,
    ) -> Result<T> {
        let folded = loop {
            source.begin_scan();
            let table = |source: &Source| source.table(self.engine);
            let attempt = self
                .attempt(source, &table, &start, &query, &mut step)
                .await;
            match source.end_attempt(&self.columns, attempt) {
                Ok(Some(state)) => break Ok(state),
                Ok(None) => {}
                Err(error) => break Err(error),
            }
        };
        self.located(source, folded).await
    }

    /// Folds the rows that `query` gives for one file after the other, each in the order of the file.
    ///
    /// # Errors
    /// Fails as [`fold`](Self::fold) does.
    pub async fn fold_in_order<T>(
        &self,
        source: &mut Source,
        start: impl Fn(&Source) -> Result<T>,
        query: impl Fn(DataFrame) -> EngineResult<DataFrame>,
        mut step: impl FnMut(&mut T, FileRows) -> Result<()>,
    ) -> Result<T> {
        let step = |state: &mut T, rows: FileRows| step(state, rows).map(ControlFlow::Continue);
        self.fold_in_order_while(source, start, query, step).await
    }

    /// Folds rows as [`fold_in_order`](Self::fold_in_order) does, until `step` breaks.
    ///
    /// # Errors
    /// Fails as [`fold`](Self::fold) does.
    pub async fn fold_in_order_while<T>(
        &self,
        source: &mut Source,
        start: impl Fn(&Source) -> Result<T>,
        query: impl Fn(DataFrame) -> EngineResult<DataFrame>,
        mut step: impl FnMut(&mut T, FileRows) -> Result<ControlFlow<()>>,
    ) -> Result<T> {
        let folded = loop {
            source.begin_scan();
            let attempt = self
                .attempt_in_order(source, &start, &query, &mut step)
                .await;
            match source.end_attempt(&self.columns, attempt) {
                Ok(Some(state)) => break Ok(state),
                Ok(None) => {}
                Err(error) => break Err(error),
            }
        };
        self.located(source, folded).await
    }

    /// Folds rows that know their numbers in the data. `select` selects columns of the rows of each file, in their order,
    /// and `query` is a query over all of them, which keeps these columns and the numbers.
    ///
    /// # Errors
    /// Fails as [`fold`](Self::fold) does.
    pub async fn fold_numbered<T>(
        &self,
        source: &mut Source,
        start: impl Fn() -> Result<T>,
        select: impl Fn(DataFrame) -> EngineResult<DataFrame>,
        query: impl Fn(DataFrame) -> EngineResult<DataFrame>,
        mut step: impl FnMut(&mut T, NumberedRows) -> Result<()>,
    ) -> Result<T> {
        let mut step = |state: &mut T, batch: &RecordBatch| {
            let mut batch = batch.clone();
            let place = batch.schema_ref().index_of(NUMBER);
            let place = place.map_err(|error| Error::internal(error.to_string()))?;
            let numbers = batch.remove_column(place);
            let numbers = numbers.as_primitive::<UInt64Type>();
            step(state, NumberedRows { numbers, batch })
        };
        let folded = loop {
            source.begin_scan();
            let table = |source: &Source| self.numbered(source, &select);
            let attempt = self
                .attempt(source, &table, &start, &query, &mut step)
                .await;
            match source.end_attempt(&self.columns, attempt) {
                Ok(Some(state)) => break Ok(state),
                Ok(None) => {}
                Err(error) => break Err(error),
            }
        };
        self.located(source, folded).await
    }

    /// Returns the rows of all files with their numbers.
    fn numbered(
        &self,
        source: &Source,
        select: &impl Fn(DataFrame) -> EngineResult<DataFrame>,
    ) -> EngineResult<DataFrame> {
        let tables = source.tables_in_order(self.engine);
        let selected = tables.map(|table| select(table?));
        let selected = selected.collect::<EngineResult<_>>()?;
        let malformed_args = source.reading(self.what).malformed_args;
        self.engine.numbered(selected, malformed_args)
    }

    /// Folds the batches of a query over `table` once, from a fresh state.
    async fn attempt<T>(
        &self,
        source: &Source,
        table: &impl Fn(&Source) -> EngineResult<DataFrame>,
        start: &impl Fn() -> Result<T>,
        query: &impl Fn(DataFrame) -> EngineResult<DataFrame>,
        step: &mut impl FnMut(&mut T, &RecordBatch) -> Result<()>,
    ) -> EngineResult<T> {
        let mut state = start()?;
        let query = query(table(source)?)?;
        let consume = |batch: RecordBatch| step(&mut state, &batch).map(ControlFlow::Continue);
        self.engine
            .for_each_batch(source.reading(self.what), query, consume)
            .await?;
        Ok(state)
    }

    /// Folds the batches once, one file after the other, from a fresh state, until `step` breaks.
    async fn attempt_in_order<T>(
        &self,
        source: &Source,
        start: &impl Fn(&Source) -> Result<T>,
        query: &impl Fn(DataFrame) -> EngineResult<DataFrame>,
        step: &mut impl FnMut(&mut T, FileRows) -> Result<ControlFlow<()>>,
    ) -> EngineResult<T> {
        let mut state = start(source)?;
        for (file, table) in source.tables_in_order(self.engine).enumerate() {
            let table = table?;
            let (mut rows_before, mut flow) = (0, ControlFlow::Continue(()));
            let consume = |batch: RecordBatch| {
                let rows = FileRows {
                    file,
                    rows_before,
                    batch: &batch,
                };
                flow = step(&mut state, rows)?;
                rows_before += batch.num_rows() as u64;
                Ok(flow)
            };
            self.engine
                .for_each_batch(source.reading(self.what), query(table)?, consume)
                .await?;
            if flow.is_break() {
                break;
            }
        }
        Ok(state)
    }

    /// Traces a failure to the event that it comes from, if it comes from a feature or a label.
    async fn located<T>(&self, source: &mut Source, folded: Result<T>) -> Result<T> {
        let mut error = match folded {
            Ok(state) => return Ok(state),
            Err(error) => error,
        };
        if let Some((recipe, plan)) = self.features {
            error = locate_fault(self.engine, source, recipe, plan, error).await;
        }
        if let Some(keys) = self.keys {
            error = locate_label(self.engine, source, keys, error).await;
        }
        Err(error)
    }
}

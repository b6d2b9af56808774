//! The query engine: a DataFusion session with honeyguide's settings, and execution with progress.

pub(crate) mod columns;
mod guard;
pub(crate) mod literals;
mod names;
mod numbered;
pub(crate) mod rows_table;

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use datafusion::arrow::record_batch::RecordBatch;
use datafusion::error::{DataFusionError, Result as EngineResult};
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::{FairSpillPool, TrackConsumersPool};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::{DataFrame, SessionConfig, SessionContext};
use futures::StreamExt;

pub(crate) use names::{likely_column, missing_column};
pub(crate) use numbered::NUMBER;

use crate::error::{Error, Result};
use crate::functions;
use crate::leftover::Leftover;
use guard::GuardScans;

/// The number of rows per batch. It keeps a batch of wide rows within a few MiB.
pub(crate) const BATCH_ROWS: usize = 4096;
/// The memory, in bytes, that aggregations and sorts may use before they spill to temporary files, apart from
/// [`QUERY_MEMORY_PER_THREAD`].
const QUERY_MEMORY: usize = 28 << 20;
/// The memory, in bytes, that is added for each thread: every partition of a plan needs some memory before it can
/// spill.
const QUERY_MEMORY_PER_THREAD: usize = 4 << 20;
/// The least and the most memory, in bytes, that a sort reserves for merging its spilled runs. Batches of wide rows need
/// more than the least, and the sorts of many threads share the memory of the query.
const SORT_SPILL_RESERVATION: (usize, usize) = (2 << 20, 8 << 20);
/// The minimum size, in bytes, of a piece of a file that is a partition of its own on another machine.
const SMALLEST_PIECE: usize = 1 << 20;
/// The interval between progress reports.
const TICK: Duration = Duration::from_millis(100);

/// The progress report of a query, and the counter of its unreadable arguments.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading<'a> {
    /// The name of the work in progress reports.
    pub what: &'a str,
    /// An estimate of the number of rows to be read, if there is one.
    pub expected_rows: Option<u64>,
    /// The counter of values of `args` that cannot be read.
    pub malformed_args: &'a Arc<AtomicU64>,
}

/// A receiver of progress reports. It is called by the thread that drives the work.
pub trait Progress: Send + Sync {
    /// Reports that work begins. `expected_rows` is an estimate, if there is one.
    fn begin(&self, what: &str, expected_rows: Option<u64>);
    /// Reports the number of rows read since the work began.
    fn rows(&self, rows: u64);
    /// Reports that the work has ended, successfully or not.
    fn end(&self);
}

/// A receiver that ignores all progress reports.
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _: &str, _: Option<u64>) {}
    fn rows(&self, _: u64) {}
    fn end(&self) {}
}

/// A way to run parts of plans on other machines.
pub trait Distribute: Send + Sync {
    /// Returns the number of partitions that the machines can run at once.
    fn slots(&self) -> NonZeroUsize;

    /// Returns `config` with the settings that a session needs if other machines run its plans.
    fn configure(&self, config: SessionConfig) -> SessionConfig;

    /// Returns `plan` with the parts that other machines can run replaced by nodes that run them there. The rows are
    /// the same, and so is their order if the plan has one. Partitions follow one another.
    ///
    /// # Errors
    /// Fails when the plan cannot be divided.
    fn distribute(
        &self,
        plan: Arc<dyn ExecutionPlan>,
    ) -> std::result::Result<Arc<dyn ExecutionPlan>, DataFusionError>;
}

/// The query engine: a session with bounded memory and a fixed number of threads, in which identifiers are
/// case-sensitive without quotes.
#[derive(Clone)]
pub struct Engine {
    context: SessionContext,
    /// The context whose scans keep the order of the rows.
    sequential_context: SessionContext,
    progress: Arc<dyn Progress>,
    /// The other machines that run parts of plans, if there are any.
    others: Option<Arc<dyn Distribute>>,
    /// The folders to which sorts and groups spill.
    _spilled: Arc<Leftover>,
}

impl Engine {
    /// Returns an engine that uses `threads` threads of this machine and reports no progress. Work of the
    /// forest runs in the rayon pool of the thread that drives a call.
    ///
    /// # Errors
    /// Fails when the engine refuses its own settings.
    pub fn new(threads: NonZeroUsize) -> Result<Self> {
        Self::build(threads, None)
    }

    /// Returns an engine that plans here and has `others` run what they can.
    ///
    /// # Errors
    /// Fails when the engine refuses its own settings.
    pub fn distributed(others: Arc<dyn Distribute>) -> Result<Self> {
        Self::build(others.slots(), Some(others))
    }

    /// Reports the progress of all work to `progress`.
    #[must_use]
    pub fn with_progress(self, progress: Arc<dyn Progress>) -> Self {
        Self { progress, ..self }
    }

    fn build(threads: NonZeroUsize, others: Option<Arc<dyn Distribute>>) -> Result<Self> {
        let memory = QUERY_MEMORY + threads.get() * QUERY_MEMORY_PER_THREAD;
        let pool = TrackConsumersPool::new(FairSpillPool::new(memory), NonZeroUsize::MIN);
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(pool))
            .build_arc()
            .map_err(Error::engine)?;
        let spilling = Arc::clone(&runtime);
        let spilled = Leftover::of(move || spilling.disk_manager.temp_dir_paths());
        let mut config = SessionConfig::new()
            .with_target_partitions(threads.get())
            .with_batch_size(BATCH_ROWS);
        config.options_mut().sql_parser.enable_ident_normalization = false;
        let (least, most) = SORT_SPILL_RESERVATION;
        config.options_mut().execution.sort_spill_reservation_bytes =
            (memory / (2 * threads.get())).clamp(least, most);
        config.options_mut().execution.collect_statistics = false;
        let sequential = match &others {
            Some(others) => {
                config = others.configure(config);
                config.options_mut().optimizer.repartition_file_min_size = SMALLEST_PIECE;
                config.clone()
            }
            None => config.clone().with_target_partitions(1),
        };
        // The nodes of a cluster do not know the guard; their own tasks end with a panic.
        let is_guarded = others.is_none();
        let context = |config| {
            let mut state = SessionStateBuilder::new()
                .with_config(config)
                .with_runtime_env(Arc::clone(&runtime))
                .with_default_features();
            if is_guarded {
                state = state.with_physical_optimizer_rule(Arc::new(GuardScans));
            }
            SessionContext::new_with_state(state.build())
        };
        let (context, sequential_context) = (context(config), context(sequential));
        for context in [&context, &sequential_context] {
            functions::register(context);
        }
        Ok(Self {
            context,
            sequential_context,
            progress: Arc::new(Silent),
            others,
            _spilled: Arc::new(spilled),
        })
    }

    /// Returns whether other machines run parts of plans.
    pub(crate) fn is_distributed(&self) -> bool {
        self.others.is_some()
    }

    /// Returns `plan` in the form in which it is run: distributed to the other machines if there are any.
    pub(crate) fn distribute(
        &self,
        plan: Arc<dyn ExecutionPlan>,
    ) -> std::result::Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        match &self.others {
            Some(others) => others.distribute(plan),
            None => Ok(plan),
        }
    }

    /// Returns the context of queries that need no order of rows.
    pub(crate) fn context(&self) -> &SessionContext {
        &self.context
    }

    /// Returns the context whose scans keep the order of a file's rows: in one partition, or on other machines in
    /// partitions that follow one another.
    pub(crate) fn sequential_context(&self) -> &SessionContext {
        &self.sequential_context
    }

    /// Returns `context` with batches of `rows` rows.
    pub(crate) fn with_batch_rows(context: &SessionContext, rows: usize) -> SessionContext {
        let state = context.state();
        let config = state.config().clone().with_batch_size(rows);
        let state = SessionStateBuilder::new_from_existing(state).with_config(config);
        SessionContext::new_with_state(state.build())
    }

    /// Runs `query` and passes each batch to `consume`, until `consume` breaks or there are no more batches. Progress
    /// is reported and unreadable arguments are counted as `reading` specifies.
    pub(crate) async fn for_each_batch(
        &self,
        reading: Reading<'_>,
        query: DataFrame,
        consume: impl FnMut(RecordBatch) -> Result<ControlFlow<()>>,
    ) -> EngineResult<()> {
        let task = Arc::new(query.task_ctx());
        let (state, plan) = query.into_parts();
        let plan = functions::counting(plan, reading.malformed_args)?;
        let plan = state.create_physical_plan(&plan).await?;
        self.for_each_batch_of(reading, plan, task, consume).await
    }

    /// Runs a physical plan as [`for_each_batch`](Self::for_each_batch) runs a query.
    pub(crate) async fn for_each_batch_of(
        &self,
        reading: Reading<'_>,
        plan: Arc<dyn ExecutionPlan>,
        task: Arc<TaskContext>,
        mut consume: impl FnMut(RecordBatch) -> Result<ControlFlow<()>>,
    ) -> EngineResult<()> {
        let plan = self.distribute(plan)?;
        let mut batches = execute_stream(Arc::clone(&plan), task)?;
        let _running = Running::begin(self.progress.as_ref(), reading.what, reading.expected_rows);
        let mut tick = tokio::time::interval(TICK);
        loop {
            tokio::select! {
                batch = batches.next() => match batch {
                    Some(batch) => {
                        if consume(batch?)?.is_break() {
                            return Ok(());
                        }
                        // A scan of one file never waits: without this, Ctrl-C would have no effect before its end.
                        tokio::task::yield_now().await;
                    }
                    None => return Ok(()),
                },
                _ = tick.tick() => self.progress.rows(rows_read(plan.as_ref())),
            }
        }
    }
}

/// Returns a context for expressions over batches in memory: identifiers are case-sensitive without quotes, the SQL
/// functions on text are registered, and plans have one partition.
pub(crate) fn expressions_context() -> SessionContext {
    let mut config = SessionConfig::new().with_target_partitions(1);
    config.options_mut().sql_parser.enable_ident_normalization = false;
    let context = SessionContext::new_with_config(config);
    functions::register(&context);
    context
}

/// A guard that reports the end of the work when it is dropped, so that errors are covered too.
struct Running<'a>(&'a dyn Progress);

impl<'a> Running<'a> {
    fn begin(progress: &'a dyn Progress, what: &str, expected_rows: Option<u64>) -> Self {
        progress.begin(what, expected_rows);
        Self(progress)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Returns the number of rows that the leaves of a running plan have produced so far.
fn rows_read(plan: &dyn ExecutionPlan) -> u64 {
    let children = plan.children();
    if children.is_empty() {
        return plan
            .metrics()
            .and_then(|metrics| metrics.output_rows())
            .unwrap_or(0) as u64;
    }
    children
        .into_iter()
        .map(|child| rows_read(child.as_ref()))
        .sum()
}

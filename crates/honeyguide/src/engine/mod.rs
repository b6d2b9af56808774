//! The query engine: a DataFusion session with honeyguide's settings, and execution with progress.

mod names;

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
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::{DataFrame, SessionConfig, SessionContext};
use futures::StreamExt;

pub(crate) use names::{likely_column, missing_column};

use crate::error::{Error, Result};
use crate::functions;

/// Rows per batch. Small enough that a batch of wide rows stays within a few MiB.
const BATCH_ROWS: usize = 4096;
/// What aggregations and sorts may hold before they spill to temporary files, whatever the number of threads.
const QUERY_MEMORY: usize = 28 << 20;
/// What each thread adds: every part of a plan needs some room before it can spill.
const QUERY_MEMORY_PER_THREAD: usize = 4 << 20;
/// Memory that a sort keeps back for merging its spilled runs.
const SORT_SPILL_RESERVATION: usize = 2 << 20;
/// Fewest bytes of a file that are worth a partition of their own on another machine.
const SMALLEST_PIECE: usize = 1 << 20;
/// How often progress is reported.
const TICK: Duration = Duration::from_millis(100);

/// How a query is reported while it runs, and where it counts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading<'a> {
    /// What the work is called in progress reports.
    pub what: &'a str,
    /// An estimate of the rows to be read, where there is one.
    pub expected_rows: Option<u64>,
    /// The counter of values of `args` that cannot be read.
    pub malformed_args: &'a Arc<AtomicU64>,
}

/// Is told how far a long piece of work is. Calls come from the thread that drives the work.
pub trait Progress: Send + Sync {
    /// Work begins; `expected_rows` is an estimate where there is one.
    fn begin(&self, what: &str, expected_rows: Option<u64>);
    /// `rows` have been read since the work began.
    fn rows(&self, rows: u64);
    /// The work is over, well or badly.
    fn end(&self);
}

/// A progress report to nobody.
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _: &str, _: Option<u64>) {}
    fn rows(&self, _: u64) {}
    fn end(&self) {}
}

/// Has other machines run parts of plans.
pub trait Distribute: Send + Sync {
    /// How many partitions are worth having: as many as the machines can run at once.
    fn slots(&self) -> NonZeroUsize;

    /// The settings of a session whose plans others will run.
    fn configure(&self, config: SessionConfig) -> SessionConfig;

    /// `plan` with everything that other machines can do replaced by what has them do it. The rows are the same, and so is
    /// their order where the plan has one; partitions follow one another.
    ///
    /// # Errors
    /// The plan cannot be divided.
    fn distribute(
        &self,
        plan: Arc<dyn ExecutionPlan>,
    ) -> std::result::Result<Arc<dyn ExecutionPlan>, DataFusionError>;
}

/// A session in which identifiers are case-sensitive without quotes, with bounded memory and a fixed number of threads.
#[derive(Clone)]
pub struct Engine {
    context: SessionContext,
    sequential_context: SessionContext,
    progress: Arc<dyn Progress>,
    others: Option<Arc<dyn Distribute>>,
}

impl Engine {
    /// Returns an engine that uses `threads` threads of this machine and reports its progress to nobody.
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
        let mut config = SessionConfig::new()
            .with_target_partitions(threads.get())
            .with_batch_size(BATCH_ROWS);
        config.options_mut().sql_parser.enable_ident_normalization = false;
        config.options_mut().execution.sort_spill_reservation_bytes = SORT_SPILL_RESERVATION;
        config.options_mut().execution.collect_statistics = false;
        let sequential = match &others {
            Some(others) => {
                config = others.configure(config);
                config.options_mut().optimizer.repartition_file_min_size = SMALLEST_PIECE;
                config.clone()
            }
            None => config.clone().with_target_partitions(1),
        };
        let context = SessionContext::new_with_config_rt(config, Arc::clone(&runtime));
        let sequential_context = SessionContext::new_with_config_rt(sequential, runtime);
        for context in [&context, &sequential_context] {
            functions::register(context);
        }
        Ok(Self {
            context,
            sequential_context,
            progress: Arc::new(Silent),
            others,
        })
    }

    /// Whether other machines run parts of plans.
    pub(crate) fn is_distributed(&self) -> bool {
        self.others.is_some()
    }

    /// `plan` as it is to be run.
    pub(crate) fn distribute(
        &self,
        plan: Arc<dyn ExecutionPlan>,
    ) -> std::result::Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        match &self.others {
            Some(others) => others.distribute(plan),
            None => Ok(plan),
        }
    }

    pub(crate) fn context(&self) -> &SessionContext {
        &self.context
    }

    /// A context whose scans keep the order of a file's rows: in one partition, or on other machines in partitions that
    /// follow one another.
    pub(crate) fn sequential_context(&self) -> &SessionContext {
        &self.sequential_context
    }

    /// Runs `query` and hands each batch to `consume`, until it breaks off or there are no more batches. Rows are reported
    /// and unreadable arguments counted as `reading` says.
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

    /// Does the same for a plan that is ready to run.
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
                        // A scan of one file never waits: without this nobody would hear Ctrl-C before its end.
                        tokio::task::yield_now().await;
                    }
                    None => return Ok(()),
                },
                _ = tick.tick() => self.progress.rows(rows_read(plan.as_ref())),
            }
        }
    }
}

/// Returns a context for expressions over batches at hand: identifiers are case-sensitive without quotes, the SQL functions
/// on text are known, and plans have one partition.
pub(crate) fn expressions_context() -> SessionContext {
    let mut config = SessionConfig::new().with_target_partitions(1);
    config.options_mut().sql_parser.enable_ident_normalization = false;
    let context = SessionContext::new_with_config(config);
    functions::register(&context);
    context
}

/// Ends the report however the work ends.
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

/// Rows that the leaves of a running plan have put out so far.
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

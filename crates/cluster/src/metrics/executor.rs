//! The metrics of an executor, and the execution engine that counts its tasks.

use std::fmt::{self, Display, Formatter};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use ballista_core::JobId;
use ballista_core::serde::protobuf::{
    RuntimeStatsReport, ShuffleWritePartition, TaskColumnStats, WindowStateReport,
};
use ballista_executor::execution_engine::{ExecutionEngine, QueryStageExecutor};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::metrics::MetricsSet;
use datafusion::prelude::SessionConfig;

use super::{Refusal, Refusals, Text};
use crate::faults::passed_on;
use crate::job_id::is_job_id;

/// The numbers of tasks by outcome, and the amount of data that they wrote.
#[derive(Debug, Default)]
pub(crate) struct ExecutorMetrics {
    begun: AtomicU64,
    completed: AtomicU64,
    failed: AtomicU64,
    cancelled: AtomicU64,
    shuffled_bytes: AtomicU64,
    shuffled_rows: AtomicU64,
    pub(crate) refusals: Arc<Refusals>,
}

impl ExecutorMetrics {
    /// Returns the metrics as text. `slots` is the number of tasks that can run at once, and `is_joined` says whether
    /// the scheduler answers.
    pub(crate) fn text(&self, slots: usize, is_joined: bool) -> String {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let ended = [&self.completed, &self.failed, &self.cancelled].map(of);
        // `begun` is read after the other counters, so that it is never less than their sum.
        let running = of(&self.begun).saturating_sub(ended.iter().sum());
        let mut text = Text::default();
        text.counter(
            "honeyguide_executor_tasks_total",
            "Tasks by what became of them.",
            &[
                (r#"{state="completed"}"#, ended[0]),
                (r#"{state="failed"}"#, ended[1]),
                (r#"{state="cancelled"}"#, ended[2]),
            ],
        );
        text.gauge(
            "honeyguide_executor_tasks_running",
            "Tasks that run.",
            running,
        );
        text.counter(
            "honeyguide_executor_shuffle_written_bytes_total",
            "Bytes of results that tasks wrote for other tasks and for clients.",
            &[("", of(&self.shuffled_bytes))],
        );
        text.counter(
            "honeyguide_executor_shuffle_written_rows_total",
            "Rows of these results.",
            &[("", of(&self.shuffled_rows))],
        );
        text.gauge(
            "honeyguide_executor_slots",
            "Tasks that can run at once.",
            slots,
        );
        text.gauge(
            "honeyguide_executor_joined",
            "1 while the scheduler answers, else 0.",
            u8::from(is_joined),
        );
        self.refusals
            .write(&mut text, "honeyguide_executor_refused_total");
        text.finish()
    }
}

/// An execution engine that runs stages on another one and counts their tasks.
pub(crate) struct MeasuringEngine<E> {
    pub(crate) inner: E,
    pub(crate) metrics: Arc<ExecutorMetrics>,
    /// The name of this executor in errors.
    pub(crate) name: Arc<str>,
}

impl<E: ExecutionEngine> ExecutionEngine for MeasuringEngine<E> {
    fn create_query_stage_exec(
        &self,
        job_id: JobId,
        stage_id: usize,
        task_id: usize,
        global_output_partition_ids: Vec<usize>,
        plan: Arc<dyn ExecutionPlan>,
        work_dir: &str,
        config: &SessionConfig,
    ) -> Result<Arc<dyn QueryStageExecutor>> {
        if let Err(why) = check_task(&job_id, &plan) {
            self.metrics.refusals.note(Refusal::Task, &why);
            return Err(DataFusionError::Execution(format!(
                "the executor refuses {why}"
            )));
        }
        let inner = self.inner.create_query_stage_exec(
            job_id,
            stage_id,
            task_id,
            global_output_partition_ids,
            plan,
            work_dir,
            config,
        )?;
        let metrics = Arc::clone(&self.metrics);
        let name = Arc::clone(&self.name);
        Ok(Arc::new(MeasuredStage {
            inner,
            metrics,
            name,
        }))
    }
}

/// The nodes that write results. One is at the top of each task.
const WRITERS: [&str; 3] = [
    "ShuffleWriterExec",
    "SortShuffleWriterExec",
    "RangeShuffleWriterExec",
];

/// Checks that a task writes in the folder of its job only: its job id is no path, and no node below its top writes.
///
/// # Errors
/// Returns what is wrong.
fn check_task(job: &JobId, plan: &Arc<dyn ExecutionPlan>) -> Result<(), String> {
    if !is_job_id(job.as_str()) {
        return Err(format!("a task of the job `{job}`, which is no job id"));
    }
    let mut left: Vec<_> = plan.children();
    while let Some(node) = left.pop() {
        if WRITERS.contains(&node.name()) || node.name() == "DataSinkExec" {
            return Err(format!("a task with {} inside", node.name()));
        }
        left.extend(node.children());
    }
    Ok(())
}

/// A stage whose tasks are counted.
#[derive(Debug)]
struct MeasuredStage {
    inner: Arc<dyn QueryStageExecutor>,
    metrics: Arc<ExecutorMetrics>,
    name: Arc<str>,
}

impl Display for MeasuredStage {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

/// A task that runs, and whether its end was counted. Dropping this without a counted end counts the task as cancelled,
/// because a cancelled task is dropped.
struct Running<'a>(&'a ExecutorMetrics, bool);

impl Running<'_> {
    fn ended(mut self, counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
        self.1 = true;
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if !self.1 {
            self.0.cancelled.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[async_trait]
impl QueryStageExecutor for MeasuredStage {
    async fn execute_query_stage(
        &self,
        task_id: usize,
        context: Arc<TaskContext>,
    ) -> Result<Vec<ShuffleWritePartition>> {
        let metrics = &*self.metrics;
        metrics.begun.fetch_add(1, Ordering::Relaxed);
        let running = Running(metrics, false);
        let result = self.inner.execute_query_stage(task_id, context).await;
        match &result {
            Ok(partitions) => {
                let sum = |of: fn(&ShuffleWritePartition) -> u64| partitions.iter().map(of).sum();
                let bytes: u64 = sum(|partition| partition.num_bytes);
                metrics.shuffled_bytes.fetch_add(bytes, Ordering::Relaxed);
                let rows: u64 = sum(|partition| partition.num_rows);
                metrics.shuffled_rows.fetch_add(rows, Ordering::Relaxed);
                running.ended(&metrics.completed);
            }
            Err(_) => running.ended(&metrics.failed),
        }
        result.map_err(|error| passed_on(error, &self.name))
    }

    fn collect_plan_metrics(&self) -> Vec<MetricsSet> {
        self.inner.collect_plan_metrics()
    }

    fn collect_runtime_stats_reports(&self) -> Vec<RuntimeStatsReport> {
        self.inner.collect_runtime_stats_reports()
    }

    fn collect_window_state_reports(&self) -> Result<Vec<WindowStateReport>> {
        self.inner.collect_window_state_reports()
    }

    fn collect_column_stats(&self) -> Vec<TaskColumnStats> {
        self.inner.collect_column_stats()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::samples::samples;
    use futures::FutureExt;

    /// A stage for the tests: it writes two partitions, fails or never ends.
    #[derive(Debug)]
    enum Stage {
        Writes,
        Fails,
        Hangs,
    }

    impl Display for Stage {
        fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
            write!(f, "{self:?}")
        }
    }

    #[async_trait]
    impl QueryStageExecutor for Stage {
        async fn execute_query_stage(
            &self,
            _task_id: usize,
            _context: Arc<TaskContext>,
        ) -> Result<Vec<ShuffleWritePartition>> {
            let partition = |num_rows, num_bytes| ShuffleWritePartition {
                num_rows,
                num_bytes,
                ..Default::default()
            };
            match self {
                Self::Writes => Ok(vec![partition(3, 400), partition(4, 500)]),
                Self::Fails => Err(DataFusionError::Execution("no".into())),
                Self::Hangs => std::future::pending().await,
            }
        }

        fn collect_plan_metrics(&self) -> Vec<MetricsSet> {
            Vec::new()
        }
    }

    fn run(metrics: &Arc<ExecutorMetrics>, stage: Stage) {
        let stage = MeasuredStage {
            inner: Arc::new(stage),
            metrics: Arc::clone(metrics),
            name: "here:1".into(),
        };
        let context = Arc::new(TaskContext::default());
        let _ = stage.execute_query_stage(0, context).now_or_never();
    }

    #[test]
    fn a_task_counts_as_completed_failed_or_cancelled() {
        let metrics = Arc::new(ExecutorMetrics::default());
        run(&metrics, Stage::Writes);
        run(&metrics, Stage::Writes);
        run(&metrics, Stage::Fails);
        run(&metrics, Stage::Hangs);
        let samples = samples(&metrics.text(8, true));
        let tasks =
            |state| samples[&format!("honeyguide_executor_tasks_total{{state=\"{state}\"}}")];
        assert_eq!(
            ["completed", "failed", "cancelled"].map(tasks),
            [2.0, 1.0, 1.0]
        );
        assert_eq!(samples["honeyguide_executor_tasks_running"], 0.0);
        assert_eq!(
            samples["honeyguide_executor_shuffle_written_bytes_total"],
            1800.0
        );
        assert_eq!(
            samples["honeyguide_executor_shuffle_written_rows_total"],
            14.0
        );
        assert_eq!(samples["honeyguide_executor_slots"], 8.0);
    }
}

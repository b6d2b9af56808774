//! The metrics of a scheduler.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ballista_core::JobId;
use ballista_core::error::Result;
use ballista_scheduler::metrics::SchedulerMetricsCollector;

use super::{Refusals, Text};
use crate::status::ClusterStatus;

/// The numbers of jobs by outcome, which the scheduler's event loop reports.
#[derive(Debug, Default)]
pub(crate) struct SchedulerMetrics {
    submitted: AtomicU64,
    completed: AtomicU64,
    failed: AtomicU64,
    cancelled: AtomicU64,
    pub(crate) refusals: Arc<Refusals>,
}

impl SchedulerMetrics {
    /// Returns the metrics as text. `waiting_tasks` is the number of tasks that no executor has taken yet.
    pub(crate) fn text(&self, status: &ClusterStatus, waiting_tasks: usize) -> String {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut text = Text::default();
        text.counter(
            "honeyguide_scheduler_jobs_total",
            "Jobs by what became of them.",
            &[
                (r#"{state="submitted"}"#, of(&self.submitted)),
                (r#"{state="completed"}"#, of(&self.completed)),
                (r#"{state="failed"}"#, of(&self.failed)),
                (r#"{state="cancelled"}"#, of(&self.cancelled)),
            ],
        );
        text.gauge(
            "honeyguide_scheduler_jobs_running",
            "Jobs that have begun and have not ended.",
            status.running_jobs,
        );
        text.gauge(
            "honeyguide_scheduler_tasks_waiting",
            "Tasks that could run and that no executor has taken yet.",
            waiting_tasks,
        );
        text.gauge(
            "honeyguide_scheduler_executors",
            "Executors that have joined and were not removed.",
            status.executors,
        );
        text.gauge(
            "honeyguide_scheduler_slots",
            "Tasks that these executors can run at once.",
            status.slots,
        );
        text.counter(
            "honeyguide_scheduler_removals_total",
            "Executors that left or were lost; each removal cancels the jobs that run.",
            &[("", status.removals)],
        );
        self.refusals
            .write(&mut text, "honeyguide_scheduler_refused_total");
        text.finish()
    }
}

impl SchedulerMetricsCollector for SchedulerMetrics {
    fn record_submitted(&self, _job: &JobId, _queued_at: u64, _submitted_at: u64) {
        self.submitted.fetch_add(1, Ordering::Relaxed);
    }

    fn record_completed(&self, _job: &JobId, _queued_at: u64, _completed_at: u64) {
        self.completed.fetch_add(1, Ordering::Relaxed);
    }

    fn record_failed(&self, _job: &JobId, _queued_at: u64, _failed_at: u64) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    fn record_cancelled(&self, _job: &JobId) {
        self.cancelled.fetch_add(1, Ordering::Relaxed);
    }

    /// Does nothing. Ballista does not call this when executors fetch their tasks; [`text`](Self::text) gets the number
    /// of waiting tasks instead.
    fn set_pending_tasks_queue_size(&self, _value: u64) {}

    /// Returns nothing, because Ballista's own page of metrics is not served.
    fn gather_metrics(&self) -> Result<Option<(Vec<u8>, String)>> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::samples::samples;

    #[test]
    fn every_end_of_a_job_is_counted_apart() {
        let metrics = SchedulerMetrics::default();
        let job = JobId::new("job");
        for _ in 0..5 {
            metrics.record_submitted(&job, 0, 1);
        }
        metrics.record_completed(&job, 0, 2);
        metrics.record_completed(&job, 0, 2);
        metrics.record_failed(&job, 0, 2);
        metrics.record_cancelled(&job);
        let status = ClusterStatus {
            version: "1".into(),
            incarnation: "a".into(),
            executors: 3,
            slots: 12,
            removals: 4,
            running_jobs: 1,
        };
        let samples = samples(&metrics.text(&status, 9));
        let jobs =
            |state| samples[&format!("honeyguide_scheduler_jobs_total{{state=\"{state}\"}}")];
        assert_eq!(
            ["submitted", "completed", "failed", "cancelled"].map(jobs),
            [5.0, 2.0, 1.0, 1.0]
        );
        assert_eq!(samples["honeyguide_scheduler_tasks_waiting"], 9.0);
        assert_eq!(samples["honeyguide_scheduler_executors"], 3.0);
        assert_eq!(samples["honeyguide_scheduler_slots"], 12.0);
        assert_eq!(samples["honeyguide_scheduler_removals_total"], 4.0);
    }
}

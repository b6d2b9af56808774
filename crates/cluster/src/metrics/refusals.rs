//! Counts what a node refused, and logs it.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::Text;

/// The least time between two log entries of one kind, so that a stranger cannot fill the log.
const QUIET: Duration = Duration::from_secs(1);

/// What is refused.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Refusal {
    /// A request without the cluster's token.
    Token,
    /// A plan with nodes that our client does not send.
    Plan,
    /// A message in the name of an executor or of a scheduler that does not show the executor's secret.
    Identity,
    /// A job id that does not have the form of one.
    JobId,
    /// A result that does not exist or that is not below the folder of results.
    Result,
    /// A task that this executor must not run.
    Task,
    /// A connection without TLS, or with a certificate that the authority of the cluster has not signed.
    Certificate,
}

const KINDS: [(Refusal, &str); 7] = [
    (Refusal::Token, r#"{what="token"}"#),
    (Refusal::Plan, r#"{what="plan"}"#),
    (Refusal::Identity, r#"{what="identity"}"#),
    (Refusal::JobId, r#"{what="job"}"#),
    (Refusal::Result, r#"{what="result"}"#),
    (Refusal::Task, r#"{what="task"}"#),
    (Refusal::Certificate, r#"{what="certificate"}"#),
];

/// The number of refusals of each kind.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    counts: [AtomicU64; KINDS.len()],
    logged: Mutex<[Option<Instant>; KINDS.len()]>,
}

impl Refusals {
    /// Counts a refusal and logs `why`, unless one of its kind was logged within the last second.
    pub(crate) fn note(&self, kind: Refusal, why: &str) {
        self.counts[kind as usize].fetch_add(1, Ordering::Relaxed);
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        let last = &mut logged[kind as usize];
        if last.is_none_or(|last| last.elapsed() >= QUIET) {
            *last = Some(Instant::now());
            log::warn!("refused: {}", honeyguide::wording::printable(why));
        }
    }

    /// Adds the counts to a page of metrics.
    pub(super) fn write(&self, text: &mut Text, name: &str) {
        let count = |kind: Refusal| self.counts[kind as usize].load(Ordering::Relaxed);
        let samples = KINDS.map(|(kind, label)| (label, count(kind)));
        text.counter(name, "What was refused, by its kind.", &samples);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::samples::samples;

    #[test]
    fn each_kind_is_counted_apart() {
        let refusals = Refusals::default();
        for (times, (kind, _)) in KINDS.into_iter().enumerate() {
            (0..times).for_each(|_| refusals.note(kind, "why"));
        }
        let mut text = Text::default();
        refusals.write(&mut text, "refused_total");
        let samples = samples(&text.finish());
        for (times, (_, label)) in KINDS.into_iter().enumerate() {
            assert_eq!(samples[&format!("refused_total{label}")], times as f64);
        }
    }
}

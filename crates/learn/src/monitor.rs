//! Follows work while it runs, and cancels it.
//!
//! A [`Monitor`] belongs to a pool of threads: each thread of the pool calls [`Monitor::attach`] when it starts, and a
//! piece of work is run by [`Monitor::run`] on one of them. Long loops then count what they have done, and look for a
//! cancellation. On other threads they do neither. A pool with a monitor runs one piece of work at a time.
//!
//! ```
//! use learn::monitor::Monitor;
//!
//! let monitor = Monitor::new();
//! monitor.attach();
//! assert_eq!(monitor.run(|| 6 * 7), Some(42));
//! ```
//!
//! Cancelled work unwinds its threads, as a panic does, but without a message. Nothing between the loop and
//! [`Monitor::run`] has to pass an error on, and no unfinished result exists.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

thread_local! {
    static MONITOR: RefCell<Option<Arc<Monitor>>> = const { RefCell::new(None) };
}

/// The progress of one piece of work after another, and whether it is cancelled.
#[derive(Debug, Default)]
pub struct Monitor {
    stage: Mutex<&'static str>,
    done: AtomicU64,
    total: AtomicU64,
    is_cancelled: AtomicBool,
}

/// How far work has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What is counted, such as "trees"; empty before work counts anything.
    pub stage: &'static str,
    /// The number of those that are done.
    pub done: u64,
    /// The number of all of them.
    pub total: u64,
}

/// What unwinds the threads of cancelled work.
struct Cancelled;

impl Monitor {
    /// Creates a monitor that has seen no work.
    pub fn new() -> Arc<Monitor> {
        Arc::default()
    }

    /// Makes this monitor the one of the current thread.
    pub fn attach(self: &Arc<Self>) {
        MONITOR.with(|monitor| *monitor.borrow_mut() = Some(Arc::clone(self)));
    }

    /// Runs work to its end on the current thread and on those of its pool. Returns `None` if it was cancelled.
    ///
    /// # Panics
    /// Panics if the work panics.
    pub fn run<R>(&self, work: impl FnOnce() -> R) -> Option<R> {
        self.begin("", 0);
        self.is_cancelled.store(false, Ordering::Relaxed);
        // Nothing that cancelled work has touched is used again.
        match catch_unwind(AssertUnwindSafe(work)) {
            Ok(result) => Some(result),
            Err(payload) if payload.is::<Cancelled>() => None,
            Err(payload) => resume_unwind(payload),
        }
    }

    /// Ends the work that runs, within a fraction of a second.
    pub fn cancel(&self) {
        self.is_cancelled.store(true, Ordering::Relaxed);
    }

    /// Returns how far the work has come.
    pub fn progress(&self) -> Progress {
        Progress {
            stage: *self.stage.lock().unwrap_or_else(PoisonError::into_inner),
            done: self.done.load(Ordering::Relaxed),
            total: self.total.load(Ordering::Relaxed),
        }
    }

    fn begin(&self, stage: &'static str, total: u64) {
        *self.stage.lock().unwrap_or_else(PoisonError::into_inner) = stage;
        self.total.store(total, Ordering::Relaxed);
        self.done.store(0, Ordering::Relaxed);
    }

    fn check(&self) {
        if self.is_cancelled.load(Ordering::Relaxed) {
            resume_unwind(Box::new(Cancelled));
        }
    }
}

/// Says that a stage of `total` steps begins.
pub(crate) fn begin(stage: &'static str, total: usize) {
    with(|monitor| {
        monitor.check();
        monitor.begin(stage, total as u64);
    });
}

/// Counts steps that are done, and ends the thread's work if it is cancelled.
pub(crate) fn step(done: usize) {
    with(|monitor| {
        monitor.check();
        monitor.done.fetch_add(done as u64, Ordering::Relaxed);
    });
}

/// Ends the thread's work if it is cancelled.
pub(crate) fn check() {
    with(Monitor::check);
}

fn with(act: impl FnOnce(&Monitor)) {
    MONITOR.with(|monitor| {
        if let Some(monitor) = &*monitor.borrow() {
            act(monitor);
        }
    });
}

#[cfg(test)]
mod tests {
    use rayon::{ThreadPool, ThreadPoolBuilder};

    use super::*;
    use crate::Matrix;
    use crate::iforest::IsolationForestParams;
    use crate::rng::Rng;
    use crate::umap::{Epochs, UmapParams};

    /// Returns rows without repetitions.
    fn rows(n: usize) -> Matrix {
        let mut rng = Rng::new(1, 0);
        Matrix::unweighted(4, (0..n * 4).map(|_| rng.uniform()).collect()).unwrap()
    }

    /// Runs work that is cancelled before its first step, on the threads of a pool.
    fn cancelled<R: Send>(work: impl FnOnce() -> R + Send) -> Option<R> {
        let monitor = Monitor::new();
        let work = || {
            monitor.cancel();
            work()
        };
        pool(&monitor).install(|| monitor.run(work))
    }

    fn pool(monitor: &Arc<Monitor>) -> ThreadPool {
        let monitor = Arc::clone(monitor);
        let pool = ThreadPoolBuilder::new().num_threads(2);
        let pool = pool.start_handler(move |_| monitor.attach());
        pool.build().unwrap()
    }

    #[test]
    fn fits_scores_and_explanations_are_cancelled() {
        let matrix = rows(5000);
        let params = IsolationForestParams::new().n_estimators(20);
        let forest = params.fit(&matrix).unwrap();
        assert!(cancelled(|| params.fit(&matrix)).is_none());
        assert!(cancelled(|| forest.scores(matrix.values())).is_none());
        assert!(cancelled(|| forest.explain_rows(matrix.values())).is_none());
        let map = UmapParams::new().n_epochs(Epochs::Count(1)).fit(&matrix);
        let new = rows(5001);
        assert!(cancelled(|| map.unwrap().transform(new.values())).is_none());
    }

    #[test]
    fn a_map_is_cancelled_in_every_stage() {
        let stages = ["neighbours", "rounds", "epochs"];
        let matrix = rows(5000);
        // So many epochs never end, also if a stage before them is over before it is seen.
        let params = UmapParams::new().n_epochs(Epochs::Count(1_000_000));
        for number in 0..stages.len() {
            let monitor = Monitor::new();
            let (matrix, params) = (&matrix, &params);
            let fitted = std::thread::scope(|scope| {
                scope.spawn(|| {
                    while !stages[number..].contains(&monitor.progress().stage) {
                        std::thread::yield_now();
                    }
                    monitor.cancel();
                });
                pool(&monitor).install(|| monitor.run(|| params.fit(matrix)))
            });
            assert!(fitted.is_none());
        }
    }

    #[test]
    fn a_cancellation_does_not_reach_the_next_work() {
        let monitor = Monitor::new();
        let pool = pool(&monitor);
        let params = IsolationForestParams::new().n_estimators(20);
        let matrix = rows(500);
        let work = || {
            monitor.cancel();
            params.fit(&matrix)
        };
        assert!(pool.install(|| monitor.run(work)).is_none());
        let fitted = pool.install(|| monitor.run(|| params.fit(&matrix)));
        assert_eq!(fitted, Some(params.fit(&matrix)));
    }

    #[test]
    fn finished_work_has_counted_all_of_its_steps() {
        let monitor = Monitor::new();
        let params = IsolationForestParams::new().n_estimators(30);
        let fitted = pool(&monitor).install(|| monitor.run(|| params.fit(&rows(100))));
        assert!(fitted.is_some_and(|fitted| fitted.is_ok()));
        let (done, total) = (30, 30);
        let stage = "trees";
        assert_eq!(monitor.progress(), Progress { stage, done, total });
    }

    #[test]
    #[should_panic(expected = "a defect")]
    fn other_panics_go_on() {
        Monitor::new().run(|| panic!("a defect"));
    }
}

//! Progress bars on a terminal.

use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use honeyguide::{Progress, Silent};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The time after which work shows a progress bar.
const PATIENCE: Duration = Duration::from_secs(1);

/// Returns a progress reporter for standard error. It is silent if standard error is not a terminal or `quiet` is true.
pub fn reporter(quiet: bool) -> Arc<dyn Progress> {
    if quiet || !std::io::stderr().is_terminal() {
        Arc::new(Silent)
    } else {
        Arc::new(Bar::default())
    }
}

#[derive(Default)]
struct Bar(Mutex<Option<Work>>);

struct Work {
    bar: ProgressBar,
    begun: Instant,
}

impl Bar {
    fn with(&self, act: impl FnOnce(&mut Option<Work>)) {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Progress for Bar {
    fn begin(&self, what: &str, expected_rows: Option<u64>) {
        let bar = ProgressBar::hidden().with_message(what.to_owned());
        if let Some(rows) = expected_rows {
            bar.set_length(rows);
        }
        bar.set_style(style(expected_rows.is_some()));
        self.with(|work| {
            *work = Some(Work {
                bar,
                begun: Instant::now(),
            })
        });
    }

    fn rows(&self, rows: u64) {
        self.with(|work| {
            let Some(Work { bar, begun }) = work else {
                return;
            };
            if begun.elapsed() > PATIENCE && bar.is_hidden() {
                bar.set_draw_target(ProgressDrawTarget::stderr());
            }
            // The expected number of rows is an estimate and can be too low.
            if bar.length().is_some_and(|length| length < rows) {
                bar.set_length(rows);
            }
            bar.set_position(rows);
        });
    }

    fn end(&self) {
        self.with(|work| {
            if let Some(work) = work.take() {
                work.bar.finish_and_clear();
            }
        });
    }
}

fn style(has_length: bool) -> ProgressStyle {
    let template = if has_length {
        "{msg} {wide_bar} {human_pos} of about {human_len} events, {eta} left"
    } else {
        "{msg} {spinner} {human_pos} events, {per_sec}"
    };
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

//! The live view on a terminal: below the lines of changes, what the watch is doing and the incidents that are open.

use std::collections::VecDeque;
use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use console::Term;
use honeyguide::wording::duration;
use honeyguide_watch::{Now, OpenIncident, Status};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::render::{count, fitted, of_them, printable};

/// The time between two pictures.
const PAUSE: Duration = Duration::from_millis(500);
/// The number of pictures over which the rate of events is measured.
const RATE_PICTURES: usize = 10;
/// The number of incidents that are shown.
const SHOWN: usize = 5;

/// A part of a terminal that is drawn anew again and again, below what is printed.
#[derive(Clone)]
pub struct View {
    screen: MultiProgress,
    bar: ProgressBar,
}

impl View {
    /// Returns a view that shows nothing unless `is_wanted`, and standard output and standard error are terminals.
    pub fn new(is_wanted: bool) -> Self {
        let is_shown = is_wanted && io::stdout().is_terminal() && io::stderr().is_terminal();
        let target = match is_shown {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        };
        let screen = MultiProgress::with_draw_target(target);
        let style = ProgressStyle::with_template("{msg}");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_spinner());
        let bar = screen.add(ProgressBar::new_spinner().with_style(style));
        Self { screen, bar }
    }

    /// Shows a watch until the process or the view ends.
    pub fn follow(&self, status: Arc<Status>) {
        if self.screen.is_hidden() {
            return;
        }
        let bar = self.bar.clone();
        thread::spawn(move || {
            let mut rate = Rate::default();
            while !bar.is_finished() {
                let now = status.now();
                let rate = rate.of(now.ledger.scored);
                let width = usize::from(Term::stderr().size().1);
                bar.set_message(picture(&now, rate, width.saturating_sub(1)));
                bar.tick();
                thread::sleep(PAUSE);
            }
        });
    }

    /// Lets something else write to the terminal.
    pub fn print<T>(&self, print: impl FnOnce() -> T) -> T {
        self.screen.suspend(print)
    }

    /// Ends the view.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}

/// The numbers of events at the times of the last pictures.
#[derive(Default)]
struct Rate(VecDeque<(Instant, u64)>);

impl Rate {
    /// Returns the number of events in a second, of which there have been `scored`.
    fn of(&mut self, scored: u64) -> f64 {
        let now = Instant::now();
        if self.0.len() == RATE_PICTURES {
            self.0.pop_front();
        }
        self.0.push_back((now, scored));
        let Some((first, before)) = self.0.front() else {
            return 0.0;
        };
        let seconds = now.duration_since(*first).as_secs_f64();
        match seconds > 0.0 {
            true => scored.saturating_sub(*before) as f64 / seconds,
            false => 0.0,
        }
    }
}

/// Returns what is shown, in lines of at most `width` characters.
fn picture(now: &Now, rate: f64, width: usize) -> String {
    let ledger = &now.ledger;
    let dropped = &ledger.dropped;
    let open = of_them(now.open.len() as u64, "open incident", "open incidents");
    let mut lines = vec![
        String::new(),
        format!(
            "{} events/s   lag {}   queue {}   {open}",
            count(rate.round() as u64),
            duration(now.lag().as_secs_f64()),
            kibibytes(now.queue_bytes),
        ),
        format!(
            "{} received = {} scored + {} malformed + {} dropped + {} in flight",
            count(ledger.received),
            count(ledger.scored),
            count(ledger.malformed),
            count(dropped.all()),
            count(ledger.in_flight),
        ),
    ];
    if let Some(failure) = &now.store_failure {
        let time = duration(failure.since.elapsed().as_secs_f64());
        let why = printable(&failure.why);
        lines.push(format!("no event is taken for {time}: {why}"));
    }
    let mut incidents: Vec<(&String, &OpenIncident)> = now.open.iter().collect();
    incidents.sort_by(|one, other| other.1.score.total_cmp(&one.1.score));
    for (id, incident) in incidents.iter().take(SHOWN) {
        let host = incident
            .host
            .as_deref()
            .map_or_else(String::new, |host| format!("  {host}"));
        let reason = incident
            .reason
            .as_deref()
            .map_or_else(String::new, |reason| format!("  {reason}"));
        let events = of_them(incident.events, "event", "events");
        let line = format!(
            "  {id}{host}  score {:.2}  {events}{reason}",
            incident.score
        );
        lines.push(printable(&line).into_owned());
    }
    if incidents.len() > SHOWN {
        lines.push(format!(
            "  and {} with lower scores",
            count((incidents.len() - SHOWN) as u64)
        ));
    }
    let lines: Vec<String> = lines
        .iter()
        .map(|line| fitted(line, width).to_string())
        .collect();
    lines.join("\n")
}

/// Returns a number of bytes in KiB.
fn kibibytes(bytes: u64) -> String {
    format!("{} KiB", count(bytes.div_ceil(1024)))
}

#[cfg(test)]
mod tests {
    use honeyguide_watch::Ledger;

    use super::*;

    #[test]
    fn a_picture_shows_the_ledger_and_the_gravest_incidents_within_the_width() {
        let mut now = Now {
            ledger: Ledger {
                received: 12_345,
                scored: 12_340,
                in_flight: 5,
                ..Ledger::default()
            },
            queue_bytes: 2000,
            ..Now::default()
        };
        for number in 0..7_u32 {
            let incident = OpenIncident {
                host: Some("web-1\u{1b}[2J".to_owned()),
                score: f64::from(number),
                events: 1,
                reason: Some("a reason that is longer than a terminal is wide".repeat(4)),
            };
            now.open.insert(format!("{number:016x}"), incident);
        }
        let picture = picture(&now, 1234.4, 79);
        let lines: Vec<&str> = picture.lines().collect();
        assert_eq!(
            lines[1],
            "1,234 events/s   lag 0.0 s   queue 2 KiB   7 open incidents"
        );
        assert_eq!(
            lines[2],
            "12,345 received = 12,340 scored + 0 malformed + 0 dropped + 5 in flight"
        );
        assert!(
            lines[3]
                .starts_with("  0000000000000006  web-1\\u{1b}[2J  score 6.00  1 event  a reason")
        );
        assert_eq!(lines[8], "  and 2 with lower scores");
        assert_eq!(lines.len(), 9);
        assert!(
            lines.iter().all(|line| line.chars().count() <= 79),
            "{picture}"
        );
    }

    #[test]
    fn the_rate_is_that_of_the_last_pictures() {
        let mut rate = Rate::default();
        assert!(rate.of(100).abs() < f64::EPSILON, "one picture has no rate");
        thread::sleep(Duration::from_millis(50));
        let found = rate.of(200);
        assert!((500.0..=2000.0).contains(&found), "{found}");
    }
}

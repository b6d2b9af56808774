//! Pages for machines: `/metrics` for Prometheus, and `/healthz`.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use chrono::{DateTime, Utc};
use honeyguide::prometheus::{self, Text, label};
use honeyguide::wording::printable;
use honeyguide::{Error, Result};
use tokio::runtime::Builder;

use crate::database::readable;
use crate::outbox::{self, Waiting};
use crate::queue::QUEUE_BYTES;
use crate::status::{Now, Status};

/// Serves `/metrics` and `/healthz` at `address`, which is of this machine alone, until the process ends. What waits for
/// receivers is read from `store`. Returns the address, in which port 0 is replaced by the actual port.
///
/// # Errors
/// Fails when other machines can reach the address, and when the system refuses it.
pub fn serve_metrics(
    address: SocketAddr,
    status: Arc<Status>,
    store: Option<PathBuf>,
) -> Result<SocketAddr> {
    if !address.ip().is_loopback() {
        return Err(Error::usage(format!("other machines can reach {address}"))
            .hint("listen on 127.0.0.1, and let a proxy that asks for a password serve other machines"));
    }
    let failed = |error| Error::io("listen on", Path::new(&address.to_string()), error);
    let listener = TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(failed)?;
    thread::spawn(move || {
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            axum::serve(listener, router(status, store)).await
        })
    });
    Ok(bound)
}

fn router(status: Arc<Status>, store: Option<PathBuf>) -> Router {
    let healthy = Arc::clone(&status);
    let metrics = move || {
        let now = status.now();
        let waiting = store.as_deref().map_or_else(Vec::new, waiting);
        let text = text(&now, &waiting, Utc::now());
        async { ([(CONTENT_TYPE, prometheus::CONTENT_TYPE)], text) }
    };
    let health = move || {
        let answer = health(&healthy.now());
        async move { answer }
    };
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(health))
}

/// Returns the answer to whoever asks how a watch is.
fn health(now: &Now) -> (StatusCode, String) {
    let why = match &now.store_failure {
        _ if !now.is_alive() => "the watch gives no sign".to_owned(),
        Some(failure) => {
            let seconds = failure.since.elapsed().as_secs();
            let why = printable(&failure.why);
            format!("since {seconds} s the store cannot be written, and no event is taken: {why}")
        }
        None => return (StatusCode::OK, "ok\n".to_owned()),
    };
    (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n"))
}

/// Returns what waits in the store at `path`. A store that cannot be read at the moment shows no receivers.
fn waiting(path: &Path) -> Vec<Waiting> {
    let waiting = readable(path).map(|connection| outbox::waiting(&connection));
    waiting
        .ok()
        .and_then(std::result::Result::ok)
        .unwrap_or_default()
}

/// Returns the metrics of a watch and its receivers.
fn text(now: &Now, receivers: &[Waiting], time: DateTime<Utc>) -> String {
    let mut text = Text::default();
    records(&mut text, now);
    text.histogram(
        "honeyguide_watch_latency_seconds",
        "At most this long from the arrival of an event to its score and its incident.",
        &now.latency.0,
    );
    text.gauge(
        "honeyguide_watch_lag_seconds",
        "How long the first event that is not scored has waited.",
        now.lag().as_secs_f64(),
    );
    text.gauge(
        "honeyguide_watch_queue_bytes",
        "Bytes of records that wait.",
        now.queue_bytes,
    );
    text.gauge(
        "honeyguide_watch_queue_limit_bytes",
        "Bytes from which on inputs wait.",
        QUEUE_BYTES,
    );
    text.gauge(
        "honeyguide_watch_open_incidents",
        "Incidents that are open.",
        now.open.len(),
    );
    text.counter(
        "honeyguide_watch_incidents_total",
        "Incidents that were opened.",
        &[("", now.opened)],
    );
    text.counter(
        "honeyguide_watch_forgotten_hosts_total",
        "Hosts that were forgotten because there were too many.",
        &[("", now.forgotten_hosts)],
    );
    if let Some(model) = &now.model {
        let model = label("sha256", model);
        text.gauges(
            "honeyguide_watch_model",
            "The model, by its file.",
            &[(&model, 1)],
        );
    }
    store(&mut text, now);
    outbox(&mut text, receivers, time);
    text.finish()
}

/// Adds the ledger.
fn records(text: &mut Text, now: &Now) {
    let ledger = &now.ledger;
    text.counter(
        "honeyguide_watch_received_records_total",
        "Records that came in; the sum of honeyguide_watch_records_total and those in flight.",
        &[("", ledger.received)],
    );
    text.counter(
        "honeyguide_watch_records_total",
        "Records by what became of them.",
        &[
            (r#"{outcome="scored"}"#, ledger.scored),
            (r#"{outcome="malformed"}"#, ledger.malformed),
            (r#"{outcome="no_event"}"#, ledger.dropped.no_event),
            (r#"{outcome="unusable"}"#, ledger.dropped.unusable),
            (r#"{outcome="stopped"}"#, ledger.dropped.stopped),
            (r#"{outcome="refused"}"#, ledger.dropped.refused),
            (r#"{outcome="lost"}"#, ledger.dropped.lost),
        ],
    );
    text.gauge(
        "honeyguide_watch_in_flight_records",
        "Records that wait to be scored.",
        ledger.in_flight,
    );
    text.counter(
        "honeyguide_watch_anomalous_events_total",
        "Events above the threshold.",
        &[("", now.anomalous)],
    );
    text.counter(
        "honeyguide_watch_late_events_total",
        "Events that came after later ones of their host had been folded.",
        &[("", now.late)],
    );
    text.counter(
        "honeyguide_watch_early_events_total",
        "Events that waited for earlier ones for a shorter time, because too many waited.",
        &[("", now.early)],
    );
    text.counter(
        "honeyguide_watch_clock_jumps_total",
        "How often the clock of a host went back by more than a quarter of an hour, so that its incidents ended.",
        &[("", now.clock_jumps)],
    );
    let gaps = now.gaps.iter();
    let gaps: Vec<(String, u64)> = gaps
        .map(|(input, gaps)| (label("input", input), *gaps))
        .collect();
    let gaps: Vec<(&str, u64)> = gaps.iter().map(|(at, gaps)| (at.as_str(), *gaps)).collect();
    if !gaps.is_empty() {
        text.counter(
            "honeyguide_watch_gaps_total",
            "Times in which events of an input may have been lost.",
            &gaps,
        );
    }
}

/// Adds what is known of the store, if there is one.
fn store(text: &mut Text, now: &Now) {
    let Some(bytes) = now.store_bytes else { return };
    text.gauge(
        "honeyguide_watch_store_failing",
        "1 if the store cannot be written, so that no event is taken, else 0.",
        u8::from(now.store_failure.is_some()),
    );
    text.gauge(
        "honeyguide_watch_store_bytes",
        "Bytes that the store uses.",
        bytes,
    );
    text.counter(
        "honeyguide_watch_removed_incidents_total",
        "Incidents that were removed from the store because of their age or its size.",
        &[("", now.removed_incidents)],
    );
    text.gauge(
        "honeyguide_watch_incidents_beyond_budget",
        "Incidents of the day that alerts do not tell of, because there were more than --incidents-per-day.",
        now.beyond_budget,
    );
}

/// Adds what waits for receivers.
fn outbox(text: &mut Text, receivers: &[Waiting], time: DateTime<Utc>) {
    if receivers.is_empty() {
        return;
    }
    let age = |receiver: &Waiting| {
        let oldest = DateTime::parse_from_rfc3339(receiver.oldest.as_deref()?).ok()?;
        Some((time - oldest.to_utc()).as_seconds_f64().max(0.0))
    };
    let labels: Vec<String> = receivers
        .iter()
        .map(|one| label("receiver", &one.receiver))
        .collect();
    let of = |value: &dyn Fn(&Waiting) -> f64| -> Vec<(&str, f64)> {
        labels
            .iter()
            .map(String::as_str)
            .zip(receivers.iter().map(value))
            .collect()
    };
    text.gauges(
        "honeyguide_watch_outbox_alerts",
        "Alerts that wait for a receiver.",
        &of(&|one| one.alerts as f64),
    );
    text.gauges(
        "honeyguide_watch_outbox_age_seconds",
        "The age of the oldest of them; 0 if none waits.",
        &of(&|one| age(one).unwrap_or_default()),
    );
    text.gauges(
        "honeyguide_watch_receiver_failing",
        "1 if the last attempt to reach the receiver failed, else 0.",
        &of(&|one| f64::from(u8::from(one.failure.is_some()))),
    );
    text.counter(
        "honeyguide_watch_outbox_sent_total",
        "Alerts that a receiver has taken.",
        &of(&|one| one.sent as f64),
    );
    text.counter(
        "honeyguide_watch_outbox_lost_total",
        "Alerts that a receiver will never get.",
        &of(&|one| one.lost as f64),
    );
}

#[cfg(test)]
#[path = "../../honeyguide/src/prometheus/samples.rs"]
mod samples;

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::samples::samples;
    use super::*;
    use crate::ledger::{Dropped, Ledger};

    fn busy() -> Now {
        let mut now = Now {
            ledger: Ledger {
                received: 36,
                scored: 1,
                malformed: 2,
                dropped: Dropped {
                    no_event: 3,
                    unusable: 4,
                    stopped: 5,
                    refused: 7,
                    lost: 8,
                },
                in_flight: 6,
            },
            model: Some("5f".repeat(32)),
            sign: Some(Instant::now()),
            ..Now::default()
        };
        now.latency.0.add(0.2, 3);
        now.gaps.insert("unix:/run/a \"b\"".to_owned(), 3);
        now
    }

    #[test]
    fn a_page_has_the_ledger_the_latency_and_each_receiver() {
        let receiver = Waiting {
            receiver: "webhook https://h \"a\"".to_owned(),
            alerts: 7,
            oldest: Some("2026-10-01T12:00:00.000Z".to_owned()),
            sent: 8,
            lost: 9,
            failing_since: None,
            failure: Some("status 500".to_owned()),
        };
        let time = DateTime::parse_from_rfc3339("2026-10-01T13:00:00Z")
            .expect("a time")
            .to_utc();
        let samples = samples(&text(&busy(), &[receiver], time));
        let of = |name: &str| samples[&format!("honeyguide_watch_{name}")];
        let outcomes = [
            "scored",
            "malformed",
            "no_event",
            "unusable",
            "stopped",
            "refused",
            "lost",
        ];
        let outcomes =
            outcomes.map(|outcome| of(&format!("records_total{{outcome=\"{outcome}\"}}")));
        assert_eq!(outcomes, [1.0, 2.0, 3.0, 4.0, 5.0, 7.0, 8.0]);
        let sum = outcomes.iter().sum::<f64>() + of("in_flight_records");
        assert_eq!(of("received_records_total"), sum);
        assert_eq!(of("latency_seconds_bucket{le=\"0.1\"}"), 0.0);
        assert_eq!(of("latency_seconds_bucket{le=\"0.25\"}"), 3.0);
        assert_eq!(of(r#"gaps_total{input="unix:/run/a \"b\""}"#), 3.0);
        let receiver = |name: &str| of(&format!(r#"{name}{{receiver="webhook https://h \"a\""}}"#));
        assert_eq!(receiver("outbox_alerts"), 7.0);
        assert_eq!(receiver("outbox_age_seconds"), 3600.0);
        assert_eq!(receiver("outbox_sent_total"), 8.0);
        assert_eq!(receiver("outbox_lost_total"), 9.0);
        assert_eq!(receiver("receiver_failing"), 1.0);
    }

    #[test]
    fn only_this_machine_can_ask() {
        let serve = |address: &str| {
            let address = address.parse().expect("an address");
            serve_metrics(address, Arc::default(), None)
        };
        assert!(serve("0.0.0.0:0").is_err() && serve("[::]:0").is_err());
        assert!(serve("127.0.0.1:0").is_ok_and(|bound| bound.port() > 0));
    }

    #[test]
    fn a_watch_without_a_sign_is_not_alive() {
        assert!(busy().is_alive());
        assert!(!Now::default().is_alive());
    }
}

//! Live detection: inputs are read while they grow, their events are scored, and incidents are reported as they open,
//! change and end.
//!
//! Scores and incidents are those of the library: [`honeyguide::incident::LiveEvents`] reads and scores,
//! [`honeyguide::incident::LiveIncidents`] folds. This crate moves records between them, counts what becomes of each, and
//! reads the clock. [`Queue`] is filled by one thread for each input ([`read_stream`], [`follow`], [`Listener::serve`]) and emptied by [`Watcher::run`].
#![warn(missing_docs)]

mod alert;
mod database;
mod feed;
mod follow;
mod formats;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod gap;
mod input;
mod ledger;
mod listen;
mod metrics;
mod models;
mod outbox;
mod position;
mod queue;
mod records;
mod status;
mod store;
mod systemd;
mod tables;
mod watcher;

pub use alert::{ALERT_FORMAT, ALERT_VERSION};
pub use feed::Feed;
pub use follow::follow;
pub use formats::{SyslogFormat, WebhookFormat};
pub use gap::Gap;
pub use input::{InputKind, read_stream};
pub use ledger::{BadRecord, Dropped, Ledger, MAX_BAD_RECORDS};
pub use listen::{ListenAddress, Listener, MAX_BODY_BYTES, MAX_CONNECTIONS, MAX_UNFINISHED_BYTES};
pub use metrics::serve_metrics;
pub use models::Models;
pub use outbox::{
    Deliveries, MAX_WAITING, MAX_WAITING_BYTES, Notice, Syslog, SyslogAddress, Undelivered,
    Waiting, Webhook,
};
pub use position::Position;
pub use queue::{QUEUE_BYTES, Queue};
pub use status::{Latency, Now, OpenIncident, STUCK, Status, StoreFailure};
pub use store::{Keep, Store, StoreLimits, Stored, StoredEvent, StoredRow};
pub use systemd::Systemd;
pub use tables::{StoreTable, store_tables};
pub use watcher::{End, InputSummary, Report, Restarts, Settings, Summary, Watcher};

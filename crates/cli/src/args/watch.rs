//! `honeyguide watch`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args as ClapArgs;
use honeyguide::incident::WATERMARK;
use honeyguide_watch::{ListenAddress, StoreLimits};

use super::numbers::{bytes, number, whole};
use super::paths::output;
use super::receivers::Receivers;
use super::record::SensorFilter;

/// The longest time for which an event can wait for earlier ones, in seconds.
const MAX_WATERMARK: f64 = 3600.0;

/// The longest time for which incidents can be kept, in days: a century.
const MAX_KEEP_DAYS: u32 = 36_525;
/// The default size of a store, and the least one, which leaves room for the state of the watch.
const KEEP_SIZE: &str = "4G";
const LEAST_KEEP_SIZE: u64 = 16 << 20;

const EXAMPLES: &str = "Examples:
  tracee --output json | honeyguide watch model.json -
  honeyguide watch model.json today.csv --alerts alerts.jsonl
  honeyguide watch model.json /var/log/tracee.json --follow --alerts alerts.jsonl
  honeyguide watch model.json access.ndjson --follow --incident-by client
  honeyguide watch model.json /var/log/tracee.json --follow --store incidents.db \\
      --webhook http://127.0.0.1:9093/api/v2/alerts --webhook-format alertmanager
  honeyguide watch model.json /var/log/tracee.json --follow --store incidents.db \\
      --syslog unix:/dev/log
  honeyguide watch model.json --listen http://127.0.0.1:9912 --listen unix:/run/honeyguide.sock
  honeyguide watch model.json --sensor --store incidents.db";

/// Reads the size of a store.
fn keep_size(text: &str) -> Result<u64, String> {
    let size = bytes(text)?;
    match size >= LEAST_KEEP_SIZE {
        true => Ok(size),
        false => Err("must be at least 16M".to_owned()),
    }
}

#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub struct Watch {
    /// The model file: a path or a URL
    pub model: PathBuf,
    /// Files of CSV or lines of JSON, or - for standard input
    #[arg(required_unless_present_any = ["listen", "sensor"], value_name = "INPUT")]
    pub inputs: Vec<PathBuf>,
    /// Read files on as they grow, also after they are renamed and begun anew, or emptied
    #[arg(long)]
    pub follow: bool,
    /// Take events that others send, without an end: lines to tcp://IP:PORT or unix:PATH, requests to http://IP:PORT/events;
    /// can be given several times
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Vec<ListenAddress>,
    /// Take the kernel calls of this host from the sensor, without an end; needs root, or CAP_BPF and CAP_PERFMON
    #[arg(long)]
    pub sensor: bool,
    #[command(flatten)]
    pub filter: SensorFilter,
    /// A file with the bearer token that senders over HTTP must know; needed where other machines can connect
    #[arg(long, value_name = "FILE", requires = "listen")]
    pub listen_token_file: Option<PathBuf>,
    /// Append an alert to this file each time an incident opens, changes or ends, as a line of JSON; - for standard output
    #[arg(long, value_name = "FILE", value_parser = output())]
    pub alerts: Option<PathBuf>,
    /// Keep incidents, the ledger and the places in followed files in this SQLite file, and go on from what it holds
    #[arg(long, value_name = "FILE", value_parser = output())]
    pub store: Option<PathBuf>,
    /// The host of events that do not name one
    #[arg(long, value_name = "NAME")]
    pub host_name: Option<String>,
    /// A column whose values tell the incidents of a host apart, instead of its processes; can be given several times
    #[arg(long, value_name = "COLUMN")]
    pub incident_by: Vec<String>,
    /// How long an event waits for earlier ones of its host, by the times of the events; later ones are counted as late
    #[arg(long, value_name = "SECONDS", default_value_t = WATERMARK, value_parser = number(0.0, MAX_WATERMARK), allow_negative_numbers = true)]
    pub watermark: f64,
    /// Let alerts tell of at most so many incidents a day, in UTC; the others are stored, and one digest after the day says how
    /// many they were
    #[arg(long, value_name = "N", requires = "store", default_value_t = StoreLimits::default().incidents_per_day)]
    pub incidents_per_day: u64,
    /// Remove incidents from the store that have ended, so many days after their last change
    #[arg(long, value_name = "DAYS", requires = "store", default_value_t = StoreLimits::default().keep.days, value_parser = whole(1, MAX_KEEP_DAYS))]
    pub keep_days: u32,
    /// Let the store hold at most so much, such as 512M or 4G: of the incidents that have ended, the oldest are removed first
    #[arg(long, value_name = "BYTES", requires = "store", default_value = KEEP_SIZE, value_parser = keep_size)]
    pub keep_size: u64,
    /// Serve /metrics for Prometheus and /healthz at this address of this machine, such as 127.0.0.1:9911
    #[arg(long, value_name = "IP:PORT")]
    pub metrics: Option<SocketAddr>,
    #[command(flatten)]
    pub receivers: Receivers,
}

impl Watch {
    /// Returns the files that the watch writes.
    #[cfg_attr(not(feature = "sensor"), expect(dead_code, reason = "the sensor asks"))]
    pub fn written_files(&self) -> Vec<&Path> {
        let files = [&self.alerts, &self.store].into_iter().flatten();
        files.map(PathBuf::as_path).collect()
    }
}

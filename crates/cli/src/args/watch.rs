//! `honeyguide watch`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args as ClapArgs;
use honeyguide::incident::WATERMARK;
use honeyguide_watch::ListenAddress;

use super::numbers::number;
use super::paths::output;
use super::receivers::Receivers;

/// The longest time for which an event can wait for earlier ones, in seconds.
const MAX_WATERMARK: f64 = 3600.0;

const EXAMPLES: &str = "Examples:
  tracee --output json | honeyguide watch model.json -
  honeyguide watch model.json today.csv --alerts alerts.jsonl
  honeyguide watch model.json /var/log/tracee.json --follow --alerts alerts.jsonl
  honeyguide watch model.json access.ndjson --follow --incident-by client
  honeyguide watch model.json /var/log/tracee.json --follow --store incidents.db \\
      --webhook http://127.0.0.1:9093/api/v2/alerts --webhook-format alertmanager
  honeyguide watch model.json /var/log/tracee.json --follow --store incidents.db \\
      --syslog unix:/dev/log
  honeyguide watch model.json --listen http://127.0.0.1:9912 --listen unix:/run/honeyguide.sock";

#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub struct Watch {
    /// The model file: a path or a URL
    pub model: PathBuf,
    /// Files of CSV or lines of JSON, or - for standard input
    #[arg(required_unless_present = "listen", value_name = "INPUT")]
    pub inputs: Vec<PathBuf>,
    /// Read files on as they grow, also after they are renamed and begun anew, or emptied
    #[arg(long)]
    pub follow: bool,
    /// Take events that others send, without an end: lines to tcp://IP:PORT or unix:PATH, requests to http://IP:PORT/events;
    /// can be given several times
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Vec<ListenAddress>,
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
    /// Serve /metrics for Prometheus and /healthz at this address of this machine, such as 127.0.0.1:9911
    #[arg(long, value_name = "IP:PORT")]
    pub metrics: Option<SocketAddr>,
    #[command(flatten)]
    pub receivers: Receivers,
}

//! The receivers of alerts.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};
use honeyguide_watch::{SyslogAddress, SyslogFormat, WebhookFormat};

#[derive(Debug, ClapArgs)]
#[command(next_help_heading = "Receivers of alerts")]
pub struct Receivers {
    /// Send each alert to this URL in a POST request, and again until it is taken; can be given several times
    #[arg(long, value_name = "URL", requires = "store")]
    pub webhook: Vec<String>,
    /// What a webhook gets: one format for all, or one for each --webhook in their order [default: honeyguide]
    #[arg(long, value_name = "FORMAT", requires = "webhook")]
    pub webhook_format: Vec<Webhook>,
    /// A file with the bearer token of a webhook: one for all, if they are on one host, or one for each --webhook in their
    /// order [default: the variable HONEYGUIDE_WEBHOOK_TOKEN, if it is set]
    #[arg(long, value_name = "FILE", requires = "webhook")]
    pub webhook_token_file: Vec<PathBuf>,
    /// Send each alert to this syslog daemon: tcp://HOST:PORT, tls://HOST:PORT or unix:PATH; can be given several times
    #[arg(long, value_name = "ADDRESS", requires = "store")]
    pub syslog: Vec<SyslogAddress>,
    /// The message of a syslog entry
    #[arg(
        long,
        value_name = "FORMAT",
        requires = "syslog",
        default_value = "json"
    )]
    pub syslog_format: Syslog,
}

/// What a webhook gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Webhook {
    /// The alert as --alerts writes it
    Honeyguide,
    /// Falco's JSON output, for falcosidekick
    Falco,
    /// A document of the Elastic Common Schema
    Ecs,
    /// An OCSF Detection Finding
    Ocsf,
    /// Alertmanager's POST /api/v2/alerts
    Alertmanager,
}

/// The message of a syslog entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Syslog {
    /// An object of JSON
    Json,
    /// ArcSight's Common Event Format
    Cef,
}

impl From<Webhook> for WebhookFormat {
    fn from(format: Webhook) -> Self {
        match format {
            Webhook::Honeyguide => Self::Honeyguide,
            Webhook::Falco => Self::Falco,
            Webhook::Ecs => Self::Ecs,
            Webhook::Ocsf => Self::Ocsf,
            Webhook::Alertmanager => Self::Alertmanager,
        }
    }
}

impl From<Syslog> for SyslogFormat {
    fn from(format: Syslog) -> Self {
        match format {
            Syslog::Json => Self::Json,
            Syslog::Cef => Self::Cef,
        }
    }
}

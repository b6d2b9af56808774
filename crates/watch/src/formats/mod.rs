//! The formats in which receivers take alerts. Every text of the data is escaped as the format asks for it, and what people
//! read in one line has no characters that act on a terminal.

mod alertmanager;
mod cef;
mod compact;
mod day;
mod ecs;
mod falco;
mod ocsf;
mod severity;
mod told;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Deserialize;
use serde_json::Value;

use day::Day;
use told::Told;
#[cfg(test)]
pub(crate) use told::tests::told_alert;

/// The name under which alerts say what made them.
const PRODUCT: &str = "honeyguide";
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The format of the body of a webhook's request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookFormat {
    /// The alert as it is.
    Honeyguide,
    /// Falco's JSON output.
    Falco,
    /// A document of the Elastic Common Schema.
    Ecs,
    /// A Detection Finding of the Open Cybersecurity Schema Framework.
    Ocsf,
    /// A list of one alert for Alertmanager.
    Alertmanager,
}

/// The format of the message of a syslog entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyslogFormat {
    /// An object of JSON of less than 8 KiB.
    Json,
    /// The Common Event Format.
    Cef,
}

/// What a syslog entry says, and its header.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SyslogEntry {
    pub time: String,
    /// The severity of RFC 5424.
    pub severity: u8,
    pub kind: &'static str,
    pub message: String,
}

/// What an alert tells of.
enum Telling {
    Incident(Box<Told>),
    Day(Day),
}

impl Telling {
    /// Reads an alert from its JSON.
    ///
    /// # Errors
    /// Fails when the text is no alert.
    fn read(json: &str) -> serde_json::Result<Self> {
        #[derive(Deserialize)]
        struct Kind<'a> {
            kind: &'a str,
        }
        let Kind { kind } = serde_json::from_str(json)?;
        match kind {
            Day::KIND => serde_json::from_str(json).map(Self::Day),
            _ => serde_json::from_str(json).map(Self::Incident),
        }
    }
}

impl WebhookFormat {
    /// Returns its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Honeyguide => "honeyguide",
            Self::Falco => "falco",
            Self::Ecs => "ecs",
            Self::Ocsf => "ocsf",
            Self::Alertmanager => "alertmanager",
        }
    }

    /// Returns the JSON of an alert in this format, from the alert's own JSON.
    ///
    /// # Errors
    /// Fails when the text is no alert.
    pub(crate) fn body(self, alert: &str) -> serde_json::Result<String> {
        type Documents = (fn(&Told) -> Value, fn(&Day) -> Value);
        let (of_incident, of_day): Documents = match self {
            Self::Honeyguide => return Ok(alert.to_owned()),
            Self::Falco => (falco::document, falco::digest),
            Self::Ecs => (ecs::document, ecs::digest),
            Self::Ocsf => (ocsf::document, ocsf::digest),
            Self::Alertmanager => (alertmanager::document, alertmanager::digest),
        };
        let document = match Telling::read(alert)? {
            Telling::Incident(told) => of_incident(&told),
            Telling::Day(day) => of_day(&day),
        };
        Ok(document.to_string())
    }
}

impl SyslogFormat {
    /// Returns its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Cef => "cef",
        }
    }

    /// Returns the entry of an alert, from the alert's own JSON.
    ///
    /// # Errors
    /// Fails when the text is no alert.
    pub(crate) fn entry(self, alert: &str) -> serde_json::Result<SyslogEntry> {
        Ok(match Telling::read(alert)? {
            Telling::Incident(told) => SyslogEntry {
                time: date(told.time),
                severity: told.severity().syslog(),
                kind: told.kind.name(),
                message: match self {
                    Self::Json => compact::document(&told).to_string(),
                    Self::Cef => cef::line(&told),
                },
            },
            Telling::Day(day) => SyslogEntry {
                time: date(day.time),
                severity: day.severity().syslog(),
                kind: Day::KIND,
                message: match self {
                    Self::Json => compact::digest(&day).to_string(),
                    Self::Cef => cef::digest(&day),
                },
            },
        })
    }
}

/// Returns a time as in RFC 3339.
fn date(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Returns the beginning of a text, of at most `bytes` bytes.
fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

#[cfg(test)]
mod tests {
    use super::day::tests::digest_with;
    use super::told::tests::alert_with;
    use super::*;
    use honeyguide::wording::printable;

    /// Texts that could end a string, a line or a field, or act on a terminal.
    const HOSTILE: [&str; 6] = [
        "\"},\"forged\":true,{\"a\":\"",
        "line\nfeed\r\n\0\u{1b}[2J",
        "\\\" \\u0022",
        "\u{202e}right-to-left\u{2028}",
        "a|b=c]d\"e",
        "{{ template \"x\" }} ${jndi:ldap://x}",
    ];

    #[test]
    fn hostile_texts_stay_texts_in_every_format() {
        use WebhookFormat::{Alertmanager, Ecs, Falco, Honeyguide, Ocsf};
        for text in HOSTILE {
            let alert = alert_with(text).to_string();
            for (format, host) in [
                (Honeyguide, "/incident/host"),
                (Falco, "/hostname"),
                (Ecs, "/host/name"),
                (Ocsf, "/device/hostname"),
                (Alertmanager, "/0/labels/host"),
            ] {
                let body = format.body(&alert).expect("an alert");
                assert_eq!(body.lines().count(), 1, "{}: {body}", format.name());
                let body: Value = serde_json::from_str(&body).expect("JSON");
                assert_eq!(body.pointer(host), Some(&text.into()), "{}", format.name());
                assert_eq!(body.get("forged"), None);
            }
            let digest = digest_with(text).to_string();
            for format in [Falco, Ecs, Ocsf, Alertmanager] {
                let body = format.body(&digest).expect("an alert");
                assert_eq!(body.lines().count(), 1, "{}: {body}", format.name());
                let body: Value = serde_json::from_str(&body).expect("JSON");
                assert_eq!(body.get("forged"), None);
                let told = body.to_string();
                let shown = printable(text).into_owned();
                let shown = Value::from(shown).to_string();
                assert!(told.contains(shown.trim_matches('"')), "{told}");
                assert!(told.contains("1,017 incidents beyond"), "{told}");
            }
            let both = [alert, digest];
            for (format, alert) in [SyslogFormat::Json, SyslogFormat::Cef]
                .into_iter()
                .flat_map(|format| both.iter().map(move |alert| (format, alert)))
            {
                let entry = format.entry(alert).expect("an alert");
                let is_plain = |character: char| !character.is_control();
                assert!(
                    entry.message.chars().all(is_plain),
                    "{}: {}",
                    format.name(),
                    entry.message
                );
            }
        }
    }

    #[test]
    fn what_is_no_alert_is_refused() {
        for format in [WebhookFormat::Falco, WebhookFormat::Ecs] {
            assert!(format.body("{}").is_err());
        }
        assert!(SyslogFormat::Cef.entry("no alert").is_err());
    }
}

//! Webhooks: each alert is the body of a POST request.

use std::time::Duration;

use chrono::{DateTime, Utc};
use honeyguide::{Error, Result, follow_when_sending, redacted};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER, USER_AGENT};
use reqwest::{Client, Response, StatusCode, Url};
use tokio::runtime::Runtime;

use super::receivers::{Failure, Receiver};
use crate::alert::Alert;
use crate::formats::WebhookFormat;

/// The time within which a connection must be made, and within which a request must be answered.
const CONNECT_TIME: Duration = Duration::from_secs(5);
const REQUEST_TIME: Duration = Duration::from_secs(30);
/// The time after which Alertmanager is told of open incidents again.
const TELL_AGAIN: Duration = Duration::from_secs(60);
/// The header with the id of the alert, by which a receiver can drop what it has.
const ID: &str = "Idempotency-Key";

/// A webhook.
pub struct Webhook {
    name: String,
    url: Url,
    format: WebhookFormat,
    authorization: Option<HeaderValue>,
    client: Client,
    /// The time after which it must hear again of open incidents; `None` if it remembers them.
    pub(super) forgets_after: Option<Duration>,
}

impl Webhook {
    /// Returns the webhook at `url`. `token` is sent as a bearer token (RFC 6750).
    ///
    /// # Errors
    /// Fails when `url` is no URL of a web server or holds a password, and when `token` is no token.
    pub fn new(url: &str, format: WebhookFormat, token: Option<&str>) -> Result<Self> {
        Self::with_times(url, format, token, (CONNECT_TIME, REQUEST_TIME))
    }

    /// Returns the webhook at `url`. It must answer within the second of the times, and connect within the first.
    pub(super) fn with_times(
        url: &str,
        format: WebhookFormat,
        token: Option<&str>,
        (connect, request): (Duration, Duration),
    ) -> Result<Self> {
        let shown = redacted(url);
        let parsed = Url::parse(url).ok();
        let parsed =
            parsed.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let Some(parsed) = parsed else {
            return Err(Error::usage(format!(
                "{shown}: a webhook is a URL of http or https"
            )));
        };
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err(Error::usage(format!(
                "{shown}: other users of this machine can read a password in a URL"
            ))
            .hint("leave it out, and give a file with a bearer token instead"));
        }
        let authorization = token.map(|token| bearer(token, &shown)).transpose()?;
        let client = Client::builder()
            .connect_timeout(connect)
            .timeout(request)
            .referer(false)
            .redirect(follow_when_sending())
            .build();
        let client = client.map_err(|error| Error::internal(error.without_url().to_string()))?;
        Ok(Self {
            name: format!(
                "webhook {} ({})",
                parsed.origin().ascii_serialization(),
                format.name()
            ),
            url: parsed,
            format,
            authorization,
            client,
            // Alertmanager keeps alerts in memory alone, and takes one of which it hears no more for over.
            forgets_after: (format == WebhookFormat::Alertmanager).then_some(TELL_AGAIN),
        })
    }

    /// Returns the origin of the URL, which may be shown: scheme, host and port.
    #[must_use]
    pub fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    async fn post(&self, alert: &Alert, body: String) -> std::result::Result<(), Failure> {
        let mut request = self.client.post(self.url.clone());
        request = request
            .header(CONTENT_TYPE, "application/json")
            .header(
                USER_AGENT,
                concat!("honeyguide/", env!("CARGO_PKG_VERSION")),
            )
            .header(ID, &alert.id)
            .body(body);
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        // The URL may hold a secret.
        let response = request
            .send()
            .await
            .map_err(|error| Failure::new(words(&error)))?;
        judge(&response)
    }
}

/// Returns the header with a bearer token.
fn bearer(token: &str, shown: &str) -> Result<HeaderValue> {
    let is_token = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    let value = HeaderValue::try_from(format!("Bearer {token}"))
        .ok()
        .filter(|_| is_token);
    let mut value = value.ok_or_else(|| {
        Error::usage(format!(
            "{shown}: the token is not one word of visible ASCII characters"
        ))
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// Returns an error and its causes in words, without the URL.
fn words(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut deepest: &dyn std::error::Error = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    let what = if error.is_connect() {
        "no connection"
    } else {
        "the connection broke"
    };
    format!("{what}: {}", redacted(&deepest.to_string()))
}

/// Returns whether an answer says that the receiver has the alert.
fn judge(response: &Response) -> std::result::Result<(), Failure> {
    let status = response.status();
    if status.is_success() {
        return Ok(());
    }
    if status.is_redirection() {
        return Err(Failure::new(format!(
            "status {status}: this redirect is not followed"
        )));
    }
    Err(Failure {
        why: format!("status {status}"),
        after: retry_after(response, Utc::now()),
        is_refusal: matches!(
            status,
            StatusCode::BAD_REQUEST
                | StatusCode::PAYLOAD_TOO_LARGE
                | StatusCode::UNSUPPORTED_MEDIA_TYPE
                | StatusCode::UNPROCESSABLE_ENTITY
        ),
    })
}

/// Returns how long the receiver asks to wait (RFC 9110, section 10.2.3): a number of seconds, or a date.
fn retry_after(response: &Response, now: DateTime<Utc>) -> Option<Duration> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = DateTime::parse_from_rfc2822(text).ok()?;
    (date.to_utc() - now).to_std().ok()
}

impl Receiver for Webhook {
    fn name(&self) -> &str {
        &self.name
    }

    fn send(&mut self, alerts: &[Alert], runtime: &Runtime) -> std::result::Result<(), Failure> {
        for alert in alerts {
            let body = self.format.body(&alert.json).map_err(|error| Failure {
                is_refusal: true,
                ..Failure::new(format!("an alert that cannot be read: {error}"))
            })?;
            runtime.block_on(self.post(alert, body))?;
        }
        Ok(())
    }

    /// An alert of several that failed would make all of them go out again.
    fn at_once(&self) -> u64 {
        1
    }

    fn forgets_after(&self) -> Option<Duration> {
        self.forgets_after
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(url: &str, token: Option<&str>) -> String {
        let made = Webhook::new(url, WebhookFormat::Falco, token);
        made.map(drop).expect_err("a usage error").to_string()
    }

    #[test]
    fn secrets_of_a_webhook_are_in_no_name_and_no_message() {
        let url = "https://hooks.example:8443/services/T00/B00/sesame?key=sesame";
        let webhook = Webhook::new(url, WebhookFormat::Ecs, Some("sesame")).expect("a webhook");
        assert_eq!(webhook.name(), "webhook https://hooks.example:8443 (ecs)");
        assert!(!format!("{:?}", webhook.authorization).contains("sesame"));
        for (url, token) in [
            ("https://me:sesame@hooks.example/", None),
            ("ftp://hooks.example/?sesame", None),
            ("https://hooks.example/", Some("sesame open")),
            ("https://hooks.example/", Some("sesame\n")),
        ] {
            let message = refused(url, token);
            assert!(!message.contains("sesame"), "{message}");
        }
    }
}

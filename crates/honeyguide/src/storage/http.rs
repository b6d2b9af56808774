//! Files on web servers, read by ranges if the server supports range requests, and otherwise downloaded whole.

use std::io::Write;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use chrono::DateTime;
use datafusion::object_store::ObjectMeta;
use datafusion::object_store::path::Path as ObjectPath;
use reqwest::header::{ACCEPT_ENCODING, CONTENT_RANGE, ETAG, HeaderMap, LAST_MODIFIED, RANGE};
use reqwest::{Client, Response, StatusCode};
use url::Url;

use super::object::{About, CONNECT_TIME, REQUEST_TIME, StorageOptions};
use super::redirect;
use super::retries::Retries;
use super::spool::{Spool, Spooled};
use crate::error::{Error, Result};
use crate::wording::of_them;

/// A file whose server supports range requests.
pub(crate) struct HttpFile {
    client: Client,
    url: Url,
    about: About,
    version: Version,
    retries: Retries,
}

/// The identity of a version of a file, from the headers of a response. If it differs, the file has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Version {
    /// The size of the whole file.
    bytes: u64,
    e_tag: Option<String>,
    last_modified: Option<String>,
}

/// A file that a server has.
pub(crate) enum Found {
    /// A file that can be read by ranges.
    Ranges(Arc<HttpFile>),
    /// A temporary copy of the whole file.
    Whole(Spooled),
}

/// The reason why a request failed.
enum Refusal {
    /// A temporary failure, after which the request may be repeated.
    Temporary(String),
    /// A failure that a repetition would not change.
    Final(Error),
}

/// Opens a file on a web server. If the server does not support range requests, the file is copied; a copy has at most
/// `limit` bytes.
///
/// # Errors
/// Fails when the server cannot be reached, has no such file or refuses it, or when a copy exceeds the limit.
pub(crate) async fn open(
    text: &str,
    shown: PathBuf,
    limit: u64,
    options: &StorageOptions,
) -> Result<Found> {
    let about = About::new(shown);
    let unusable = |_| Error::usage(format!("{}: not a URL", about.shown.display()));
    let url = Url::parse(text).map_err(unusable)?;
    let client = Client::builder()
        .connect_timeout(CONNECT_TIME)
        .read_timeout(REQUEST_TIME)
        // The URL may be signed, and is nobody else's business.
        .referer(false)
        .redirect(redirect::policy(options.redirect_hosts()))
        .build();
    let client = client.map_err(|error| Error::internal(error.without_url().to_string()))?;
    let request = Request {
        client: &client,
        url: &url,
        about: &about,
        limit,
    };
    let retries = options.retries()?;
    let mut attempts = Attempts::new(&about, retries);
    let found = loop {
        match request.probe().await {
            Ok(found) => break found,
            Err(refusal) => attempts.after(refusal).await?,
        }
    };
    Ok(match found {
        Probed::Whole(path) => Found::Whole(path),
        Probed::Ranges(version) => Found::Ranges(Arc::new(HttpFile {
            client,
            url,
            about,
            version,
            retries,
        })),
    })
}

impl HttpFile {
    /// Returns the description of the file in the form of an object store.
    pub fn meta(&self) -> ObjectMeta {
        let modified = self.version.last_modified.as_deref();
        let modified = modified.and_then(|text| DateTime::parse_from_rfc2822(text).ok());
        ObjectMeta {
            location: ObjectPath::from(self.url.path()),
            last_modified: modified.map(Into::into).unwrap_or_default(),
            size: self.version.bytes,
            e_tag: self.version.e_tag.clone(),
            version: None,
        }
    }

    /// Reads the bytes `range` of the file.
    ///
    /// # Errors
    /// Fails when the bytes cannot be read or belong to another version.
    pub async fn get(&self, range: Range<u64>) -> Result<Bytes> {
        let request = Request {
            client: &self.client,
            url: &self.url,
            about: &self.about,
            limit: self.version.bytes,
        };
        let mut attempts = Attempts::new(&self.about, self.retries);
        loop {
            match self.get_once(&request, &range).await {
                Ok(bytes) => return Ok(bytes),
                Err(refusal) => attempts.after(refusal).await?,
            }
        }
    }

    /// Sends one request for the bytes `range`.
    async fn get_once(
        &self,
        request: &Request<'_>,
        range: &Range<u64>,
    ) -> std::result::Result<Bytes, Refusal> {
        let response = request.send(range).await?;
        if response.status() != StatusCode::PARTIAL_CONTENT
            || Version::of(response.headers()).as_ref() != Some(&self.version)
        {
            return Err(Refusal::Final(self.about.replaced()));
        }
        let expected = range.end - range.start;
        let bytes = at_most(response, expected).await?;
        if bytes.len() as u64 != expected {
            return Err(Refusal::Temporary(
                "the server sent a different number of bytes than requested".into(),
            ));
        }
        Ok(bytes)
    }
}

/// Reads a body, and no more than one piece beyond `limit` bytes.
async fn at_most(mut response: Response, limit: u64) -> std::result::Result<Bytes, Refusal> {
    let mut bytes = Vec::new();
    while bytes.len() as u64 <= limit
        && let Some(piece) = response.chunk().await.map_err(temporary)?
    {
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes.into())
}

impl Version {
    /// Reads the version from the headers of a range, such as `Content-Range: bytes 0-0/1234` (RFC 9110, section 14.4).
    fn of(headers: &HeaderMap) -> Option<Self> {
        let text = |name| Some(headers.get(name)?.to_str().ok()?.to_owned());
        let range = text(CONTENT_RANGE)?;
        Some(Self {
            bytes: range.rsplit_once('/')?.1.parse().ok()?,
            e_tag: text(ETAG),
            last_modified: text(LAST_MODIFIED),
        })
    }
}

/// The attempts at one request.
struct Attempts<'a> {
    about: &'a About,
    retries: Retries,
    begun: Instant,
    /// The number of attempts made so far.
    made: usize,
    /// The wait before the next attempt.
    wait: Duration,
}

impl<'a> Attempts<'a> {
    fn new(about: &'a About, retries: Retries) -> Self {
        Self {
            about,
            retries,
            begun: Instant::now(),
            made: 0,
            wait: retries.first_wait,
        }
    }

    /// Waits before the next attempt.
    ///
    /// # Errors
    /// Fails when the refusal is final, or the request was repeated as often or as long as it may be.
    async fn after(&mut self, refusal: Refusal) -> Result<()> {
        let why = match refusal {
            Refusal::Final(error) => return Err(error),
            Refusal::Temporary(why) => why,
        };
        self.made += 1;
        let time = self.retries.time;
        let is_late = time.is_some_and(|time| self.begun.elapsed() + self.wait > time);
        if self.made > self.retries.most || is_late {
            let shown = self.about.shown.display();
            return Err(
                Error::refused(format!("cannot read {shown}: {why}")).hint(format!(
                    "{} failed: check the address and the network",
                    of_them(self.made as u64, "attempt", "attempts")
                )),
            );
        }
        tokio::time::sleep(self.wait).await;
        self.wait = self.retries.after(self.wait);
        Ok(())
    }
}

/// The answer to the first request for a file.
enum Probed {
    /// The version of a file whose server supports range requests.
    Ranges(Version),
    /// A temporary copy of the whole file.
    Whole(Spooled),
}

/// A request for a file.
struct Request<'a> {
    client: &'a Client,
    url: &'a Url,
    about: &'a About,
    /// The maximum size of a copy of the whole file, in bytes.
    limit: u64,
}

impl Request<'_> {
    /// Requests the first byte. If the server does not support range requests, copies the whole file.
    async fn probe(&self) -> std::result::Result<Probed, Refusal> {
        let response = self.send(&(0..1)).await?;
        let headers = response.headers();
        match response.status() {
            StatusCode::PARTIAL_CONTENT => {
                Version::of(headers).map(Probed::Ranges).ok_or_else(|| {
                    self.refused("the server sends a range without the size of the file")
                })
            }
            // An empty file has no first byte.
            StatusCode::RANGE_NOT_SATISFIABLE => self.spool(None).await,
            _ => self.spool(Some(response)).await,
        }
    }

    /// Sends a request for the bytes `range`.
    async fn send(&self, range: &Range<u64>) -> std::result::Result<Response, Refusal> {
        let bytes = format!("bytes={}-{}", range.start, range.end - 1);
        let request = self.client.get(self.url.clone()).header(RANGE, bytes);
        let sent = request.header(ACCEPT_ENCODING, "identity").send().await;
        let response = sent.map_err(temporary)?;
        let status = response.status();
        let shown = self.about.shown.display();
        match status {
            _ if status.is_success() || status == StatusCode::RANGE_NOT_SATISFIABLE => Ok(response),
            _ if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                Err(Refusal::Temporary(format!("the server answers {status}")))
            }
            StatusCode::NOT_FOUND | StatusCode::GONE => Err(Refusal::Final(
                Error::usage(format!(
                    "{shown}: no such file: the server answers {status}"
                ))
                .hint("check the spelling of the URL"),
            )),
            _ if status.is_redirection() => Err(Refusal::Final(redirect::refused(
                &shown,
                self.url,
                response.headers(),
            ))),
            StatusCode::PRECONDITION_FAILED => Err(Refusal::Final(self.about.replaced())),
            _ => Err(self.refused(&format!("the server answers {status}"))),
        }
    }

    fn refused(&self, why: &str) -> Refusal {
        let shown = self.about.shown.display();
        Refusal::Final(
            Error::refused(format!("cannot read {shown}: {why}"))
                .hint("check the URL, and whether the server requires a login"),
        )
    }

    /// Copies the body of `response` to a temporary file, which stays empty if there is no response.
    async fn spool(&self, response: Option<Response>) -> std::result::Result<Probed, Refusal> {
        let mut spool = Spool::new(self.about.shown.clone(), self.limit).map_err(Refusal::Final)?;
        if let Some(mut response) = response {
            while let Some(bytes) = response.chunk().await.map_err(temporary)? {
                let written = spool.write_all(&bytes);
                written.map_err(|error| Refusal::Final(spool.failed(error)))?;
            }
        }
        spool.finish().map(Probed::Whole).map_err(Refusal::Final)
    }
}

/// Returns the temporary refusal for a connection that could not be made, broke, or took too long.
fn temporary(error: reqwest::Error) -> Refusal {
    let mut cause: &dyn std::error::Error = &error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let why = if error.is_timeout() {
        "no answer in time".to_owned()
    } else if std::ptr::addr_eq(cause, &error) {
        error.without_url().to_string()
    } else {
        cause.to_string()
    };
    Refusal::Temporary(why)
}

//! Files on web servers: by ranges where the server sends them, otherwise as one download.

use std::io::Write;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use chrono::DateTime;
use datafusion::object_store::ObjectMeta;
use datafusion::object_store::path::Path as ObjectPath;
use reqwest::header::{ACCEPT_ENCODING, CONTENT_RANGE, ETAG, HeaderMap, LAST_MODIFIED, RANGE};
use reqwest::{Client, Response, StatusCode};
use tempfile::TempPath;
use url::Url;

use super::object::{About, CONNECT_TIME, MAX_RETRIES, REQUEST_TIME};
use super::spool::Spool;
use crate::error::{Error, Result};

/// The first wait before a request is sent again; each is twice as long as the one before.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// A file whose server sends ranges of it.
pub(crate) struct HttpFile {
    client: Client,
    url: Url,
    about: About,
    version: Version,
}

/// What a response says of the whole file. Where it changes, the file has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Version {
    bytes: u64,
    e_tag: Option<String>,
    last_modified: Option<String>,
}

/// What a server has.
pub(crate) enum Found {
    Ranges(HttpFile),
    /// A copy of it.
    Whole(TempPath),
}

/// Why a request came to nothing.
enum Refusal {
    /// It may be sent again.
    Passing(String),
    Final(Error),
}

/// Asks a web server for a file. A copy has at most `limit` bytes.
///
/// # Errors
/// It has none, does not give it, or cannot be reached.
pub(crate) async fn open(text: &str, shown: PathBuf, limit: u64) -> Result<Found> {
    let about = About::new(shown);
    let unusable = |_| Error::usage(format!("{}: not a URL", about.shown.display()));
    let url = Url::parse(text).map_err(unusable)?;
    let client = Client::builder()
        .connect_timeout(CONNECT_TIME)
        .read_timeout(REQUEST_TIME)
        .build();
    let client = client.map_err(|error| Error::internal(error.without_url().to_string()))?;
    let request = Request {
        client: &client,
        url: &url,
        about: &about,
        limit,
    };
    let mut attempts = Attempts::new(&about);
    let found = loop {
        match request.probe().await {
            Ok(found) => break found,
            Err(refusal) => attempts.after(refusal).await?,
        }
    };
    Ok(match found {
        Probed::Whole(path) => Found::Whole(path),
        Probed::Ranges(version) => Found::Ranges(HttpFile {
            client,
            url,
            about,
            version,
        }),
    })
}

impl HttpFile {
    /// As a store would describe it.
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

    /// Bytes of the file.
    ///
    /// # Errors
    /// They cannot be had, or are those of another version.
    pub async fn get(&self, range: Range<u64>) -> Result<Bytes> {
        let request = Request {
            client: &self.client,
            url: &self.url,
            about: &self.about,
            limit: self.version.bytes,
        };
        let mut attempts = Attempts::new(&self.about);
        loop {
            match self.get_once(&request, &range).await {
                Ok(bytes) => return Ok(bytes),
                Err(refusal) => attempts.after(refusal).await?,
            }
        }
    }

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
        let bytes = response.bytes().await.map_err(passing)?;
        if bytes.len() as u64 != range.end - range.start {
            return Err(Refusal::Passing("fewer bytes than were asked for".into()));
        }
        Ok(bytes)
    }
}

impl Version {
    /// From the headers of a range: `Content-Range: bytes 0-0/1234` (RFC 9110, section 14.4).
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

/// How often a request was sent so far.
struct Attempts<'a> {
    about: &'a About,
    made: usize,
    wait: Duration,
}

impl<'a> Attempts<'a> {
    fn new(about: &'a About) -> Self {
        Self {
            about,
            made: 0,
            wait: FIRST_WAIT,
        }
    }

    /// Waits until it is time for the next attempt, ever longer.
    ///
    /// # Errors
    /// Nothing more is to be hoped for.
    async fn after(&mut self, refusal: Refusal) -> Result<()> {
        let why = match refusal {
            Refusal::Final(error) => return Err(error),
            Refusal::Passing(why) => why,
        };
        self.made += 1;
        if self.made > MAX_RETRIES {
            let shown = self.about.shown.display();
            return Err(
                Error::refused(format!("cannot read {shown}: {why}")).hint(format!(
                    "it was tried {} times: check the address and the network",
                    self.made
                )),
            );
        }
        tokio::time::sleep(self.wait).await;
        self.wait *= 2;
        Ok(())
    }
}

enum Probed {
    Ranges(Version),
    Whole(TempPath),
}

struct Request<'a> {
    client: &'a Client,
    url: &'a Url,
    about: &'a About,
    /// Of a copy of the whole file.
    limit: u64,
}

impl Request<'_> {
    /// The first byte, or the whole file where the server does not send ranges.
    async fn probe(&self) -> std::result::Result<Probed, Refusal> {
        let response = self.send(&(0..1)).await?;
        let headers = response.headers();
        match response.status() {
            StatusCode::PARTIAL_CONTENT => Version::of(headers)
                .map(Probed::Ranges)
                .ok_or_else(|| self.refused("the server sends a range without its size")),
            // An empty file has no first byte.
            StatusCode::RANGE_NOT_SATISFIABLE => self.spool(None).await,
            _ => self.spool(Some(response)).await,
        }
    }

    async fn send(&self, range: &Range<u64>) -> std::result::Result<Response, Refusal> {
        let bytes = format!("bytes={}-{}", range.start, range.end - 1);
        let request = self.client.get(self.url.clone()).header(RANGE, bytes);
        let sent = request.header(ACCEPT_ENCODING, "identity").send().await;
        let response = sent.map_err(passing)?;
        let status = response.status();
        let shown = self.about.shown.display();
        match status {
            _ if status.is_success() || status == StatusCode::RANGE_NOT_SATISFIABLE => Ok(response),
            _ if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                Err(Refusal::Passing(format!("the server answers {status}")))
            }
            StatusCode::NOT_FOUND | StatusCode::GONE => Err(Refusal::Final(
                Error::usage(format!(
                    "{shown}: no such file: the server answers {status}"
                ))
                .hint("check the spelling of the URL"),
            )),
            StatusCode::PRECONDITION_FAILED => Err(Refusal::Final(self.about.replaced())),
            _ => Err(self.refused(&format!("the server answers {status}"))),
        }
    }

    fn refused(&self, why: &str) -> Refusal {
        let shown = self.about.shown.display();
        Refusal::Final(
            Error::refused(format!("cannot read {shown}: {why}"))
                .hint("check the URL, and whether it needs a login"),
        )
    }

    /// Copies the whole file; nothing where there is no response with a body.
    async fn spool(&self, response: Option<Response>) -> std::result::Result<Probed, Refusal> {
        let mut spool = Spool::new(self.about.shown.clone(), self.limit).map_err(Refusal::Final)?;
        if let Some(mut response) = response {
            while let Some(bytes) = response.chunk().await.map_err(passing)? {
                let written = spool.write_all(&bytes);
                written.map_err(|error| Refusal::Final(spool.failed(error)))?;
            }
        }
        spool.finish().map(Probed::Whole).map_err(Refusal::Final)
    }
}

/// The connection broke, was never made, or took too long.
fn passing(error: reqwest::Error) -> Refusal {
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
    Refusal::Passing(why)
}

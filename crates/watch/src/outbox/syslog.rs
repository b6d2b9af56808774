//! Syslog: each alert is an entry of RFC 5424. On streams, entries are framed by counts of octets (RFC 6587, section 3.4.1,
//! and RFC 5425).
//!
//! Syslog has no receipts. On a stream, the connection is therefore ended after the entries, and a receiver that has read
//! everything ends it too. Until then, nothing counts as delivered.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::process;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use honeyguide::{Error, Result};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixDatagram, UnixStream};
use tokio::runtime::Runtime;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::receivers::{Failure, Receiver};
use crate::alert::Alert;
use crate::formats::SyslogFormat;

/// The facility of entries: security and authorization messages.
const FACILITY: u8 = 4;
/// The most time for a connection, and for the entries.
const CONNECT_TIME: Duration = Duration::from_secs(5);
const SEND_TIME: Duration = Duration::from_secs(30);
/// The most time that a receiver is given to end a connection.
const END_TIME: Duration = Duration::from_secs(5);
/// The number of entries of one connection.
const AT_ONCE: u64 = 100;
/// The default port of TLS (RFC 5425), and that of TCP, which syslog daemons share.
const TLS_PORT: u16 = 6514;
const TCP_PORT: u16 = 601;

/// Where a syslog daemon listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyslogAddress {
    /// A host and a port, over TCP.
    Tcp(String, u16),
    /// A host and a port, over TLS.
    Tls(String, u16),
    /// A Unix socket, of datagrams or a stream.
    Unix(PathBuf),
}

impl FromStr for SyslogAddress {
    type Err = String;

    /// Reads `tcp://HOST[:PORT]`, `tls://HOST[:PORT]` or `unix:PATH`.
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return match path.starts_with('/') {
                true => Ok(Self::Unix(path.into())),
                false => Err("the path of a socket begins with /, as in unix:/dev/log".to_owned()),
            };
        }
        let of = |rest: &str, default| -> std::result::Result<(String, u16), String> {
            let wrong = || format!("`{rest}` is not HOST or HOST:PORT");
            let url = url::Url::parse(&format!("syslog://{rest}")).map_err(|_| wrong())?;
            let is_bare = url.username().is_empty()
                && url.password().is_none()
                && matches!(url.path(), "" | "/")
                && url.query().is_none()
                && url.fragment().is_none();
            let host = url
                .host_str()
                .filter(|host| is_bare && !host.is_empty())
                .ok_or_else(wrong)?;
            let host = host.trim_start_matches('[').trim_end_matches(']');
            Ok((host.to_owned(), url.port().unwrap_or(default)))
        };
        if let Some(rest) = text.strip_prefix("tcp://") {
            return of(rest, TCP_PORT).map(|(host, port)| Self::Tcp(host, port));
        }
        if let Some(rest) = text.strip_prefix("tls://") {
            return of(rest, TLS_PORT).map(|(host, port)| Self::Tls(host, port));
        }
        Err("an address is tcp://HOST:PORT, tls://HOST:PORT or unix:PATH".to_owned())
    }
}

/// A syslog daemon that receives alerts.
pub struct Syslog {
    name: String,
    address: SyslogAddress,
    format: SyslogFormat,
    /// The name of this host, as in entries.
    host: String,
    tls: Option<TlsConnector>,
}

impl Syslog {
    /// Returns the daemon at `address`. Certificates of TLS are checked with those that this machine trusts.
    ///
    /// # Errors
    /// Fails when this machine trusts no certificates and the address is one of TLS.
    pub fn new(address: SyslogAddress, format: SyslogFormat) -> Result<Self> {
        let place = match &address {
            SyslogAddress::Tcp(host, port) => format!("tcp://{host}:{port}"),
            SyslogAddress::Tls(host, port) => format!("tls://{host}:{port}"),
            SyslogAddress::Unix(path) => format!("unix:{}", path.display()),
        };
        let tls = match address {
            SyslogAddress::Tls(..) => Some(connector()?),
            SyslogAddress::Tcp(..) | SyslogAddress::Unix(_) => None,
        };
        Ok(Self {
            name: format!("syslog {place} ({})", format.name()),
            address,
            format,
            host: host_name(),
            tls,
        })
    }

    /// Returns the entry of an alert.
    fn entry(&self, alert: &Alert) -> std::result::Result<String, Failure> {
        let entry = self.format.entry(&alert.json).map_err(|error| Failure {
            is_refusal: true,
            ..Failure::new(format!("an alert that cannot be read: {error}"))
        })?;
        let priority = FACILITY * 8 + entry.severity;
        let (time, host, process, kind) = (&entry.time, &self.host, process::id(), entry.kind);
        // A mark of byte order says that the message is UTF-8 (RFC 5424, section 6.4).
        Ok(format!(
            "<{priority}>1 {time} {host} honeyguide {process} {kind} - \u{feff}{}",
            entry.message
        ))
    }

    async fn deliver(&self, entries: Vec<String>) -> std::result::Result<(), Failure> {
        match &self.address {
            SyslogAddress::Tcp(host, port) => {
                let stream = in_time(CONNECT_TIME, TcpStream::connect((host.as_str(), *port)));
                to_stream(stream.await?, &entries).await
            }
            SyslogAddress::Tls(host, port) => {
                let stream =
                    in_time(CONNECT_TIME, TcpStream::connect((host.as_str(), *port))).await?;
                let connector = self.tls.as_ref().expect("made with the address");
                let name = ServerName::try_from(host.clone())
                    .map_err(|_| Failure::new(format!("`{host}` is no name of a server")))?;
                let stream = in_time(CONNECT_TIME, connector.connect(name, stream)).await?;
                to_stream(stream, &entries).await
            }
            SyslogAddress::Unix(path) => match UnixStream::connect(path).await {
                Ok(stream) => to_stream(stream, &entries).await,
                Err(_) => {
                    // A socket of datagrams refuses a stream. Its own error says what else is wrong.
                    let socket = UnixDatagram::unbound().map_err(failure)?;
                    socket.connect(path).map_err(failure)?;
                    for entry in entries {
                        in_time(SEND_TIME, socket.send(entry.as_bytes())).await?;
                    }
                    Ok(())
                }
            },
        }
    }
}

impl Receiver for Syslog {
    fn name(&self) -> &str {
        &self.name
    }

    fn send(&mut self, alerts: &[Alert], runtime: &Runtime) -> std::result::Result<(), Failure> {
        let entries = alerts
            .iter()
            .map(|alert| self.entry(alert))
            .collect::<std::result::Result<_, _>>()?;
        runtime.block_on(self.deliver(entries))
    }

    fn at_once(&self) -> u64 {
        AT_ONCE
    }
}

/// Sends entries on a stream, and waits until the receiver has read them all.
async fn to_stream(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    entries: &[String],
) -> std::result::Result<(), Failure> {
    let mut frames = Vec::new();
    for entry in entries {
        frames.extend_from_slice(format!("{} {entry}", entry.len()).as_bytes());
    }
    in_time(SEND_TIME, async {
        stream.write_all(&frames).await?;
        stream.flush().await?;
        stream.shutdown().await
    })
    .await?;
    let mut ignored = [0; 512];
    let ended = timeout(END_TIME, async {
        while stream.read(&mut ignored).await? > 0 {}
        Ok::<_, std::io::Error>(())
    });
    match ended.await {
        // A daemon that ends a connection of TLS without notice has seen the notice of ours.
        Ok(Err(error)) if error.kind() == ErrorKind::UnexpectedEof => Ok(()),
        Ok(ended) => ended.map_err(failure),
        // A receiver that leaves the connection open would get the same entries for ever.
        Err(_) => Ok(()),
    }
}

/// Does something that may take at most `time`.
async fn in_time<T>(
    time: Duration,
    work: impl Future<Output = std::io::Result<T>>,
) -> std::result::Result<T, Failure> {
    match timeout(time, work).await {
        Ok(done) => done.map_err(failure),
        Err(_) => Err(Failure::new("no answer in time")),
    }
}

fn failure(error: std::io::Error) -> Failure {
    Failure::new(error.to_string())
}

/// Returns the name of this host as it stands in entries: a word of visible ASCII characters, or a hyphen if there is none
/// (RFC 5424, section 6.2.4).
fn host_name() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    let is_word = name.bytes().all(|byte| byte.is_ascii_graphic());
    match (1..=255).contains(&name.len()) && is_word {
        true => name.to_owned(),
        false => "-".to_owned(),
    }
}

/// Returns what makes connections of TLS with servers that this machine trusts.
fn connector() -> Result<TlsConnector> {
    let mut trusted = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    trusted.add_parsable_certificates(found.certs);
    if trusted.is_empty() {
        return Err(Error::usage("tls: this machine trusts no certificates")
            .hint("install those of your system, such as Debian's package ca-certificates, or name a file in SSL_CERT_FILE"));
    }
    let config = ClientConfig::builder()
        .with_root_certificates(trusted)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> std::result::Result<SyslogAddress, String> {
        text.parse()
    }

    #[test]
    fn addresses_have_three_forms() {
        use SyslogAddress::{Tcp, Tls, Unix};
        for (text, expected) in [
            ("tcp://log.example:1514", Tcp("log.example".into(), 1514)),
            ("tcp://log.example", Tcp("log.example".into(), 601)),
            ("tls://[2001:db8::1]:1", Tls("2001:db8::1".into(), 1)),
            ("tls://log.example/", Tls("log.example".into(), 6514)),
            ("unix:/dev/log", Unix("/dev/log".into())),
            ("unix:///dev/log", Unix("/dev/log".into())),
        ] {
            assert_eq!(read(text), Ok(expected), "{text}");
        }
        for wrong in [
            "udp://h:1",
            "log.example:514",
            "tcp://",
            "tcp://me:pw@h",
            "tcp://h/x",
            "tcp://h:99999",
            "unix:log",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}

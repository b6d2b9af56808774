//! Addresses to listen at.

use std::fmt::{self, Display, Formatter};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// Where records come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAddress {
    /// Lines over TCP.
    Tcp(SocketAddr),
    /// Lines over a Unix socket.
    Unix(PathBuf),
    /// `POST /events` over HTTP.
    Http(SocketAddr),
}

impl ListenAddress {
    /// Returns the same address with another socket, if it has one.
    pub(super) fn with(&self, socket: SocketAddr) -> Self {
        match self {
            Self::Tcp(_) => Self::Tcp(socket),
            Self::Http(_) => Self::Http(socket),
            Self::Unix(path) => Self::Unix(path.clone()),
        }
    }
}

impl FromStr for ListenAddress {
    type Err = String;

    /// Reads `tcp://IP:PORT`, `unix:PATH` or `http://IP:PORT`.
    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return match path.starts_with('/') {
                true => Ok(Self::Unix(path.into())),
                false => Err(
                    "the path of a socket begins with /, as in unix:/run/honeyguide.sock"
                        .to_owned(),
                ),
            };
        }
        let socket = |rest: &str| -> Result<SocketAddr, String> {
            let rest = rest.strip_suffix('/').unwrap_or(rest);
            rest.parse()
                .map_err(|_| format!("`{rest}` is not IP:PORT, as in 127.0.0.1:9912"))
        };
        if let Some(rest) = text.strip_prefix("tcp://") {
            return socket(rest).map(Self::Tcp);
        }
        if let Some(rest) = text.strip_prefix("http://") {
            return socket(rest).map(Self::Http);
        }
        Err("an address is tcp://IP:PORT, unix:PATH or http://IP:PORT".to_owned())
    }
}

impl Display for ListenAddress {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "tcp://{address}"),
            Self::Http(address) => write!(f, "http://{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_others_are_refused() {
        for (text, shown) in [
            ("tcp://127.0.0.1:5140", "tcp://127.0.0.1:5140"),
            ("http://[::1]:80/", "http://[::1]:80"),
            ("unix:/run/h.sock", "unix:/run/h.sock"),
            ("unix:///run/h.sock", "unix:/run/h.sock"),
        ] {
            let address: ListenAddress = text.parse().expect(text);
            assert_eq!(address.to_string(), shown);
        }
        for text in [
            "",
            "5140",
            "tcp://host:1",
            "https://127.0.0.1:1",
            "unix:run",
            "http://127.0.0.1",
        ] {
            assert!(text.parse::<ListenAddress>().is_err(), "{text}");
        }
    }
}

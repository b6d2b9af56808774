//! The address of a scheduler.

use std::fmt::{self, Display, Formatter};
use std::net::IpAddr;
use std::str::FromStr;

use honeyguide::{Error, Result, redacted};
use url::Url;

use crate::access::Access;

/// The port of a scheduler whose address has no port.
const DEFAULT_PORT: u16 = 50050;
const SCHEME: &str = "df";

/// A scheduler's host and port, written `df://host:50050` or `host:50050`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchedulerAddress {
    host: String,
    port: u16,
}

impl SchedulerAddress {
    /// Returns the URL of the scheduler's calls and pages, without a slash at the end.
    pub(crate) fn url(&self, access: &Access) -> String {
        format!("{}://{self}", access.scheme())
    }

    /// Returns whether this is a loopback address, which other machines cannot reach.
    pub(crate) fn is_loopback(&self) -> bool {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
    }
}

impl FromStr for SchedulerAddress {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = |why: &str| {
            let shown = redacted(text);
            Error::usage(format!("`{shown}` is no address of a scheduler: {why}"))
                .hint("write it as df://host:50050 or host:50050")
        };
        let url = match text.split_once("://") {
            Some((SCHEME, _)) => Url::parse(text),
            Some(_) => return Err(wrong("it is neither df:// nor host:port")),
            None => Url::parse(&format!("{SCHEME}://{text}")),
        };
        let url = url.map_err(|error| wrong(&error.to_string()))?;
        let host = url.host_str().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| wrong("it names no host"))?.to_owned();
        let has_more = !matches!(url.path(), "" | "/")
            || url.query().is_some()
            || url.fragment().is_some()
            || !url.username().is_empty()
            || url.password().is_some();
        match url.port() {
            _ if has_more => Err(wrong("it says more than a host and a port")),
            Some(0) => Err(wrong("port 0 is none")),
            port => Ok(Self {
                host,
                port: port.unwrap_or(DEFAULT_PORT),
            }),
        }
    }
}

impl Display for SchedulerAddress {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scheme_and_a_port_may_be_left_out() {
        for (text, expected) in [
            ("df://node-1:50051", "node-1:50051"),
            ("node-1:80", "node-1:80"),
            ("node-1", "node-1:50050"),
            ("df://10.0.0.7/", "10.0.0.7:50050"),
            ("[::1]:50050", "[::1]:50050"),
        ] {
            let address: SchedulerAddress = text.parse().unwrap();
            assert_eq!(address.to_string(), expected, "{text}");
            let url = address.url(&Access::default());
            assert_eq!(url, format!("http://{expected}"));
        }
    }

    #[test]
    fn loopback_is_known_by_its_names() {
        let is_loopback = |text: &str| text.parse::<SchedulerAddress>().unwrap().is_loopback();
        for text in ["127.0.0.1", "127.1.2.3:7", "[::1]:50050", "localhost"] {
            assert!(is_loopback(text), "{text}");
        }
        for text in ["10.0.0.1", "[fe80::1]", "node-1"] {
            assert!(!is_loopback(text), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_its_reason() {
        for (text, why) in [
            ("", "host"),
            ("http://node-1:50050", "df://"),
            ("node-1:port", "port"),
            ("node-1:70000", "port"),
            ("node-1:0", "port 0"),
            ("df://user:secret@node-1", "more than"),
            ("df://node-1/path", "more than"),
        ] {
            let error = text.parse::<SchedulerAddress>().unwrap_err();
            let error = error.to_string();
            assert!(
                error.contains(why) && !error.contains("secret"),
                "{text}: {error}"
            );
        }
    }
}

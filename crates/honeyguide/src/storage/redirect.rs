//! Which redirects of a web server are followed: those that stay on its host, and those to hosts that the caller names.

use std::fmt::Display;
use std::net::{IpAddr, Ipv6Addr};

use reqwest::header::{HeaderMap, LOCATION};
use reqwest::redirect::{Attempt, Policy};
use url::{Host, Url};

use crate::error::Error;
use crate::naming::parameter;

/// The storage option with the names of the hosts to which servers may redirect, separated by commas.
pub(super) const OPTION: &str = "http_redirect_hosts";
/// The most redirects of one request.
const MAX_REDIRECTS: usize = 5;

/// Returns the policy of a client. What it does not follow is an answer with a redirect, for [`refused`].
pub(super) fn policy(hosts: Vec<String>) -> Policy {
    Policy::custom(move |attempt| match is_followed(&attempt, &hosts) {
        true => attempt.follow(),
        false => attempt.stop(),
    })
}

/// Returns the policy of a client that sends data: it follows redirects on the same host that keep the method and the body
/// of a request (307 and 308). After any other, the data would not arrive.
#[must_use]
pub fn follow_when_sending() -> Policy {
    Policy::custom(|attempt| {
        let keeps_body = matches!(attempt.status().as_u16(), 307 | 308);
        match keeps_body && is_followed(&attempt, &[]) {
            true => attempt.follow(),
            false => attempt.stop(),
        }
    })
}

/// Returns whether a redirect is followed, to the host that it comes from or to one of `hosts`.
fn is_followed(attempt: &Attempt, hosts: &[String]) -> bool {
    let from = attempt.previous();
    let is_allowed = |from: &Url| why_refused(from, attempt.url(), hosts).is_none();
    from.len() <= MAX_REDIRECTS && from.last().is_some_and(is_allowed)
}

/// Returns why a redirect is not followed; `None` if it is.
fn why_refused(from: &Url, to: &Url, hosts: &[String]) -> Option<&'static str> {
    let is_named = |host: &str| hosts.iter().any(|named| named.eq_ignore_ascii_case(host));
    let is_upgrade = (from.scheme(), to.scheme()) == ("http", "https")
        && from.host() == to.host()
        && (from.port(), to.port()) == (None, None);
    let is_same = from.origin() == to.origin() || is_upgrade;
    match to.scheme() {
        "http" if from.scheme() == "https" => Some("which is not encrypted"),
        "http" | "https" if is_link_local(to) => Some("which is an address of the local link"),
        "http" | "https" if is_same || to.host_str().is_some_and(is_named) => None,
        _ => Some("which is another host"),
    }
}

/// Returns whether a URL names an address that is valid on the local link alone. Machines of a cloud are given credentials
/// there.
fn is_link_local(url: &Url) -> bool {
    let is_v6 = |address: &Ipv6Addr| {
        address.is_unicast_link_local()
            || address
                .to_ipv4_mapped()
                .is_some_and(|address| address.is_link_local())
    };
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_link_local(),
        Some(Host::Ipv6(address)) => is_v6(&address),
        Some(Host::Domain(name)) => match name.parse() {
            Ok(IpAddr::V4(address)) => address.is_link_local(),
            Ok(IpAddr::V6(address)) => is_v6(&address),
            Err(_) => false,
        },
        None => false,
    }
}

/// Returns the error of a redirect that is not followed. The new address may hold a secret: only its host is shown.
pub(super) fn refused(shown: &dyn Display, from: &Url, headers: &HeaderMap) -> Error {
    let to = headers.get(LOCATION).and_then(|to| to.to_str().ok());
    let to = to.and_then(|to| from.join(to).ok());
    let place = to.as_ref().map_or_else(
        || "nowhere".to_owned(),
        |to| format!("{}://{}", to.scheme(), to.host_str().unwrap_or_default()),
    );
    let why = match &to {
        Some(to) => why_refused(from, to, &[]).unwrap_or("again and again"),
        None => "without an address",
    };
    Error::refused(format!(
        "cannot read {shown}: the server redirects to {place}, {why}"
    ))
    .hint(format!(
        "give the URL of the file itself, or allow other hosts: {} {OPTION}=HOST",
        parameter("storage_option")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_and_named_hosts_are_followed() {
        let hosts = ["cdn.example".to_owned(), "169.254.169.254".to_owned()];
        for (from, to, is_followed) in [
            ("http://a/x", "http://a/y?z", true),
            ("http://a/x", "https://a/x", true),
            ("http://a:81/x", "http://a:82/x", false),
            ("http://a/x", "http://b/x", false),
            ("http://a/x", "https://CDN.example/x", true),
            ("https://a/x", "http://a/x", false),
            ("https://a/x", "http://cdn.example/x", false),
            ("https://a/x", "ftp://a/x", false),
            ("http://a/x", "http://169.254.169.254/latest", false),
            ("http://a/x", "http://[fe80::1]/", false),
            ("http://a/x", "http://[::ffff:169.254.169.254]/", false),
            ("http://a/x", "http://0xa9fea9fe/", false),
        ] {
            let [parsed_from, parsed_to] = [from, to].map(|url| Url::parse(url).unwrap());
            let found = why_refused(&parsed_from, &parsed_to, &hosts);
            assert_eq!(found.is_none(), is_followed, "{from} to {to}: {found:?}");
        }
    }
}

//! Who may use the port of a node. A cluster can have a token, which clients, schedulers and executors know, and an authority
//! whose certificates they show each other over TLS. Besides, each executor has a secret that it shares with its scheduler
//! alone, so that nobody else can speak in its name.

mod credentials;
mod guard;
pub(crate) mod tls;

pub(crate) use credentials::{Credentials, Secret, presented_secret};
pub(crate) use guard::{Guard, OPEN_PAGE};
pub use tls::Tls;

use std::net::SocketAddr;

use honeyguide::{Error, Result, Token};

/// What keeps strangers out of a cluster. All of its nodes and clients have the same.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// The token that every request shows.
    pub token: Option<Token>,
    /// The certificates of mutual TLS.
    pub tls: Option<Tls>,
}

impl Access {
    /// Returns the scheme of URLs of nodes.
    pub(crate) fn scheme(&self) -> &'static str {
        match &self.tls {
            Some(_) => tls::SCHEME,
            None => "http",
        }
    }

    /// Returns what is shown to other nodes, besides the secret of an executor.
    pub(crate) fn credentials(&self) -> Credentials {
        Credentials {
            token: self.token.clone(),
            tls: self.tls.clone(),
            secret: None,
        }
    }

    /// Refuses to listen where other machines can connect if nothing keeps strangers out.
    ///
    /// # Errors
    /// `address` is not loopback, there is neither a token nor TLS, and strangers were not accepted with `insecure`.
    pub(crate) fn check_exposure(&self, address: SocketAddr, insecure: bool) -> Result<()> {
        let is_closed = self.token.is_some() || self.tls.is_some();
        if address.ip().is_loopback() || is_closed || insecure {
            return Ok(());
        }
        Err(Error::usage(format!(
            "other machines can reach {address}, and nothing would keep strangers out"
        ))
        .hint(
            "give every node and command the same secret with --token-file FILE, or certificates with --tls-cert, \
             --tls-key and --tls-ca; where only friends can connect, --insecure listens without them",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_needs_no_token() {
        for (address, token, insecure, is_fine) in [
            ("127.0.0.1:1", false, false, true),
            ("[::1]:1", false, false, true),
            ("0.0.0.0:1", false, false, false),
            ("[::]:1", false, false, false),
            ("10.0.0.1:1", false, false, false),
            ("10.0.0.1:1", true, false, true),
            ("10.0.0.1:1", false, true, true),
        ] {
            let access = Access {
                token: Token::new("0123456789abcdef").filter(|_| token),
                tls: None,
            };
            let checked = access.check_exposure(address.parse().unwrap(), insecure);
            assert_eq!(checked.is_ok(), is_fine, "{address} {token} {insecure}");
        }
    }
}

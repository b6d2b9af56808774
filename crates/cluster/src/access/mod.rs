//! Who may use the port of a node. A cluster can have a token, which clients, schedulers and executors know. Besides, each
//! executor has a secret that it shares with its scheduler alone, so that nobody else can speak in its name.

mod credentials;
mod guard;

pub(crate) use credentials::{Credentials, Secret, presented_secret};
pub(crate) use guard::{Guard, OPEN_PAGE};

use std::net::SocketAddr;

use honeyguide::{Error, Result};

/// Refuses to listen where other machines can connect if nothing keeps strangers out.
///
/// # Errors
/// `address` is not loopback, there is no token, and strangers were not accepted with `insecure`.
pub(crate) fn check_exposure(address: SocketAddr, has_token: bool, insecure: bool) -> Result<()> {
    if address.ip().is_loopback() || has_token || insecure {
        return Ok(());
    }
    Err(Error::usage(format!(
        "other machines can reach {address}, and nothing would keep strangers out"
    ))
    .hint(
        "give every node and command the same secret with --token-file FILE; where only friends can connect, \
         --insecure listens without one",
    ))
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
            let checked = check_exposure(address.parse().unwrap(), token, insecure);
            assert_eq!(checked.is_ok(), is_fine, "{address} {token} {insecure}");
        }
    }
}

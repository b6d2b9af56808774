//! Inputs that others connect to: lines over TCP and Unix sockets, and requests over HTTP.

mod address;
mod body;
mod http;
mod lines;

use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io, thread};

use honeyguide::{Error, Format, Result, Token};

pub use address::ListenAddress;
#[cfg(any(test, fuzzing))]
pub(crate) use body::records as body_records;
pub use http::MAX_BODY_BYTES;
pub use lines::{MAX_CONNECTIONS, MAX_UNFINISHED_BYTES};

use crate::queue::Queue;

/// The mode of a Unix socket: its owner and its group may connect.
const SOCKET_MODE: u32 = 0o660;

/// A port or a socket that records come to.
#[derive(Debug)]
pub struct Listener {
    name: PathBuf,
    place: String,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
    Http(TcpListener, Option<Token>),
}

impl Listener {
    /// Listens at an address. Senders over HTTP must know `token`, if there is one. A Unix socket that a process has left
    /// behind is replaced.
    ///
    /// # Errors
    /// Fails when other machines can reach the address and nothing keeps strangers out, and when the system refuses it.
    pub fn bind(address: &ListenAddress, token: Option<&Token>) -> Result<Self> {
        let name = address.to_string();
        let failed = |error| Error::io("listen on", Path::new(&name), error);
        let tcp = |address: SocketAddr| -> Result<TcpListener> {
            let listener = TcpListener::bind(address).map_err(failed)?;
            listener.set_nonblocking(true).map_err(failed)?;
            Ok(listener)
        };
        let kind = match address {
            ListenAddress::Tcp(address) if !address.ip().is_loopback() => {
                return Err(exposed(
                    address,
                    "lines over TCP have no password: listen with http:// and a token",
                ));
            }
            ListenAddress::Http(address) if !address.ip().is_loopback() && token.is_none() => {
                return Err(exposed(
                    address,
                    "give senders a secret with --listen-token-file FILE",
                ));
            }
            ListenAddress::Tcp(address) => Kind::Tcp(tcp(*address)?),
            ListenAddress::Http(address) => Kind::Http(tcp(*address)?, token.cloned()),
            ListenAddress::Unix(path) => {
                let listener = bound(path).map_err(failed)?;
                Kind::Unix(listener, path.clone())
            }
        };
        let place = match &kind {
            Kind::Tcp(listener) | Kind::Http(listener, _) => address
                .with(listener.local_addr().map_err(failed)?)
                .to_string(),
            Kind::Unix(..) => name.clone(),
        };
        Ok(Self {
            name: name.into(),
            place,
            kind,
        })
    }

    /// Returns the name of the input: the address as it was given.
    #[must_use]
    pub fn name(&self) -> &Path {
        &self.name
    }

    /// Returns the address with the port that the system chose, if it was 0.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Sends what comes to `queue` as the input number `input`, until the queue is closed. `format` is that of the records,
    /// if it is known.
    pub fn serve(self, queue: &Arc<Queue>, input: usize, format: Option<Format>) {
        match self.kind {
            Kind::Tcp(listener) => lines::serve(&listener, queue, input, format),
            Kind::Unix(listener, path) => {
                lines::serve(&listener, queue, input, format);
                // A socket that is left behind does no harm.
                let _ = fs::remove_file(path);
            }
            Kind::Http(listener, token) => http::serve(listener, token, queue, input, format),
        }
    }
}

/// Returns the error of an address that strangers can reach.
fn exposed(address: &SocketAddr, hint: &str) -> Error {
    Error::usage(format!(
        "other machines can reach {address}, and nothing would keep strangers out"
    ))
    .hint(hint.to_owned())
}

/// Listens on a Unix socket.
fn bound(path: &Path) -> io::Result<UnixListener> {
    let is_left_behind = fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket())
        && UnixStream::connect(path).is_err();
    if is_left_behind {
        fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(SOCKET_MODE))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Waits before it is looked again whether somebody connects.
fn pause() {
    thread::sleep(std::time::Duration::from_millis(20));
}

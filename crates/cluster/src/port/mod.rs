//! The port of a node, which serves both Ballista's calls and web pages.

mod connections;

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::Path;

use axum::extract::{ConnectInfo, Request};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use axum::{Router, middleware};
use honeyguide::{Error, Result};
use tokio::net::TcpListener;
use tonic::service::Routes;

pub(crate) use self::connections::{Peer, Port};
use crate::access::{Guard, OPEN_PAGE};

/// Listens on `address`. Returns the listener and its address, in which port 0 is replaced by the actual port.
///
/// # Errors
/// The address is not one of this machine, or the system refuses the port. A hint says what may help.
pub(crate) async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr)> {
    let refused = |error: std::io::Error| {
        let hint = match error.kind() {
            ErrorKind::AddrNotAvailable => {
                return Error::usage(format!("{address} is not an address of this machine"))
                    .hint("`ip address` lists its addresses; 0.0.0.0 stands for all of them");
            }
            ErrorKind::AddrInUse => "another program has this port: choose one with --bind",
            ErrorKind::PermissionDenied => "ports below 1024 need a privilege: choose one above",
            _ => "choose another address with --bind",
        };
        failed("listen on", address, error).hint(hint)
    };
    let listener = TcpListener::bind(address).await.map_err(refused)?;
    let bound = listener.local_addr().map_err(refused)?;
    Ok((listener, bound))
}

/// Returns an error for a system error that occurred while doing `what` with `address`.
pub(crate) fn failed(what: &str, address: SocketAddr, error: std::io::Error) -> Error {
    Error::io(what, Path::new(&address.to_string()), error)
}

/// Returns a router for Ballista's calls, the pages that every node has, and `pages`, each of which is a path and what
/// answers it. `guard` checks all requests.
pub(crate) fn router(calls: Routes, pages: Vec<(&str, MethodRouter)>, guard: Guard) -> Router {
    let mut router = calls.into_axum_router();
    for (path, page) in pages {
        router = router.route(path, page);
    }
    router
        .route(OPEN_PAGE, get(async || "ok\n"))
        .fallback(async || (StatusCode::NOT_FOUND, "no such page\n"))
        .layer(middleware::from_fn_with_state(guard, Guard::check))
        .layer(middleware::from_fn(with_peer))
}

/// Tells Ballista the address of the other side, where it looks for it.
async fn with_peer(peer: ConnectInfo<Peer>, mut request: Request, next: Next) -> Response {
    let ConnectInfo(Peer(address)) = peer;
    request.extensions_mut().insert(ConnectInfo(address));
    next.run(request).await
}

//! The connections that a port accepts, over TLS or without it.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::access::Tls;
use crate::metrics::{Refusal, Refusals};

/// The longest time of a TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// The most handshakes at once. Other connections wait.
const MAX_HANDSHAKES: usize = 256;

/// A connection.
pub(crate) enum Connection {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// The address of the other side of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(super) SocketAddr);

impl Connected<IncomingStream<'_, Port>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Port>) -> Self {
        Self(*stream.remote_addr())
    }
}

/// A port that is listened on. Handshakes do not wait for each other, so that a silent stranger holds up nobody.
pub(crate) struct Port {
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    handshakes: JoinSet<Option<(Connection, SocketAddr)>>,
    refusals: Arc<Refusals>,
}

impl Port {
    pub(crate) fn new(listener: TcpListener, tls: Option<&Tls>, refusals: Arc<Refusals>) -> Self {
        Self {
            listener,
            tls: tls.map(Tls::acceptor),
            handshakes: JoinSet::new(),
            refusals,
        }
    }

    fn begin(&mut self, tls: TlsAcceptor, stream: TcpStream, peer: SocketAddr) {
        let refusals = Arc::clone(&self.refusals);
        self.handshakes.spawn(async move {
            let why = match timeout(HANDSHAKE, tls.accept(stream)).await {
                Ok(Ok(stream)) => return Some((Connection::Tls(Box::new(stream)), peer)),
                Ok(Err(error)) => error.to_string(),
                Err(_) => "no TLS handshake in time".to_owned(),
            };
            refusals.note(
                Refusal::Certificate,
                &format!("a connection from {peer}: {why}"),
            );
            None
        });
    }
}

impl Listener for Port {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        loop {
            tokio::select! {
                Some(ended) = self.handshakes.join_next() => {
                    if let Ok(Some(connection)) = ended {
                        return connection;
                    }
                }
                (stream, peer) = Listener::accept(&mut self.listener), if self.handshakes.len() < MAX_HANDSHAKES => {
                    // Small answers are sent at once. If this fails, the connection is only slower.
                    let _ = stream.set_nodelay(true);
                    match self.tls.clone() {
                        Some(tls) => self.begin(tls, stream, peer),
                        None => return (Connection::Plain(stream), peer),
                    }
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

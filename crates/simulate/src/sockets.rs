//! Calls on sockets and descriptors. Each function writes the rows that the sensor records for its calls.

use super::call::{BAD_DESCRIPTOR, Call, NO_SUCH_FILE, TRY_AGAIN};
use super::host::Host;
use super::process::Task;
use super::text::{Arg, Peer, Value};

impl Host<'_, '_> {
    /// Opens a socket and returns its descriptor.
    pub(super) fn socket(&mut self, task: Task, domain: &'static str, kind: &'static str) -> i64 {
        let fd = self.tasks.allocate(task);
        let args = [
            Arg("domain", "int", Value::Text(domain)),
            Arg("type", "int", Value::Text(kind)),
            Arg::number("protocol", "int", 0),
        ];
        self.emit(task, Call::Socket, fd, &args);
        fd
    }

    /// Connects a socket, with the result `returns`.
    pub(super) fn connect(&mut self, task: Task, fd: i64, peer: &Peer<'_>, returns: i64) {
        self.emit_with_peer(task, Call::Connect, fd, peer, returns);
    }

    /// Binds a socket to an address.
    pub(super) fn bind(&mut self, task: Task, fd: i64, peer: &Peer<'_>) {
        self.emit_with_peer(task, Call::Bind, fd, peer, 0);
    }

    fn emit_with_peer(&mut self, task: Task, call: Call, fd: i64, peer: &Peer<'_>, returns: i64) {
        let length = match peer {
            Peer::Unix(_) => 110,
            Peer::Netlink => 12,
            Peer::Internet { .. } => 16,
        };
        let args = [
            Arg::number("sockfd", "int", fd),
            Arg("addr", "struct sockaddr*", Value::Peer(peer)),
            Arg::number("addrlen", "int", length),
        ];
        self.emit(task, call, returns, &args);
    }

    /// Lets a socket listen for connections.
    pub(super) fn listen(&mut self, task: Task, fd: i64) {
        self.emit(
            task,
            Call::Listen,
            0,
            &[
                Arg::number("sockfd", "int", fd),
                Arg::number("backlog", "int", 128),
            ],
        );
    }

    /// Accepts a connection of `peer` on the socket `fd` and returns its descriptor.
    pub(super) fn accept(&mut self, task: Task, fd: i64, peer: &Peer<'_>) -> i64 {
        let new = self.tasks.allocate(task);
        let args = self.returned_address(task, fd, peer);
        self.emit(task, Call::Accept, new, &args);
        new
    }

    /// Accepts a connection as [`Host::accept`] does, with flags. The call fails if no `peer` is waiting.
    pub(super) fn accept4(&mut self, task: Task, fd: i64, peer: Option<&Peer<'_>>) -> i64 {
        let new = if peer.is_some() {
            self.tasks.allocate(task)
        } else {
            TRY_AGAIN
        };
        let nobody = Peer::Internet {
            address: [0; 4],
            port: 0,
            order: 0,
        };
        let [socket, address, length] = self.returned_address(task, fd, peer.unwrap_or(&nobody));
        let flags = Arg("flags", "int", Value::Text("SOCK_CLOEXEC|SOCK_NONBLOCK"));
        self.emit(task, Call::Accept4, new, &[socket, address, length, flags]);
        new
    }

    /// Asks for the local address of a socket, which is the host's address with `port`.
    pub(super) fn getsockname(&mut self, task: Task, fd: i64, port: u16) {
        let own = self.internet(self.address, port);
        let args = self.returned_address(task, fd, &own);
        self.emit(task, Call::Getsockname, 0, &args);
    }

    /// Returns the arguments of a call that writes a socket address to memory.
    fn returned_address<'a>(&self, task: Task, fd: i64, peer: &'a Peer<'a>) -> [Arg<'a>; 3] {
        [
            Arg::number("sockfd", "int", fd),
            Arg("addr", self.dialect.address, Value::Peer(peer)),
            Arg(
                "addrlen",
                "int*",
                Value::Pointer(self.tasks.image(task).stack + 0xF3C),
            ),
        ]
    }

    /// Closes a descriptor. The call fails if it is not open.
    pub(super) fn close(&mut self, task: Task, fd: i64) {
        let returns = if self.tasks.release(task, fd) {
            0
        } else {
            BAD_DESCRIPTOR
        };
        self.emit(task, Call::Close, returns, &[Arg::number("fd", "int", fd)]);
    }

    /// Duplicates a descriptor to the lowest free one and returns that.
    pub(super) fn dup(&mut self, task: Task, fd: i64) -> i64 {
        let new = self.tasks.allocate(task);
        self.emit(task, Call::Dup, new, &[Arg::number("oldfd", "int", fd)]);
        new
    }

    /// Duplicates the descriptor `old` to `new`.
    pub(super) fn dup2(&mut self, task: Task, old: i64, new: i64) {
        self.tasks.take(task, new);
        self.emit(
            task,
            Call::Dup2,
            new,
            &[
                Arg::number("oldfd", "int", old),
                Arg::number("newfd", "int", new),
            ],
        );
    }

    /// Sends one datagram to the Unix socket of a local service.
    pub(super) fn tell(&mut self, task: Task, service: &str) {
        let fd = self.socket(task, "AF_UNIX", "SOCK_DGRAM|SOCK_CLOEXEC");
        self.connect(task, fd, &Peer::Unix(service), 0);
        self.close(task, fd);
    }

    /// Returns an internet address with a random order of the keys in its row.
    pub(super) fn internet(&mut self, address: [u8; 4], port: u16) -> Peer<'static> {
        let order = if self.random.one_in(4) {
            self.random.below(3)
        } else {
            0
        };
        Peer::Internet {
            address,
            port,
            order,
        }
    }

    /// Draws the address of a client on the internet.
    pub(super) fn somebody(&mut self) -> Peer<'static> {
        let [a, b, c, d] = self.random.bits().to_le_bytes();
        let port = self.ephemeral_port();
        self.internet([a % 200 + 11, b, c, d], port)
    }

    /// Draws a port from the range that Linux gives to clients.
    pub(super) fn ephemeral_port(&mut self) -> u16 {
        self.random.between(32_768, 61_000) as u16
    }

    /// Looks up a host name. No name cache is running, so the resolver of the host is asked.
    pub(super) fn resolve_name(&mut self, task: Task, name: &str) {
        let fd = self.socket(task, "AF_UNIX", "SOCK_STREAM|SOCK_CLOEXEC|SOCK_NONBLOCK");
        self.connect(task, fd, &Peer::Unix("/var/run/nscd/socket"), NO_SUCH_FILE);
        self.close(task, fd);
        let fd = self.socket(task, "AF_INET", "SOCK_DGRAM|SOCK_CLOEXEC|SOCK_NONBLOCK");
        let resolver = self.internet([127, 0, 0, 53], 53);
        self.connect(task, fd, &resolver, 0);
        self.look_up(task, name, 1);
        self.close(task, fd);
    }
}

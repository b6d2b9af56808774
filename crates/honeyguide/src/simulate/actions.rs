//! What a process can do, each verb with the rows the sensor records for it.

use super::call::Call;
use super::host::{Host, Task};
use super::text::{Arg, Peer, Value};

pub(super) const NO_SUCH_FILE: i64 = -2;
pub(super) const NO_SUCH_PROCESS: i64 = -3;
pub(super) const TRY_AGAIN: i64 = -11;
pub(super) const REFUSED: i64 = -111;
pub(super) const ALREADY: i64 = -114;
pub(super) const IN_PROGRESS: i64 = -115;

/// The device numbers of the root disk, /proc, /sys, /dev and /run.
const DEVICES: [(&str, i64); 4] = [("/proc/", 5), ("/sys/", 22), ("/dev/", 6), ("/run/", 25)];
const ROOT_DEVICE: i64 = 271_581_185;

/// How a file is opened: flags as `openat` got them, as the kernel hook shows them.
#[derive(Clone, Copy)]
pub(super) struct Mode(&'static str, &'static str);

pub(super) const READ: Mode = Mode("O_RDONLY|O_CLOEXEC", "O_RDONLY|O_LARGEFILE");
pub(super) const READ_PLAIN: Mode = Mode("O_RDONLY", "O_RDONLY|O_LARGEFILE");
pub(super) const UPDATE: Mode = Mode("O_RDWR|O_CLOEXEC", "O_RDWR|O_LARGEFILE");
pub(super) const APPEND: Mode = Mode(
    "O_WRONLY|O_CREAT|O_APPEND",
    "O_WRONLY|O_CREAT|O_APPEND|O_LARGEFILE",
);
pub(super) const CREATE: Mode = Mode(
    "O_WRONLY|O_CREAT|O_TRUNC",
    "O_WRONLY|O_CREAT|O_TRUNC|O_LARGEFILE",
);
/// Only a handle on the path: the file itself is not opened, so the hook is not reached.
const PATH_ONLY: Mode = Mode("O_RDONLY|O_NOFOLLOW|O_CLOEXEC|O_PATH", "");
const DIRECTORY: Mode = Mode(
    "O_RDONLY|O_NONBLOCK|O_DIRECTORY|O_CLOEXEC",
    "O_RDONLY|O_NONBLOCK|O_LARGEFILE|O_DIRECTORY",
);

fn number(name: &'static str, kind: &'static str, value: i64) -> Arg<'static> {
    Arg(name, kind, Value::Number(value))
}

fn text<'a>(name: &'static str, value: &'a str) -> Arg<'a> {
    Arg(name, "const char*", Value::Text(value))
}

/// FNV-1a (Fowler, Noll, Vo): a file keeps its inode for as long as it keeps its path.
fn inode(path: &str) -> i64 {
    let hash = path.bytes().fold(0x811C_9DC5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    i64::from(hash % 262_144) + 12
}

fn device(path: &str) -> i64 {
    DEVICES
        .iter()
        .find(|(prefix, _)| path.starts_with(prefix))
        .map_or(ROOT_DEVICE, |&(_, device)| device)
}

/// The path a kernel hook sees: /bin and /lib are links into /usr, /var/run is one to /run, libraries carry versions.
fn resolved(path: &str) -> String {
    let merged = ["/bin/", "/sbin/", "/lib/"]
        .iter()
        .any(|prefix| path.starts_with(prefix));
    let path = match path.strip_prefix("/var/run/") {
        Some(rest) => format!("/run/{rest}"),
        None if merged => format!("/usr{path}"),
        None => path.to_owned(),
    };
    match path.rsplit_once(".so.") {
        Some((stem, _)) if GLIBC.iter().any(|name| stem.ends_with(name)) => {
            format!("{stem}-2.31.so")
        }
        Some(_) => format!("{path}.1.0"),
        None => path,
    }
}

const GLIBC: [&str; 7] = [
    "/libc",
    "/libdl",
    "/libpthread",
    "/librt",
    "/libm",
    "/libresolv",
    "/libnss_files",
];

/// Files.
impl Host<'_, '_> {
    /// Opens an existing file and leaves it open.
    pub(super) fn open(&mut self, task: Task, path: &str, mode: Mode) -> i64 {
        let flags = self.dialect.flags;
        let real = resolved(path);
        let file = [
            text("pathname", &real),
            Arg("flags", flags, Value::Text(mode.1)),
            number("dev", "dev_t", device(&real)),
            number("inode", "unsigned long", inode(&real)),
        ];
        self.emit(task, Call::FileOpen, 0, &file);
        let fd = self.allocate(task);
        self.openat(task, path, mode, fd);
        fd
    }

    /// Fails to open a file with `error`; the hook is not reached.
    pub(super) fn open_fails(&mut self, task: Task, path: &str, mode: Mode, error: i64) {
        self.openat(task, path, mode, error);
    }

    fn openat(&mut self, task: Task, path: &str, mode: Mode, returns: i64) {
        let created = mode.0.contains("O_CREAT");
        let permissions = if created {
            0o644
        } else {
            i64::from(self.image(task).stale_mode)
        };
        let args = [
            number("dirfd", "int", -100),
            text("pathname", path),
            Arg("flags", self.dialect.flags, Value::Text(mode.0)),
            number("mode", self.dialect.mode, permissions),
        ];
        self.emit(task, Call::Openat, returns, &args);
    }

    /// Takes a handle on a path, looks at it, and lets it go.
    pub(super) fn look_at(&mut self, task: Task, path: &str) {
        let fd = self.allocate(task);
        self.openat(task, path, PATH_ONLY, fd);
        self.fstat(task, fd);
        self.close(task, fd);
    }

    /// Closes a descriptor, open or not.
    pub(super) fn close(&mut self, task: Task, fd: i64) {
        let returns = if self.release(task, fd) { 0 } else { -9 };
        self.emit(task, Call::Close, returns, &[number("fd", "int", fd)]);
    }

    /// Asks for the state of an open file.
    pub(super) fn fstat(&mut self, task: Task, fd: i64) {
        let buffer = self.image(task).stack + 0x970 + 16 * (fd as u64 & 15);
        let args = [
            number("fd", "int", fd),
            Arg("statbuf", "struct stat*", Value::Pointer(buffer)),
        ];
        self.emit(task, Call::Fstat, 0, &args);
    }

    /// Reads a whole file: open, size, close.
    pub(super) fn read(&mut self, task: Task, path: &str) {
        let fd = self.open(task, path, READ);
        self.fstat(task, fd);
        self.close(task, fd);
    }

    /// Reads a file whose size is of no interest, as those in /proc.
    pub(super) fn read_at_once(&mut self, task: Task, path: &str) {
        let fd = self.open(task, path, READ_PLAIN);
        self.close(task, fd);
    }

    /// Opens, writes and closes a file.
    pub(super) fn write(&mut self, task: Task, path: &str, mode: Mode) {
        let fd = self.open(task, path, mode);
        self.fstat(task, fd);
        self.close(task, fd);
    }

    /// Replaces a file as careful programs do: a temporary file with its rights set.
    pub(super) fn write_private(&mut self, task: Task, path: &str) {
        let fd = self.open(task, path, CREATE);
        self.emit(
            task,
            Call::Fchmod,
            0,
            &[number("fd", "int", fd), number("mode", "mode_t", 0o600)],
        );
        self.close(task, fd);
    }

    /// Asks for the state of a path, which exists or not.
    pub(super) fn stat(&mut self, task: Task, path: &str, exists: bool) {
        self.state_of(task, Call::Stat, path, exists);
    }

    /// As [`Host::stat`], of a link itself.
    pub(super) fn lstat(&mut self, task: Task, path: &str, exists: bool) {
        self.state_of(task, Call::Lstat, path, exists);
    }

    fn state_of(&mut self, task: Task, call: Call, path: &str, exists: bool) {
        let buffer = self.image(task).stack + 0x4B0;
        let args = [
            text("pathname", path),
            Arg("statbuf", "struct stat*", Value::Pointer(buffer)),
        ];
        self.emit(task, call, if exists { 0 } else { NO_SUCH_FILE }, &args);
    }

    /// Asks whether a path may be used.
    pub(super) fn access(&mut self, task: Task, path: &str, mode: &'static str, exists: bool) {
        let args = [
            text("pathname", path),
            Arg("mode", self.dialect.mode, Value::Text(mode)),
        ];
        self.emit(
            task,
            Call::Access,
            if exists { 0 } else { NO_SUCH_FILE },
            &args,
        );
    }

    /// Opens a folder, reads its `bytes` of entries in one call and the end in another, and closes it.
    pub(super) fn list(&mut self, task: Task, path: &str, bytes: i64) {
        let fd = self.open(task, path, DIRECTORY);
        self.fstat(task, fd);
        for returns in [bytes, 0] {
            self.getdents(task, fd, returns);
        }
        self.close(task, fd);
    }

    fn getdents(&mut self, task: Task, fd: i64, returns: i64) {
        let args = [
            number("fd", "int", fd),
            Arg(
                "dirp",
                "struct linux_dirent64*",
                Value::Pointer(self.image(task).code + 0x1_44A0),
            ),
            number("count", self.dialect.count, 32_768),
        ];
        self.emit(task, Call::Getdents64, returns, &args);
    }

    /// Removes a file.
    pub(super) fn unlink(&mut self, task: Task, path: &str) {
        self.emit(task, Call::InodeUnlink, 0, &[text("pathname", path)]);
        self.emit(task, Call::Unlink, 0, &[text("pathname", path)]);
    }

    /// Fails to remove a file that is not there.
    pub(super) fn unlink_missing(&mut self, task: Task, path: &str) {
        self.emit(task, Call::Unlink, NO_SUCH_FILE, &[text("pathname", path)]);
    }

    /// Removes a file by name within an open folder.
    pub(super) fn unlinkat(&mut self, task: Task, folder: &str, name: &str) {
        self.emit(
            task,
            Call::InodeUnlink,
            0,
            &[text("pathname", &format!("{folder}/{name}"))],
        );
        let args = [
            number("dirfd", "int", 4),
            text("pathname", name),
            number("flags", "int", 0),
        ];
        self.emit(task, Call::Unlinkat, 0, &args);
    }

    /// Makes a symbolic link.
    pub(super) fn symlink(&mut self, task: Task, target: &str, link: &str) {
        self.emit(
            task,
            Call::Symlink,
            0,
            &[text("target", target), text("linkpath", link)],
        );
    }

    /// Gives a file an owner.
    pub(super) fn lchown(&mut self, task: Task, path: &str, owner: u32) {
        let owner = i64::from(owner);
        let args = [
            text("pathname", path),
            number("owner", "uid_t", owner),
            number("group", "gid_t", owner),
        ];
        self.emit(task, Call::Lchown, 0, &args);
    }

    /// Takes a file system off the tree.
    pub(super) fn umount(&mut self, task: Task, target: &str) {
        self.emit(
            task,
            Call::Umount,
            0,
            &[text("target", target), number("flags", "int", 2)],
        );
    }
}

/// Processes.
impl Host<'_, '_> {
    /// Starts a child process.
    pub(super) fn fork(&mut self, task: Task) -> Task {
        let child = self.child_of(task);
        let child_tid = self.image(task).library + 0x2_70BF;
        let flags = "CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID";
        self.clone_row(task, flags, [0, 0, child_tid], self.id(child));
        child
    }

    /// Starts a thread, which at first has the name of the one that starts it.
    pub(super) fn start_thread(&mut self, task: Task) -> Task {
        let thread = self.thread_of(task);
        let flags = "CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_SIGHAND|CLONE_THREAD|CLONE_SYSVSEM|CLONE_SETTLS|\
                     CLONE_PARENT_SETTID|CLONE_CHILD_CLEARTID";
        let top = self.image(task).library + 0x40_0000;
        self.clone_row(
            task,
            flags,
            [top + 0xFB0, top + 0x19D0, top + 0x19D0],
            self.thread_id(thread),
        );
        thread
    }

    fn clone_row(
        &mut self,
        task: Task,
        flags: &str,
        [stack, parent, child]: [u64; 3],
        returns: u32,
    ) {
        let args = [
            Arg("flags", self.dialect.clone_flags, Value::Text(flags)),
            Arg("stack", "void*", Value::Pointer(stack)),
            Arg("parent_tid", "int*", Value::Pointer(parent)),
            Arg("child_tid", "int*", Value::Pointer(child)),
            number(
                "tls",
                "unsigned long",
                if stack == 0 { 0 } else { stack as i64 + 0x750 },
            ),
        ];
        self.emit(task, Call::Clone, i64::from(returns), &args);
    }

    /// Names the thread, which the kernel is told through `prctl`.
    pub(super) fn set_name(&mut self, task: Task, name: &str) {
        self.rename(task, name);
        self.prctl(task, "PR_SET_NAME");
    }

    /// Sets a property of the process.
    pub(super) fn prctl(&mut self, task: Task, option: &'static str) {
        let image = self.image(task);
        let args = [
            Arg("option", "int", Value::Text(option)),
            number("arg2", "unsigned long", image.code as i64 + 0x1D59),
            number("arg3", "unsigned long", image.code as i64 + 0x1D59),
            number("arg4", "unsigned long", image.library as i64 + 0x111E),
            number("arg5", "unsigned long", 0),
        ];
        self.emit(task, Call::Prctl, 0, &args);
    }

    /// Replaces the program of a process. The rows of the call itself still carry the old name.
    pub(super) fn exec(&mut self, task: Task, path: &str, argv: &[&str]) {
        let args = [
            text("pathname", path),
            Arg("argv", "const char*const*", Value::List(argv)),
        ];
        self.emit(task, Call::Execve, 0, &args);
        let real = resolved(path);
        let file = [
            text("pathname", &real),
            number("dev", "dev_t", ROOT_DEVICE),
            number("inode", "unsigned long", inode(&real)),
        ];
        self.emit(task, Call::BprmCheck, 0, &file);
        self.replace_image(task);
        self.rename(task, path.rsplit('/').next().unwrap_or(path));
    }

    /// Ends a thread, or with its main thread the process.
    pub(super) fn exit(&mut self, task: Task) {
        self.emit(task, Call::Exit, 0, &[]);
        self.remove(task);
    }

    /// Sends a signal.
    pub(super) fn kill(&mut self, task: Task, target: u32, signal: i64, returns: i64) {
        let args = [
            number("pid", "pid_t", i64::from(target)),
            number("sig", "int", signal),
        ];
        self.emit(task, Call::Kill, returns, &args);
    }

    /// A capability check of the kernel on the process's behalf.
    pub(super) fn capability(&mut self, task: Task, name: &'static str, granted: bool) {
        self.emit(
            task,
            Call::CapCapable,
            if granted { 0 } else { -1 },
            &[Arg("cap", "int", Value::Text(name))],
        );
    }

    /// Gives up root for `user` for good, group first.
    pub(super) fn become_user(&mut self, task: Task, user: u32) {
        let id = i64::from(user);
        self.capability(task, "CAP_SETGID", true);
        self.emit(
            task,
            Call::Setgid,
            0,
            &[number("gid", self.dialect.group, id)],
        );
        self.capability(task, "CAP_SETUID", true);
        self.emit(task, Call::Setuid, 0, &[number("uid", "uid_t", id)]);
        self.set_user(task, user);
    }

    /// Acts as `user` for a moment: the effective ids change and come back.
    pub(super) fn borrow_user(
        &mut self,
        task: Task,
        user: u32,
        action: impl FnOnce(&mut Self, Task),
    ) {
        let owner = self.user(task);
        self.effective_ids(task, user);
        self.set_user(task, user);
        action(self, task);
        self.effective_ids(task, owner);
        self.set_user(task, owner);
    }

    fn effective_ids(&mut self, task: Task, user: u32) {
        let group = self.dialect.group;
        let ids = [
            number("rgid", group, -1),
            number("egid", group, i64::from(user)),
        ];
        self.emit(task, Call::Setregid, 0, &ids);
        let ids = [
            number("ruid", "uid_t", -1),
            number("euid", "uid_t", i64::from(user)),
        ];
        self.emit(task, Call::Setreuid, 0, &ids);
    }
}

/// Sockets and descriptors.
impl Host<'_, '_> {
    /// Opens a socket.
    pub(super) fn socket(&mut self, task: Task, domain: &'static str, kind: &'static str) -> i64 {
        let fd = self.allocate(task);
        let args = [
            Arg("domain", "int", Value::Text(domain)),
            Arg("type", "int", Value::Text(kind)),
            number("protocol", "int", 0),
        ];
        self.emit(task, Call::Socket, fd, &args);
        fd
    }

    /// Connects a socket, with the result `returns`.
    pub(super) fn connect(&mut self, task: Task, fd: i64, peer: &Peer<'_>, returns: i64) {
        self.addressed(task, Call::Connect, fd, peer, returns);
    }

    /// Gives a socket an address of its own.
    pub(super) fn bind(&mut self, task: Task, fd: i64, peer: &Peer<'_>) {
        self.addressed(task, Call::Bind, fd, peer, 0);
    }

    fn addressed(&mut self, task: Task, call: Call, fd: i64, peer: &Peer<'_>, returns: i64) {
        let length = if matches!(peer, Peer::Unix(_)) {
            110
        } else {
            16
        };
        let args = [
            number("sockfd", "int", fd),
            Arg("addr", "struct sockaddr*", Value::Peer(peer)),
            number("addrlen", "int", length),
        ];
        self.emit(task, call, returns, &args);
    }

    /// Starts to listen.
    pub(super) fn listen(&mut self, task: Task, fd: i64) {
        self.emit(
            task,
            Call::Listen,
            0,
            &[number("sockfd", "int", fd), number("backlog", "int", 128)],
        );
    }

    /// Accepts a connection of `peer` on `fd`; its descriptor.
    pub(super) fn accept(&mut self, task: Task, fd: i64, peer: &Peer<'_>) -> i64 {
        let new = self.allocate(task);
        let args = self.received(task, fd, peer);
        self.emit(task, Call::Accept, new, &args);
        new
    }

    /// As [`Host::accept`], with flags; without a connection waiting, the call fails.
    pub(super) fn accept4(&mut self, task: Task, fd: i64, peer: Option<&Peer<'_>>) -> i64 {
        let new = if peer.is_some() {
            self.allocate(task)
        } else {
            TRY_AGAIN
        };
        let nobody = Peer::Internet {
            address: [0; 4],
            port: 0,
            order: 0,
        };
        let [socket, address, length] = self.received(task, fd, peer.unwrap_or(&nobody));
        let flags = Arg("flags", "int", Value::Text("SOCK_CLOEXEC|SOCK_NONBLOCK"));
        self.emit(task, Call::Accept4, new, &[socket, address, length, flags]);
        new
    }

    /// Asks for a socket's own address.
    pub(super) fn getsockname(&mut self, task: Task, fd: i64, own: &Peer<'_>) {
        let args = self.received(task, fd, own);
        self.emit(task, Call::Getsockname, 0, &args);
    }

    fn received<'a>(&self, task: Task, fd: i64, peer: &'a Peer<'a>) -> [Arg<'a>; 3] {
        [
            number("sockfd", "int", fd),
            Arg("addr", self.dialect.address, Value::Peer(peer)),
            Arg(
                "addrlen",
                "int*",
                Value::Pointer(self.image(task).stack + 0xF3C),
            ),
        ]
    }

    /// Duplicates a descriptor to the lowest free one.
    pub(super) fn dup(&mut self, task: Task, fd: i64) -> i64 {
        let new = self.allocate(task);
        self.emit(task, Call::Dup, new, &[number("oldfd", "int", fd)]);
        new
    }

    /// Duplicates a descriptor to a certain one.
    pub(super) fn dup2(&mut self, task: Task, old: i64, new: i64) {
        self.take(task, new);
        self.emit(
            task,
            Call::Dup2,
            new,
            &[number("oldfd", "int", old), number("newfd", "int", new)],
        );
    }

    /// Sends one datagram to a local service.
    pub(super) fn tell(&mut self, task: Task, service: &str) {
        let fd = self.socket(task, "AF_UNIX", "SOCK_DGRAM|SOCK_CLOEXEC");
        self.connect(task, fd, &Peer::Unix(service), 0);
        self.close(task, fd);
    }

    /// An address and port with the keys in the order this row happens to get.
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
}

#[cfg(test)]
mod tests {
    use super::{device, inode, resolved};

    #[test]
    fn paths_resolve_as_on_a_merged_usr_system() {
        let cases = [
            ("/bin/ls", "/usr/bin/ls"),
            ("/usr/bin/ls", "/usr/bin/ls"),
            ("/var/run/utmp", "/run/utmp"),
            (
                "/lib/x86_64-linux-gnu/libc.so.6",
                "/usr/lib/x86_64-linux-gnu/libc-2.31.so",
            ),
            (
                "/lib/x86_64-linux-gnu/libz.so.1",
                "/usr/lib/x86_64-linux-gnu/libz.so.1.1.0",
            ),
            ("/etc/ld.so.cache", "/etc/ld.so.cache"),
        ];
        for (path, expected) in cases {
            assert_eq!(resolved(path), expected);
        }
    }

    #[test]
    fn a_file_keeps_its_place() {
        assert_eq!(inode("/etc/passwd"), inode("/etc/passwd"));
        assert_ne!(inode("/etc/passwd"), inode("/etc/shadow"));
        assert_eq!(
            (device("/proc/1/stat"), device("/etc/passwd")),
            (5, super::ROOT_DEVICE)
        );
    }
}

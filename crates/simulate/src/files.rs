//! Calls on files. Each function writes the rows that the sensor records for its calls.

use super::call::{Call, NO_SUCH_FILE};
use super::host::Host;
use super::process::Task;
use super::text::{Arg, Value};

/// The device numbers of the file systems that are not on the root disk, by path prefix.
const DEVICES: [(&str, i64); 4] = [("/proc/", 5), ("/sys/", 22), ("/dev/", 6), ("/run/", 25)];
/// The device number of the root disk.
pub(super) const ROOT_DEVICE: i64 = 271_581_185;

/// The flags with which a file is opened: as `openat` got them, and as the kernel hook shows them.
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
/// Opens a handle on the path only. The file itself is not opened, so the kernel hook is not reached.
const PATH_ONLY: Mode = Mode("O_RDONLY|O_NOFOLLOW|O_CLOEXEC|O_PATH", "");
const DIRECTORY: Mode = Mode(
    "O_RDONLY|O_NONBLOCK|O_DIRECTORY|O_CLOEXEC",
    "O_RDONLY|O_NONBLOCK|O_LARGEFILE|O_DIRECTORY",
);

/// Returns the inode number of a file, which depends on its path only.
///
/// The number comes from the FNV-1a hash of the path (Fowler, Noll, Vo).
pub(super) fn inode(path: &str) -> i64 {
    let hash = path.bytes().fold(0x811C_9DC5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    i64::from(hash % 262_144) + 12
}

/// Returns the number of the device that holds a path.
fn device(path: &str) -> i64 {
    DEVICES
        .iter()
        .find(|(prefix, _)| path.starts_with(prefix))
        .map_or(ROOT_DEVICE, |&(_, device)| device)
}

/// Returns the path that a kernel hook sees, which is the one behind all symbolic links.
///
/// /bin, /sbin and /lib are links into /usr, /var/run is a link to /run, and the name of a library is a
/// link to a name with the full version.
pub(super) fn resolved(path: &str) -> String {
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
        Some((_, version)) if version.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("{path}.1.0")
        }
        _ => path,
    }
}

/// The libraries of glibc, which have its version 2.31.
const GLIBC: [&str; 7] = [
    "/libc",
    "/libdl",
    "/libpthread",
    "/librt",
    "/libm",
    "/libresolv",
    "/libnss_files",
];

impl Host<'_, '_> {
    /// Opens an existing file and returns its descriptor, which stays open.
    pub(super) fn open(&mut self, task: Task, path: &str, mode: Mode) -> i64 {
        let flags = self.dialect.flags;
        let real = resolved(path);
        let file = [
            Arg::text("pathname", &real),
            Arg("flags", flags, Value::Text(mode.1)),
            Arg::number("dev", "dev_t", device(&real)),
            Arg::number("inode", "unsigned long", inode(&real)),
        ];
        self.emit(task, Call::FileOpen, 0, &file);
        let fd = self.tasks.allocate(task);
        self.openat(task, path, mode, fd);
        fd
    }

    /// Fails to open a file with the return value `error`. The kernel hook is not reached.
    pub(super) fn open_fails(&mut self, task: Task, path: &str, mode: Mode, error: i64) {
        self.openat(task, path, mode, error);
    }

    fn openat(&mut self, task: Task, path: &str, mode: Mode, returns: i64) {
        let created = mode.0.contains("O_CREAT");
        let permissions = if created {
            0o644
        } else {
            i64::from(self.tasks.image(task).stale_mode)
        };
        let args = [
            Arg::number("dirfd", "int", -100),
            Arg::text("pathname", path),
            Arg("flags", self.dialect.flags, Value::Text(mode.0)),
            Arg::number("mode", self.dialect.mode, permissions),
        ];
        self.emit(task, Call::Openat, returns, &args);
    }

    /// Opens a handle on a path, asks for the state of the file, and closes the handle.
    pub(super) fn look_at(&mut self, task: Task, path: &str) {
        let fd = self.tasks.allocate(task);
        self.openat(task, path, PATH_ONLY, fd);
        self.fstat(task, fd);
        self.close(task, fd);
    }

    /// Asks for the state of an open file through `fstat`.
    pub(super) fn fstat(&mut self, task: Task, fd: i64) {
        let buffer = self.tasks.image(task).stack + 0x970 + 16 * (fd as u64 & 15);
        let args = [
            Arg::number("fd", "int", fd),
            Arg("statbuf", "struct stat*", Value::Pointer(buffer)),
        ];
        self.emit(task, Call::Fstat, 0, &args);
    }

    /// Reads a whole file: opens it, asks for its size, and closes it.
    pub(super) fn read(&mut self, task: Task, path: &str) {
        let fd = self.open(task, path, READ);
        self.fstat(task, fd);
        self.close(task, fd);
    }

    /// Reads several files, one after the other, as [`Host::read`] does.
    pub(super) fn read_all(&mut self, task: Task, paths: &[&str]) {
        for path in paths {
            self.read(task, path);
        }
    }

    /// Reads a file without asking for its size, as programs read the files in /proc.
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

    /// Writes a file and sets its mode to 0600, as programs do with the temporary file that replaces another.
    pub(super) fn write_private(&mut self, task: Task, path: &str) {
        let fd = self.open(task, path, CREATE);
        self.emit(
            task,
            Call::Fchmod,
            0,
            &[
                Arg::number("fd", "int", fd),
                Arg::number("mode", "mode_t", 0o600),
            ],
        );
        self.close(task, fd);
    }

    /// Asks for the state of a path through `stat`. The call fails unless the path `exists`.
    pub(super) fn stat(&mut self, task: Task, path: &str, exists: bool) {
        self.emit_stat(task, Call::Stat, path, exists);
    }

    /// Asks for the state of a path through `lstat`, which does not follow a link.
    pub(super) fn lstat(&mut self, task: Task, path: &str, exists: bool) {
        self.emit_stat(task, Call::Lstat, path, exists);
    }

    fn emit_stat(&mut self, task: Task, call: Call, path: &str, exists: bool) {
        let buffer = self.tasks.image(task).stack + 0x4B0;
        let args = [
            Arg::text("pathname", path),
            Arg("statbuf", "struct stat*", Value::Pointer(buffer)),
        ];
        self.emit(task, call, if exists { 0 } else { NO_SUCH_FILE }, &args);
    }

    /// Asks through `access` whether a path may be used. The call fails unless the path `exists`.
    pub(super) fn access(&mut self, task: Task, path: &str, mode: &'static str, exists: bool) {
        let args = [
            Arg::text("pathname", path),
            Arg("mode", self.dialect.mode, Value::Text(mode)),
        ];
        self.emit(
            task,
            Call::Access,
            if exists { 0 } else { NO_SUCH_FILE },
            &args,
        );
    }

    /// Lists a folder: opens it, reads its `bytes` of entries in one call and the end in another, and closes
    /// it.
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
            Arg::number("fd", "int", fd),
            Arg(
                "dirp",
                "struct linux_dirent64*",
                Value::Pointer(self.tasks.image(task).code + 0x1_44A0),
            ),
            Arg::number("count", self.dialect.count, 32_768),
        ];
        self.emit(task, Call::Getdents64, returns, &args);
    }

    /// Removes a file.
    pub(super) fn unlink(&mut self, task: Task, path: &str) {
        self.emit(task, Call::InodeUnlink, 0, &[Arg::text("pathname", path)]);
        self.emit(task, Call::Unlink, 0, &[Arg::text("pathname", path)]);
    }

    /// Fails to remove a file that does not exist.
    pub(super) fn unlink_missing(&mut self, task: Task, path: &str) {
        self.emit(
            task,
            Call::Unlink,
            NO_SUCH_FILE,
            &[Arg::text("pathname", path)],
        );
    }

    /// Removes a file by its name in an open folder.
    pub(super) fn unlinkat(&mut self, task: Task, folder: &str, name: &str) {
        self.emit(
            task,
            Call::InodeUnlink,
            0,
            &[Arg::text("pathname", &format!("{folder}/{name}"))],
        );
        let args = [
            Arg::number("dirfd", "int", 4),
            Arg::text("pathname", name),
            Arg::number("flags", "int", 0),
        ];
        self.emit(task, Call::Unlinkat, 0, &args);
    }

    /// Makes a symbolic link.
    pub(super) fn symlink(&mut self, task: Task, target: &str, link: &str) {
        self.emit(
            task,
            Call::Symlink,
            0,
            &[Arg::text("target", target), Arg::text("linkpath", link)],
        );
    }

    /// Sets the owner of a file and the group of the same number.
    pub(super) fn lchown(&mut self, task: Task, path: &str, owner: u32) {
        let owner = i64::from(owner);
        let args = [
            Arg::text("pathname", path),
            Arg::number("owner", "uid_t", owner),
            Arg::number("group", "gid_t", owner),
        ];
        self.emit(task, Call::Lchown, 0, &args);
    }

    /// Unmounts a file system.
    pub(super) fn umount(&mut self, task: Task, target: &str) {
        self.emit(
            task,
            Call::Umount,
            0,
            &[Arg::text("target", target), Arg::number("flags", "int", 2)],
        );
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
    fn a_file_keeps_its_inode_and_device() {
        assert_eq!(inode("/etc/passwd"), inode("/etc/passwd"));
        assert_ne!(inode("/etc/passwd"), inode("/etc/shadow"));
        assert_eq!(
            (device("/proc/1/stat"), device("/etc/passwd")),
            (5, super::ROOT_DEVICE)
        );
    }
}

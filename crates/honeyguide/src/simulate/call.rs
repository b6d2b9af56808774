//! The kernel calls the simulated sensor traces.

/// What failed calls return: negative error numbers, as `errno(3)` names them.
pub(super) const NOT_PERMITTED: i64 = -1;
pub(super) const NO_SUCH_FILE: i64 = -2;
pub(super) const NO_SUCH_PROCESS: i64 = -3;
pub(super) const BAD_DESCRIPTOR: i64 = -9;
pub(super) const TRY_AGAIN: i64 = -11;
pub(super) const REFUSED: i64 = -111;
pub(super) const ALREADY: i64 = -114;
pub(super) const IN_PROGRESS: i64 = -115;

/// A traced event with the number the sensor gives it and the length of its argument list.
///
/// System calls have their x86-64 number; events at kernel hooks have numbers from 1003 on, as in
/// the sensor release behind BETH (Highnam et al. 2021, Table 5). `close` has 1 argument in every row of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Close,
    Stat,
    Fstat,
    Lstat,
    Access,
    Dup,
    Dup2,
    Socket,
    Connect,
    Accept,
    Bind,
    Listen,
    Getsockname,
    Clone,
    Execve,
    Kill,
    Unlink,
    Symlink,
    Fchmod,
    Lchown,
    Setuid,
    Setgid,
    Setreuid,
    Setregid,
    Prctl,
    Umount,
    Getdents64,
    Openat,
    Unlinkat,
    Accept4,
    CapCapable,
    BprmCheck,
    FileOpen,
    InodeUnlink,
    Exit,
}

impl Call {
    /// (eventId, eventName, argsNum).
    pub(super) const fn facts(self) -> (u32, &'static str, usize) {
        match self {
            Call::Close => (3, "close", 1),
            Call::Stat => (4, "stat", 2),
            Call::Fstat => (5, "fstat", 2),
            Call::Lstat => (6, "lstat", 2),
            Call::Access => (21, "access", 2),
            Call::Dup => (32, "dup", 1),
            Call::Dup2 => (33, "dup2", 2),
            Call::Socket => (41, "socket", 3),
            Call::Connect => (42, "connect", 3),
            Call::Accept => (43, "accept", 3),
            Call::Bind => (49, "bind", 3),
            Call::Listen => (50, "listen", 2),
            Call::Getsockname => (51, "getsockname", 3),
            Call::Clone => (56, "clone", 5),
            Call::Execve => (59, "execve", 2),
            Call::Kill => (62, "kill", 2),
            Call::Unlink => (87, "unlink", 1),
            Call::Symlink => (88, "symlink", 2),
            Call::Fchmod => (91, "fchmod", 2),
            Call::Lchown => (94, "lchown", 3),
            Call::Setuid => (105, "setuid", 1),
            Call::Setgid => (106, "setgid", 1),
            Call::Setreuid => (113, "setreuid", 2),
            Call::Setregid => (114, "setregid", 2),
            Call::Prctl => (157, "prctl", 5),
            Call::Umount => (166, "umount", 2),
            Call::Getdents64 => (217, "getdents64", 3),
            Call::Openat => (257, "openat", 4),
            Call::Unlinkat => (263, "unlinkat", 3),
            Call::Accept4 => (288, "accept4", 4),
            Call::CapCapable => (1003, "cap_capable", 1),
            Call::BprmCheck => (1004, "security_bprm_check", 3),
            Call::FileOpen => (1005, "security_file_open", 4),
            Call::InodeUnlink => (1006, "security_inode_unlink", 1),
            Call::Exit => (1010, "sched_process_exit", 0),
        }
    }

    /// Frames the sensor may resolve for this call: most rows have none, capability checks a deep list.
    pub(super) const fn deepest_stack(self) -> u32 {
        match self {
            Call::CapCapable => 20,
            Call::Openat | Call::Exit => 1,
            Call::Stat | Call::Lstat | Call::Access => 2,
            _ => 3,
        }
    }
}

#[cfg(test)]
impl Call {
    /// (eventName, argsNum) of an event number, for checks of written rows.
    pub(super) fn of_id(id: u32) -> Option<(&'static str, usize)> {
        use Call::*;
        let all = [
            Close,
            Stat,
            Fstat,
            Lstat,
            Access,
            Dup,
            Dup2,
            Socket,
            Connect,
            Accept,
            Bind,
            Listen,
            Getsockname,
            Clone,
            Execve,
            Kill,
            Unlink,
            Symlink,
            Fchmod,
            Lchown,
            Setuid,
            Setgid,
            Setreuid,
            Setregid,
            Prctl,
            Umount,
            Getdents64,
            Openat,
            Unlinkat,
            Accept4,
            CapCapable,
            BprmCheck,
            FileOpen,
            InodeUnlink,
            Exit,
        ];
        all.into_iter()
            .map(Call::facts)
            .find(|f| f.0 == id)
            .map(|(_, name, count)| (name, count))
    }
}

//! The kernel calls that the simulated sensor traces.

// The return values of failed calls: negative error numbers, with names like those in `errno(3)`.
pub(super) const NOT_PERMITTED: i64 = -1;
pub(super) const NO_SUCH_FILE: i64 = -2;
pub(super) const NO_SUCH_PROCESS: i64 = -3;
pub(super) const BAD_DESCRIPTOR: i64 = -9;
pub(super) const TRY_AGAIN: i64 = -11;
pub(super) const ACCESS_DENIED: i64 = -13;
pub(super) const REFUSED: i64 = -111;
pub(super) const ALREADY: i64 = -114;
pub(super) const IN_PROGRESS: i64 = -115;

/// Declares each call once, with its number, its name and its number of arguments.
macro_rules! calls {
    ($($variant:ident = $id:literal, $name:literal, $args:literal;)*) => {
        /// The kind of a traced event.
        ///
        /// System calls have their x86-64 number. Events at kernel hooks have numbers from 1003 on, as in the
        /// release of the sensor Tracee that recorded BETH (Highnam et al. 2021).
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Call {
            $($variant,)*
        }

        impl Call {
            /// All calls.
            #[cfg(test)]
            pub(super) const ALL: &[Call] = &[$(Call::$variant,)*];

            /// Returns the columns eventId, eventName and argsNum, which are the same in every row of a call.
            pub(super) const fn facts(self) -> (u32, &'static str, usize) {
                match self {
                    $(Call::$variant => ($id, $name, $args),)*
                }
            }
        }
    };
}

calls! {
    Close = 3, "close", 1;
    Stat = 4, "stat", 2;
    Fstat = 5, "fstat", 2;
    Lstat = 6, "lstat", 2;
    Access = 21, "access", 2;
    Dup = 32, "dup", 1;
    Dup2 = 33, "dup2", 2;
    Socket = 41, "socket", 3;
    Connect = 42, "connect", 3;
    Accept = 43, "accept", 3;
    Bind = 49, "bind", 3;
    Listen = 50, "listen", 2;
    Getsockname = 51, "getsockname", 3;
    Clone = 56, "clone", 5;
    Execve = 59, "execve", 2;
    Kill = 62, "kill", 2;
    Unlink = 87, "unlink", 1;
    Symlink = 88, "symlink", 2;
    Fchmod = 91, "fchmod", 2;
    Lchown = 94, "lchown", 3;
    Setuid = 105, "setuid", 1;
    Setgid = 106, "setgid", 1;
    Setreuid = 113, "setreuid", 2;
    Setregid = 114, "setregid", 2;
    Prctl = 157, "prctl", 5;
    Umount = 166, "umount", 2;
    Getdents64 = 217, "getdents64", 3;
    Openat = 257, "openat", 4;
    Unlinkat = 263, "unlinkat", 3;
    Accept4 = 288, "accept4", 4;
    CapCapable = 1003, "cap_capable", 1;
    BprmCheck = 1004, "security_bprm_check", 3;
    FileOpen = 1005, "security_file_open", 4;
    InodeUnlink = 1006, "security_inode_unlink", 1;
    Exit = 1010, "sched_process_exit", 0;
}

impl Call {
    /// Returns the largest number of stack frames that the sensor resolves. It is small for most calls and
    /// large for capability checks.
    pub(super) const fn deepest_stack(self) -> u32 {
        match self {
            Call::CapCapable => 20,
            Call::Openat | Call::Exit => 1,
            Call::Stat | Call::Lstat | Call::Access => 2,
            _ => 3,
        }
    }
}

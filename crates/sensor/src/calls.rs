//! The traced system calls: how the kernel part records each, and what its arguments are called.

/// The number of system calls that the kernel part can tell apart, for each of the two kinds of programs.
pub(crate) const CALLS: u32 = 512;

/// What an argument is, and so how it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A signed 32-bit number.
    Int,
    /// An unsigned 32-bit number.
    Unsigned,
    /// A 64-bit number.
    Long,
    /// An address, which is written in hexadecimal digits.
    Pointer,
    /// A text that the argument points to.
    Text,
    /// A socket address that the argument points to.
    Address,
    /// A socket address whose length is where the next argument points to.
    ReturnedAddress,
    /// A list of texts.
    Argv,
    OpenFlags,
    AccessMode,
    Domain,
    SocketType,
    SocketFlags,
    CloneFlags,
    /// The structure of `clone3`, of which the flags are written.
    CloneArgs,
    /// The structure of `openat2`, of which the flags are written.
    OpenHow,
    PrctlOption,
}

/// An argument: its name, its C type, and what it is.
pub(crate) type Argument = (&'static str, &'static str, Kind);

/// A system call.
#[derive(Debug)]
pub(crate) struct Call {
    /// The number for 64-bit programs.
    pub number: u32,
    /// The number for 32-bit programs.
    pub compat: u32,
    /// The call's own name.
    pub name: &'static str,
    /// The columns `eventId`, `eventName` and `argsNum`: those of BETH, for a newer call those of its cousin.
    pub event: (i64, &'static str, i64),
    pub arguments: &'static [Argument],
}

impl Call {
    const fn new(
        [number, compat]: [u32; 2],
        name: &'static str,
        event: (i64, &'static str, i64),
        arguments: &'static [Argument],
    ) -> Self {
        Self {
            number,
            compat,
            name,
            event,
            arguments,
        }
    }

    /// Returns what the kernel part must know of the call: `struct call` of `sensor.bpf.c`.
    pub fn description(&self) -> [u8; 8] {
        let mut description = [0; 8];
        description[0] = 1;
        for (index, (_, _, kind)) in (0_u8..).zip(self.arguments) {
            match kind {
                Kind::Text => description[1] |= 1 << index,
                Kind::Address | Kind::ReturnedAddress => {
                    description[2] = index + 1;
                    description[3] = u8::from(*kind == Kind::ReturnedAddress);
                }
                Kind::Argv => description[4] = index + 1,
                Kind::CloneArgs | Kind::OpenHow => {
                    description[5] = index + 1;
                    description[6] = 8;
                }
                _ => {}
            }
        }
        let (_, event, _) = self.event;
        description[7] = match event {
            "openat" => 1,
            "clone" => 2,
            "execve" => 4,
            _ => 0,
        };
        description
    }
}

use Kind::{
    AccessMode, Address, Argv, CloneArgs, CloneFlags, Domain, Int, Long, OpenFlags, OpenHow,
    Pointer, PrctlOption, ReturnedAddress, SocketFlags, SocketType, Text, Unsigned,
};

const STAT: &str = "struct stat*";
const TEXT: &str = "const char*";
const SOCKET: Argument = ("sockfd", "int", Int);
const PATH: Argument = ("pathname", TEXT, Text);
const FOLDER: Argument = ("dirfd", "int", Int);
const OPEN: Argument = ("flags", "int", OpenFlags);
const MODE: Argument = ("mode", "mode_t", Unsigned);
const PEER: &[Argument] = &[
    SOCKET,
    ("addr", "struct sockaddr*", Address),
    ("addrlen", "int", Int),
];
const RETURNED_PEER: &[Argument] = &[
    SOCKET,
    ("addr", "struct sockaddr*", ReturnedAddress),
    ("addrlen", "int*", Pointer),
];

/// The traced system calls: their numbers in 64-bit and 32-bit programs, and the event of BETH that each is.
pub(crate) const TABLE: &[Call] = &[
    Call::new([3, 6], "close", (3, "close", 1), &[("fd", "int", Int)]),
    Call::new(
        [4, 195],
        "stat",
        (4, "stat", 2),
        &[PATH, ("statbuf", STAT, Pointer)],
    ),
    Call::new(
        [5, 197],
        "fstat",
        (5, "fstat", 2),
        &[("fd", "int", Int), ("statbuf", STAT, Pointer)],
    ),
    Call::new(
        [6, 196],
        "lstat",
        (6, "lstat", 2),
        &[PATH, ("statbuf", STAT, Pointer)],
    ),
    Call::new(
        [21, 33],
        "access",
        (21, "access", 2),
        &[PATH, ("mode", "int", AccessMode)],
    ),
    Call::new([32, 41], "dup", (32, "dup", 1), &[("oldfd", "int", Int)]),
    Call::new(
        [33, 63],
        "dup2",
        (33, "dup2", 2),
        &[("oldfd", "int", Int), ("newfd", "int", Int)],
    ),
    Call::new(
        [41, 359],
        "socket",
        (41, "socket", 3),
        &[
            ("domain", "int", Domain),
            ("type", "int", SocketType),
            ("protocol", "int", Int),
        ],
    ),
    Call::new([42, 362], "connect", (42, "connect", 3), PEER),
    // Programs of 32 bits have no `accept` beside `socketcall`.
    Call::new([43, CALLS], "accept", (43, "accept", 3), RETURNED_PEER),
    Call::new([49, 361], "bind", (49, "bind", 3), PEER),
    Call::new(
        [50, 363],
        "listen",
        (50, "listen", 2),
        &[SOCKET, ("backlog", "int", Int)],
    ),
    Call::new(
        [51, 367],
        "getsockname",
        (51, "getsockname", 3),
        RETURNED_PEER,
    ),
    Call::new(
        [56, 120],
        "clone",
        (56, "clone", 5),
        &[
            ("flags", "unsigned long", CloneFlags),
            ("stack", "void*", Pointer),
            ("parent_tid", "int*", Pointer),
            ("child_tid", "int*", Pointer),
            ("tls", "unsigned long", Long),
        ],
    ),
    Call::new(
        [59, 11],
        "execve",
        (59, "execve", 2),
        &[PATH, ("argv", "const char*const*", Argv)],
    ),
    Call::new(
        [62, 37],
        "kill",
        (62, "kill", 2),
        &[("pid", "pid_t", Int), ("sig", "int", Int)],
    ),
    Call::new([87, 10], "unlink", (87, "unlink", 1), &[PATH]),
    Call::new(
        [88, 83],
        "symlink",
        (88, "symlink", 2),
        &[("target", TEXT, Text), ("linkpath", TEXT, Text)],
    ),
    Call::new(
        [91, 94],
        "fchmod",
        (91, "fchmod", 2),
        &[("fd", "int", Int), MODE],
    ),
    Call::new(
        [94, 198],
        "lchown",
        (94, "lchown", 3),
        &[
            PATH,
            ("owner", "uid_t", Unsigned),
            ("group", "gid_t", Unsigned),
        ],
    ),
    Call::new(
        [105, 213],
        "setuid",
        (105, "setuid", 1),
        &[("uid", "uid_t", Unsigned)],
    ),
    Call::new(
        [106, 214],
        "setgid",
        (106, "setgid", 1),
        &[("gid", "gid_t", Unsigned)],
    ),
    Call::new(
        [113, 203],
        "setreuid",
        (113, "setreuid", 2),
        &[("ruid", "uid_t", Unsigned), ("euid", "uid_t", Unsigned)],
    ),
    Call::new(
        [114, 204],
        "setregid",
        (114, "setregid", 2),
        &[("rgid", "gid_t", Unsigned), ("egid", "gid_t", Unsigned)],
    ),
    Call::new(
        [122, 215],
        "setfsuid",
        (122, "setfsuid", 1),
        &[("fsuid", "uid_t", Unsigned)],
    ),
    Call::new(
        [123, 216],
        "setfsgid",
        (123, "setfsgid", 1),
        &[("fsgid", "gid_t", Unsigned)],
    ),
    Call::new(
        [157, 172],
        "prctl",
        (157, "prctl", 5),
        &[
            ("option", "int", PrctlOption),
            ("arg2", "unsigned long", Long),
            ("arg3", "unsigned long", Long),
            ("arg4", "unsigned long", Long),
            ("arg5", "unsigned long", Long),
        ],
    ),
    Call::new(
        [166, 52],
        "umount2",
        (166, "umount", 2),
        &[("target", TEXT, Text), ("flags", "int", Int)],
    ),
    Call::new(
        [217, 220],
        "getdents64",
        (217, "getdents64", 3),
        &[
            ("fd", "unsigned int", Int),
            ("dirp", "struct linux_dirent64*", Pointer),
            ("count", "unsigned int", Unsigned),
        ],
    ),
    Call::new(
        [257, 295],
        "openat",
        (257, "openat", 4),
        &[FOLDER, PATH, OPEN, MODE],
    ),
    Call::new(
        [263, 301],
        "unlinkat",
        (263, "unlinkat", 3),
        &[FOLDER, PATH, ("flags", "int", Int)],
    ),
    Call::new(
        [288, 364],
        "accept4",
        (288, "accept4", 4),
        &[
            SOCKET,
            ("addr", "struct sockaddr*", ReturnedAddress),
            ("addrlen", "int*", Pointer),
            ("flags", "int", SocketFlags),
        ],
    ),
    Call::new(
        [292, 330],
        "dup3",
        (292, "dup3", 3),
        &[
            ("oldfd", "int", Int),
            ("newfd", "int", Int),
            ("flags", "int", OpenFlags),
        ],
    ),
    // What follows is not in BETH. Older and newer C libraries and kernels make these calls for the same purposes.
    Call::new([2, 5], "open", (257, "openat", 4), &[PATH, OPEN, MODE]),
    Call::new([57, 2], "fork", (56, "clone", 5), &[]),
    Call::new([58, 190], "vfork", (56, "clone", 5), &[]),
    Call::new([85, 8], "creat", (257, "openat", 4), &[PATH, MODE]),
    Call::new(
        [262, 300],
        "newfstatat",
        (4, "stat", 2),
        &[
            FOLDER,
            PATH,
            ("statbuf", STAT, Pointer),
            ("flags", "int", Int),
        ],
    ),
    Call::new(
        [266, 304],
        "symlinkat",
        (88, "symlink", 2),
        &[
            ("target", TEXT, Text),
            ("newdirfd", "int", Int),
            ("linkpath", TEXT, Text),
        ],
    ),
    Call::new(
        [269, 307],
        "faccessat",
        (21, "access", 2),
        &[FOLDER, PATH, ("mode", "int", AccessMode)],
    ),
    Call::new(
        [322, 358],
        "execveat",
        (59, "execve", 2),
        &[FOLDER, PATH, ("argv", "const char*const*", Argv)],
    ),
    Call::new(
        [332, 383],
        "statx",
        (4, "stat", 2),
        &[
            FOLDER,
            PATH,
            ("flags", "int", Int),
            ("mask", "unsigned int", Unsigned),
            ("statxbuf", "struct statx*", Pointer),
        ],
    ),
    Call::new(
        [435, 435],
        "clone3",
        (56, "clone", 5),
        &[
            ("cl_args", "struct clone_args*", CloneArgs),
            ("size", "size_t", Long),
        ],
    ),
    Call::new(
        [437, 437],
        "openat2",
        (257, "openat", 4),
        &[
            FOLDER,
            PATH,
            ("how", "struct open_how*", OpenHow),
            ("size", "size_t", Long),
        ],
    ),
    Call::new(
        [439, 439],
        "faccessat2",
        (21, "access", 2),
        &[
            FOLDER,
            PATH,
            ("mode", "int", AccessMode),
            ("flags", "int", Int),
        ],
    ),
];

/// The event of `newfstatat` and `statx` without a path: C libraries make `fstat` of them.
pub(crate) const FSTAT: (i64, &str, i64) = (5, "fstat", 2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_unique() {
        for number in [|call: &Call| call.number, |call: &Call| call.compat] {
            let mut numbers: Vec<u32> = TABLE.iter().map(number).filter(|n| *n < CALLS).collect();
            let all = numbers.len();
            numbers.sort_unstable();
            numbers.dedup();
            assert_eq!(numbers.len(), all);
        }
    }

    #[test]
    fn an_event_has_one_number_and_its_own_call_has_all_its_arguments() {
        for call in TABLE {
            let same = TABLE.iter().filter(|other| other.event.1 == call.event.1);
            assert!(
                same.clone().all(|other| other.event == call.event),
                "{call:?}"
            );
            let (id, _, arguments) = call.event;
            if id == i64::from(call.number) {
                assert_eq!(arguments, call.arguments.len() as i64, "{call:?}");
            }
        }
    }

    #[test]
    fn the_kernel_part_can_read_the_arguments() {
        for call in TABLE {
            for (index, (name, _, kind)) in call.arguments.iter().enumerate() {
                let places: &[usize] = match kind {
                    Kind::Text => &[0, 1, 2],
                    Kind::Address | Kind::ReturnedAddress => &[1],
                    Kind::Argv => &[1, 2],
                    Kind::CloneArgs | Kind::OpenHow => &[0, 2],
                    _ => continue,
                };
                assert!(places.contains(&index), "{}: {name}", call.name);
            }
        }
    }
}

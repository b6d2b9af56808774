//! Names of constants of the kernel's interface, in the notation of BETH: `O_RDONLY|O_CLOEXEC`.

/// The names of bits. A name of several bits precedes those of its parts.
type Bits = &'static [(u64, &'static str)];

/// `asm-generic/fcntl.h`, for x86-64.
const OPEN: Bits = &[
    (0o100, "O_CREAT"),
    (0o200, "O_EXCL"),
    (0o400, "O_NOCTTY"),
    (0o1000, "O_TRUNC"),
    (0o2000, "O_APPEND"),
    (0o4000, "O_NONBLOCK"),
    (0o4_010_000, "O_SYNC"),
    (0o10000, "O_DSYNC"),
    (0o20000, "FASYNC"),
    (0o40000, "O_DIRECT"),
    (0o100_000, "O_LARGEFILE"),
    (0o20_200_000, "O_TMPFILE"),
    (0o200_000, "O_DIRECTORY"),
    (0o400_000, "O_NOFOLLOW"),
    (0o1_000_000, "O_NOATIME"),
    (0o2_000_000, "O_CLOEXEC"),
    (0o10_000_000, "O_PATH"),
];

/// `linux/sched.h`.
const CLONE: Bits = &[
    (0x100, "CLONE_VM"),
    (0x200, "CLONE_FS"),
    (0x400, "CLONE_FILES"),
    (0x800, "CLONE_SIGHAND"),
    (0x1000, "CLONE_PIDFD"),
    (0x2000, "CLONE_PTRACE"),
    (0x4000, "CLONE_VFORK"),
    (0x8000, "CLONE_PARENT"),
    (0x1_0000, "CLONE_THREAD"),
    (0x2_0000, "CLONE_NEWNS"),
    (0x4_0000, "CLONE_SYSVSEM"),
    (0x8_0000, "CLONE_SETTLS"),
    (0x10_0000, "CLONE_PARENT_SETTID"),
    (0x20_0000, "CLONE_CHILD_CLEARTID"),
    (0x40_0000, "CLONE_DETACHED"),
    (0x80_0000, "CLONE_UNTRACED"),
    (0x100_0000, "CLONE_CHILD_SETTID"),
    (0x200_0000, "CLONE_NEWCGROUP"),
    (0x400_0000, "CLONE_NEWUTS"),
    (0x800_0000, "CLONE_NEWIPC"),
    (0x1000_0000, "CLONE_NEWUSER"),
    (0x2000_0000, "CLONE_NEWPID"),
    (0x4000_0000, "CLONE_NEWNET"),
    (0x8000_0000, "CLONE_IO"),
    (0x1_0000_0000, "CLONE_CLEAR_SIGHAND"),
    (0x2_0000_0000, "CLONE_INTO_CGROUP"),
];

const ACCESS: Bits = &[(1, "X_OK"), (2, "W_OK"), (4, "R_OK")];

const SOCKET: Bits = &[(0o4000, "SOCK_NONBLOCK"), (0o2_000_000, "SOCK_CLOEXEC")];

const SOCKET_TYPES: Bits = &[
    (1, "SOCK_STREAM"),
    (2, "SOCK_DGRAM"),
    (3, "SOCK_RAW"),
    (4, "SOCK_RDM"),
    (5, "SOCK_SEQPACKET"),
    (6, "SOCK_DCCP"),
    (10, "SOCK_PACKET"),
];

/// `linux/socket.h`.
const DOMAINS: Bits = &[
    (0, "AF_UNSPEC"),
    (1, "AF_UNIX"),
    (2, "AF_INET"),
    (3, "AF_AX25"),
    (4, "AF_IPX"),
    (5, "AF_APPLETALK"),
    (9, "AF_X25"),
    (10, "AF_INET6"),
    (15, "AF_KEY"),
    (16, "AF_NETLINK"),
    (17, "AF_PACKET"),
    (21, "AF_RDS"),
    (29, "AF_CAN"),
    (30, "AF_TIPC"),
    (31, "AF_BLUETOOTH"),
    (38, "AF_ALG"),
    (40, "AF_VSOCK"),
    (42, "AF_QIPCRTR"),
    (44, "AF_XDP"),
];

/// `linux/prctl.h`.
const PRCTL: Bits = &[
    (1, "PR_SET_PDEATHSIG"),
    (2, "PR_GET_PDEATHSIG"),
    (3, "PR_GET_DUMPABLE"),
    (4, "PR_SET_DUMPABLE"),
    (7, "PR_GET_KEEPCAPS"),
    (8, "PR_SET_KEEPCAPS"),
    (15, "PR_SET_NAME"),
    (16, "PR_GET_NAME"),
    (21, "PR_GET_SECCOMP"),
    (22, "PR_SET_SECCOMP"),
    (23, "PR_CAPBSET_READ"),
    (24, "PR_CAPBSET_DROP"),
    (27, "PR_GET_SECUREBITS"),
    (28, "PR_SET_SECUREBITS"),
    (29, "PR_SET_TIMERSLACK"),
    (30, "PR_GET_TIMERSLACK"),
    (35, "PR_SET_MM"),
    (36, "PR_SET_CHILD_SUBREAPER"),
    (37, "PR_GET_CHILD_SUBREAPER"),
    (38, "PR_SET_NO_NEW_PRIVS"),
    (39, "PR_GET_NO_NEW_PRIVS"),
    (41, "PR_SET_THP_DISABLE"),
    (47, "PR_CAP_AMBIENT"),
    (0x5356_4d41, "PR_SET_VMA"),
    (0x5961_6d61, "PR_SET_PTRACER"),
];

/// Appends the names of the bits of `value` to `names`. Bits without a name are written as one number.
fn push_bits(names: &mut Vec<String>, mut value: u64, bits: Bits) {
    for (bit, name) in bits {
        if value & bit == *bit {
            names.push((*name).to_owned());
            value &= !bit;
        }
    }
    if value != 0 {
        names.push(format!("0x{value:X}"));
    }
}

/// Returns the name of a number, or the number.
fn name_of(value: u64, names: Bits) -> String {
    let found = names.iter().find(|(number, _)| *number == value);
    found.map_or_else(|| value.to_string(), |(_, name)| (*name).to_owned())
}

/// Returns the flags of `open`.
pub(crate) fn open(flags: u64) -> String {
    let mode = ["O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE"][(flags & 3) as usize];
    let mut names = vec![mode.to_owned()];
    push_bits(&mut names, flags & 0xFFFF_FFFF & !3, OPEN);
    names.join("|")
}

/// Returns the flags of `clone`, whose lowest byte is a signal.
pub(crate) fn clone(flags: u64) -> String {
    let mut names = Vec::new();
    push_bits(&mut names, flags & !0xFF, CLONE);
    match flags & 0xFF {
        0 => {}
        17 => names.push("SIGCHLD".to_owned()),
        signal => names.push(signal.to_string()),
    }
    match names.is_empty() {
        true => "0".to_owned(),
        false => names.join("|"),
    }
}

/// Returns the mode of `access`.
pub(crate) fn access(mode: u64) -> String {
    let mut names = Vec::new();
    push_bits(&mut names, mode & 0xFFFF_FFFF, ACCESS);
    match names.is_empty() {
        true => "F_OK".to_owned(),
        false => names.join("|"),
    }
}

/// Returns the domain of a socket.
pub(crate) fn domain(number: u64) -> String {
    name_of(number & 0xFFFF_FFFF, DOMAINS)
}

/// Returns the type of a socket, with its flags.
pub(crate) fn socket_type(kind: u64) -> String {
    let kind = kind & 0xFFFF_FFFF;
    let mut names = vec![name_of(kind & 0xF, SOCKET_TYPES)];
    push_bits(&mut names, kind & !0xF, SOCKET);
    names.join("|")
}

/// Returns the flags of `accept4`.
pub(crate) fn socket(flags: u64) -> String {
    let mut names = Vec::new();
    push_bits(&mut names, flags & 0xFFFF_FFFF, SOCKET);
    match names.is_empty() {
        true => "0".to_owned(),
        false => names.join("|"),
    }
}

/// Returns the option of `prctl`.
pub(crate) fn prctl(option: u64) -> String {
    name_of(option & 0xFFFF_FFFF, PRCTL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_named_as_in_beth() {
        assert_eq!(open(0), "O_RDONLY");
        assert_eq!(open(0o2_000_000), "O_RDONLY|O_CLOEXEC");
        assert_eq!(open(0o1101), "O_WRONLY|O_CREAT|O_TRUNC");
        assert_eq!(open(0o4_010_000), "O_RDONLY|O_SYNC");
        assert_eq!(access(0), "F_OK");
        assert_eq!(access(4), "R_OK");
        assert_eq!(domain(2), "AF_INET");
        assert_eq!(domain(77), "77");
        assert_eq!(
            socket_type(0o2_004_001),
            "SOCK_STREAM|SOCK_NONBLOCK|SOCK_CLOEXEC"
        );
        assert_eq!(
            clone(0x0120_0011),
            "CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID|SIGCHLD"
        );
        assert_eq!(clone(0), "0");
        assert_eq!(prctl(15), "PR_SET_NAME");
    }
}

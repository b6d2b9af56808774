"""forks.py FILE writes a line to a file for every process that begins on the machine: time, parent and child, as the kernel
tells them.

The time is in nanoseconds since boot, the numbers are those of the host. Prints `ready` first. Ends when standard input
does, with the exit status 1 if the kernel had to leave something out. Needs root and Linux with CONFIG_PROC_EVENTS."""

import errno
import os
import select
import socket
import struct
import sys
import time

NETLINK_CONNECTOR, CN_IDX_PROC, NLMSG_DONE = 11, 1, 3
LISTEN, FORK = 1, 1
# struct nlmsghdr, struct cn_msg, and the beginning of struct proc_event.
NLMSGHDR, CN_MSG, EVENT, FORKED = "=IHHII", "=IIIIHH", "=IIQ", "=IIII"
HEADERS = struct.calcsize(NLMSGHDR) + struct.calcsize(CN_MSG)


def listening():
    kernel = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, NETLINK_CONNECTOR)
    kernel.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
    kernel.bind((os.getpid(), CN_IDX_PROC))
    ask = struct.pack(CN_MSG, CN_IDX_PROC, 1, 0, 0, 4, 0) + struct.pack("=I", LISTEN)
    header = struct.pack(NLMSGHDR, struct.calcsize(NLMSGHDR) + len(ask), NLMSG_DONE, 0, 0, os.getpid())
    kernel.send(header + ask)
    return kernel


def fork_of(message, asleep):
    """Returns the line of a message that tells of a new process, and nothing for others, such as new threads."""
    what, _, at = struct.unpack_from(EVENT, message, HEADERS)
    if what != FORK:
        return ""
    _, parent, child, process = struct.unpack_from(FORKED, message, HEADERS + struct.calcsize(EVENT))
    return f"{at + asleep} {parent} {process}\n" if child == process else ""


def main():
    # The kernel's times do not count the time that the machine slept; those of the sensor do.
    asleep = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    asleep = asleep if asleep > 1_000_000 else 0
    kernel = listening()
    print("ready", flush=True)
    with open(sys.argv[1], "w") as lines:
        return write_forks(kernel, asleep, lines)


def write_forks(kernel, asleep, lines):
    while True:
        ready, _, _ = select.select([kernel, sys.stdin], [], [])
        if kernel not in ready:
            return 0
        try:
            lines.write(fork_of(kernel.recv(4096), asleep))
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            return 1


sys.exit(main())

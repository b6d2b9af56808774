//! The sensor in a running kernel: known work gives exactly the known events.
//!
//! These tests need root, a kernel with BTF, and Python for calls that a shell does not make. Where they cannot run, each
//! says so in one line.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod witness;
mod work;

use std::collections::BTreeSet;

use sensor::LOST_EVENTS;

use work::{Recorded, Turn, argument, python, record, shell};

/// Returns the events of a recording with a name.
fn named<'r>(recorded: &'r [Recorded], name: &str) -> Vec<&'r Recorded> {
    recorded.iter().filter(|event| event.name == name).collect()
}

/// Returns the one event with a name and an argument.
fn only<'r>(recorded: &'r [Recorded], name: &str, argument: (&str, &str)) -> &'r Recorded {
    let all = named(recorded, name).into_iter();
    let found: Vec<_> = all
        .filter(|event| event.has(argument.0, argument.1))
        .collect();
    assert_eq!(found.len(), 1, "{name} with {argument:?}: {found:#?}");
    found[0]
}

#[test]
fn files_give_their_events_and_arguments() {
    let Some(_turn) = Turn::wait() else { return };
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().display();
    let recorded = record(&shell(&format!(
        "cd {place}; echo x > made; ln -s made link; rm made; cat none"
    )));
    let made = only(&recorded, "openat", ("pathname", "'made'"));
    assert_eq!((made.id, made.arguments_number), (257, 4));
    assert!(made.returned >= 0, "{made:?}");
    assert!(made.has("flags", "'O_WRONLY|O_CREAT|O_TRUNC'"), "{made:?}");
    assert_eq!(argument(&made.arguments, "dirfd"), Some("-100"));
    assert_eq!(made.process_name, "sh");
    only(
        &recorded,
        "security_file_open",
        ("pathname", &format!("'{place}/made'")),
    );
    let link = named(&recorded, "symlink");
    assert_eq!(link.len(), 1, "{link:?}");
    assert!(
        link[0].has("target", "'made'") && link[0].has("linkpath", "'link'"),
        "{link:?}"
    );
    assert_eq!(
        only(&recorded, "openat", ("pathname", "'none'")).returned,
        -2
    );
    let ran = only(&recorded, "execve", ("argv", "['cat', 'none']"));
    assert_eq!(ran.process_name, "cat");
    let program = std::fs::canonicalize("/bin/cat").unwrap();
    assert_eq!(ran.executable.as_deref(), program.to_str());
    assert!(
        ran.cgroup
            .as_deref()
            .is_some_and(|cgroup| cgroup.starts_with('/')),
        "{ran:?}"
    );
}

#[test]
fn long_paths_and_names_that_are_not_utf8_are_kept() {
    let Some(_turn) = Turn::wait() else { return };
    // 4,095 bytes is the longest path that Linux takes; one of 5,000 is refused.
    let recorded = record(&python(
        "import os\n\
         long = b'/tmp/' + b'x/' * 2045\n\
         for path in [long, b'/tmp/' + b'y' * 5000, b'/tmp/a\\xff\\xfe\\'\"\\\\\\n', '/tmp/ä€'.encode()]:\n\
         \x20   try: os.open(path, os.O_RDONLY)\n\
         \x20   except OSError: pass\n",
    ));
    let long = format!("'/tmp/{}'", "x/".repeat(2045));
    assert_eq!(long.len(), 4095 + 2);
    only(&recorded, "openat", ("pathname", &long));
    let cut = format!("'/tmp/{}'", "y".repeat(4090));
    assert_eq!(only(&recorded, "openat", ("pathname", &cut)).returned, -36);
    only(
        &recorded,
        "openat",
        ("pathname", "'/tmp/a\\udcff\\udcfe\\'\"\\\\\\n'"),
    );
    only(&recorded, "openat", ("pathname", "'/tmp/ä€'"));
}

#[test]
fn returns_keep_their_sign_and_their_64_bits() {
    let Some(_turn) = Turn::wait() else { return };
    let recorded = record(&python(
        "import ctypes, os\n\
         call = ctypes.CDLL(None, use_errno=True).syscall\n\
         call.restype = ctypes.c_long\n\
         for number, args in [(3, (-7,)), (157, (15, ctypes.c_long(0x7ffffffff000))), (62, (0, 0)), (41, (77, 3, 5))]:\n\
         \x20   call(number, *args)\n\
         call(157, 38, ctypes.c_ulong(0xfedcba9876543210), 0, 0, 0)\n",
    ));
    assert_eq!(only(&recorded, "close", ("fd", "-7")).returned, -9);
    assert_eq!(
        only(&recorded, "prctl", ("option", "'PR_SET_NAME'")).returned,
        -14
    );
    assert_eq!(only(&recorded, "kill", ("sig", "0")).returned, 0);
    assert_eq!(only(&recorded, "socket", ("domain", "'77'")).returned, -97);
    let wide = only(
        &recorded,
        "prctl",
        ("arg2", &0xfedc_ba98_7654_3210_u64.to_string()),
    );
    assert_eq!(wide.returned, -22);
}

#[test]
fn sockets_give_their_addresses() {
    let Some(_turn) = Turn::wait() else { return };
    let recorded = record(&python(
        "import socket\n\
         server = socket.socket(); server.bind(('127.0.0.1', 0)); server.listen(7)\n\
         port = server.getsockname()[1]\n\
         client = socket.create_connection(('127.0.0.1', port))\n\
         accepted, _ = server.accept()\n\
         six = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)\n\
         try: six.connect(('::1', 9))\n\
         except OSError: pass\n\
         try: socket.socket(socket.AF_UNIX).connect('/none.sock')\n\
         except OSError: pass\n",
    ));
    let unix = "\"{'sa_family': 'AF_UNIX','sun_path': '/none.sock'}\"";
    assert_eq!(only(&recorded, "connect", ("addr", unix)).returned, -2);
    let listening = only(&recorded, "listen", ("backlog", "7"));
    assert_eq!(listening.returned, 0);
    let names = named(&recorded, "getsockname");
    let own = names
        .first()
        .and_then(|event| argument(&event.arguments, "addr"));
    let own = own.expect("the server asks for its name first");
    assert!(
        own.starts_with("\"{'sa_family': 'AF_INET','sin_port': '"),
        "{own}"
    );
    assert!(own.ends_with("'sin_addr': '127.0.0.1'}\""), "{own}");
    assert_eq!(only(&recorded, "connect", ("addr", own)).returned, 0);
    assert_eq!(named(&recorded, "accept4").len(), 1);
    let six = "\"{'sa_family': 'AF_INET6','sin6_port': '9','sin6_addr': '::1'}\"";
    only(&recorded, "connect", ("addr", six));
}

#[test]
fn processes_and_threads_are_told_apart() {
    let Some(_turn) = Turn::wait() else { return };
    let recorded = record(&python(
        "import os, signal, threading, time\n\
         def work():\n\
         \x20   try: os.open('/thread', 0)\n\
         \x20   except OSError: pass\n\
         threads = [threading.Thread(target=work) for _ in range(5)]\n\
         [t.start() for t in threads]; [t.join() for t in threads]\n\
         child = os.fork()\n\
         if child == 0:\n\
         \x20   os.kill(os.getpid(), signal.SIGKILL)\n\
         os.waitpid(child, 0)\n\
         child = os.fork()\n\
         if child == 0: os._exit(7)\n\
         os.waitpid(child, 0)\n\
         os.spawnv(os.P_WAIT, '/bin/true', ['true', 'it'])\n\
         threading.Thread(target=lambda: os.execv('/bin/sh', ['sh', '-c', ': last'])).start()\n\
         time.sleep(5)\n",
    ));
    let opened: Vec<_> = named(&recorded, "openat")
        .into_iter()
        .filter(|event| event.has("pathname", "'/thread'"))
        .collect();
    let threads: BTreeSet<u32> = opened.iter().map(|event| event.thread).collect();
    let processes: BTreeSet<u32> = opened.iter().map(|event| event.process).collect();
    assert_eq!(
        (opened.len(), threads.len(), processes.len()),
        (5, 5, 1),
        "{opened:#?}"
    );
    let process = opened[0].process;
    let killed = only(&recorded, "sched_process_exit", ("signal", "9"));
    assert_eq!((killed.parent, killed.id), (process, 1010));
    let ended = only(&recorded, "sched_process_exit", ("exit_code", "7"));
    assert!(ended.parent == process && ended.process_start > opened[0].process_start);
    // Each child is what its parent's call returned, and no call returns in the child.
    let children: BTreeSet<i64> = named(&recorded, "clone")
        .iter()
        .map(|event| event.returned)
        .collect();
    for child in [killed, ended] {
        assert!(children.contains(&i64::from(child.process)), "{child:?}");
    }
    assert!(!children.contains(&0));
    let ran = only(&recorded, "execve", ("argv", "['true', 'it']"));
    assert!(ran.parent == process && children.contains(&i64::from(ran.process)));
    // The thread that runs another program takes the number of its process.
    let last = only(&recorded, "execve", ("argv", "['sh', '-c', ': last']"));
    assert_eq!((last.process, last.thread), (process, process));
    assert_eq!(last.process_start, opened[0].process_start);
}

#[test]
fn a_new_process_with_an_old_number_is_another() {
    let Some(_turn) = Turn::wait() else { return };
    // `clone3` takes the number that the new process is to have.
    let recorded = record(&python(
        "import ctypes, os\n\
         def run(program, number):\n\
         \x20   wanted = (ctypes.c_int * 1)(number)\n\
         \x20   place = ctypes.addressof(wanted) if number else 0\n\
         \x20   args = (ctypes.c_uint64 * 11)(0, 0, 0, 0, 17, 0, 0, 0, place, 1 if number else 0, 0)\n\
         \x20   child = ctypes.CDLL(None).syscall(435, args, 88)\n\
         \x20   if child == 0: os.execv(program, [program])\n\
         \x20   os.waitpid(child, 0)\n\
         \x20   return child\n\
         run('/bin/false', run('/bin/true', 0))\n",
    ));
    let [first, second] = ["/bin/true", "/bin/false"]
        .map(|program| only(&recorded, "execve", ("pathname", &format!("'{program}'"))));
    assert_eq!(first.process, second.process);
    assert!(first.process_start < second.process_start);
    for event in recorded
        .iter()
        .filter(|event| event.process == first.process)
    {
        let own = match event.time < second.process_start {
            true => first,
            false => second,
        };
        assert_eq!(event.process_start, own.process_start, "{event:?}");
    }
    for run in [first, second] {
        let program = argument(&run.arguments, "pathname")
            .unwrap()
            .trim_matches('\'');
        let program = std::fs::canonicalize(program).unwrap();
        assert_eq!(run.executable.as_deref(), program.to_str());
    }
}

#[test]
fn a_stopped_reader_loses_events_and_counts_them_exactly() {
    let Some(_turn) = Turn::wait() else { return };
    const CLOSES: usize = 200_000;
    let script = format!(
        "import os\nfor _ in range({CLOSES}):\n    try: os.close(12345)\n    except OSError: pass\n"
    );
    let (recorded, counts) = work::record_when_over(&python(&script));
    let lost: u64 = counts.iter().map(|counts| counts.lost).sum();
    let emitted: u64 = counts.iter().map(|counts| counts.emitted).sum();
    assert!(lost > 0, "the ring buffer held everything");
    let gaps: u64 = named(&recorded, LOST_EVENTS)
        .iter()
        .map(|event| event.returned as u64)
        .sum();
    assert_eq!(gaps, lost, "each lost event is told of");
    let read = recorded
        .iter()
        .filter(|event| event.name != LOST_EVENTS)
        .count() as u64;
    assert_eq!(emitted, read + lost);
    let closes = recorded
        .iter()
        .filter(|event| event.name == "close" && event.has("fd", "12345"));
    let closes = closes.count();
    assert!(
        closes <= CLOSES && closes as u64 + lost >= CLOSES as u64,
        "{closes} and {lost}"
    );
}

#[test]
fn two_sensors_see_the_same() {
    let Some(_turn) = Turn::wait() else { return };
    let [left, right] = work::record_twice(&shell("ls /; cat /etc/hostname; true"));
    let told = |recorded: &[Recorded]| {
        let told = recorded.iter().map(|event| {
            (
                event.thread,
                event.name.clone(),
                event.arguments.clone(),
                event.returned,
            )
        });
        told.collect::<Vec<_>>()
    };
    assert!(left.len() > 20);
    assert_eq!(told(&left), told(&right));
}

#[test]
fn users_are_told_apart_in_the_kernel() {
    let Some(_turn) = Turn::wait() else { return };
    let filter = sensor::Filter {
        user: Some(4321),
        ..sensor::Filter::default()
    };
    let script = "import os\ntry: os.open('/before', 0)\nexcept OSError: pass\nos.setuid(4321)\n\
                  try: os.open('/after', 0)\nexcept OSError: pass\n";
    let recorded = work::record_with(filter, &python(script));
    only(&recorded, "openat", ("pathname", "'/after'"));
    assert!(recorded.iter().all(|event| event.user == 4321));
    only(&recorded, "setuid", ("uid", "4321"));
}

#[test]
fn cgroups_are_told_apart_in_the_kernel() {
    let Some(_turn) = Turn::wait() else { return };
    let name = format!("honeyguide-test-{}", std::process::id());
    let Some(cgroup) = work::Cgroup::create(&name) else {
        return eprintln!("not tested: no cgroup of version 2 can be made");
    };
    let filter = sensor::Filter {
        cgroup: Some(cgroup.path()),
        ..sensor::Filter::default()
    };
    let script = format!(
        "cat /outside; echo $$ > {}/cgroup.procs; cat /inside",
        cgroup.path().display()
    );
    let recorded = work::record_with(filter, &shell(&script));
    only(&recorded, "openat", ("pathname", "'/inside'"));
    for event in &recorded {
        assert!(!event.has("pathname", "'/outside'"), "{event:?}");
        assert!(
            event
                .cgroup
                .as_deref()
                .is_some_and(|path| path.ends_with(&name)),
            "{event:?}"
        );
    }
}

#[test]
fn containers_are_told_apart_in_the_kernel() {
    let Some(_turn) = Turn::wait() else { return };
    let [ours, other] = [1, 2].map(|last| format!("{:063x}{last}", std::process::id()));
    let name = |id: &str| format!("docker-{id}.scope");
    let cgroups = [&ours, &other].map(|id| work::Cgroup::create(&name(id)));
    let [Some(container), Some(beside)] = cgroups else {
        return eprintln!("not tested: no cgroup of version 2 can be made");
    };
    let filter = sensor::Filter {
        container: Some(ours.clone()),
        ..sensor::Filter::default()
    };
    let script = format!(
        "echo $$ > {}/cgroup.procs; cat /beside; echo $$ > {}/cgroup.procs; cat /inside",
        beside.path().display(),
        container.path().display()
    );
    let recorded = work::record_with(filter, &shell(&script));
    only(&recorded, "openat", ("pathname", "'/inside'"));
    for event in &recorded {
        assert!(!event.has("pathname", "'/beside'"), "{event:?}");
        assert_eq!(event.container.as_ref(), Some(&ours), "{event:?}");
    }
}

#[test]
fn calls_of_32_bit_programs_have_their_own_numbers() {
    let Some(_turn) = Turn::wait() else { return };
    // Code that makes the call `number(a, b, c)` as 32-bit programs do, in memory that they can address.
    let recorded = record(&python(
        "import ctypes, mmap\n\
         MAP_PRIVATE, MAP_ANONYMOUS, MAP_32BIT = 2, 32, 64\n\
         memory = mmap.mmap(-1, 4096, flags=MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, prot=7)\n\
         memory.write(bytes.fromhex('53 89f8 89f3 4189c8 89d1 4489c2 cd80 5b c3'))\n\
         memory[64:74] = b'/none/of32'\n\
         place = ctypes.addressof(ctypes.c_char.from_buffer(memory))\n\
         call = ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_int] * 4)(place)\n\
         for number, a, b in [(5, place + 64, 1), (6, -7, 0), (37, 0, 0)]: call(number, a, b, 0)\n",
    ));
    let opened = only(&recorded, "openat", ("pathname", "'/none/of32'"));
    assert_eq!((opened.returned, opened.id), (-2, 257), "{opened:?}");
    assert_eq!(opened.system_call.as_deref(), Some("open"));
    assert!(opened.has("flags", "'O_WRONLY'"), "{opened:?}");
    let closed = only(&recorded, "close", ("fd", "-7"));
    assert_eq!(closed.returned, -9);
    assert_eq!(only(&recorded, "kill", ("sig", "0")).returned, 0);
}

#[test]
fn calls_agree_with_strace() {
    let Some(_turn) = Turn::wait() else { return };
    let Some(witnessed) =
        witness::run("ls -l /etc > /dev/null; cat /etc/passwd | wc; cd /tmp; cat none")
    else {
        return eprintln!("not tested: strace is not there");
    };
    let recorded = &witnessed.recorded;
    assert!(witnessed.calls.len() > 50);
    let own: Vec<_> = recorded
        .iter()
        .filter(|event| event.system_call.is_some())
        .map(witness::call_of)
        .collect();
    let mut sorted = [own, witnessed.calls.clone()];
    sorted.iter_mut().for_each(|calls| calls.sort());
    let [own, theirs] = sorted;
    assert_eq!(own, theirs);
}

//! Tests that read written splits back and check the properties on which a reader of such a log relies.

mod fleet;
mod lookups;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use super::call::Call;
use super::process::FIRST_NAMESPACE;
use super::text::HEADER;
use super::*;

/// The ids below this one belong to processes that were started at boot.
const FIRST_CHILD: u32 = 7_240;
/// The process id of the parent of the kernel's threads.
const KTHREADD: u32 = 2;

/// Writes a split to memory. Returns its text and its counts.
fn written(events: u64, seed: u64, split: Split) -> (String, Summary) {
    written_by(&Simulation::new(events, seed).unwrap(), split)
}

/// Writes a split of a simulation to memory. Returns its text and its counts.
fn written_by(simulation: &Simulation, split: Split) -> (String, Summary) {
    let mut bytes = Vec::new();
    let summary = simulation.write_split(split, &mut bytes).unwrap();
    (String::from_utf8(bytes).unwrap(), summary)
}

/// The parsed values of one row.
struct Row {
    micros: u64,
    process: u32,
    thread: u32,
    parent: u32,
    user: u32,
    namespace: u64,
    host: String,
    id: u32,
    event: String,
    stack: String,
    args_num: usize,
    returns: i64,
    args: String,
    /// The columns `sus` and `evil`.
    label: (u8, u8),
}

/// Splits a CSV line at the commas outside quotes. A doubled quote in a quoted field stands for one quote.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut rest = line.chars().peekable();
    while let Some(c) = rest.next() {
        let field = fields.last_mut().unwrap();
        match c {
            '"' if quoted && rest.peek() == Some(&'"') => {
                rest.next();
                field.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            _ => field.push(c),
        }
    }
    assert!(!quoted, "{line}");
    fields
}

/// Parses a time in seconds with one to six decimals. Returns microseconds.
fn micros(seconds: &str) -> u64 {
    let (whole, part) = seconds.split_once('.').unwrap();
    assert!((1..=6).contains(&part.len()), "{seconds}");
    format!("{whole}{part:0<6}").parse().unwrap()
}

/// Parses the rows below the header.
fn rows(text: &str) -> impl Iterator<Item = Row> {
    let body = text.strip_prefix(HEADER).expect("the header is exact");
    body.lines().map(|line| {
        let f = fields(line);
        assert_eq!(f.len(), 16, "{line}");
        Row {
            micros: micros(&f[0]),
            process: f[1].parse().unwrap(),
            thread: f[2].parse().unwrap(),
            parent: f[3].parse().unwrap(),
            user: f[4].parse().unwrap(),
            namespace: f[5].parse().unwrap(),
            host: f[7].clone(),
            id: f[8].parse().unwrap(),
            event: f[9].clone(),
            stack: f[10].clone(),
            args_num: f[11].parse().unwrap(),
            returns: f[12].parse().unwrap(),
            args: f[13].clone(),
            label: (f[14].parse().unwrap(), f[15].parse().unwrap()),
        }
    })
}

/// A Python literal of the kinds that the columns hold.
#[derive(Debug, PartialEq)]
enum Literal {
    Number(i64),
    Text(String),
    List(Vec<Literal>),
    Dictionary(Vec<(Literal, Literal)>),
}

/// Parses one literal and removes it from the front of `text`.
fn literal(text: &mut &str) -> Literal {
    *text = text.trim_start();
    match text.chars().next().unwrap() {
        '[' => Literal::List(items(text, ']', literal)),
        '{' => Literal::Dictionary(items(text, '}', |text| {
            let key = literal(text);
            *text = text.strip_prefix(':').unwrap();
            (key, literal(text))
        })),
        quote @ ('\'' | '"') => {
            let (inside, rest) = text[1..].split_once(quote).unwrap();
            *text = rest;
            Literal::Text(inside.to_owned())
        }
        _ => {
            let end = text
                .find(|c: char| c != '-' && !c.is_ascii_digit())
                .unwrap_or(text.len());
            let number = text[..end].parse().unwrap();
            *text = &text[end..];
            Literal::Number(number)
        }
    }
}

/// Parses the items of a list or dictionary up to the bracket `end`, and removes them from the front of
/// `text`.
fn items<T>(text: &mut &str, end: char, item: impl Fn(&mut &str) -> T) -> Vec<T> {
    *text = &text[1..];
    let mut all = Vec::new();
    while !text.starts_with(end) {
        all.push(item(text));
        *text = text.strip_prefix(',').unwrap_or(text);
    }
    *text = &text[1..];
    all
}

/// Returns the names and values of the arguments. Each dictionary must have exactly name, type and value.
fn arguments(row: &Row) -> Vec<(String, Literal)> {
    let Literal::List(all) = literal(&mut row.args.as_str()) else {
        panic!("{}", row.args)
    };
    let argument = |argument| match argument {
        Literal::Dictionary(entries) => {
            let [(n, Literal::Text(name)), (t, Literal::Text(_)), (v, value)] =
                <[_; 3]>::try_from(entries).unwrap()
            else {
                panic!("{}", row.args)
            };
            assert_eq!(
                [n, t, v],
                ["name", "type", "value"].map(|key| Literal::Text(key.into()))
            );
            (name, value)
        }
        _ => panic!("{}", row.args),
    };
    all.into_iter().map(argument).collect()
}

#[test]
fn every_row_has_the_formats_of_beth() {
    for split in Split::ALL {
        let (text, summary) = written(40_000, 3, split);
        let mut count = 0;
        for row in rows(&text) {
            count += 1;
            let facts = (row.id, row.event.as_str(), row.args_num);
            assert!(
                Call::ALL.iter().any(|call| call.facts() == facts),
                "{facts:?}"
            );
            assert_eq!(arguments(&row).len(), row.args_num, "{}", row.args);
            assert!(
                matches!(literal(&mut row.stack.as_str()), Literal::List(_)),
                "{}",
                row.stack
            );
            assert!(row.namespace >= FIRST_NAMESPACE && row.namespace < FIRST_NAMESPACE + 1_000);
            assert!(matches!(row.label, (0, 0) | (1, 0) | (1, 1)));
        }
        assert_eq!(count, summary.events);
        assert_eq!(
            count,
            Simulation::new(40_000, 3)
                .unwrap()
                .split_events(split)
                .unwrap()
        );
    }
}

#[test]
fn every_call_occurs() {
    let texts = Split::ALL.map(|split| written(400_000, 5, split).0);
    for call in Call::ALL {
        let (id, name, _) = call.facts();
        let columns = format!(",{id},{name},");
        assert!(texts.iter().any(|text| text.contains(&columns)), "{name}");
    }
}

#[test]
fn time_increases_on_each_host_and_hosts_do_not_mix() {
    for split in Split::ALL {
        let (text, summary) = written(40_000, 4, split);
        let mut hosts: Vec<String> = Vec::new();
        let mut last = 0;
        for row in rows(&text) {
            if hosts.last() != Some(&row.host) {
                assert!(!hosts.contains(&row.host), "{} comes twice", row.host);
                hosts.push(row.host);
                last = 0;
            }
            assert!(row.micros > last, "{} after {last}", row.micros);
            last = row.micros;
        }
        assert_eq!(hosts.len() as u64, summary.hosts);
    }
}

/// The state of a live process as a reader of the log knows it.
#[derive(Clone)]
struct LiveProcess {
    parent: u32,
    user: u32,
    threads: BTreeSet<u32>,
    /// The open descriptors.
    open: BTreeSet<i64>,
}

/// The processes of a host, updated row by row.
#[derive(Default)]
struct ProcessTree {
    live: BTreeMap<u32, LiveProcess>,
    /// The ids that `clone` returned and that have no row yet, each with the process that called it.
    cloned: BTreeMap<u32, u32>,
    /// The ids of processes that have ended.
    ended: BTreeSet<u32>,
}

impl ProcessTree {
    /// Checks that a row fits the processes, and applies it to them.
    fn check_and_apply(&mut self, row: &Row) {
        assert!(
            !self.ended.contains(&row.process),
            "process {} has a row after its end",
            row.process
        );
        if !self.live.contains_key(&row.process) {
            self.add_process(row);
        }
        if row.thread != row.process {
            self.add_thread(row);
        }
        let orphaned = self.ended.contains(&self.live[&row.process].parent);
        let known = self.live.get_mut(&row.process).unwrap();
        if orphaned {
            known.parent = 1;
        }
        assert_eq!(
            (known.parent, known.user),
            (row.parent, row.user),
            "process {}",
            row.process
        );
        self.apply(row);
    }

    /// Adds a process at its first row. It was cloned, started at boot, or is a thread of the kernel.
    fn add_process(&mut self, row: &Row) {
        let from = self.cloned.remove(&row.process);
        let forked = from == Some(row.parent);
        assert!(
            forked || row.process < FIRST_CHILD || row.parent == KTHREADD,
            "process {} was not started",
            row.process
        );
        let inherited = from
            .and_then(|parent| self.live.get(&parent))
            .map(|parent| (parent.user, parent.open.clone()));
        let (user, open) = inherited.unwrap_or((row.user, BTreeSet::new()));
        self.live.insert(
            row.process,
            LiveProcess {
                parent: row.parent,
                user,
                threads: BTreeSet::new(),
                open,
            },
        );
    }

    /// Adds a thread at its first row. It must have been cloned by its process.
    fn add_thread(&mut self, row: &Row) {
        let known = self.live.get_mut(&row.process).unwrap();
        if !known.threads.contains(&row.thread) {
            assert_eq!(
                self.cloned.remove(&row.thread),
                Some(row.process),
                "thread {} was not started",
                row.thread
            );
            known.threads.insert(row.thread);
        }
    }

    /// Applies the effect of a call on its process.
    fn apply(&mut self, row: &Row) {
        let known = self.live.get_mut(&row.process).unwrap();
        let number = |name: &str| match arguments(row).into_iter().find(|(n, _)| n == name) {
            Some((_, Literal::Number(number))) => number,
            other => panic!("{name}: {other:?}"),
        };
        match row.event.as_str() {
            "clone" => {
                let child = u32::try_from(row.returns).unwrap();
                assert!(
                    self.cloned.insert(child, row.process).is_none()
                        && !self.live.contains_key(&child)
                );
            }
            "openat" | "socket" | "accept" | "accept4" | "dup" if row.returns >= 0 => {
                assert!(
                    known.open.insert(row.returns),
                    "{} is open already",
                    row.returns
                );
            }
            "dup2" => {
                known.open.insert(row.returns);
            }
            "close" if row.returns == 0 => {
                known.open.remove(&number("fd"));
            }
            "execve" => known.open.retain(|&fd| fd < 3),
            "setuid" => known.user = number("uid") as u32,
            "sched_process_exit" if row.thread == row.process => {
                self.live.remove(&row.process);
                self.ended.insert(row.process);
            }
            "sched_process_exit" => {
                known.threads.remove(&row.thread);
            }
            _ => {}
        }
    }
}

#[test]
fn process_trees_and_descriptors_are_consistent() {
    let recordings = Split::ALL
        .into_iter()
        .flat_map(|split| [(split, 150_000), (split, 5_000)]);
    for ((split, events), seed) in recordings.zip(11..) {
        let mut trees: BTreeMap<String, ProcessTree> = BTreeMap::new();
        for row in rows(&written(events, seed, split).0) {
            trees
                .entry(row.host.clone())
                .or_default()
                .check_and_apply(&row);
        }
        // Only the ids that were cloned just before the end of the recording have no row.
        assert!(trees.values().all(|tree| tree.cloned.len() <= 8));
    }
}

#[test]
fn label_shares_are_as_documented() {
    for seed in 0..3 {
        let share = |split| {
            let summary = written(150_000, seed, split).1;
            (
                summary.sus * 10_000 / summary.events,
                summary.evil * 10_000 / summary.events,
            )
        };
        let (training, validation, testing) = (
            share(Split::Training),
            share(Split::Validation),
            share(Split::Testing),
        );
        assert!(
            (3..60).contains(&training.0) && training.1 == 0,
            "{training:?}"
        );
        assert!(
            (3..120).contains(&validation.0) && validation.1 == 0,
            "{validation:?}"
        );
        assert!(
            (8_800..9_200).contains(&testing.0) && (8_000..8_700).contains(&testing.1),
            "{testing:?}"
        );
    }
}

#[test]
fn a_short_recording_has_both_classes() {
    for events in [1_000, 2_500, 10_000, 30_000] {
        for seed in 0..20 {
            let summary = written(events, seed, Split::Testing).1;
            let benign = summary.events - summary.sus;
            assert!(
                summary.evil * 2 > summary.events && benign * 50 > summary.events,
                "{summary:?}"
            );
        }
    }
}

#[test]
fn the_summary_counts_what_was_written() {
    let (text, summary) = written(60_000, 8, Split::Testing);
    let all: Vec<Row> = rows(&text).collect();
    assert_eq!(
        summary.sus,
        all.iter().map(|row| u64::from(row.label.0)).sum::<u64>()
    );
    assert_eq!(
        summary.evil,
        all.iter().map(|row| u64::from(row.label.1)).sum::<u64>()
    );
    assert!(
        summary.processes
            > all
                .iter()
                .map(|row| row.process)
                .collect::<BTreeSet<_>>()
                .len() as u64
    );
}

#[test]
fn a_seed_gives_the_same_bytes_on_any_thread_and_other_seeds_give_others() {
    let in_turn = Split::ALL.map(|split| written(20_000, 7, split).0);
    let at_once = std::thread::scope(|scope| {
        Split::ALL
            .map(|split| scope.spawn(move || written(20_000, 7, split).0))
            .map(|thread| thread.join().unwrap())
    });
    assert!(in_turn == at_once);
    assert!(in_turn[0] != written(20_000, 8, Split::Training).0);
}

/// Returns the 64-bit FNV-1a hash (Fowler, Noll, Vo).
fn fingerprint(text: &str) -> u64 {
    text.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    })
}

#[test]
fn the_bytes_are_the_same_on_every_machine() {
    // Only a change of the scenario may change these numbers, never a compiler, a processor or a dependency.
    let fingerprints = Split::ALL.map(|split| fingerprint(&written(10_000, 42, split).0));
    assert_eq!(
        fingerprints,
        [
            0x4CDC_566E_95EF_21CF,
            0x30CD_BBC7_0E6D_A7CC,
            0xD8C5_41C7_D493_D2F1
        ]
    );
}

#[test]
fn the_events_must_be_within_the_limits() {
    assert_eq!(
        Simulation::new(999, 0),
        Err(SimulateError::TooFewEvents { events: 999 })
    );
    assert_eq!(
        Simulation::new(u64::MAX, 0),
        Err(SimulateError::TooManyEvents { events: u64::MAX })
    );
    let total: u64 = Split::ALL
        .map(|split| {
            Simulation::new(1_000, 0)
                .unwrap()
                .split_events(split)
                .unwrap()
        })
        .iter()
        .sum();
    assert_eq!(total, 1_000);
}

/// A writer that accepts `free` more bytes and then fails, as a full disk does.
struct FillingDisk {
    free: usize,
}

impl Write for FillingDisk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.free == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let taken = bytes.len().min(self.free);
        self.free -= taken;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_ends_the_simulation() {
    // All these events would take an hour to write, so the error must end the run at once.
    let simulation = Simulation::new(MOST_EVENTS, 0).unwrap();
    let error = simulation
        .write_split(Split::Testing, &mut FillingDisk { free: 1_000_000 })
        .unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
}

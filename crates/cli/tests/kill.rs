//! A watch is killed a hundred times, at moments that fixed sequences draw by its progress. Every event of its followed file is in
//! the incidents once, and every alert goes out at least once.

mod common;
#[path = "../../watch/src/outbox/faults.rs"]
#[allow(dead_code, reason = "the tests of the outbox use more of it")]
mod faults;

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant, SystemTime};

use common::schema::valid_answer;
use common::{Folder, signal, wait_for_end};
use faults::{Answer, Server};
use serde_json::Value;

/// The number of watches that are killed side by side, and of kills of each.
const CHAINS: usize = 5;
const KILLS: usize = 20;
/// The variable that asks for more kills.
const KILLS_VARIABLE: &str = "HONEYGUIDE_TEST_WATCH_KILLS";
/// The rounds in which the file is renamed, and begun anew.
const RENAMES: [usize; 2] = [7, 13];
/// The number of looks at a watch that has just been started after which it may be killed.
const LOOKS: u64 = 400;
/// The greatest number of steps of progress after which a watch is killed.
const STEPS: u64 = 4;
/// The time between two looks.
const LOOK: Duration = Duration::from_micros(300);
/// A watch that makes no progress is killed after this time.
const SILENCE: Duration = Duration::from_secs(3);
/// The longest wait for the last watch of a chain.
const PATIENCE: Duration = Duration::from_secs(120);

/// Numbers of a fixed sequence.
struct Draw(u64);

impl Draw {
    /// Returns a number below `limit`.
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// What is the same for all chains: a model, events, and what an undisturbed run finds in them.
struct Expected {
    folder: Folder,
    text: String,
    /// What the batch command finds.
    found: Value,
    /// The events of each incident that a watch which is not killed stores, by the ids of the incidents.
    events: BTreeMap<String, Value>,
}

const DATA: &str = "logs/labelled_testing_data.csv";

impl Expected {
    fn new() -> Self {
        let folder = Folder::new();
        let simulate = [
            "simulate", "--out", "logs", "--events", "40000", "--seed", "5",
        ];
        folder.done(&simulate);
        let train = "logs/labelled_training_data.csv";
        folder.done(&["train", train, "--trees", "20", "--out", "model.json"]);
        let found = folder.done(&["incidents", "model.json", DATA, "--top", "10000", "--json"]);
        folder.done(&["watch", "model.json", DATA, "--store", "whole.db"]);
        let stored = stored(&folder, "whole.db");
        Self {
            text: String::from_utf8(folder.read(DATA)).expect("text"),
            found: valid_answer(&found.stdout),
            events: events_of(&stored),
            folder,
        }
    }
}

/// Returns what a store holds.
fn stored(folder: &Folder, store: &str) -> Value {
    let args = ["incidents", "--store", store, "--top", "10000", "--json"];
    valid_answer(&folder.done(&args).stdout)
}

fn rows(stored: &Value) -> impl Iterator<Item = (String, &Value)> {
    let rows = stored["incidents"].as_array().expect("incidents").iter();
    rows.map(|row| {
        (
            row["incident"]["id"].as_str().expect("an id").to_owned(),
            row,
        )
    })
}

/// Returns the stored events of each incident.
fn events_of(stored: &Value) -> BTreeMap<String, Value> {
    rows(stored)
        .map(|(id, row)| (id, row["events"].clone()))
        .collect()
}

/// The lengths of files and when they were written last, and the number of alerts that a webhook has taken.
type Progress = ([Option<(u64, SystemTime)>; 3], usize);

/// One watch that is killed and started again.
struct Chain<'a> {
    expected: &'a Expected,
    folder: Folder,
    server: Server,
    draw: Draw,
}

impl<'a> Chain<'a> {
    fn new(expected: &'a Expected, seed: u64) -> Self {
        let folder = Folder::new();
        folder.write("model.json", expected.folder.read("model.json"));
        fs::create_dir(folder.path("live")).expect("a folder");
        // Waits grow with each failure after another, so that some alerts are taken in between.
        let answers = (0..8).flat_map(|_| {
            let (broken, lost) = (Answer::Status(500, ""), Answer::Lost);
            [broken, Answer::Taken, lost, Answer::Taken]
        });
        Self {
            expected,
            folder,
            server: Server::begin(answers.collect()),
            draw: Draw(seed),
        }
    }

    fn start(&self) -> Child {
        let url = self.server.url();
        let args = [
            "watch",
            "model.json",
            "live/log.csv",
            "--follow",
            "--store",
            "store.db",
            "--watermark",
            "1",
            "--alerts",
            "alerts.jsonl",
            "--webhook",
            &url,
            "--json",
        ];
        let mut command = self.folder.command(&args);
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("a watch")
    }

    fn append(&self, lines: &[&str]) {
        let log = self.folder.path("live/log.csv");
        let file = OpenOptions::new().create(true).append(true).open(log);
        let written = file.expect("a file").write_all(lines.concat().as_bytes());
        written.expect("space");
    }

    /// Returns what changes whenever the watch writes something.
    fn progress(&self) -> Progress {
        let files = ["store.db", "store.db-wal", "alerts.jsonl"].map(|name| {
            let meta = fs::metadata(self.folder.path(name)).ok()?;
            Some((meta.len(), meta.modified().ok()?))
        });
        (files, self.server.taken().len())
    }

    /// Waits for a number of looks, or else of steps of progress.
    fn wait(&self, looks: u64, steps: u64) {
        (0..looks).for_each(|_| std::thread::sleep(LOOK));
        let mut last = (self.progress(), Instant::now());
        let mut left = steps;
        while left > 0 && last.1.elapsed() < SILENCE {
            std::thread::sleep(LOOK);
            let now = self.progress();
            if now != last.0 {
                last = (now, Instant::now());
                left -= 1;
            }
        }
    }

    /// Kills watches while the file grows.
    fn kill(&mut self) {
        let lines: Vec<&str> = self.expected.text.split_inclusive('\n').collect();
        let size = lines.len().div_ceil(KILLS);
        for (round, part) in lines.chunks(size).enumerate() {
            self.append(part);
            let mut child = self.start();
            // One of four is killed while it starts, the others after some of its writes. The first stores something.
            let (looks, steps) = match (round, self.draw.below(4)) {
                (0, _) => (0, 8),
                (_, 0) => (self.draw.below(LOOKS), 0),
                _ => (0, 1 + self.draw.below(STEPS)),
            };
            self.wait(looks, steps);
            if RENAMES.contains(&round) {
                let old = self.folder.path(&format!("live/log.csv.{round}"));
                fs::rename(self.folder.path("live/log.csv"), old).expect("a renamed file");
                self.append(&lines[..1]);
                let steps = self.draw.below(STEPS);
                self.wait(0, steps);
            }
            child.kill().expect("a watch that runs");
            child.wait().expect("a status");
        }
    }

    /// Lets a last watch read what is left. Returns what it stored.
    fn finish(&self) -> Value {
        let child = self.start();
        let end = Instant::now() + PATIENCE;
        let stored = loop {
            std::thread::sleep(Duration::from_millis(500));
            // The store is read while the watch writes it.
            let stored = stored(&self.folder, "store.db");
            let events = |row: &Value| row["incident"]["events"].as_u64().expect("a number");
            let sum: u64 = rows(&stored).map(|(_, row)| events(row)).sum();
            let receivers = stored["receivers"].as_array().expect("receivers").iter();
            let waiting: u64 = receivers
                .filter_map(|receiver| receiver["alerts"].as_u64())
                .sum();
            let is_complete = self.expected.found["anomalous"] == sum && waiting == 0;
            if is_complete || Instant::now() > end {
                break stored;
            }
        };
        signal(&child, "TERM");
        let run = wait_for_end(child);
        assert_eq!(run.status, 0, "{}", run.stderr);
        let answer = valid_answer(&run.stdout);
        let found = &self.expected.found;
        assert_eq!(
            answer["ledger"]["scored"], found["events"],
            "every event once"
        );
        assert_eq!(answer["anomalous"], found["anomalous"]);
        stored
    }

    /// Asserts that the store has what an undisturbed run finds.
    fn assert_stored(&self, stored: &Value) {
        assert_eq!(stored["gaps"], serde_json::json!([]));
        let incidents: BTreeMap<String, &Value> = rows(stored)
            .map(|(id, row)| (id, &row["incident"]))
            .collect();
        let expected = self.expected.found["incidents"]
            .as_array()
            .expect("a list")
            .iter();
        let expected: BTreeMap<String, &Value> = expected
            .map(|one| (one["id"].as_str().expect("an id").to_owned(), one))
            .collect();
        assert_eq!(incidents, expected);
        assert_eq!(events_of(stored), self.expected.events);
    }

    /// Asserts that every incident was told of at least once, and that the same id tells the same, in the file and at the
    /// webhook.
    fn assert_told(&self, stored: &Value) {
        let mut told: BTreeMap<String, Value> = BTreeMap::new();
        let text = String::from_utf8(self.folder.read("alerts.jsonl")).expect("text");
        for line in text.lines() {
            // A kill may have cut a line off, which is then written again.
            let Ok(alert) = serde_json::from_str::<Value>(line) else {
                continue;
            };
            let id = alert["id"].as_str().expect("an id").to_owned();
            if let Some(known) = told.insert(id, alert.clone()) {
                assert_eq!(known, alert);
            }
        }
        for (id, row) in rows(stored) {
            for revision in 1..=row["revision"].as_u64().expect("a number") {
                assert!(
                    told.contains_key(&format!("{id}:{revision}")),
                    "{id}:{revision}"
                );
            }
        }
        let taken = self.server.taken();
        let taken = taken.iter().map(|request| {
            let alert: Value = serde_json::from_str(&request.body).expect("an alert");
            (alert["id"].as_str().expect("an id").to_owned(), alert)
        });
        let taken: BTreeMap<String, Value> = taken.collect();
        assert_eq!(taken, told);
    }
}

#[test]
fn a_hundred_kills_lose_and_repeat_no_event_and_lose_no_alert() {
    let kills = std::env::var(KILLS_VARIABLE).ok();
    let kills = kills.map(|kills| kills.parse::<usize>().expect("a number of kills"));
    let chains = kills.map_or(CHAINS, |kills| kills.div_ceil(KILLS));
    let expected = Expected::new();
    let seeds: Vec<u64> = (12_345..).take(chains).collect();
    for seeds in seeds.chunks(CHAINS) {
        std::thread::scope(|scope| {
            for seed in seeds {
                let expected = &expected;
                scope.spawn(move || {
                    let mut chain = Chain::new(expected, *seed);
                    chain.kill();
                    let stored = chain.finish();
                    chain.assert_stored(&stored);
                    chain.assert_told(&stored);
                });
            }
        });
    }
}

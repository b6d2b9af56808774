//! The store of a watch: the budget of alerts, events and gaps of incidents, and stores that cannot be written.

mod common;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use common::schema::valid_answer;
use common::{Folder, HEADER, event, events, signal, wait_for, wait_for_end};
use rusqlite::Connection;
use serde_json::Value;

/// The longest wait for something that another process does.
const PATIENCE: Duration = Duration::from_secs(60);

/// The alerts in the file of alerts.
fn alerts(folder: &Folder) -> Vec<Value> {
    let text = String::from_utf8(folder.read("alerts.jsonl")).expect("text");
    text.lines()
        .map(|line| serde_json::from_str(line).expect("an alert"))
        .collect()
}

/// What `incidents --store` says.
fn listed(folder: &Folder) -> Value {
    let args = [
        "incidents",
        "--store",
        "store.db",
        "--top",
        "10000",
        "--json",
    ];
    valid_answer(&folder.done(&args).stdout)
}

fn incidents(listed: &Value) -> &Vec<Value> {
    listed["incidents"].as_array().expect("incidents")
}

#[test]
fn alerts_keep_to_the_budget_and_one_digest_tells_of_the_rest() {
    let folder = Folder::with_model(2000);
    // Every host has incidents of its own.
    let data = "hosts.csv";
    let of_host = |host: usize| events(300).replace("host-1", &format!("host-{host}"));
    let lines: Vec<String> = (0..6)
        .map(|host| of_host(host).split_off(HEADER.len() + 1))
        .collect();
    folder.write(data, format!("{HEADER}\n{}", lines.concat()));
    let watch = |more: &[&str]| {
        let args = [
            "watch",
            "model.json",
            data,
            "--store",
            "store.db",
            "--alerts",
            "alerts.jsonl",
        ];
        folder.done(&[&args[..], more, &["--json"]].concat())
    };
    let answer = valid_answer(&watch(&["--incidents-per-day", "2"]).stdout);
    let found = answer["incidents"].as_u64().expect("a number");
    assert!(found > 4, "{answer}");
    assert_eq!(answer["beyond_budget"], found - 2);
    let first = alerts(&folder);
    let told: BTreeSet<&str> = first
        .iter()
        .filter_map(|alert| alert["incident"]["id"].as_str())
        .collect();
    assert_eq!(told.len(), 2);
    assert!(first.iter().all(|alert| alert["kind"] != "digest"));
    // The store has all incidents, as without a budget, and says of which alerts tell.
    let stored = listed(&folder);
    assert_eq!(stored["found"], found);
    let marked: BTreeSet<&str> = incidents(&stored)
        .iter()
        .filter(|row| row["told"] == true)
        .filter_map(|row| row["incident"]["id"].as_str())
        .collect();
    assert_eq!(marked, told);
    // When the day is over, the next watch tells of the rest, once.
    let connection = Connection::open(folder.path("store.db")).expect("a store");
    let yesterday = "UPDATE day SET day = date(day, '-1 day');
                     UPDATE incident SET opened = strftime('%Y-%m-%dT%H:%M:%fZ', opened, '-1 day')";
    connection.execute_batch(yesterday).expect("room");
    drop(connection);
    folder.write("empty.csv", "");
    let later = [
        "watch",
        "model.json",
        "empty.csv",
        "--store",
        "store.db",
        "--alerts",
        "alerts.jsonl",
    ];
    for _ in 0..2 {
        folder.done(&later);
        let all = alerts(&folder);
        let digests: Vec<&Value> = all
            .iter()
            .filter(|alert| alert["kind"] == "digest")
            .collect();
        assert_eq!(digests.len(), 1);
        let digest = &digests[0]["digest"];
        assert_eq!(
            (&digest["told"], &digest["beyond"]),
            (&2.into(), &(found - 2).into())
        );
        let highest = digest["highest"].as_array().expect("incidents");
        let expected: Vec<&Value> = incidents(&stored)
            .iter()
            .filter(|row| row["told"] == false)
            .map(|row| &row["incident"]["id"])
            .take(10)
            .collect();
        let highest: Vec<&Value> = highest.iter().map(|one| &one["id"]).collect();
        assert_eq!(highest, expected);
    }
    folder.refused(
        &["watch", "model.json", data, "--incidents-per-day", "2"],
        2,
        &["--store"],
    );
    folder.refused(
        &[
            "watch",
            "model.json",
            data,
            "--store",
            "s.db",
            "--keep-size",
            "1M",
        ],
        2,
        &["--keep-size", "at least 16M"],
    );
}

#[test]
fn incidents_have_their_events() {
    let folder = Folder::with_model(2000);
    folder.write("log.csv", events(900));
    folder.done(&["watch", "model.json", "log.csv", "--store", "store.db"]);
    let stored = listed(&folder);
    assert!(!incidents(&stored).is_empty());
    for row in incidents(&stored) {
        let count = row["incident"]["events"].as_u64().expect("a number");
        let kept = row["events"].as_array().expect("events");
        assert!(
            !kept.is_empty() && kept.len() as u64 <= count.min(30),
            "{row}"
        );
        let score = |event: &Value| event["score"].as_f64().expect("a score");
        let highest = kept.iter().map(score).fold(0.0, f64::max);
        assert!(
            (highest - row["incident"]["highest_score"].as_f64().expect("a score")).abs() < 1e-12
        );
        let times: Vec<f64> = kept
            .iter()
            .filter_map(|event| event["time"].as_f64())
            .collect();
        assert_eq!(times.first().copied(), row["incident"]["first"].as_f64());
        assert_eq!(times.last().copied(), row["incident"]["last"].as_f64());
        assert!(
            kept.iter()
                .any(|event| event["event"] == row["incident"]["event"])
        );
    }
    let ask = |query: &str| folder.done(&["sql", query, "--store", "store.db"]).stdout;
    let kept: usize = incidents(&stored)
        .iter()
        .map(|row| row["events"].as_array().map_or(0, Vec::len))
        .sum();
    assert_eq!(
        ask("SELECT count(*) AS events FROM incident_events"),
        format!("events\n{kept}\n")
    );
    let shown = folder.done(&["incidents", "--store", "store.db"]).stdout;
    assert!(shown.contains("kept, the highest:"), "{shown}");
}

/// A watch with a store and metrics.
struct Watch {
    child: Child,
    /// The address of its metrics.
    metrics: String,
    stderr: BufReader<std::process::ChildStderr>,
}

impl Watch {
    /// Starts a command that runs a watch with `--metrics`.
    fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a watch");
        let mut stderr = BufReader::new(child.stderr.take().expect("a pipe"));
        let metrics = loop {
            let mut note = String::new();
            assert!(
                stderr.read_line(&mut note).expect("a note") > 0,
                "no address"
            );
            let address = note.split("metrics are at http://").nth(1);
            if let Some(address) = address.and_then(|rest| rest.split('/').next()) {
                break address.to_owned();
            }
        };
        Self {
            child,
            metrics,
            stderr,
        }
    }

    fn send(&mut self, text: &str) {
        let input = self.child.stdin.as_mut().expect("a pipe");
        input
            .write_all(text.as_bytes())
            .expect("a watch that reads");
        input.flush().expect("a pipe");
    }

    fn page(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.metrics).expect("a server");
        let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("a server");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("an answer");
        text
    }

    /// Waits until the page of health has a text.
    fn wait_for_health(&self, text: &str) {
        wait_for(text, || self.page("/healthz").contains(text).then_some(()));
    }

    /// Returns the value of a metric; 0 if it is not there.
    fn metric(&self, name: &str) -> u64 {
        let page = self.page("/metrics");
        let mut lines = page.lines();
        let value = lines.find_map(|line| line.strip_prefix(&format!("honeyguide_watch_{name} ")));
        value.map_or(0, |value| value.parse().expect("a number"))
    }

    /// Waits until a metric has a value.
    fn wait_for_metric(&self, name: &str, value: u64) {
        wait_for(name, || (self.metric(name) == value).then_some(()));
    }

    /// Ends the watch, which must succeed. Returns its answer and its notes.
    fn stop(mut self) -> (Value, String) {
        signal(&self.child, "TERM");
        let mut notes = String::new();
        self.stderr.read_to_string(&mut notes).expect("text");
        let run = wait_for_end(self.child);
        assert_eq!(run.status, 0, "{notes}");
        (valid_answer(&run.stdout), notes)
    }
}

const WATCH: [&str; 10] = [
    "watch",
    "model.json",
    "-",
    "--store",
    "store.db",
    "--alerts",
    "alerts.jsonl",
    "--metrics",
    "127.0.0.1:0",
    "--json",
];

#[test]
fn a_kill_is_a_gap_of_a_pipe_that_shows_on_its_incidents() {
    let folder = Folder::with_model(2000);
    let text = events(900);
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let mut watch = Watch::start(folder.command(&WATCH).args(["--watermark", "0.2"]));
    watch.send(&lines[..=300].concat());
    wait_for("stored events", || {
        (listed(&folder)["ledger"]["scored"] == 300).then_some(())
    });
    // These are in flight, or scored and not stored.
    watch.send(&lines[301..=310].concat());
    watch.child.kill().expect("a watch that runs");
    watch.child.wait().expect("a status");
    let before = listed(&folder);
    let saved = before["saved"].as_str().expect("a time").to_owned();
    assert!(
        incidents(&before)
            .iter()
            .all(|row| row["gaps"] == serde_json::json!([]))
    );
    let mut watch = Watch::start(folder.command(&WATCH).args(["--watermark", "0.2"]));
    watch.send(&(lines[0].to_owned() + &lines[311..].concat()));
    // What was in flight counts if it was stored before the kill.
    let possible = 300 + 590..=310 + 590;
    let scored = wait_for("all events", || {
        let scored = watch.metric("records_total{outcome=\"scored\"}");
        possible.contains(&scored).then_some(scored)
    });
    let (answer, _) = watch.stop();
    assert_eq!(answer["ledger"]["scored"], scored);
    let after = listed(&folder);
    let gaps = after["gaps"].as_array().expect("gaps");
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    assert_eq!(
        (&gaps[0]["input"], &gaps[0]["start"]),
        (&"-".into(), &saved.into())
    );
    assert_eq!(gaps[0]["cause"], "no watch was running");
    let marked = incidents(&after)
        .iter()
        .filter(|row| row["gaps"][0] == gaps[0]);
    assert!(marked.count() > 0, "{after}");
    let query = "SELECT count(*) > 0 AS found FROM incident_gaps";
    assert_eq!(
        folder.done(&["sql", query, "--store", "store.db"]).stdout,
        "found\ntrue\n"
    );
    let shown = folder.done(&["incidents", "--store", "store.db"]).stdout;
    assert!(shown.contains("events may be missing: "), "{shown}");
}

#[test]
fn a_kill_is_a_gap_of_every_address() {
    let folder = Folder::with_model(2000);
    let addresses = ["tcp://127.0.0.1:0", "http://127.0.0.1:0"];
    let listen = ["--listen", addresses[0], "--listen", addresses[1]];
    let args = [&WATCH[..2], &WATCH[3..], &listen].concat();
    let mut watch = Watch::start(&mut folder.command(&args));
    let saved = || {
        folder
            .path("store.db")
            .exists()
            .then(|| listed(&folder)["saved"].clone())
    };
    let saved = || saved().filter(|saved| !saved.is_null());
    wait_for("moment", saved);
    watch.child.kill().expect("a watch that runs");
    watch.child.wait().expect("a status");
    let saved = saved().expect("a moment");
    assert_eq!(listed(&folder)["gaps"], serde_json::json!([]));
    let watch = Watch::start(&mut folder.command(&args));
    wait_for("gaps", || {
        (listed(&folder)["gaps"] != serde_json::json!([])).then_some(())
    });
    watch.stop();
    let gaps = listed(&folder)["gaps"].clone();
    let gaps: Vec<(&Value, &Value)> = gaps
        .as_array()
        .expect("gaps")
        .iter()
        .map(|gap| (&gap["input"], &gap["start"]))
        .collect();
    let [tcp, http] = addresses.map(Value::from);
    assert_eq!(gaps, [(&tcp, &saved), (&http, &saved)]);
}

#[test]
fn a_store_that_another_program_holds_stops_the_intake_and_everybody_sees_it() {
    let folder = Folder::with_model(2000);
    let text = events(900);
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let mut watch = Watch::start(folder.command(&WATCH).args(["--watermark", "0.2"]));
    watch.send(&lines[..=300].concat());
    watch.wait_for_metric("records_total{outcome=\"scored\"}", 300);
    let holder = Connection::open(folder.path("store.db")).expect("a store");
    holder
        .busy_timeout(PATIENCE)
        .and_then(|()| holder.execute_batch("BEGIN IMMEDIATE"))
        .expect("a lock");
    watch.wait_for_health("the store cannot be written, and no event is taken");
    watch.wait_for_metric("store_failing", 1);
    watch.send(&lines[301..].concat());
    holder.execute_batch("COMMIT").expect("a store");
    watch.wait_for_health("ok");
    watch.wait_for_metric("records_total{outcome=\"scored\"}", 900);
    watch.wait_for_metric("store_failing", 0);
    let (answer, notes) = watch.stop();
    assert_eq!(answer["ledger"]["scored"], 900);
    assert_eq!(listed(&folder)["ledger"]["scored"], 900);
    assert!(
        notes.contains("takes no more events until it is written"),
        "{notes}"
    );
    assert!(notes.contains("the store is written again"), "{notes}");
}

#[test]
fn a_full_disk_stops_the_intake_until_there_is_room() {
    let folder = Folder::with_model(2000);
    let text = events(900);
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    // A file that may not grow stands for a disk that is full: writing fails in the same place.
    let binary = folder.command(&[]).get_program().to_owned();
    let mut command = Command::new("sh");
    command
        .args([
            "-c",
            "trap '' XFSZ; ulimit -S -f \"$0\"; exec \"$@\"",
            "300",
        ])
        .arg(binary)
        .args(WATCH)
        .args(["--watermark", "0.2"])
        .current_dir(folder.path(""));
    let mut watch = Watch::start(&mut command);
    watch.send(lines[0]);
    let mut sent = 0;
    let failing = wait_for("failing store", || {
        let page = watch.page("/healthz");
        if page.contains("the store cannot be written") {
            return Some(page);
        }
        if sent < 900 {
            sent += 20;
            watch.send(&lines[sent - 19..=sent].concat());
        }
        std::thread::sleep(Duration::from_millis(300));
        None
    });
    assert!(failing.starts_with("HTTP/1.0 503"), "{failing}");
    let pid = watch.child.id().to_string();
    let raised = Command::new("prlimit")
        .args(["--pid", &pid, "--fsize=unlimited:unlimited"])
        .status();
    assert!(raised.expect("prlimit of util-linux").success());
    watch.wait_for_health("ok");
    watch.send(&lines[sent + 1..].concat());
    watch.wait_for_metric("records_total{outcome=\"scored\"}", 900);
    // The last event waits for the time of the watermark before it joins an incident.
    let anomalous = watch.metric("anomalous_events_total");
    wait_for("all events in incidents", || {
        let stored = listed(&folder);
        let events = incidents(&stored).iter();
        let events: u64 = events
            .filter_map(|row| row["incident"]["events"].as_u64())
            .sum();
        (stored["ledger"]["scored"] == 900 && events == anomalous).then_some(())
    });
    let (answer, _) = watch.stop();
    assert_eq!(answer["ledger"]["scored"], 900);
}

#[test]
fn a_damaged_store_is_an_error_at_once() {
    let folder = Folder::with_model(2000);
    folder.write("log.csv", events(900) + &event(901));
    let args = ["watch", "model.json", "log.csv", "--store", "store.db"];
    folder.done(&args);
    let length = File::open(folder.path("store.db"))
        .and_then(|file| file.metadata())
        .expect("a store")
        .len();
    let mut bytes = folder.read("store.db");
    // All pages after the first are overwritten.
    let pages = 4096..usize::try_from(length).expect("a small store");
    bytes[pages].fill(0xA5);
    folder.write("store.db", &bytes);
    let run = folder.run(&args);
    assert_eq!(run.status, 1, "{}", run.stderr);
    assert!(
        run.stderr.contains("store.db: the store: "),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("damaged"), "{}", run.stderr);
}

//! `watch`: what it reports agrees with the batch commands, its ledger balances, and signals and closed pipes end it
//! cleanly.

mod common;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::process::Stdio;
use std::time::{Duration, Instant};

use common::schema::valid_answer;
use common::{Folder, event, event_with, events, signal, wait_for_end};
use serde_json::Value;

/// The alerts in a text.
fn alerts(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).expect("an alert"))
        .collect()
}

/// The incidents as the last alert of each has them, by id.
fn last_incidents(alerts: &[Value]) -> BTreeMap<String, Value> {
    let named = alerts.iter().map(|alert| {
        let incident = alert["incident"].clone();
        (incident["id"].as_str().expect("an id").to_owned(), incident)
    });
    named.collect()
}

/// Asserts that the two sides of the ledger of an answer are equal.
fn assert_balanced(answer: &Value) {
    let ledger = &answer["ledger"];
    let number = |at: &str| {
        ledger
            .pointer(at)
            .and_then(Value::as_u64)
            .expect("a number")
    };
    let sum = [
        "/scored",
        "/malformed",
        "/dropped/no_event",
        "/dropped/unusable",
        "/dropped/stopped",
        "/dropped/refused",
        "/in_flight",
    ];
    assert_eq!(
        number("/received"),
        sum.iter().map(|at| number(at)).sum::<u64>(),
        "{ledger}"
    );
}

#[test]
fn a_file_gives_the_incidents_of_the_batch_command_for_any_threads() {
    let folder = Folder::new();
    folder.done(&[
        "simulate", "--out", "logs", "--events", "20000", "--seed", "5",
    ]);
    folder.done(&[
        "train",
        "logs/labelled_training_data.csv",
        "--trees",
        "20",
        "--out",
        "model.json",
    ]);
    let data = "logs/labelled_testing_data.csv";
    let found = folder.done(&["incidents", "model.json", data, "--top", "10000", "--json"]);
    let found = valid_answer(&found.stdout);
    let listed = found["incidents"].as_array().expect("incidents");
    let expected: BTreeMap<String, Value> = listed
        .iter()
        .map(|incident| {
            (
                incident["id"].as_str().expect("an id").to_owned(),
                incident.clone(),
            )
        })
        .collect();
    assert!(!expected.is_empty());
    for threads in ["1", "3"] {
        let out = format!("alerts-{threads}.jsonl");
        let watched = folder.done(&[
            "watch",
            "model.json",
            data,
            "--alerts",
            &out,
            "--threads",
            threads,
            "--json",
        ]);
        let answer = valid_answer(&watched.stdout);
        assert_balanced(&answer);
        assert_eq!(answer["end"], "inputs_over");
        assert_eq!(answer["simulated"], true);
        assert_eq!(answer["ledger"]["scored"], found["events"]);
        assert_eq!(answer["ledger"]["dropped"]["no_event"], 1, "the header");
        assert_eq!(answer["anomalous"], found["anomalous"]);
        assert_eq!(answer["incidents"], found["found"]);
        let alerts = alerts(&String::from_utf8(folder.read(&out)).expect("text"));
        assert_eq!(last_incidents(&alerts), expected, "{threads} threads");
        let mut known: BTreeMap<&str, u64> = BTreeMap::new();
        for alert in &alerts {
            assert_eq!(
                (&alert["format"], &alert["version"]),
                (&"honeyguide-alert".into(), &1.into())
            );
            assert_eq!(alert["simulated"], true);
            assert_eq!(alert["times_are_dates"], found["times_are_dates"]);
            assert_eq!(alert["model"].as_str().map(str::len), Some(64));
            let id = alert["incident"]["id"].as_str().expect("an id");
            let revision = known.entry(id).or_default();
            *revision += 1;
            assert_eq!(alert["revision"], *revision);
            assert_eq!(alert["id"], format!("{id}:{revision}"));
            assert_eq!(alert["kind"] == "opened", *revision == 1, "{alert}");
        }
    }
    // The same again from standard input, to standard output.
    let mut command = assert_cmd::Command::from_std(folder.command(&[
        "watch",
        "model.json",
        "-",
        "--alerts",
        "-",
    ]));
    let output = command
        .write_stdin(folder.read(data))
        .output()
        .expect("a watch");
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success());
    assert_eq!(last_incidents(&alerts(&text)), expected);
    let shown = String::from_utf8(output.stderr).expect("text");
    assert!(shown.contains("All inputs are over."), "{shown}");
}

#[test]
fn bad_records_are_counted_and_kept() {
    let folder = Folder::with_model(2000);
    let mut lines: Vec<String> = events(500).lines().map(str::to_owned).collect();
    lines.insert(200, "not,an,event".into());
    lines.insert(300, event_with(300, 0, "yesterday"));
    lines.insert(400, lines[0].clone());
    lines.insert(450, "\0\0\0\0\0".to_owned());
    let last = format!("\0\0\0{}", event(500));
    folder.write("bad.csv", format!("{}\n\n{last}", lines.join("\n")));
    let watched = folder.done(&["watch", "model.json", "bad.csv", "good.csv", "--json"]);
    let answer = valid_answer(&watched.stdout);
    assert_balanced(&answer);
    let ledger = &answer["ledger"];
    assert_eq!(ledger["scored"], 501 + 2000);
    assert_eq!(ledger["malformed"], 2);
    assert_eq!(
        ledger["dropped"]["no_event"], 3,
        "two headers, and one that is repeated"
    );
    let bad = answer["bad_records"].as_array().expect("records");
    let found: Vec<(u64, &str)> = bad
        .iter()
        .map(|bad| {
            (
                bad["record"].as_u64().expect("a number"),
                bad["reason"].as_str().expect("a reason"),
            )
        })
        .collect();
    let expected = [
        (201, "3 fields, and the header has 16"),
        (301, "`timestamp`: expected a number"),
    ];
    assert_eq!(found, expected);
    assert_eq!(bad[0]["text"], "not,an,event");
    let shown = folder.done(&["watch", "model.json", "bad.csv"]).stdout;
    assert!(
        shown.contains("malformed: bad.csv: record 201: 3 fields"),
        "{shown}"
    );
    assert!(shown.contains("2 malformed"), "{shown}");
}

#[test]
fn events_of_a_pipe_are_reported_while_it_is_open_and_a_signal_ends_the_watch() {
    let folder = Folder::with_model(2000);
    for (name, status) in [("TERM", 0), ("INT", 0)] {
        let mut command = folder.command(&[
            "watch",
            "model.json",
            "-",
            "--watermark",
            "0.2",
            "--alerts",
            "-",
        ]);
        let command = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("a watch");
        let mut input = child.stdin.take().expect("a pipe");
        input
            .write_all(events(300).as_bytes())
            .expect("a watch that reads");
        input.flush().expect("a pipe");
        let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        output.read_line(&mut line).expect("an alert");
        let alert: Value = serde_json::from_str(&line).expect("an alert");
        assert_eq!(alert["kind"], "opened");
        let asked = Instant::now();
        signal(&child, name);
        let mut closed = String::new();
        std::io::Read::read_to_string(&mut output, &mut closed).expect("alerts");
        let took = asked.elapsed();
        let run = wait_for_end(child);
        drop(input);
        assert_eq!(run.status, status, "{}", run.stderr);
        // A second is the aim; a busy machine may need longer.
        assert!(took < Duration::from_secs(20), "{took:?}");
        assert!(
            run.stderr.contains("The watch was stopped."),
            "{}",
            run.stderr
        );
        assert!(run.stderr.contains("300 scored"), "{}", run.stderr);
        let all = alerts(&format!("{line}{closed}"));
        let kinds: Vec<&str> = all
            .iter()
            .filter_map(|alert| alert["kind"].as_str())
            .collect();
        let opened = kinds.iter().filter(|kind| **kind == "opened").count();
        let closed = kinds.iter().filter(|kind| **kind == "closed").count();
        assert_eq!(opened, closed, "{kinds:?}");
    }
}

#[test]
fn a_host_that_falls_silent_is_told_of_while_others_go_on() {
    let folder = Folder::with_model(2000);
    let args = [
        "watch",
        "model.json",
        "-",
        "--watermark",
        "0.5",
        "--alerts",
        "alerts.jsonl",
    ];
    let mut command = folder.command(&args);
    let command = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut child = command.spawn().expect("a watch");
    let mut input = child.stdin.take().expect("a pipe");
    // The only event of a host is an anomalous one.
    let mut send = |text: String| {
        input
            .write_all(text.as_bytes())
            .expect("a watch that reads")
    };
    send(events(100) + &event_with(100, 4, "4242").replace("host-1", "host-9") + "\n");
    let end = Instant::now() + Duration::from_secs(60);
    let is_told = || {
        let text = std::fs::read_to_string(folder.path("alerts.jsonl")).unwrap_or_default();
        text.contains("\"host-9\"")
    };
    let mut second = 100;
    while !is_told() {
        assert!(Instant::now() < end, "the event of a silent host waits");
        second += 1;
        send(event(second).replace("host-1", "host-2") + "\n");
        std::thread::sleep(Duration::from_millis(20));
    }
    signal(&child, "TERM");
    assert_eq!(child.wait().expect("a status").code(), Some(0));
}

#[test]
fn a_followed_file_is_read_on_through_rotations() {
    let folder = Folder::with_model(2000);
    let text = events(900);
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let args = [
        "watch",
        "model.json",
        "log.csv",
        "--follow",
        "--alerts",
        "alerts.jsonl",
        "--json",
    ];
    let mut command = folder.command(&args);
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a watch");
    let pause = || std::thread::sleep(Duration::from_millis(300));
    pause();
    folder.write("log.csv", lines[..=300].concat());
    pause();
    // Renamed and begun anew, with a header of its own.
    std::fs::rename(folder.path("log.csv"), folder.path("log.csv.1")).expect("a renamed file");
    folder.write("log.csv", lines[0].to_owned() + &lines[301..=600].concat());
    std::thread::sleep(Duration::from_millis(2500));
    // Emptied and written anew.
    folder.write("log.csv", lines[0].to_owned() + &lines[601..].concat());
    std::thread::sleep(Duration::from_millis(2500));
    signal(&child, "TERM");
    let run = wait_for_end(child);
    assert_eq!(run.status, 0, "{}", run.stderr);
    let answer = valid_answer(&run.stdout);
    assert_balanced(&answer);
    assert_eq!(answer["end"], "stopped");
    assert_eq!(answer["ledger"]["scored"], 900);
    assert_eq!(answer["ledger"]["dropped"]["no_event"], 3);
    let restarts = &answer["inputs"][0]["restarts"];
    assert_eq!(
        (&restarts["renamed"], &restarts["emptied"]),
        (&1.into(), &1.into())
    );
    // What was found is what the batch command finds in all events.
    folder.write("all.csv", &text);
    let found = folder.done(&[
        "incidents",
        "model.json",
        "all.csv",
        "--top",
        "10000",
        "--json",
    ]);
    let found = valid_answer(&found.stdout);
    let listed = found["incidents"].as_array().expect("incidents");
    let closed = last_incidents(&alerts(
        &String::from_utf8(folder.read("alerts.jsonl")).expect("text"),
    ));
    assert_eq!(closed.len(), listed.len());
    for incident in listed {
        assert_eq!(
            closed.get(incident["id"].as_str().expect("an id")),
            Some(incident)
        );
    }
}

#[test]
fn what_is_no_store_is_refused() {
    let folder = Folder::with_model(300);
    folder.refused(
        &["incidents", "--store", "missing.db"],
        1,
        &["cannot open missing.db"],
    );
    folder.refused(&["incidents", "--store", "model.json"], 1, &["the store"]);
    folder.refused(
        &["watch", "model.json", "good.csv", "--store", "model.json"],
        1,
        &["the store"],
    );
}

/// Returns the answer to a request for a page.
fn page(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("a server");
    let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("a server");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer");
    text
}

#[test]
fn prometheus_and_systemd_look_on_while_a_watch_runs() {
    let folder = Folder::with_model(2000);
    let socket = UnixDatagram::bind(folder.path("notify")).expect("a socket");
    socket
        .set_read_timeout(Some(Duration::from_secs(30)))
        .expect("a timeout");
    let mut heard = Vec::new();
    let mut hear = |message: &str| {
        while !heard
            .iter()
            .any(|known: &String| known.starts_with(message))
        {
            let mut buffer = [0; 1024];
            let read = socket.recv(&mut buffer).expect(message);
            heard.push(String::from_utf8_lossy(&buffer[..read]).into_owned());
        }
    };
    let args = [
        "watch",
        "model.json",
        "good.csv",
        "--follow",
        "--metrics",
        "127.0.0.1:0",
        "--store",
        "store.db",
        "--webhook",
        "http://127.0.0.1:1/",
    ];
    let mut child = folder
        .command(&args)
        .env("NOTIFY_SOCKET", folder.path("notify"))
        .env("WATCHDOG_USEC", "2000000")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a watch");
    let mut stderr = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut note = String::new();
    stderr.read_line(&mut note).expect("a note");
    let address = note
        .split("http://")
        .nth(1)
        .and_then(|rest| rest.split('/').next());
    let address = address.expect("an address").to_owned();
    for message in ["READY=1", "WATCHDOG=1", "STATUS="] {
        hear(message);
    }
    let end = Instant::now() + Duration::from_secs(60);
    let metrics = loop {
        let metrics = page(&address, "/metrics");
        if metrics.contains("records_total{outcome=\"scored\"} 2000\n") {
            break metrics;
        }
        assert!(Instant::now() < end, "{metrics}");
        std::thread::sleep(Duration::from_millis(50));
    };
    assert!(metrics.starts_with("HTTP/1.0 200 OK\r\ncontent-type: text/plain; version=0.0.4"));
    for part in [
        "received_records_total 2001\n",
        "latency_seconds_count 2000\n",
        "outbox_age_seconds{receiver=\"webhook http://127.0.0.1:1 (honeyguide)\"}",
    ] {
        assert!(
            metrics.contains(&format!("honeyguide_watch_{part}")),
            "{part}: {metrics}"
        );
    }
    assert!(page(&address, "/healthz").ends_with("\r\n\r\nok\n"));
    assert!(page(&address, "/other").starts_with("HTTP/1.0 404"));
    signal(&child, "TERM");
    assert_eq!(child.wait().expect("a status").code(), Some(0));
    hear("STOPPING=1");
    for (args, says) in [
        (["--metrics", "0.0.0.0:0"], "other machines can reach"),
        (["--metrics", "nowhere"], "--metrics"),
    ] {
        let args = [&["watch", "model.json", "good.csv"], &args[..]].concat();
        folder.refused(&args, 2, &[says]);
    }
}

#[test]
fn a_model_is_replaced_while_a_watch_runs() {
    let folder = Folder::with_model(2000);
    let text = events(900);
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    folder.write("log.csv", lines[..=300].concat());
    folder.done(&[
        "train",
        "good.csv",
        "--trees",
        "10",
        "--seed",
        "9",
        "--out",
        "other.json",
    ]);
    let args = [
        "watch",
        "model.json",
        "log.csv",
        "--follow",
        "--alerts",
        "alerts.jsonl",
        "--json",
    ];
    let mut child = folder
        .command(&args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a watch");
    let mut stderr = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut note = |part: &str| {
        let mut line = String::new();
        stderr.read_line(&mut line).expect("a note");
        assert!(line.contains(part), "{line}");
    };
    let wait = || std::thread::sleep(Duration::from_millis(2500));
    let append = |lines: &[&str]| {
        let mut file = std::fs::File::options()
            .append(true)
            .open(folder.path("log.csv"))
            .expect("a file");
        file.write_all(lines.concat().as_bytes()).expect("space");
    };
    wait();
    folder.write("model.json", "{}");
    note("the model is not replaced");
    append(&lines[301..=600]);
    wait();
    std::fs::copy(folder.path("other.json"), folder.path("model.json")).expect("a model");
    signal(&child, "HUP");
    note("the model was replaced");
    append(&lines[601..]);
    wait();
    signal(&child, "TERM");
    let mut out = String::new();
    child
        .stdout
        .take()
        .expect("a pipe")
        .read_to_string(&mut out)
        .expect("text");
    let answer = valid_answer(&out);
    assert_eq!(child.wait().expect("a status").code(), Some(0));
    assert_balanced(&answer);
    assert_eq!(answer["ledger"]["scored"], 900);
    let alerts = alerts(&String::from_utf8(folder.read("alerts.jsonl")).expect("text"));
    let models = alerts.iter().map(|alert| alert["model"].to_string());
    let models: std::collections::BTreeSet<String> = models.collect();
    assert_eq!(models.len(), 2, "alerts of both models");
}

#[test]
fn a_store_can_be_queried() {
    let folder = Folder::with_model(2000);
    folder.write("log.csv", events(900) + "not,an,event\n");
    let answer = folder.done(&[
        "watch",
        "model.json",
        "log.csv",
        "--store",
        "s.db",
        "--json",
    ]);
    let answer = valid_answer(&answer.stdout);
    assert_balanced(&answer);
    let listed = folder.done(&["incidents", "--store", "s.db", "--json"]);
    let listed = valid_answer(&listed.stdout);
    let events = listed["incidents"].as_array().expect("incidents").iter();
    let events: u64 = events
        .map(|row| row["incident"]["events"].as_u64().expect("a number"))
        .sum();
    let ask = |query: &str| folder.done(&["sql", query, "--store", "s.db"]).stdout;
    let found =
        ask("SELECT count(*), sum(events), max(opened) > TIMESTAMP '2020-01-01' FROM incidents");
    let expected = format!("{},{events},true", answer["incidents"]);
    assert_eq!(found.lines().nth(1), Some(expected.as_str()));
    let found = ask("SELECT records FROM ledger WHERE name = 'received'");
    assert_eq!(found, "records\n902\n");
    assert_eq!(
        ask("SELECT input, record FROM bad_records"),
        "input,record\nlog.csv,902\n"
    );
    assert_eq!(ask("SELECT count(*) AS gaps FROM gaps"), "gaps\n0\n");
    folder.refused(&["sql", "SELECT 1", "--store", "log.csv"], 1, &["store"]);
}

#[test]
fn wrong_calls_are_refused() {
    let folder = Folder::with_model(300);
    folder.write("empty.csv", "");
    folder.write("other.csv", "a,b\n1,2\n3,4\n");
    folder.write("noise.jsonl", "{\"a\":\n{]\n");
    let none: [&str; 0] = [];
    for (args, status, says) in [
        (vec!["good.csv", "--strict"], 2, vec!["--strict"]),
        (vec!["good.csv", "good.csv"], 2, vec!["named twice"]),
        (
            vec!["s3://lake/x.csv"],
            2,
            vec!["reads files and standard input"],
        ),
        (vec!["missing.csv"], 1, vec!["cannot open missing.csv"]),
        (vec!["."], 2, vec!["this is a folder"]),
        (
            vec!["good.csv", "--watermark", "-1"],
            2,
            vec!["--watermark"],
        ),
        (
            vec!["good.csv", "--alerts", "good.csv"],
            2,
            vec!["this file is an input"],
        ),
        (
            vec!["good.csv", "--incident-by", "client"],
            2,
            vec!["--incident-by client", "no such column"],
        ),
        (vec!["other.csv"], 2, vec!["column"]),
        (vec!["noise.jsonl"], 1, vec!["not a JSON object"]),
        (
            vec!["good.csv", "--format", "parquet"],
            2,
            vec!["do not grow"],
        ),
    ] {
        let args = [vec!["watch", "model.json"], args].concat();
        folder.refused(&args, status, &says);
    }
    let answer = folder.done(&["watch", "model.json", "empty.csv", "--json"]);
    let answer = valid_answer(&answer.stdout);
    assert_eq!(answer["ledger"]["received"], 0);
    assert_eq!(answer["bad_records"], serde_json::json!(none));
}

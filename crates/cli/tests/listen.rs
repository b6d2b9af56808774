//! `watch --listen`: events that others send over HTTP, TCP and Unix sockets are in the incidents of the batch command, and
//! who may not send is refused.

mod common;

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Stdio};

use common::schema::valid_answer;
use common::{Folder, events_as_json, signal, wait_for};
use serde_json::Value;

const EVENTS: usize = 900;

/// A watch that listens.
struct Watch {
    child: Child,
    stderr: BufReader<ChildStderr>,
    /// The addresses at which it takes events, in their order.
    places: Vec<String>,
}

impl Watch {
    fn start(folder: &Folder, addresses: &[&str], more: &[&str]) -> Self {
        let mut args = vec!["watch", "model.json", "--alerts", "alerts.jsonl", "--json"];
        for address in addresses {
            args.extend(["--listen", address]);
        }
        args.extend(more);
        let child = folder
            .command(&args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = child.expect("a watch");
        let mut stderr = BufReader::new(child.stderr.take().expect("a pipe"));
        let places = addresses.iter().map(|_| {
            let mut note = String::new();
            stderr.read_line(&mut note).expect("a note");
            let place = note.split("taken at ").nth(1);
            place.unwrap_or_else(|| panic!("{note}")).trim().to_owned()
        });
        let places = places.collect();
        Self {
            child,
            stderr,
            places,
        }
    }

    /// Ends the watch, and returns its answer.
    fn stop(self) -> Value {
        self.end().0
    }

    /// Ends the watch, and returns its answer and what it said.
    fn end(mut self) -> (Value, String) {
        signal(&self.child, "TERM");
        let mut out = String::new();
        let stdout = self.child.stdout.as_mut().expect("a pipe");
        stdout.read_to_string(&mut out).expect("text");
        let mut rest = String::new();
        self.stderr.read_to_string(&mut rest).expect("text");
        let status = self.child.wait().expect("a status");
        assert_eq!(status.code(), Some(0), "{rest}");
        (valid_answer(&out), rest)
    }
}

/// Sends a request with a body, and returns the status and the text of the answer.
fn post(place: &str, headers: &str, body: &str) -> (u16, String) {
    let rest = place.strip_prefix("http://").expect("an address");
    let (address, path) = rest.split_once('/').expect("a path");
    let mut stream = TcpStream::connect(address).expect("a server");
    let length = body.len();
    let request = format!("POST /{path} HTTP/1.0\r\n{headers}content-length: {length}\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("a server");
    // A server that refuses a request need not read its body.
    let _ = stream.write_all(body.as_bytes());
    let mut text = String::new();
    let _ = stream.read_to_string(&mut text);
    let status = text
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    (status.unwrap_or(0), text)
}

/// The incidents as the last alert of each has them, in the order of their ids.
fn told(folder: &Folder) -> Vec<Value> {
    let text = String::from_utf8(folder.read("alerts.jsonl")).expect("text");
    let alerts = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let closed = alerts.filter(|alert| alert["kind"] == "closed");
    by_id(closed.map(|alert| alert["incident"].clone()).collect())
}

fn by_id(mut incidents: Vec<Value>) -> Vec<Value> {
    incidents.sort_by_key(|incident| incident["id"].to_string());
    incidents
}

#[test]
fn requests_give_the_incidents_of_the_batch_command() {
    let folder = Folder::with_model(2000);
    let text = events_as_json(EVENTS);
    folder.write("all.ndjson", &text);
    let found = folder.done(&[
        "incidents",
        "model.json",
        "all.ndjson",
        "--top",
        "10000",
        "--json",
    ]);
    let found = valid_answer(&found.stdout);
    let expected = by_id(found["incidents"].as_array().expect("incidents").clone());
    assert!(!expected.is_empty());

    let watch = Watch::start(&folder, &["http://127.0.0.1:0"], &[]);
    let lines: Vec<&str> = text.lines().collect();
    let wrapped = |line: &&str| serde_json::json!({ "event": line, "tag": "tracee" }).to_string();
    let pretty = |line: &str| {
        let event: Value = serde_json::from_str(line).expect("JSON");
        serde_json::to_string_pretty(&event).expect("JSON")
    };
    let forwarded: Vec<String> = lines[100..200].iter().map(wrapped).collect();
    for (body, events) in [
        (lines[0].to_owned(), 1),
        (pretty(lines[1]), 1),
        (lines[2..100].join("\n"), 98),
        (forwarded.join("\n"), 100),
        (format!("[{}]", lines[200..500].join(",")), 300),
        (lines[500..].join("\n") + "\n", 400),
    ] {
        let (status, answer) = post(&watch.places[0], "", &body);
        assert_eq!(status, 200, "{answer}");
        assert!(
            answer.ends_with(&format!("{{\"received\":{events}}}\n")),
            "{answer}"
        );
    }
    assert_eq!(
        post(&watch.places[0], "", "{\"a\":\n{]\n").0,
        200,
        "bad lines are counted"
    );
    let answer = watch.stop();
    assert_eq!(answer["ledger"]["scored"], EVENTS);
    assert_eq!(answer["ledger"]["malformed"], 2);
    assert_eq!(answer["ledger"]["received"], EVENTS + 2);
    assert_eq!(told(&folder), expected);
}

#[test]
fn several_senders_of_lines_are_read_at_once() {
    let folder = Folder::with_model(2000);
    let socket = format!("unix:{}", folder.path("events.sock").display());
    let watch = Watch::start(&folder, &["tcp://127.0.0.1:0", &socket], &[]);
    let text = events_as_json(EVENTS);
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let tcp = watch.places[0].strip_prefix("tcp://").expect("an address");
    let senders = lines.chunks(100).enumerate().map(|(number, lines)| {
        let (tcp, socket) = (tcp.to_owned(), folder.path("events.sock"));
        // The last line of a connection needs no end.
        let lines = lines.concat().trim_end().to_owned();
        std::thread::spawn(move || match number % 2 {
            0 => {
                let mut stream = TcpStream::connect(tcp).expect("a watch");
                stream.write_all(lines.as_bytes()).expect("a watch");
            }
            _ => {
                let mut stream = UnixStream::connect(socket).expect("a watch");
                stream.write_all(lines.as_bytes()).expect("a watch");
            }
        })
    });
    let senders: Vec<_> = senders.collect();
    senders
        .into_iter()
        .for_each(|sender| sender.join().expect("sent"));
    // What connections still hold is read within this time; the ledger tells if it was not.
    std::thread::sleep(std::time::Duration::from_secs(2));
    let answer = watch.stop();
    assert_eq!(answer["ledger"]["scored"], EVENTS);
    assert_eq!(answer["inputs"].as_array().map(Vec::len), Some(2));
    assert!(!folder.path("events.sock").exists());
}

/// A pipe at the place of the file of alerts. It holds the watch up until somebody reads it.
fn pipe_of_alerts(folder: &Folder) -> PathBuf {
    let path = folder.path("alerts.jsonl");
    let made = Command::new("mkfifo").arg(&path).status();
    assert!(made.is_ok_and(|status| status.success()), "a pipe");
    path
}

#[test]
fn without_a_store_a_gap_shows_on_standard_error_in_alerts_and_in_the_answer() {
    let folder = Folder::with_model(2000);
    let alerts = pipe_of_alerts(&folder);
    let watch = Watch::start(&folder, &["http://127.0.0.1:0"], &["--watermark", "0"]);
    let place = watch.places[0].clone();
    // Each of many hosts has one anomalous event, and their alerts are more than the pipe holds.
    let text = events_as_json(300);
    let mut events: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("an event"))
        .collect();
    let mut odd = events[299].clone();
    odd["userId"] = 4242.into();
    events.extend((0..300).map(|host| {
        odd["hostName"] = format!("host-{host}").into();
        odd.clone()
    }));
    let (status, answer) = post(&place, "", &Value::from(events).to_string());
    assert_eq!(status, 200, "{answer}");
    let junk = "x".repeat(1 << 20);
    wait_for("full queue", || {
        (post(&place, "", &junk).0 == 503).then_some(())
    });
    let reader = std::thread::spawn(move || fs::read_to_string(alerts).expect("alerts"));
    let (answer, said) = watch.end();
    let cause = "records were refused because the queue was full";
    let warning = format!("warning: http://127.0.0.1:0: events may be missing: {cause}");
    assert_eq!(said.matches(&warning).count(), 1, "{said}");
    let gaps = answer["gaps"].as_array().expect("gaps");
    assert_eq!((gaps.len(), &gaps[0]["cause"]), (1, &cause.into()));
    assert!(answer["ledger"]["dropped"]["refused"].as_u64() > Some(0));
    let told = reader.join().expect("alerts");
    let told = told.lines().map(serde_json::from_str::<Value>);
    let told: Vec<Value> = told.collect::<Result<_, _>>().expect("JSON");
    let of_kind = |kind| told.iter().filter(move |alert| alert["kind"] == kind);
    let opened = of_kind("opened").count();
    assert!(opened >= 300, "{opened}");
    assert_eq!(of_kind("closed").count(), opened);
    assert!(of_kind("opened").all(|alert| alert.get("gaps").is_none()));
    assert!(of_kind("closed").all(|alert| alert["gaps"] == answer["gaps"]));
}

#[test]
fn senders_need_the_token_and_requests_are_bounded() {
    let folder = Folder::with_model(300);
    folder.write("token", "0123456789abcdef\n");
    let private = Permissions::from_mode(0o600);
    fs::set_permissions(folder.path("token"), private).expect("a mode");
    let token = ["--listen-token-file", "token"];
    let watch = Watch::start(&folder, &["http://127.0.0.1:0"], &token);
    let place = &watch.places[0];
    let event = events_as_json(1);
    let right = "Authorization: Bearer 0123456789abcdef\r\n";
    let browser = format!("{right}Origin: http://evil.example\r\n");
    let long = " ".repeat((8 << 20) + 1);
    for (headers, body, expected) in [
        ("", &event, 401),
        ("Authorization: Bearer 0123456789abcdeg\r\n", &event, 401),
        (&browser, &event, 403),
        (right, &long, 413),
        (right, &String::new(), 400),
        (right, &event, 200),
    ] {
        let (status, answer) = post(place, headers, body);
        assert_eq!(status, expected, "{answer}");
    }
    assert_eq!(watch.stop()["ledger"]["received"], 1);
    for (args, says) in [
        (
            vec!["--listen", "http://0.0.0.0:0"],
            "other machines can reach",
        ),
        (
            vec!["--listen", "tcp://0.0.0.0:0"],
            "other machines can reach",
        ),
        (
            vec![
                "--listen",
                "tcp://127.0.0.1:0",
                "--listen-token-file",
                "token",
            ],
            "over HTTP",
        ),
        (vec!["--listen", "ftp://127.0.0.1:0"], "an address is"),
        (vec![], "INPUT"),
    ] {
        let args = [&["watch", "model.json"], &args[..]].concat();
        folder.refused(&args, 2, &[says]);
    }
}

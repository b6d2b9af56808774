//! Alerts arrive at real receivers: rsyslog and Alertmanager. The tests need Debian's packages rsyslog, rsyslog-gnutls and
//! prometheus-alertmanager, and openssl; without them they say so in one line.

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use common::{Folder, signal, wait_for, wait_for_end};
use serde_json::Value;

/// A server that is ended with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Returns the path of a program, or says that the test is left out.
fn program(name: &str) -> Option<PathBuf> {
    let folders = ["/usr/sbin", "/usr/bin", "/usr/local/bin"];
    let found = folders
        .iter()
        .map(|folder| Path::new(folder).join(name))
        .find(|path| path.exists());
    if found.is_none() {
        eprintln!("skipped: {name} is not installed");
    }
    found
}

fn start(program: &Path, args: &[&str]) -> Server {
    let mut command = Command::new(program);
    let child = command
        .args(args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    Server(child.expect("a server"))
}

/// Returns a port that is free at the moment.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

/// A folder with a model and a log with a simulated break-in.
fn broken_into() -> Folder {
    let folder = Folder::new();
    folder.done(&[
        "simulate", "--out", "logs", "--events", "20000", "--seed", "5",
    ]);
    let data = "logs/labelled_training_data.csv";
    folder.done(&["train", data, "--trees", "20", "--out", "model.json"]);
    folder
}

/// The ids of the alerts in a file of alerts.
fn ids(folder: &Folder, file: &str) -> Vec<String> {
    let text = String::from_utf8(folder.read(file)).expect("text");
    let ids = text.lines().map(|line| {
        let alert: Value = serde_json::from_str(line).expect("an alert");
        alert["id"].as_str().expect("an id").to_owned()
    });
    ids.collect()
}

/// Watches the events to their end and sends the alerts to a syslog daemon. Asserts that the lines of `log` tell of all of
/// them in their order. A line has the severity, the program, the kind and the message.
fn assert_logged(
    folder: &Folder,
    address: &str,
    format: &str,
    log: &str,
    certificates: Option<&Path>,
) {
    let args = [
        "watch",
        "model.json",
        "logs/labelled_testing_data.csv",
        "--store",
        "store.db",
        "--alerts",
        "alerts.jsonl",
        "--syslog",
        address,
        "--syslog-format",
        format,
    ];
    let mut command = folder.command(&args);
    if let Some(file) = certificates {
        command.env("SSL_CERT_FILE", file);
    }
    let output = command.output().expect("a watch");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let sent = ids(folder, "alerts.jsonl");
    assert!(sent.len() > 3, "{sent:?}");
    let log = folder.path(log);
    // An alert can come again, as the same line.
    let lines = wait_for("log of all alerts", || {
        let text = fs::read_to_string(&log).ok()?;
        let mut lines: Vec<String> = Vec::new();
        for line in text.lines() {
            if !lines.iter().any(|known| known == line) {
                lines.push(line.to_owned());
            }
        }
        (lines.len() >= sent.len()).then_some(lines)
    });
    assert_eq!(lines.len(), sent.len());
    for (line, id) in lines.iter().zip(&sent) {
        let parts: Vec<&str> = line.splitn(4, ' ').collect();
        assert!(["notice", "warning", "crit"].contains(&parts[0]), "{line}");
        assert_eq!(parts[1], "honeyguide", "{line}");
        assert!(
            ["opened", "updated", "closed"].contains(&parts[2]),
            "{line}"
        );
        let message = parts[3].trim_start().trim_start_matches('\u{feff}');
        match format {
            "json" => {
                let alert: Value = serde_json::from_str(message).expect("JSON");
                assert_eq!(alert["id"].as_str(), Some(id.as_str()));
                assert_eq!(alert["simulated"], true);
            }
            _ => {
                assert!(
                    message.starts_with("CEF:0|honeyguide|honeyguide|"),
                    "{line}"
                );
                assert!(message.contains(&format!("externalId={id} ")), "{line}");
                assert!(message.contains("cs5=simulated"), "{line}");
            }
        }
    }
    for file in ["store.db", "alerts.jsonl"] {
        fs::remove_file(folder.path(file)).expect("a file");
    }
    fs::remove_file(log).expect("a log");
}

/// Starts rsyslog, which writes what comes through `input` to `log`.
fn rsyslog(program: &Path, folder: &Folder, name: &str, input: &str) -> Server {
    let log = folder.path(&format!("{name}.log"));
    let text = format!(
        "global(workDirectory=\"{}\" maxMessageSize=\"8k\")\n{input}\n\
         template(name=\"line\" type=\"string\" string=\"%syslogseverity-text% %app-name% %msgid% %msg%\\n\")\n\
         *.* action(type=\"omfile\" file=\"{}\" template=\"line\")\n",
        folder.path("").display(),
        log.display()
    );
    let config = folder.path(&format!("{name}.conf"));
    fs::write(&config, text).expect("space");
    let process = folder.path(&format!("{name}.pid"));
    let paths = [&config, &process].map(|path| path.to_str().expect("UTF-8"));
    start(program, &["-n", "-f", paths[0], "-i", paths[1]])
}

/// Waits until somebody listens on a port.
fn wait_for_port(port: u16) {
    wait_for("listener", || TcpStream::connect(("127.0.0.1", port)).ok());
}

#[test]
fn rsyslog_gets_every_alert_in_order() {
    let Some(rsyslogd) = program("rsyslogd") else {
        return;
    };
    let folder = broken_into();
    let port = free_port();
    let input = format!(
        "module(load=\"imtcp\")\ninput(type=\"imtcp\" address=\"127.0.0.1\" port=\"{port}\" ruleset=\"RSYSLOG_DefaultRuleset\")"
    );
    let _tcp = rsyslog(&rsyslogd, &folder, "tcp", &input);
    wait_for_port(port);
    let address = format!("tcp://127.0.0.1:{port}");
    for format in ["json", "cef"] {
        assert_logged(&folder, &address, format, "tcp.log", None);
        // The daemon opens its log anew.
        let _ = Command::new("kill")
            .args(["-HUP", &_tcp.0.id().to_string()])
            .status();
    }
    let socket = folder.path("log.sock");
    let shown = socket.display();
    let input = format!(
        "module(load=\"imuxsock\" SysSock.Use=\"off\")\n\
         input(type=\"imuxsock\" Socket=\"{shown}\" UseSpecialParser=\"off\" ParseHostname=\"on\")"
    );
    let _unix = rsyslog(&rsyslogd, &folder, "unix", &input);
    wait_for("socket", || socket.exists().then_some(()));
    assert_logged(&folder, &format!("unix:{shown}"), "json", "unix.log", None);
}

#[test]
fn rsyslog_gets_alerts_over_tls_if_its_certificate_is_trusted() {
    let programs = ["rsyslogd", "openssl"].map(program);
    let [Some(rsyslogd), Some(openssl)] = programs else {
        return;
    };
    let drivers = [
        "/usr/lib/x86_64-linux-gnu/rsyslog",
        "/usr/lib/aarch64-linux-gnu/rsyslog",
        "/usr/lib/rsyslog",
    ];
    if !drivers
        .iter()
        .any(|folder| Path::new(folder).join("lmnsd_gtls.so").exists())
    {
        eprintln!("skipped: rsyslog-gnutls is not installed");
        return;
    }
    let folder = broken_into();
    let openssl = |args: &str| {
        let mut command = Command::new(&openssl);
        let output = command
            .args(args.split(' '))
            .current_dir(folder.path(""))
            .output();
        assert!(output.expect("openssl").status.success(), "{args}");
    };
    for authority in ["authority", "other"] {
        openssl(&format!(
            "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN={authority} -keyout {authority}.key -out {authority}.pem"
        ));
    }
    folder.write("names", "subjectAltName=IP:127.0.0.1\n");
    openssl("req -newkey rsa:2048 -nodes -subj /CN=server -keyout key.pem -out request.pem");
    openssl(
        "x509 -req -in request.pem -CA authority.pem -CAkey authority.key -CAcreateserial -days 2 -extfile names -out certificate.pem",
    );
    let port = free_port();
    let [authority, certificate, key] =
        ["authority.pem", "certificate.pem", "key.pem"].map(|name| folder.path(name));
    let (authority_shown, certificate_shown, key_shown) =
        (authority.display(), certificate.display(), key.display());
    let input = format!(
        "global(DefaultNetstreamDriver=\"gtls\" DefaultNetstreamDriverCAFile=\"{authority_shown}\"\n\
         DefaultNetstreamDriverCertFile=\"{certificate_shown}\" DefaultNetstreamDriverKeyFile=\"{key_shown}\")\n\
         module(load=\"imtcp\" StreamDriver.Name=\"gtls\" StreamDriver.Mode=\"1\" StreamDriver.AuthMode=\"anon\")\n\
         input(type=\"imtcp\" address=\"127.0.0.1\" port=\"{port}\")"
    );
    let _server = rsyslog(&rsyslogd, &folder, "tls", &input);
    wait_for_port(port);
    let address = format!("tls://127.0.0.1:{port}");
    assert_logged(&folder, &address, "json", "tls.log", Some(&authority));
    // Nothing is sent to a server whose certificate is not trusted.
    let args = [
        "watch",
        "model.json",
        "logs/labelled_testing_data.csv",
        "--store",
        "store.db",
        "--syslog",
        &address,
    ];
    let other = folder.path("other.pem");
    let output = folder
        .command(&args)
        .env("SSL_CERT_FILE", &other)
        .output()
        .expect("a watch");
    assert!(output.status.success());
    let shown = String::from_utf8_lossy(&output.stderr);
    assert!(
        shown.contains("wait in the store for syslog tls://") && shown.contains("ertificate"),
        "{shown}"
    );
    assert!(!folder.path("tls.log").exists());
}

/// Returns the active alerts of an Alertmanager.
fn active(port: u16) -> Option<Vec<Value>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    let request = "GET /api/v2/alerts HTTP/1.0\r\nHost: localhost\r\n\r\n";
    stream.write_all(request.as_bytes()).ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    serde_json::from_str(text.split_once("\r\n\r\n")?.1).ok()
}

#[test]
fn alertmanager_shows_incidents_while_they_are_open() {
    let Some(alertmanager) = program("prometheus-alertmanager") else {
        return;
    };
    let folder = broken_into();
    fs::write(
        folder.path("am.yml"),
        "route:\n  receiver: none\nreceivers:\n  - name: none\n",
    )
    .expect("space");
    let port = free_port();
    let config = format!("--config.file={}", folder.path("am.yml").display());
    let storage = format!("--storage.path={}", folder.path("am").display());
    let listen = format!("--web.listen-address=127.0.0.1:{port}");
    let begin = || {
        let server = start(
            &alertmanager,
            &[&config, &storage, &listen, "--cluster.listen-address="],
        );
        wait_for("Alertmanager", || active(port));
        server
    };
    let server = begin();
    let url = format!("http://127.0.0.1:{port}/api/v2/alerts");
    let args = [
        "watch",
        "model.json",
        "logs/labelled_testing_data.csv",
        "--store",
        "store.db",
        "--alerts",
        "alerts.jsonl",
        "--webhook",
        &url,
        "--webhook-format",
        "alertmanager",
    ];
    let watch = || {
        let mut command = folder.command(&[&args[..], &["--follow"]].concat());
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("a watch")
    };
    let shown = || wait_for("alert", || active(port).filter(|alerts| !alerts.is_empty()));
    let child = watch();
    let open = shown();
    let incident = open[0]["labels"]["incident"]
        .as_str()
        .expect("a label")
        .to_owned();
    assert_eq!(open[0]["labels"]["alertname"], "HoneyguideIncident");
    assert_eq!(open[0]["labels"]["simulated"], "true");
    assert!(
        open[0]["annotations"]["summary"]
            .as_str()
            .is_some_and(|text| text.contains(&incident))
    );
    signal(&child, "TERM");
    assert_eq!(wait_for_end(child).status, 0);
    // An Alertmanager that has forgotten everything hears of the incident again from a watch that has nothing new to tell.
    drop(server);
    fs::remove_dir_all(folder.path("am")).expect("a folder");
    let _server = begin();
    assert!(active(port).is_some_and(|alerts| alerts.is_empty()));
    let child = watch();
    assert_eq!(shown()[0]["labels"]["incident"], incident.as_str());
    signal(&child, "TERM");
    assert_eq!(wait_for_end(child).status, 0);
    // The end of all inputs closes the incidents, which a new store begins with.
    fs::remove_file(folder.path("store.db")).expect("a store");
    folder.done(&args);
    wait_for("end of all alerts", || active(port).filter(Vec::is_empty));
}

#[test]
fn receivers_that_cannot_work_are_refused() {
    let folder = Folder::with_model(300);
    folder.write("token", "sesame-open\n");
    folder.write("empty", "\n");
    for (file, mode) in [("token", "640"), ("empty", "640"), ("good.csv", "644")] {
        let changed = Command::new("chmod")
            .arg(mode)
            .arg(folder.path(file))
            .status();
        assert!(changed.is_ok_and(|status| status.success()));
    }
    let two = [
        "--webhook",
        "http://one.example/",
        "--webhook",
        "http://two.example/",
    ];
    for (args, says) in [
        (vec!["--webhook", "http://127.0.0.1/"], vec!["--store"]),
        (vec!["--syslog", "tcp://127.0.0.1"], vec!["--store"]),
        (
            vec!["--store", "s.db", "--webhook-format", "ecs"],
            vec!["--webhook"],
        ),
        (
            vec!["--store", "s.db", "--syslog", "udp://127.0.0.1"],
            vec!["tcp://HOST:PORT"],
        ),
        (
            vec!["--store", "s.db", "--webhook", "ftp://h/"],
            vec!["http or https"],
        ),
        (
            vec!["--store", "s.db", "--webhook", "http://me:sesame@h/"],
            vec!["***@h", "password"],
        ),
        (
            [
                &["--store", "s.db", "--webhook-token-file", "token"],
                &two[..],
            ]
            .concat(),
            vec!["several hosts"],
        ),
        (
            vec![
                "--store",
                "s.db",
                "--webhook",
                "http://h/",
                "--webhook-token-file",
                "good.csv",
            ],
            vec!["every user"],
        ),
        (
            vec![
                "--store",
                "s.db",
                "--webhook",
                "http://h/",
                "--webhook-token-file",
                "empty",
            ],
            vec!["no token"],
        ),
        (
            [
                &["--store", "s.db"],
                &two[..],
                &two,
                &["--webhook-format", "ecs", "--webhook-format", "falco"],
            ]
            .concat(),
            vec!["2 times", "4 times"],
        ),
    ] {
        let run = folder.run(&[&["watch", "model.json", "good.csv"], &args[..]].concat());
        assert_eq!(run.status, 2, "{args:?}: {}", run.stderr);
        for part in says {
            assert!(run.stderr.contains(part), "{args:?}: {}", run.stderr);
        }
        assert!(!run.stderr.contains("sesame"), "{}", run.stderr);
        for file in ["s.db", "s.db.lock", "s.db-wal", "s.db-shm"] {
            let _ = fs::remove_file(folder.path(file));
        }
    }
}

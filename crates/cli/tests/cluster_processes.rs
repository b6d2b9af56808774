//! The processes of a cluster: they start, notice when another process ends, and end when they are asked to.

#[path = "common/cluster.rs"]
mod cluster;

use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use cluster::{Cluster, Node, page, wait_until};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

/// Runs the command to its end.
fn honeyguide(args: &[&str]) -> Output {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("honeyguide"));
    command.args(args).output().expect("the program starts")
}

/// Runs the command, which must fail with `status` and print all of `says` to standard error.
fn refused(args: &[&str], status: i32, says: &[&str]) {
    let output = honeyguide(args);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{args:?}: {stderr}");
    for part in says {
        assert!(stderr.contains(part), "{args:?}: no `{part}` in: {stderr}");
    }
}

#[test]
fn a_cluster_starts_loses_and_gains_executors_and_stops() {
    let mut cluster = Cluster::start(2);
    assert_eq!(cluster.status("executors"), 2);
    assert_eq!(cluster.status("slots"), 4);
    assert_eq!(cluster.status("removals"), 0);

    let killed = Instant::now();
    cluster.kill_executor(0);
    wait_until(|| cluster.status("removals") == 1, || "no removal".into());
    // The scheduler allows three seconds of silence and checks every second. The machine may be busy with other work.
    assert!(
        killed.elapsed() < Duration::from_secs(20),
        "{:?}",
        killed.elapsed()
    );
    assert_eq!(cluster.status("executors"), 1);

    cluster.add_executor();
    cluster.wait_for_executors();
    assert_eq!(cluster.status("slots"), 4);
    assert_eq!(cluster.status("removals"), 1, "joining removes no executor");

    // An executor that leaves tells the scheduler, so its removal does not take as long as that of a silent one.
    let asked = Instant::now();
    let mut leaving = cluster.executors().remove(0);
    assert_eq!(leaving.stop().code(), Some(0), "{}", leaving.log());
    wait_until(|| cluster.status("removals") == 2, || "no removal".into());
    assert!(
        asked.elapsed() < Duration::from_secs(5),
        "{:?}",
        asked.elapsed()
    );
    sleep(Duration::from_secs(10));
    assert_eq!(
        cluster.status("removals"),
        2,
        "the executor is removed only once"
    );
    assert_eq!(cluster.status("executors"), 1);

    let status = cluster.scheduler().stop();
    assert_eq!(status.code(), Some(0));
    // The executor has no scheduler now, and still ends when it is asked to.
    let status = cluster.executors()[0].stop();
    assert_eq!(status.code(), Some(0));
}

#[test]
fn executors_join_a_restarted_scheduler() {
    let mut cluster = Cluster::start(2);
    let before = cluster.scheduler().page("/honeyguide/cluster");
    cluster.kill_scheduler();
    let executor = &cluster.executors()[0];
    wait_until(
        || executor.metric("honeyguide_executor_joined") == 0.0,
        || executor.log(),
    );
    cluster.restart_scheduler();
    assert_eq!(cluster.status("executors"), 2);
    let after = cluster.scheduler().page("/honeyguide/cluster");
    let incarnation = |page: &str| {
        let page: serde_json::Value = serde_json::from_str(page).expect("JSON");
        page["incarnation"].as_str().expect("a text").to_owned()
    };
    assert_ne!(incarnation(&before), incarnation(&after));
    let log = cluster.executors()[0].log();
    assert_eq!(
        log.matches("no work from the scheduler").count(),
        1,
        "{log}"
    );
}

#[test]
fn a_silent_executor_is_removed_and_joins_again() {
    let mut cluster = Cluster::start(1);
    cluster.executors()[0].signal("STOP");
    wait_until(|| cluster.status("removals") == 1, || "no removal".into());
    cluster.executors()[0].signal("CONT");
    cluster.wait_for_executors();
    let executor = &cluster.executors()[0];
    wait_until(
        || executor.metric("honeyguide_executor_joined") == 1.0,
        || executor.log(),
    );
}

#[test]
fn an_executor_that_misses_an_answer_joins_under_another_name() {
    let mut cluster = Cluster::start(1);
    let joined = |executor: &Node| executor.log().matches("joined the cluster").count();
    let executor = &cluster.executors()[0];
    wait_until(|| joined(executor) == 1, || executor.log());
    cluster.scheduler().signal("STOP");
    let executor = &cluster.executors()[0];
    wait_until(
        || executor.log().contains("no work from the scheduler"),
        || executor.log(),
    );
    cluster.scheduler().signal("CONT");
    let executor = &cluster.executors()[0];
    wait_until(|| joined(executor) == 2, || executor.log());
    wait_until(|| cluster.status("removals") >= 1, || "no removal".into());
    cluster.wait_for_executors();
}

#[test]
fn noise_on_a_port_does_no_harm() {
    let mut cluster = Cluster::start(1);
    let addresses = [cluster.scheduler().address, cluster.executors()[0].address];
    let noises: [&[u8]; 4] = [
        b"",
        b"GET / HTTP/9.9\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff",
        &[0xa5; 100_000],
    ];
    for address in addresses {
        for noise in noises {
            let mut stream = TcpStream::connect(address).expect("a connection");
            // The node may close the connection before it has read everything.
            let _ = stream.write_all(noise);
        }
        assert_eq!(page(address, "/healthz").as_deref(), Some("ok\n"));
    }
    assert_eq!(cluster.status("removals"), 0);
    assert!(!cluster.scheduler().log().contains("panicked"));
    assert!(!cluster.executors()[0].log().contains("panicked"));
}

#[test]
fn a_port_that_other_machines_reach_causes_a_warning() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let warns = |bind: &str| {
        let args = ["scheduler", "--bind", bind, "--insecure"];
        let mut scheduler = Node::start(&args, &folder.path().join("scheduler.log"));
        scheduler.stop();
        scheduler.log().contains("private network")
    };
    assert!(warns("0.0.0.0:0"));
    assert!(!warns("127.0.0.1:0"));
}

#[test]
fn work_folders_are_private_and_removed_at_the_end() {
    let mut cluster = Cluster::start(2);
    let folders = |cluster: &Cluster| -> Vec<_> {
        let entries = fs::read_dir(cluster.work_dir()).expect("a work folder");
        entries.map(|entry| entry.expect("an entry")).collect()
    };
    let found = folders(&cluster);
    assert_eq!(found.len(), 2);
    for folder in &found {
        let mode = folder.metadata().expect("its mode").permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{}", folder.path().display());
    }
    cluster.kill_executor(0);
    assert_eq!(
        folders(&cluster).len(),
        2,
        "a killed process removes nothing"
    );
    cluster.add_executor();
    assert_eq!(
        folders(&cluster).len(),
        2,
        "the next executor removes the folder"
    );
    for executor in cluster.executors() {
        assert_eq!(executor.stop().code(), Some(0));
    }
    assert_eq!(folders(&cluster).len(), 0);
}

#[test]
fn metrics_are_served_for_prometheus() {
    let mut cluster = Cluster::start(1);
    assert_eq!(
        cluster.scheduler().metric("honeyguide_scheduler_executors"),
        1.0
    );
    assert_eq!(
        cluster.scheduler().metric("honeyguide_scheduler_slots"),
        2.0
    );
    let submitted = r#"honeyguide_scheduler_jobs_total{state="submitted"}"#;
    assert_eq!(cluster.scheduler().metric(submitted), 0.0);
    assert_eq!(cluster.scheduler().page("/healthz"), "ok\n");
    let executor = &cluster.executors()[0];
    assert_eq!(executor.metric("honeyguide_executor_slots"), 2.0);
    assert_eq!(executor.page("/healthz"), "ok\n");
    assert_eq!(page(executor.address, "/secrets"), None);
}

/// Starts a query on `cluster` that takes minutes, and waits until the scheduler runs it.
fn start_long_query(cluster: &Cluster, folder: &TempDir) -> Child {
    let data = folder.path().join("same.csv");
    let rows: String = (0..100_000).map(|row| format!("1,{row}\n")).collect();
    fs::write(&data, format!("a,b\n{rows}")).expect("a file");
    let query = "SELECT sum(x.b * y.b) FROM events x JOIN events y ON x.a = y.a AND x.b < y.b";
    let client = Command::new(assert_cmd::cargo::cargo_bin!("honeyguide"))
        .args(["sql", query, "--cluster", cluster.url()])
        .arg(data)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    wait_until(|| cluster.status("running_jobs") == 1, || "no job".into());
    client
}

#[test]
fn the_tasks_of_a_killed_client_are_cancelled() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut cluster = Cluster::start(1);
    let mut client = start_long_query(&cluster, &folder);
    let running = "honeyguide_executor_tasks_running";
    let executor = &cluster.executors()[0];
    wait_until(|| executor.metric(running) > 0.0, || executor.log());
    client.kill().expect("a client to kill");
    client.wait().expect("its status");
    wait_until(
        || cluster.status("running_jobs") == 0,
        || "the job still runs".into(),
    );
    let executor = &cluster.executors()[0];
    wait_until(|| executor.metric(running) == 0.0, || executor.log());
    let cancelled = r#"honeyguide_executor_tasks_total{state="cancelled"}"#;
    assert!(executor.metric(cancelled) > 0.0);
}

#[test]
fn a_scheduler_that_is_asked_to_end_tells_its_clients() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut cluster = Cluster::start(1);
    let client = start_long_query(&cluster, &folder);
    let asked = Instant::now();
    assert_eq!(cluster.scheduler().stop().code(), Some(0));
    let output = client.wait_with_output().expect("its status");
    assert!(
        asked.elapsed() < Duration::from_secs(10),
        "{:?}",
        asked.elapsed()
    );
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("scheduler cannot be reached"), "{stderr}");
}

#[test]
fn a_node_that_has_just_started_can_be_stopped() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let log = folder.path().join("log");
    for _ in 0..8 {
        let mut scheduler = Node::start(&["scheduler", "--bind", "127.0.0.1:0"], &log);
        assert_eq!(scheduler.stop().code(), Some(0));
    }
}

#[test]
fn a_node_without_a_token_listens_on_loopback_only() {
    let executor = [
        "executor",
        "--scheduler",
        "127.0.0.1:1",
        "--bind",
        "0.0.0.0:0",
    ];
    for node in [&["scheduler", "--bind", "0.0.0.0:0"][..], &executor] {
        let node = [&["cluster"], node].concat();
        refused(&node, 2, &["0.0.0.0:0", "--token-file", "--insecure"]);
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let token = folder.path().join("token");
    let path = token.to_str().expect("a path of UTF-8");
    let scheduler = [
        "cluster",
        "scheduler",
        "--bind",
        "127.0.0.1:0",
        "--token-file",
        path,
    ];
    refused(&scheduler, 1, &[path, "token"]);
    fs::write(&token, "0123456789abcdef").expect("a token");
    fs::set_permissions(&token, fs::Permissions::from_mode(0o604)).expect("a mode");
    refused(&scheduler, 2, &[path, "chmod"]);
}

#[test]
fn addresses_that_cannot_be_used_are_errors() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("its address").to_string();
    let in_use = [address.as_str(), "in use", "--bind"];
    refused(&["cluster", "scheduler", "--bind", &address], 1, &in_use);
    let executor = [
        "cluster",
        "executor",
        "--scheduler",
        "127.0.0.1:1",
        "--bind",
    ];
    refused(&[&executor[..], &[&address]].concat(), 1, &in_use);

    refused(
        &["cluster", "scheduler", "--bind", "nowhere"],
        2,
        &["nowhere"],
    );
    // An address for documentation (RFC 5737), which no machine has.
    let foreign = ["cluster", "scheduler", "--bind", "192.0.2.1:50050"];
    let foreign = [&foreign[..], &["--insecure"]].concat();
    refused(&foreign, 2, &["192.0.2.1:50050", "address of this machine"]);
    let nobody = ["cluster", "executor", "--scheduler", "http://127.0.0.1"];
    refused(&nobody, 2, &["http://127.0.0.1", "df://"]);
    let hidden = ["cluster", "executor", "--scheduler", "10.0.0.1"];
    refused(
        &hidden,
        2,
        &["127.0.0.1:0", "10.0.0.1:50050", "--advertise"],
    );
    refused(&["cluster", "executor"], 2, &["--scheduler"]);
}

#[test]
fn an_executor_without_a_scheduler_fails_in_time() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = free.local_addr().expect("its address").to_string();
    drop(free);
    let args = [
        "cluster",
        "executor",
        "--scheduler",
        &address,
        "--patience",
        "2",
    ];
    refused(
        &args,
        1,
        &[&address, "refused", "tried for 2 s", "cluster scheduler"],
    );
}

#[test]
fn an_executor_waits_for_its_scheduler() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address: SocketAddr = free.local_addr().expect("its address");
    drop(free);
    let address = address.to_string();
    let executor = ["executor", "--scheduler", &address];
    let executor = Node::start(&executor, &folder.path().join("executor.log"));
    assert_eq!(executor.metric("honeyguide_executor_joined"), 0.0);
    let scheduler = ["scheduler", "--bind", &address];
    let _scheduler = Node::start(&scheduler, &folder.path().join("scheduler.log"));
    wait_until(
        || executor.metric("honeyguide_executor_joined") == 1.0,
        || executor.log(),
    );
}

/// Writes an authority, and a certificate of this machine with its key. Returns the arguments that name the files.
fn certificates(folder: &TempDir) -> [String; 6] {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&key).expect("a certificate");
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(["127.0.0.1".to_owned()]).expect("a name");
    let certificate = params.signed_by(&key, &issuer).expect("a certificate");
    let write = |name: &str, pem: String| {
        let path = folder.path().join(name);
        fs::write(&path, pem).expect("space");
        path.display().to_string()
    };
    let option = |name: &str| format!("--tls-{name}");
    [
        option("cert"),
        write("cert.pem", certificate.pem()),
        option("key"),
        write("key.pem", key.serialize_pem()),
        option("ca"),
        write("ca.pem", authority.pem()),
    ]
}

#[test]
fn a_cluster_with_certificates_and_a_token_answers_friends_only() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::write(path("token"), "0123456789abcdef").expect("a token");
    fs::set_permissions(path("token"), fs::Permissions::from_mode(0o600)).expect("a mode");
    fs::write(path("data.csv"), "a\n1\n2\n").expect("data");
    let (token, data) = (path("token"), path("data.csv"));
    let tls = certificates(&folder);
    let tls: Vec<&str> = tls.iter().map(String::as_str).collect();
    let token = ["--token-file", token.as_str()];
    let node =
        |args: &[&str]| Node::start(&[args, &tls, &token].concat(), &folder.path().join(args[0]));
    let scheduler = node(&["scheduler", "--bind", "127.0.0.1:0"]);
    let address = scheduler.address.to_string();
    let _executor = node(&["executor", "--scheduler", &address]);
    let query = [
        "sql",
        "SELECT sum(a) FROM events",
        &data,
        "--cluster",
        &address,
    ];
    let friend = honeyguide(&[&query[..], &tls, &token].concat());
    assert_eq!(
        String::from_utf8_lossy(&friend.stdout),
        "sum(events.a)\n3\n"
    );
    refused(&query, 1, &["cannot be reached"]);
    refused(&[&query[..], &tls].concat(), 2, &["--token-file"]);
    refused(
        &[&query[..], &tls[..2]].concat(),
        2,
        &["--tls-key", "--tls-ca"],
    );
    refused(&[&query[..3], &tls].concat(), 2, &["--cluster"]);
    assert_eq!(
        page(scheduler.address, "/healthz"),
        None,
        "an answer without TLS"
    );
}

//! A cluster of one scheduler and two executors gives the same answers as this machine, to the byte, even if processes
//! are killed meanwhile.

#[path = "common/cluster.rs"]
mod cluster;
mod common;
#[path = "../../honeyguide/tests/library/common/stores.rs"]
mod stores;

use std::time::Duration;

use cluster::Cluster;
use common::{Folder, Run, lookups, wait_for_end};
use stores::stores;

/// The number of events, which is enough for a file to be read in several pieces.
const EVENTS: &str = "30000";
/// The messages with which a job may fail when nodes are killed.
const ALLOWED_ERRORS: [&str; 3] = [
    "the scheduler cannot be reached",
    "executors were lost in each of",
    "the cluster has no executor",
];

/// Creates a folder with simulated logs as CSV and as Parquet, and a model of them.
fn logs() -> Folder {
    let folder = Folder::new();
    folder.done(&[
        "simulate", "--out", "logs", "--events", EVENTS, "--seed", "5",
    ]);
    for part in ["training", "testing"] {
        let name = format!("logs/labelled_{part}_data.csv");
        let out = format!("{part}.parquet");
        folder.done(&["convert", &name, "--out", &out]);
    }
    folder.done(&[
        "train",
        "logs/labelled_training_data.csv",
        "--out",
        "model.json",
    ]);
    folder
}

/// The training data as CSV and as Parquet.
const TRAINING: [&str; 2] = ["logs/labelled_training_data.csv", "training.parquet"];
/// The test data as CSV and as Parquet.
const TESTING: [&str; 2] = ["logs/labelled_testing_data.csv", "testing.parquet"];

/// Runs `args` on this machine and on the cluster. The printed text and the file `out` must be the same.
fn assert_same(folder: &Folder, cluster: &Cluster, args: &[&str], out: Option<&str>) {
    let mut local = args.to_vec();
    local.extend(out.iter().flat_map(|out| ["--out", out]));
    let here = folder.done(&local);
    let written = out.map(|out| folder.read(out));
    local.extend(["--cluster", cluster.url()]);
    let there = folder.done(&local);
    assert_eq!(there.stdout, here.stdout, "{args:?}");
    assert!(
        out.map(|out| folder.read(out)) == written,
        "{args:?}: {out:?} differs"
    );
}

#[test]
fn every_command_gives_the_same_answer() {
    let folder = logs();
    let cluster = Cluster::start(2);
    for recipe in ["context", "beth-paper", "raw", "beth-timestamp"] {
        for data in TRAINING {
            let args = ["train", data, "--recipe", recipe, "--trees", "10", "--json"];
            assert_same(&folder, &cluster, &args, Some("m.json"));
        }
    }
    let calibrate = ["train", TRAINING[0], "--calibrate", TESTING[1], "--json"];
    assert_same(&folder, &cluster, &calibrate, Some("m.json"));
    for data in TESTING {
        assert_same(
            &folder,
            &cluster,
            &["score", "model.json", data],
            Some("s.csv"),
        );
        let explained = ["score", "model.json", data, "--anomalous", "--explain"];
        assert_same(&folder, &cluster, &explained, Some("s.ndjson"));
        assert_same(
            &folder,
            &cluster,
            &["score", "model.json", data, "--json"],
            None,
        );
        assert_same(
            &folder,
            &cluster,
            &["incidents", "model.json", data, "--json"],
            None,
        );
        assert_same(
            &folder,
            &cluster,
            &["evaluate", "model.json", data, "--json"],
            None,
        );
        assert_same(
            &folder,
            &cluster,
            &["drift", "model.json", data, "--json"],
            None,
        );
        assert_same(&folder, &cluster, &["inspect", data, "--json"], None);
        // `convert` prints times, so only its files are compared.
        let there = ["convert", data, "--out", "there.parquet"];
        folder.done(&["convert", data, "--out", "here.parquet"]);
        folder.done(&[&there[..], &["--cluster", cluster.url()]].concat());
        let is_same = folder.read("here.parquet") == folder.read("there.parquet");
        assert!(is_same, "{data}");
    }
    assert_same(
        &folder,
        &cluster,
        &["reproduce", "logs", "--seeds", "2", "--json"],
        None,
    );
}

#[test]
fn a_log_of_dns_gives_the_same_answer() {
    let folder = Folder::with(&[("dns.csv", lookups(600))]);
    folder.done(&[
        "convert",
        "dns.csv",
        "--parse-lists",
        "--out",
        "dns.parquet",
    ]);
    let cluster = Cluster::start(2);
    let rate = ["--trees", "10", "--false-positive-rate", "0.05"];
    for data in ["dns.csv", "dns.parquet"] {
        let train = [&["train", data][..], &rate].concat();
        assert_same(&folder, &cluster, &train, Some("model.json"));
        assert_same(
            &folder,
            &cluster,
            &["score", "model.json", data],
            Some("s.ndjson"),
        );
        for command in ["incidents", "evaluate", "drift"] {
            let args = [command, "model.json", data, "--json"];
            assert_same(&folder, &cluster, &args, None);
        }
        let query = "SELECT registered_domain(DnsQuery) AS domain, reverse_ip(DnsQuery) AS address, \
            list_item(DnsAnswer, 1) AS answer, max(label_entropy(DnsQuery)) AS bits, count(*) AS n FROM events \
            GROUP BY 1, 2, 3 ORDER BY 1, 2, 3";
        assert_same(&folder, &cluster, &["sql", query, data], None);
    }
}

#[test]
fn queries_give_the_same_answer() {
    let folder = logs();
    let cluster = Cluster::start(2);
    let queries = [
        "SELECT count(*), min(timestamp), sum(evil) FROM events",
        "SELECT hostName, processName, max(score) AS s, count(*) FROM events WHERE anomalous GROUP BY 1, 2 ORDER BY s DESC, 1, 2 LIMIT 20",
        "SELECT path_prefix(arg(args, 'pathname'), 2) AS p, count(*) AS n FROM events GROUP BY 1 ORDER BY n DESC, p LIMIT 10",
        "SELECT eventName, anomaly_score('model.json') AS s, explain_anomaly('model.json') AS why FROM events ORDER BY s DESC, timestamp, eventName LIMIT 3",
        "SELECT a.processName, count(*) AS n FROM events a JOIN (SELECT DISTINCT processName FROM events WHERE evil = 1) b ON a.processName = b.processName GROUP BY 1 ORDER BY 1",
        "SELECT array_element(regexp_match(args, 'sin_port.: .([0-9]+)'), 1) AS port, count(*) AS n FROM events GROUP BY 1 ORDER BY n DESC, port LIMIT 10",
        "SELECT count(*) FROM events WHERE timestamp > (SELECT avg(timestamp) FROM events)",
        "SELECT processId, row_number() OVER (PARTITION BY processId ORDER BY timestamp, eventId, args) AS r FROM events ORDER BY 1, 2 LIMIT 50",
    ];
    for data in TESTING {
        for query in queries {
            let args = ["sql", query, data, "--model", "model.json", "--json"];
            assert_same(&folder, &cluster, &args, None);
        }
    }
    large_files_give_the_same_answer(&folder, &cluster);
}

/// Asks for all pages of a file that is not read whole with its footer.
fn large_files_give_the_same_answer(folder: &Folder, cluster: &Cluster) {
    // Texts that cannot be compressed.
    let row = |row: u64| {
        let [a, b, c] = [
            0x9e37_79b9_7f4a_7c15,
            0xbf58_476d_1ce4_e5b9,
            0x94d0_49bb_1331_11eb,
        ]
        .map(|factor: u64| {
            (row + 1)
                .wrapping_mul(factor)
                .rotate_left(31)
                .wrapping_mul(factor)
        });
        format!("{row},{a:016x}{b:016x}{c:016x}\n")
    };
    let rows: String = (0..60_000).map(row).collect();
    folder.write("large.csv", format!("n,t\n{rows}"));
    folder.done(&["convert", "large.csv", "--out", "large.parquet"]);
    assert!(folder.read("large.parquet").len() > 1 << 20);
    let query = "SELECT count(*), sum(n), sum(length(t)), max(t) FROM events";
    assert_same(folder, cluster, &["sql", query, "large.parquet"], None);
}

#[test]
fn errors_of_the_client_and_of_executors_are_reported() {
    let folder = logs();
    let cluster = Cluster::start(1);
    let refused = |args: &[&str], status: i32, says: &[&str]| {
        folder.refused(
            &[args, &["--cluster", cluster.url()]].concat(),
            status,
            says,
        );
    };
    refused(
        &["train", "nowhere.csv", "--out", "m.json"],
        2,
        &["nowhere.csv"],
    );
    folder.done(&["score", "model.json", TESTING[0], "--out", "s.ndjson"]);
    folder.write(
        "eve.json",
        include_str!("../../honeyguide/tests/library/fixtures/dns/eve-v3.ndjson"),
    );
    folder.write(
        "dns.log",
        include_str!("../../honeyguide/tests/library/fixtures/dns/zeek.log"),
    );
    for data in ["s.ndjson", "eve.json", "dns.log"] {
        let says = [
            data,
            "on a cluster, data is CSV or Parquet",
            "honeyguide convert DATA --out data.parquet",
        ];
        refused(&["inspect", data], 2, &says);
    }
    // What one machine would search for is said not to be searched for, and only where it matters.
    folder.write("ids.csv", "id,n\n12,0.5\n");
    for (data, expected) in [("ids.csv", true), (TESTING[0], false)] {
        let args = ["inspect", data, "--cluster", cluster.url()];
        let said = folder.done(&args).stderr;
        let note = "do not search CSV";
        assert_eq!(said.contains(note), expected, "{data}: {said}");
    }
    folder.write("bad.csv", "a,b\n1,2\n3\n4,5\n");
    refused(&["inspect", "bad.csv"], 1, &["bad.csv: line 3", "1 field,"]);
    // An error of the query itself is not the loss of an executor, so the client does not wait for another executor.
    let begin = std::time::Instant::now();
    let cast = "SELECT CAST(eventName AS BIGINT) FROM events WHERE eventName = 'connect'";
    refused(&["sql", cast, TESTING[1]], 1, &["connect"]);
    assert!(
        begin.elapsed() < Duration::from_secs(10),
        "{:?}",
        begin.elapsed()
    );
    let nobody = ["inspect", "bad.csv", "--cluster", "df://127.0.0.1:1"];
    folder.refused(&nobody, 1, &["df://127.0.0.1:1", "nobody listens there"]);
    let no_address = ["inspect", "bad.csv", "--cluster", "http://127.0.0.1:1"];
    folder.refused(&no_address, 2, &["http://127.0.0.1:1", "df://"]);
}

#[test]
fn data_models_and_results_in_object_stores() {
    let folder = logs();
    for store in stores() {
        let at = |name: &str| format!("{}/cluster/{name}", store.base);
        let options: Vec<&str> = store
            .options
            .iter()
            .flat_map(|option| ["--storage-option", option])
            .collect();
        let done = |args: &[&str]| folder.done(&[args, &options].concat());
        let (csv, parquet, model) = (at("a.csv"), at("a.parquet"), at("model.json"));
        let whole = "SELECT * FROM events";
        done(&["sql", whole, TESTING[0], "--out", &csv]);
        done(&["convert", TESTING[0], "--out", &parquet]);
        done(&["train", TRAINING[0], "--trees", "10", "--out", &model]);
        let cluster = Cluster::start_with(2, &options);
        for data in [&csv, &parquet] {
            let train = ["train", data, "--trees", "10", "--json", "--out", "m.json"];
            let score = ["score", &model, data, "--out", "s.csv"];
            let evaluate = ["evaluate", &model, data, "--json"];
            for (args, out) in [
                (&train[..], Some("m.json")),
                (&score, Some("s.csv")),
                (&evaluate, None),
            ] {
                let here = answer(&folder, &done(args), out);
                let there = done(&[args, &["--cluster", cluster.url()]].concat());
                assert!(answer(&folder, &there, out) == here, "{args:?}");
            }
        }
        let written = at("scored.parquet");
        done(&[
            "score",
            &model,
            &csv,
            "--out",
            &written,
            "--cluster",
            cluster.url(),
        ]);
        drop(cluster);
        // Executors use their own credentials and not those of the client.
        let Some(wrong) = store.wrong_option else {
            continue;
        };
        let cluster =
            Cluster::start_with(1, &[&options[..], &["--storage-option", wrong]].concat());
        for args in [
            ["evaluate", "model.json", &csv],
            ["evaluate", &model, TESTING[0]],
        ] {
            let run = folder.run(&[&args, &options[..], &["--cluster", cluster.url()]].concat());
            assert_eq!(run.status, 1, "{args:?}: {}", run.stderr);
            for says in [
                "executor 127.0.0.1:",
                "the store refuses the credentials",
                store.base,
            ] {
                assert!(
                    run.stderr.contains(says),
                    "{args:?}: no `{says}` in {}",
                    run.stderr
                );
            }
        }
    }
}

#[test]
fn a_job_fails_at_its_timeout() {
    let folder = logs();
    let mut cluster = Cluster::start(1);
    let args = [
        "evaluate",
        "model.json",
        TESTING[0],
        "--cluster-timeout",
        "1",
    ];
    let args = [&args[..], &["--cluster", cluster.url()]].concat();
    let args: Vec<String> = args.into_iter().map(String::from).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    cluster.executors()[0].signal("STOP");
    folder.refused(
        &args,
        1,
        &["the job was not done within 1 s", "--cluster-timeout"],
    );
    cluster.executors()[0].signal("CONT");
    // Whether the scheduler has removed the executor or not, it is used again.
    cluster.wait_for_executors();
    folder.done(&[&args[..3], &args[5..]].concat());
}

/// A generator of random times: a linear congruential generator (Knuth's MMIX).
struct RandomTimes(u64);

impl RandomTimes {
    /// Returns a random time that is shorter than `below`.
    fn next(&mut self, below: Duration) -> Duration {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        below.mul_f64((self.0 >> 33) as f64 / (1_u64 << 31) as f64)
    }
}

/// Runs `args` on the cluster and calls `kill` when the time `after` has passed.
fn run_with_kill(
    folder: &Folder,
    cluster: &mut Cluster,
    args: &[&str],
    after: Duration,
    kill: impl FnOnce(&mut Cluster),
) -> Run {
    let options = ["--cluster-timeout", "120", "--cluster", cluster.url()];
    let mut command = folder.command(&[args, &options].concat());
    let child = command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the command starts");
    std::thread::sleep(after);
    kill(cluster);
    wait_for_end(child)
}

/// Returns the answer of a command: what it printed, and the content of the file `out`, which is removed.
fn answer(folder: &Folder, run: &Run, out: Option<&str>) -> (String, Option<Vec<u8>>) {
    let written = out.map(|out| folder.read(out));
    if let Some(out) = out {
        std::fs::remove_file(folder.path(out)).expect("the output");
    }
    (run.stdout.clone(), written)
}

/// The number of runs of one command in which a node is killed, unless the variable says another. All commands together have
/// at least 40 of them.
const KILLS: usize = 14;
/// The variable with another number, which `cargo xtask kills` sets.
const KILLS_VARIABLE: &str = "HONEYGUIDE_TEST_KILLS";

/// Runs `args` again and again, and kills an executor or the scheduler at a random time of each run.
///
/// Every run must print and write to `out` the same as on this machine, or fail with one of [`ALLOWED_ERRORS`]. Only
/// the loss of the scheduler may make a run fail.
fn assert_same_despite_kills(args: &[&str], out: Option<&str>, mut times: RandomTimes) {
    let folder = logs();
    let mut cluster = Cluster::start(2);
    let local = answer(&folder, &folder.done(args), out);
    let begin = std::time::Instant::now();
    let on_cluster = folder.done(&[args, &["--cluster", cluster.url()]].concat());
    let usual = begin.elapsed();
    assert!(answer(&folder, &on_cluster, out) == local, "{args:?}");
    let (mut answered, mut refused) = (0, 0);
    let kills = std::env::var(KILLS_VARIABLE).ok();
    let kills = kills.map_or(KILLS, |kills| kills.parse().expect("a number of kills"));
    for kill in 0..kills {
        let after = times.next(usual);
        let is_scheduler = kill % 7 == 6;
        let run = run_with_kill(&folder, &mut cluster, args, after, |cluster| {
            if is_scheduler {
                cluster.kill_scheduler();
            } else {
                cluster.kill_executor(kill % 2);
            }
        });
        let place = format!("{args:?}, kill {kill} after {after:?}: {}", run.stderr);
        if run.status == 0 {
            assert!(
                answer(&folder, &run, out) == local,
                "another answer: {place}"
            );
            answered += 1;
        } else {
            assert_eq!(run.status, 1, "{place}");
            assert!(
                ALLOWED_ERRORS.iter().any(|says| run.stderr.contains(says)),
                "{place}"
            );
            assert!(out.is_none_or(|out| !folder.path(out).exists()), "{place}");
            assert!(
                is_scheduler,
                "the loss of an executor made it fail: {place}"
            );
            refused += 1;
        }
        if is_scheduler {
            cluster.restart_scheduler();
        } else {
            cluster.add_executor();
        }
    }
    println!("{kills} kills: {answered} right answers, {refused} refusals");
}

#[test]
fn kills_at_random_moments_of_training() {
    let args = [
        "train",
        TRAINING[0],
        "--trees",
        "10",
        "--json",
        "--out",
        "m.json",
    ];
    assert_same_despite_kills(&args, Some("m.json"), RandomTimes(42));
}

#[test]
fn kills_at_random_moments_of_scoring() {
    let args = ["score", "model.json", TESTING[0], "--out", "s.csv"];
    assert_same_despite_kills(&args, Some("s.csv"), RandomTimes(43));
}

#[test]
fn kills_at_random_moments_of_evaluating() {
    let args = ["evaluate", "model.json", TESTING[0], "--json"];
    assert_same_despite_kills(&args, None, RandomTimes(44));
}

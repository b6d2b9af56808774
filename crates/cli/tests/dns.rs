//! Every command works on logs of DNS as it does on kernel calls, without any option.

mod common;

use common::schema::valid_answer;
use common::{Folder, lookups};

/// Returns a folder with `train.csv`, lookups without those of the tunnel, `test.csv` with them, and `model.json`.
fn folder() -> Folder {
    let all = lookups(600);
    let benign: Vec<&str> = all.lines().filter(|line| !line.ends_with(",1")).collect();
    let folder = Folder::with(&[("train.csv", benign.join("\n")), ("test.csv", all)]);
    let trained = folder.done(&[
        "train",
        "train.csv",
        "--false-positive-rate",
        "0.01",
        "--out",
        "model.json",
    ]);
    assert!(
        trained.stdout.contains("recipe     dns:"),
        "{}",
        trained.stdout
    );
    assert!(
        trained.stdout.contains("ip-10-20-2-3"),
        "{}",
        trained.stdout
    );
    folder
}

#[test]
fn every_command_works_without_options() {
    let folder = folder();
    for (args, says) in [
        (
            "score model.json test.csv",
            "8 of 1,200 events are anomalous",
        ),
        ("evaluate model.json test.csv", "1 of 1 attack is found"),
        ("incidents model.json test.csv", "addresses: mzxw6ytboi3dkn"),
        ("explain model.json test.csv --row 1177", "score"),
        ("inspect test.csv --recipe dns", "response_code_for_domain"),
        ("drift model.json test.csv", "other_side"),
        (
            "embed test.csv --epochs 1 --out map.csv",
            "written to map.csv",
        ),
        (
            "explore test.csv --out explore.html",
            "written to explore.html",
        ),
        (
            "report model.json test.csv --out report.html",
            "written to report.html",
        ),
        (
            "convert test.csv --parse-lists --partition-by SensorId --out lake",
            "1,200 events",
        ),
        ("score model.json lake", "8 of 1,200 events are anomalous"),
        ("recipes dns", "list_item(DnsQueryType, 1)"),
    ] {
        let args: Vec<&str> = args.split(' ').collect();
        let run = folder.done(&args);
        assert!(
            run.stdout.contains(says),
            "{args:?}: no `{says}` in: {}",
            run.stdout
        );
    }
    let query = "SELECT registered_domain(DnsQuery) AS domain, count(*) AS events FROM events WHERE anomalous \
        GROUP BY 1";
    let found = folder.done(&["sql", query, "test.csv", "--model", "model.json"]);
    assert_eq!(found.stdout, "domain,events\nexample.net,8\n");
}

#[test]
fn a_watch_finds_the_incidents_of_the_batch_command() {
    let folder = folder();
    let found = folder.done(&["incidents", "model.json", "test.csv", "--json"]);
    let expected = valid_answer(&found.stdout)["incidents"].clone();
    folder.done(&[
        "watch",
        "model.json",
        "test.csv",
        "--alerts",
        "alerts.jsonl",
    ]);
    let alerts = String::from_utf8(folder.read("alerts.jsonl")).expect("text");
    let alerts: Vec<serde_json::Value> = alerts
        .lines()
        .map(|line| serde_json::from_str(line).expect("an alert"))
        .collect();
    let last = alerts.last().expect("an alert");
    assert_eq!(last["incident"]["id"], expected[0]["id"]);
    assert_eq!(last["incident"]["score"], expected[0]["score"]);
    assert_eq!(last["incident"]["events"], 8);
}

#[test]
fn simulated_lookups_lie_beside_simulated_calls_and_are_marked() {
    let folder = Folder::new();
    let simulate = [
        "simulate", "--hours", "3", "--hosts", "3", "--json", "--out",
    ];
    let both = folder.done(&[&simulate[..], &["both", "--dns"]].concat());
    let both = valid_answer(&both.stdout);
    let calls = folder.done(&[&simulate[..], &["calls"]].concat());
    assert!(
        valid_answer(&calls.stdout)["splits"][0]
            .get("dns")
            .is_none()
    );
    assert!(!folder.path("calls/labelled_testing_data-dns.csv").exists());
    for (split, name) in [(0, "training"), (1, "testing")] {
        let [calls, same] =
            ["calls", "both"].map(|of| folder.read(&format!("{of}/labelled_{name}_data.csv")));
        assert!(calls == same, "{name}");
        let path = format!("both/labelled_{name}_data-dns.csv");
        let dns = &both["splits"][split]["dns"];
        assert_eq!(dns["file"], path.as_str());
        let rows = String::from_utf8(folder.read(&path)).expect("text");
        let messages = rows.lines().count() as u64 - 1;
        assert_eq!(dns["messages"], messages);
        let evil = rows.lines().filter(|line| line.ends_with(",1,1")).count() as u64;
        assert_eq!(dns["evil"], evil);
    }
    let train = [
        "train",
        "both/labelled_training_data-dns.csv",
        "--out",
        "model.json",
        "--json",
    ];
    let trained = valid_answer(&folder.done(&train).stdout);
    assert_eq!(trained["simulated"], true);
    // A real log under the name of a simulated one is not replaced.
    std::fs::create_dir(folder.path("real")).expect("a folder");
    folder.write("real/labelled_training_data-dns.csv", lookups(3));
    let refused = ["simulate", "--hours", "1", "--hosts", "3", "--out", "real"];
    folder.refused(&refused, 2, &["not marked as simulated"]);
}

#[test]
fn events_of_other_types_are_left_out_with_a_note() {
    const EVE: &str = include_str!("../../honeyguide/tests/library/fixtures/dns/eve-v3.ndjson");
    const ZEEK: &str = include_str!("../../honeyguide/tests/library/fixtures/dns/zeek.ndjson");
    let folder = folder();
    folder.write("eve.json", EVE);
    folder.write("dns.json", ZEEK);
    let scored = folder.done(&["score", "model.json", "eve.json"]);
    let note = "1 of 6 lines are not DNS events of Suricata and were left out";
    assert!(scored.stderr.contains(note), "{}", scored.stderr);
    assert!(
        scored.stderr.contains("an event of type `stats`"),
        "{}",
        scored.stderr
    );
    for (data, format, events) in [("eve.json", "eve", 5), ("dns.json", "zeek", 3)] {
        folder.write("dns.log", folder.read(data));
        let args = [
            "score",
            "model.json",
            "dns.log",
            "--format",
            format,
            "--json",
        ];
        let answer = valid_answer(&folder.done(&args).stdout);
        assert_eq!(answer["events"], events, "{data}");
        let watched = folder.done(&[
            "watch",
            "model.json",
            "dns.log",
            "--format",
            format,
            "--json",
        ]);
        let watched = valid_answer(&watched.stdout);
        assert_eq!(watched["ledger"]["scored"], events, "{data}");
        assert_eq!(watched["anomalous"], answer["anomalous"], "{data}");
    }
}

/// Returns the values of the rows of a table of lookups.
fn values(table: &str) -> impl Iterator<Item = Vec<&str>> {
    table.lines().skip(1).map(|line| line.split(',').collect())
}

/// Returns the only item of a list of texts, or nothing.
fn item(list: &str) -> &str {
    list.trim_matches(['[', ']', '\''])
}

/// Returns lookups as Suricata writes them, with the labels as further keys.
fn as_eve(table: &str) -> String {
    let lines = values(table).map(|row| {
        let is_query = row[1] != "10.20.0.2";
        let mut dns = serde_json::json!({
            "version": 3, "type": "request", "opcode": 0, "rcode": "NOERROR",
            "queries": [{"rrname": row[3], "rrtype": item(row[8])}],
        });
        if !is_query {
            dns["type"] = "response".into();
            dns["answers"] = serde_json::json!([{"rdata": item(row[4]), "ttl": 60}]);
        }
        let event = serde_json::json!({
            "timestamp": row[0], "event_type": "dns", "src_ip": row[1], "dest_ip": row[2], "dns": dns,
            "sus": row[13].parse::<i64>().ok(), "evil": row[14].parse::<i64>().ok(),
        });
        event.to_string() + "\n{\"event_type\":\"flow\"}\n"
    });
    lines.collect()
}

/// Returns responses in Zeek's own format, with the labels as further fields.
fn as_zeek(table: &str) -> String {
    let header = "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tdns\n\
        #fields\tts\tid.orig_h\tid.resp_h\tquery\tqclass_name\tqtype_name\trcode\tanswers\tTTLs\tsus\tevil\n\
        #types\ttime\taddr\taddr\tstring\tstring\tstring\tcount\tvector[string]\tvector[interval]\tcount\tcount\n";
    let lines = values(table).map(|row| {
        let time = chrono::DateTime::parse_from_rfc3339(row[0]).expect("a time");
        let seconds = time.timestamp();
        let [kind, answer] = [row[8], row[4]].map(item);
        format!(
            "{seconds}.000000\t{}\t{}\t{}\tC_INTERNET\t{kind}\t{}\t{answer}\t60.000000\t{}\t{}\n",
            row[2], row[1], row[3], row[10], row[13], row[14]
        )
    });
    header.to_owned() + &lines.collect::<String>() + "#close\t2026-03-02-12-00-00\n"
}

/// Returns the rows of a table, with its header, that `is_kept` keeps.
fn rows_of(table: &str, is_kept: impl Fn(&[&str]) -> bool) -> String {
    let lines = table.lines().enumerate();
    let kept = lines.filter(|(at, line)| *at == 0 || is_kept(&line.split(',').collect::<Vec<_>>()));
    kept.map(|(_, line)| line.to_owned() + "\n").collect()
}

#[test]
fn logs_of_suricata_and_zeek_give_what_the_same_table_gives() {
    // Both call a host by its address, and only Zeek says the class.
    let all = lookups(400).replace("ip-10-20-2-", "10.20.2.");
    let responses = rows_of(&all, |row| row[1] == "10.20.0.2");
    for (name, table, write) in [
        (
            "eve.json",
            all.replace("['IN']", ""),
            as_eve as fn(&str) -> String,
        ),
        ("dns.log", responses, as_zeek),
    ] {
        let folder = Folder::new();
        let benign = rows_of(&table, |row| row[14] == "0");
        folder.write("train.csv", &benign);
        folder.write("test.csv", &table);
        folder.write(&format!("train-{name}"), write(&benign));
        folder.write(&format!("test-{name}"), write(&table));
        let events = (table.lines().count() - 1) as u64;
        let of = |from: &str| {
            let (train, test) = match from {
                "csv" => ("train.csv".to_owned(), "test.csv".to_owned()),
                name => (format!("train-{name}"), format!("test-{name}")),
            };
            let model = format!("{from}-model");
            let done = |args: &[&str]| folder.done(args).stdout;
            done(&[
                "train",
                &train,
                "--false-positive-rate",
                "0.01",
                "--out",
                &model,
            ]);
            let query = "SELECT Timestamp, DnsQuery, score, anomalous FROM events ORDER BY 1, 2, 3";
            let scores = done(&["sql", query, &test, "--model", &model]);
            let judged = valid_answer(&done(&["evaluate", &model, &test, "--json"]));
            let incidents = valid_answer(&done(&["incidents", &model, &test, "--json"]));
            let drift = valid_answer(&done(&["drift", &model, &test, "--json"]));
            let lake = format!("{from}-lake");
            done(&[
                "convert",
                &test,
                "--partition-by",
                "SensorId",
                "--out",
                &lake,
            ]);
            assert_eq!(done(&["sql", query, &lake, "--model", &model]), scores);
            (
                scores,
                judged["labels"].clone(),
                incidents["incidents"].clone(),
                drift["features"].clone(),
            )
        };
        let [of_table, of_log] = [of("csv"), of(name)];
        assert!(of_table.0.contains(",true\n"), "{}", of_table.0);
        assert!(of_table == of_log, "{name}: {of_table:#?}\n{of_log:#?}");
        let (model, test) = (format!("{name}-model"), format!("test-{name}"));
        for args in [
            format!("score {model} {test}"),
            format!("explain {model} {test} --row 3"),
            format!("inspect {test} --recipe dns"),
            format!("embed {test} --epochs 1 --out map.csv"),
            format!("explore {test} --out explore.html"),
            format!("report {model} {test} --out report.html"),
        ] {
            folder.done(&args.split(' ').collect::<Vec<_>>());
        }
        let watched = folder.done(&["watch", &model, &test, "--json"]);
        let watched = valid_answer(&watched.stdout);
        assert_eq!(watched["ledger"]["scored"], events, "{name}");
        assert_eq!(watched["ledger"]["malformed"], 0, "{name}");
        assert_eq!(
            watched["anomalous"],
            of_log.0.matches(",true\n").count(),
            "{name}"
        );
    }
}

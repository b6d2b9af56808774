//! Data, names and signals that would make the command do more than it says: forge messages, hide text, give secrets away,
//! widen rights, or go on when it is asked to end.

mod common;

use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Stdio;
use std::time::{Duration, Instant};

use common::{Folder, events, wait_for_end};

#[test]
fn names_in_data_forge_no_message() {
    let forged = "a\nerror: disk is failing\n help: run: curl evil";
    let folder = Folder::with(&[
        ("twice.csv", format!("\"{forged}\",\"{forged}\"\n1,2\n")),
        ("text.csv", format!("\"{forged}\",b\nx,2\n")),
        (
            "keys.ndjson",
            "{\"b\nerror: x\":1}\n".replace('\n', "\\n") + "\n{}\n",
        ),
        ("error: x\n help: y.txt", "1".to_owned()),
    ]);
    for args in [
        &["inspect", "twice.csv"][..],
        &["sql", "SELECT nothing FROM events", "text.csv"],
        &["inspect", "error: x\n help: y.txt"],
        &["inspect", "no\nerror: such\n help: file.csv"],
        &["train", "good\nerror: x.csv", "--out", "m\nhelp: y.json"],
    ] {
        let run = folder.run(args);
        assert_ne!(run.status, 0, "{args:?}");
        let starts = |word: &str| {
            let lines = run.stderr.lines();
            lines
                .filter(|line| line.trim_start().starts_with(word))
                .count()
        };
        assert_eq!(starts("error:"), 1, "{args:?}: {}", run.stderr);
        assert!(starts("help:") <= 1, "{args:?}: {}", run.stderr);
    }
}

#[test]
fn json_hides_nothing() {
    let hidden = "a\u{9b}\u{202e}\u{200b}\u{e0041}b";
    let folder = Folder::with(&[("hidden.csv", format!("name,n\n{hidden},1\nc,2\n"))]);
    for args in [
        &["inspect", "hidden.csv", "--json"][..],
        &["sql", "SELECT name FROM events", "hidden.csv", "--json"],
    ] {
        let run = folder.done(args);
        let escaped = r"a\u009b\u202e\u200b\udb40\udc41b";
        assert!(run.stdout.contains(escaped), "{args:?}: {}", run.stdout);
        let shown = run.stdout.chars();
        let harmful =
            shown.filter(|shown| !shown.is_ascii() && honeyguide::wording::is_harmful(*shown));
        assert_eq!(harmful.count(), 0, "{args:?}");
    }
}

#[test]
fn cells_that_a_spreadsheet_would_run_are_marked_on_demand() {
    let folder = Folder::with(&[("cells.csv", "name,n\n=1+1,-1\n@x,2\n")]);
    let query = ["sql", "SELECT * FROM events ORDER BY n", "cells.csv"];
    assert_eq!(folder.done(&query).stdout, "name,n\n=1+1,-1\n@x,2\n");
    let safe = folder.done(&[&query[..], &["--csv-safe"]].concat());
    assert_eq!(safe.stdout, "name,n\n'=1+1,-1\n'@x,2\n");
    folder.done(&[
        "sample",
        "cells.csv",
        "--rows",
        "2",
        "--out",
        "drawn.csv",
        "--csv-safe",
    ]);
    let drawn = String::from_utf8(folder.read("drawn.csv")).expect("text");
    assert!(
        drawn.contains("'=1+1,-1") && drawn.contains("'@x,2"),
        "{drawn}"
    );
}

#[test]
fn a_model_that_is_trained_again_keeps_its_mode() {
    let folder = Folder::with_model(300);
    let path = folder.path("model.json");
    for mode in [0o600, 0o640] {
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).expect("a new mode");
        folder.train_small("good.csv");
        let found = std::fs::metadata(&path)
            .expect("a model")
            .permissions()
            .mode();
        assert_eq!(found & 0o777, mode);
    }
}

#[test]
fn folders_end_at_links_out_of_them() {
    let outside = Folder::with(&[("secret.csv", "a\n1\n2\n3\n")]);
    let folder = Folder::new();
    std::fs::create_dir(folder.path("in")).expect("a folder");
    folder.write("in/near.csv", "a\n1\n");
    symlink(outside.path("secret.csv"), folder.path("in/far.csv")).expect("a link");
    let count = ["sql", "SELECT count(*) AS n FROM events", "in"];
    let run = folder.done(&count);
    assert_eq!(run.stdout, "n\n1\n");
    assert!(
        run.stderr.contains("far.csv") && run.stderr.contains("--follow-links"),
        "{}",
        run.stderr
    );
    let run = folder.done(&[&count[..], &["--follow-links"]].concat());
    assert_eq!(run.stdout, "n\n4\n");
}

#[test]
fn secrets_in_urls_are_not_shown_in_any_spelling() {
    let folder = Folder::with_model(50);
    for url in [
        "HTTP://user:hunter22@host.invalid/a.csv",
        "ftp://user:hunter22@host.invalid/a.csv",
        "Https://hunter22@host.invalid/a.csv?sig=hunter22",
    ] {
        let query = format!("SELECT * FROM \"{url}\"");
        for args in [
            &["inspect", url][..],
            &["sql", &query, "good.csv"],
            &["score", url, "good.csv"],
            &["train", "good.csv", "--out", url],
        ] {
            let run = folder.run(args);
            assert_ne!(run.status, 0, "{args:?}");
            assert!(!run.stderr.contains("hunter22"), "{args:?}: {}", run.stderr);
        }
    }
}

#[test]
fn one_signal_ends_long_computations() {
    let folder = Folder::with_model(300);
    folder.write("many.csv", events(30_000));
    let before = folder.names();
    for (signal, status, args) in [
        (
            "TERM",
            143,
            "train many.csv --recipe raw --trees 10000 --samples 30000 --contamination auto --out m.json",
        ),
        (
            "INT",
            130,
            "embed many.csv --recipe raw --epochs 100000 --out map.csv",
        ),
    ] {
        let args: Vec<&str> = args.split(' ').chain(["--threads", "1"]).collect();
        let child = folder
            .command(&args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command starts");
        std::thread::sleep(Duration::from_secs(6));
        let pid = child.id().to_string();
        let sent = Instant::now();
        let kill = std::process::Command::new("kill")
            .args([&format!("-{signal}"), &pid])
            .status();
        assert!(kill.expect("kill").success(), "{args:?} had ended before");
        let run = wait_for_end(child);
        let took = sent.elapsed();
        assert_eq!(run.status, status, "{args:?}: {}{}", run.stdout, run.stderr);
        // It is less than one second on an idle machine.
        assert!(took < Duration::from_secs(4), "{args:?}: {took:?}");
        assert!(
            run.stderr.contains("interrupted"),
            "{args:?}: {}",
            run.stderr
        );
        assert_eq!(folder.names(), before, "{args:?}");
    }
}

//! Commands that write pages: the command line that a page shows, what is printed, options, and refused calls.

mod common;

use common::{Folder, HEADER};
use serde_json::Value;

/// Writes a page with `report` and returns it.
fn report_page(folder: &Folder, args: &[&str]) -> String {
    write_page(folder, &[&["report", "model.json"], args].concat())
}

/// Writes a page with `explore` and returns it.
fn explore_page(folder: &Folder, args: &[&str]) -> String {
    write_page(folder, &[&["explore"], args].concat())
}

/// Runs a command that writes a page, and returns the page.
fn write_page(folder: &Folder, args: &[&str]) -> String {
    folder.done(&[args, &["--out", "page.html"]].concat());
    String::from_utf8(folder.read("page.html")).expect("a page is UTF-8")
}

/// Returns the part of a page that a reader sees, without the style, the scripts and their data.
fn shown(page: &str) -> &str {
    let body = page.split_once("<main").expect("a page has a main part").1;
    body.split_once("</main>").expect("which ends").0
}

#[test]
fn a_page_is_written_whole_and_nothing_beside_it() {
    let folder = Folder::with_model(300);
    for page in [
        report_page(&folder, &["good.csv"]),
        explore_page(&folder, &["good.csv"]),
    ] {
        assert!(page.starts_with("<!doctype html>"));
        assert!(page.trim_end().ends_with("</html>"));
        assert_eq!(folder.names(), ["good.csv", "model.json", "page.html"]);
    }
}

#[test]
fn a_page_shows_its_command_without_the_number_of_threads() {
    let folder = Folder::with_model(300);
    let labels = ["--label", "evil", "--label", "sus"];
    let explored = [&["good.csv", "--model", "model.json"][..], &labels].concat();
    let first = (
        report_page(&folder, &["good.csv"]),
        explore_page(&folder, &explored),
    );
    let says = "honeyguide report model.json good.csv --out page.html";
    assert!(shown(&first.0).contains(says), "{says}");
    let says =
        "honeyguide explore good.csv --model model.json --label evil --label sus --out page.html";
    assert!(shown(&first.1).contains(says), "{says}");
    for threads in [["--threads", "1"], ["--threads", "3"]] {
        let judged = report_page(&folder, &[&["good.csv"][..], &threads].concat());
        assert!(judged == first.0, "report, {threads:?}");
        let again = explore_page(&folder, &[&explored[..], &threads].concat());
        assert!(again == first.1, "explore, {threads:?}");
    }
    // Without them the command would not read the same events.
    folder.write("good.log", folder.read("good.csv"));
    let reading = ["--format", "csv", "--null", "NA"];
    let judged = report_page(&folder, &[&["good.log"][..], &reading].concat());
    let says = "honeyguide report model.json good.log --format csv --null NA --out page.html";
    assert!(shown(&judged).contains(says), "{says}");
    let explored = explore_page(&folder, &[&["good.log"][..], &reading].concat());
    let says = "honeyguide explore good.log --format csv --null NA --out page.html";
    assert!(shown(&explored).contains(says), "{says}");
}

#[test]
fn figures_are_printed_and_are_those_of_the_page() {
    let folder = Folder::with_model(300);
    let report = ["report", "model.json", "good.csv", "--out", "page.html"];
    let printed = folder.done(&report).stdout;
    let evaluation = folder.done(&["evaluate", "model.json", "good.csv"]).stdout;
    assert_eq!(printed.lines().next(), evaluation.lines().next());
    assert!(printed.contains("written to page.html"), "{printed}");
    let flagged = evaluation.split(' ').next().expect("a count");
    let page = String::from_utf8(folder.read("page.html")).expect("a page is UTF-8");
    assert!(shown(&page).contains(&format!("{flagged} of them")));
    let json = folder.done(&[&report[..], &["--json"]].concat()).stdout;
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert!(json["alert_definition"].is_string(), "{json}");
    assert_eq!(json["evaluation"]["events"], 300, "{json}");
    assert_eq!(json["out"], "page.html", "{json}");
}

#[test]
fn a_report_says_that_its_data_is_simulated() {
    let folder = Folder::with_model(300);
    folder.done(&["simulate", "--out", "sim", "--events", "3000"]);
    let page = report_page(&folder, &["sim/labelled_testing_data.csv"]);
    assert!(shown(&page).contains("Simulated data."));
}

#[test]
fn columns_of_hosts_and_times_are_named_by_options() {
    let folder = Folder::new();
    let mut text = String::new();
    for index in 0..90 {
        let (server, path) = (["a", "b", "c"][index % 3], index % 4);
        let time = format!("2025-03-0{}T08:00:{:02}Z", 3 + index / 45, index % 60);
        text += &format!("{{\"time\":\"{time}\",\"server\":\"{server}\",\"path\":\"/{path}\"}}\n");
    }
    folder.write("access.ndjson", text);
    folder.write(
        "access.toml",
        "name = \"access\"\n[[feature]]\nname = \"path\"\nrarity = { of = \"path\" }\n",
    );
    let roles = ["--host-column", "server", "--time-column", "time"];
    let train = [
        "train",
        "access.ndjson",
        "--recipe",
        "access.toml",
        "--trees",
        "5",
        "--false-positive-rate",
        "0.3",
        "--out",
        "model.json",
    ];
    let run = folder.done(&train);
    for says in [
        "no column hostName of hosts",
        "random events",
        "--host-column",
    ] {
        assert!(run.stderr.contains(says), "{says}: {}", run.stderr);
    }
    let run = folder.done(&[&train[..], &roles].concat());
    assert!(run.stdout.contains("held-out host"), "{}", run.stdout);
    let page = report_page(&folder, &[&["access.ndjson"][..], &roles].concat());
    for says in [
        "90 events of 3 hosts, 2025-03-03 08:00:00 to 2025-03-04 08:00:59 UTC",
        "one host on one day",
        "--host-column server --time-column time",
    ] {
        assert!(shown(&page).contains(says), "{says}");
    }
    let wrong = ["inspect", "access.ndjson", "--time-column", "when"];
    folder.refused(
        &wrong,
        2,
        &[
            "--time-column when: the data has no such column",
            "time, server, path",
        ],
    );
}

#[test]
fn calls_that_cannot_work_are_refused_before_the_work() {
    let folder = Folder::with_model(300);
    folder.write("empty.csv", format!("{HEADER}\n"));
    let refused = |args: &[&str], status, says: &[&str]| {
        folder.refused(&[&["report", "model.json"], args].concat(), status, says);
    };
    refused(&["good.csv"], 2, &["--out"]);
    refused(
        &["good.csv", "--out", "no/page.html"],
        2,
        &["no/page.html", "mkdir"],
    );
    refused(&["good.csv", "--out", "good.csv"], 2, &["also an input"]);
    refused(
        &["good.csv", "--out", "p.html", "--label", "no"],
        2,
        &["--label no", "no such column"],
    );
    refused(
        &["good.csv", "--out", "p.html", "--label", "threadId"],
        1,
        &["good.csv: line 4: label `threadId` must be 0 or 1, found 2"],
    );
    refused(
        &["good.csv", "--out", "p.html", "--label", "userId"],
        2,
        &["the model's feature `userId` is computed from this label"],
    );
    refused(&["empty.csv", "--out", "p.html"], 1, &["empty.csv"]);
    let written = ["p.png", "written as HTML", "must end in .html"];
    refused(&["good.csv", "--out", "p.png"], 2, &written);
    let refused = |args: &[&str], status, says: &[&str]| {
        folder.refused(&[&["explore"], args].concat(), status, says);
    };
    refused(&["good.csv"], 2, &["--out"]);
    refused(&["good.csv", "--out", "good.csv"], 2, &["also an input"]);
    refused(&["empty.csv", "--out", "p.html"], 1, &["empty.csv"]);
    refused(&["good.csv", "--out", "p.png"], 2, &written);
    refused(
        &["good.csv", "--out", "p.html", "--label", "userId"],
        1,
        &["good.csv: line 98: label `userId` must be 0 or 1, found 1001"],
    );
    let recipe = ["--recipe", "no-such-recipe"];
    refused(
        &[&["good.csv", "--out", "p.html"][..], &recipe].concat(),
        2,
        &["no-such-recipe"],
    );
    let both = ["--recipe", "raw", "--model", "model.json"];
    refused(
        &[&["good.csv", "--out", "p.html"][..], &both].concat(),
        2,
        &["--model"],
    );
}

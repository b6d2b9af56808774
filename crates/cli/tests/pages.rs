//! HTML pages: they are complete and self-contained, the same in every run, and inert whatever the data holds.

mod common;

use common::{Folder, HEADER, event, event_with};

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
fn a_page_is_self_contained_and_may_load_nothing() {
    let folder = Folder::with_model(300);
    for page in [
        report_page(&folder, &["good.csv"]),
        explore_page(&folder, &["good.csv"]),
    ] {
        assert_self_contained(&page);
    }
    assert_eq!(folder.names(), ["good.csv", "model.json", "page.html"]);
}

/// Checks that a page loads nothing and forbids loading.
fn assert_self_contained(page: &str) {
    assert!(page.contains("default-src &#39;none&#39;; script-src &#39;sha256-"));
    let markup = page.split("<script").next().expect("markup").to_owned() + shown(page);
    for loads in [
        "src=", "<link", "<iframe", "url(", "@import", "http:", "https:", "href=\"h",
    ] {
        assert!(!markup.contains(loads), "{loads}");
    }
    assert!(page.len() < 3_000_000, "{} bytes", page.len());
}

#[test]
fn the_same_input_gives_the_same_page() {
    let folder = Folder::with_model(300);
    let explored = ["good.csv", "--model", "model.json"];
    let first = (
        report_page(&folder, &["good.csv"]),
        explore_page(&folder, &explored),
    );
    for threads in [["--threads", "1"], ["--threads", "3"]] {
        let judged = report_page(&folder, &[&["good.csv"][..], &threads].concat());
        assert!(judged == first.0, "report, {threads:?}");
        let again = explore_page(&folder, &[&explored[..], &threads].concat());
        assert!(again == first.1, "explore, {threads:?}");
    }
}

#[test]
fn a_report_agrees_with_the_evaluation() {
    let folder = Folder::with_model(300);
    let page = report_page(&folder, &["good.csv"]);
    let evaluation = folder.done(&["evaluate", "model.json", "good.csv"]).stdout;
    let flagged = evaluation.split(' ').next().expect("a count");
    for says in [
        &format!("{flagged} of them"),
        "300 events of 1 host",
        "An alert is one process (the same hostName, processId, processName) on one day",
        "honeyguide report model.json good.csv --out page.html",
    ] {
        assert!(shown(&page).contains(says), "{says}");
    }
    let json = folder.done(&[
        "report",
        "model.json",
        "good.csv",
        "--out",
        "page.html",
        "--json",
    ]);
    assert!(
        json.stdout.contains("\"alert_definition\""),
        "{}",
        json.stdout
    );
}

#[test]
fn a_report_says_that_its_data_is_simulated() {
    let folder = Folder::with_model(300);
    assert!(!report_page(&folder, &["good.csv"]).contains("Simulated data."));
    folder.done(&["simulate", "--out", "sim", "--events", "3000"]);
    let page = report_page(&folder, &["sim/labelled_testing_data.csv"]);
    assert!(shown(&page).contains("Simulated data."));
}

#[test]
fn names_from_the_data_are_escaped() {
    let folder = Folder::with_model(300);
    let names = [
        "<script>alert(1)</script>",
        "</script><script>alert(2)</script>",
        "\"\"><img src=x onerror=alert(3)>",
        "<a href='javascript:alert(4)'>x</a>",
        "\u{1b}[31mred\u{7}",
        "a\u{202e}b\u{2028}c",
        "{{ 7 * 7 }}%{x}${y}",
    ];
    let mut text = format!("{HEADER}\n");
    for (index, name) in names.iter().enumerate() {
        for column in [6, 7] {
            text += &event_with(index * 97 + 96, column, &format!("\"{name}\""));
            text.push('\n');
        }
    }
    folder.write("hostile.csv", text);
    assert_inert(&report_page(&folder, &["hostile.csv"]));
    assert_inert(&explore_page(&folder, &["hostile.csv", "--recipe", "raw"]));
}

/// Checks that the names of [`names_from_the_data_are_escaped`] are shown as text and have no effect.
fn assert_inert(page: &str) {
    for raw in [
        "<script>alert",
        "<img",
        "<a href='",
        "\u{1b}",
        "\u{7}",
        "\u{202e}",
        "\u{2028}",
    ] {
        assert!(!page.contains(raw), "{raw:?} acts");
    }
    for escaped in [
        "&#60;script&#62;alert(1)&#60;/script&#62;",
        "\\u{1b}[31mred\\u{7}",
        "a\\u{202e}b\\u{2028}c",
    ] {
        assert!(shown(page).contains(escaped), "{escaped} is not shown");
    }
    let scripts = page.matches("<script").count();
    assert_eq!(scripts, 3, "data, library, and the page's own");
}

#[test]
fn explore_shows_columns_features_and_undefined_correlations() {
    let folder = Folder::with_model(300);
    let page = explore_page(&folder, &["good.csv", "--recipe", "beth-paper"]);
    for says in [
        "300 events of 1 host",
        "id=\"chart-timeline\"",
        "id=\"chart-programs\"",
        "id=\"chart-column-0\"",
        "id=\"chart-feature-0\"",
        "mountNamespace is constant",
        "Features of recipe beth-paper",
        "sus = 1",
    ] {
        assert!(shown(&page).contains(says), "{says}");
    }
    let wide: Vec<String> = (0..300).map(|column| format!("c{column}")).collect();
    let row = vec!["1"; 300].join(",");
    folder.write("wide.csv", format!("{}\n{row}\n{row}\n", wide.join(",")));
    let page = explore_page(&folder, &["wide.csv", "--recipe", "raw"]);
    for says in [
        "The first 60 columns have charts",
        "no usable column timestamp",
        "no columns processName",
    ] {
        assert!(shown(&page).contains(says), "{says}");
    }
    folder.write("one.csv", format!("{HEADER}\n{}\n", event(3)));
    assert!(shown(&explore_page(&folder, &["one.csv"])).contains("1 event of 1 host"));
}

#[test]
fn reports_of_unusual_tables_say_what_is_missing() {
    let folder = Folder::new();
    let wide: Vec<String> = (0..300).map(|column| format!("c{column}")).collect();
    let row = |index: usize| {
        (0..300)
            .map(|c| ((index * c) % 17).to_string())
            .collect::<Vec<_>>()
            .join(",")
    };
    let rows: Vec<String> = (1..60).map(row).collect();
    let cases = [
        (
            "one.csv",
            format!("{HEADER}\n{}\n", event(3)),
            "Every event has sus = 0",
        ),
        (
            "wide.csv",
            format!("{}\n{}\n", wide.join(","), rows.join("\n")),
            "The data has no label",
        ),
        (
            "flat.csv",
            "x,y\n1,2\n1,2\n1,2\n".to_owned(),
            "no column hostName",
        ),
        (
            "late.csv",
            "timestamp,x,hostName\n1.7e9,1,a\n1.70005e9,2,\n1.7001e9,1,b\n".to_owned(),
            "2023-11-14",
        ),
    ];
    for (name, text, says) in cases {
        folder.write(name, text);
        folder.done(&[
            "train",
            name,
            "--recipe",
            "raw",
            "--trees",
            "5",
            "--out",
            "model.json",
        ]);
        let page = report_page(&folder, &[name]);
        assert!(shown(&page).contains(says), "{name}: {says}");
        assert!(!shown(&page).contains("NaN"), "{name}");
    }
}

#[test]
fn days_and_hosts_are_counted_separately() {
    let folder = Folder::with_model(300);
    let mut text = format!("{HEADER}\n");
    for day in 0..3 {
        for host in ["alpha", "beta"] {
            let time = (1_700_006_400 + day * 86_400).to_string();
            let line = event_with(96, 7, host);
            let rest = line.split_once(',').expect("columns").1;
            text += &format!("{time},{rest}\n");
        }
    }
    folder.write("days.csv", text);
    let page = report_page(&folder, &["days.csv"]);
    for says in [
        "6 events of 2 hosts",
        "id=\"chart-days\"",
        "id=\"chart-host-days\"",
    ] {
        assert!(shown(&page).contains(says), "{says}");
    }
    assert!(page.contains("2023-11-15") && page.contains("2023-11-17"));
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
    folder.refused(
        &train,
        2,
        &["three hosts apart by a column hostName", "--host-column"],
    );
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
        &["good.csv", "--out", "p.html", "--label", "userId"],
        1,
        &["good.csv: line 98: label `userId` must be 0 or 1, found 1001"],
    );
    refused(&["empty.csv", "--out", "p.html"], 1, &["empty.csv"]);
    let refused = |args: &[&str], status, says: &[&str]| {
        folder.refused(&[&["explore"], args].concat(), status, says);
    };
    refused(&["good.csv"], 2, &["--out"]);
    refused(&["good.csv", "--out", "good.csv"], 2, &["also an input"]);
    refused(&["empty.csv", "--out", "p.html"], 1, &["empty.csv"]);
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

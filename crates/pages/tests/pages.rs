//! Pages: they are self-contained, the same for any threads, inert whatever the data holds, and agree with the evaluation.
//! They are made of kernel calls, and of other tables whose columns of hosts and times the caller names.

#[path = "../../honeyguide/tests/library/common/mod.rs"]
mod common;

use std::path::Path;

use common::requests::{access, model_of_requests, roles};
use common::{Folder, HEADER, engine, event, event_with, events, recipe, small_model};
use honeyguide::evaluate::evaluate;
use honeyguide::marks::{SIMULATED, SIMULATED_TEXT};
use honeyguide::report::{FeatureSource, Report, explore, report};
use honeyguide::{Engine, Model, ReadOptions, Source};
use pages::Origin;
use serde_json::Value;

/// Creates a folder with `good.csv`, a table of 300 events, and trains a small model of them.
async fn folder_and_model() -> (Folder, Model) {
    let folder = Folder::with(&[("good.csv", events(300))]);
    let model = small_model(&mut folder.source(&["good.csv"]), "beth-paper").await;
    (folder, model)
}

/// Makes a report. Returns its page as HTML, and its figures.
async fn reported(engine: &Engine, model: &Model, source: &mut Source) -> (String, Report) {
    let report = report(engine, model, source, None).await;
    let report = report.expect("a report");
    let origin = Origin {
        command: "honeyguide report",
        model,
        model_file: Path::new("model.json"),
        source,
    };
    let page = pages::report(&report, origin).expect("a page");
    (page.html().to_owned(), report)
}

/// Returns the page of a report on a file of the folder.
async fn report_page(folder: &Folder, model: &Model, name: &str) -> String {
    let (page, _) = reported(&engine(2), model, &mut folder.source(&[name])).await;
    page
}

/// Makes an exploration. Returns its page as HTML.
async fn explored(
    engine: &Engine,
    source: &mut Source,
    feature_source: Option<FeatureSource<'_>>,
) -> String {
    explored_by(engine, source, feature_source, &[]).await
}

/// Makes an exploration in which events are told apart by labels. Returns its page as HTML.
async fn explored_by(
    engine: &Engine,
    source: &mut Source,
    feature_source: Option<FeatureSource<'_>>,
    labels: &[String],
) -> String {
    let exploration = explore(engine, source, feature_source, labels).await;
    let exploration = exploration.expect("an exploration");
    let page = pages::explore(&exploration, source, "honeyguide explore").expect("a page");
    page.html().to_owned()
}

/// Returns a chart's data as the page's script reads it.
fn chart(page: &str, id: &str) -> Value {
    let data = page
        .split_once("id=\"page-data\">")
        .expect("the page has data")
        .1;
    let data = data.split_once("</script>").expect("which ends").0;
    let data: Value = serde_json::from_str(data).expect("data is JSON");
    let charts = data["charts"].as_array().expect("charts").iter();
    let found = charts.clone().find(|chart| chart["id"] == id);
    found.unwrap_or_else(|| panic!("no chart {id}")).clone()
}

/// Returns the numbers of a list.
fn numbers(list: &Value) -> Vec<f64> {
    let list = list.as_array().expect("a list").iter();
    list.map(|number| number.as_f64().expect("a number"))
        .collect()
}

/// Returns the area below a curve as the chart library draws it: straight, or upright first and then to the right.
fn area(trace: &Value) -> f64 {
    let (x, y) = (numbers(&trace["x"]), numbers(&trace["y"]));
    let pieces = x.windows(2).zip(y.windows(2));
    let heights = pieces.map(|(x, y)| match trace["line"]["shape"].as_str() {
        Some("vh") => (x[1] - x[0]) * y[1],
        Some("linear") => (x[1] - x[0]) * (y[0] + y[1]) / 2.0,
        other => panic!("a curve of the shape {other:?}"),
    });
    heights.sum()
}

/// Returns the page of an exploration of a file of the folder, with the features of a built-in recipe if one is named.
async fn explore_page(folder: &Folder, name: &str, named: Option<&str>) -> String {
    let recipe = named.map(recipe);
    let feature_source = recipe.as_ref().map(FeatureSource::Recipe);
    explored(&engine(2), &mut folder.source(&[name]), feature_source).await
}

/// Returns the part of a page that a reader sees, without the style, the scripts and their data.
fn shown(page: &str) -> &str {
    let body = page.split_once("<main").expect("a page has a main part").1;
    body.split_once("</main>").expect("which ends").0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_self_contained_and_may_load_nothing() {
    let (folder, model) = folder_and_model().await;
    assert_self_contained(&report_page(&folder, &model, "good.csv").await);
    assert_self_contained(&explore_page(&folder, "good.csv", None).await);
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

#[tokio::test(flavor = "multi_thread")]
async fn the_same_input_gives_the_same_page() {
    let (folder, model) = folder_and_model().await;
    let feature_source = Some(FeatureSource::Model(&model));
    let mut source = folder.source(&["good.csv"]);
    let (first, _) = reported(&engine(2), &model, &mut source).await;
    let first = (
        first,
        explored(&engine(2), &mut source, feature_source).await,
    );
    for threads in [1, 2, 3] {
        let mut source = folder.source(&["good.csv"]);
        let (judged, _) = reported(&engine(threads), &model, &mut source).await;
        assert!(judged == first.0, "report, {threads} threads");
        let again = explored(&engine(threads), &mut source, feature_source).await;
        assert!(again == first.1, "explore, {threads} threads");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_agrees_with_the_evaluation() {
    let (folder, model) = folder_and_model().await;
    let mut source = folder.source(&["good.csv"]);
    let (page, report) = reported(&engine(2), &model, &mut source).await;
    let evaluation = evaluate(&engine(2), &model, &mut source, None).await;
    let evaluation = evaluation.expect("labelled events");
    assert_eq!(report.evaluation, evaluation);
    let definition = "one process (the same hostName, processId, processName) on one day";
    for says in [
        &format!("{} of them", evaluation.anomalous),
        "300 events of 1 host",
        &format!("An alert is {definition}"),
    ] {
        assert!(shown(&page).contains(says), "{says}");
    }
    let alerts = report.alerts.expect("processes and days group events");
    assert!(
        alerts.definition.contains(definition),
        "{}",
        alerts.definition
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_opens_with_the_incidents() {
    let folder = Folder::with(&[("good.csv", events(300))]);
    let model = small_model(&mut folder.source(&["good.csv"]), "beth-paper").await;
    let mut source = folder.source(&["good.csv"]);
    let (page, report) = reported(&engine(2), &model, &mut source).await;
    let found = &report.incidents.found;
    assert!(found.found > 0 && !found.incidents.is_empty());
    let page = shown(&page);
    let place = |id: &str| page.find(&format!("id=\"{id}\"")).expect(id);
    assert!(place("verdict") < place("incidents") && place("incidents") < place("threshold"));
    for (incident, number) in found.incidents.iter().take(25).zip(1..) {
        assert!(page.contains(&format!("href=\"#incident-{number}\"")));
        let details = &page[place(&format!("incident-{number}"))..];
        let details = details
            .split_once("class=\"incident\"")
            .map_or(details, |two| two.0);
        assert!(details.contains(&incident.id), "{number}");
        for process in &incident.processes {
            for program in &process.programs {
                assert!(details.contains(program), "{number}: {program}");
            }
        }
        let reason = incident.reasons[0].text.replace('\'', "&#39;");
        let reason = reason.replace('<', "&lt;").replace('>', "&gt;");
        assert!(details.contains(&reason), "{number}: {reason}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_processes_of_a_session_say_what_started_it() {
    let (folder, model) = folder_and_model().await;
    let line = |time: u64, process: u64, parent: u64, user: u64, program: &str| {
        format!(
            "{time},{process},{process},{parent},{user},4026531999,{program},host-1,500,openat,[],9,-9,[],0,0\n"
        )
    };
    let service = line(1, 40, 1, 7_000, "service");
    let session = line(2, 50, 1, 0, "sshd") + &line(3, 51, 50, 7_000, "bash");
    folder.write("session.csv", format!("{HEADER}\n{service}{session}"));
    let mut source = folder.source(&["session.csv"]);
    let (page, report) = reported(&engine(2), &model, &mut source).await;
    let found = &report.incidents.found.incidents;
    let of = |program: &str| {
        let place = found.iter().position(|incident| {
            let programs = incident.processes.iter().flat_map(|one| &one.programs);
            programs.into_iter().any(|one| one == program)
        });
        place.unwrap_or_else(|| panic!("no incident of {program} in {found:?}"))
    };
    let page = shown(&page);
    for (program, says) in [
        ("bash", Some("Started by <strong>sshd</strong>")),
        ("service", None),
    ] {
        let from = page.find(&format!("id=\"incident-{}\"", of(program) + 1));
        let details = &page[from.expect(program)..];
        let details = details
            .split_once("class=\"incident\"")
            .map_or(details, |two| two.0);
        match says {
            Some(says) => assert!(details.contains(says), "{details}"),
            None => assert!(!details.contains("Started by"), "{details}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_says_that_its_data_is_simulated() {
    let (folder, model) = folder_and_model().await;
    let says = "Simulated data.";
    let page = report_page(&folder, &model, "good.csv").await;
    assert!(!page.contains(says));
    let page = explore_page(&folder, "good.csv", None).await;
    assert!(!page.contains(says));
    folder.write(SIMULATED, SIMULATED_TEXT);
    let page = report_page(&folder, &model, "good.csv").await;
    assert!(shown(&page).contains(says));
    let page = explore_page(&folder, "good.csv", None).await;
    assert!(shown(&page).contains(says));
}

#[tokio::test(flavor = "multi_thread")]
async fn names_from_the_data_are_escaped() {
    let (folder, model) = folder_and_model().await;
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
    assert_inert(&report_page(&folder, &model, "hostile.csv").await);
    assert_inert(&explore_page(&folder, "hostile.csv", Some("raw")).await);
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

#[tokio::test(flavor = "multi_thread")]
async fn explore_shows_columns_features_and_undefined_correlations() {
    let folder = Folder::with(&[("good.csv", events(300))]);
    let page = explore_page(&folder, "good.csv", Some("beth-paper")).await;
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
    let page = explore_page(&folder, "wide.csv", Some("raw")).await;
    for says in [
        "The first 60 columns have charts",
        "no usable column timestamp",
        "no columns processName",
    ] {
        assert!(shown(&page).contains(says), "{says}");
    }
    folder.write("one.csv", format!("{HEADER}\n{}\n", event(3)));
    assert!(shown(&explore_page(&folder, "one.csv", None).await).contains("1 event of 1 host"));
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_of_unusual_tables_say_what_is_missing() {
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
        let model = small_model(&mut folder.source(&[name]), "raw").await;
        let page = report_page(&folder, &model, name).await;
        assert!(shown(&page).contains(says), "{name}: {says}");
        assert!(!shown(&page).contains("NaN"), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn days_and_hosts_are_counted_separately() {
    let (folder, model) = folder_and_model().await;
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
    let page = report_page(&folder, &model, "days.csv").await;
    for says in [
        "6 events of 2 hosts",
        "id=\"chart-days\"",
        "id=\"chart-host-days\"",
    ] {
        assert!(shown(&page).contains(says), "{says}");
    }
    assert!(page.contains("2023-11-15") && page.contains("2023-11-17"));
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_any_table_tell_hosts_and_days_apart() {
    let folder = Folder::with(&[("access.csv", access("time"))]);
    let source = folder.open(&["access.csv"], &roles());
    let mut source = source.expect("the columns are there");
    let model = model_of_requests(&mut source).await;
    let (html, report) = reported(&engine(1), &model, &mut source).await;
    let says = "216 events of 3 hosts, 2025-03-03 00:59:59 to 2025-03-05 23:59:59 UTC";
    assert!(html.contains(says), "{says}");
    assert!(html.contains("2025-03-04"));
    let alerts = report.alerts.expect("hosts and days group events");
    assert!(
        alerts.definition.contains("one host on one day"),
        "{}",
        alerts.definition
    );
    let mut source = folder.source(&["access.csv"]);
    let (html, report) = reported(&engine(1), &model, &mut source).await;
    assert!(html.contains("no usable column timestamp") && html.contains("no column hostName"));
    assert!(report.alerts.is_none(), "{:?}", report.alerts);
    assert!(report.incidents.found.found > 0);
    assert!(html.contains("no times, so there is no timeline"));
}

#[tokio::test(flavor = "multi_thread")]
async fn times_may_be_text_or_numbers_of_any_unit() {
    let folder = Folder::with(&[("access.csv", access("timestamp"))]);
    let model = model_of_requests(&mut folder.source(&["access.csv"])).await;
    let second = 1_741_046_399_i64;
    for (name, time, day) in [
        (
            "zone",
            "2025-03-03T23:59:59-05:00".to_owned(),
            "2025-03-04 04:59:59",
        ),
        (
            "space",
            "2025-03-03 23:59:59.75".to_owned(),
            "2025-03-03 23:59:59",
        ),
        ("date", "2025-03-03".to_owned(), "2025-03-03 00:00:00"),
        ("seconds", second.to_string(), "2025-03-03 23:59:59"),
        (
            "nanoseconds",
            format!("{second}000000000"),
            "2025-03-03 23:59:59",
        ),
    ] {
        let text = format!("at,server,path,status\n{time},a,/,200\n{time},b,/,200\n");
        let file = format!("{name}.csv");
        folder.write(&file, text);
        let options = ReadOptions {
            time_column: Some("at".into()),
            ..ReadOptions::default()
        };
        let source = folder.open(&[&file], &options);
        let mut source = source.expect("the column is there");
        let (html, _) = reported(&engine(1), &model, &mut source).await;
        let says = format!("2 events, {day} to {day} UTC");
        assert!(html.contains(&says), "{name}: {says}");
    }
    folder.write("no.csv", "timestamp,path,status\nlate,/,200\n");
    let html = report_page(&folder, &model, "no.csv").await;
    assert!(html.contains("no usable column timestamp"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_area_below_a_drawn_curve_is_the_figure_that_the_curve_stands_for() {
    let (folder, model) = folder_and_model().await;
    // Labels that hardly follow the scores, so that precision rises and falls.
    let mut text = format!("{HEADER}\n");
    for index in 0..300 {
        let is_labelled = index * index % 7 == 2 || index % 97 == 96;
        text += &event_with(index, 14, if is_labelled { "1" } else { "0" });
        text.push('\n');
    }
    folder.write("mixed.csv", text);
    let (page, report) = reported(&engine(2), &model, &mut folder.source(&["mixed.csv"])).await;
    let label = &report.evaluation.labels[0];
    let (roc_auc, average_precision) = (label.roc_auc, label.average_precision);
    assert!(average_precision < Some(0.9), "{average_precision:?}");
    for (id, figure) in [("roc", roc_auc), ("precision-recall", average_precision)] {
        let drawn = area(&chart(&page, id)["plot"]["data"][0]);
        // The points are rounded to six decimals.
        let error = (drawn - figure.expect("both classes")).abs();
        assert!(error < 1e-5, "{id}: {drawn} is drawn for {figure:?}");
    }
}

/// Events of two sizes and kinds, some of them labelled.
const HITS: &str = "size,kind,is_attack\n0,a,0\n0,a,0\n1,b,1\n1,a,0\n2,b,1\n3,b,1\n3,a,0\n3,b,1\n";

#[tokio::test(flavor = "multi_thread")]
async fn charts_tell_events_apart_by_label() {
    let folder = Folder::with(&[("hits.csv", HITS)]);
    let raw = recipe("raw");
    let label = ["is_attack".to_owned()];
    let mut source = folder.source(&["hits.csv"]);
    let features = Some(FeatureSource::Recipe(&raw));
    let page = explored_by(&engine(2), &mut source, features, &label).await;
    // Counted by hand.
    for (id, axis, all, zeros, ones) in [
        (
            "column-0",
            "y",
            [2.0, 2.0, 1.0, 3.0].to_vec(),
            [2.0, 1.0, 0.0, 1.0].to_vec(),
            [0.0, 1.0, 1.0, 2.0].to_vec(),
        ),
        (
            "column-1",
            "x",
            vec![4.0, 4.0],
            vec![4.0, 0.0],
            vec![0.0, 4.0],
        ),
        (
            "feature-0",
            "y",
            [2.0, 2.0, 1.0, 3.0].to_vec(),
            [2.0, 1.0, 0.0, 1.0].to_vec(),
            [0.0, 1.0, 1.0, 2.0].to_vec(),
        ),
    ] {
        let chart = chart(&page, id);
        assert_eq!(numbers(&chart["views"]), [0.0, 1.0, 1.0], "{id}");
        let traces = chart["plot"]["data"].as_array().expect("traces");
        let drawn: Vec<Vec<f64>> = traces.iter().map(|trace| numbers(&trace[axis])).collect();
        assert_eq!(drawn, [all, zeros, ones], "{id}");
        assert_eq!(traces[2]["name"], "is_attack = 1", "{id}");
    }
    let map = &chart(&page, "feature-correlations");
    let map = &map["plot"]["data"][0];
    assert_eq!(
        map["x"],
        serde_json::json!(["size", "is_attack"]),
        "a label is no feature"
    );
    // numpy.corrcoef of both columns is 0.5129891760425769.
    assert_eq!(map["z"], serde_json::json!([[1.0, 0.513], [0.513, 1.0]]));
    for says in [
        "is_attack</th><td>1</td><td class=\"n\">4</td><td class=\"n\">50.0 %",
        "is_attack = 1",
    ] {
        assert!(shown(&page).contains(says), "{says}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_named_label_must_hold_0_and_1_and_others_are_left_alone() {
    let folder = Folder::with(&[(
        "hits.csv",
        HITS.replace("is_attack", "sus").replace("3,b,1", "3,b,2"),
    )]);
    let mut source = folder.source(&["hits.csv"]);
    let page = explored(&engine(2), &mut source, None).await;
    assert!(!page.contains("data-choice=\"columns\""), "sus holds a 2");
    for (label, says) in [
        ("sus", "line 7: label `sus` must be 0 or 1, found 2"),
        ("no", "no such column"),
    ] {
        let found = explore(&engine(2), &mut source, None, &[label.to_owned()]).await;
        let error = found.expect_err("an invalid label");
        assert!(error.message().contains(says), "{}", error.message());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn marks_on_axes_are_read_as_the_recipe_means_them() {
    let folder = Folder::with(&[("good.csv", events(300))]);
    let page = explore_page(&folder, "good.csv", Some("beth-paper")).await;
    let axis = &chart(&page, "feature-2")["plot"]["layout"]["xaxis"].clone();
    assert_eq!(axis["tickvals"], serde_json::json!([0.0, 1.0]));
    let words = [
        "0: a system user<br>(&lt; 1000)",
        "1: a person's user<br>(&gt;= 1000)",
    ];
    assert_eq!(axis["ticktext"], serde_json::json!(words));
    let axis = &chart(&page, "column-14")["plot"]["layout"]["xaxis"].clone();
    assert_eq!(axis["ticktext"], serde_json::json!(["0", "1"]), "sus");
    let axis = &chart(&page, "timeline")["plot"]["layout"]["xaxis"].clone();
    assert_eq!(axis["title"]["text"], "minutes since boot");
    let named = ReadOptions {
        time_column: Some("processId".into()),
        ..ReadOptions::default()
    };
    let mut source = folder
        .open(&["good.csv"], &named)
        .expect("the column is there");
    let page = explored(&engine(2), &mut source, None).await;
    let axis = &chart(&page, "timeline")["plot"]["layout"]["xaxis"].clone();
    assert_eq!(axis["title"]["text"], "seconds, as the data counts them");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_interval_of_the_timeline_is_as_long_as_the_others() {
    let folder = Folder::with(&[("good.csv", events(300))]);
    let page = explore_page(&folder, "good.csv", None).await;
    let line = &chart(&page, "timeline")["plot"]["data"][0].clone();
    let numbers = |key: &str| -> Vec<f64> {
        let values = line[key].as_array().expect("numbers").iter();
        values
            .map(|value| value.as_f64().expect("a number"))
            .collect()
    };
    let (edges, steps) = (numbers("x"), numbers("y"));
    let intervals = steps.len() - 1;
    assert_eq!(edges.len(), intervals + 1);
    assert_eq!(steps[..intervals].iter().sum::<f64>(), 300.0);
    assert_eq!(steps[intervals], steps[intervals - 1]);
    // Marks on an axis are rounded.
    let width = edges[1] - edges[0];
    let mut widths = edges.windows(2).map(|edge| edge[1] - edge[0]);
    assert!(widths.all(|other| (other / width - 1.0).abs() < 1e-3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_only_written_to_a_name_that_says_html() {
    let folder = Folder::with(&[("hits.csv", HITS)]);
    let mut source = folder.source(&["hits.csv"]);
    let exploration = explore(&engine(2), &mut source, None, &[]).await;
    let exploration = exploration.expect("an exploration");
    let page = pages::explore(&exploration, &source, "honeyguide explore").expect("a page");
    for name in ["page.png", "page.pdf", "page.html.gz"] {
        let error = page.save(&folder.path(name)).expect_err("another format");
        assert!(
            error.message().contains("must end in .html"),
            "{}",
            error.message()
        );
        assert!(!folder.path(name).exists());
    }
    for name in ["page.html", "PAGE.HTM", "page"] {
        page.save(&folder.path(name)).expect("a page's name");
    }
}

//! Invalid data: what only the command says about it. It names flags, and it leaves no file behind.

mod common;

use common::{Folder, HEADER, event_with, events, events_with_line};

/// Returns [`events`] with a 51st event, whose value in column `column` is `value`.
fn events_ending_with(column: usize, value: &str) -> String {
    events(50) + &event_with(50, column, value) + "\n"
}

#[test]
fn training_on_invalid_data_fails_and_leaves_no_file_behind() {
    let header_only = format!("{HEADER}\n");
    let root = events_with_line(30, 20, &event_with(1, 4, "root"));
    let infinite = "a,b\n1,0.5\n2,inf\n".to_owned();
    let null = "a,b\n1,0.5\n2,\n".to_owned();
    for (recipe, content, says) in [
        ("beth-paper", String::new(), ["the file is empty", "header"]),
        ("beth-paper", header_only, ["a header but no rows", ""]),
        (
            "beth-paper",
            root,
            ["line 20, column 5 (`userId`)", "`root`"],
        ),
        (
            "raw",
            infinite,
            ["line 3: feature `b` is infinite", "--exclude b"],
        ),
        ("raw", null, ["line 3: feature `b` is null", "--exclude b"]),
    ] {
        let folder = Folder::with(&[("bad.csv", content)]);
        for threads in ["1", "2"] {
            let args = ["train", "bad.csv", "--recipe", recipe, "--out", "m.json"];
            let args = [&args[..], &["--threads", threads]].concat();
            folder.refused(&args, 1, &["error: bad.csv: ", says[0], says[1]]);
        }
    }
}

#[test]
fn messages_about_labels_name_the_flag() {
    let folder = Folder::with_model(200);
    let evaluate = |args: &[&str], status, says: &[&str]| {
        let args = [&["evaluate", "model.json", "bad.csv"], args].concat();
        folder.refused(&args, status, says);
    };
    folder.write("bad.csv", events_ending_with(14, ""));
    let says = "bad.csv: line 52: label `sus` must be 0 or 1, found null";
    evaluate(&[], 1, &[says, "with --label"]);
    folder.write("bad.csv", events(50));
    let says = ["--label args", "not 0 and 1"];
    evaluate(&["--label", "args"], 2, &says);
    let says = ["--label no", "no such column"];
    evaluate(&["--label", "no"], 2, &says);
}

//! What commands print about Tracee's events: how many of them are mapped to events of BETH.

mod common;

use common::{Folder, events};

const OF_2021: &str = include_str!("../../honeyguide/tests/library/fixtures/tracee/v0.5.ndjson");
const OF_TODAY: &str = include_str!("../../honeyguide/tests/library/fixtures/tracee/v0.20.ndjson");

#[test]
fn counts_of_mapped_events_are_printed() {
    let folder = Folder::with(&[("old.ndjson", OF_2021), ("new.ndjson", OF_TODAY)]);
    folder.write("train.csv", events(500));
    folder.train_small("train.csv");
    for (data, says) in [
        (
            "old.ndjson",
            "3 mapped to BETH's by name, 0 as cousins of theirs, 1 unknown",
        ),
        (
            "new.ndjson",
            "2 mapped to BETH's by name, 2 as cousins of theirs, 1 unknown",
        ),
    ] {
        let run = folder.done(&["score", "model.json", data]);
        assert!(run.stderr.contains(says), "{}", run.stderr);
        // The format may be named where the file's name does not tell it.
        folder.write("events.log", folder.read(data));
        let named = ["score", "model.json", "events.log", "--format", "tracee"];
        assert_eq!(folder.done(&named).stderr, run.stderr);
    }
}

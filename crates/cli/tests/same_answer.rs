//! The commands write and print the same bytes for any `--threads`.

mod common;

use common::{Folder, events};

/// A number of events that makes the engine read a file in two pieces.
const MANY: usize = 45_000;

#[test]
fn threads_do_not_change_what_commands_write() {
    let folder = Folder::with(&[("good.csv", events(MANY))]);
    let outcome = |threads: &str| {
        let run = |args: &[&str]| folder.done(&[args, &["--threads", threads]].concat());
        let train = "train good.csv --recipe beth-paper --trees 5 --out m.json --json";
        let trained = run(&train.split(' ').collect::<Vec<_>>()).stdout;
        run(&["score", "m.json", "good.csv", "--out", "scored.csv"]);
        let evaluated = run(&["evaluate", "m.json", "good.csv", "--json"]).stdout;
        let files = [folder.read("m.json"), folder.read("scored.csv")];
        (trained, evaluated, files)
    };
    let expected = outcome("1");
    for threads in ["2", "4"] {
        assert!(outcome(threads) == expected, "on {threads} threads");
    }
}

//! The simulated break-in that several tests look for.

use std::collections::HashMap;
use std::fs::File;

use crate::common::{Folder, engine};
use honeyguide::{Model, Recipe, TrainOptions, train};
use simulate::{Simulation, Split};

/// Returns a folder with the events of a simulated host that is broken into, in `today.csv`, and a model of benign hosts.
/// `children_first.csv` has the same events without those that [`children_first`] leaves out.
pub async fn break_in() -> (Folder, Model) {
    let folder = Folder::new();
    let simulation = Simulation::new(20_000, 5).expect("a simulation");
    for (split, name) in [
        (Split::Training, "train.csv"),
        (Split::Testing, "today.csv"),
    ] {
        let mut file = File::create(folder.path(name)).expect("a file");
        simulation.write_split(split, &mut file).expect("space");
    }
    folder.write(
        "children_first.csv",
        children_first(&folder.text("today.csv")),
    );
    let mut source = folder.source(&["train.csv"]);
    let recipe = Recipe::default_for(source.log());
    let model = train(&engine(2), &mut source, &recipe, &TrainOptions::default()).await;
    (folder, model.expect("a model"))
}

/// Returns CSV of kernel calls without the events of a process that come before an event of each of its children, so that
/// the children are seen first.
pub fn children_first(csv: &str) -> String {
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let rows: Vec<csv::StringRecord> = reader.records().map(|row| row.expect("a row")).collect();
    let process =
        |row: &csv::StringRecord, column: usize| (row[7].to_owned(), row[column].to_owned());
    let time = |row: &csv::StringRecord| row[0].parse::<f64>().expect("a time");
    let mut first_of: HashMap<_, f64> = HashMap::new();
    for row in &rows {
        first_of.entry(process(row, 1)).or_insert_with(|| time(row));
    }
    let mut shown_from: HashMap<_, f64> = HashMap::new();
    for row in &rows {
        let from = shown_from.entry(process(row, 3)).or_default();
        *from = from.max(first_of[&process(row, 1)]);
    }
    let mut writer = csv::Writer::from_writer(Vec::new());
    let header = reader.headers().expect("a header");
    writer.write_record(header).expect("memory");
    let kept = rows.iter().filter(|row| {
        let from = shown_from.get(&process(row, 1));
        from.is_none_or(|from| time(row) > *from)
    });
    kept.for_each(|row| writer.write_record(row).expect("memory"));
    String::from_utf8(writer.into_inner().expect("memory")).expect("text")
}

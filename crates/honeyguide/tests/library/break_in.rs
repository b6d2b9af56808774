//! The simulated break-in that several tests look for.

use std::fs::File;

use crate::common::{Folder, engine};
use honeyguide::{Model, Recipe, TrainOptions, train};
use simulate::{Simulation, Split};

/// Returns a folder with the events of a simulated host that is broken into, in `today.csv`, and a model of benign hosts.
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
    let mut source = folder.source(&["train.csv"]);
    let recipe = Recipe::default_for(source.log());
    let model = train(&engine(2), &mut source, &recipe, &TrainOptions::default()).await;
    (folder, model.expect("a model"))
}

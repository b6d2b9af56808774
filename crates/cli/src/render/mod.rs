//! The output of results on a terminal.

mod anomaly;
mod answer;
mod drift;
mod evaluation;
mod incidents;
mod inspection;
pub mod screen;
mod table;
mod text;

pub use anomaly::{print_anomalies, print_explained};
pub use answer::print_answer;
pub use drift::print_drift;
pub use evaluation::{print_anomalous, print_evaluation};
pub use honeyguide::wording::{
    count, defined, number, of_them, percent, percent_of, printable, printable_lines, shortened,
};
pub use incidents::{
    print_change, print_incident, print_incident_lines, print_incidents, print_stored,
    print_whole_incident, sentence,
};
pub use inspection::{print_features, print_inspection};
pub use table::TextTable;
pub use text::{bars, fitted, heading, wrapped};

/// Returns the words before the name of a recipe, or of a model's recipe.
pub fn recipe_of(model: bool) -> &'static str {
    match model {
        true => "model with recipe",
        false => "recipe",
    }
}

//! The output of results on a terminal.

mod anomaly;
mod answer;
mod drift;
mod evaluation;
mod inspection;
mod text;

use comfy_table::{CellAlignment, ContentArrangement, Table, TableComponent, presets};

pub use anomaly::{print_anomalies, print_explained};
pub use answer::print_answer;
pub use drift::print_drift;
pub use evaluation::{print_anomalous, print_evaluation};
pub use honeyguide::wording::{
    count, defined, number, of_them, percent, percent_of, printable, printable_lines, shortened,
};
pub use inspection::{print_features, print_inspection};
pub use text::{bars, fitted, heading, wrapped};

/// The width of tables if there is no terminal.
const DEFAULT_WIDTH: u16 = 120;

/// Returns an empty table that fits the terminal.
pub fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_style(TableComponent::HeaderLines, '─');
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(width());
    table.set_header(header);
    table
}

/// Returns the words before the name of a recipe, or of a model's recipe.
pub fn recipe_of(model: bool) -> &'static str {
    match model {
        true => "model with recipe",
        false => "recipe",
    }
}

/// Returns the width of the terminal, or the default width if there is no terminal.
pub fn width() -> u16 {
    let size = console::Term::stdout().size_checked();
    size.map_or(DEFAULT_WIDTH, |(_, width)| width)
}

/// Returns an empty table in which the columns at the positions `numbers` are aligned to the right.
pub fn table_with_numbers(header: &[&str], numbers: impl IntoIterator<Item = usize>) -> Table {
    let mut table = table(header);
    for number in numbers {
        if let Some(column) = table.column_mut(number) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

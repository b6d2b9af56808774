//! Tables of text that fit the terminal.

use std::fmt;

use comfy_table::{
    CellAlignment, ColumnConstraint, ContentArrangement, Table, TableComponent, Width, presets,
};

use super::screen;
use super::text::{heading, wrapped};

/// The width of the space around the text of a column.
const PADDING: usize = 2;

/// A table of text. On a terminal that is too narrow, cells are wrapped between words; if even their longest words do
/// not fit side by side, every cell has a line of its own. Without a terminal, nothing is wrapped.
pub struct TextTable {
    header: Vec<String>,
    /// Whether each column holds numbers, which are aligned to the right.
    is_number: Vec<bool>,
    rows: Vec<Vec<String>>,
}

impl TextTable {
    /// Returns an empty table in which the columns at the positions `numbers` hold numbers.
    pub fn new(
        header: impl IntoIterator<Item = impl Into<String>>,
        numbers: impl IntoIterator<Item = usize>,
    ) -> Self {
        let header: Vec<String> = header.into_iter().map(Into::into).collect();
        let mut is_number = vec![false; header.len()];
        for number in numbers {
            if let Some(column) = is_number.get_mut(number) {
                *column = true;
            }
        }
        Self {
            header,
            is_number,
            rows: Vec::new(),
        }
    }

    /// Adds a row with a cell for every column.
    pub fn add_row(&mut self, cells: impl IntoIterator<Item = impl Into<String>>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    /// Returns the table as text of at most `width` columns, or as wide as it is without a width. A single word that
    /// is longer than `width` is not broken.
    fn laid_out(&self, width: Option<usize>) -> String {
        let total = |of: fn(&str) -> usize| {
            let columns = 0..self.header.len();
            columns
                .map(|column| self.widest(column, of) + PADDING)
                .sum::<usize>()
        };
        match width {
            Some(width) if total(longest_word) > width => self.records(width),
            Some(width) if total(console::measure_text_width) > width => self.wrapped(width),
            _ => self.table().trim_fmt(),
        }
    }

    /// Returns the greatest measure of a cell of a column, its header included.
    fn widest(&self, column: usize, of: fn(&str) -> usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(column));
        let measures = cells.chain([&self.header[column]]).map(|cell| of(cell));
        measures.max().unwrap_or(0)
    }

    fn table(&self) -> Table {
        let mut table = Table::new();
        table
            .load_preset(presets::NOTHING)
            .set_style(TableComponent::HeaderLines, '─')
            .set_content_arrangement(ContentArrangement::Disabled)
            .set_header(&self.header)
            .add_rows(&self.rows);
        let columns = table.column_iter_mut().zip(&self.is_number);
        for (column, _) in columns.filter(|(_, is_number)| **is_number) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }

    fn wrapped(&self, width: usize) -> String {
        let mut table = self.table();
        table
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(u16::try_from(width).unwrap_or(u16::MAX));
        for (index, column) in table.column_iter_mut().enumerate() {
            let least = self.widest(index, longest_word) + PADDING;
            let least = Width::Fixed(u16::try_from(least).unwrap_or(u16::MAX));
            column.set_constraint(ColumnConstraint::LowerBoundary(least));
        }
        table.trim_fmt()
    }

    /// Returns each row as lines of one cell each, below the row's first cell.
    fn records(&self, width: usize) -> String {
        let names = self.header.get(1..).unwrap_or_default();
        let measures = names.iter().map(|name| console::measure_text_width(name));
        let beside = measures.max().unwrap_or(0) + 4;
        let mut lines = Vec::new();
        for row in &self.rows {
            let title = match (self.header.first(), row.first()) {
                (Some(name), Some(cell)) if !name.is_empty() => format!("{name} {cell}"),
                (_, cell) => cell.cloned().unwrap_or_default(),
            };
            lines.push(heading(&title));
            for (name, cell) in names.iter().zip(row.iter().skip(1)) {
                let padding = " ".repeat(beside - 2 - console::measure_text_width(name));
                let cell = wrapped(cell, width.saturating_sub(beside).max(1));
                let cell = cell.join(&format!("\n{}", " ".repeat(beside)));
                lines.push(format!("  {name}{padding}{cell}"));
            }
        }
        lines.join("\n")
    }
}

impl fmt::Display for TextTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.laid_out(screen::width()))
    }
}

fn longest_word(text: &str) -> usize {
    let words = text.split(' ').map(console::measure_text_width);
    words.max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> TextTable {
        let mut table = TextTable::new(["file", "events", "what it holds"], [1]);
        table.add_row([
            "training.csv",
            "16,056",
            "the events of eight hosts at work",
        ]);
        table.add_row(["test.csv", "3,972", "one more host that is broken into"]);
        table
    }

    /// Returns the words of a text without its layout.
    fn words(text: &str) -> Vec<&str> {
        let mut words: Vec<&str> = text.split_whitespace().collect();
        words.retain(|word| !word.starts_with('─'));
        words.sort_unstable();
        words
    }

    #[test]
    fn a_table_is_as_wide_as_its_text_where_there_is_room() {
        let wide = table().laid_out(None);
        assert_eq!(wide, table().laid_out(Some(100)));
        assert!(wide.contains(" training.csv  16,056  the events of eight hosts at work"));
    }

    #[test]
    fn no_line_is_longer_than_the_terminal_and_no_word_is_lost_or_broken() {
        let wide = table().laid_out(None);
        for width in 24..70 {
            let narrow = table().laid_out(Some(width));
            let longest = narrow.lines().map(console::measure_text_width).max();
            assert!(longest <= Some(width), "{width}:\n{narrow}");
            if width > 32 {
                assert_eq!(words(&narrow), words(&wide), "{width}:\n{narrow}");
            }
        }
    }

    #[test]
    fn what_cannot_stand_side_by_side_has_a_line_of_its_own() {
        let narrow = table().laid_out(Some(28));
        let narrow = console::strip_ansi_codes(&narrow);
        assert!(
            narrow.starts_with("file training.csv\n  events         16,056\n  what it holds  the events\n                 of eight"),
            "{narrow}"
        );
    }
}

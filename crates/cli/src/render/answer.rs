//! The result of a query on a terminal.

use std::io::{self, Write};

use honeyguide::sql::Preview;

use super::{TextTable, count, heading, of_them, printable, printable_lines, screen};

/// The length of the longest value that is shown in a cell of a table.
const CELL_CHARACTERS: usize = 60;
/// The length of the longest value that is shown if every column has a line of its own.
const LINE_CHARACTERS: usize = 300;
/// The width of the space between two columns of a table.
const GAP: usize = 2;
/// The columns of the engine's result of EXPLAIN.
const PLAN: [&str; 2] = ["plan_type", "plan"];

/// Prints the first rows and their total number: as a table, or row by row if a table would be wider than the terminal.
pub fn print_answer(answer: &Preview, out: &mut dyn Write) -> io::Result<()> {
    print_within(screen::width(), answer, out)
}

/// Prints an answer on a terminal of a width, or without a terminal if it is `None`.
fn print_within(width: Option<usize>, answer: &Preview, out: &mut dyn Write) -> io::Result<()> {
    if answer.columns == PLAN {
        return print_plans(answer, out);
    }
    if width.is_none_or(|width| natural_width(answer) <= width) {
        print_table(answer, out)?;
    } else {
        print_lines(answer, out)?;
    }
    let rows = of_them(answer.total, "row", "rows");
    match answer.total - answer.rows.len() as u64 {
        0 => writeln!(out, "\n{rows}"),
        more => writeln!(
            out,
            "\n{rows}, of which {} are not shown: LIMIT them, or write all with --out FILE or into a pipe",
            count(more)
        ),
    }
}

fn natural_width(answer: &Preview) -> usize {
    let columns = answer.columns.iter().enumerate();
    columns
        .map(|(index, name)| {
            let values = answer
                .rows
                .iter()
                .map(|row| shown(&row[index], CELL_CHARACTERS));
            let widest = values
                .map(|value| console::measure_text_width(&value))
                .max();
            widest
                .unwrap_or(0)
                .max(console::measure_text_width(&printable(name)))
                + GAP
        })
        .sum()
}

fn print_table(answer: &Preview, out: &mut dyn Write) -> io::Result<()> {
    let names: Vec<_> = answer.columns.iter().map(|name| printable(name)).collect();
    let header = names.iter().map(AsRef::<str>::as_ref);
    let numbers = (0..names.len()).filter(|column| answer.is_number[*column]);
    let mut table = TextTable::new(header, numbers);
    for row in &answer.rows {
        table.add_row(row.iter().map(|value| shown(value, CELL_CHARACTERS)));
    }
    writeln!(out, "{table}")
}

fn print_lines(answer: &Preview, out: &mut dyn Write) -> io::Result<()> {
    let names: Vec<_> = answer.columns.iter().map(|name| printable(name)).collect();
    let widths = names.iter().map(|name| console::measure_text_width(name));
    let widest = widths.max().unwrap_or(0);
    for (number, row) in (1..).zip(&answer.rows) {
        writeln!(out, "{}", heading(&format!("row {number}")))?;
        for (name, value) in names.iter().zip(row) {
            let padding = " ".repeat(widest - console::measure_text_width(name));
            writeln!(out, "  {name}{padding}  {}", shown(value, LINE_CHARACTERS))?;
        }
    }
    Ok(())
}

fn print_plans(answer: &Preview, out: &mut dyn Write) -> io::Result<()> {
    for row in &answer.rows {
        let [kind, plan] = [&row[0], &row[1]].map(|text| text.as_deref().unwrap_or_default());
        writeln!(
            out,
            "{}\n{}",
            heading(&printable(kind)),
            printable_lines(plan)
        )?;
    }
    Ok(())
}

fn shown(value: &Option<String>, most: usize) -> String {
    let Some(value) = value else {
        return "-".into();
    };
    let text = printable(value);
    match text.char_indices().nth(most) {
        None => text.into_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(columns: &[&str], values: &[&str], total: u64) -> String {
        let answer = Preview {
            columns: columns.iter().map(|name| (*name).to_owned()).collect(),
            is_number: vec![false; columns.len()],
            rows: vec![
                values
                    .iter()
                    .map(|value| Some((*value).to_owned()))
                    .collect(),
            ],
            total,
            ..Preview::default()
        };
        let mut out = Vec::new();
        print_within(Some(120), &answer, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_does_not_fit_side_by_side_goes_line_by_line() {
        let narrow = printed(&["a", "b"], &["1", "2"], 1);
        assert!(
            narrow.contains(" a  b") && narrow.ends_with("\n1 row\n"),
            "{narrow}"
        );
        let long = "x".repeat(70);
        let wide = printed(&["a", "bc", "d"], &[&long, &long, "y"], 1);
        assert!(
            wide.contains(&format!("  a   {long}\n  bc  {long}\n  d   y")),
            "{wide}"
        );
    }

    #[test]
    fn rows_that_are_not_shown_are_counted_and_text_cannot_act() {
        let answer = printed(&["a\u{1b}"], &["x\ny\u{1b}[2J"], 1001);
        assert!(answer.contains("x\\ny\\u{1b}[2J"), "{answer}");
        assert!(
            answer.contains("a\\u{1b}") && answer.contains("1,001 rows, of which 1,000"),
            "{answer}"
        );
    }
}

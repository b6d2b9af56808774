//! The commands of `docs/workshop.md` work, and print what the page shows.

mod common;

use std::path::Path;

use common::Folder;

/// A command of the page, and the lines of its output that the page shows.
struct Cell {
    command: Vec<String>,
    shown: Vec<String>,
}

/// Returns the words of a command, some of which are in double quotes.
fn words(command: &str) -> Vec<String> {
    let quoted = command.split('"').enumerate();
    let words = quoted.flat_map(|(index, part)| match index % 2 {
        0 => part.split_whitespace().collect(),
        _ => vec![part],
    });
    words.map(str::to_owned).collect()
}

/// Returns the commands of the page in their order.
fn cells(page: &str) -> Vec<Cell> {
    let mut cells: Vec<Cell> = Vec::new();
    let mut is_open = false;
    for line in page.lines() {
        if let Some(command) = line.strip_prefix("    $ honeyguide ") {
            is_open = true;
            cells.push(Cell {
                command: words(command),
                shown: Vec::new(),
            });
        } else if let Some(shown) = line.strip_prefix("    ") {
            let is_gap = shown.trim() == "…" || shown.trim().is_empty();
            if let Some(cell) = cells.last_mut().filter(|_| is_open && !is_gap) {
                cell.shown.push(shown.trim_end().to_owned());
            }
        } else if !line.is_empty() {
            is_open = false;
        }
    }
    cells
}

#[test]
fn every_command_of_the_workshop_prints_what_the_page_shows() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/workshop.md");
    let cells = cells(&std::fs::read_to_string(page).expect("the page"));
    assert!(cells.len() > 10, "{}", cells.len());
    let folder = Folder::new();
    for Cell { command, shown } in cells {
        let args: Vec<&str> = command.iter().map(String::as_str).collect();
        let printed = folder.done(&args).stdout;
        assert!(!shown.is_empty(), "{command:?}");
        let mut lines = printed.lines();
        for line in shown {
            assert!(
                lines.any(|printed| printed == line),
                "{}: no line `{line}`, or not in this place, in\n{printed}",
                command.join(" ")
            );
        }
        let is_marked = printed.contains("Simulated data:");
        let is_about_data = args[0] != "recipes";
        assert_eq!(is_marked, is_about_data, "{command:?}");
    }
}

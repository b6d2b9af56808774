//! The command `inspect`: output that fits a terminal of 80 columns, and hostile text in it.

mod common;

use common::{Folder, HEADER, event_with, events};

#[test]
fn lines_fit_80_columns() {
    let folder = Folder::with(&[("a.csv", events(9000))]);
    for args in [
        &["inspect", "a.csv"][..],
        &["inspect", "a.csv", "--recipe", "context"],
    ] {
        let shown = folder.done(args).stdout;
        let widest = shown
            .lines()
            .max_by_key(|line| line.chars().count())
            .expect("lines");
        assert!(widest.chars().count() <= 80, "{widest}");
    }
}

#[test]
fn unusual_tables_can_be_printed() {
    let header: Vec<String> = (0..300).map(|column| format!("c{column}")).collect();
    let row = |row: usize| {
        let field = |column: usize| (row * (column + 1) % 17).to_string();
        (0..300).map(field).collect::<Vec<_>>().join(",")
    };
    let wide: Vec<String> = (1..40).map(row).collect();
    let wide = format!("{}\n{}\n", header.join(","), wide.join("\n"));
    let folder = Folder::with(&[
        ("one.csv", "a,b\n1,x\n"),
        ("text.csv", "a,b\nx,y\nz,\n"),
        ("null.csv", "a,b\n1,\n2,\n"),
        ("odd.csv", "a\n1\nNaN\ninf\n-inf\n3\n"),
        ("wide.csv", &wide),
    ]);
    for (table, says) in [
        ("one.csv", "1 row"),
        ("text.csv", "2 rows"),
        ("null.csv", "2 rows"),
        ("odd.csv", "5 rows"),
        ("wide.csv", "39 rows"),
    ] {
        let shown = folder.done(&["inspect", table]).stdout;
        assert!(shown.contains(says), "{table}: {shown}");
    }
}

#[test]
fn figures_are_printed_as_json() {
    let folder = Folder::with(&[("e.csv", events(970))]);
    for (options, key) in [(&[][..], "rows"), (&["--recipe", "beth-paper"], "events")] {
        let args = [&["inspect", "e.csv", "--json"], options].concat();
        let found: serde_json::Value =
            serde_json::from_str(&folder.done(&args).stdout).expect("JSON");
        assert_eq!(found[key], 970);
    }
}

#[test]
fn control_characters_in_hostile_text_are_escaped() {
    let names = [
        "\u{1b}[31mred\u{7}",
        "<script>alert(1)</script>",
        "a\u{202e}b",
    ];
    let rows: Vec<String> = (0..30)
        .map(|row| event_with(row, 6, names[row % 3]))
        .collect();
    let folder = Folder::with(&[("h.csv", format!("{HEADER}\n{}\n", rows.join("\n")))]);
    let shown = folder.done(&["inspect", "h.csv"]).stdout;
    let acts =
        |character: char| character != '\n' && (character.is_control() || character == '\u{202e}');
    assert!(!shown.contains(acts), "{shown:?}");
    assert!(shown.contains("<script>alert(1)</script>") && shown.contains("\\u{1b}[31mred"));
}

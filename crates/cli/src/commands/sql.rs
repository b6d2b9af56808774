//! `honeyguide sql`.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use honeyguide::arrow::array::AsArray;
use honeyguide::sql::{Database, TextFormat};
use honeyguide::{ReadOptions, Source};
use honeyguide_watch::{StoreTable, store_tables};
use serde::Serialize;

use crate::args::Sql;
use crate::context::{Context, Outcome};
use crate::failure::Failure;
use crate::json::{self, JsonFormat};
use crate::render::{of_them, print_answer, printable};

/// The name of the table for data without a name.
const EVENTS: &str = "events";
/// The greatest number of rows that are shown on a terminal.
const SHOWN_ROWS: usize = 50;

/// The outcome of a query whose result was written to a file.
#[derive(Serialize)]
struct Written {
    /// The number of rows that were written.
    rows: u64,
    /// The file that was written.
    out: PathBuf,
}

pub async fn run(context: &Context, args: Sql) -> Result<(), Failure> {
    let model = args.model.as_deref().map(|model| context.model(model));
    let model = model.transpose()?;
    let mut database = Database::new(&context.engine, model, context.storage()?)?;
    database.incident_by(args.incident_by.incident_by);
    for (name, data) in tables(args.data, args.tables) {
        database.add(&name, context.open(&data)?)?;
    }
    if let Some(store) = &args.store {
        add_store(context, &mut database, store)?;
    }
    for why in database.unscored() {
        context.remark(&format!("note: {why}"));
    }
    let answered = answer(context, &mut database, &args.query, args.out.as_deref()).await;
    database
        .sources()
        .for_each(|source| context.remark_counts(source));
    context.remark_malformed_args(database.malformed_args());
    answered
}

/// Adds the tables of a store of `watch`.
fn add_store(context: &Context, database: &mut Database, path: &Path) -> Result<(), Failure> {
    context.note_read(path, "store");
    for StoreTable { name, rows } in store_tables(path)? {
        let simulated = rows
            .column_by_name("simulated")
            .map(|column| column.as_boolean());
        if simulated.is_some_and(|column| column.true_count() > 0) {
            context.mark_simulated();
        }
        let options = ReadOptions {
            name: Some(format!("{}: {name}", path.display())),
            ..ReadOptions::default()
        };
        database.add(
            name,
            Source::from_batches(&rows.schema(), [rows], &options)?,
        )?;
    }
    Ok(())
}

/// Returns the data of every table, in the order in which the tables are first named.
fn tables(events: Vec<String>, named: Vec<(String, String)>) -> Vec<(String, Vec<String>)> {
    let mut tables: Vec<(String, Vec<String>)> = Vec::new();
    if !events.is_empty() {
        tables.push((EVENTS.to_owned(), events));
    }
    for (name, data) in named {
        match tables.iter_mut().find(|(known, _)| *known == name) {
            Some((_, all)) => all.push(data),
            None => tables.push((name, vec![data])),
        }
    }
    tables
}

async fn answer(
    context: &Context,
    database: &mut Database,
    query: &str,
    out: Option<&Path>,
) -> Result<(), Failure> {
    if let Some(path) = out {
        let to = context.destination(path)?;
        let rows = database.write(query, &to).await?;
        let out = to.path().to_owned();
        return context.show(&Written { rows, out });
    }
    if io::stdout().is_terminal() && !context.json() {
        let preview = database.preview(query, SHOWN_ROWS).await?;
        return context.show_text(|out| print_answer(&preview, out));
    }
    if context.json() {
        let mut rows = database.text(query, TextFormat::Json).await?;
        let copy = |out: &mut dyn Write| io::copy(&mut rows, out).map(drop);
        let simulated = context.is_simulated();
        return context.write(|out| json::write_rows(out, json::QUERY, simulated, copy));
    }
    let mut text = database.text(query, context.csv()).await?;
    context.remark_simulated();
    context.write(|out| io::copy(&mut text, out).map(drop))
}

impl Outcome for Written {
    const FORMAT: JsonFormat = json::QUERY_FILE;

    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let rows = of_them(self.rows, "row", "rows");
        let path = self.out.display().to_string();
        writeln!(out, "{rows} written to {}", printable(&path))
    }
}

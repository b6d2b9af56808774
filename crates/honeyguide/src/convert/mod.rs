//! Conversion of any input to Parquet that is sorted by host and time, compressed and has statistics. The output
//! appears only when it is complete.

mod folder;
mod order;
mod parquet;
mod pending;

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::error::Result as EngineResult;
use serde::Serialize;

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::functions::ListParser;
use crate::naming::{command, parameter};
use crate::output::{Destination, PendingFile};
use crate::source::{Format, Source, column_list, with_columns};
use folder::Partitioned;
use order::OrderedEvents;
use parquet::ParquetFile;

/// The options of a conversion.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConvertOptions {
    /// The columns whose values name the output's subfolders, outermost first. If empty, one file is written.
    pub partition_by: Vec<String>,
    /// Whether the text in the log's columns of lists is parsed into lists.
    pub parse_lists: bool,
}

/// The summary of a conversion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Converted {
    /// The number of events.
    pub events: u64,
    /// The columns that the events are sorted by. Events with equal values keep the order of the data.
    pub sorted_by: Vec<String>,
    /// The total size of the files that were read, in bytes.
    pub bytes_before: u64,
    /// The total size of the files that were written, in bytes.
    pub bytes_after: u64,
    /// The number of files that were written.
    pub files: u64,
    /// The number of texts that could not be parsed as lists. They are null in the output.
    pub malformed_lists: u64,
}

/// Writes the events of `source` to `out`: to a file if the name ends in `.parquet`, otherwise to a folder.
///
/// # Errors
/// Fails when
/// - `out` is one of the inputs, or a folder that is not empty;
/// - a partition column is missing, holds lists, or has too many values;
/// - lists are to be parsed and the data has no text in `args` or `stackAddresses`;
/// - the data cannot be read or the output cannot be written.
pub async fn convert(
    engine: &Engine,
    source: &mut Source,
    out: impl Into<Destination>,
    options: &ConvertOptions,
) -> Result<Converted> {
    let out = &out.into();
    check(source, out, options)?;
    let bytes_before = source.files().map(|file| file.bytes).sum();
    let sorted_by = sort_columns(source, &options.partition_by);
    let names = source.columns().iter().map(|column| column.name.as_str());
    let needed = with_columns(&BTreeSet::new(), names);
    let writer = loop {
        source.begin_scan();
        let attempt = write(engine, source, out, options, &sorted_by).await;
        if let Some(writer) = source.end_attempt(&needed, attempt)? {
            break writer;
        }
    };
    let (files, bytes_after) = writer.sink.finish()?;
    Ok(Converted {
        events: writer.events,
        sorted_by,
        bytes_before,
        bytes_after,
        files,
        malformed_lists: writer.lists.map_or(0, |lists| lists.malformed()),
    })
}

/// Writes all events once. The output is complete when the writer's sink is finished.
async fn write(
    engine: &Engine,
    source: &Source,
    out: &Destination,
    options: &ConvertOptions,
    sorted_by: &[String],
) -> EngineResult<Writer> {
    let events = OrderedEvents::new(engine, source, sorted_by).await?;
    let mut writer = Writer::new(source, events.schema(), out, options, sorted_by)?;
    let (plan, task) = (events.plan()?, engine.sequential_context().task_ctx());
    let write = |batch: RecordBatch| {
        writer.write(&order::without_position(&batch)?)?;
        Ok(ControlFlow::Continue(()))
    };
    engine
        .for_each_batch_of(source.reading("converting"), plan, task, write)
        .await?;
    Ok(writer)
}

/// Refuses options that cannot work, before any data is read.
fn check(source: &Source, out: &Destination, options: &ConvertOptions) -> Result<()> {
    source.refuse_as_output(out)?;
    if out.path() == Path::new("-") {
        return Err(
            Error::usage("-: convert writes a file or a folder, not standard output").hint(
                format!(
                    "{} \"SELECT * FROM events\" DATA {} - writes a table there",
                    command("sql"),
                    parameter("out")
                ),
            ),
        );
    }
    let shown = out.path().display();
    if Format::of_name(&out.path().to_string_lossy()).is_some() && !is_file(out) {
        return Err(Error::usage(format!(
            "{shown}: convert writes Parquet, to a file or a folder"
        ))
        .hint(format!(
            "{} \"SELECT * FROM events\" DATA {} {shown} writes the format of that name",
            command("sql"),
            parameter("out")
        )));
    }
    let columns = source.columns();
    for name in &options.partition_by {
        let column = columns.iter().find(|column| column.name == *name);
        let refuse = |why: &str| {
            Err(
                Error::usage(format!("{} {name}: {why}", parameter("partition_by")))
                    .hint(format!("the columns are {}", column_list(source))),
            )
        };
        match column {
            None => return refuse("the data has no such column"),
            Some(column) if column.data_type.is_nested() => {
                return refuse("a column of lists cannot name folders");
            }
            Some(_) => {}
        }
    }
    if is_file(out) && !options.partition_by.is_empty() {
        return Err(Error::usage(format!(
            "{shown}: {} makes a folder, not a file",
            parameter("partition_by")
        ))
        .hint("leave out the ending .parquet"));
    }
    let lists = source.log().list_columns();
    if options.parse_lists && ListParser::columns(&source.schema(), lists).is_empty() {
        let names: Vec<&str> = lists.iter().map(|(name, _)| *name).collect();
        let lacks = match names.as_slice() {
            [] => "columns of lists".to_owned(),
            names => format!("text in a column {}", names.join(" or ")),
        };
        return Err(Error::usage(format!(
            "{}: the data has no {lacks}",
            parameter("parse_lists")
        )));
    }
    Ok(())
}

fn is_file(out: &Destination) -> bool {
    out.path()
        .extension()
        .is_some_and(|ending| ending == "parquet")
}

/// Returns the columns to sort by: the partition columns, then host and time.
fn sort_columns(source: &Source, partition_by: &[String]) -> Vec<String> {
    let mut columns = partition_by.to_vec();
    for column in source.host().into_iter().chain(source.time()) {
        if !column.data_type.is_nested() && !columns.contains(&column.name) {
            columns.push(column.name.clone());
        }
    }
    columns
}

/// A writer of the sorted events, which parses lists if asked to and counts events.
struct Writer {
    sink: Sink,
    lists: Option<ListParser>,
    events: u64,
}

/// The output of a conversion.
enum Sink {
    File(Box<ParquetFile>),
    Folder(Box<Partitioned>),
}

impl Writer {
    fn new(
        source: &Source,
        schema: SchemaRef,
        out: &Destination,
        options: &ConvertOptions,
        sorted_by: &[String],
    ) -> Result<Self> {
        let columns = source.log().list_columns();
        let lists = (options.parse_lists).then(|| ListParser::new(&schema, columns));
        let schema = lists
            .as_ref()
            .map_or(schema, |lists| Arc::clone(lists.schema()));
        let sink = if is_file(out) {
            Sink::File(Box::new(ParquetFile::new(
                PendingFile::create(out)?,
                &schema,
                sorted_by,
            )?))
        } else {
            let partition_by = &options.partition_by;
            let is_simulated = source.is_simulated();
            let folder = Partitioned::create(out, schema, partition_by, sorted_by, is_simulated)?;
            Sink::Folder(Box::new(folder))
        };
        Ok(Self {
            sink,
            lists,
            events: 0,
        })
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.events += batch.num_rows() as u64;
        let parsed = match &mut self.lists {
            Some(lists) => lists.parse(batch)?,
            None => batch.clone(),
        };
        match &mut self.sink {
            Sink::File(file) => file.write(&parsed),
            Sink::Folder(folder) => folder.write(&parsed),
        }
    }
}

impl Sink {
    /// Completes the output. Returns the number of files and their total size in bytes.
    fn finish(self) -> Result<(u64, u64)> {
        match self {
            Self::File(file) => {
                let (file, bytes) = file.close()?;
                file.finish()?;
                Ok((1, bytes))
            }
            Self::Folder(folder) => folder.finish(),
        }
    }
}

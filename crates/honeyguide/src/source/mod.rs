//! Where events come from: data files behind paths, folders, globs, URLs or standard input, record batches in memory, or
//! a stream that can be read once. Each is one table.
//!
//! Files must have the same columns, in any order; the columns that the names of partitioned folders tell are among them.
//! The parts can be read apart: `find` and `expand` lead from names to files, `probe` learns what a file holds, `unite` makes
//! one schema of several files, `contents` keeps what a source consists of, `tables` makes tables of the engine, `run` runs
//! work on them and repeats it when a failure has a remedy, which `diagnose` finds, and `intake` counts lines.

mod arriving;
mod arrow;
mod batches;
mod column;
mod common_type;
mod contents;
mod diagnose;
mod encoding;
mod exact;
mod expand;
mod file;
mod files_table;
mod find;
mod format;
mod found;
#[cfg(any(test, fuzzing))]
mod fuzzing;
mod intake;
mod json;
mod lake;
mod late;
mod leading_zeros;
mod long_fractions;
mod lossy;
mod node;
mod notes;
mod number;
mod pages;
mod pandas;
mod parquet;
mod place;
mod probe;
mod readable;
mod records;
mod rows;
mod run;
mod seekable;
mod seen;
mod slices;
mod store;
mod stream;
mod streamed_table;
mod tables;
mod text;
mod typed;
mod unite;
mod values;
mod wide;

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::arrow::record_batch::{RecordBatch, RecordBatchReader};

pub use arriving::{MAX_RECORD_BYTES, Unread, are_csv, record_end, text_start};
pub(crate) use arriving::{RecordDecoder, RecordFormat};
pub use column::Column;
pub(crate) use column::{listed_columns, with_columns};
pub use file::DataFile;
pub use format::{Compression, Format};
pub use intake::{Intake, ReplacedTexts, ScanCounts, TraceeEvents};
pub(crate) use node::NodeStores;
pub(crate) use typed::logged_columns;

use batches::Batches;
use column::{check_count, names_of, schema_of};
use contents::{Contents, Files, name_or};
use found::{Evidence, FoundColumn};
use intake::ScanLog;
use notes::Oddities;
use probe::FoundFile;
use seen::Missing;
use stream::Stream;
use typed::as_logged;
use unite::{United, unite};

use crate::error::{Error, Result};
use crate::log::Log;
use crate::marks::SIMULATED;
use crate::naming::{Named, parameter, resolved};
use crate::output::Destination;
use crate::storage::StorageOptions;

/// The options of finding and reading data. For record batches and streams, options about names and files have no
/// effect.
#[derive(Debug, Clone, Default)]
pub struct ReadOptions {
    /// The format of the rows, whatever the names of the files say.
    pub format: Option<Format>,
    /// Whether a line of JSON that cannot be read is an error. Otherwise it is left out and counted.
    pub strict: bool,
    /// The function that opens standard input, which the name `-` stands for. If `None`, `-` is the name of a file.
    pub standard_input: Option<fn() -> Box<dyn Read>>,
    /// The credentials and settings of object stores.
    pub storage: StorageOptions,
    /// The column that says on which host an event happened, instead of the one that the data's log has for it.
    pub host_column: Option<String>,
    /// The column that says when an event happened, instead of the one that the data's log has for it: a number of
    /// seconds, a timestamp, a date, or text with times as in ISO 8601.
    pub time_column: Option<String>,
    /// The name of record batches or of a stream in messages.
    pub name: Option<String>,
    /// Whether links in a folder are followed to places outside of it. Otherwise they are left out, and a note says so.
    pub follow_links: bool,
    /// The texts that stand for a missing value in CSV and JSON, such as `NA`, besides an empty field. Spaces around a
    /// value do not count.
    pub null: Vec<String>,
}

/// One table of events, with a [`Log`] that says what its columns hold.
#[derive(Debug, Clone)]
pub struct Source {
    contents: Contents,
    columns: Vec<Column>,
    /// The columns that hold the index of a pandas table.
    indexes: BTreeSet<String>,
    /// What is to be said of objects that were left out.
    left_out: Vec<String>,
    /// The counts of the scan that is under way.
    scan_log: Arc<ScanLog>,
    /// The counts of the last scan that ended.
    counts: ScanCounts,
    log: Log,
    /// What is to be said of values that are read otherwise than they are written.
    notes: Vec<String>,
    /// What is to be said of columns whose type a scan has changed.
    later_notes: Vec<String>,
}

impl Source {
    /// Finds the data files behind `inputs` (paths, folders, globs and URLs) and reads their headers.
    ///
    /// # Errors
    /// Fails when data cannot be found or has no known format, when a file has no readable header, and when files have
    /// different columns.
    pub fn open(inputs: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Self> {
        Self::open_with(inputs, &ReadOptions::default())
    }

    /// Opens data of which more is known than its names say. Inputs keep their order; a file that is named twice is
    /// read once.
    ///
    /// # Errors
    /// Fails as [`Source::open`] does, and when a column of `options` is not there or holds lists or structs.
    pub fn open_with(
        inputs: impl IntoIterator<Item = impl AsRef<str>>,
        options: &ReadOptions,
    ) -> Result<Self> {
        let find::Found {
            files,
            notes: left_out,
            links,
        } = find::find(inputs, options)?;
        let has_fixed_format = options.format.is_some();
        let missing = Missing::new(&options.null);
        let found = files
            .into_iter()
            .map(|file| FoundFile::open(file, has_fixed_format, &missing));
        let found: Vec<FoundFile> = found.collect::<Result<_>>()?;
        let mut oddities = Oddities::default();
        for file in &found {
            oddities.add_all(&file.file.path, &file.columns);
        }
        let mut united = unite(found)?;
        for (path, column, seen) in late::resolve(&mut united, &missing)? {
            oddities.add(&path, &column, &seen);
        }
        let United {
            files,
            columns,
            indexes,
            log,
            rounded,
        } = united;
        let mut files = Files::new(files, options.storage.clone(), options.strict, missing)?;
        files.has_odd_values |= oddities.has_padded_values(&columns);
        files.zero_columns = oddities.columns_with_leading_zeros(&columns);
        let mut notes = links;
        notes.extend(oddities.notes(&columns));
        notes.extend(notes::rounded(&rounded));
        let source = Self::new(Contents::Files(files), columns, log, options)?;
        Ok(Self {
            indexes,
            left_out,
            notes,
            ..source
        })
    }

    /// Takes record batches in memory, whose rows keep their order. They can be read as often as needed, by several
    /// threads.
    ///
    /// # Errors
    /// Fails when `schema` has no columns or two of the same name, when a batch has other columns, and when a column of
    /// `options` is not there or holds lists or structs.
    pub fn from_batches(
        schema: &SchemaRef,
        batches: impl IntoIterator<Item = RecordBatch>,
        options: &ReadOptions,
    ) -> Result<Self> {
        let name = name_or(options.name.as_deref(), "record batches");
        let read = batches::columns_of(&name, schema)?;
        let (columns, log) = logged(&name, &read)?;
        let batches = Batches::new(name, read, batches)?;
        let source = Self::new(Contents::Batches(batches), columns, log, options)?;
        let indexes = pandas::index_columns(schema);
        Ok(Self { indexes, ..source })
    }

    /// Takes a reader of record batches. Its rows can be read once: a second scan fails, and with it all work that
    /// reads the data twice. Clones share the rows. Reading blocks the thread that drives the scan.
    ///
    /// # Errors
    /// Fails when the reader's schema has no columns or two of the same name, and when a column of `options` is not
    /// there or holds lists or structs.
    pub fn from_reader(
        reader: impl RecordBatchReader + Send + 'static,
        options: &ReadOptions,
    ) -> Result<Self> {
        let name = name_or(options.name.as_deref(), "record batch reader");
        let schema = reader.schema();
        let read = batches::columns_of(&name, &schema)?;
        let (columns, log) = logged(&name, &read)?;
        let stream = Stream::of_batches(name, reader, read);
        let source = Self::new(Contents::Stream(stream), columns, log, options)?;
        let indexes = pandas::index_columns(&schema);
        Ok(Self { indexes, ..source })
    }

    /// Takes newline-delimited JSON from anything that can be read, compressed or not. The columns are inferred from
    /// the first 1,000 objects, which are read at once and kept for the scan. As with
    /// [`from_reader`](Self::from_reader), the rows can be read once. A line that cannot be read is counted with its
    /// number, as for files. A fraction in a column whose first values were whole numbers fails the scan.
    ///
    /// # Errors
    /// Fails when `options.format` is neither `None` nor a form of JSON, when the first lines cannot be read or have no
    /// object among them, and when a column of `options` is not there.
    pub fn from_json(reader: impl Read + Send + 'static, options: &ReadOptions) -> Result<Self> {
        let name = name_or(options.name.as_deref(), "JSON stream");
        let (stream, columns) = Stream::of_lines(name.clone(), reader, options)?;
        check_count(&name, columns.len())?;
        let mut oddities = Oddities::default();
        oddities.add_all(&name, &columns);
        let (mut columns, log) = typed(columns);
        for column in &mut columns {
            // The stream cannot be read on, and text takes any value.
            if column.data_type == DataType::Null {
                column.data_type = DataType::Utf8;
            }
        }
        let notes = oddities.notes(&columns);
        let source = Self::new(Contents::Stream(stream), columns, log, options)?;
        Ok(Self { notes, ..source })
    }

    /// Gives columns the roles that `options` say.
    fn new(
        contents: Contents,
        columns: Vec<Column>,
        log: Log,
        options: &ReadOptions,
    ) -> Result<Self> {
        let mut source = Self {
            contents,
            columns,
            indexes: BTreeSet::new(),
            left_out: Vec::new(),
            scan_log: Arc::default(),
            counts: ScanCounts::default(),
            log,
            notes: Vec::new(),
            later_notes: Vec::new(),
        };
        if let Some(name) = &options.host_column {
            source.check_role("host_column", name)?;
            source.log = source.log.with_host(name);
        }
        if let Some(name) = &options.time_column {
            source.check_role("time_column", name)?;
            source.log = source.log.with_time(name);
        }
        Ok(source)
    }

    fn check_role(&self, option: &str, name: &str) -> Result<()> {
        let refuse = |why: &str| {
            Err(Error::usage(format!("{} {name}: {why}", parameter(option)))
                .hint(format!("the columns are {}", column_list(self))))
        };
        match self.column(name) {
            None => refuse("the data has no such column"),
            Some(column) if column.data_type.is_nested() => {
                refuse("the column holds lists or structs")
            }
            Some(_) => Ok(()),
        }
    }

    /// Returns what is known of the data's columns: which of them say host, time and more.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Returns the column that says on which host an event happened, where the data has it.
    pub(crate) fn host(&self) -> Option<&Column> {
        self.column(self.log.host()?)
    }

    /// Returns the column that says when an event happened, where the data has it.
    pub(crate) fn time(&self) -> Option<&Column> {
        self.column(self.log.time()?)
    }

    /// Returns those of `columns` that the data has.
    pub(crate) fn present<'a>(
        &self,
        columns: impl IntoIterator<Item = &'a str>,
    ) -> impl Iterator<Item = &'a str> {
        let columns = columns.into_iter();
        columns.filter(|column| self.has_column(column))
    }

    /// Returns the column that has a role in the log, where the data has it.
    pub(crate) fn role_column<'a>(&self, column: Option<&'a str>) -> Option<&'a str> {
        self.present(column).next()
    }

    /// Returns the files, in the order in which they are read. Record batches and streams have none.
    pub fn files(&self) -> impl ExactSizeIterator<Item = &DataFile> {
        self.contents.files().iter().map(|file| &file.file)
    }

    /// Returns what messages call each table that [`tables_in_order`](Self::tables_in_order) returns: the paths of the
    /// files, or the name of the record batches or the stream.
    pub(crate) fn names(&self) -> Vec<PathBuf> {
        let names = self.contents.names().into_iter();
        names.map(Path::to_owned).collect()
    }

    /// Returns whether the rows can be read more than once.
    pub fn is_repeatable(&self) -> bool {
        self.contents.is_repeatable()
    }

    /// Returns whether a file beside the data says that it is simulated.
    pub fn is_simulated(&self) -> bool {
        self.files().any(|file| file.has_neighbour(SIMULATED))
    }

    /// Refuses an output that is one of the files to be read.
    ///
    /// # Errors
    /// Fails when `output` is such a file, under whatever name.
    pub fn refuse_as_output(&self, output: impl Into<Destination>) -> Result<()> {
        let output = output.into();
        let output = output.path();
        if self.files().any(|file| file.is_at(output)) {
            return Err(
                Error::usage(format!("{}: the output is also an input", output.display()))
                    .hint("choose another name: the data would be lost"),
            );
        }
        Ok(())
    }

    /// Returns the files that `other` reads too, under whatever name.
    pub fn files_shared_with(&self, other: &Source) -> Vec<&DataFile> {
        let others: BTreeSet<PathBuf> = other.files().map(DataFile::identity).collect();
        let files = self.files();
        files
            .filter(|file| others.contains(&file.identity()))
            .collect()
    }

    /// Returns where row `row` of table `table` is, for a message: its line where that can be told, else its number
    /// from 1.
    pub(crate) fn place_of_row(&self, table: usize, row: u64) -> String {
        let file = self.contents.files().get(table).map(|file| &file.file);
        match file {
            Some(file) if matches!(file.format, Format::Csv(_)) => {
                let place = file.path.display();
                text::line_of_row(file, row).map_or_else(
                    || format!("{place}: row {row} after the header"),
                    |line| format!("{place}: line {line}"),
                )
            }
            _ => {
                let place = self.contents.names()[table].display();
                format!("{place}: row {row}, counted from 1")
            }
        }
    }

    /// Returns the columns, in the order of the first file.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Returns what is to be said of the values that the first records have, with parameters as `write` writes them: which
    /// columns are text because of a few values, and which lose digits.
    pub fn notes(&self, write: impl Fn(Named) -> String) -> impl Iterator<Item = String> {
        let notes = self.notes.iter();
        notes.map(move |note| resolved(note, &write).into_owned())
    }

    /// Returns what the last scan counted.
    pub fn counts(&self) -> &ScanCounts {
        &self.counts
    }

    /// Returns the names of all columns.
    pub(crate) fn column_names(&self) -> BTreeSet<String> {
        names_of(&self.columns)
    }

    /// Returns whether there is a column of this name.
    pub fn has_column(&self, name: &str) -> bool {
        self.column(name).is_some()
    }

    /// Returns a sentence for each list of objects of which some were left out.
    pub fn left_out(&self) -> &[String] {
        &self.left_out
    }

    /// Returns whether the column `name` holds the index of a pandas table: the labels of its rows, which say nothing of
    /// an event.
    pub fn is_index(&self, name: &str) -> bool {
        self.indexes.contains(name)
    }

    /// Returns the table's schema.
    pub fn schema(&self) -> SchemaRef {
        schema_of(&self.columns)
    }

    /// Returns how many rows there are, as far as it is known without reading them.
    pub(crate) fn expected_rows(&self) -> Option<u64> {
        self.contents.expected_rows()
    }

    /// Returns the most rows of a batch.
    pub(crate) fn batch_rows(&self) -> usize {
        self.contents.batch_rows()
    }

    /// Returns the same source with every column outside `typed` read as text, so that it can be written as it was.
    /// Columns that are not stored as text stay as they are.
    #[must_use]
    pub(crate) fn as_text_except(&self, typed: &BTreeSet<String>) -> Self {
        let mut source = self.clone();
        if source.contents.is_text() {
            let untyped = |column: &&mut Column| !typed.contains(&column.name);
            for column in source.all_columns().filter(untyped) {
                column.data_type = DataType::Utf8;
            }
        }
        source
    }

    /// Returns the columns of the source, and those that its files are read with.
    fn all_columns(&mut self) -> impl Iterator<Item = &mut Column> {
        let files = match &mut self.contents {
            Contents::Files(files) => files.files.as_mut_slice(),
            Contents::Batches(_) | Contents::Stream(_) => &mut [],
        };
        let read = files.iter_mut().flat_map(|file| &mut file.columns);
        self.columns.iter_mut().chain(read)
    }

    fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Returns the texts that stand for a missing value in files.
    fn missing(&self) -> &Missing {
        match &self.contents {
            Contents::Files(files) => &files.missing,
            Contents::Batches(_) | Contents::Stream(_) => {
                static NONE: Missing = Missing::NONE;
                &NONE
            }
        }
    }

    /// Returns whether CSV is known to have values that are written in an unusual way.
    fn reads_odd_values(&self) -> bool {
        matches!(&self.contents, Contents::Files(files) if files.has_odd_values)
    }

    /// Returns whether CSV was found to have fractions with more digits than doubles keep.
    fn met_long_fractions(&self) -> bool {
        matches!(&self.contents, Contents::Files(files) if files.lossy.long_fractions.are_there())
    }

    /// Returns whether quoted values are known to hold line breaks.
    fn expects_line_breaks(&self) -> bool {
        matches!(&self.contents, Contents::Files(files) if files.line_breaks_in_values)
    }
}

/// Returns the log that `read` are the columns of, and the columns as it has them. Errors name the data `name`.
///
/// # Errors
/// Fails when a column has a type that has nothing to do with the log's.
fn logged(name: &Path, read: &[Column]) -> Result<(Vec<Column>, Log)> {
    let names: Vec<&str> = read.iter().map(|column| column.name.as_str()).collect();
    let log = Log::recognise(&names);
    let columns = read.iter().map(|column| as_logged(column, &log));
    let columns = columns.collect::<Result<_>>();
    let columns = columns.map_err(|error| error.at(&name.display().to_string()))?;
    Ok((columns, log))
}

/// Returns the log that `found` are the columns of, and the columns as it has them.
fn typed(found: Vec<FoundColumn>) -> (Vec<Column>, Log) {
    let names: Vec<&str> = found.iter().map(|column| column.name.as_str()).collect();
    let log = Log::recognise(&names);
    let evidence = Evidence::of(found.iter());
    let columns = found
        .into_iter()
        .map(|column| column.typed(&log, &evidence));
    (columns.collect(), log)
}

/// Returns the error of data without rows: there is nothing to learn from or to judge.
pub(crate) fn no_events(source: &Source) -> Error {
    let names: Vec<_> = source
        .names()
        .iter()
        .map(|name| name.display().to_string())
        .collect();
    let what = match &source.contents {
        Contents::Files(_) => "a header but no rows",
        Contents::Batches(_) | Contents::Stream(_) => "no rows",
    };
    Error::data(format!("{}: {what}", names.join(", "))).hint("is this the right file?")
}

/// Returns the names of the columns of `source` for a message, at most 24 of them.
pub(crate) fn column_list(source: &Source) -> String {
    listed_columns(&source.schema())
}

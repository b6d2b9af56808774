//! The lines of a piece of a file as batches.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BooleanBuilder, Float64Builder, Int64Builder, RecordBatch, RecordBatchOptions,
    StringBuilder,
};
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::Result as EngineResult;
use datafusion::error::DataFusionError;
use serde::Deserialize;

use super::cell::{Cell, Value};
use super::lines::{Line, Lines};
use super::row::{Field, RowReader};
use super::{Layout, schema};
use crate::error::Result;
use crate::log::Log;
use crate::log::tracee::{self, Recognised};
use crate::naming::parameter;
use crate::source::Column;
use crate::source::file::DataFile;
use crate::source::intake::{Piece, ScanLog, TraceeEvents, bad_line};
use crate::source::text::{MAX_RECORD_BYTES, read_error};

/// A batch ends when its texts hold so many bytes, however few its rows.
const BATCH_TEXT_BYTES: usize = 8 << 20;

/// A column whose first lines promised whole numbers has a fraction.
#[derive(Debug, thiserror::Error)]
#[error("column `{column}` holds more than its first lines promised")]
pub(in crate::source) struct Misfit {
    pub column: String,
}

/// Which lines are read, and as what.
#[derive(Debug, Clone)]
pub(in crate::source) struct JsonScan {
    pub layout: Layout,
    /// Of the file, with the types that they are read as.
    pub columns: Vec<Column>,
    /// A bad line ends the scan.
    pub strict: bool,
    /// Which log the lines are of.
    pub log: Log,
    pub counts: Arc<ScanLog>,
}

impl JsonScan {
    /// The names of all columns; none of Tracee's, of whose keys some are left out on purpose.
    fn names(&self) -> Option<HashSet<String>> {
        let names = self.columns.iter().map(|column| column.name.clone());
        (!self.layout.is_tracee()).then(|| names.collect())
    }
}

/// Batches of the wanted columns of one piece of a file.
pub(in crate::source) struct BatchReader {
    file: DataFile,
    start: u64,
    lines: Lines,
    rows: RowReader,
    tracee: Option<TraceeCells>,
    columns: Vec<(Column, Builder)>,
    schema: SchemaRef,
    batch_rows: usize,
    strict: bool,
    piece: Piece,
    counts: Arc<ScanLog>,
    buffer: String,
    is_over: bool,
}

impl BatchReader {
    /// Of the lines that begin within `range`, or of all, the columns with these indices.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn open(
        scan: &JsonScan,
        file: DataFile,
        range: Option<(u64, u64)>,
        wanted: &[usize],
        (schema, batch_rows): (SchemaRef, usize),
    ) -> Result<Self> {
        let lines = match range {
            Some((start, end)) if start > 0 => Lines::piece(file.read_from(start - 1)?, start, end)
                .map_err(|error| file.failed(error))?,
            Some((_, end)) => Lines::new(file.read()?).until(end),
            None => Lines::new(file.read()?),
        };
        let columns: Vec<_> = wanted
            .iter()
            .map(|index| scan.columns[*index].clone())
            .collect();
        let mut fields: Vec<Field> = columns
            .iter()
            .map(|column| schema::field(&column.name, scan.layout, &scan.log))
            .collect();
        let tracee = scan
            .layout
            .is_tracee()
            .then(|| TraceeCells::of(&mut fields, scan));
        let columns = columns.into_iter().map(|column| {
            let builder = Builder::new(&column.data_type);
            (column, builder)
        });
        Ok(Self {
            start: range.map_or(0, |(start, _)| start),
            piece: Piece {
                tracee: tracee.as_ref().map(|_| TraceeEvents::default()),
                ..Piece::default()
            },
            columns: columns.collect(),
            rows: RowReader::new(fields, scan.names()),
            counts: Arc::clone(&scan.counts),
            strict: scan.strict,
            buffer: String::new(),
            is_over: false,
            file,
            lines,
            tracee,
            schema,
            batch_rows,
        })
    }

    /// The next rows; none after the last.
    fn batch(&mut self) -> EngineResult<Option<RecordBatch>> {
        let (mut rows, mut text_bytes) = (0, 0);
        while rows < self.batch_rows && text_bytes < BATCH_TEXT_BYTES {
            let line = self.lines.next().map_err(|error| {
                read_error(&self.file.path, 1 + self.piece.events, error.into())
            })?;
            let Some(Line { offset, bytes }) = line else {
                self.is_over = true;
                break;
            };
            if bytes.is_some_and(<[u8]>::is_empty) {
                continue;
            }
            let why = match read_line(bytes, &mut self.rows, self.tracee.as_ref(), &mut self.piece)
            {
                Ok(cells) => match append(&mut self.columns, cells, &mut self.buffer) {
                    Ok(bytes) => {
                        text_bytes += bytes;
                        rows += 1;
                        self.piece.events += 1;
                        continue;
                    }
                    Err(Refusal::Misfit(column)) => {
                        return Err(DataFusionError::External(Box::new(Misfit { column })));
                    }
                    Err(Refusal::Line(why)) => why,
                },
                Err(why) => why,
            };
            if self.strict {
                let error = bad_line(&self.file, offset, &why);
                return Err(error
                    .hint(format!(
                        "correct this line, or leave out {} to go on without it",
                        parameter("strict")
                    ))
                    .into());
            }
            self.piece.add_bad(offset, why);
        }
        if rows == 0 {
            return Ok(None);
        }
        let arrays = self.columns.iter_mut().map(|(_, builder)| builder.finish());
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(
            Arc::clone(&self.schema),
            arrays.collect(),
            &options,
        )?;
        Ok(Some(batch))
    }
}

impl Iterator for BatchReader {
    type Item = EngineResult<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let batch = self.batch();
        self.is_over |= batch.is_err();
        batch.transpose()
    }
}

impl Drop for BatchReader {
    /// Also where a query has enough rows before the end.
    fn drop(&mut self) {
        let mut piece = std::mem::take(&mut self.piece);
        piece.late_keys = self.rows.take_late_keys();
        self.counts.record(&self.file, self.start, piece);
    }
}

/// The cells of one line, with an event of Tracee's in BETH's terms.
fn read_line<'a>(
    line: Option<&[u8]>,
    rows: &'a mut RowReader,
    tracee: Option<&TraceeCells>,
    piece: &mut Piece,
) -> std::result::Result<&'a mut [Cell], String> {
    let line = line.ok_or_else(|| format!("longer than {MAX_RECORD_BYTES} bytes"))?;
    let cells = rows.read(line).map_err(|error| reason(&error))?;
    if let Some(tracee) = tracee {
        let counts = piece.tracee.get_or_insert_default();
        *match tracee.translate(cells, line) {
            Recognised::Mapped { .. } => &mut counts.mapped,
            Recognised::Aliased { .. } => &mut counts.aliased,
            Recognised::Unknown => &mut counts.unknown,
        } += 1;
    }
    Ok(cells)
}

/// The parser counts lines within the one line that it is given.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let what = text.split(" at line ").next().unwrap_or_default();
    format!("column {}: not a JSON object: {what}", error.column())
}

/// Why a line's values do not fit their columns.
enum Refusal {
    /// The column can be read as a wider type.
    Misfit(String),
    Line(String),
}

/// Adds a row, and says how many bytes of text it has. Nothing is added where a value does not fit.
fn append(
    columns: &mut [(Column, Builder)],
    cells: &[Cell],
    buffer: &mut String,
) -> std::result::Result<usize, Refusal> {
    for ((column, builder), cell) in columns.iter().zip(cells) {
        if !builder.takes(cell) {
            return Err(column.refusal(cell));
        }
    }
    let each = columns.iter_mut().zip(cells);
    Ok(each
        .map(|((_, builder), cell)| builder.append(cell, buffer))
        .sum())
}

impl Column {
    fn refusal(&self, cell: &Cell) -> Refusal {
        if self.inferred && self.data_type == DataType::Int64 && cell.number().is_some() {
            return Refusal::Misfit(self.name.clone());
        }
        let expected = match self.data_type {
            DataType::Int64 => "a whole number",
            DataType::Float64 => "a number",
            _ => "true or false",
        };
        Refusal::Line(format!("`{}`: expected {expected}", self.name))
    }
}

enum Builder {
    Integers(Int64Builder),
    Numbers(Float64Builder),
    Booleans(BooleanBuilder),
    Texts(StringBuilder),
}

impl Builder {
    fn new(data_type: &DataType) -> Self {
        match data_type {
            DataType::Int64 => Self::Integers(Int64Builder::new()),
            DataType::Float64 => Self::Numbers(Float64Builder::new()),
            DataType::Boolean => Self::Booleans(BooleanBuilder::new()),
            _ => Self::Texts(StringBuilder::new()),
        }
    }

    fn takes(&self, cell: &Cell) -> bool {
        match self {
            Self::Integers(_) => cell.integer().is_some(),
            Self::Numbers(_) => cell.number().is_some(),
            Self::Booleans(_) => cell.boolean().is_some(),
            Self::Texts(_) => true,
        }
    }

    /// Adds a value that it takes, and says how many bytes of text that is.
    fn append(&mut self, cell: &Cell, buffer: &mut String) -> usize {
        match self {
            Self::Integers(builder) => builder.append_option(cell.integer().flatten()),
            Self::Numbers(builder) => builder.append_option(cell.number().flatten()),
            Self::Booleans(builder) => builder.append_option(cell.boolean().flatten()),
            Self::Texts(builder) => {
                let text = cell.text(buffer);
                builder.append_option(text);
                return text.map_or(0, str::len);
            }
        }
        0
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Integers(builder) => Arc::new(builder.finish()),
            Self::Numbers(builder) => Arc::new(builder.finish()),
            Self::Booleans(builder) => Arc::new(builder.finish()),
            Self::Texts(builder) => Arc::new(builder.finish()),
        }
    }
}

/// Where the cells are whose meaning differs from BETH's.
struct TraceeCells {
    event_name: usize,
    event_id: Option<usize>,
    args_num: Option<usize>,
    timestamp: Option<usize>,
    /// Columns that BETH writes as an empty list where there is none.
    lists: Vec<usize>,
    is_later: bool,
}

impl TraceeCells {
    /// The event's name is read whether or not it is wanted.
    fn of(fields: &mut Vec<Field>, scan: &JsonScan) -> Self {
        let position =
            |fields: &[Field], name: &str| fields.iter().position(|field| field.key == name);
        let event_name = position(fields, tracee::EVENT_NAME).unwrap_or_else(|| {
            fields.push(schema::field(tracee::EVENT_NAME, scan.layout, &scan.log));
            fields.len() - 1
        });
        let lists = scan.log.list_columns();
        Self {
            event_name,
            event_id: position(fields, tracee::EVENT_ID),
            args_num: position(fields, tracee::ARGS_NUM),
            timestamp: position(fields, tracee::TIMESTAMP),
            lists: lists
                .iter()
                .filter_map(|(name, _)| position(fields, name))
                .collect(),
            is_later: scan.layout == Layout::TraceeNanoseconds,
        }
    }

    /// Puts BETH's names, numbers and units into the cells of an event.
    fn translate(&self, cells: &mut [Cell], line: &[u8]) -> Recognised {
        for list in &self.lists {
            if cells[*list].value == Value::Null {
                cells[*list].set_text("[]");
            }
        }
        if let Some(timestamp) = self.timestamp.filter(|_| self.is_later)
            && let Value::Integer(nanoseconds) = cells[timestamp].value
        {
            cells[timestamp].value = Value::Number(tracee::seconds(nanoseconds));
        }
        let recognised = match cells[self.event_name].value {
            Value::Text => tracee::recognise(&cells[self.event_name].text, || has_empty_path(line)),
            _ => Recognised::Unknown,
        };
        let (number, args) = match recognised {
            Recognised::Mapped { id, args_num } => (Some(id), Some(args_num)),
            Recognised::Aliased { name, id, args_num } => {
                cells[self.event_name].set_text(name);
                (Some(id), Some(args_num))
            }
            Recognised::Unknown => (self.unknown_id(cells), None),
        };
        for (cell, value) in [(self.event_id, number), (self.args_num, args)] {
            if let (Some(cell), Some(value)) = (cell, value) {
                cells[cell].value = Value::Integer(value);
            }
        }
        recognised
    }

    /// In 2021 the numbers were BETH's.
    fn unknown_id(&self, cells: &[Cell]) -> Option<i64> {
        let id = cells[self.event_id.filter(|_| self.is_later)?].integer()??;
        Some(tracee::unknown_id(id))
    }
}

/// Whether an event's argument `pathname` is an empty text.
fn has_empty_path(line: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Event<'a> {
        #[serde(borrow)]
        args: Vec<Argument<'a>>,
    }
    #[derive(Deserialize)]
    struct Argument<'a> {
        #[serde(borrow)]
        name: Cow<'a, str>,
        #[serde(default)]
        value: serde_json::Value,
    }
    serde_json::from_slice::<Event>(line).is_ok_and(|event| {
        let mut arguments = event.args.iter();
        arguments.any(|argument| argument.name == "pathname" && argument.value == "")
    })
}

/// An error of ours that says what is wrong with a column, as the engine hands it back.
pub(in crate::source) fn misfit(error: &DataFusionError) -> Option<&Misfit> {
    match error.find_root() {
        DataFusionError::External(inner) => inner.downcast_ref(),
        _ => None,
    }
}

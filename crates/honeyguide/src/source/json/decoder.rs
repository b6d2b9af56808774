//! Lines as rows of columns, wherever the lines come from.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::arrow::array::{RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::arrow::error::ArrowError;

use super::cell::{Cell, Value};
use super::dns_reader::DnsReader;
use super::field::Field;
use super::lenient::Lenient;
use super::row::RowReader;
use super::scan::JsonScan;
use super::structured::StructuredReader;
use super::tracee_cells::TraceeCells;
use super::{Layout, pick, schema};
use crate::log::Dialect;
use crate::log::tracee::{Form, Recognised, no_event};
use crate::log::zeek_tsv::TsvReader;
use crate::source::column::{Column, schema_of};
use crate::source::intake::{LateKeys, TraceeEvents};
use crate::source::long_fractions::has_long_fraction;
use crate::source::seen::Missing;
use crate::source::values::{Builder, Unfit, expected};

/// A batch ends when its texts have this many bytes, however few its rows are.
const BATCH_TEXT_BYTES: usize = 8 << 20;

/// A decoder that takes lines one by one and returns their rows in batches.
pub(in crate::source) struct JsonDecoder {
    lines: LineReader,
    dialect: Option<Dialect>,
    tracee: Option<TraceeCells>,
    events: Option<TraceeEvents>,
    /// Whether doubles may lose digits of the wanted columns.
    has_doubles: bool,
    /// The columns that are wanted, with their values.
    columns: Vec<(Column, Builder)>,
    /// The other columns whose values can make a line a bad one. Their cells follow those of `columns`.
    checked: Vec<Column>,
    missing: Arc<Missing>,
    schema: SchemaRef,
    /// The number of rows since the last batch.
    n_rows: usize,
    /// The bytes of their texts.
    text_bytes: usize,
    buffer: String,
    /// A line that is read leniently.
    repaired: Lenient,
}

/// A reader of single lines into cells.
enum LineReader {
    Rows(RowReader),
    /// Lines of Tracee's structured form.
    Structured(StructuredReader),
    Dns(DnsReader),
    /// Lines of Zeek's own format, of which the headers say how they are read.
    ZeekTsv(TsvReader, DnsReader),
}

/// The reason why a line is not a row.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::source) enum Refusal {
    /// A column whose first values were whole numbers has a fraction. It can be read as a wider type.
    Misfit(String),
    /// The line is an object of another kind than the lines of the text.
    Other(String),
    /// The line belongs to a header.
    Header,
    /// Anything else, in words.
    Line(String),
}

impl JsonDecoder {
    /// Decodes the columns with the indices `wanted`. The values of other columns are checked as well, except for those
    /// of text, which take any value. The same lines are thus rows, whichever columns are wanted.
    pub fn new(scan: &JsonScan, wanted: &[usize]) -> Self {
        let JsonScan {
            layout,
            columns,
            log,
            ..
        } = scan;
        let (layout, all) = (*layout, columns.iter().enumerate());
        let checked: Vec<Column> = all
            .filter(|(index, column)| !wanted.contains(index) && column.data_type != DataType::Utf8)
            .map(|(_, column)| column.clone())
            .collect();
        let wanted: Vec<Column> = wanted.iter().map(|index| columns[*index].clone()).collect();
        let mut fields: Vec<Field> = wanted
            .iter()
            .chain(&checked)
            .map(|column| schema::field(&column.name, layout, log))
            .collect();
        let form = layout.form();
        let tracee = form.map(|form| TraceeCells::of(&mut fields, form, log));
        let known: HashSet<String> = columns.iter().map(|column| column.name.clone()).collect();
        let lines = match layout {
            Layout::Plain => LineReader::Rows(RowReader::new(fields, Some(known))),
            Layout::Tracee(Form::Structured) => {
                LineReader::Structured(StructuredReader::new(&fields))
            }
            // Some keys of Tracee's are left out on purpose.
            Layout::Tracee(_) => LineReader::Rows(RowReader::new(fields, None)),
            Layout::Dns(dialect) => LineReader::Dns(DnsReader::new(dialect, &fields, known)),
            Layout::ZeekTsv => LineReader::ZeekTsv(
                TsvReader::default(),
                DnsReader::new(Dialect::Zeek, &fields, known),
            ),
        };
        Self {
            lines,
            dialect: layout.dialect(),
            events: form.map(|_| TraceeEvents::default()),
            tracee,
            schema: schema_of(&wanted),
            has_doubles: wanted
                .iter()
                .any(|column| column.inferred && column.data_type == DataType::Float64),
            columns: wanted
                .into_iter()
                .map(|column| {
                    let builder = Builder::new(&column.data_type);
                    (column, builder)
                })
                .collect(),
            checked,
            missing: Arc::clone(&scan.missing),
            n_rows: 0,
            text_bytes: 0,
            buffer: String::new(),
            repaired: Lenient::default(),
        }
    }

    /// Adds one line, without its end, as a row, and returns how many of its texts had to be replaced in part. A line
    /// that is refused adds nothing.
    ///
    /// # Errors
    /// Fails when the line cannot be read, is a header, or has a value that its column cannot take.
    pub fn push(&mut self, line: &[u8]) -> Result<u64, Refusal> {
        if let LineReader::ZeekTsv(values, messages) = &mut self.lines {
            let object = values.read(line).map_err(Refusal::Line)?;
            messages.read(&object.ok_or(Refusal::Header)?);
            return self.push_cells(line).map(|()| 0);
        }
        let line = line.trim_ascii();
        let strict = match self.read(line) {
            Ok(()) => return self.push_cells(line).map(|()| 0),
            Err(error) => error,
        };
        let mut repaired = std::mem::take(&mut self.repaired);
        let pushed = if repaired.read(line) && self.read(repaired.line()).is_ok() {
            self.push_cells(repaired.line())
                .map(|()| repaired.replaced())
        } else {
            Err(Refusal::Line(reason(&strict)))
        };
        self.repaired = repaired;
        pushed
    }

    /// Reads a line of JSON into the cells.
    fn read(&mut self, line: &[u8]) -> serde_json::Result<()> {
        match &mut self.lines {
            LineReader::Rows(reader) => reader.read(line).map(|_| ()),
            LineReader::Structured(reader) => reader.read(line),
            LineReader::Dns(reader) | LineReader::ZeekTsv(_, reader) => {
                reader.read(&serde_json::from_slice(line)?);
                Ok(())
            }
        }
    }

    /// Adds the row whose values are in the cells of `line`.
    fn push_cells(&mut self, line: &[u8]) -> Result<(), Refusal> {
        let (cells, path_is_empty) = match &mut self.lines {
            LineReader::Rows(reader) => (reader.cells(), None),
            LineReader::Structured(reader) => reader.cells(),
            LineReader::Dns(reader) | LineReader::ZeekTsv(_, reader) => {
                (reader.cells().map_err(Refusal::Other)?, None)
            }
        };
        let recognised = match &self.tracee {
            None => None,
            Some(tracee) => {
                let missing = tracee.missing(cells);
                if !missing.is_empty() {
                    return Err(Refusal::Other(no_event(&missing)));
                }
                Some(tracee.translate(cells, line, path_is_empty))
            }
        };
        let wanted = self.columns.iter().map(|(column, _)| column);
        let may_lose_digits = self.has_doubles && has_long_fraction(line);
        for (column, cell) in wanted.clone().zip(cells.iter_mut()) {
            complete(cell, column, line, may_lose_digits, &self.missing);
            cell.check(column).map_err(|unfit| refusal(column, unfit))?;
        }
        for (column, cell) in self.checked.iter().zip(&mut cells[self.columns.len()..]) {
            complete(cell, column, line, false, &self.missing);
            // What a wider type holds is no fault of the line.
            if cell.check(column) == Err(Unfit::Kind) {
                return Err(refusal(column, Unfit::Kind));
            }
        }
        for ((_, builder), cell) in self.columns.iter_mut().zip(cells.iter()) {
            self.text_bytes += builder.append(cell, &mut self.buffer);
        }
        self.n_rows += 1;
        if let Some(recognised) = recognised {
            let events = self.events.get_or_insert_default();
            *match recognised {
                Recognised::Mapped { .. } => &mut events.mapped,
                Recognised::Aliased { .. } => &mut events.aliased,
                Recognised::Unknown => &mut events.unknown,
            } += 1;
        }
        Ok(())
    }

    /// Returns the header that holds for the next line, if the lines have headers.
    pub fn header(&self) -> Option<&TsvReader> {
        match &self.lines {
            LineReader::ZeekTsv(header, _) => Some(header),
            _ => None,
        }
    }

    /// Sets the header that holds for the next line, where lines have headers.
    pub fn set_header(&mut self, header: TsvReader) {
        if let LineReader::ZeekTsv(known, _) = &mut self.lines {
            *known = header;
        }
    }

    /// Returns whether the rows since the last batch are to become one, of at most `batch_rows` rows.
    pub fn is_full(&self, batch_rows: usize) -> bool {
        self.n_rows >= batch_rows || self.text_bytes >= BATCH_TEXT_BYTES
    }

    /// Returns the rows since the last batch, or `None` where there are none.
    ///
    /// # Errors
    /// Does not fail: the arrays are as long as there are rows.
    pub fn flush(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        let rows = std::mem::take(&mut self.n_rows);
        self.text_bytes = 0;
        if rows == 0 {
            return Ok(None);
        }
        let arrays = self.columns.iter_mut().map(|(_, builder)| builder.finish());
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let schema = Arc::clone(&self.schema);
        RecordBatch::try_new_with_options(schema, arrays.collect(), &options).map(Some)
    }

    /// Returns the dialect of the lines; `None` for any objects.
    pub fn dialect(&self) -> Option<Dialect> {
        self.dialect
    }

    /// Returns how the events of Tracee were mapped so far; `None` where the lines are not Tracee's.
    pub fn tracee_events(&self) -> Option<TraceeEvents> {
        self.events
    }

    /// Takes the keys that were met and are no columns.
    pub fn take_late_keys(&mut self) -> LateKeys {
        match &mut self.lines {
            LineReader::Rows(reader) => reader.take_late_keys(),
            LineReader::Structured(_) => LateKeys::default(),
            LineReader::Dns(reader) | LineReader::ZeekTsv(_, reader) => reader.take_late_keys(),
        }
    }
}

/// Says what is wrong with a line. The parser counts lines within the one line that it is given.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let what = text.split(" at line ").next().unwrap_or_default();
    format!("column {}: not a JSON object: {what}", error.column())
}

/// Makes a null of a text that stands for a missing value, and gives a number its digits where `column` needs them, also
/// those of a fraction if doubles may lose some in the line.
fn complete(
    cell: &mut Cell,
    column: &Column,
    line: &[u8],
    may_lose_digits: bool,
    missing: &Missing,
) {
    if cell.value == Value::Text && missing.has(&cell.text) {
        cell.value = Value::Null;
    } else if cell.needs_digits(column, may_lose_digits)
        && let Some(digits) = pick::number(line, &column.name)
    {
        cell.set_text(digits);
    }
}

fn refusal(column: &Column, unfit: Unfit) -> Refusal {
    match unfit {
        Unfit::Narrow => Refusal::Misfit(column.name.clone()),
        Unfit::Kind => Refusal::Line(format!(
            "`{}`: expected {}",
            column.name,
            expected(&column.data_type)
        )),
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::AsArray;
    use datafusion::arrow::datatypes::Int64Type;

    use super::super::Layout;
    use super::*;
    use crate::log::Log;

    fn decoder(wanted: &[usize]) -> JsonDecoder {
        let columns = [
            Column::inferred("n", DataType::Int64),
            Column::inferred("flag", DataType::Boolean),
            Column::inferred("text", DataType::Utf8),
        ];
        let scan = JsonScan {
            layout: Layout::Plain,
            columns: columns.to_vec(),
            strict: false,
            missing: Arc::default(),
            log: Log::recognise(&[]),
            counts: Arc::default(),
        };
        JsonDecoder::new(&scan, wanted)
    }

    #[test]
    fn lines_become_rows_and_bad_ones_leave_no_trace() {
        let mut decoder = decoder(&[2, 0]);
        decoder.push(br#"{"n":1,"text":"a","late":0}"#).unwrap();
        let misfit = decoder.push(br#"{"text":"b","n":1.5}"#);
        assert_eq!(misfit, Err(Refusal::Misfit("n".into())));
        let refused = decoder.push(br#"{"n":[],"text":"c"}"#);
        let expected = Refusal::Line("`n`: expected a whole number".into());
        assert_eq!(refused, Err(expected));
        assert!(decoder.push(b"[1]").is_err());
        decoder.push(br#"{"flag":true}"#).unwrap();
        assert!(decoder.is_full(2) && !decoder.is_full(3));
        let batch = decoder.flush().unwrap().unwrap();
        let texts: Vec<_> = batch.column(0).as_string::<i32>().iter().collect();
        let numbers: Vec<_> = batch.column(1).as_primitive::<Int64Type>().iter().collect();
        assert_eq!(texts, [Some("a"), None]);
        assert_eq!(numbers, [Some(1), None]);
        assert_eq!(decoder.flush().unwrap(), None);
        let mut late = LateKeys::default();
        late.add("late");
        assert_eq!(decoder.take_late_keys(), late);
    }
}

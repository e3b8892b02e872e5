//! Reads JSON rows, an array of objects or one object a line, as a stream with one row in memory.
//!
//! The columns are the fields of the first thousand rows. A row may leave fields out, which are then
//! missing values; a row after the first thousand may not add one.

use std::collections::HashMap;
use std::fmt;
use std::io::{BufReader, Read};

use csv::ByteRecord;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::super::decode;
use super::super::row_bound::{RowBound, RowMeter, name_row};
use super::super::row_sink::{RowSink, check_name};
use super::lines::{BUFFER, Lines};
use crate::error::IngestError;
use crate::options::{UploadLimits, UploadOptions};

const SAMPLE: usize = 1_000;
/// Memory for the sample, at most: rows of many columns end it sooner.
const SAMPLE_BYTES: usize = 16 << 20;

pub(super) fn read_array(
    content: impl Read,
    options: &UploadOptions,
    sink: &mut RowSink<'_>,
) -> Result<(), IngestError> {
    let content = RowBound::new(content, sink.meter(), options.limits.line_bytes);
    let mut table = Table::new(sink, options);
    let mut json = serde_json::Deserializer::from_reader(BufReader::with_capacity(BUFFER, content));
    let read = Rows(&mut table).deserialize(&mut json).and_then(|()| json.end());
    table.outcome(read, None)?;
    table.finish()
}

pub(super) fn read_lines(
    content: impl Read,
    options: &UploadOptions,
    sink: &mut RowSink<'_>,
) -> Result<(), IngestError> {
    let mut lines = Lines::new(content, sink.meter(), options.limits.line_bytes);
    let mut table = Table::new(sink, options);
    while let Some((line, text)) = lines.next()? {
        if text.trim_ascii().is_empty() {
            table.meter.start_row();
            continue;
        }
        table.line = line;
        let mut json = serde_json::Deserializer::from_slice(text);
        let read = Row(&mut table).deserialize(&mut json).and_then(|()| json.end());
        table.outcome(read, Some(line))?;
    }
    table.finish()
}

/// Objects into rows of one header.
struct Table<'a, 'b> {
    sink: &'a mut RowSink<'b>,
    meter: RowMeter,
    limits: &'a UploadLimits,
    places: HashMap<String, usize>,
    names: Vec<String>,
    sample: Vec<(u64, Vec<String>)>,
    sample_bytes: usize,
    cells: Vec<String>,
    filled: Vec<bool>,
    line: u64,
    started: bool,
    /// What ended the reading, when it was not the JSON itself.
    stopped: Option<IngestError>,
}

impl<'a, 'b> Table<'a, 'b> {
    fn new(sink: &'a mut RowSink<'b>, options: &'a UploadOptions) -> Self {
        Self {
            meter: sink.meter(),
            limits: &options.limits,
            sink,
            places: HashMap::new(),
            names: Vec::new(),
            sample: Vec::new(),
            sample_bytes: 0,
            cells: Vec::new(),
            filled: Vec::new(),
            line: 0,
            started: false,
            stopped: None,
        }
    }

    /// The error that ended the reading, as a refusal.
    fn outcome(&mut self, read: serde_json::Result<()>, line: Option<u64>) -> Result<(), IngestError> {
        let Err(error) = read else { return Ok(()) };
        if let Some(stopped) = self.stopped.take() {
            return Err(stopped);
        }
        if error.is_io() {
            let row = format!("row {}", self.line);
            return Err(name_row(decode::recover(error.into()), &row, ""));
        }
        let (line, column) = (line.unwrap_or(error.line() as u64), error.column());
        let text = error.to_string();
        let what = text.split(" at line ").next().unwrap_or("it does not parse");
        Err(IngestError::refuse("invalid_json", format!("line {line}, character {column}: {what}")))
    }

    fn clear(&mut self) {
        self.cells.iter_mut().for_each(String::clear);
        self.filled.fill(false);
    }

    fn set(&mut self, name: &str, value: Cell) -> Result<(), IngestError> {
        let line = self.line;
        let at = match self.places.get(name) {
            Some(&at) => at,
            None if self.started => {
                let detail = format!("row {line} brings a field `{name}` that the rows before did not have");
                return Err(IngestError::refuse("unknown_field", detail));
            }
            None => {
                let at = self.names.len();
                check_name(name, at + 1, self.limits)?;
                if at >= self.limits.columns {
                    let detail = format!("the rows have more than {at} different fields");
                    return Err(IngestError::too_large("too_many_columns", detail));
                }
                self.names.push(name.to_owned());
                self.places.insert(name.to_owned(), at);
                self.cells.push(String::new());
                self.filled.push(false);
                at
            }
        };
        if let Some(filled) = self.filled.get_mut(at)
            && std::mem::replace(filled, true)
        {
            return Err(IngestError::refuse("duplicate_field", format!("row {line} gives the field `{name}` twice")));
        }
        match (value, self.cells.get_mut(at)) {
            (Cell::Text(text), Some(cell)) => *cell = text,
            (Cell::Nested, _) => {
                let detail =
                    format!("row {line}: the field `{name}` holds a list or an object; expected a text or a number");
                return Err(IngestError::refuse("nested_value", detail));
            }
            (Cell::Null, _) | (_, None) => {}
        }
        Ok(())
    }

    fn end_row(&mut self) -> Result<(), IngestError> {
        if self.started {
            return self.sink.row(self.line, &ByteRecord::from(self.cells.as_slice()));
        }
        self.meter.start_row();
        self.sample_bytes += self.cells.iter().map(|cell| size_of::<String>() + cell.len()).sum::<usize>();
        self.sample.push((self.line, self.cells.clone()));
        if self.sample.len() >= SAMPLE || self.sample_bytes >= SAMPLE_BYTES { self.start() } else { Ok(()) }
    }

    fn start(&mut self) -> Result<(), IngestError> {
        self.started = true;
        self.sink.header(self.names.clone())?;
        for (line, mut cells) in std::mem::take(&mut self.sample) {
            cells.resize(self.names.len(), String::new());
            self.sink.row(line, &ByteRecord::from(cells))?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<(), IngestError> {
        if self.line == 0 {
            return Err(IngestError::refuse("no_rows", "the upload has no rows"));
        }
        if self.started { Ok(()) } else { self.start() }
    }
}

struct Rows<'t, 'a, 'b>(&'t mut Table<'a, 'b>);

impl<'de> DeserializeSeed<'de> for Rows<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Rows<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of row objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<(), A::Error> {
        self.0.line = 1;
        while rows.next_element_seed(Row(self.0))?.is_some() {
            self.0.line += 1;
        }
        self.0.line -= 1;
        Ok(())
    }
}

struct Row<'t, 'a, 'b>(&'t mut Table<'a, 'b>);

impl<'de> DeserializeSeed<'de> for Row<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Row<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a row object such as {\"time\": \"2001-01-31\", \"value\": 1.5}")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let table = self.0;
        table.clear();
        let stop = |table: &mut Table<'_, '_>, error| {
            table.stopped = Some(error);
            A::Error::custom("stopped")
        };
        while let Some(name) = fields.next_key::<String>()? {
            let value = fields.next_value_seed(CellSeed)?;
            if let Err(error) = table.set(&name, value) {
                return Err(stop(table, error));
            }
        }
        table.end_row().map_err(|error| stop(table, error))
    }
}

/// One value, as the text that a cell of CSV would have.
enum Cell {
    Null,
    Text(String),
    Nested,
}

struct CellSeed;

impl<'de> DeserializeSeed<'de> for CellSeed {
    type Value = Cell;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Cell, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for CellSeed {
    type Value = Cell;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a number, true, false or null")
    }

    fn visit_unit<E>(self) -> Result<Cell, E> {
        Ok(Cell::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Cell, E> {
        Ok(Cell::Text(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Cell, E> {
        Ok(Cell::Text(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Cell, E> {
        Ok(Cell::Text(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Cell, E> {
        Ok(Cell::Text(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Cell, E> {
        Ok(Cell::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Cell, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Cell::Nested)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Cell, A::Error> {
        while fields.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Cell::Nested)
    }
}

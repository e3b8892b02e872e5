//! The `.tsf` files of the Monash forecasting archive (Godahewa et al. 2021, "Monash Time Series Forecasting Archive"),
//! read as a stream with one series in memory.
//!
//! A head of `@` lines is followed by one line for each series: the values of its attributes, then its numbers.
//!
//! ```text
//! # a comment
//! @relation electricity
//! @attribute series_name string
//! @attribute start_timestamp date
//! @frequency hourly
//! @data
//! T1:2012-01-01 00-00-01:14,18,?,22
//! ```

use std::io::Read;

use csv::ByteRecord;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use super::super::column_plan::{ColumnPlan, PlannedColumn, warning};
use super::super::load::SeriesStart;
use super::super::row_sink::RowSink;
use super::lines::Lines;
use crate::error::IngestError;
use crate::options::{TimeFormat, UploadOptions};
use gatecast_core::dataset::{ColumnKind, Layout};
use gatecast_core::frequency::Frequency;

/// The attribute that names the series.
const SERIES_NAME: &str = "series_name";
const MOST_ATTRIBUTES: usize = 100;

/// Whether the content is a `.tsf` file: its first line that is no comment begins the head.
pub(super) fn is_shown_by(head: &[u8]) -> bool {
    let mut lines = head.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
    let first = lines.find(|line| !line.is_empty() && !line.starts_with(b"#"));
    let words = ["@relation", "@attribute", "@frequency", "@horizon", "@missing", "@equallength", "@data"];
    first.is_some_and(|line| words.iter().any(|word| line.starts_with(word.as_bytes())))
}

pub(super) fn read(content: impl Read, options: &UploadOptions, sink: &mut RowSink<'_>) -> Result<(), IngestError> {
    let meter = sink.meter();
    let mut lines = Lines::new(content, meter.clone(), options.limits.line_bytes);
    let mut head = Head { frequency: options.frequency, ..Head::default() };
    let mut in_data = false;
    while let Some((line, text)) = lines.next()? {
        let text = text.trim_ascii();
        if text.is_empty() || text.starts_with(b"#") {
            meter.start_row();
        } else if in_data {
            head.series += 1;
            let (cells, start) = head.series_of(text, line)?;
            sink.series(line, &cells, start)?;
        } else {
            meter.start_row();
            in_data = head.read(text, line, options)?;
            if in_data {
                let names = head.attributes.iter().map(|attribute| attribute.name.clone()).collect();
                sink.planned(head.plan(), names)?;
            }
        }
    }
    if in_data { Ok(()) } else { Err(invalid("there is no line `@data`")) }
}

/// What the lines before the data say.
#[derive(Debug, Default)]
struct Head {
    attributes: Vec<Attribute>,
    /// Given by the caller, or by the file.
    frequency: Option<Frequency>,
    /// The number of series so far.
    series: u64,
}

#[derive(Debug)]
struct Attribute {
    name: String,
    kind: AttributeKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AttributeKind {
    Text,
    Number,
    Date,
}

impl Head {
    /// Takes one line of the head. Returns whether the data comes next.
    fn read(&mut self, text: &[u8], line: u64, options: &UploadOptions) -> Result<bool, IngestError> {
        let text = String::from_utf8_lossy(text);
        let mut words = text.split_whitespace();
        let (name, value) = (words.next().unwrap_or_default().to_ascii_lowercase(), words.next());
        match (name.as_str(), value) {
            ("@data", _) => return Ok(true),
            ("@attribute", Some(name)) => {
                let kind = match words.next().map(str::to_ascii_lowercase).as_deref() {
                    Some("string") => AttributeKind::Text,
                    Some("numeric") => AttributeKind::Number,
                    Some("date") => AttributeKind::Date,
                    _ => {
                        let detail = format!("line {line}: the type of `{name}` is not `string`, `numeric` or `date`");
                        return Err(invalid(detail));
                    }
                };
                if self.attributes.len() >= MOST_ATTRIBUTES {
                    return Err(invalid(format!("there are more than {MOST_ATTRIBUTES} attributes")));
                }
                self.attributes.push(Attribute { name: name.to_owned(), kind });
            }
            ("@frequency", Some(word)) if options.frequency.is_none() => {
                self.frequency = Some(frequency_of(word).ok_or_else(|| {
                    invalid(format!("line {line}: unknown frequency: `{word}`; set the option `frequency`"))
                })?);
            }
            ("@relation" | "@frequency" | "@horizon" | "@missing" | "@equallength", _) => {}
            _ => return Err(invalid(format!("line {line}: expected a line that begins with `@`, such as `@data`"))),
        }
        Ok(false)
    }

    /// The attribute that has the keys of the series.
    fn key(&self) -> Option<usize> {
        let texts =
            || self.attributes.iter().enumerate().filter(|(_, attribute)| attribute.kind == AttributeKind::Text);
        let named = texts().find(|(_, attribute)| attribute.name == SERIES_NAME);
        named.or_else(|| texts().next()).map(|(at, _)| at)
    }

    /// The attribute that has the time of each series' first point, if the frequency is known.
    fn start(&self) -> Option<usize> {
        self.frequency?;
        self.attributes.iter().position(|attribute| attribute.kind == AttributeKind::Date)
    }

    fn plan(&self) -> ColumnPlan {
        let (series, time) = (self.key(), self.start());
        let name = |at: usize| self.attributes.get(at).map_or("", |attribute| attribute.name.as_str());
        let ids = series.map_or("series have no names".to_owned(), |at| format!("series ids in `{}`", name(at)));
        let times = time.map_or("no times".to_owned(), |at| format!("first times in `{}`", name(at)));
        let unused = (0..self.attributes.len()).filter(|&at| Some(at) != series && Some(at) != time);
        let warnings = unused.map(|at| {
            let is_date = self.attributes.get(at).is_some_and(|attribute| attribute.kind == AttributeKind::Date);
            let why = if is_date && time.is_none() { ": the file has no @frequency" } else { "" };
            warning("column_dropped", format!("the attribute `{}` was left out{why}", name(at)))
        });
        ColumnPlan {
            layout: Layout::Rows,
            reason: format!("a .tsf file has one row for each series; {ids}, {times}"),
            time,
            time_format: TimeFormat::Calendar,
            time_range: None,
            series,
            columns: vec![PlannedColumn { at: 1, name: "value".to_owned(), kind: ColumnKind::Number }],
            wide: Vec::new(),
            warnings: warnings.collect(),
            headerless: true,
            frequency: self.frequency,
        }
    }

    /// The key and the values of a series, and the time of its first point.
    fn series_of(&self, text: &[u8], line: u64) -> Result<(ByteRecord, Option<SeriesStart>), IngestError> {
        let parts: Vec<&[u8]> = text.split(|&byte| byte == b':').collect();
        let Some((values, attributes)) = parts.split_last().filter(|(_, others)| others.len() == self.attributes.len())
        else {
            let (found, wanted) = (parts.len(), self.attributes.len() + 1);
            return Err(invalid(format!("line {line}: expected {wanted} parts separated by `:`, found {found}")));
        };
        let of = |at: usize| attributes.get(at).copied().unwrap_or_default();
        let start = match self.start().zip(self.frequency) {
            Some((at, frequency)) => Some(SeriesStart { time: start_of(of(at), line)?, frequency }),
            None => None,
        };
        let mut cells = ByteRecord::with_capacity(text.len(), 64);
        match self.key() {
            Some(at) => cells.push_field(of(at)),
            None => cells.push_field(format!("T{}", self.series).as_bytes()),
        }
        for value in values.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
            cells.push_field(if value == b"?" { b"" } else { value });
        }
        Ok((cells, start))
    }
}

/// The time of a first point, in microseconds since 1970 UTC: `2012-01-01 00-00-01`, or a date alone.
fn start_of(text: &[u8], line: u64) -> Result<i64, IngestError> {
    let text = String::from_utf8_lossy(text);
    let time = DateTime::strptime("%Y-%m-%d %H-%M-%S", text.trim());
    let time = time.or_else(|_| Date::strptime("%Y-%m-%d", text.trim()).map(|date| date.at(0, 0, 0, 0)));
    let time = time.and_then(|time| time.to_zoned(TimeZone::UTC));
    let time = time.map_err(|_| {
        invalid(format!("line {line}: the first time is not one such as `2012-01-31 00-00-00`: `{}`", text.trim()))
    })?;
    Ok(time.timestamp().as_microsecond())
}

/// The frequency of a word such as `hourly`, `half_hourly` or `10_minutes`.
fn frequency_of(word: &str) -> Option<Frequency> {
    let word = word.to_ascii_lowercase();
    let duration = match word.as_str() {
        "secondly" => "PT1S".to_owned(),
        "minutely" => "PT1M".to_owned(),
        "half_hourly" => "PT30M".to_owned(),
        "hourly" => "PT1H".to_owned(),
        "daily" => "P1D".to_owned(),
        "weekly" => "P7D".to_owned(),
        "monthly" => "P1M".to_owned(),
        "quarterly" => "P3M".to_owned(),
        "yearly" => "P1Y".to_owned(),
        _ => {
            let (count, unit) = word.split_once('_')?;
            let count: u32 = count.parse().ok()?;
            match unit.strip_suffix('s').unwrap_or(unit) {
                "second" => format!("PT{count}S"),
                "minute" => format!("PT{count}M"),
                "hour" => format!("PT{count}H"),
                "day" => format!("P{count}D"),
                "week" => format!("P{count}W"),
                "month" => format!("P{count}M"),
                "quarter" => format!("P{}M", count.checked_mul(3)?),
                "year" => format!("P{count}Y"),
                _ => return None,
            }
        }
    };
    duration.parse().ok()
}

fn invalid(detail: impl Into<String>) -> IngestError {
    IngestError::refuse("invalid_tsf", detail.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequencies_are_words() {
        let text = |word: &str| frequency_of(word).map(|frequency| frequency.to_string());
        for (word, duration) in [
            ("4_seconds", "PT4S"),
            ("minutely", "PT1M"),
            ("10_minutes", "PT10M"),
            ("half_hourly", "PT30M"),
            ("Hourly", "PT1H"),
            ("daily", "P1D"),
            ("weekly", "P7D"),
            ("2_weeks", "P14D"),
            ("monthly", "P1M"),
            ("quarterly", "P3M"),
            ("yearly", "P1Y"),
        ] {
            assert_eq!(text(word).as_deref(), Some(duration));
        }
        for word in ["often", "0_days", "_minutes", "4294967295_quarters"] {
            assert_eq!(text(word), None, "{word}");
        }
    }
}

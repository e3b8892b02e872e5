//! Cells of Arrow columns of numbers and times as text.
//!
//! Numbers are written so that they read back to the same double, and times in ISO 8601, as Arrow's own
//! formatter writes them. That is in `arrow-cast`, which takes a tenth of the time to compile
//! everything.

use std::fmt::{self, Write};

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, ArrowTemporalType, Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type,
    Decimal256Type, DecimalType, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, PrimitiveArray};
use arrow_schema::{DataType, TimeUnit};

type Writer<'a> = Box<dyn Fn(usize, &mut String) -> fmt::Result + 'a>;

/// One column.
pub(super) struct Cells<'a> {
    column: &'a dyn Array,
    writer: Writer<'a>,
}

impl<'a> Cells<'a> {
    /// `None` for a type other than numbers, truth values and times.
    pub(super) fn of(column: &'a dyn Array) -> Option<Self> {
        Some(Self { column, writer: writer(column)? })
    }

    /// Appends the cell in row `at`, nothing where it is null. Fails for a time that no calendar has.
    pub(super) fn write(&self, at: usize, to: &mut String) -> fmt::Result {
        if self.column.is_null(at) { Ok(()) } else { (self.writer)(at, to) }
    }
}

fn writer(column: &dyn Array) -> Option<Writer<'_>> {
    match column.data_type() {
        DataType::Null => Some(Box::new(|_, _| Ok(()))),
        DataType::Boolean => {
            let column = column.as_boolean_opt()?;
            Some(Box::new(|at, to| to.write_str(if column.value(at) { "true" } else { "false" })))
        }
        DataType::Int8 => whole::<Int8Type>(column),
        DataType::Int16 => whole::<Int16Type>(column),
        DataType::Int32 => whole::<Int32Type>(column),
        DataType::Int64 => whole::<Int64Type>(column),
        DataType::UInt8 => whole::<UInt8Type>(column),
        DataType::UInt16 => whole::<UInt16Type>(column),
        DataType::UInt32 => whole::<UInt32Type>(column),
        DataType::UInt64 => whole::<UInt64Type>(column),
        DataType::Float16 => {
            let column = column.as_primitive_opt::<Float16Type>()?;
            Some(Box::new(|at, to| float(column.value(at).to_f32(), to)))
        }
        DataType::Float32 => floats::<Float32Type>(column),
        DataType::Float64 => floats::<Float64Type>(column),
        DataType::Decimal32(..) => decimals::<Decimal32Type>(column),
        DataType::Decimal64(..) => decimals::<Decimal64Type>(column),
        DataType::Decimal128(..) => decimals::<Decimal128Type>(column),
        DataType::Decimal256(..) => decimals::<Decimal256Type>(column),
        DataType::Date32 => {
            let column = column.as_primitive_opt::<Date32Type>()?;
            Some(Box::new(|at, to| write!(to, "{:?}", column.value_as_date(at).ok_or(fmt::Error)?)))
        }
        DataType::Date64 => times::<Date64Type>(column, ""),
        DataType::Timestamp(unit, zone) => {
            // Times that carry a zone are stored in UTC, whatever the zone.
            let suffix = if zone.is_some() { "Z" } else { "" };
            match unit {
                TimeUnit::Second => times::<TimestampSecondType>(column, suffix),
                TimeUnit::Millisecond => times::<TimestampMillisecondType>(column, suffix),
                TimeUnit::Microsecond => times::<TimestampMicrosecondType>(column, suffix),
                TimeUnit::Nanosecond => times::<TimestampNanosecondType>(column, suffix),
            }
        }
        _ => None,
    }
}

fn whole<T: ArrowPrimitiveType<Native: itoa::Integer>>(column: &dyn Array) -> Option<Writer<'_>> {
    let column = column.as_primitive_opt::<T>()?;
    Some(Box::new(|at, to| to.write_str(itoa::Buffer::new().format(column.value(at)))))
}

fn floats<T: ArrowPrimitiveType<Native: ryu::Float>>(column: &dyn Array) -> Option<Writer<'_>> {
    let column = column.as_primitive_opt::<T>()?;
    Some(Box::new(|at, to| float(column.value(at), to)))
}

/// The shortest digits that read back to the same number.
fn float(value: impl ryu::Float, to: &mut String) -> fmt::Result {
    to.write_str(ryu::Buffer::new().format(value))
}

fn decimals<T: DecimalType>(column: &dyn Array) -> Option<Writer<'_>> {
    let column = column.as_primitive_opt::<T>()?;
    Some(Box::new(|at, to| to.write_str(&column.value_as_string(at))))
}

fn times<'a, T>(column: &'a dyn Array, suffix: &'static str) -> Option<Writer<'a>>
where
    T: ArrowTemporalType,
    i64: From<T::Native>,
{
    let column: &PrimitiveArray<T> = column.as_primitive_opt::<T>()?;
    Some(Box::new(move |at, to| write!(to, "{:?}{suffix}", column.value_as_datetime(at).ok_or(fmt::Error)?)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{
        ArrayRef, BinaryArray, BooleanArray, Date32Array, Date64Array, Decimal128Array, Float32Array, Float64Array,
        Int8Array, Int64Array, NullArray, TimestampMicrosecondArray, TimestampSecondArray, UInt64Array,
    };

    use super::*;

    fn texts(column: &ArrayRef) -> Vec<String> {
        let cells = Cells::of(column.as_ref()).unwrap();
        let text = |at| {
            let mut text = String::new();
            cells.write(at, &mut text).map(|()| text).unwrap_or_else(|_| "error".to_owned())
        };
        (0..column.len()).map(text).collect()
    }

    #[test]
    fn cells_are_written_as_arrows_formatter_writes_them() {
        let day = 86_400_000_i64;
        let columns: Vec<(ArrayRef, &[&str])> = vec![
            (Arc::new(Int8Array::from(vec![Some(-128), None])), &["-128", ""]),
            (Arc::new(Int64Array::from(vec![i64::MIN])), &["-9223372036854775808"]),
            (Arc::new(UInt64Array::from(vec![u64::MAX])), &["18446744073709551615"]),
            (
                Arc::new(Float64Array::from(vec![0.1, 1.0, -0.0, 1e300, f64::NAN])),
                &["0.1", "1.0", "-0.0", "1e300", "NaN"],
            ),
            (Arc::new(Float32Array::from(vec![0.1, 16_777_216.0])), &["0.1", "16777216.0"]),
            (Arc::new(Decimal128Array::from(vec![-12_345]).with_precision_and_scale(10, 2).unwrap()), &["-123.45"]),
            (Arc::new(BooleanArray::from(vec![Some(true), Some(false), None])), &["true", "false", ""]),
            (Arc::new(NullArray::new(2)), &["", ""]),
            (Arc::new(Date32Array::from(vec![0, 18_262])), &["1970-01-01", "2020-01-01"]),
            (Arc::new(Date64Array::from(vec![18_262 * day])), &["2020-01-01T00:00:00"]),
            (Arc::new(TimestampSecondArray::from(vec![-1])), &["1969-12-31T23:59:59"]),
            (
                Arc::new(TimestampMicrosecondArray::from(vec![1_500, 253_402_300_800_000_000])),
                &["1970-01-01T00:00:00.001500", "+10000-01-01T00:00:00"],
            ),
            (
                Arc::new(TimestampMicrosecondArray::from(vec![0]).with_timezone("Europe/Berlin")),
                &["1970-01-01T00:00:00Z"],
            ),
            (Arc::new(TimestampSecondArray::from(vec![i64::MAX])), &["error"]),
        ];
        for (column, expected) in columns {
            assert_eq!(texts(&column), expected, "{}", column.data_type());
        }
    }

    #[test]
    fn a_column_without_a_text_is_refused() {
        assert!(Cells::of(&BinaryArray::from_vec(vec![b"x"])).is_none());
    }
}

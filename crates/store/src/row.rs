//! Converts columns to domain types and back. A value that cannot be read is reported as corrupt, with the
//! column's name and the reader's message.

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::db::Record;
use super::error::{StoreError, corrupt};

impl Record {
    pub(super) fn id<T: From<Uuid>>(&self, column: &'static str) -> Result<T, StoreError> {
        self.get::<Uuid>(column).map(T::from)
    }

    pub(super) fn maybe_id<T: From<Uuid>>(&self, column: &'static str) -> Result<Option<T>, StoreError> {
        Ok(self.get::<Option<Uuid>>(column)?.map(T::from))
    }

    /// An integer of any width, range-checked.
    pub(super) fn number<T: TryFrom<i64>>(&self, column: &'static str) -> Result<T, StoreError> {
        T::try_from(self.get(column)?).map_err(|_| corrupt(format_args!("{column} is out of range")))
    }

    pub(super) fn maybe_number<T: TryFrom<i64>>(&self, column: &'static str) -> Result<Option<T>, StoreError> {
        let number = self.get::<Option<i64>>(column)?.map(T::try_from).transpose();
        number.map_err(|_| corrupt(format_args!("{column} is out of range")))
    }

    pub(super) fn time(&self, column: &'static str) -> Result<Timestamp, StoreError> {
        timestamp(self.get(column)?, column)
    }

    pub(super) fn maybe_time(&self, column: &'static str) -> Result<Option<Timestamp>, StoreError> {
        self.get::<Option<i64>>(column)?.map(|micros| timestamp(micros, column)).transpose()
    }

    pub(super) fn json<T: DeserializeOwned>(&self, column: &'static str) -> Result<T, StoreError> {
        from_json(&self.get::<String>(column)?, column)
    }

    pub(super) fn maybe_json<T: DeserializeOwned>(&self, column: &'static str) -> Result<Option<T>, StoreError> {
        self.get::<Option<String>>(column)?.map(|text| from_json(&text, column)).transpose()
    }

    /// Optional JSON: if it cannot be read, it is logged and omitted.
    pub(super) fn json_if_readable<T: DeserializeOwned>(&self, column: &'static str) -> Result<Option<T>, StoreError> {
        match self.maybe_json(column) {
            Err(StoreError::Corrupt(fault)) => {
                tracing::error!(fault, "a part of a row cannot be read and is left out");
                Ok(None)
            }
            read => read,
        }
    }

    /// An enum variant stored as text.
    pub(super) fn enum_text<T: DeserializeOwned>(&self, column: &'static str) -> Result<T, StoreError> {
        let text: String = self.get(column)?;
        serde_json::from_value(text.into()).map_err(|error| corrupt(format_args!("{column}: {error}")))
    }
}

fn timestamp(micros: i64, column: &'static str) -> Result<Timestamp, StoreError> {
    Timestamp::from_microsecond(micros).map_err(|_| corrupt(format_args!("{column} is out of range")))
}

fn from_json<T: DeserializeOwned>(text: &str, column: &'static str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| corrupt(format_args!("{column} cannot be read: {error}")))
}

pub(super) fn to_json(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| corrupt(format_args!("a value has no JSON form: {error}")))
}

/// Reads the rows of a list. A row that cannot be read is logged and omitted, so that the others can still be listed.
pub(super) fn read_each<T>(
    rows: &[Record],
    read: impl Fn(&Record) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut items = Vec::with_capacity(rows.len());
    for row in rows {
        match read(row) {
            Ok(item) => items.push(item),
            Err(StoreError::Corrupt(fault)) => {
                let id = row.get::<Uuid>("id").map(|id| id.to_string()).unwrap_or_default();
                tracing::error!(id, fault, "a row cannot be read and is left out of a list");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(items)
}

/// Makes text storable in both databases: PostgreSQL's text cannot contain NUL.
pub(super) fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// Converts a size to a column value.
pub(super) fn size(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

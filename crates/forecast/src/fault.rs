//! Faults of single series, and how they are combined for a request of many series.

use std::collections::HashMap;

use gatecast_core::forecast::SeriesError;
use gatecast_core::resolve::FieldError;

use super::error::ForecastError;

/// The maximum number of errors in a response.
const MAX_LISTED: usize = 100;

/// The maximum number of characters of a caller's text that a message quotes.
const MAX_QUOTED: usize = 80;

/// A fault of one series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SeriesFault {
    /// A JSON pointer relative to the series' entry in the request: `/values/3`, or empty.
    pub(super) field: String,
    /// A stable code, for programs.
    pub(super) code: &'static str,
    pub(super) detail: String,
}

impl SeriesFault {
    pub(super) fn new(field: impl Into<String>, code: &'static str, detail: impl Into<String>) -> Self {
        Self { field: field.into(), code, detail: detail.into() }
    }

    /// Converts it to an entry of [`gatecast_core::forecast::ForecastResponse::errors`].
    pub(super) fn of_series(self, series: String) -> SeriesError {
        SeriesError { series, code: self.code.to_owned(), detail: self.detail }
    }
}

/// The faults of a request's series. A fault that several series share is listed once.
#[derive(Debug, Default)]
pub(super) struct FaultList {
    groups: Vec<Group>,
    by_fault: HashMap<SeriesFaultKey, usize>,
    unlisted: usize,
}

/// Field and detail.
type SeriesFaultKey = (String, String);

#[derive(Debug)]
struct Group {
    pointer: String,
    detail: String,
    /// The number of other series with the same fault.
    others: usize,
}

impl FaultList {
    /// Adds a fault for the entry at `pointer`, such as `/series/3`.
    pub(super) fn push(&mut self, pointer: &str, fault: SeriesFault) {
        let SeriesFault { field, detail, .. } = fault;
        let key = (field, detail);
        if let Some(group) = self.by_fault.get(&key).and_then(|&at| self.groups.get_mut(at)) {
            group.others += 1;
        } else if self.groups.len() < MAX_LISTED {
            let (field, detail) = &key;
            self.groups.push(Group { pointer: format!("{pointer}{field}"), detail: detail.clone(), others: 0 });
            self.by_fault.insert(key, self.groups.len() - 1);
        } else {
            self.unlisted += 1;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Returns `Ok` if there are no faults.
    pub(super) fn into_result(self) -> Result<(), ForecastError> {
        if self.is_empty() {
            return Ok(());
        }
        let field = |group: Group| {
            let detail = match group.others {
                0 => group.detail,
                1 => format!("{}; the same is true of 1 other series", group.detail),
                others => format!("{}; the same is true of {others} other series", group.detail),
            };
            FieldError::new(group.pointer, detail)
        };
        let mut errors: Vec<FieldError> = self.groups.into_iter().map(field).collect();
        if self.unlisted > 0 {
            errors.push(FieldError::new("/series", format!("{} more errors are not listed", self.unlisted)));
        }
        Err(ForecastError::Invalid(errors))
    }
}

/// Quotes a caller's text in backticks, truncated if it is long.
pub(super) fn quoted(text: &str) -> String {
    match text.char_indices().nth(MAX_QUOTED) {
        Some((end, _)) => format!("`{}…`", text.get(..end).unwrap_or_default()),
        None => format!("`{text}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(faults: &[(usize, &str, &str)]) -> Vec<(String, String)> {
        let mut list = FaultList::default();
        for (at, field, detail) in faults {
            list.push(&format!("/series/{at}"), SeriesFault::new(*field, "values_missing", *detail));
        }
        match list.into_result() {
            Err(ForecastError::Invalid(errors)) => errors.into_iter().map(|e| (e.pointer, e.detail)).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn equal_faults_of_many_series_are_listed_once() {
        let faults: Vec<_> = (0..20).map(|at| (at, "/future/promo", "is missing")).chain([(3, "", "other")]).collect();
        let errors = listed(&faults);
        assert_eq!(errors[0].0, "/series/0/future/promo");
        assert_eq!(errors[0].1, "is missing; the same is true of 19 other series");
        assert_eq!(errors[1..], [("/series/3".to_owned(), "other".to_owned())]);
    }

    #[test]
    fn a_long_list_is_cut() {
        let details: Vec<String> = (0..250).map(|at| at.to_string()).collect();
        let faults: Vec<_> = details.iter().enumerate().map(|(at, detail)| (at, "", detail.as_str())).collect();
        let errors = listed(&faults);
        assert_eq!(errors.len(), 101);
        assert_eq!(errors[100], ("/series".to_owned(), "150 more errors are not listed".to_owned()));
    }

    #[test]
    fn long_texts_are_cut_in_messages() {
        assert_eq!(quoted("a"), "`a`");
        assert_eq!(quoted(&"ü".repeat(1_000)), format!("`{}…`", "ü".repeat(80)));
    }
}

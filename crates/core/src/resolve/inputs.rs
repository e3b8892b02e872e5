//! Checks the columns of a request against the dataset.

use super::{FieldError, list, nearest, number_columns};
use crate::dataset::{ColumnKind, Profile};
use crate::order::{Calendar, CalendarForm, DataRequest};

/// The default limit of future covariate values per step: points ahead × columns.
const OPEN_FUTURE: usize = 256;
/// The limit if the request sets `future_window`.
const MOST_FUTURE: usize = 4_096;

pub(super) fn resolve_columns(data: &mut DataRequest, profile: &Profile, errors: &mut Vec<FieldError>) {
    if data.targets.is_empty() {
        let numbers: Vec<&str> = number_columns(profile).collect();
        match numbers.as_slice() {
            [only] => data.targets = vec![(*only).to_owned()],
            several => errors.push(FieldError::new(
                "/data/targets",
                format!("say which columns to forecast: the dataset has {}", list(several.iter().copied())),
            )),
        }
    }
    let covariates = &data.covariates;
    let groups = [
        ("/data/targets", &data.targets, true),
        ("/data/covariates/past", &covariates.past, false),
        ("/data/covariates/future", &covariates.future, false),
        ("/data/covariates/static", &covariates.fixed, false),
    ];
    let mut seen: Vec<&str> = Vec::new();
    for (group, columns, numbers_alone) in groups {
        for (at, name) in columns.iter().enumerate() {
            let pointer = format!("{group}/{at}");
            if seen.contains(&name.as_str()) {
                errors.push(FieldError::new(pointer, format!("`{name}` is named twice; a target is an input already")));
                continue;
            }
            seen.push(name);
            match profile.column(name).map(|column| column.kind) {
                Some(ColumnKind::Category) if numbers_alone => {
                    errors.push(FieldError::new(pointer, format!("`{name}` holds categories, not numbers")));
                }
                Some(_) => {}
                None => {
                    let all = || profile.columns.iter().map(|column| column.name.as_str());
                    let near =
                        if numbers_alone { nearest(name, number_columns(profile)) } else { nearest(name, all()) };
                    errors.push(FieldError::new(pointer, format!("the dataset has no column `{name}`{near}")));
                }
            }
        }
    }
    if covariates.series && seen.contains(&"series") {
        errors.push(FieldError::new(
            "/data/covariates/series",
            "a column named `series` is an input already: read one of the two",
        ));
    }
    check_calendar(data, profile, errors);
    check_lags(&data.lags, errors);
}

fn check_calendar(data: &DataRequest, profile: &Profile, errors: &mut Vec<FieldError>) {
    let mut seen: Vec<Calendar> = Vec::new();
    for (at, &calendar) in data.calendar.iter().enumerate() {
        let (pointer, name) = (format!("/data/calendar/{at}"), calendar.feature().name());
        let same = |other: &Calendar| (other.feature(), other.form()) == (calendar.feature(), calendar.form());
        if profile.start.is_none() {
            errors.push(FieldError::new(pointer, format!("the dataset has no times to read `{name}` off")));
        } else if seen.iter().any(same) {
            errors.push(FieldError::new(pointer, format!("`{name}` is listed twice")));
        } else if calendar.form() == CalendarForm::Category
            && profile.column(&format!("calendar.{name}")).is_some_and(|column| column.kind == ColumnKind::Category)
        {
            errors.push(FieldError::new(
                pointer,
                format!("the dataset has a column `calendar.{name}`, whose embedding would have the same name"),
            ));
        }
        seen.push(calendar);
    }
}

fn check_lags(lags: &[usize], errors: &mut Vec<FieldError>) {
    for (at, lag) in lags.iter().enumerate() {
        if lags.iter().take(at).any(|other| other == lag) {
            errors.push(FieldError::new(format!("/data/lags/{at}"), format!("{lag} is listed twice")));
        }
    }
}

/// The number of points ahead whose future covariates each step reads. 0 if there are none.
pub(super) fn future_window(data: &DataRequest, horizon: usize, errors: &mut Vec<FieldError>) -> usize {
    let columns = data.covariates.future.len();
    let mut refuse = |detail: String| errors.push(FieldError::new("/data/future_window", detail));
    match data.future_window {
        None if columns > 0 => return horizon.min((OPEN_FUTURE / columns).max(1)),
        None => return 0,
        Some(_) if columns == 0 => {
            refuse("there are no future covariates: name some, or leave it out".to_owned());
        }
        Some(window) if window > horizon => refuse(format!("is longer than the horizon of {horizon}")),
        Some(window) if window.saturating_mul(columns) > MOST_FUTURE => {
            refuse(format!("times {columns} columns is more than the {MOST_FUTURE} values that a step may read"));
        }
        Some(window) => return window,
    }
    0
}

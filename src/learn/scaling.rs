//! Bringing numbers to the scale a network learns in, and back.
//!
//! A scaler is fitted on training points alone and travels in the model. A series it holds no row
//! for (held out, or new at forecast time) is scaled by its own last `context` points, by the same
//! code in evaluation and in forecasts, so that a validation score means what users will see.

use std::collections::HashMap;

use crate::domain::order::Scaling;

/// Means and standard deviations by series and input column.
#[derive(Debug, Clone, PartialEq)]
pub struct Scaler {
    kind: Scaling,
    columns: Vec<String>,
    keys: Vec<String>,
    mean: Vec<f64>,
    std: Vec<f64>,
    rows: HashMap<String, usize>,
}

/// The numbers do not make a scaler.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScalerError {
    #[error("expected {expected} means and as many deviations, got {means} and {deviations}")]
    Shape { expected: usize, means: usize, deviations: usize },
    #[error("series `{0}` is scaled twice")]
    Repeated(String),
    #[error("a mean is not finite, or a deviation is not above zero")]
    Unusable,
}

/// One series' row: a mean and a deviation a column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale<'a> {
    pub mean: &'a [f64],
    pub std: &'a [f64],
}

impl Scale<'_> {
    /// To the network's scale. A column past the row's end is left as it is.
    pub fn apply(&self, column: usize, value: f64) -> f64 {
        let (mean, std) = self.column(column);
        (value - mean) / std
    }

    /// Back to the data's units.
    pub fn undo(&self, column: usize, scaled: f64) -> f64 {
        let (mean, std) = self.column(column);
        scaled * std + mean
    }

    /// Mean and deviation of a column.
    pub fn column(&self, column: usize) -> (f64, f64) {
        (self.mean.get(column).copied().unwrap_or(0.0), self.std.get(column).copied().unwrap_or(1.0))
    }
}

/// A row that belongs to no scaler: what a series' own context says.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OwnScale {
    mean: Vec<f64>,
    std: Vec<f64>,
}

impl OwnScale {
    pub fn get(&self) -> Scale<'_> {
        Scale { mean: &self.mean, std: &self.std }
    }

    /// Fits the row afresh on one slice a column, keeping its memory.
    pub fn refit<'v>(&mut self, columns: impl IntoIterator<Item = &'v [f64]>) -> Scale<'_> {
        self.mean.clear();
        self.std.clear();
        for values in columns {
            let (mean, std) = mean_and_std(values.iter().copied());
            self.mean.push(mean);
            self.std.push(std);
        }
        self.get()
    }
}

impl Scaler {
    /// A scaler from its parts, as a bundle holds them: `mean` and `std` are `[row, column]`, with
    /// one row a key for `standard` and a single row (and no keys) for the other kinds.
    pub fn new(
        kind: Scaling,
        columns: Vec<String>,
        keys: Vec<String>,
        mean: Vec<f64>,
        std: Vec<f64>,
    ) -> Result<Self, ScalerError> {
        let rows = if kind == Scaling::Standard { keys.len() } else { 1 };
        let expected = rows.saturating_mul(columns.len());
        if mean.len() != expected || std.len() != expected || (kind != Scaling::Standard && !keys.is_empty()) {
            return Err(ScalerError::Shape { expected, means: mean.len(), deviations: std.len() });
        }
        if !mean.iter().all(|mean| mean.is_finite()) || !std.iter().all(|std| std.is_finite() && *std > 0.0) {
            return Err(ScalerError::Unusable);
        }
        let mut rows = HashMap::with_capacity(keys.len());
        for (row, key) in keys.iter().enumerate() {
            if rows.insert(key.clone(), row).is_some() {
                return Err(ScalerError::Repeated(key.clone()));
            }
        }
        Ok(Self { kind, columns, keys, mean, std, rows })
    }

    /// Fits a scaler on training points: for each series with such points, one slice a column.
    pub fn fit(kind: Scaling, columns: Vec<String>, training: &[(String, Vec<&[f64]>)]) -> Result<Self, ScalerError> {
        let width = columns.len();
        let (mut keys, mut mean, mut std) = (Vec::new(), Vec::new(), Vec::new());
        match kind {
            Scaling::None => (mean, std) = (vec![0.0; width], vec![1.0; width]),
            Scaling::Standard => {
                for (key, values) in training {
                    keys.push(key.clone());
                    for column in 0..width {
                        let (of_mean, of_std) = mean_and_std(points(values, column));
                        mean.push(of_mean);
                        std.push(of_std);
                    }
                }
            }
            Scaling::StandardGlobal => {
                for column in 0..width {
                    let all = training.iter().flat_map(|(_, values)| points(values, column));
                    let (of_mean, of_std) = mean_and_std(all);
                    mean.push(of_mean);
                    std.push(of_std);
                }
            }
        }
        Self::new(kind, columns, keys, mean, std)
    }

    /// The row of a series; `None` where it must be scaled by its own context
    /// ([`Scaler::of_context`]). A series without a name is the one a model of one series knows.
    pub fn for_series(&self, key: Option<&str>) -> Option<Scale<'_>> {
        match (self.kind, key) {
            (Scaling::None | Scaling::StandardGlobal, _) => self.row(0),
            (Scaling::Standard, Some(key)) => self.rows.get(key).and_then(|&row| self.row(row)),
            (Scaling::Standard, None) if self.keys.len() == 1 => self.row(0),
            (Scaling::Standard, None) => None,
        }
    }

    /// The scale of a series this scaler does not know: that of its own last `context` points, one
    /// slice a column.
    pub fn of_context<'v>(columns: impl IntoIterator<Item = &'v [f64]>) -> OwnScale {
        let mut scale = OwnScale::default();
        scale.refit(columns);
        scale
    }

    pub fn kind(&self) -> Scaling {
        self.kind
    }

    /// The network's inputs: targets, then past covariates.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Series with a row of their own, in the order of the rows; empty unless `standard`.
    pub fn keys(&self) -> &[String] {
        &self.keys
    }

    /// `[row, column]`.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// `[row, column]`, all above zero.
    pub fn std(&self) -> &[f64] {
        &self.std
    }

    fn row(&self, row: usize) -> Option<Scale<'_>> {
        let width = self.columns.len();
        let range = row * width..(row + 1) * width;
        Some(Scale { mean: self.mean.get(range.clone())?, std: self.std.get(range)? })
    }
}

fn points<'v>(columns: &'v [&[f64]], column: usize) -> impl Iterator<Item = f64> + Clone + 'v {
    columns.get(column).copied().unwrap_or_default().iter().copied()
}

/// The mean and the standard deviation (dividing by the count), in two passes; values that are not
/// known are left out. All alike, or none at all: the deviation is 1. Whether all are alike is
/// asked of the values themselves, for the rounding of their mean would pass for a deviation.
fn mean_and_std(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let values = values.filter(|value| !value.is_nan());
    let (mut count, mut mean) = (0.0, 0.0);
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for value in values.clone() {
        count += 1.0;
        mean += (value - mean) / count;
        low = low.min(value);
        high = high.max(value);
    }
    if low >= high {
        return (if count > 0.0 { low } else { 0.0 }, 1.0);
    }
    let std = (values.map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt();
    // Differences so small that their squares vanish.
    (mean, if std > 0.0 { std } else { 1.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn each_series_and_column_has_its_own_scale() {
        let training = [
            ("a".to_owned(), vec![[1.0, 2.0, 3.0, 4.0].as_slice(), &[5.0, 5.0, 5.0, 5.0]]),
            ("b".to_owned(), vec![[10.0, 30.0].as_slice(), &[0.1, 0.3]]),
        ];
        let scaler = Scaler::fit(Scaling::Standard, columns(&["x", "y"]), &training).unwrap();
        let a = scaler.for_series(Some("a")).unwrap();
        assert_eq!(a.column(0), (2.5, 1.25_f64.sqrt()));
        assert_eq!(a.column(1), (5.0, 1.0), "a constant column is divided by 1");
        assert_eq!(scaler.for_series(Some("b")).unwrap().apply(0, 30.0), 1.0);
        assert_eq!(scaler.for_series(Some("b")).unwrap().undo(0, -1.0), 10.0);
        assert_eq!(scaler.for_series(Some("c")), None);
        assert_eq!(scaler.for_series(None), None, "which of the two is meant?");
    }

    #[test]
    fn a_series_without_a_name_is_the_only_one() {
        let training = [("rail".to_owned(), vec![[1.0, 3.0].as_slice()])];
        let scaler = Scaler::fit(Scaling::Standard, columns(&["x"]), &training).unwrap();
        assert_eq!(scaler.for_series(None), scaler.for_series(Some("rail")));
        assert!(scaler.for_series(None).is_some());
    }

    #[test]
    fn one_scale_serves_all_where_the_order_says_so() {
        let training =
            [("a".to_owned(), vec![[0.0, 2.0].as_slice()]), ("b".to_owned(), vec![[4.0, 6.0, f64::NAN].as_slice()])];
        let global = Scaler::fit(Scaling::StandardGlobal, columns(&["x"]), &training).unwrap();
        assert_eq!(global.for_series(Some("never seen")).unwrap().column(0), (3.0, 5.0_f64.sqrt()));
        let none = Scaler::fit(Scaling::None, columns(&["x"]), &training).unwrap();
        assert_eq!(none.for_series(None).unwrap().apply(0, 7.5), 7.5);
    }

    #[test]
    fn a_constant_of_awkward_rounding_is_still_constant() {
        let values = vec![0.1; 1_000];
        assert_eq!(Scaler::of_context([values.as_slice()]).get().column(0), (0.1, 1.0));
    }

    #[test]
    fn parts_that_contradict_are_refused() {
        let new = |keys: &[&str], std: &[f64]| {
            Scaler::new(Scaling::Standard, columns(&["x"]), columns(keys), vec![0.0; keys.len()], std.to_vec())
        };
        assert!(new(&["a"], &[1.0]).is_ok());
        assert!(matches!(new(&["a"], &[1.0, 1.0]), Err(ScalerError::Shape { .. })));
        assert_eq!(new(&["a", "a"], &[1.0, 1.0]), Err(ScalerError::Repeated("a".into())));
        assert_eq!(new(&["a"], &[0.0]), Err(ScalerError::Unusable));
        assert_eq!(new(&["a"], &[f64::NAN]), Err(ScalerError::Unusable));
    }
}

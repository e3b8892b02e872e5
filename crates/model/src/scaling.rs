//! Scales numbers to the range that a network learns in, and back.
//!
//! A scaler is fitted on training points only and is stored in the model. A series that has no row in it (a held-out
//! series, or one that is new at forecast time) is scaled by its own last `context` points. So is every window if the
//! request scales per window. Evaluation and forecasts use the same code, so a validation score predicts the errors
//! that users will see.

mod statistics;

use std::collections::HashMap;

use gatecast_core::order::{Scaling, ScalingScope};

/// An offset and a scale per series and input column: scaled = (value − offset) / scale.
#[derive(Debug, Clone, PartialEq)]
pub struct Scaler {
    kind: Scaling,
    columns: Vec<String>,
    keys: Vec<String>,
    offsets: Vec<f64>,
    scales: Vec<f64>,
    rows: HashMap<String, usize>,
}

/// The numbers are not a valid scaler.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScalerError {
    #[error("expected {expected} offsets and scales, got {offsets} and {scales}")]
    Shape { expected: usize, offsets: usize, scales: usize },
    #[error("duplicate series `{0}`")]
    Repeated(String),
    #[error("an offset is not finite, or a scale is not greater than zero")]
    Unusable,
}

/// The row of one series: an offset and a scale per column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale<'a> {
    pub offsets: &'a [f64],
    pub scales: &'a [f64],
}

/// How one column of one series is scaled: scaled = (value − offset) / scale.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ColumnScale {
    pub offset: f64,
    /// Above 0.
    pub scale: f64,
}

impl ColumnScale {
    /// To the network's scale.
    pub fn apply(self, value: f64) -> f64 {
        (value - self.offset) / self.scale
    }
}

impl Scale<'_> {
    /// To the network's scale.
    pub fn apply(&self, column: usize, value: f64) -> f64 {
        self.column(column).apply(value)
    }

    /// Back from the network's scale.
    pub fn undo(&self, column: usize, scaled: f64) -> f64 {
        let ColumnScale { offset, scale } = self.column(column);
        scaled * scale + offset
    }

    /// The offset and scale of a column.
    ///
    /// # Panics
    /// If the row has no such column, because a number that is left unscaled would be a wrong forecast.
    #[expect(clippy::expect_used, reason = "a scaler has an entry for each column of its model")]
    pub fn column(&self, column: usize) -> ColumnScale {
        let of = |row: &[f64]| *row.get(column).expect("a scale for each column of the model");
        ColumnScale { offset: of(self.offsets), scale: of(self.scales) }
    }
}

/// A row that is fitted on the context of one window and belongs to no scaler.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct WindowScale {
    offsets: Vec<f64>,
    scales: Vec<f64>,
}

impl WindowScale {
    pub fn get(&self) -> Scale<'_> {
        Scale { offsets: &self.offsets, scales: &self.scales }
    }
}

impl Scaler {
    /// Creates a scaler from its parts, as stored in a bundle. `offsets` and `scales` are `[row, column]`, with one
    /// row per key if the scaling has rows ([`Scaling::has_rows`]). Otherwise there are no keys and one row.
    pub fn new(
        kind: Scaling,
        columns: Vec<String>,
        keys: Vec<String>,
        offsets: Vec<f64>,
        scales: Vec<f64>,
    ) -> Result<Self, ScalerError> {
        let rows = if kind.has_rows() { keys.len() } else { 1 };
        let expected = rows.saturating_mul(columns.len());
        if offsets.len() != expected || scales.len() != expected || (!kind.has_rows() && !keys.is_empty()) {
            return Err(ScalerError::Shape { expected, offsets: offsets.len(), scales: scales.len() });
        }
        let usable = |scale: &f64| scale.is_finite() && *scale > 0.0;
        if !offsets.iter().all(|offset| offset.is_finite()) || !scales.iter().all(usable) {
            return Err(ScalerError::Unusable);
        }
        let mut rows = HashMap::with_capacity(keys.len());
        for (row, key) in keys.iter().enumerate() {
            if rows.insert(key.clone(), row).is_some() {
                return Err(ScalerError::Repeated(key.clone()));
            }
        }
        Ok(Self { kind, columns, keys, offsets, scales, rows })
    }

    /// Fits a scaler on the training points of each series that has any, with one slice per column.
    pub fn fit(kind: Scaling, columns: Vec<String>, training: &[(String, Vec<&[f64]>)]) -> Result<Self, ScalerError> {
        let width = columns.len();
        let (mut keys, mut pairs) = (Vec::new(), Vec::new());
        if kind.has_rows() {
            for (key, values) in training {
                keys.push(key.clone());
                pairs.extend((0..width).map(|column| statistics::of(kind.kind, points(values, column))));
            }
        } else if kind.per == ScalingScope::Global {
            let all = |column| training.iter().flat_map(move |(_, values)| points(values, column));
            pairs.extend((0..width).map(|column| statistics::of(kind.kind, all(column))));
        } else {
            pairs.resize(width, (0.0, 1.0));
        }
        let (offsets, scales) = pairs.into_iter().unzip();
        Self::new(kind, columns, keys, offsets, scales)
    }

    /// The row of a series; `None` if the series must be scaled by its own context ([`Scaler::of_context`]). A series
    /// without a name matches the only series of a model that was trained on one.
    pub fn for_series(&self, key: Option<&str>) -> Option<Scale<'_>> {
        if !self.kind.has_rows() {
            return if self.kind.per == ScalingScope::Window { None } else { self.row(0) };
        }
        match key {
            Some(key) => self.rows.get(key).and_then(|&row| self.row(row)),
            None if self.keys.len() == 1 => self.row(0),
            None => None,
        }
    }

    /// The scale of a window without a row, fitted on its context, with one slice per column.
    pub fn of_context<'v>(&self, columns: impl IntoIterator<Item = &'v [f64]>) -> WindowScale {
        let mut scale = WindowScale::default();
        self.refit(&mut scale, columns);
        scale
    }

    /// Like [`Scaler::of_context`], but reuses the memory of `own`.
    pub fn refit<'o, 'v>(&self, own: &'o mut WindowScale, columns: impl IntoIterator<Item = &'v [f64]>) -> Scale<'o> {
        own.offsets.clear();
        own.scales.clear();
        for values in columns {
            let values = values.iter().copied();
            let (offset, scale) = match self.kind.per {
                ScalingScope::Window => statistics::of_window(self.kind.kind, values),
                ScalingScope::Series | ScalingScope::Global => statistics::of(self.kind.kind, values),
            };
            own.offsets.push(offset);
            own.scales.push(scale);
        }
        own.get()
    }

    /// Whether each window is scaled by its own context.
    pub fn is_of_windows(&self) -> bool {
        self.kind.per == ScalingScope::Window
    }

    pub fn kind(&self) -> Scaling {
        self.kind
    }

    /// The scaled columns: targets, then past and future covariates that are numbers.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The keys of the series that have a row, in the order of the rows.
    pub fn keys(&self) -> &[String] {
        &self.keys
    }

    /// `[row, column]`.
    pub fn offsets(&self) -> &[f64] {
        &self.offsets
    }

    /// `[row, column]`, all greater than zero.
    pub fn scales(&self) -> &[f64] {
        &self.scales
    }

    fn row(&self, row: usize) -> Option<Scale<'_>> {
        let width = self.columns.len();
        let range = row * width..(row + 1) * width;
        Some(Scale { offsets: self.offsets.get(range.clone())?, scales: self.scales.get(range)? })
    }
}

fn points<'v>(columns: &'v [&[f64]], column: usize) -> impl Iterator<Item = f64> + Clone + 'v {
    columns.get(column).copied().unwrap_or_default().iter().copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatecast_core::order::ScalingKind;

    #[test]
    #[should_panic(expected = "a scale for each column")]
    fn a_missing_column_panics_instead_of_staying_unscaled() {
        Scale { offsets: &[0.0], scales: &[2.0] }.apply(1, 5.0);
    }

    fn columns(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn each_series_and_column_has_its_own_scale() {
        let training = [
            ("a".to_owned(), vec![[1.0, 2.0, 3.0, 4.0].as_slice(), &[5.0, 5.0, 5.0, 5.0]]),
            ("b".to_owned(), vec![[10.0, 30.0].as_slice(), &[0.1, 0.3]]),
        ];
        let scaler = Scaler::fit(Scaling::STANDARD, columns(&["x", "y"]), &training).unwrap();
        let a = scaler.for_series(Some("a")).unwrap();
        assert_eq!(a.column(0), ColumnScale { offset: 2.5, scale: 1.25_f64.sqrt() });
        assert_eq!(a.column(1), ColumnScale { offset: 5.0, scale: 1.0 }, "a constant column is divided by 1");
        assert_eq!(scaler.for_series(Some("b")).unwrap().apply(0, 30.0), 1.0);
        assert_eq!(scaler.for_series(Some("b")).unwrap().undo(0, -1.0), 10.0);
        assert_eq!(scaler.for_series(Some("c")), None);
        assert_eq!(scaler.for_series(None), None, "two series match");
    }

    #[test]
    fn a_series_without_a_name_is_the_only_one() {
        let training = [("rail".to_owned(), vec![[1.0, 3.0].as_slice()])];
        let scaler = Scaler::fit(Scaling::STANDARD, columns(&["x"]), &training).unwrap();
        assert_eq!(scaler.for_series(None), scaler.for_series(Some("rail")));
        assert!(scaler.for_series(None).is_some());
    }

    #[test]
    fn global_and_no_scaling_have_one_scale_for_all_series() {
        let training =
            [("a".to_owned(), vec![[0.0, 2.0].as_slice()]), ("b".to_owned(), vec![[4.0, 6.0, f64::NAN].as_slice()])];
        let global = Scaler::fit(Scaling::STANDARD_GLOBAL, columns(&["x"]), &training).unwrap();
        assert_eq!(
            global.for_series(Some("never seen")).unwrap().column(0),
            ColumnScale { offset: 3.0, scale: 5.0_f64.sqrt() }
        );
        let none = Scaler::fit(Scaling::NONE, columns(&["x"]), &training).unwrap();
        assert_eq!(none.for_series(None).unwrap().apply(0, 7.5), 7.5);
    }

    #[test]
    fn window_scaling_ignores_the_series() {
        let training = [("a".to_owned(), vec![[0.0, 2.0].as_slice()])];
        for kind in [ScalingKind::Standard, ScalingKind::Mean] {
            let scaler = Scaler::fit(Scaling::new(kind, ScalingScope::Window), columns(&["x"]), &training).unwrap();
            assert_eq!(scaler.for_series(Some("a")), None);
            assert_eq!((scaler.offsets(), scaler.scales(), scaler.keys().len()), (&[0.0][..], &[1.0][..], 0));
        }
        let mean = Scaler::fit(Scaling::new(ScalingKind::Mean, ScalingScope::Window), columns(&["x"]), &[]).unwrap();
        assert_eq!(mean.of_context([[-2.0, 4.0].as_slice()]).get().column(0), ColumnScale { offset: 0.0, scale: 3.0 });
    }

    #[test]
    fn parts_that_contradict_are_refused() {
        let new = |keys: &[&str], std: &[f64]| {
            Scaler::new(Scaling::STANDARD, columns(&["x"]), columns(keys), vec![0.0; keys.len()], std.to_vec())
        };
        assert!(new(&["a"], &[1.0]).is_ok());
        assert!(matches!(new(&["a"], &[1.0, 1.0]), Err(ScalerError::Shape { .. })));
        assert_eq!(new(&["a", "a"], &[1.0, 1.0]), Err(ScalerError::Repeated("a".into())));
        assert_eq!(new(&["a"], &[0.0]), Err(ScalerError::Unusable));
        assert_eq!(new(&["a"], &[f64::NAN]), Err(ScalerError::Unusable));
    }
}
